//! Starts with linear predictors of the opposite sign.
//!
//! With few levels nearly all random effects may have the same sign, which the intercept
//! compensates. The likelihood may then have another maximum, with the intercept on the other side
//! of the linear predictors and random effects of the opposite sign. Random covariances seldom lead
//! to it, as the fixed effects start at those of the first maximum.
//!
//! With the square-root link a mean is the same for linear predictors of either sign, so that each
//! category of rows may have one or the other. The random effects, which several categories share,
//! increase its means with one sign and decrease them with the other: the likelihood has a maximum
//! for each combination of signs, and no path of increasing likelihood leads from one to another,
//! as all means of a category would have to pass zero.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::covariance::RelCov;
use crate::factor::rows_of_term::RowsOfTerm;
use crate::glmm::families::Link;
use crate::glmm::vary::Vary;
use crate::optimize::Observer;

/// Largest number of categories of which two at once are given the opposite sign.
const MOST_IN_PAIRS: usize = 8;

impl GeneralizedLinearMixedModel {
    /// The fit, or the one from an intercept on the other side of the linear predictors if it ends
    /// lower.
    pub(super) fn or_mirrored(
        &mut self,
        fit: &FitSettings,
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let Some(beta) = self.mirrored(fit.vary, &best) else {
            return best;
        };
        let start = self.start_of(&best.parameters);
        self.or_from_fixed(fit, (start, beta), best, observe)
    }

    /// The fit, or the lowest one from linear predictors of one or two categories with the opposite
    /// sign, beside the fit's covariances or those of `start`.
    pub(super) fn or_with_other_signs(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let categories = with_pairs(self.categories(fit.vary));
        let most = self.most_of_corners(&best);
        let mut since_lower = 0;
        for rows in categories.iter().cycle() {
            let is_over = self.pirls.iterations > most || self.must_stop();
            if since_lower == categories.len() || is_over {
                break;
            }
            let before = best.summary.best_value;
            best = self.or_with_other_sign(rows, fit, start, best, observe);
            let is_lower = best.summary.best_value < before;
            since_lower = if is_lower { 0 } else { since_lower + 1 };
        }
        best
    }

    // The fit, or the lowest one from linear predictors of some rows with the opposite sign.
    fn or_with_other_sign(
        &mut self,
        rows: &[bool],
        fit: &FitSettings,
        start: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let Some(beta) = self.with_other_sign(rows, &best) else {
            return best;
        };
        for start in [self.start_of(&best.parameters), start.to_vec()] {
            best =
                self.or_from_fixed(fit, (start, beta.clone()), best, observe);
        }
        best
    }

    // The fit, or the one from these covariances and fixed effects if it ends lower.
    fn or_from_fixed(
        &mut self,
        fit: &FitSettings,
        (start, beta): (Vec<f64>, Vec<f64>),
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let mirrored = FitSettings {
            beta,
            ..fit.clone()
        };
        self.reset_modes();
        self.or_lower(&mirrored, best, |model, limited| {
            model.fit_directly(limited, &start, None, observe)
        })
    }

    // The fixed effects of the original X whose linear predictors, as nearly as possible, have the
    // opposite sign in some rows, and are the same in the others.
    fn with_other_sign(
        &mut self,
        rows: &[bool],
        best: &GlmmFit,
    ) -> Option<Vec<f64>> {
        let (n, p) = (self.n_theta(), self.pirls.beta.len());
        self.start_at(&best.parameters[n..n + p]);
        let mut wanted = self.fixed_eta(&self.pirls.beta);
        for (eta, _) in wanted.iter_mut().zip(rows).filter(|(_, row)| **row) {
            *eta = -*eta;
        }
        self.pirls.beta = self.unweighted_effects(&wanted)?;
        Some(self.pirls.natural_beta())
    }

    /// Whether a mean is the same for linear predictors of either sign, and other starts are cheap
    /// to try.
    pub(super) fn may_have_other_signs(&self) -> bool {
        self.pirls.response.link == Link::Sqrt && self.has_few_rows()
    }

