//! Starting points of restarts: theta rescaled, with one standard deviation changed, or with a
//! singular or perfectly correlated covariance.

use super::LinearMixedModel;
use crate::coordinates::far_slopes::FarSlope;
use crate::factor::contained::Levels;
use crate::factor::Factor;
use crate::tolerances::{LOST_SPREAD, SMALL_SPREAD};

/// An element of theta that is an element of Lambda.
#[derive(Debug, Clone, Copy)]
struct Element {
    term: usize,
    row: usize,
    column: usize,
    /// The index into theta.
    index: usize,
}

impl LinearMixedModel {
    /// The standard deviations of random slopes whose covariate is far from zero, as indices into
    /// theta, each with the standard deviation of the covariate over its root mean square. Without
    /// rows, the mean is found by projection on X, whose first column must be a constant, or which
    /// must have an indicator column for each level of the slopes.
    pub(super) fn far_slopes(&self) -> Vec<(usize, f64)> {
        let mut found = Vec::new();
        self.for_each_element(|element| {
            let index = element.index;
            if element.row == element.column && !self.domain.held[index] {
                let spread = self.spread(element.term, element.row);
                found.extend(spread.map(|spread| (index, spread)));
            }
        });
        found
    }

    /// Whether there are random slopes of covariates far from zero.
    pub(super) fn has_far_slopes(&self) -> bool {
        !self.far_slopes().is_empty()
    }

    // The standard deviation of a column of Z, over its root mean square, if it is small: about the
    // overall mean, or about the means of the levels.
    fn spread(&self, term: usize, column: usize) -> Option<f64> {
        if let Some(known) = &self.far_slopes {
            let own = |slope: &&FarSlope| {
                (slope.term, slope.column) == (term, column)
            };
            return known.iter().find(own).map(|slope| slope.spread);
        }
        let factor = &self.engine.as_exact().ok()?.factor;
        let is_small = |left: &f64| (LOST_SPREAD..SMALL_SPREAD).contains(left);
        let left = share_beyond_mean(factor, term, column).filter(is_small);
        let left =
            left.or_else(|| share_beyond_level_means(factor, term, column));
        left.filter(is_small).map(f64::sqrt)
    }

    /// Indices of the free elements of theta that are standard deviations or diagonal elements of
    /// Lambda.
    pub(super) fn standard_deviations(&self) -> Vec<usize> {
        let is_free =
            |&j: &usize| self.lower_bounds()[j] == 0.0 && !self.domain.held[j];
        (0..self.n_theta()).filter(is_free).collect()
    }

    /// Whether one of several free standard deviations of a part is zero.
    pub(super) fn has_zero_among_several(&self, theta: &[f64]) -> bool {
        let mut parts = self.engine.covs().iter().flat_map(|cov| cov.parts());
        parts.any(|part| {
            let scales = part.scales().map(|(j, _)| part.theta_start + j);
            let free: Vec<usize> =
                scales.filter(|&j| !self.domain.held[j]).collect();
            free.len() > 1 && free.iter().any(|&j| theta[j] == 0.0)
        })
    }

    /// Theta with all free elements of Lambda multiplied by `scale`.
    pub(super) fn scaled(&self, theta: &[f64], scale: f64) -> Vec<f64> {
        let mut scaled = theta.to_vec();
        for part in self.engine.covs().iter().flat_map(|cov| cov.parts()) {
            for (j, role) in part.range().zip(part.roles()) {
                if !role.is_correlation() && !self.domain.held[j] {
                    scaled[j] *= scale;
                }
            }
        }
        scaled
    }

    /// The start multiplied by `scale`, with elements below the diagonal of each unstructured
    /// Lambda at `share` times the diagonal, so that effects are correlated with those before them;
    /// `None` without an unstructured part.
    pub(super) fn with_correlated_effects(
        &self,
        start: &[f64],
        scale: f64,
        share: f64,
    ) -> Option<Vec<f64>> {
        let units = self.step_sizes();
        let mut has_any = false;
        let scaled = self.scaled(start, scale);
        let changed = self.changed(&scaled, |element| {
            let is_below = element.row != element.column;
            has_any |= is_below;
            is_below.then(|| share * scale * units[element.index])
        });
        has_any.then_some(changed)
    }

    /// Theta with only the first column of each unstructured Lambda, which then has rank one.
    pub(super) fn with_rank_one(&self, theta: &[f64]) -> Vec<f64> {
        let mut changed = theta.to_vec();
        for part in self.engine.covs().iter().flat_map(|cov| cov.parts()) {
            if !part.roles().iter().any(|role| role.is_below_diagonal()) {
                continue;
            }
            part.for_each_parameter(|_, column, j| {
                let index = part.theta_start + j;
                if column > 0 && !self.domain.held[index] {
                    changed[index] = 0.0;
                }
            });
        }
        changed
    }

