//! The choice of the storage of the trailing system, made before it is allocated, from the cost of
//! each storage and the available memory.

use crate::error::Result;
use crate::factor::layout::Layout;
use crate::factor::leading::Leading;
use crate::factor::memory::{too_large, Room};
use crate::factor::trailing::condensed::filled_share_of_linked;
use crate::factor::trailing::pattern::Pattern;
use crate::factor::trailing::sample::{
    filled_share, CouplingCounts, LevelPairs,
};

/// Up to this order the dense storage is always the fastest.
const ALWAYS_DENSE: usize = 400;
/// The cost of a multiplication in the sparse factorization, relative to the dense one.
const SPARSE_COST: f64 = 16.0;
/// Number of `m x m` arrays of a dense system: cross-products with the factor, and the inverse
/// where inference needs all of it.
const DENSE_ARRAYS: f64 = 2.0;
/// Bytes of a sparse system per element of the factor: cross-products, factor, inverse with its
/// working memory, and a row number.
const SPARSE_BYTES: f64 = 36.0;
/// The memory that is assumed, in bytes, where the operating system does not report it.
const UNKNOWN: u64 = 12 << 30;
/// The largest share of the elements of a dense factor for which a sparse one is used where the
/// dense one does not fit: beyond, factorization and symbolic analysis would be too slow.
const SPARSE_SHARE: f64 = 0.125;
/// Largest number of elements of a sparse factor, for which symbolic analysis takes seconds.
const MAX_ELEMENTS: f64 = (1u64 << 27) as f64;

/// Number of evaluations with derivatives of a fit with a large factor, which starts near the
/// optimum.
const EVALUATIONS: f64 = 3.0;
/// Multiplications of an evaluation with derivatives, relative to those of the factorization.
const WITH_DERIVATIVES: f64 = 4.0;
/// Multiplications per second in dense matrix products.
const PER_SECOND: f64 = 3e10;
/// Multiplications per second in scattered updates.
const SCATTERED_PER_SECOND: f64 = 1e9;
/// A fit that is predicted to take longer, in seconds, uses the iterative engine.
const PATIENCE: f64 = 2.0;
/// Largest fill-in, elements of a sparse factor relative to those of the cross-products, for which
/// it replaces a dense factor that is too slow or too large.
const FILL: f64 = 4.0;
/// Number of elements of a sparse factor up to which the fill-in is not limited.
const ALWAYS_SOUGHT: f64 = (1u64 << 22) as f64;
/// The factor by which the fill-in estimated from a sample must exceed [`FILL`] to rule out a
/// sparse factor.
const CLEARLY: f64 = 2.0;

/// How the trailing system is stored.
#[derive(Debug)]
pub enum Plan {
    /// The system is one dense triangle.
    Dense,
    /// The system has this sparse pattern.
    Sparse(Pattern),
    /// The system is not stored, as a factor would take too long or too much memory.
    Nothing,
}

impl Plan {
    /// Whether an estimate from a sample of levels already rules out a factor, before the
    /// cross-products are summed up.
    ///
    /// # Errors
    /// `TooLarge` if no storage fits in memory and a factor is required.
    pub fn without_factor(
        data: &impl LevelPairs,
        layout: &Layout,
        room: &Room,
    ) -> Result<Option<CouplingCounts>> {
        if layout.m <= ALWAYS_DENSE {
            return Ok(None);
        }
        let sizes = |counts| Sizes::new(counts, layout, room.repeats);
        let free = room.bytes();
        // No sample is needed for a dense factor that is fast even with the largest possible
        // coupling.
        if sizes(CouplingCounts::at_most(data, layout))
            .has_dense(free, room.is_patient)
        {
            return Ok(None);
        }
        let counts = CouplingCounts::sampled(data, layout);
        let sizes = sizes(counts);
        let share = |enough: f64| {
            let of_sample = filled_share(data, layout);
            match of_sample > enough {
                true => of_sample,
                false => filled_share_of_linked(data, layout).max(of_sample),
            }
        };
        match (
            sizes.rule_out(free, room.is_patient, share),
            room.is_patient,
        ) {
            (false, _) => Ok(None),
            (true, false) => Ok(Some(counts)),
            (true, true) => Err(too_large(sizes.dense_bytes, free)),
        }
    }

    /// The cheaper storage; `Nothing` only if the iterative engine is an alternative.
    ///
    /// # Errors
    /// `TooLarge` if no storage fits in memory and a factor is required.
    pub fn new(
        leading: &Leading,
        layout: &Layout,
        room: &Room,
    ) -> Result<Self> {
        if layout.m <= ALWAYS_DENSE {
            return Ok(Self::Dense);
        }
        let counts = CouplingCounts::of(leading);
        let sizes = Sizes::new(counts, layout, room.repeats);
        sizes.plan(leading, layout, room.bytes(), room.is_patient)
    }
}

