//! Rows that stand for several identical observations.

use crate::common::{Data, Random, TermData};
use crate::differences::{exact_model, of_shape, parameters};
use crate::simulated::simulate;
use crate::ALL;
use rlmm_core::glmm::families::{Family, Link};
use rlmm_core::glmm::Vary;
use rlmm_core::glmm::{Options, Shape};
use rlmm_core::Design;

// Each row repeated according to its count.
fn repeated(data: &Data, counts: &[f64]) -> Data {
    let n = data.y.len();
    let times = |i: usize| std::iter::repeat_n(i, counts[i] as usize);
    let rows: Vec<usize> = (0..n).flat_map(times).collect();
    let pick = |values: &[f64]| -> Vec<f64> {
        rows.iter().map(|&i| values[i]).collect()
    };
    let terms = data.terms.iter().map(|term| TermData {
        refs: rows.iter().map(|&i| term.refs[i]).collect(),
        n_levels: term.n_levels,
        z: term
            .z
            .as_ref()
            .map(|z| z.chunks(n).flat_map(pick).collect()),
        cov: term.cov.clone(),
    });
    Data {
        x: data.x.chunks(n).flat_map(pick).collect(),
        y: pick(&data.y),
        weights: data.weights.as_deref().map(pick),
        offset: data.offset.as_deref().map(pick),
        terms: terms.collect(),
    }
}

#[test]
fn rows_that_count_are_that_many_rows() {
    for (i, &(family, link)) in ALL.iter().enumerate() {
        let mut random = Random::new(900 + i as u64);
        let data = simulate(&mut random, family, link, &[(6, 1), (3, 1)]);
        let counts: Vec<f64> =
            data.y.iter().map(|_| random.below(4) as f64).collect();
        let all = repeated(&data, &counts);
        for shape in
            [Shape::Estimated(0.3), Shape::Profiled(100.0), Shape::Moment]
        {
            let options = of_shape(shape);
            let merged = Design {
                counts: Some(&counts),
                ..data.design()
            };
            let found = value_and_slope(&merged, family, link, options);
            let wanted = value_and_slope(&all.design(), family, link, options);
            for (found, wanted) in found.iter().zip(&wanted) {
                let error = (found - wanted).abs();
                assert!(
                    error < 1e-8 * (1.0 + wanted.abs()),
                    "{family:?} {link:?} {shape:?}: {found} {wanted}"
                );
            }
        }
    }
}

// The number of observations, the objective and its gradient.
fn value_and_slope(
    design: &Design,
    family: Family,
    link: Link,
    options: Options,
) -> Vec<f64> {
    let vary = Vary::Modes;
    let mut model = exact_model(design, family, link, options);
    // Columns are centred at the means of the rows, whose number differs between the designs.
    let natural = parameters(&model, vary, family, link, 1.0);
    let at = model.centred(vary, &natural).unwrap();
    let mut gradient = vec![0.0; at.len()];
    let value = model.objective(vary, &at).unwrap();
    model.gradient(vary, &mut gradient).unwrap();
    let mut gradient = model.natural_gradient(vary, &gradient);
    gradient.extend([value, model.n_eff() as f64]);
    gradient
}
