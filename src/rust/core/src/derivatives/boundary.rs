//! First-order optimality conditions on the cone of positive semi-definite covariance matrices:
//! `G Omega = 0` and `G >= 0`. If `G v = lambda v` with `lambda < 0`, then `Omega + eps v v'`
//! lowers the objective, even where the gradient in theta vanishes because Lambda is singular.
//!
//! Structures parameterized by standard deviations allow fewer directions: the variance of an
//! effect may become positive, and its correlations with the other effects, which are arbitrary at
//! zero variance, then take their best values. Where the range of a correlation depends on the
//! others (Toeplitz), a singular correlation matrix leaves some of them no range, and their partial
//! correlations have no effect on Omega; the direction then leads towards an extreme matrix of the
//! convex set of correlation matrices.

use std::borrow::Cow;
use std::f64::consts::PI;

use crate::covariance::{part_block, DescentDirection, Part, RelCov, Role};
use crate::derivatives::OmegaDerivatives;
use crate::kernels::eigen::Eigen;
use crate::tolerances::{ROUNDED_CORRELATION, SINGULAR_VARIANCE, ZERO_SD};

/// Number of grid intervals over the range of a correlation.
const CORRELATIONS: usize = 40;
/// Number of grid intervals, for each effect, over the extreme correlation matrices.
const EXTREMES: usize = 16;
/// Number of rounds of coordinate-wise minimisation over several correlations.
const ROUNDS: usize = 3;

/// One part of a term, with the data for finding its descent direction.
struct Edge<'a> {
    part: &'a Part,
    // The term of the design, and the part's index and first column in it.
    term: usize,
    index: usize,
    first: usize,
    // The part's block of G, `size x size`.
    g: Vec<f64>,
    rms: &'a [f64],
    theta: &'a [f64],
    held: &'a [bool],
}

/// The steepest direction of one part.
struct Steepest {
    // The directional derivative, with the columns of Z scaled to a mean square of one.
    slope: f64,
    // The change of Omega, `size x size`.
    change: Vec<f64>,
    // The effect whose standard deviation, rather than variance, is the step: to second order, the
    // step times this effect's variance is added to `change`.
    effect: Option<usize>,
}

impl OmegaDerivatives {
    /// The descent direction of each part of each term. `rms` holds the root mean square of each
    /// column of Z, `held` marks the elements of theta that are held, and `curvature` is the second
    /// derivative of the objective along a change of a term's Omega.
    pub fn descent_directions(
        &self,
        covs: &[RelCov],
        theta: &[f64],
        (rms, held): (&[Vec<f64>], &[bool]),
        curvature: impl Fn(usize, &[f64]) -> f64,
    ) -> Vec<DescentDirection> {
        let mut ways = Vec::new();
        for (term, cov) in covs.iter().enumerate() {
            let g = match cov.image() {
                None => Cow::Borrowed(&self.g[term]),
                Some(image) => Cow::Owned(image.slope_of_given(&self.g[term])),
            };
            let rms = cov.scales_of_effects(&rms[term]);
            let curvature = |change: &[f64]| match cov.image() {
                None => curvature(term, change),
                Some(image) => curvature(term, &image.change(change)),
            };
            for (index, (first, part)) in cov.placed().enumerate() {
                let edge = Edge {
                    part,
                    term,
                    index,
                    first,
                    g: part_block(first, part.size, &g),
                    rms: &rms[first..first + part.size],
                    theta: &theta[part.range()],
                    held: &held[part.range()],
                };
                ways.push(descent_direction(&edge, &g, &curvature));
            }
        }
        ways
    }

    /// The second derivative of the objective along `change` of a term's Omega; the Hessian must
    /// have been computed.
    pub(crate) fn curvature_along(&self, term: usize, change: &[f64]) -> f64 {
        let n = self.directions.len();
        let k = change.len().isqrt();
        let mut curvature = 0.0;
        for (j, (x, y)) in self.directions.elements(term) {
            for (i, (r, s)) in self.directions.elements(term) {
                curvature +=
                    change[s * k + r] * change[y * k + x] * self.h[j * n + i];
            }
        }
        curvature
    }
}