/// The sizes that determine the cost of each storage.
struct Sizes {
    m: f64,
    dense_bytes: f64,
    /// Number of products that the elimination of the leading levels subtracts from the trailing
    /// system.
    pairs: f64,
    /// Number of elements of the cross-products.
    elements: f64,
    /// Number of factorizations, as a multiple of that of a linear model.
    repeats: f64,
}

impl Sizes {
    fn new(counts: CouplingCounts, layout: &Layout, repeats: f64) -> Self {
        let m = layout.m as f64;
        Self {
            m,
            dense_bytes: 8.0 * m * (DENSE_ARRAYS * m + 2.0 * layout.p as f64),
            pairs: counts.pairs,
            elements: m + counts.rows,
            repeats,
        }
    }

    // Whether a dense factor fits in memory, and whether it is fast enough.
    fn dense(&self, memory: f64, is_patient: bool) -> (bool, bool) {
        let flops = self.m.powi(3) / 3.0;
        let is_quick = is_patient || self.seconds(flops) <= PATIENCE;
        (self.dense_bytes <= memory, is_quick)
    }

    // Whether a dense factor is both.
    fn has_dense(&self, free: Option<u64>, is_patient: bool) -> bool {
        let memory = free.unwrap_or(UNKNOWN) as f64;
        self.dense(memory, is_patient) == (true, true)
    }

    // Whether the sparse factor is certain to fill in: with that many products it is nearly dense.
    fn is_filled(&self) -> bool {
        self.pairs > self.m * self.m / 4.0
    }

    // Whether neither a dense nor a sparse factor is possible. `share` estimates the share of the
    // elements of a dense triangle that the sparse factor has, or at least whether it exceeds its
    // argument.
    fn rule_out(
        &self,
        free: Option<u64>,
        is_patient: bool,
        share: impl FnOnce(f64) -> f64,
    ) -> bool {
        let memory = free.unwrap_or(UNKNOWN) as f64;
        let (fits, is_quick) = self.dense(memory, is_patient);
        if fits && is_quick {
            return false;
        }
        let limit = self.limit(memory, fits, is_quick) as f64;
        let enough = CLEARLY * limit / (self.m * self.m / 2.0);
        self.is_filled() || share(enough) > enough
    }

    // The predicted time of a fit, in seconds, whose factorization takes `flops` multiplications.
    fn seconds(&self, flops: f64) -> f64 {
        let dense = WITH_DERIVATIVES * flops / PER_SECOND;
        let evaluations = EVALUATIONS * self.repeats;
        evaluations * (dense + self.pairs / SCATTERED_PER_SECOND)
    }

    fn plan(
        &self,
        leading: &Leading,
        layout: &Layout,
        free: Option<u64>,
        is_patient: bool,
    ) -> Result<Plan> {
        let memory = free.unwrap_or(UNKNOWN) as f64;
        let (fits, is_quick) = self.dense(memory, is_patient);
        let limit = self.limit(memory, fits, is_quick);
        // A factor that fills in needs no symbolic analysis.
        let pattern = match self.is_filled() {
            true => None,
            false => Pattern::new(leading, layout, limit),
        };
        if let Some(pattern) = pattern {
            let flops = SPARSE_COST * pattern.flops();
            let is_cheaper = flops < self.m.powi(3) / 3.0;
            let is_quick = is_patient || self.seconds(flops) <= PATIENCE;
            if (!fits || is_cheaper) && is_quick {
                return Ok(Plan::Sparse(pattern));
            }
        }
        match (fits && is_quick, is_patient) {
            (true, _) => Ok(Plan::Dense),
            (false, false) => Ok(Plan::Nothing),
            (false, true) => Err(too_large(self.dense_bytes, free)),
        }
    }

