//! The responses of a generalized model with their linear predictors, in the order in which rows
//! are processed.

use crate::error::{Error, Result};
use crate::glmm::families::definition::{
    Contribution, ShapeDerivatives, Slots,
};
use crate::glmm::families::family::Family;
use crate::glmm::families::lanes::{Data, Kernel, BLOCK};
use crate::glmm::families::link::Link;
use crate::parallel::team::share;
use crate::tolerances::LEAST_DISTANCE;

/// Number of rows in a piece of work for a thread.
const PIECE: usize = 32 * BLOCK;

/// Responses, weights and offsets of `n` observations, and quantities that depend on their linear
/// predictors.
#[derive(Debug, Clone)]
pub struct Response {
    /// The conditional distribution.
    pub family: Family,
    /// The link function.
    pub link: Link,
    /// The dispersion, or theta of the negative binomial.
    pub shape: f64,
    /// Responses.
    pub y: Vec<f64>,
    /// Prior weights; the number of trials for the binomial. The weight of a row that stands for
    /// several identical observations is the sum of theirs.
    pub w: Vec<f64>,
    // The number of observations that each row stands for, if it is not always one.
    counts: Option<Vec<f64>>,
    /// Known part of the linear predictor.
    pub offset: Vec<f64>,
    /// Linear predictor.
    pub eta: Vec<f64>,
    /// Score `d log p / d eta` at `eta`.
    pub score: Vec<f64>,
    /// Weight of the next Newton step at `eta`.
    pub weight: Vec<f64>,
    // The observed information at `eta`, where it may differ from the weight.
    observed: Vec<f64>,
    // Whether the weights are the observed information.
    is_safe_observed: bool,
    // Whether all weights are one.
    single: bool,
    // The constant of the log-likelihood, and the shape at which it was computed.
    constant: (f64, f64),
    // Vectorised loops, if the family has them for the link.
    kernel: Option<&'static Kernel>,
    // The log-likelihood of each piece of rows, and whether all of its weights are the observed
    // information.
    sums: Vec<(f64, bool)>,
}

/// Derivatives of the log-likelihood in eta, one of each per row. With vectorised loops all except
/// the slope are those of the response itself, for which both kinds of information are equal.
#[derive(Debug, Clone, Default)]
pub struct Derivatives {
    score: Vec<f64>,
    observed: Vec<f64>,
    weight: Vec<f64>,
    /// The derivative of the requested information.
    pub slope: Vec<f64>,
}

impl Derivatives {
    /// The first derivatives, given the response that has filled these.
    pub fn score<'a>(&'a self, response: &'a Response) -> &'a [f64] {
        or_given(&self.score, &response.score)
    }

    /// Minus the second derivatives.
    pub fn observed<'a>(&'a self, response: &'a Response) -> &'a [f64] {
        or_given(&self.observed, &response.weight)
    }

    /// The requested information.
    pub fn weight<'a>(&'a self, response: &'a Response) -> &'a [f64] {
        or_given(&self.weight, &response.weight)
    }

    fn clear(&mut self) {
        self.score.clear();
        self.observed.clear();
        self.weight.clear();
        self.slope.clear();
    }
}

fn or_given<'a>(own: &'a [f64], given: &'a [f64]) -> &'a [f64] {
    if own.is_empty() {
        given
    } else {
        own
    }
}

/// The kind of information that serves as weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Information {
    /// The expected information: Fisher scoring, and lme4's Laplace approximation.
    Expected,
    /// The observed information: the exact Hessian, and glmmTMB's Laplace approximation.
    Observed,
}

impl Response {
    /// Checks that the responses are in the support of the family.
    ///
    /// # Errors
    /// `Response` with the first one that is not.
    pub fn check(family: Family, y: &[f64]) -> Result<()> {
        match y.iter().position(|&y| !family.accepts(y)) {
            Some(index) => Err(Error::Response {
                index,
                value: y[index],
            }),
            None => Ok(()),
        }
    }

