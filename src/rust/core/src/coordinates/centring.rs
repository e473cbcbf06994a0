//! Centring of the columns of X. A year or a time stamp varies little relative to its mean, so that
//! cross-products would lose its digits. If the first column `x_0` is constant, the others are
//! therefore replaced by `x_j - s_j x_0`; the fixed effects of these columns are
//! `beta_0 + sum_j s_j beta_j` and, unchanged, `beta_j`.

/// The multiples `s_j`; that of the first column is zero.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Centring {
    shift: Vec<f64>,
}

impl Centring {
    /// A centring with these multiples, one per column.
    pub fn new(shift: &[f64]) -> Self {
        Self {
            shift: shift.to_vec(),
        }
    }

    fn subtracted(&self, beta: &[f64]) -> f64 {
        self.shift.iter().zip(beta).map(|(s, b)| s * b).sum()
    }

    /// Transforms fixed effects of the original columns to those of the centred columns.
    pub fn centre(&self, beta: &mut [f64]) {
        let subtracted = self.subtracted(beta);
        if let Some(first) = beta.first_mut() {
            *first += subtracted;
        }
    }

    /// Transforms fixed effects of the centred columns to those of the original columns.
    pub(crate) fn restore(&self, beta: &mut [f64]) {
        let subtracted = self.subtracted(beta);
        if let Some(first) = beta.first_mut() {
            *first -= subtracted;
        }
    }

    /// Transforms a gradient in the fixed effects of the centred columns to that in the original
    /// ones.
    pub(crate) fn restore_gradient(&self, gradient: &mut [f64]) {
        let Some(&first) = gradient.first() else {
            return;
        };
        for (g, s) in gradient.iter_mut().zip(&self.shift) {
            *g += s * first;
        }
    }

    /// Transforms a covariance matrix of parameters (`n x n`), which has the fixed effects of the
    /// centred columns from `first` on, to the fixed effects of the original columns.
    pub(crate) fn restore_covariance(
        &self,
        first: usize,
        n: usize,
        covariance: &mut [f64],
    ) {
        for (j, s) in self.shift.iter().enumerate() {
            for i in 0..n {
                covariance[first * n + i] -=
                    s * covariance[(first + j) * n + i];
            }
        }
        for (j, s) in self.shift.iter().enumerate() {
            for i in 0..n {
                covariance[i * n + first] -= s * covariance[i * n + first + j];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // With x_1 - 3 x_0 the linear predictor, the slope and its variance are unchanged.
    #[test]
    fn there_and_back() {
        let centring = Centring::new(&[0.0, 3.0]);
        let mut beta = [0.5, 2.0];
        centring.centre(&mut beta);
        assert_eq!(beta, [6.5, 2.0]);
        centring.restore(&mut beta);
        assert_eq!(beta, [0.5, 2.0]);
        let mut gradient = [1.0, 10.0];
        centring.restore_gradient(&mut gradient);
        assert_eq!(gradient, [1.0, 13.0]);
        // var(b_0 - 3 b_1) = 4 - 2 * 3 * 0.5 + 9 * 2, cov(b_0 - 3 b_1, b_1) = 0.5 - 3 * 2
        let mut covariance = [4.0, 0.5, 0.5, 2.0];
        centring.restore_covariance(0, 2, &mut covariance);
        assert_eq!(covariance, [19.0, -5.5, -5.5, 2.0]);
    }
}
