//! A model without a column of X whose coefficient is held: computed from the sums with the column,
//! compared with the rows without it and with dense algebra.

mod common;

use common::{dense, random_levels, Data, Random};
use rlmm_core::covariance::Structure::Unstructured;
use rlmm_core::lmm::HeldColumn;
use rlmm_core::{Columns, Criterion, Design, LinearMixedModel};

const N: usize = 200;

fn models(random: &mut Random) -> Vec<(&'static str, Data)> {
    let refs = random_levels(random, N, 20);
    let other = random_levels(random, N, 12);
    let many = random_levels(random, N, 60);
    let slopes = Data::new(random, N, 3).with_term(
        random,
        refs.clone(),
        &[(Unstructured, 2)],
    );
    let crossed = Data::new(random, N, 4)
        .with_weights(random)
        .with_offset(random)
        .with_term(random, refs.clone(), &[(Unstructured, 1)])
        .with_term(random, other.clone(), &[(Unstructured, 2)]);
    let sparse = Data::new(random, N, 3)
        .with_term(random, many.clone(), &[(Unstructured, 1)])
        .with_term(random, many, &[(Unstructured, 1)]);
    let mut far = Data::new(random, N, 3)
        .with_term(random, refs, &[(Unstructured, 1)])
        .with_term(random, other, &[(Unstructured, 1)]);
    far.x[N..2 * N].iter_mut().for_each(|x| *x += 1e6);
    let mut constant = Data::new(random, N, 1);
    constant = constant.with_term(
        random,
        random_levels(&mut Random::new(1), N, 9),
        &[(Unstructured, 1)],
    );
    vec![
        ("slopes", slopes),
        ("crossed", crossed),
        ("sparse", sparse),
        ("far", far),
        ("constant", constant),
    ]
}

// The columns except one, and the offset that includes it.
fn held_rows(data: &Data, held: HeldColumn) -> (Vec<f64>, Vec<f64>) {
    let mut x = data.x.clone();
    let column: Vec<f64> = x.drain(held.at * N..(held.at + 1) * N).collect();
    let mut offset = data.offset.clone().unwrap_or_else(|| vec![0.0; N]);
    for (offset, x) in offset.iter_mut().zip(&column) {
        *offset += held.value * x;
    }
    (x, offset)
}

fn near_zero(x: &[f64]) -> Vec<f64> {
    let far = |x: f64| if x > 1e5 { x - 1e6 } else { x };
    x.iter().map(|&x| far(x)).collect()
}

fn assert_close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let scale = 1.0 + expected.abs();
    assert!(
        (found - expected).abs() <= tolerance * scale,
        "{what}: {found} {expected}"
    );
}

fn compare(name: &str, data: &Data, criterion: Criterion, held: HeldColumn) {
    let design = data.design();
    let whole = LinearMixedModel::new(&design, criterion, None).unwrap();
    let Some(mut found) = whole.without_column(held) else {
        assert_eq!((name, held.at), ("far", 0), "only these lose digits");
        return;
    };
    let (x, offset) = held_rows(data, held);
    let rows = Design {
        x: Columns::dense(&x, N),
        offset: Some(&offset),
        ..design.clone()
    };
    let mut expected = LinearMixedModel::new(&rows, criterion, None).unwrap();
    // Dense algebra needs columns near zero; with an intercept their origin does not matter.
    let near = near_zero(&x);
    let near = Design {
        x: Columns::dense(&near, N),
        ..rows.clone()
    };
    for size in [0.0, 0.3, 2.0] {
        let theta: Vec<f64> =
            expected.start().iter().map(|start| size * start).collect();
        let what = format!("{name}, {criterion:?}, {held:?}, {size}");
        let one = found.estimates(&theta).unwrap();
        let other = expected.estimates(&theta).unwrap();
        assert_close(&what, one.objective, other.objective, 1e-10);
        assert_close(&what, one.sigma, other.sigma, 1e-10);
        let by_algebra = dense(&near, &theta, criterion, None).objective;
        assert_close(&what, one.objective, by_algebra, 1e-8);
        let pairs = one.solution.beta.iter().zip(&other.solution.beta);
        pairs.for_each(|(one, other)| assert_close(&what, *one, *other, 1e-7));
        let effects = one.solution.b.iter().zip(&other.solution.b);
        for (one, other) in effects {
            let pairs = one.iter().zip(other);
            pairs.for_each(|(b, other)| assert_close(&what, *b, *other, 1e-8));
        }
    }
}

#[test]
fn sums_without_a_column_are_those_of_rows() {
    let mut random = Random::new(5);
    for (name, data) in models(&mut random) {
        for at in 0..data.design().p() {
            for value in [0.0, 1.5, -40.0] {
                let held = HeldColumn { at, value };
                compare(name, &data, Criterion::Ml, held);
                compare(name, &data, Criterion::Reml, held);
            }
        }
    }
}

#[test]
fn columns_that_the_others_nearly_explain_need_rows() {
    let mut random = Random::new(6);
    let refs = random_levels(&mut random, N, 20);
    let mut data = Data::new(&mut random, N, 3).with_term(
        &mut random,
        refs,
        &[(Unstructured, 1)],
    );
    for i in 0..N {
        data.x[2 * N + i] = data.x[N + i] + 1e-4 * data.x[2 * N + i];
    }
    let design = data.design();
    let model = LinearMixedModel::new(&design, Criterion::Ml, None).unwrap();
    let at_value = |at| HeldColumn { at, value: 1.0 };
    assert!(model.without_column(at_value(0)).is_some());
    assert!(model.without_column(at_value(1)).is_none());
    assert!(model.without_column(at_value(2)).is_none());
}
