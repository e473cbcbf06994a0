//! Random effects in the column space of X (confounded with fixed effects): their column of Z lies
//! in it for every level.
//!
//! If a grouping factor is also a fixed effect, or is coarser than one, `P Z_j = 0` for its random
//! effects, so that the restricted likelihood does not depend on their variance, and Newton's
//! method would follow rounding errors. The unrestricted likelihood, and Laplace's approximation
//! for a generalized model, decrease in that variance, as the fixed effects explain the same
//! variation without a penalty. In all cases a zero variance is optimal, and the variance is held
//! there.

use super::Factor;
use crate::covariance::{Part, RelCov, Role};
use crate::kernels::small;
use crate::tolerances::{CONTAINED, ROUNDED_SHARE};

/// Access to the cross-products of the levels of a model's terms, by either engine.
pub(crate) trait Levels {
    /// The relative covariance factor of each term.
    fn covs(&self) -> &[RelCov];

    /// Number of fixed effects.
    fn p(&self) -> usize;

    /// `x := L_XX^-1 x`, with the factor of `X'V^-1X`.
    fn forward_solve_fixed(&self, x: &mut [f64]);

    /// The smallest share of a column of X's sum of squares that is orthogonal to the preceding
    /// columns, from that factor; zero if unknown.
    fn least_share_of_fixed(&self) -> f64;

    /// Calls `visit` for each level of a column of Z, with the column's sum of squares in the level
    /// and its products with X.
    fn for_each_level(
        &self,
        term: usize,
        column: usize,
        visit: &mut dyn FnMut(usize, f64, &[f64]),
    );
}

impl Levels for Factor {
    fn covs(&self) -> &[RelCov] {
        Factor::covs(self)
    }

    fn p(&self) -> usize {
        Factor::p(self)
    }

    fn forward_solve_fixed(&self, x: &mut [f64]) {
        self.border.forward_solve(x);
    }

    fn least_share_of_fixed(&self) -> f64 {
        self.border.least_share()
    }

    fn for_each_level(
        &self,
        term: usize,
        column: usize,
        visit: &mut dyn FnMut(usize, f64, &[f64]),
    ) {
        let k = Factor::covs(self)[term].vsize();
        let p = Factor::p(self);
        let Some(block) = self.layout.block_of_term(term) else {
            // Without columns of X there are no products, but each level still has a sum of
            // squares.
            for (level, a00) in self.leading.a00.iter().enumerate() {
                let ax0 = self.leading.ax0.block(level);
                let products = &ax0[column * p..(column + 1) * p];
                visit(level, a00[column * (k + 1)], products);
            }
            return;
        };
        let with_x = self.trailing.border_cross_products();
        for (level, rows) in block.places(1).enumerate() {
            let row = rows.start + column;
            let square = self.trailing.square(row);
            visit(level, square, &with_x[row * p..(row + 1) * p]);
        }
    }
}

/// Number of linear combinations of the levels' columns that are tested.
const PROBES: usize = 2;

/// The random effects in the column space of X.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redundant {
    /// Term and column of each effect.
    pub effects: Vec<(usize, usize)>,
    /// Elements of theta that are held at zero with these effects.
    pub parameters: Vec<usize>,
}

impl Redundant {
    /// Whether X has enough columns to contain those of any effect.
    pub fn is_possible(factor: &impl Levels) -> bool {
        for (term, cov) in factor.covs().iter().enumerate() {
            if (0..cov.vsize()).any(|j| fits_in(factor, term, j)) {
                return true;
            }
        }
        false
    }

