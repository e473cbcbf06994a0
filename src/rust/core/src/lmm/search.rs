//! A linear mixed model as an objective for the optimizers: a function of the free coordinates of
//! theta and, where a covariance is held on the scale of the response, of log sigma.

use crate::coordinates::other_thetas::OtherThetas;
use crate::coordinates::tangent::Tangent;
use crate::coordinates::Coordinates;
use crate::covariance::{DescentDirection, RelCov};
use crate::derivatives::HessianKind;
use crate::error::Result;
use crate::judge::Judged;
use crate::kernels::small;
use crate::lmm::shears::Shear;
use crate::lmm::with_sigma::bordered;
use crate::lmm::{Domain, Hessian, LinearMixedModel};
use crate::optimize::minima::Minima;
use crate::optimize::trust_region::Model;
use crate::optimize::{
    self, Geometry, Objective, Observer, OptSummary, Settings, Status,
};
use crate::tolerances::{NEGLIGIBLE_GAIN, PROMISING_LOSS};

/// Number of evaluations after which a restart ends unless it is near the incumbent, the best
/// result so far: a longer search usually follows a valley whose minimum is at, or near, infinity.
const LONG: usize = 100;

/// Largest number of times that a search goes on after a shear.
const MOST_SHEARS: usize = 5;

/// A model with the coordinates of its free parameters.
#[derive(Debug)]
pub(crate) struct Search<'a> {
    model: &'a mut LinearMixedModel,
    pub at: Coordinates,
    // The unit of each coordinate.
    units: Vec<f64>,
    // The unit of each coordinate; infinite for those of terms with combinations of effects.
    units_of_effects: Vec<f64>,
    // The gradient in all parameters.
    gradient: Vec<f64>,
    // The Hessian in theta.
    hessian: Vec<f64>,
    // The tangent coordinates around the point of the last local derivatives.
    tangents: Vec<Tangent>,
    /// The minima found so far.
    pub(super) minima: Minima,
    /// The known minimum that the last search was approaching when it ended.
    pub(super) ended_in: Option<f64>,
    /// The parts whose covariance may be sheared, once they have been determined.
    pub(super) shears: Option<Vec<Shear>>,
}

impl<'a> Search<'a> {
    /// A search that starts at `theta`, which also holds the values of the elements that are not
    /// free.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::at`] does, where log sigma is a parameter.
    pub fn new(model: &'a mut LinearMixedModel, theta: &[f64]) -> Result<Self> {
        let n = theta.len();
        let mut parameters = theta.to_vec();
        if !model.domain.absolute.is_empty() {
            parameters.push(model.at(theta)?.sigma().ln());
        }
        let Domain { held, absolute, .. } = &model.domain;
        let at =
            Coordinates::new(model.engine.covs(), held, absolute, &parameters);
        let mut units = model.step_sizes();
        units.resize(parameters.len(), 1.0);
        let mut of_effects = units.clone();
        let covs = model.engine.covs().iter();
        let orthogonal = covs.filter(|cov| cov.image().is_some());
        for part in orthogonal.flat_map(RelCov::parts) {
            of_effects[part.range()].fill(f64::INFINITY);
        }
        Ok(Self {
            units_of_effects: at.free_of(&of_effects),
            units: at.free_of(&units),
            model,
            at,
            gradient: vec![0.0; parameters.len()],
            hessian: vec![0.0; n * n],
            tangents: Vec::new(),
            minima: Minima::default(),
            ended_in: None,
            shears: None,
        })
    }
}