    // The rows of each category whose linear predictors may have another sign than those of the
    // others: of a column of X with two values, of the reference level, which has the lower value
    // of all such columns, and of a term whose columns are categories.
    fn categories(&self, vary: Vary) -> Vec<Vec<bool>> {
        if !self.may_have_other_signs() || !self.may_start_at_fixed(vary) {
            return Vec::new();
        }
        let rows = &self.pirls.rows;
        let column = |j: usize| rows.x.iter().skip(j).step_by(rows.p);
        let of_x = (0..rows.p).filter_map(|j| upper_half(column(j)));
        let mut found: Vec<Vec<bool>> = of_x.collect();
        let mut others = vec![true; rows.n()];
        for marks in &found {
            for (other, mark) in others.iter_mut().zip(marks) {
                *other &= !mark;
            }
        }
        if found.len() > 1 && others.contains(&true) {
            found.push(others);
        }
        for of_z in rows.terms.iter().flat_map(RowsOfTerm::categories) {
            if !found.contains(&of_z) {
                found.push(of_z);
            }
        }
        found
    }

    // The fixed effects of the original X with the intercept on the other side; `None` if the
    // random effects do not nearly all have the same sign, or there is no intercept.
    fn mirrored(&mut self, vary: Vary, best: &GlmmFit) -> Option<Vec<f64>> {
        if !self.may_start_at_fixed(vary) {
            return None;
        }
        let intercept = self.pirls.rows.constant()?;
        let (mean, sd) = self.random_part(best);
        if mean.abs() <= sd {
            return None;
        }
        let (n, p) = (self.n_theta(), self.pirls.beta.len());
        let mut beta = best.parameters[n..n + p].to_vec();
        beta[0] += 2.0 * mean / intercept;
        Some(beta)
    }

    // Whether a search may start at other fixed effects: they are parameters, and none are stored
    // as a term.
    fn may_start_at_fixed(&self, vary: Vary) -> bool {
        let is_parameter = vary == Vary::Modes && !self.pirls.beta.is_empty();
        is_parameter && !self.covs.iter().any(RelCov::is_fixed)
    }

    // The mean and standard deviation of the random effects' part of the linear predictors.
    fn random_part(&mut self, fit: &GlmmFit) -> (f64, f64) {
        self.reached = None;
        self.pirls.set_theta(&fit.parameters[..self.n_theta()]);
        self.pirls.restore_modes(&fit.modes);
        let part = self.pirls.predictor(&vec![0.0; self.pirls.beta.len()]);
        let n = part.len() as f64;
        let mean = part.iter().sum::<f64>() / n;
        let squares = part.iter().map(|value| (value - mean).powi(2));
        (mean, (squares.sum::<f64>() / n).sqrt())
    }
}

// Adds the rows of each two categories, up to the complement: four categories that share all rows,
// or fewer, then have each combination of signs, apart from mirror images.
fn with_pairs(mut categories: Vec<Vec<bool>>) -> Vec<Vec<bool>> {
    let n = categories.len();
    if n > MOST_IN_PAIRS {
        return categories;
    }
    for j in 1..n {
        for i in 0..j {
            let both = categories[i].iter().zip(&categories[j]);
            let pair: Vec<bool> = both.map(|(a, b)| a != b).collect();
            let complement = pair.iter().map(|mark| !mark).collect();
            if ![&pair, &complement].iter().any(|c| categories.contains(c)) {
                categories.push(pair);
            }
        }
    }
    categories
}

// Marks the larger elements of a column with two values; `None` for other columns.
fn upper_half<'a>(
    column: impl Iterator<Item = &'a f64> + Clone,
) -> Option<Vec<bool>> {
    let low = column.clone().copied().fold(f64::INFINITY, f64::min);
    let high = column.clone().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut values = column.clone();
    let has_two = low < high && values.all(|x| *x == low || *x == high);
    has_two.then_some(column.map(|x| *x == high).collect())
}
