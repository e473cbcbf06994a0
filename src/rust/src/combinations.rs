//! Variances of combinations of all effects: see `lmm::combinations` of the core.

use extendr_api::prelude::*;
use rlmm_core::lmm::combinations::{Combination, AT_ONCE};
use rlmm_core::{Basis, Error, Result};

use crate::error::guard;
use crate::fields::{missing, Fields};
use crate::lmm::with_model;
use crate::values::{list, Shapes};

/// The weights of random effects in some combinations that aren't zero.
struct Weights {
    /// For each combination the term, the place among its effects, and the weight.
    of: Vec<Vec<(usize, usize, f64)>>,
}

impl Weights {
    // Reads the numbers of combinations, terms and places, and the values.
    fn new(z: &Fields, count: usize, shapes: &Shapes) -> Result<Self> {
        let index = |name| -> Result<Vec<usize>> {
            let numbers = z.integers(name)?.into_iter();
            Ok(numbers.map(|i| i.wrapping_sub(1)).collect())
        };
        let (row, term) = (index("row")?, index("term")?);
        let (place, value) = (index("place")?, z.numbers("value"));
        let mut of = vec![Vec::new(); count];
        for (i, value) in value.iter().enumerate() {
            let at = row.get(i).zip(term.get(i)).zip(place.get(i));
            let ((row, term), place) = at.ok_or_else(|| missing("z"))?;
            let own = of.get_mut(*row).ok_or_else(|| missing("row"))?;
            let (vsize, n_levels) =
                *shapes.get(*term).ok_or_else(|| missing("term"))?;
            if *place >= vsize * n_levels {
                return Err(Error::Dimension {
                    what: "place",
                    expected: vsize * n_levels,
                    found: place.wrapping_add(1),
                });
            }
            own.push((*term, *place, *value));
        }
        Ok(Self { of })
    }

    // A combination with the weights of all effects, in the effects of a basis.
    fn combination(
        &self,
        c: usize,
        x: &[f64],
        (basis, shapes): (&Basis, &Shapes),
    ) -> Combination {
        let sizes = shapes.iter().map(|(vsize, n_levels)| vsize * n_levels);
        let mut z: Vec<Vec<f64>> = sizes.map(|size| vec![0.0; size]).collect();
        for &(term, place, weight) in &self.of[c] {
            z[term][place] += weight;
        }
        for (term, z) in z.iter_mut().enumerate() {
            basis.weights_from_given(term, shapes[term].0, z);
        }
        let mut x = x.to_vec();
        basis.contrasts_from_given(&mut x);
        Combination { x, z }
    }
}

/// Variances over sigma^2 of `count` combinations of all effects: `x` has the weights of the fixed
/// ones, a column for each combination, and `z` those of random effects, each with its `row` (the
/// combination), `term`, `place` among the effects of the term and `value`. Also what the variance
/// owes to the fixed effects.
/// @noRd
#[extendr]
fn rust_lmm_variances(
    spec: Fields,
    theta: &[f64],
    x: &[f64],
    z: Fields,
    count: i32,
) -> Robj {
    guard(|| {
        with_model(&spec, |model, data, basis| {
            let (count, shapes) = (count.max(0) as usize, data.shapes());
            let p = data.p();
            if x.len() != p * count {
                return Err(missing("x"));
            }
            let weights = Weights::new(&z, count, &shapes)?;
            let at = model.at(&basis.from_given(theta))?;
            let (mut whole, mut of_fixed) = (Vec::new(), Vec::new());
            for first in (0..count).step_by(AT_ONCE) {
                let some = first..count.min(first + AT_ONCE);
                let some = some.map(|c| {
                    let x = &x[c * p..(c + 1) * p];
                    weights.combination(c, x, (basis, &shapes))
                });
                let some: Vec<Combination> = some.collect();
                for found in at.variances(&some)? {
                    whole.push(found.whole);
                    of_fixed.push(found.of_fixed);
                }
            }
            Ok(list(vec![
                ("whole", Robj::from(whole)),
                ("of_fixed", Robj::from(of_fixed)),
            ]))
        })
    })
}

extendr_module! {
    mod combinations;
    fn rust_lmm_variances;
}
