//! A Bayesian stopping rule for random starts: the expected probability of an undiscovered minimum.

/// The values of the distinct minima in which searches ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Optima {
    values: Vec<f64>,
    searches: usize,
    improvements: usize,
}

impl Optima {
    /// Counts a search that ended at `value`; it is a new minimum if it differs from all others by
    /// more than `tolerance`.
    pub(crate) fn add(&mut self, value: f64, tolerance: f64) {
        self.searches += 1;
        let mut known = self.values.iter();
        if !known.any(|other| (value - other).abs() <= tolerance) {
            self.values.push(value);
        }
    }

    /// Counts a search that ended below all before it, those from systematic starts included.
    pub(crate) fn count_improvement(&mut self) {
        self.improvements += 1;
    }

    /// The number of searches that ended below all before them.
    pub fn improvements(&self) -> usize {
        self.improvements
    }

    /// The number of distinct minima.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// The number of searches.
    pub fn searches(&self) -> usize {
        self.searches
    }

    /// The expected total probability of the starts that lead to undiscovered minima:
    /// `w (w + 1) / (N (N - 1))` after N searches that ended in w minima, with a uniform prior
    /// (Boender and Rinnooy Kan, 1987, Mathematical Programming 37, 59-80).
    pub fn undiscovered(&self) -> f64 {
        let n = self.searches as f64;
        let w = self.values.len() as f64;
        if self.searches < 2 {
            return 1.0;
        }
        (w * (w + 1.0) / (n * (n - 1.0))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_within_the_tolerance_are_one_minimum() {
        let mut optima = Optima::default();
        for value in [3.0, 3.0 + 1e-6, 5.0, 3.0 - 1e-6] {
            optima.add(value, 1e-4);
        }
        assert_eq!(optima.searches(), 4);
        assert_eq!(optima.undiscovered(), 2.0 * 3.0 / (4.0 * 3.0));
    }

    #[test]
    fn one_search_is_not_enough() {
        let mut optima = Optima::default();
        assert_eq!(optima.undiscovered(), 1.0);
        optima.add(1.0, 1e-4);
        assert_eq!(optima.undiscovered(), 1.0);
    }
}