impl Search<'_> {
    // Whether the derivatives at the optimum show that the likelihood is well approximated by a
    // quadratic, so that no other minimum is expected. Random slopes of covariates far from zero
    // may always have another minimum, near that of random intercepts, and so may one standard
    // deviation of columns of different sizes, and several covariance parameters about which the
    // data have little information.
    pub(super) fn is_well_determined(&self, found: &OptSummary) -> bool {
        let has_sigma = self.gradient.len() > self.model.n_theta();
        let is_at_optimum = found.status == Status::FtolReached;
        if !is_at_optimum
            || has_sigma
            || self.thetas().has_far_slopes()
            || !self.mixed_sizes().is_empty()
            || self.has_several_with_few_levels()
        {
            return false;
        }
        let Some(errors) = self.standard_errors() else {
            return false;
        };
        let known = self.at.well_determined(&found.best, |j| errors[j]);
        known.iter().all(|&is_known| is_known)
    }

    /// The standard deviations of columns of Z of very different sizes, as indices into theta, each
    /// with these sizes.
    pub(super) fn mixed_sizes(&self) -> Vec<(usize, Vec<f64>)> {
        let covs = self.model.engine.covs().iter();
        let sized = covs.zip(self.model.column_scales());
        sized.flat_map(|(cov, rms)| cov.mixed_sizes(rms)).collect()
    }

    /// Whether the data have little information about the covariances.
    pub(super) fn has_little_information(&self) -> bool {
        let levels = self.levels();
        levels.is_some_and(|levels| {
            self.at.has_little_information(self.model.n_eff(), &levels)
        })
    }

    /// Whether there are several covariance parameters, and few levels of a term to estimate them.
    pub(super) fn has_several_with_few_levels(&self) -> bool {
        let levels = self.levels();
        self.at.free().len() > 1
            && levels.is_some_and(|levels| self.at.has_few_levels(&levels))
    }

    // The number of levels of each term; `None` without a factor.
    fn levels(&self) -> Option<Vec<usize>> {
        let exact = self.model.engine.as_exact().ok()?;
        let terms = 0..self.model.engine.covs().len();
        Some(terms.map(|term| exact.factor.level_count(term)).collect())
    }

    // Approximate standard errors of theta from the last Hessian; zero for held elements.
    fn standard_errors(&self) -> Option<Vec<f64>> {
        let n = self.model.n_theta();
        let free = self.at.free();
        let k = free.len();
        let mut factor = Vec::with_capacity(k * k);
        for &j in free {
            factor.extend(free.iter().map(|&i| self.hessian[j * n + i]));
        }
        small::cholesky(k, &mut factor)?;
        small::mirror_lower(k, &mut factor);
        let mut errors = vec![0.0; n];
        let lengths = small::inverse_row_lengths(k, &factor);
        for (&j, length) in free.iter().zip(lengths) {
            errors[j] = std::f64::consts::SQRT_2 * length;
        }
        Some(errors)
    }

    // Restarts from other correlations, and without each standard deviation of a correlated
    // structure, and returns the best result.
    pub(super) fn or_from_elsewhere(
        &mut self,
        mut incumbent: OptSummary,
        settings: &Settings,
        observe: &mut Observer,
    ) -> OptSummary {
        let at = self.at.clone();
        for other in at.other_starts() {
            incumbent = self.or_from(&other, incumbent, settings, observe);
        }
        for other in at.smaller(&incumbent.best) {
            let value = self.value(&at.from_theta(&other));
            if value.is_ok_and(|value| {
                value < incumbent.best_value + PROMISING_LOSS
            }) {
                incumbent = self.or_from(&other, incumbent, settings, observe);
            }
        }
        incumbent
    }

    /// The objective at a point, and the decrease that a Newton step from it predicts; `None` where
    /// they cannot be computed.
    pub(super) fn prospect(&mut self, x: &[f64]) -> Option<(f64, f64)> {
        let n = x.len();
        let value = self.value(x).ok()?;
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
        self.local_derivatives(&mut gradient, &mut hessian).ok()?;
        let mut model = Model::new(n);
        let radius = (n as f64).sqrt().max(Geometry::extent(self, x));
        model
            .update(&gradient, &hessian)
            .then(|| (value, model.step(radius).predicted))
    }

    pub(super) fn model(&self) -> &LinearMixedModel {
        self.model
    }

    /// The covariances from which restarts construct their thetas.
    pub(super) fn thetas(&self) -> OtherThetas<'_> {
        self.model.thetas()
    }

    pub(super) fn model_mut(&mut self) -> &mut LinearMixedModel {
        self.model
    }

    // The better of the incumbent and the result of a search from `other`.
    pub(super) fn or_from(
        &mut self,
        other: &[f64],
        incumbent: OptSummary,
        settings: &Settings,
        observe: &mut Observer,
    ) -> OptSummary {
        match self.search_from(other, &incumbent, settings, observe) {
            Some(next) => incumbent.or_better(next),
            None => incumbent,
        }
    }

    /// The result of a search from other parameters, within the remaining evaluations. A long
    /// search that is still far above the incumbent is abandoned.
    pub(super) fn search_from(
        &mut self,
        other: &[f64],
        incumbent: &OptSummary,
        settings: &Settings,
        observe: &mut Observer,
    ) -> Option<OptSummary> {
        let spent = incumbent.log.len();
        let left = limits_after(spent, settings)?;
        if !incumbent.status.has_converged() {
            return None;
        }
        let short = Settings {
            max_eval: match left.max_eval {
                0 => LONG,
                most => most.min(LONG),
            },
            ..left
        };
        let mut next = self.minimize_from(other, spent, &short, observe)?;
        let is_cut = next.status == Status::MaxEval;
        let spent = spent + next.log.len();
        let Some(left) = limits_after(spent, settings).filter(|_| is_cut)
        else {
            return Some(next);
        };
        if next.best_value > incumbent.best_value + PROMISING_LOSS {
            next.status = Status::Failure;
            return Some(next);
        }
        let rest = self.minimize_from(&next.best, spent, &left, observe)?;
        Some(next.followed_by(rest))
    }

    // The result of a search from other parameters, after `spent` evaluations by earlier searches.
    fn minimize_from(
        &mut self,
        other: &[f64],
        spent: usize,
        settings: &Settings,
        observe: &mut Observer,
    ) -> Option<OptSummary> {
        let n = self.model.n_theta();
        let mut see = |count: usize, value: f64, p: &[f64]| {
            observe(spent + count, value, &p[..n])
        };
        let at = self.at.starting_at(other);
        self.ended_in = None;
        let mut ending = at.minimize(settings, self, &mut see).ok()?;
        for _ in 0..MOST_SHEARS {
            if self.ended_in.is_some() || !self.straighten(&mut ending) {
                break;
            }
            let at = self.at.starting_at(&ending.best);
            let rest = at.minimize(settings, self, &mut see).ok()?;
            ending = ending.followed_by(rest);
        }
        self.keep_minimum(&ending);
        Some(ending)
    }

    /// Adds the end of a search to the known minima, unless the search ended because it approached
    /// one of them, or rounding errors make the minimum inaccurate.
    pub(super) fn keep_minimum(&mut self, ending: &OptSummary) {
        if !ending.status.has_converged() || self.ended_in.is_some() {
            return;
        }
        let x = self.at.from_theta(&ending.best);
        if self.rounding(&x, ending.best_value) < NEGLIGIBLE_GAIN {
            self.minima.add(ending.best_value, &x);
        }
    }

    // The derivatives at the last point.
    fn here(&mut self) -> Result<Hessian<'_>> {
        let n = self.model.n_theta();
        let kind = self.model.affordable_hessian();
        let point = self.model.at(&self.at.parameters[..n])?;
        Ok(point.slopes().hessian(kind))
    }

    // The units of the coordinates at the last point; tangent coordinates have the unit one.
    fn step_sizes_here(&self) -> Vec<f64> {
        let mut step_sizes = self.units.clone();
        for (step_size, j) in step_sizes.iter_mut().zip(self.at.free()) {
            let mut tangents = self.tangents.iter();
            if tangents.any(|tangent| tangent.range.contains(j)) {
                *step_size = 1.0;
            }
        }
        step_sizes
    }
}