// The descent direction of one part, with the minimising step if no parameter is held; `g` is that
// of the effects of its term.
fn descent_direction(
    edge: &Edge,
    g: &[f64],
    curvature: &impl Fn(&[f64]) -> f64,
) -> DescentDirection {
    let k = g.len().isqrt();
    let found = edge.steepest();
    let mut way = DescentDirection {
        term: edge.term,
        part: edge.index,
        lambda_min: found.slope,
        change: embed(k, edge.first, &found.change),
        step: 0.0,
        gain: 0.0,
    };
    if edge.is_free() {
        let effect = found.effect.map(|effect| (edge.first + effect) * (k + 1));
        measure(&mut way, g, effect, curvature);
    }
    way
}

// Writes the minimising step of the quadratic model and its predicted decrease. If the step is a
// standard deviation, whose variance is element `effect` of Omega, the second-order change is
// added.
fn measure(
    way: &mut DescentDirection,
    g: &[f64],
    effect: Option<usize>,
    curvature: &impl Fn(&[f64]) -> f64,
) {
    let slope = along(g, &way.change);
    let own = effect.map_or(0.0, |at| 2.0 * g[at]);
    let curvature = curvature(&way.change) + own;
    if slope < 0.0 && curvature != 0.0 {
        way.step = -slope / curvature.abs();
        way.gain = -0.5 * slope * way.step;
    }
    if let Some(at) = effect {
        way.change[at] += way.step;
    }
}

/// The directional derivative along a change of Omega of a function with the symmetric derivative
/// `g`.
pub fn along(g: &[f64], change: &[f64]) -> f64 {
    g.iter().zip(change).map(|(g, c)| g * c).sum()
}

// Embeds a part's block in a matrix of the whole term.
fn embed(k: usize, first: usize, block: &[f64]) -> Vec<f64> {
    let size = block.len().isqrt();
    let mut whole = vec![0.0; k * k];
    for j in 0..size {
        for i in 0..size {
            whole[(first + j) * k + first + i] = block[j * size + i];
        }
    }
    whole
}

