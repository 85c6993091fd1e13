//! How many columns of a terminal a text takes, and texts that take no more than there are.

use unicode_width::UnicodeWidthStr as _;

/// Counts the columns that a text takes; wide characters take two.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Gives as much of a text as fits into some columns, with an ellipsis where something is left out. A tab becomes a space.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    let text = text.replace('\t', " ");
    if width(&text) <= columns {
        return text;
    }
    let mut fitted = String::new();
    for character in text.chars() {
        fitted.push(character);
        // Characters are counted together: some change how wide those before them are.
        if width(&fitted) + 1 > columns {
            fitted.pop();
            break;
        }
    }
    if columns > 0 {
        fitted.push('…');
    }
    fitted
}

/// Gives a text that takes exactly these columns.
pub(super) fn filled(text: &str, columns: usize) -> String {
    let mut filled = fitted(text, columns);
    filled.push_str(&" ".repeat(columns.saturating_sub(width(&filled))));
    filled
}

/// Gives the same with the text at the right.
pub(super) fn right(text: &str, columns: usize) -> String {
    let fitted = fitted(text, columns);
    format!(
        "{}{fitted}",
        " ".repeat(columns.saturating_sub(width(&fitted)))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_and_are_not_cut_in_half() {
        assert_eq!(width("日本"), 4);
        assert_eq!(fitted("日本語", 6), "日本語");
        assert_eq!(fitted("日本語", 5), "日本…");
        assert_eq!(fitted("日本語", 4), "日…");
        assert_eq!(filled("日本語", 4), "日… ");
        assert_eq!(right("ü", 3), "  ü");
        assert_eq!(
            (fitted("abc", 1), fitted("abc", 0)),
            ("…".into(), String::new())
        );
        assert_eq!(fitted("a\tb", 3), "a b");
    }

    #[test]
    fn nothing_that_fits_is_wider_than_asked_for() {
        for text in [
            "e\u{301}e\u{301}e\u{301}",
            "👩🏽👩🏽👩🏽",
            "aé日x",
            "❤\u{fe0f}❤\u{fe0f}",
        ] {
            for columns in 0..10 {
                assert!(
                    width(&fitted(text, columns)) <= columns,
                    "{text} in {columns}"
                );
                assert_eq!(
                    width(&filled(text, columns)),
                    columns,
                    "{text} in {columns}"
                );
            }
        }
    }
}
