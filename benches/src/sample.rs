//! Repeated measurements of one thing.

use std::fmt;

/// Measurements in seconds, of which the median counts.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a measurement.
    pub fn push(&mut self, seconds: f64) {
        self.0.push(seconds);
        self.0.sort_by(f64::total_cmp);
    }

    /// Gives the median; 0 when nothing was measured.
    #[must_use]
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.get(middle) {
            None => 0.0,
            Some(upper) if self.0.len() % 2 == 1 => *upper,
            Some(upper) => f64::midpoint(self.0[middle - 1], *upper),
        }
    }

    /// Gives the lowest; 0 when nothing was measured.
    #[must_use]
    pub fn lowest(&self) -> f64 {
        self.0.first().copied().unwrap_or_default()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.lowest();
        let last = self.0.last().copied().unwrap_or_default();
        // What is short is of interest to the millisecond.
        let digits = if last < 0.5 { 3 } else { 2 };
        let middle = self.median();
        write!(f, "{middle:.digits$} s ({first:.digits$}–{last:.digits$})")
    }
}

/// Fits `y = a + k·x` by least squares and gives `(a, k)`.
#[must_use]
pub fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.iter().map(|_| 1.0).sum::<f64>();
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let product = |(x, y): &(f64, f64)| (x - mean_x) * (y - mean_y);
    let slope = points.iter().map(product).sum::<f64>() / spread;
    (mean_y - slope * mean_x, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_between_two_middle_values() {
        let mut samples = Samples::default();
        for value in [9.0, 1.0, 2.0, 4.0] {
            samples.push(value);
        }
        assert!((samples.median() - 3.0).abs() < 1e-9);
        assert_eq!(samples.to_string(), "3.00 s (1.00–9.00)");
    }

    #[test]
    fn a_line_is_found_again() {
        let (start, slope) = line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]);
        assert!((start - 1.0).abs() < 1e-9 && (slope - 2.0).abs() < 1e-9);
    }
}