    /// Responses that have been checked.
    pub fn new(
        family: Family,
        link: Link,
        shape: f64,
        y: Vec<f64>,
        w: Option<Vec<f64>>,
        offset: Option<Vec<f64>>,
    ) -> Self {
        let n = y.len();
        let w = w.unwrap_or_else(|| vec![1.0; n]);
        Self {
            family,
            link,
            shape,
            single: w.iter().all(|&w| w == 1.0),
            w,
            counts: None,
            offset: offset.unwrap_or_else(|| vec![0.0; n]),
            eta: vec![0.0; n],
            score: vec![0.0; n],
            weight: vec![0.0; n],
            observed: vec![0.0; n],
            is_safe_observed: true,
            constant: (f64::NAN, f64::NAN),
            sums: Vec::new(),
            kernel: family.definition().kernel(link),
            y,
        }
    }

    /// Sets the number of identical observations that each row stands for. Their log-likelihoods,
    /// scores and information add up, which is the effect of a larger weight in all families,
    /// except for constants.
    pub(crate) fn counted(mut self, counts: Option<Vec<f64>>) -> Self {
        if let Some(counts) = counts {
            self.w.iter_mut().zip(&counts).for_each(|(w, c)| *w *= c);
            self.single = self.w.iter().all(|&w| w == 1.0);
            self.counts = Some(counts);
        }
        self
    }

    // The number of observations that row `i` stands for, and the weight of each.
    fn count_and_weight(&self, i: usize) -> (f64, f64) {
        let Some(counts) = &self.counts else {
            return (1.0, self.w[i]);
        };
        let count = counts[i];
        (count, if count > 0.0 { self.w[i] / count } else { 0.0 })
    }

    /// Replaces the responses by others that have been checked.
    pub(crate) fn set(&mut self, y: impl Iterator<Item = f64>) {
        self.y.iter_mut().zip(y).for_each(|(old, new)| *old = new);
        self.constant = (f64::NAN, f64::NAN);
    }

    /// Number of observations.
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// Log-likelihood and derivatives of observation `i` at its linear predictor.
    #[inline]
    pub fn contribution(&self, i: usize) -> Contribution {
        self.family.contribution(
            self.link,
            self.y[i],
            self.w[i],
            self.eta[i],
            self.shape,
        )
    }

    /// Fills score and weight at `eta`; returns the log-likelihood without constants. A weight is
    /// the observed information where that is safely positive, otherwise the expected one, so that
    /// steps are descent directions.
    pub(crate) fn update(&mut self) -> f64 {
        let (family, link, shape) = (self.family, self.link, self.shape);
        let (kernel, single) = (self.kernel, self.single);
        let run = |data: Data, slots: Slots| match kernel {
            Some(kernel) => {
                ((kernel.update)(data, slots.score, slots.weight), true)
            }
            None => family.definition().update(link, data, shape, slots),
        };
        let pieces = self.eta.chunks(PIECE).zip(self.y.chunks(PIECE));
        let given = pieces.zip(self.w.chunks(PIECE));
        let score = self.score.chunks_mut(PIECE);
        let information = self
            .weight
            .chunks_mut(PIECE)
            .zip(self.observed.chunks_mut(PIECE));
        let to = score.zip(information);
        self.sums.resize(self.y.len().div_ceil(PIECE), (0.0, true));
        let jobs = given.zip(to).zip(&mut self.sums);
        share(
            jobs,
            |((((eta, y), w), (score, (weight, observed))), sum)| {
                let data = Data { eta, y, w, single };
                let slots = Slots {
                    score,
                    weight,
                    observed,
                };
                *sum = run(data, slots);
            },
        );
        self.is_safe_observed = self.sums.iter().all(|(_, is_safe)| *is_safe);
        self.sums.iter().map(|(log_lik, _)| log_lik).sum()
    }