    /// Theta with standard deviation `j` at `scale` units, and zeros left of the diagonal in its
    /// row of Lambda.
    pub(super) fn with_standard_deviation(
        &self,
        theta: &[f64],
        j: usize,
        scale: f64,
    ) -> Vec<f64> {
        let own = self.effect_of(j);
        let mut changed = self.changed(theta, |element| {
            (own == Some((element.term, element.row))).then_some(0.0)
        });
        changed[j] = scale * self.step_sizes()[j];
        changed
    }

    /// Theta with the other standard deviations of the term of element `j` at `scale` units too.
    pub(super) fn with_term(
        &self,
        theta: &[f64],
        j: usize,
        scale: f64,
    ) -> Vec<f64> {
        let units = self.step_sizes();
        let own = self.effect_of(j).map(|(term, _)| term);
        self.changed(theta, |element| {
            let is_other = own == Some(element.term)
                && element.row == element.column
                && element.index != j;
            is_other.then(|| scale * units[element.index])
        })
    }

    /// Theta with the slopes of one unstructured part that are far from zero equal to that of
    /// element `j`, which is the first of them, such as the slopes of a covariate in each category.
    /// Slopes that differ would be as different intercepts. `None` without such slopes.
    pub(super) fn with_equal_slopes(
        &self,
        theta: &[f64],
        j: usize,
    ) -> Option<Vec<f64>> {
        let own = self.effect_of(j)?;
        let far = self.far_slopes().into_iter();
        let others: Vec<(usize, usize)> = far
            .filter_map(|(i, _)| self.effect_of(i))
            .filter(|effect| effect.0 == own.0 && effect.1 > own.1)
            .collect();
        let mut has_any = false;
        let changed = self.changed(theta, |element| {
            let is_other = others.contains(&(element.term, element.row));
            let is_multiple = is_other && element.column == own.1;
            has_any |= is_multiple;
            let value = if is_multiple { theta[j] } else { 0.0 };
            is_other.then_some(value)
        });
        has_any.then_some(changed)
    }

    // Theta with the free elements of Lambda for which `change` returns a value replaced by that
    // value.
    fn changed(
        &self,
        theta: &[f64],
        mut change: impl FnMut(Element) -> Option<f64>,
    ) -> Vec<f64> {
        let mut changed = theta.to_vec();
        self.for_each_element(|element| {
            if !self.domain.held[element.index] {
                changed[element.index] =
                    change(element).unwrap_or(changed[element.index]);
            }
        });
        changed
    }

    // The term and the effect whose standard deviation, or diagonal element of Lambda, is element
    // `j` of theta; the last one if several effects share the element.
    fn effect_of(&self, j: usize) -> Option<(usize, usize)> {
        let mut own = None;
        self.for_each_element(|element| {
            if element.index == j && element.row == element.column {
                own = Some((element.term, element.row));
            }
        });
        own
    }

    // Calls `visit` for each element of Lambda that is a parameter, held or not.
    fn for_each_element(&self, mut visit: impl FnMut(Element)) {
        for (term, cov) in self.engine.covs().iter().enumerate() {
            cov.for_each_parameter(|row, column, index| {
                visit(Element {
                    term,
                    row,
                    column,
                    index,
                });
            });
        }
    }
}

// The share of a column of Z's sum of squares that is orthogonal to a constant, over all levels.
fn share_beyond_mean(
    factor: &Factor,
    term: usize,
    column: usize,
) -> Option<f64> {
    let whole = factor.border.first_square();
    let (mut sum, mut square_sum) = (0.0, 0.0);
    if whole <= 0.0 {
        return None;
    }
    factor.for_each_level(term, column, &mut |_, square, products| {
        sum += products[0];
        square_sum += square;
    });
    Some(1.0 - sum * sum / (whole * square_sum))
}

// The share of a column of Z's sum of squares that is orthogonal to the indicators of the levels,
// averaged over the levels, if X has such indicator columns.
fn share_beyond_level_means(
    factor: &Factor,
    term: usize,
    column: usize,
) -> Option<f64> {
    let p = factor.p();
    if factor.level_count(term) > p {
        return None;
    }
    let xx = factor.border.cross_products();
    let (mut n_levels, mut left) = (0.0, 0.0);
    factor.for_each_level(term, column, &mut |_, square, products| {
        if square > 0.0 {
            let pairs = products.iter().zip(xx.iter().step_by(p + 1));
            let explained = pairs.map(|(xz, xx)| xz * xz / (xx * square));
            left += 1.0 - explained.fold(0.0, f64::max);
            n_levels += 1.0;
        }
    });
    Some(left / n_levels)
}
