//! Points at the edge of the region where the approximate likelihood is defined or smooth.
//!
//! The linear predictors of identity, inverse and similar links have a range with an end, at which
//! the density of some responses does not vanish: of a count of zero at a mean of zero, or of any
//! response of an inverse Gaussian model at an infinite mean. Then
//!
//! * the conditional modes may lie at that end, where they are no stationary point, so that
//!   Laplace's approximation is not defined, and the deviance may fall up to there;
//! * nodes of the quadrature may lie beyond it, where the density is zero, so that the deviance
//!   jumps as parameters change.
//!
//! With a square-root link the likelihood of a positive response vanishes at zero and rises beyond
//! it: nodes there make no jumps, but often several minima. With the observed information `log |H|`
//! tends to minus infinity where H becomes singular, as it does where a mode ceases to be one.

use super::fit::GlmmFit;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::error::Result;
use crate::glmm::families::response::Information;
use crate::glmm::families::Link;
use crate::glmm::quadrature;
use crate::glmm::vary::Vary;
use crate::judge::Verdict;
use crate::kernels::small;
use crate::tolerances::{
    EDGE_DISTANCE, EDGE_VARIANCE, NOTICEABLE_JUMP, OTHER_MINIMUM,
};

impl GeneralizedLinearMixedModel {
    /// The verdict on a point, revised if it is at an edge.
    pub(super) fn verdict_at_edge(
        &mut self,
        vary: Vary,
        parameters: &[f64],
        verdict: Verdict,
    ) -> Verdict {
        let is_doubtful = self.rule.is_some() || !verdict.is_final();
        let may_be = is_doubtful && self.may_have_edges();
        if !may_be || self.is_iterative() {
            return verdict;
        }
        // The modes, and whether they exist, may depend on where their search starts.
        let is_undefined = self.objective(vary, parameters).is_err();
        let jumps = self.pirls.response.link != Link::Sqrt;
        let is_at_edge = jumps && self.nodes_are_beyond_end(vary)
            || !verdict.is_final()
                && (is_undefined
                    || self.modes_are_at_end()
                    || self.is_nearly_singular(vary));
        match is_at_edge {
            true => Verdict::Edge,
            false => verdict,
        }
    }

    /// Whether a search ended where the objective may have an edge, at a point that is no optimum.
    pub(super) fn is_stuck(&self, fit: &GlmmFit) -> bool {
        self.may_have_edges() && !fit.is_optimum()
    }

    /// The value below which another fit is better: any, if this one is no optimum at an edge.
    pub(super) fn value_to_beat(&self, fit: &GlmmFit) -> f64 {
        match self.is_stuck(fit) {
            true => f64::INFINITY,
            false => fit.summary.best_value,
        }
    }

    /// Whether a fit, which is stuck at an edge, is below an optimum by a quadrature rule with more
    /// nodes, which the edge hardly affects; not so with Laplace's approximation, which an edge may
    /// make arbitrarily wrong.
    pub(super) fn is_finely_below(
        &mut self,
        fit: &FitSettings,
        stuck: &GlmmFit,
        optimum: &GlmmFit,
    ) -> bool {
        if self.rule.is_none() {
            return false;
        }
        let mut value = |at: &GlmmFit| self.fine_value(fit.vary, at);
        match (value(stuck), value(optimum)) {
            (Ok(stuck), Ok(optimum)) => stuck < optimum - OTHER_MINIMUM,
            _ => false,
        }
    }

    // The objective at the end of a fit by a quadrature rule with many nodes.
    fn fine_value(&mut self, vary: Vary, at: &GlmmFit) -> Result<f64> {
        let rule = self.rule.replace(quadrature::fine_rule(&self.covs));
        self.pirls.restore_modes(&at.modes);
        let parameters = self.centred(vary, &at.parameters);
        let value = parameters.and_then(|point| self.objective(vary, &point));
        self.rule = rule;
        value
    }

    /// Whether the objective may have edges at all.
    pub(super) fn may_have_edges(&self) -> bool {
        let response = &self.pirls.response;
        let end = response.family.end_of_range(response.link);
        end.is_some() || self.may_be_singular()
    }

    // Whether H may be singular, as negative weights can make it.
    fn may_be_singular(&self) -> bool {
        let is_observed = self.options.information == Information::Observed;
        is_observed && !self.pirls.response.is_canonical()
    }

    /// Whether nodes of the quadrature lie beyond the end of the range.
    pub(super) fn nodes_are_beyond_end(&self, vary: Vary) -> bool {
        let response = &self.pirls.response;
        let end = response.family.end_of_range(response.link);
        let (Some(rule), Some(_)) = (&self.rule, end) else {
            return false;
        };
        let share = quadrature::share_beyond_end(&self.pirls, rule, vary);
        share.is_ok_and(|share| 2.0 * share > NOTICEABLE_JUMP)
    }

    // Whether linear predictors are at the end of their range while their likelihood rises towards
    // it.
    fn modes_are_at_end(&self) -> bool {
        let response = &self.pirls.response;
        let n = response.n() as f64;
        let squares: f64 = response.eta.iter().map(|eta| eta * eta).sum();
        let Some(end) = response.family.end_of_range(response.link) else {
            return false;
        };
        let near = EDGE_DISTANCE * (squares / n).sqrt();
        let is_at_end = |i: usize| {
            let outwards = end - response.eta[i];
            let score = response.score_at(i, response.eta[i]);
            outwards.abs() <= near && score * outwards > 0.0
        };
        let rows = 0..response.n();
        rows.filter(|&i| response.must_be_in_range(i))
            .any(is_at_end)
    }

    // Whether H is nearly singular, as only negative weights can make it: the conditional variance
    // of a random effect is then far above its variance.
    fn is_nearly_singular(&mut self, vary: Vary) -> bool {
        if !self.may_be_singular() {
            return false;
        }
        let Ok(variances) = self.pirls.cond_var(vary) else {
            return false;
        };
        let lambdas = self.pirls.engine.lambdas();
        let terms = self.covs.iter().zip(lambdas).zip(&variances);
        let mut is_singular = false;
        for ((cov, lambda), variances) in terms {
            let k = cov.vsize();
            let prior = small::product_transposed(k, lambda, lambda);
            for block in variances.chunks_exact(k * k) {
                let pairs = block.iter().zip(&prior).step_by(k + 1);
                let mut pairs = pairs.filter(|(_, prior)| **prior > 0.0);
                is_singular |= pairs.any(|(own, p)| *own > EDGE_VARIANCE * p);
            }
        }
        is_singular
    }
}