    /// Whether all weights set by the last [`Self::update`] are the observed information.
    pub(crate) fn is_safe_observed(&self) -> bool {
        self.is_safe_observed
    }

    /// Whether observed and expected information are equal.
    pub(crate) fn is_canonical(&self) -> bool {
        self.family.is_canonical(self.link)
    }

    /// Reduces weights larger than `most` to `most`.
    pub(crate) fn limit_weights(&mut self, most: f64) {
        for weight in &mut self.weight {
            *weight = weight.min(most);
        }
    }

    /// Exchanges the weights set by the last [`Self::update`] with the observed information, which
    /// may be negative; a second call undoes the exchange.
    pub(crate) fn swap_weights(&mut self) {
        std::mem::swap(&mut self.weight, &mut self.observed);
    }

    /// Sets a dispersion, and rescales score and weights, which it divides. Returns their factor,
    /// which is also that of the log-likelihood without constants.
    pub(crate) fn set_dispersion(&mut self, value: f64) -> f64 {
        let share = self.shape / value;
        let information = self.weight.iter_mut().chain(&mut self.observed);
        for divided in self.score.iter_mut().chain(information) {
            *divided *= share;
        }
        self.shape = value;
        share
    }

    /// The log-likelihood without constants of some rows at other linear predictors.
    pub(crate) fn log_lik_at(
        &self,
        rows: std::ops::Range<usize>,
        eta: &[f64],
    ) -> f64 {
        let data = Data {
            eta,
            y: &self.y[rows.clone()],
            w: &self.w[rows],
            single: self.single,
        };
        match self.kernel {
            Some(kernel) => (kernel.log_lik)(data),
            None => self
                .family
                .definition()
                .log_lik(self.link, data, self.shape),
        }
    }

    /// Multiplies the weights of the rows whose likelihood is not positive by a factor.
    pub(crate) fn raise_outside(&self, weights: &mut [f64], factor: f64) {
        for (i, weight) in weights.iter_mut().enumerate() {
            if !self.contribution(i).log_lik.is_finite() {
                *weight *= factor;
            }
        }
    }

    /// Sets linear predictors with these weights and zero scores.
    pub(crate) fn aim_at(&mut self, eta: &[f64], weights: &[f64]) {
        self.eta.copy_from_slice(eta);
        self.weight.copy_from_slice(weights);
        self.score.fill(0.0);
    }

    /// Moves linear predictors of some rows that are beyond the end of their range to that end;
    /// returns whether one was. Rows of weight zero have no end.
    pub(crate) fn return_into_range(
        &self,
        rows: std::ops::Range<usize>,
        eta: &mut [f64],
    ) -> bool {
        let Some(end) = self.family.end_of_range(self.link) else {
            return false;
        };
        let side = self.link.side_of_end();
        let mut is_beyond = false;
        for (i, eta) in rows.zip(eta) {
            if side * (*eta - end) <= 0.0 && self.must_be_in_range(i) {
                *eta = end + side * LEAST_DISTANCE;
                is_beyond = true;
            }
        }
        is_beyond
    }

    /// Whether the density of row `i` differs between both sides of the end of the range: that of a
    /// count of zero with a square-root link does not.
    pub(crate) fn must_be_in_range(&self, i: usize) -> bool {
        let is_mirrored = self.link == Link::Sqrt && self.y[i] == 0.0;
        self.w[i] > 0.0 && !is_mirrored
    }

    /// Sets the linear predictors to those of means near the responses, with their expected weights
    /// and zero scores; the weight is zero where there is no such predictor.
    pub(crate) fn predict_responses(&mut self) {
        for i in 0..self.n() {
            let mean = self.family.start_mean(self.y[i], self.w[i]);
            self.eta[i] = self.link.eta(mean);
            self.weight[i] = self.contribution(i).expected;
            self.score[i] = 0.0;
            if !(self.eta[i].is_finite() && self.weight[i].is_finite()) {
                self.eta[i] = 0.0;
                self.weight[i] = 0.0;
            }
        }
    }

