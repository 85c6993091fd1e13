//! Tables that are drawn from checks, such as that of who can write to whom.

use serde::Serialize;

use super::Check;

/// The place of a check in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The heading of the table.
    pub matrix: String,
    /// The row: who sends.
    pub row: String,
    /// The column: who receives.
    pub column: String,
}

impl Cell {
    /// Names a place.
    pub fn new(
        matrix: impl Into<String>,
        row: impl Into<String>,
        column: impl Into<String>,
    ) -> Self {
        Self {
            matrix: matrix.into(),
            row: row.into(),
            column: column.into(),
        }
    }
}

/// A table that is drawn from the checks that have a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The heading.
    pub heading: String,
    /// Names of the columns, in the order in which the checks were made.
    pub columns: Vec<String>,
    /// Rows with their names.
    pub rows: Vec<(String, Vec<Option<bool>>)>,
}

/// Gathers the tables of checks.
///
/// A cell is good when every check that belongs to it passed, and `None` where there is no check.
#[must_use]
pub fn matrices(checks: &[Check]) -> Vec<Matrix> {
    let mut found: Vec<Matrix> = Vec::new();
    for (cell, passed) in checks
        .iter()
        .filter_map(|check| Some((check.cell.as_ref()?, check.passed)))
    {
        let at = position(
            &mut found,
            |matrix| matrix.heading == cell.matrix,
            || Matrix {
                heading: cell.matrix.clone(),
                columns: Vec::new(),
                rows: Vec::new(),
            },
        );
        let matrix = &mut found[at];
        let column = position(
            &mut matrix.columns,
            |name| *name == cell.column,
            || cell.column.clone(),
        );
        let row = position(
            &mut matrix.rows,
            |(name, _)| *name == cell.row,
            || (cell.row.clone(), Vec::new()),
        );
        let cells = &mut matrix.rows[row].1;
        if cells.len() <= column {
            cells.resize(column + 1, None);
        }
        cells[column] = Some(cells[column].unwrap_or(true) && passed);
    }
    for matrix in &mut found {
        for (_, cells) in &mut matrix.rows {
            cells.resize(matrix.columns.len(), None);
        }
    }
    found
}

/// Gives the index of what is looked for; where it is not there it is put at the end.
fn position<T>(among: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    among.iter().position(is).unwrap_or_else(|| {
        among.push(make());
        among.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Open;

    fn check(row: &str, column: &str, passed: bool) -> Check {
        let mut open = Open::new("mail", String::new(), String::new(), String::new());
        open.check.cell = Some(Cell::new("outside", row, column));
        open.close(String::new(), passed)
    }

    #[test]
    fn a_table_has_a_cell_for_every_pair_of_which_there_is_a_check() {
        let plain = Open::new("mail", String::new(), String::new(), String::new());
        let checks = [
            plain.close(String::new(), false),
            check("customer", "home", true),
            check("customer", "customer", true),
            // Two checks of one flow: both must pass.
            check("customer", "customer", false),
            check("other", "home", true),
        ];
        let rows = vec![
            ("customer".to_owned(), vec![Some(true), Some(false)]),
            ("other".to_owned(), vec![Some(true), None]),
        ];
        assert_eq!(
            matrices(&checks),
            [Matrix {
                heading: "outside".to_owned(),
                columns: vec!["home".to_owned(), "customer".to_owned()],
                rows,
            }]
        );
        assert_eq!(matrices(&checks[..1]), []);
    }
}