impl Objective for Search<'_> {
    fn noise(&self) -> f64 {
        self.model.search_noise()
    }

    fn value(&mut self, x: &[f64]) -> Result<f64> {
        self.at.go_to(x);
        let (theta, log_sigma) =
            self.at.parameters.split_at(self.model.n_theta());
        for log_sigma in log_sigma.iter() {
            self.model.set_sigma(log_sigma.exp());
        }
        self.model.objective(theta)
    }

    fn gradient(&mut self, gradient: &mut [f64]) -> Result<()> {
        let n = self.model.n_theta();
        let (in_theta, in_log_sigma) = self.gradient.split_at_mut(n);
        let slopes = self.model.at(&self.at.parameters[..n])?.slopes();
        slopes.gradient(in_theta);
        in_log_sigma.fill(2.0 * (slopes.df() - slopes.r2_over_sigma2()));
        self.at.gradient(&self.gradient, gradient);
        Ok(())
    }

    fn hessian(&mut self, hessian: &mut [f64]) -> Result<()> {
        let n = self.model.n_theta();
        let kind = self.model.affordable_hessian();
        let here = self.model.at(&self.at.parameters[..n])?;
        let mut second = here.slopes().hessian(kind);
        second.fill(&mut self.hessian);
        if self.gradient.len() == n {
            self.at.hessian(&self.gradient, &self.hessian, hessian);
        } else {
            let scale = -2.0 / second.sigma().powi(2);
            let slopes = second.r2_slopes();
            let cross: Vec<f64> = slopes.iter().map(|s| scale * s).collect();
            let corner = 4.0 * second.r2_over_sigma2();
            let whole = bordered(&self.hessian, &cross, corner);
            self.at.hessian(&self.gradient, &whole, hessian);
        }
        Ok(())
    }
}

