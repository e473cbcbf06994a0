//! The roles of a structure's parameters, and the properties that each role determines.

/// The role of one parameter of a structure. Effects, rows and columns are numbered from zero
/// within the part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// The standard deviation of one effect, relative to sigma.
    Scale {
        /// The effect.
        effect: usize,
    },
    /// The common standard deviation of all effects, relative to sigma.
    CommonScale,
    /// An element of Lambda.
    Factor {
        /// Row, not less than the column.
        row: usize,
        /// Column.
        column: usize,
    },
    /// The correlation of two effects; other pairs may have the same one, or a function of it.
    Correlation {
        /// The later effect of the pair.
        row: usize,
        /// The earlier effect of the pair.
        column: usize,
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
    },
}

impl Role {
    /// The value at `Lambda = I`.
    pub fn start(self) -> f64 {
        match self {
            Self::Scale { .. } | Self::CommonScale => 1.0,
            Self::Factor { row, column } => f64::from(u8::from(row == column)),
            Self::Correlation { .. } => 0.0,
        }
    }

    /// The smallest and the largest value.
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Scale { .. } | Self::CommonScale => (0.0, f64::INFINITY),
            Self::Factor { row, column } if row == column => {
                (0.0, f64::INFINITY)
            }
            Self::Factor { .. } => (f64::NEG_INFINITY, f64::INFINITY),
            Self::Correlation { low, high, .. } => (low, high),
        }
    }

    /// The unit of the parameter, given the root mean square of each column of Z; for a
    /// correlation, that of its angle.
    pub fn step_size(self, rms: &[f64]) -> f64 {
        match self {
            Self::Scale { effect } => 1.0 / rms[effect],
            Self::Factor { row, .. } => 1.0 / rms[row],
            Self::CommonScale => {
                let mean_square = rms.iter().map(|rms| rms * rms).sum::<f64>()
                    / rms.len() as f64;
                1.0 / mean_square.sqrt()
            }
            Self::Correlation { .. } => 1.0,
        }
    }

    /// Row and column of the covariance matrix's element that identifies the parameter.
    pub fn cell(self) -> (usize, usize) {
        match self {
            Self::Scale { effect } => (effect, effect),
            Self::CommonScale => (0, 0),
            Self::Factor { row, column }
            | Self::Correlation { row, column, .. } => (row, column),
        }
    }

    /// Whether the parameter is a standard deviation, of one effect or of all.
    pub(crate) fn is_scale(self) -> bool {
        matches!(self, Self::Scale { .. } | Self::CommonScale)
    }

    /// Whether the parameter is a correlation.
    pub(crate) fn is_correlation(self) -> bool {
        matches!(self, Self::Correlation { .. })
    }

    /// Whether the parameter is an element of Lambda below the diagonal.
    pub(crate) fn is_below_diagonal(self) -> bool {
        matches!(self, Self::Factor { row, column } if row > column)
    }
}