    /// Finds the effects, at Lambda = 0, where the border of the factor is that of X'WX. Parts with
    /// held parameters are skipped.
    pub fn of(
        factor: &impl Levels,
        is_held: &[bool],
        is_restricted: bool,
    ) -> Self {
        let mut found = Self::default();
        for (term, cov) in factor.covs().iter().enumerate() {
            // An effect has the columns of those combinations up to its own.
            let limit = match cov.image() {
                None => cov.vsize(),
                Some(_) => (0..cov.vsize())
                    .take_while(|&j| is_contained(factor, term, j))
                    .count(),
            };
            for (first, part) in cov.placed() {
                if part.range().any(|j| is_held[j]) {
                    continue;
                }
                let mut within = Vec::new();
                for effect in 0..part.size {
                    if first + effect < limit
                        && is_contained(factor, term, first + effect)
                    {
                        within.push(effect);
                    }
                }
                let own = without(part, &within, is_restricted);
                if own.is_empty() {
                    continue;
                }
                found
                    .effects
                    .extend(within.iter().map(|effect| (term, first + effect)));
                let parameters = own.iter().map(|j| part.theta_start + j);
                found.parameters.extend(parameters);
            }
        }
        found
    }
}

// The parameters of a part to hold at zero if the effects `within` are in the column space of X. If
// effects are correlated, the unrestricted likelihood depends on the covariances of these with the
// other effects, so that they are not held.
fn without(part: &Part, within: &[usize], is_restricted: bool) -> Vec<usize> {
    let roles = part.roles();
    if within.len() == part.size {
        return (0..roles.len()).collect();
    }
    let is_separate =
        roles.iter().all(|role| matches!(role, Role::Scale { .. }));
    let is_known = is_restricted || is_separate;
    if within.is_empty() || !is_known || roles.contains(&Role::CommonScale) {
        return Vec::new();
    }
    let is_idle = part.size - within.len() < 2;
    let is_without = |role: &Role| match role {
        Role::Scale { effect } => within.contains(effect),
        Role::Factor { row, column } => {
            within.contains(row) || within.contains(column)
        }
        Role::Correlation { .. } => is_idle,
        Role::CommonScale => false,
    };
    (0..roles.len())
        .filter(|&j| is_without(&roles[j]))
        .collect()
}

// Whether X has at least as many columns as there are levels with a nonzero column of Z, which is
// necessary for containing them.
fn fits_in(factor: &impl Levels, term: usize, column: usize) -> bool {
    let mut n_levels = 0;
    factor.for_each_level(term, column, &mut |_, square, _| {
        n_levels += usize::from(square > 0.0);
    });
    n_levels <= factor.p()
}

// Whether the columns of all levels are in the column space of X: tested by the residual of linear
// combinations with irregular weights, at Lambda = 0, where the border of the factor is that of
// X'WX.
fn is_contained(factor: &impl Levels, term: usize, column: usize) -> bool {
    if !fits_in(factor, term, column) {
        return false;
    }
    // The residual of a covariate far from zero is small relative to its mean, but is not rounding
    // error.
    let rounding = ROUNDED_SHARE / factor.least_share_of_fixed();
    let limit = CONTAINED.min(rounding);
    (0..PROBES).all(|probe| residual_share(factor, term, column, probe) < limit)
}

// The share of the sum of squares of a combination that is orthogonal to X.
fn residual_share(
    factor: &impl Levels,
    term: usize,
    column: usize,
    probe: usize,
) -> f64 {
    let mut fixed = vec![0.0; factor.p()];
    let mut whole = 0.0;
    factor.for_each_level(term, column, &mut |level, square, products| {
        if square > 0.0 {
            let weight = irregular(level, probe);
            small::axpy(weight / square.sqrt(), products, &mut fixed);
            whole += weight * weight;
        }
    });
    factor.forward_solve_fixed(&mut fixed);
    let explained: f64 = fixed.iter().map(|v| v * v).sum();
    if whole > 0.0 {
        1.0 - explained / whole
    } else {
        1.0
    }
}

/// The golden ratio, less one, whose multiples modulo one are spread most evenly.
pub(crate) const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// The weight of a level in a linear combination: between 1/2 and 3/2 in absolute value, with
/// either sign, from multiples of the golden ratio modulo one.
pub(crate) fn irregular(level: usize, probe: usize) -> f64 {
    let by_level = (level as f64 + 1.0) * GOLDEN_RATIO;
    let by_probe = probe as f64 * 0.414_213_562_373_095;
    let share = (by_level + by_probe).fract();
    if share < 0.5 {
        0.5 + 2.0 * share
    } else {
        0.5 - 2.0 * share
    }
}
