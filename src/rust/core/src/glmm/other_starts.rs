//! Alternative starts of a generalized fit, whose likelihood may have several maxima.
//!
//! With few observations the optima are at the corners of the parameter space: all random effects
//! small or large, one of several standard deviations alone, correlations at a limit. The fast
//! stage is run from each corner, at a fraction of the cost of a fit; if it leads to a new point
//! that is promising, the fit continues from there. Nothing of this is done if the data determine
//! every standard deviation well.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::coordinates::Coordinates;
use crate::covariance::{Part, RelCov, Role};
use crate::error::Result;
use crate::glmm::vary::Vary;
use crate::optimize::{Flow, Observer, Status};
use crate::tolerances::{
    BETTER_START, OTHER_MINIMUM, PROMISING_LOSS, SMALL_TERM,
};

/// Largest number of observations for which other starts are tried.
const MOST_ROWS: usize = 1000;
/// Number of operations that all other starts may cost, counted in PIRLS steps: about the cost of
/// the call from R.
const AFFORDABLE: f64 = 3e7;
/// The corners may cost as much as this number of first searches that have converged, where a PIRLS
/// step is expensive.
const SEARCHES: usize = 3;
/// Number of operations of a PIRLS step that do not depend on the number of rows.
const PER_STEP: f64 = 2e3;
/// Largest number of evaluations from another start.
const MOST_EVALUATIONS: usize = 60;
/// Largest number of evaluations of each stage of a fit that continues from another start.
const MOST_OF_A_FIT: usize = 300;
/// Largest number of PIRLS steps of one evaluation: a start that needs more is a bad one.
const MOST_STEPS: usize = 25;
/// Factor of the tolerance of the modes in searches that only find starting points.
const ROUGHNESS: f64 = 1e5;
/// Factor of the tolerance of the modes in such searches where the dispersion is a function of the
/// modes: their errors then change the deviance in proportion, and not as their squares.
const ROUGHNESS_OF_DISPERSION: f64 = 1e2;
/// With at most this number of observations the fast criterion is a poor approximation of the
/// likelihood.
const FEW_ROWS: usize = 60;
/// Factor of [`PROMISING_LOSS`] for the fast criterion with at most [`FEW_ROWS`] observations.
const FEW_PROMISING: f64 = 5.0;
/// Multiples of the default start's random effects at the other starts.
const OTHER_SIZES: [f64; 3] = [0.1, 4.0, 30.0];
/// The multiple where the first fit is stuck at an edge.
const AWAY_FROM_EDGE: f64 = 0.001;
/// Multiples at starts with other correlations, or without some effects.
const CORNER_SIZES: [f64; 2] = [1.0, 8.0];
/// Multiples of the default start's shape of counts at other starts: near the limits without
/// overdispersion, where random effects of the rows may stand in for it.
const OTHER_SHAPES: [f64; 2] = [100.0, 0.01];
/// Positions of the correlations within their ranges at other starts.
const SHARES: [f64; 2] = [0.05, 0.95];