impl Edge<'_> {
    fn size(&self) -> usize {
        self.rms.len()
    }

    // Whether no parameter is held that the direction would have to change.
    fn is_free(&self) -> bool {
        for (role, held) in self.part.roles().iter().zip(self.held) {
            let may_stay =
                matches!(role, Role::Scale { .. } | Role::Correlation { .. });
            if *held && !may_stay {
                return false;
            }
        }
        true
    }

    fn none(&self) -> Steepest {
        Steepest {
            slope: 0.0,
            change: vec![0.0; self.size() * self.size()],
            effect: None,
        }
    }

    fn steepest(&self) -> Steepest {
        if self.part.is_triangle() {
            return self.smallest_eigenvalue();
        }
        let found = match self.part.common_scale() {
            Some(scale) => self.common_variance(scale),
            None => self.new_effect(!self.part.correlations().is_empty()),
        };
        match self.other_correlations() {
            Some(other) if other.slope < found.slope => other,
            _ => found,
        }
    }

    fn smallest_eigenvalue(&self) -> Steepest {
        let k = self.size();
        let size = |at: usize| self.rms[at % k] * self.rms[at / k];
        let scaled = self.g.iter().enumerate().map(|(at, g)| g / size(at));
        let mut found = self.none();
        let mut eigen = Eigen::new(k);
        if !eigen.decompose(&scaled.collect::<Vec<f64>>()) {
            found.slope = f64::NAN;
            return found;
        }
        let v = eigen.vector(0);
        found.slope = eigen.values[0];
        for (at, change) in found.change.iter_mut().enumerate() {
            *change = v[at % k] * v[at / k] / size(at);
        }
        found
    }

    // Whether a standard deviation is zero for practical purposes: a search only approaches zero,
    // or stops where the objective is flat.
    fn is_zero(&self, parameter: usize, rms: f64) -> bool {
        self.theta[parameter].abs() * rms < ZERO_SD
    }

    // The direction of a common variance of all effects; where it is zero, at the correlations that
    // minimise the directional derivative.
    fn common_variance(&self, scale: usize) -> Steepest {
        let mean_square = self.rms.iter().map(|rms| rms * rms).sum::<f64>();
        let is_correlated = !self.part.correlations().is_empty();
        let is_zero =
            self.is_zero(scale, (mean_square / self.size() as f64).sqrt());
        if is_correlated && !is_zero {
            // At a positive variance the gradient in theta shows every descent direction.
            return self.none();
        }
        let free = self.part.correlations().filter(|&j| !self.held[j]);
        let slope = |r: &[f64]| along(&self.g, r);
        let change =
            self.best_correlations(&free.collect::<Vec<usize>>(), slope);
        Steepest {
            slope: slope(&change) / mean_square,
            change,
            effect: None,
        }
    }

    // The effect whose variance lowers the objective most by becoming positive. Without correlation
    // parameters the step is its variance; next to effects with positive variances it is its
    // standard deviation, at the correlations that minimise the directional derivative.
    fn new_effect(&self, is_correlated: bool) -> Steepest {
        let k = self.size();
        let scales = self.part.scales();
        let zero: Vec<(usize, usize)> = scales
            .filter(|&(j, effect)| {
                !is_correlated || self.is_zero(j, self.rms[effect])
            })
            .collect();
        let varies = is_correlated && zero.len() < k;
        let steepest_of = |effect: usize| {
            if varies {
                self.next_to_others(effect, &zero)
            } else {
                self.single_effect(effect)
            }
        };
        let free = zero.iter().filter(|(j, _)| !self.held[*j]);
        let found = free.map(|&(_, effect)| steepest_of(effect));
        let lowest = found.min_by(|a, b| a.slope.total_cmp(&b.slope));
        lowest.unwrap_or_else(|| self.none())
    }

    // The direction from a singular correlation matrix towards an extreme one, at the standard
    // deviations of the part; `None` where correlations have a fixed range or are held.
    fn other_correlations(&self) -> Option<Steepest> {
        let shares = self.part.shares()?;
        if !self.has_singular_correlations() {
            return None;
        }
        let n = EXTREMES * self.size();
        let own = self.part.correlations();
        let mut theta = self.theta.to_vec();
        let found = (0..=n).filter_map(|i| {
            let angle = PI * i as f64 / n as f64;
            shares.extreme(angle, &mut theta[own.clone()]);
            self.towards(&self.part.correlation_matrix(&theta))
        });
        found.min_by(|a, b| a.slope.total_cmp(&b.slope))
    }

    // The direction towards another correlation matrix, per unit of the mean variance of the
    // effects; `None` without variance.
    fn towards(&self, there: &[f64]) -> Option<Steepest> {
        let k = self.size();
        let omega = self.part.omega(self.theta);
        let variance = |j: usize| omega[j * (k + 1)];
        let scaled = self.rms.iter().enumerate();
        let square =
            scaled.map(|(j, rms)| variance(j) * rms * rms).sum::<f64>();
        let change = there.iter().enumerate().map(|(at, there)| {
            let scale = (variance(at % k) * variance(at / k)).sqrt();
            (scale * there - omega[at]) / square
        });
        let change: Vec<f64> = change.collect();
        (square > 0.0).then(|| Steepest {
            slope: along(&self.g, &change),
            change,
            effect: None,
        })
    }

    // Whether no correlation is held, and a partial correlation is at a limit.
    fn has_singular_correlations(&self) -> bool {
        let own = self.part.correlations();
        let mut shares = self.theta.to_vec();
        self.part.from_correlations(&mut shares, self.held);
        let is_singular =
            |j: usize| 1.0 - shares[j].powi(2) < SINGULAR_VARIANCE;
        own.clone().all(|j| !self.held[j]) && own.clone().any(is_singular)
    }

    fn single_effect(&self, effect: usize) -> Steepest {
        let at = effect * (self.size() + 1);
        let variance = self.rms[effect].powi(-2);
        let mut found = self.none();
        (found.slope, found.change[at]) = (self.g[at] * variance, variance);
        found
    }

    // The direction of an effect next to others with positive variances: to first order its
    // covariances with them are proportional to its standard deviation.
    fn next_to_others(
        &self,
        effect: usize,
        zero: &[(usize, usize)],
    ) -> Steepest {
        let mut sds = vec![0.0; self.size()];
        for (j, effect) in self.part.scales() {
            sds[effect] = self.theta[j];
        }
        for &(_, effect) in zero {
            sds[effect] = 0.0;
        }
        let slope =
            |r: &[f64]| along(&self.g, &covariances_with(effect, &sds, r));
        let r =
            self.best_correlations(&self.irrelevant_correlations(&sds), slope);
        let now = slope(&self.part.correlation_matrix(self.theta));
        let is_as_good = slope(&r) >= now - ROUNDED_CORRELATION * now.abs();
        if self.has_positive_sd(effect) && is_as_good {
            // The gradient in theta already shows any decrease at these correlations.
            return self.none();
        }
        Steepest {
            slope: (slope(&r) / self.rms[effect]).min(0.0),
            change: covariances_with(effect, &sds, &r),
            effect: Some(effect),
        }
    }

    // Whether the standard deviation of an effect is positive, however small.
    fn has_positive_sd(&self, effect: usize) -> bool {
        let mut scales = self.part.scales();
        scales.any(|(j, own)| own == effect && self.theta[j] > 0.0)
    }

    // The free correlations on which Omega does not depend at these standard deviations.
    fn irrelevant_correlations(&self, sds: &[f64]) -> Vec<usize> {
        let mut theta = self.theta.to_vec();
        for (j, effect) in self.part.scales() {
            theta[j] = sds[effect];
        }
        let mut matters = self.held.to_vec();
        self.part
            .for_each_first_derivative(&theta, |j, _, _, value| {
                matters[j] |= value != 0.0
            });
        self.part.correlations().filter(|&j| !matters[j]).collect()
    }

    // The correlation matrix that minimises the directional derivative over these correlations, by
    // coordinate-wise minimisation.
    fn best_correlations(
        &self,
        free: &[usize],
        slope: impl Fn(&[f64]) -> f64,
    ) -> Vec<f64> {
        let held: Vec<bool> =
            (0..self.theta.len()).map(|j| !free.contains(&j)).collect();
        let mut shares = self.theta.to_vec();
        self.part.from_correlations(&mut shares, &held);
        let slope_at =
            |shares: &[f64]| slope(&self.matrix_of_shares(shares, &held));
        let rounds = if free.len() > 1 { ROUNDS } else { 1 };
        for _ in 0..rounds {
            for &j in free {
                shares[j] = best_share(&shares, j, &slope_at);
            }
        }
        self.matrix_of_shares(&shares, &held)
    }

    // The correlation matrix at these shares, some of which are held correlations.
    fn matrix_of_shares(&self, shares: &[f64], held: &[bool]) -> Vec<f64> {
        let mut theta = shares.to_vec();
        self.part.to_correlations(&mut theta, held);
        self.part.correlation_matrix(&theta)
    }
}

// The derivative of Omega in the standard deviation of one effect, given the standard deviations
// and correlations of the others.
fn covariances_with(effect: usize, sds: &[f64], r: &[f64]) -> Vec<f64> {
    let k = sds.len();
    let mut change = vec![0.0; k * k];
    for i in (0..k).filter(|&i| i != effect) {
        let value = sds[i] * r[effect * k + i];
        change[effect * k + i] = value;
        change[i * k + effect] = value;
    }
    change
}

// The value of share `j` that minimises the directional derivative, given the others; the first one
// of equals.
fn best_share(shares: &[f64], j: usize, slope: &impl Fn(&[f64]) -> f64) -> f64 {
    let mut best = (f64::INFINITY, shares[j]);
    let mut tried = shares.to_vec();
    for i in 0..=CORRELATIONS {
        tried[j] = 2.0 * i as f64 / CORRELATIONS as f64 - 1.0;
        let found = slope(&tried);
        if found.total_cmp(&best.0).is_lt() {
            best = (found, tried[j]);
        }
    }
    best.1
}