impl Geometry for Search<'_> {
    fn local_derivatives(
        &mut self,
        gradient: &mut [f64],
        hessian: &mut [f64],
    ) -> Result<()> {
        let n = self.model.n_theta();
        if self.gradient.len() == n {
            let kind = self.model.affordable_hessian();
            let here = self.model.at(&self.at.parameters[..n])?;
            self.tangents = here.tangents();
            let mut second = here.slopes().hessian(kind);
            second.in_tangents(
                &self.tangents,
                &mut self.gradient,
                &mut self.hessian,
            );
            self.at.gradient(&self.gradient, gradient);
            self.at.hessian(&self.gradient, &self.hessian, hessian);
        } else {
            self.gradient(gradient)?;
            self.hessian(hessian)?;
        }
        optimize::scale(&self.step_sizes_here(), gradient, hessian);
        Ok(())
    }

    fn displaced(&self, x: &[f64], p: &[f64]) -> Vec<f64> {
        let moved = x.iter().zip(p).zip(self.step_sizes_here());
        let mut point: Vec<f64> =
            moved.map(|((x, p), step_size)| x + p * step_size).collect();
        let mut theta = vec![0.0; self.model.n_theta()];
        for tangent in &self.tangents {
            let first =
                self.at.free().partition_point(|&j| j < tangent.range.start);
            let range = first..first + tangent.range.len();
            tangent.displace(&p[range.clone()], &mut theta);
            point[range].copy_from_slice(&theta[tangent.range.clone()]);
        }
        point
    }

    fn extent(&self, x: &[f64]) -> f64 {
        self.at.extent(x, &self.units).max(1.0)
    }

    fn rounding(&self, x: &[f64], value: f64) -> f64 {
        let of_effects = self.at.extent(x, &self.units_of_effects);
        let theta = self.at.to_theta(x);
        let extent = of_effects.max(self.model.extent_of_images(&theta));
        optimize::rounding_of(extent.max(1.0), value)
    }

    fn step_sizes(&self, _n: usize) -> Vec<f64> {
        self.units.clone()
    }

    fn proposal(&mut self) -> Option<Vec<f64>> {
        let mut parameters = self.here().ok()?.scored()?;
        parameters.extend_from_slice(&self.at.parameters[parameters.len()..]);
        Some(self.at.from_theta(&parameters))
    }

    fn has_rough_hessian(&self) -> bool {
        self.model.affordable_hessian() == HessianKind::Average
    }

    fn is_bounded(&self, _n: usize) -> Vec<bool> {
        self.at.is_bounded()
    }

    fn is_inside(&self, x: &[f64]) -> bool {
        self.at.is_inside(x, &self.units)
    }

    fn make_canonical(&self, x: &mut [f64]) {
        self.at.make_canonical(x);
    }

    fn nears_known_minimum(
        &mut self,
        before: (f64, &[f64]),
        now: (f64, &[f64]),
    ) -> bool {
        self.ended_in = self.minima.approached(before, now, &self.units);
        self.ended_in.is_some()
    }

    fn escapes(&mut self, x: &[f64], gain: f64) -> Vec<Vec<f64>> {
        // The last evaluation may have been at another point.
        let ways = match self.value(x) {
            Ok(_) => self.descent_directions().unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        self.at.beyond(x, &self.gradient, ways, gain)
    }
}

