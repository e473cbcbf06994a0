//! Effects that the fixed ones contain: `Z_j` of every level lies in the column space of X.
//!
//! A grouping factor that is a fixed effect already, or coarser than one, has random effects that
//! the restricted likelihood says nothing of: `P Z_j = 0`, so that it is the same for every
//! variance of theirs. Newton's method would follow rounding errors. The likelihood itself falls as
//! that variance grows. Both are as well off without the effect, and that is where it is held.

use super::engine::Engine;
use super::{Criterion, LinearMixedModel};
use crate::covariance::{Part, Role};
use crate::kernels::small;
use crate::tolerances::CONTAINED;

/// Combinations that are looked at.
const PROBES: usize = 2;

/// Effects that the fixed ones contain.
#[derive(Debug, Clone, Default)]
pub(super) struct Redundant {
    /// Term and column of each effect.
    effects: Vec<(usize, usize)>,
    /// Elements of theta that are zero without these effects.
    parameters: Vec<usize>,
}

impl LinearMixedModel {
    /// Holds the variances of effects that the fixed ones contain at zero; `start` gets that value.
    /// Nothing changes in parts of which a parameter is held already.
    pub(crate) fn hold_redundant(&mut self, start: &mut [f64]) {
        if self.redundant.is_none() {
            self.redundant = Some(self.find_redundant());
        }
        let parameters =
            self.redundant.iter().flat_map(|found| &found.parameters);
        for &index in parameters {
            self.domain.held[index] = true;
            start[index] = 0.0;
        }
    }

    /// The effects (term, column) whose variances [`Self::fit`] held at zero, as the fixed effects
    /// contain them.
    pub fn redundant(&self) -> &[(usize, usize)] {
        self.redundant.as_ref().map_or(&[], |found| &found.effects)
    }

    fn find_redundant(&mut self) -> Redundant {
        let mut found = Redundant::default();
        let zero = vec![0.0; self.n_theta()];
        if !self.has_candidate() || self.at(&zero).is_err() {
            return found;
        }
        for (term, cov) in self.engine.covs().iter().enumerate() {
            for (first, part) in cov.placed() {
                if part.range().any(|j| self.domain.held[j]) {
                    continue;
                }
                let mut within = Vec::new();
                for effect in 0..part.size {
                    if is_contained(&self.engine, term, first + effect) {
                        within.push(effect);
                    }
                }
                let own = without(part, &within, self.likelihood.criterion);
                if own.is_empty() {
                    continue;
                }
                let effects =
                    within.iter().map(|effect| (term, first + effect));
                found.effects.extend(effects);
                let parameters = own.iter().map(|j| part.theta_start + j);
                found.parameters.extend(parameters);
            }
        }
        found
    }

    // Whether X is wide enough for one of the effects.
    fn has_candidate(&self) -> bool {
        for (term, cov) in self.engine.covs().iter().enumerate() {
            if (0..cov.vsize()).any(|j| fits_in(&self.engine, term, j)) {
                return true;
            }
        }
        false
    }
}

// The parameters of a part that are held at zero without the effects `within`. Where effects are
// correlated the likelihood itself, unlike the restricted one, depends on the covariance of those
// that X contains with the others.
fn without(part: &Part, within: &[usize], criterion: Criterion) -> Vec<usize> {
    let roles = part.roles();
    if within.len() == part.size {
        return (0..roles.len()).collect();
    }
    let is_separate =
        roles.iter().all(|role| matches!(role, Role::Scale { .. }));
    let is_known = criterion == Criterion::Reml || is_separate;
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

// Whether X has a column for each level that has one, without which it can't contain them.
fn fits_in(engine: &Engine, term: usize, column: usize) -> bool {
    let mut n_levels = 0;
    engine.for_each_level(term, column, |_, square, _| {
        n_levels += usize::from(square > 0.0);
    });
    n_levels <= engine.p()
}

// Whether X contains the column of every level: a combination of them all with irregular weights
// then leaves nothing. The factor is that of Lambda = 0, so that its border is that of X'WX.
fn is_contained(engine: &Engine, term: usize, column: usize) -> bool {
    let mut probes = 0..PROBES;
    fits_in(engine, term, column)
        && probes.all(|probe| {
            left_of_combination(engine, term, column, probe) < CONTAINED
        })
}

// The share that X leaves of the combination, in squares.
fn left_of_combination(
    engine: &Engine,
    term: usize,
    column: usize,
    probe: usize,
) -> f64 {
    let mut fixed = vec![0.0; engine.p()];
    let mut whole = 0.0;
    engine.for_each_level(term, column, |level, square, products| {
        if square > 0.0 {
            let weight = irregular(level, probe);
            small::axpy(weight / square.sqrt(), products, &mut fixed);
            whole += weight * weight;
        }
    });
    engine.forward_solve_fixed(&mut fixed);
    let explained: f64 = fixed.iter().map(|v| v * v).sum();
    if whole > 0.0 {
        1.0 - explained / whole
    } else {
        1.0
    }
}

// Between 1/2 and 3/2, with either sign: multiples of the golden ratio.
fn irregular(level: usize, probe: usize) -> f64 {
    let by_level = (level as f64 + 1.0) * 0.618_033_988_749_894_9;
    let by_probe = probe as f64 * 0.414_213_562_373_095;
    let share = (by_level + by_probe).fract();
    if share < 0.5 {
        0.5 + 2.0 * share
    } else {
        0.5 - 2.0 * share
    }
}