    // Largest number of elements of a sparse factor that is used.
    fn limit(&self, memory: f64, fits: bool, is_quick: bool) -> usize {
        let mut most = MAX_ELEMENTS.min(memory / SPARSE_BYTES);
        if !fits {
            most = most.min(SPARSE_SHARE * self.m * self.m);
        }
        if !is_quick || !fits {
            most = most.min((FILL * self.elements).max(ALWAYS_SOUGHT));
        }
        most as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn within(
        (leading, layout): &(Leading, Layout),
        free: u64,
        is_patient: bool,
    ) -> Result<Plan> {
        let sizes = Sizes::new(CouplingCounts::of(leading), layout, 1.0);
        sizes.plan(leading, layout, Some(free), is_patient)
    }

    fn is_sparse(plan: &Plan) -> bool {
        matches!(plan, Plan::Sparse(_))
    }

    // A system with `q0` leading levels, each coupled with the trailing effects that `couples`
    // returns.
    fn system(
        q0: usize,
        m: usize,
        couples: impl Fn(usize) -> Vec<u32>,
    ) -> (Leading, Layout) {
        let layout = Layout::of_shapes(&[(1, q0), (1, m)], 1);
        let rows: Vec<Vec<u32>> = (0..q0).map(couples).collect();
        let mut ptr = vec![0];
        rows.iter()
            .for_each(|rows| ptr.push(ptr[ptr.len() - 1] + rows.len()));
        let rows: Vec<u32> = rows.concat();
        let leading = Leading {
            k: 1,
            n_levels: q0,
            a00: crate::factor::blocks::Blocks::squares(1, q0),
            vals: vec![1.0; rows.len()],
            ax0: crate::factor::blocks::Blocks::zeros(1, 1, q0),
            rows,
            ptr,
        };
        (leading, layout)
    }

    #[test]
    fn nested_levels_are_sparse_and_crossed_ones_dense() {
        let nested = system(5000, 1000, |i| vec![(i / 5) as u32]);
        assert!(is_sparse(&within(&nested, 1 << 33, true).unwrap()));
        let couples = |i: usize| {
            let row = |j: usize| ((i * 7 + j * 25) % 1000) as u32;
            (0..40).map(row).collect()
        };
        let crossed = system(5000, 1000, couples);
        let plan = within(&crossed, 1 << 33, true).unwrap();
        assert!(matches!(plan, Plan::Dense));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let couples = |i: usize| {
            let row = |j: usize| ((i * 7919 + j * j * 31) % 2000) as u32;
            (0..60).map(row).collect()
        };
        let crossed = system(6000, 2000, couples);
        assert!(within(&crossed, 1 << 33, true).is_ok());
        // Memory for two arrays of 2000 x 2000.
        let bytes = 8.0 * 2000.0 * (2.0 * 2000.0 + 2.0);
        let Err(Error::TooLarge { gib, free }) =
            within(&crossed, 1 << 20, true)
        else {
            panic!("a megabyte isn't enough");
        };
        assert!((gib * 2f64.powi(30) - bytes).abs() < 1.0);
        assert_eq!(free, Some(2f64.powi(-10)));
    }

    #[test]
    fn without_patience_large_crossed_models_have_no_factor() {
        let couples = |i: usize| {
            let row = |j: usize| ((i * 7919 + j * j * 31) % 5000) as u32;
            (0..60).map(row).collect()
        };
        let crossed = system(9000, 5000, couples);
        let plan = within(&crossed, 1 << 33, false).unwrap();
        assert!(matches!(plan, Plan::Nothing));
        let plan = within(&crossed, 1 << 33, true).unwrap();
        assert!(matches!(plan, Plan::Dense));
        let nested = system(50_000, 20_000, |i| vec![(i * 2 / 5) as u32]);
        assert!(is_sparse(&within(&nested, 1 << 33, false).unwrap()));
    }

    #[test]
    fn a_sample_rules_out_what_would_be_given_up_later() {
        let sizes = |m, pairs| Sizes {
            m,
            dense_bytes: 24.0 * m * m,
            pairs,
            elements: 1e6,
            repeats: 1.0,
        };
        let rules_out = |sizes: Sizes, is_patient, share| {
            sizes.rule_out(Some(1 << 32), is_patient, |_| share)
        };
        // The order is small enough for a dense factor, so that the sample is not examined.
        assert!(!sizes(1000.0, 1e5).rule_out(
            Some(1 << 32),
            false,
            |_| unreachable!()
        ));
        // A slow dense factor is ruled out if a sparse one is ruled out too.
        assert!(rules_out(sizes(9000.0, 1e8), false, 0.0));
        assert!(rules_out(sizes(9000.0, 1e6), false, 0.9));
        assert!(!rules_out(sizes(9000.0, 1e6), false, 0.01));
        // A generalized model needs more factorizations.
        let of_steps = Sizes {
            repeats: 3.0,
            ..sizes(2000.0, 1e7)
        };
        assert!(rules_out(of_steps, false, 0.9));
        assert!(!rules_out(sizes(2000.0, 1e7), false, 0.9));
        // A factor that is required is computed if it fits in memory.
        assert!(!rules_out(sizes(9000.0, 1e8), true, 0.9));
        assert!(rules_out(sizes(90_000.0, 1e8), true, 0.9));
        assert!(!rules_out(sizes(90_000.0, 1e8), true, 1e-4));
    }

    #[test]
    fn little_memory_is_enough_for_nested_levels() {
        let nested = system(50_000, 20_000, |i| vec![(i * 2 / 5) as u32]);
        assert!(is_sparse(&within(&nested, 1 << 24, true).unwrap()));
    }
}