    /// Derivatives of row `i` in `log(shape)`, at any linear predictor and shape.
    pub fn shape_derivatives(
        &self,
        i: usize,
        eta: f64,
        shape: f64,
    ) -> ShapeDerivatives {
        let (count, w) = self.count_and_weight(i);
        let one = self
            .family
            .shape_derivatives(self.link, self.y[i], w, eta, shape);
        one.times(count)
    }

    /// The score of row `i` at another linear predictor.
    #[inline]
    pub(crate) fn score_at(&self, i: usize, eta: f64) -> f64 {
        if let Some(kernel) = self.kernel {
            return (kernel.score)(self.y[i], self.w[i], eta);
        }
        self.family
            .contribution(self.link, self.y[i], self.w[i], eta, self.shape)
            .score
    }

    /// Fills score and information of all rows at `eta`, and the derivative of the information.
    pub fn derivatives(&self, information: Information, out: &mut Derivatives) {
        out.clear();
        if let Some(kernel) = self.kernel {
            let slope = |i: usize| {
                let (score, weight) = (self.score[i], self.weight[i]);
                (kernel.slope)(self.y[i], self.w[i], score, weight)
            };
            out.slope.extend((0..self.n()).map(slope));
            return;
        }
        for i in 0..self.n() {
            let at = self.contribution(i);
            let (weight, slope) = match information {
                Information::Expected => (at.expected, at.expected_slope),
                Information::Observed => (at.observed, at.observed_slope),
            };
            out.score.push(at.score);
            out.observed.push(at.observed);
            out.weight.push(weight);
            out.slope.push(slope);
        }
    }

    /// Replaces the weights of the Newton step by those of an information, which may be negative if
    /// it is the observed one.
    pub(crate) fn set_weights(&mut self, information: Information) {
        if self.is_canonical() {
            return;
        }
        for i in 0..self.n() {
            let at = self.contribution(i);
            self.weight[i] = match information {
                Information::Expected => at.expected,
                Information::Observed => at.observed,
            };
        }
    }

    /// The terms of the log-likelihood that do not depend on eta.
    pub fn constant(&mut self) -> f64 {
        if self.constant.1 != self.shape {
            self.constant = (self.constant_at(self.shape), self.shape);
        }
        self.constant.0
    }

    /// The same at another shape.
    pub(crate) fn constant_at(&self, shape: f64) -> f64 {
        let of_row = |i: usize| {
            let (count, w) = self.count_and_weight(i);
            count * self.family.constant(self.y[i], w, shape)
        };
        (0..self.n()).map(of_row).sum()
    }

    /// The means.
    pub fn mean(&self) -> Vec<f64> {
        self.eta.iter().map(|&eta| self.link.mean(eta)).collect()
    }

    /// The sum of squared deviance residuals at `eta`.
    pub fn deviance(&self) -> f64 {
        let one = |i: usize| {
            self.family.deviance(
                self.y[i],
                self.w[i],
                self.link.mean(self.eta[i]),
                self.shape,
            )
        };
        (0..self.n()).map(one).sum()
    }

    /// The deviance of the model with one common mean, the mean response.
    pub(crate) fn null_deviance(&self) -> f64 {
        let total: f64 = self.w.iter().sum();
        let mean =
            self.y.iter().zip(&self.w).map(|(y, w)| w * y).sum::<f64>() / total;
        self.y
            .iter()
            .zip(&self.w)
            .map(|(&y, &w)| self.family.deviance(y, w, mean, self.shape))
            .sum()
    }

    /// Pearson's statistic at `eta`.
    pub fn pearson(&self) -> f64 {
        let one = |i: usize| {
            let mu = self.link.mean(self.eta[i]);
            self.w[i] * (self.y[i] - mu).powi(2)
                / self.family.variance(mu, self.shape)
        };
        (0..self.n()).map(one).sum()
    }
}