impl GeneralizedLinearMixedModel {
    /// The fit, or a better one from other starts, if these are cheap to try.
    ///
    /// # Errors
    /// Fails as [`Self::objective`] does at the best point.
    pub(super) fn or_from_other_starts(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        beta: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> Result<GlmmFit> {
        let mut known = self.well_determined(fit, &best);
        if self.is_stuck(&best) || self.nodes_are_beyond_end(fit.vary) {
            known.fill(false);
        }
        let is_known = best.summary.status.has_converged()
            && known.iter().all(|&is_known| is_known);
        // A criterion with a profiled dispersion may have another minimum all the same.
        let is_profiled = self.dispersion_follows() && self.has_few_rows();
        if !fit.beta.is_empty() {
            return Ok(best);
        }
        if is_known && !is_profiled {
            if !self.may_have_other_signs() {
                return Ok(best);
            }
            best = self.or_with_other_signs(fit, start, best, observe);
            return self.restored_to(fit, best);
        }
        if is_profiled {
            known.fill(false);
        }
        if self.restore(fit, &mut best).is_err() {
            // Any other optimum is better than one whose modes are not found again.
            best.summary.best_value = f64::INFINITY;
        }
        best = self.or_without_effects(fit, &known, best, observe);
        best = self.or_from_far_slopes(fit, best, observe);
        if is_known || !self.has_few_rows() {
            best = self.or_with_other_signs(fit, start, best, observe);
            return self.restored_to(fit, best);
        }
        best = self.or_from_corners(fit, start, beta, best, observe);
        if self.n_eff <= FEW_ROWS || self.has_few_data() {
            best = self.or_from_random_starts(fit, start, beta, best, observe);
        }
        let optima = best.summary.optima.clone();
        best = self.or_mirrored(fit, best, observe);
        best = self.or_beside_other_signs(fit, start, best, observe);
        best = self.or_from_neighbours(fit, best, observe);
        best.summary.optima = optima;
        self.restored_to(fit, best)
    }

    // The fit, or a better one with linear predictors of other signs, beside which the corners and
    // random starts may lead elsewhere.
    fn or_beside_other_signs(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let before = best.summary.best_value;
        best = self.or_with_other_signs(fit, start, best, observe);
        if best.summary.best_value < before {
            let beta = self.fixed_effects_of(&best);
            best = self.or_from_corners(fit, start, &beta, best, observe);
            best = self.or_from_random_starts(fit, start, &beta, best, observe);
        }
        best
    }

    // The fit, or a better one from the corners of the parameter space.
    fn or_from_corners(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        beta: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let first = best.fast.as_ref().unwrap_or(&best.summary).best_value;
        let mut reached = vec![first];
        let promising = match self.n_eff > FEW_ROWS {
            true => PROMISING_LOSS,
            false => FEW_PROMISING * PROMISING_LOSS,
        };
        let most = self.most_of_corners(&best);
        for other in self.other_starts(start, self.is_stuck(&best)) {
            if self.pirls.iterations > most || self.must_stop() {
                break;
            }
            let Some(place) = self.fast_from(&other, beta, fit) else {
                continue;
            };
            // The fast criterion and the likelihood may rank the optima differently.
            let value = place.1;
            let lowest = reached.iter().copied().fold(first, f64::min);
            let is_known =
                reached.iter().any(|at| (value - at).abs() < BETTER_START);
            let is_worse = value > lowest + promising && !self.is_stuck(&best);
            if is_known || is_worse {
                continue;
            }
            reached.push(value);
            best = self.or_from_start(fit, place.0, best, observe);
        }
        best
    }

    /// The total number of PIRLS steps after which no other start is tried.
    pub(super) fn most_of_corners(&self, best: &GlmmFit) -> usize {
        let as_first = match best.summary.status.has_converged() {
            true => SEARCHES * best.iterations,
            false => 0,
        };
        let steps = self.affordable_steps(AFFORDABLE).max(as_first);
        self.pirls.iterations + steps
    }

    /// Whether other starts are cheap to try.
    pub(super) fn has_few_rows(&self) -> bool {
        self.n_eff <= MOST_ROWS
    }

    // Marks the terms in whose covariances, according to the search's approximate Hessian, the
    // likelihood has one maximum, unless one standard deviation is that of columns of Z of very
    // different sizes.
    fn well_determined(&self, fit: &FitSettings, best: &GlmmFit) -> Vec<bool> {
        let n = self.n_parameters(fit.vary);
        let found = &best.parameters;
        let at = Coordinates::new(&self.covs, &self.held, &[], found);
        let mut known = at
            .well_determined(found, |j| (2.0 * best.inverse[j * n + j]).sqrt());
        let rms = self.pirls.root_mean_squares(fit.vary, self.n_eff);
        for ((known, cov), rms) in known.iter_mut().zip(&self.covs).zip(&rms) {
            *known &= !cov.mixes_sizes(rms);
        }
        for (term, _) in self.hidden_slopes(found) {
            known[term] = false;
        }
        known
    }

    // A fit to whose end the model is restored.
    fn restored_to(
        &mut self,
        fit: &FitSettings,
        mut found: GlmmFit,
    ) -> Result<GlmmFit> {
        self.restore(fit, &mut found)?;
        Ok(found)
    }

    // Restores the model to the state at the end of a fit. Where random effects are huge, weights
    // underflow and the objective depends on the modes that were found before; the fit then has the
    // value that it will be reported with.
    fn restore(
        &mut self,
        fit: &FitSettings,
        found: &mut GlmmFit,
    ) -> Result<()> {
        self.pirls.restore_modes(&found.modes);
        let parameters = self.centred(fit.vary, &found.parameters)?;
        let value = match self.objective(fit.vary, &parameters) {
            Ok(value) => value,
            Err(_) => self.recomputed_value(fit.vary, &parameters)?.0,
        };
        let known = found.summary.best_value;
        if known.is_infinite() || value > known + OTHER_MINIMUM {
            found.summary.best_value = value;
        }
        Ok(())
    }

    // The fit, or a better one without the random effects of one or several terms, if the objective
    // there is lower, which takes an evaluation each. Well-determined terms are kept.
    fn or_without_effects(
        &mut self,
        fit: &FitSettings,
        known: &[bool],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let start = self.start_of(&best.parameters);
        for elements in self.droppable(known) {
            let point = self.scaled_start(&start, elements.into_iter(), 0.0);
            if point == start {
                continue;
            }
            self.pirls.reset();
            let value = self.objective(Vary::Jointly, &point);
            let limit = self.value_to_beat(&best) - OTHER_MINIMUM;
            if value.is_ok_and(|value| value < limit) {
                best = self.or_from_start(fit, point, best, observe);
            }
        }
        best
    }

    // The elements of theta of the terms that are not well determined: of all such terms together,
    // and of each.
    fn droppable(&self, known: &[bool]) -> Vec<Vec<usize>> {
        let little = self.covs.iter().zip(known).filter(|(_, known)| !**known);
        let elements = little.map(|(cov, _)| {
            cov.parts().iter().flat_map(|part| part.range()).collect()
        });
        let mut found: Vec<Vec<usize>> = elements.collect();
        if found.len() > 1 {
            found.insert(0, found.concat());
        }
        found
    }

    // The fit, or the one from `start` if it ends lower.
    fn or_from_start(
        &mut self,
        fit: &FitSettings,
        start: Vec<f64>,
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        self.or_lower(fit, best, |model, limited| {
            model.fit_from(limited, start, observe)
        })
    }

    /// The fit, or the result of a short search if it ends lower.
    pub(super) fn or_lower(
        &mut self,
        fit: &FitSettings,
        best: GlmmFit,
        search: impl FnOnce(&mut Self, &FitSettings) -> Result<GlmmFit>,
    ) -> GlmmFit {
        self.or_lower_by(OTHER_MINIMUM, fit, best, search)
    }

    /// The fit, or the result of a short search if it ends lower by more than `margin`.
    pub(super) fn or_lower_by(
        &mut self,
        margin: f64,
        fit: &FitSettings,
        best: GlmmFit,
        search: impl FnOnce(&mut Self, &FitSettings) -> Result<GlmmFit>,
    ) -> GlmmFit {
        let limited = fit.limited(MOST_OF_A_FIT);
        let found = self.with_few_steps(|model| search(model, &limited)).ok();
        self.or_found(margin, fit, best, found)
    }

    /// The fit, or the one from `start` if it ends lower, with as many PIRLS steps as it takes.
    pub(super) fn or_from_slow_start(
        &mut self,
        fit: &FitSettings,
        start: Vec<f64>,
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        let limited = fit.limited(MOST_OF_A_FIT);
        let found = self.fit_from(&limited, start, observe).ok();
        self.or_found(OTHER_MINIMUM, fit, best, found)
    }

    // The fit, or another one if there is one that ended lower.
    fn or_found(
        &mut self,
        margin: f64,
        fit: &FitSettings,
        best: GlmmFit,
        found: Option<GlmmFit>,
    ) -> GlmmFit {
        let Some(found) =
            found.filter(|found| self.is_better(margin, fit, found, &best))
        else {
            return best;
        };
        match self.restored_to(fit, found) {
            Ok(found) if self.is_better(margin, fit, &found, &best) => found,
            _ => best,
        }
    }

    // Whether a fit is better than another one: with another optimum than that of a search that
    // ended. At an edge of the objective searches get stuck at points without meaning, to which any
    // optimum is preferred, unless a quadrature rule with more nodes tells otherwise.
    fn is_better(
        &mut self,
        margin: f64,
        fit: &FitSettings,
        found: &GlmmFit,
        best: &GlmmFit,
    ) -> bool {
        let status = found.summary.status;
        if !(status.has_converged() || status == Status::MaxEval) {
            return false;
        }
        let margin = match best.summary.status.has_converged() {
            true => margin,
            false => 0.0,
        };
        let is_lower =
            found.summary.best_value < best.summary.best_value - margin;
        match (self.is_stuck(found), self.is_stuck(best)) {
            (true, false) => is_lower && self.is_finely_below(fit, found, best),
            (false, true) => {
                is_lower || !self.is_finely_below(fit, best, found)
            }
            _ => is_lower,
        }
    }

    /// Runs a search in which each evaluation is limited to few PIRLS steps.
    pub(super) fn with_few_steps<T>(
        &mut self,
        search: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let tolerance = self.pirls.tolerance;
        self.pirls.tolerance.max_iterations =
            tolerance.max_iterations.min(MOST_STEPS);
        let found = search(self);
        self.pirls.tolerance = tolerance;
        found
    }

    /// Runs a search that only finds a starting point, with less accurate modes.
    pub(super) fn with_low_accuracy<T>(
        &mut self,
        search: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.with_few_steps(|model| {
            model.pirls.tolerance.roughness = match model.dispersion_follows() {
                true => ROUGHNESS_OF_DISPERSION,
                false => ROUGHNESS,
            };
            search(model)
        })
    }

    /// The number of PIRLS steps that this number of operations allows.
    pub(super) fn affordable_steps(&self, operations: f64) -> usize {
        let k: usize = self.covs.iter().map(|cov| cov.vsize()).sum();
        let width = (k + self.pirls.beta.len()) as f64;
        let of_rows = self.pirls.rows.n() as f64 * width * width;
        (operations / (PER_STEP + of_rows)) as usize
    }

    // The result of the fast stage from a start, and the criterion there.
    fn fast_from(
        &mut self,
        start: &[f64],
        beta: &[f64],
        fit: &FitSettings,
    ) -> Option<(Vec<f64>, f64)> {
        self.restart_from(beta);
        self.fast_from_modes(start, fit)
    }

    /// The result of the fast stage from a start and the current modes, and the criterion there.
    pub(super) fn fast_from_modes(
        &mut self,
        start: &[f64],
        fit: &FitSettings,
    ) -> Option<(Vec<f64>, f64)> {
        let mut continue_search = |_: usize, _: f64, _: &[f64]| Flow::Continue;
        let settings = fit.settings.limited(MOST_EVALUATIONS);
        let stage = self.with_low_accuracy(|model| {
            model
                .fast_stage(start, &settings, &mut continue_search)
                .ok()
        })?;
        Some((stage.summary.best, stage.summary.best_value))
    }

    // Starts at the corners of the parameter space, the most promising ones first: with small
    // effects if the fit is stuck at an edge, which large ones reach, and with other correlation
    // parameters.
    fn other_starts(&self, start: &[f64], is_stuck: bool) -> Vec<Vec<f64>> {
        let scaled = |size: f64| self.scaled_start(start, 0..start.len(), size);
        let mut starts = Vec::new();
        if is_stuck {
            starts.push(scaled(AWAY_FROM_EDGE));
        }
        let mut parts = self.covs.iter().flat_map(|cov| cov.parts());
        if parts.any(|part| !part.correlations().is_empty()) {
            starts.extend(self.correlated_starts(start));
        }
        starts.extend(OTHER_SIZES.map(scaled));
        if self.covs.len() > 1 {
            for cov in &self.covs {
                let own = cov.parts().iter().flat_map(|part| part.range());
                starts.push(self.scaled_start(start, own, SMALL_TERM));
            }
        }
        for sized in CORNER_SIZES.map(scaled) {
            starts.extend(self.correlated_starts(&sized));
            for part in self.covs.iter().flat_map(|cov| cov.parts()) {
                starts.extend(self.without_some(&sized, part));
            }
        }
        starts.extend(self.other_shapes(start));
        let mut distinct = Vec::new();
        for start in starts {
            if !distinct.contains(&start) {
                distinct.push(start);
            }
        }
        distinct
    }

    // The start with other shapes, unless there is none, or it is a dispersion.
    fn other_shapes(&self, start: &[f64]) -> Vec<Vec<f64>> {
        let is_dispersion = self.pirls.response.family.has_dispersion();
        if !self.shape_is_estimated() || is_dispersion {
            return Vec::new();
        }
        let with = |size: f64| {
            let mut other = start.to_vec();
            other[self.n_theta()] += size.ln();
            other
        };
        OTHER_SHAPES.map(with).to_vec()
    }

    /// The start with other correlations of its effects.
    pub(super) fn correlated_starts(&self, start: &[f64]) -> Vec<Vec<f64>> {
        let with = SHARES.map(|share| self.correlated_start(start, share));
        with.into_iter().filter(|other| other != start).collect()
    }

    /// The start with some elements of theta multiplied by `size`; correlations and held elements
    /// are unchanged.
    pub(super) fn scaled_start(
        &self,
        start: &[f64],
        elements: impl Iterator<Item = usize>,
        size: f64,
    ) -> Vec<f64> {
        let mut other = start.to_vec();
        let wanted: Vec<usize> = elements.collect();
        for part in self.covs.iter().flat_map(|cov| cov.parts()) {
            for (j, role) in part.range().zip(part.roles()) {
                let is_free = !self.held[j] && !role.is_correlation();
                if is_free && wanted.contains(&j) {
                    other[j] *= size;
                }
            }
        }
        other
    }

    // The start with each effect of a part alone, and with each effect left out.
    fn without_some(&self, start: &[f64], part: &Part) -> Vec<Vec<f64>> {
        let sds = part.scales().map(|(j, _)| part.theta_start + j);
        let sds: Vec<usize> = sds.filter(|&j| !self.held[j]).collect();
        let mut starts = Vec::new();
        if sds.len() < 2 {
            return starts;
        }
        for &own in &sds {
            let others = sds.iter().copied().filter(|&j| j != own);
            if sds.len() > 2 {
                starts.push(self.scaled_start(
                    start,
                    [own].into_iter(),
                    SMALL_TERM,
                ));
            }
            starts.push(self.scaled_start(start, others, SMALL_TERM));
        }
        starts
    }

    // The start with correlations at the position `share` within their ranges; in an unstructured
    // part each effect is correlated with those before it.
    fn correlated_start(&self, start: &[f64], share: f64) -> Vec<f64> {
        let mut other = start.to_vec();
        for cov in &self.covs {
            let mut diagonal = vec![0.0; cov.vsize()];
            cov.for_each_parameter(|row, column, index| {
                if row == column {
                    diagonal[row] = start[index];
                }
            });
            cov.for_each_parameter(|row, column, index| {
                if row != column && !self.held[index] {
                    other[index] = (2.0 * share - 1.0) * diagonal[row];
                }
            });
            self.set_correlations(cov, share, &mut other);
        }
        other
    }

    // Sets the correlation parameters to the position `share` within their ranges.
    fn set_correlations(&self, cov: &RelCov, share: f64, theta: &mut [f64]) {
        for part in cov.parts() {
            for (j, role) in part.range().zip(part.roles()) {
                if let (Role::Correlation { low, high, .. }, false) =
                    (role, self.held[j])
                {
                    theta[j] = low + share * (high - low);
                }
            }
        }
    }
}