impl Judged for Search<'_> {
    fn coordinates(&self) -> &Coordinates {
        &self.at
    }

    fn parameter_gradient(&self) -> &[f64] {
        &self.gradient[..self.model.n_theta()]
    }

    fn hessian_kind(&self) -> HessianKind {
        self.model.affordable_hessian()
    }

    fn descent_directions(&mut self) -> Result<Vec<DescentDirection>> {
        Ok(self.here()?.descent_directions())
    }
}

// The limits that remain after `spent` evaluations; `None` if no evaluation remains.
fn limits_after(spent: usize, settings: &Settings) -> Option<Settings> {
    if settings.max_eval > 0 && spent >= settings.max_eval {
        return None;
    }
    Some(Settings {
        max_eval: settings.max_eval.saturating_sub(spent),
        ..settings.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivatives::tests::{us, Data};
    use crate::lmm::Criterion;
    use crate::optimize::Flow;

    #[test]
    fn search_ends_where_it_nears_a_minimum_that_is_known() {
        let data = Data::new(
            144,
            2,
            vec![
                (Box::new(|i| i % 12), vec![us(1, 0)]),
                (Box::new(|i| i / 12), vec![us(1, 1)]),
            ],
        );
        let design = data.design();
        let mut model =
            LinearMixedModel::new(&design, Criterion::Reml, None).unwrap();
        let mut search = Search::new(&mut model, &[1.0, 1.0]).unwrap();
        let from = |search: &mut Search, start: &[f64]| {
            let settings = Settings::default();
            let mut see = |_: usize, _: f64, _: &[f64]| Flow::Continue;
            search.minimize_from(start, 0, &settings, &mut see).unwrap()
        };
        let first = from(&mut search, &[1.0, 1.0]);
        assert_eq!(search.ended_in, None);
        let short = from(&mut search, &[0.3, 3.0]);
        assert_eq!(search.ended_in, Some(first.best_value));
        search.minima = Minima::default();
        let whole = from(&mut search, &[0.3, 3.0]);
        assert_eq!(search.ended_in, None);
        assert!((whole.best_value - first.best_value).abs() < 1e-9);
        assert!(short.log.len() < whole.log.len());
        assert!(short.status.has_converged());
        // Where covariances are very large no ending is known well enough.
        let huge = OptSummary {
            best: vec![1e7, 1e7],
            ..whole
        };
        search.minima = Minima::default();
        search.keep_minimum(&huge);
        assert!(search.minima.is_empty());
    }
}
