//! Automatic differentiation to second order: numbers that carry their gradient and Hessian.

/// Arithmetic common to plain numbers and [`Jet`]s.
pub(crate) trait Number: Clone {
    /// A constant of the same kind as `self`.
    fn constant(&self, value: f64) -> Self;
    /// The value without derivatives.
    fn value(&self) -> f64;
    /// The sum.
    fn plus(&self, other: &Self) -> Self;
    /// The product.
    fn times(&self, other: &Self) -> Self;
    /// The reciprocal.
    fn reciprocal(&self) -> Self;

    /// The difference.
    fn minus(&self, other: &Self) -> Self {
        self.plus(&other.times(&self.constant(-1.0)))
    }
}

impl Number for f64 {
    fn constant(&self, value: f64) -> Self {
        value
    }

    fn value(&self) -> f64 {
        *self
    }

    fn plus(&self, other: &Self) -> Self {
        self + other
    }

    fn times(&self, other: &Self) -> Self {
        self * other
    }

    fn reciprocal(&self) -> Self {
        1.0 / self
    }

    fn minus(&self, other: &Self) -> Self {
        self - other
    }
}

/// A number with its derivatives in `n` variables.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Jet {
    /// The value.
    pub value: f64,
    /// First derivatives.
    pub first: Vec<f64>,
    /// Second derivatives, `n x n`.
    pub second: Vec<f64>,
}

impl Jet {
    /// A constant, with `n` variables.
    pub fn constant(n: usize, value: f64) -> Self {
        Self {
            value,
            first: vec![0.0; n],
            second: vec![0.0; n * n],
        }
    }

    /// A function of variable `at` alone, given its value and its first two derivatives.
    pub fn function(
        n: usize,
        at: usize,
        [value, first, second]: [f64; 3],
    ) -> Self {
        let mut jet = Self::constant(n, value);
        jet.first[at] = first;
        jet.second[at * n + at] = second;
        jet
    }

    /// Multiplies the derivatives, but not the value.
    pub fn scale_derivatives(&mut self, factor: f64) {
        for derivative in self.first.iter_mut().chain(&mut self.second) {
            *derivative *= factor;
        }
    }

    // The composition f(self), given f and its first two derivatives at the value.
    fn compose(&self, [value, first, second]: [f64; 3]) -> Self {
        let n = self.first.len();
        let bend = |at: usize| {
            first * self.second[at]
                + second * self.first[at % n] * self.first[at / n]
        };
        Self {
            value,
            first: self.first.iter().map(|d| first * d).collect(),
            second: (0..n * n).map(bend).collect(),
        }
    }
}

impl Number for Jet {
    fn constant(&self, value: f64) -> Self {
        Self::constant(self.first.len(), value)
    }

    fn value(&self) -> f64 {
        self.value
    }

    fn plus(&self, other: &Self) -> Self {
        let sum = |a: &[f64], b: &[f64]| {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| a + b).collect()
        };
        Self {
            value: self.value + other.value,
            first: sum(&self.first, &other.first),
            second: sum(&self.second, &other.second),
        }
    }

    fn times(&self, other: &Self) -> Self {
        let n = self.first.len();
        let slope = |i: usize| {
            self.value * other.first[i] + other.value * self.first[i]
        };
        let bend = |at: usize| {
            let i = at % n;
            let j = at / n;
            let own =
                self.value * other.second[at] + other.value * self.second[at];
            own + self.first[i] * other.first[j]
                + self.first[j] * other.first[i]
        };
        Self {
            value: self.value * other.value,
            first: (0..n).map(slope).collect(),
            second: (0..n * n).map(bend).collect(),
        }
    }

    fn reciprocal(&self) -> Self {
        let inverse = 1.0 / self.value;
        let square = inverse * inverse;
        self.compose([inverse, -square, 2.0 * square * inverse])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // f = x y^2 / (x - y) at (3, 1): f_x = -y^3 / (x - y)^2, f_y = (2 x^2 y - x y^2) / (x - y)^2,
    // f_xx = 2 y^3 / (x - y)^3, f_yy = 2 x^3 / (x - y)^3, f_xy = (y^3 - 3 x y^2) / (x - y)^3.
    #[test]
    fn derivatives_of_a_quotient() {
        let x = Jet::function(2, 0, [3.0, 1.0, 0.0]);
        let y = Jet::function(2, 1, [1.0, 1.0, 0.0]);
        let f = x.times(&y.times(&y)).times(&x.minus(&y).reciprocal());
        assert!((f.value - 1.5).abs() < 1e-15);
        for (found, exact) in f.first.iter().zip([-0.25, 3.75]) {
            assert!((found - exact).abs() < 1e-14);
        }
        for (found, exact) in f.second.iter().zip([0.25, -1.0, -1.0, 6.75]) {
            assert!((found - exact).abs() < 1e-14, "{:?}", f.second);
        }
    }
}
