//! Derivatives in theta and sigma, and those of contrasts, compared with fourth-order differences.

use crate::covariance::Structure;
use crate::derivatives::tests::{
    fourth_order, largest_error, part, shifted, us, Data, STEP,
};
use crate::derivatives::HessianKind;
use crate::{Criterion, LinearMixedModel};

// Compares derivatives in (theta, sigma) with differences of the objective at known sigma, and
// those of the contrasts' variances with differences of R_X.
#[test]
fn sigma_and_contrasts() {
    let data = Data::new(
        160,
        3,
        vec![
            (Box::new(|i| (i * i + i / 7) % 11), vec![us(2, 0)]),
            (
                Box::new(|i| i % 16),
                vec![part(Structure::CompoundSymmetry, 3, 3)],
            ),
            (
                Box::new(|i| i / 40),
                vec![part(Structure::HomogeneousDiagonal, 2, 7), us(1, 8)],
            ),
        ],
    )
    .weighted();
    let design = data.design();
    let contrast = [0.3, -1.0, 2.0];
    for criterion in [Criterion::Ml, Criterion::Reml] {
        let mut model =
            LinearMixedModel::new(&design, criterion, None).unwrap();
        let n = model.n_theta();
        let general: Vec<f64> = (0..n).map(|j| 0.4 + 0.05 * j as f64).collect();
        let singular: Vec<f64> = general
            .iter()
            .enumerate()
            .map(|(j, t)| if j % 2 == 0 { 0.0 } else { *t })
            .collect();
        for x in [general, singular].map(|theta| [theta, vec![0.8]].concat()) {
            let value = |x: &[f64]| {
                LinearMixedModel::new(&design, criterion, Some(x[n]))
                    .unwrap()
                    .objective(&x[..n])
                    .unwrap()
            };
            let differences: Vec<f64> = (0..=n)
                .map(|j| {
                    fourth_order(STEP, |h| vec![value(&shifted(&x, j, h))])[0]
                })
                .collect();
            let mut derivatives = |x: &[f64], kind: HessianKind| {
                let point = model.at(&x[..n]).unwrap();
                point.with_sigma(x[n], kind)
            };
            let second: Vec<f64> = (0..=n)
                .flat_map(|j| {
                    fourth_order(STEP, |h| {
                        derivatives(&shifted(&x, j, h), HessianKind::Average)
                            .gradient
                    })
                })
                .collect();
            let found = derivatives(&x, HessianKind::Exact);
            assert!(
                largest_error(&found.gradient, &differences) < 1e-7,
                "{criterion:?}: gradient"
            );
            assert!(
                largest_error(&found.hessian, &second) < 1e-7,
                "{criterion:?}: Hessian"
            );
            let slopes = model.at(&x[..n]).unwrap().contrast_slopes(&contrast);
            let mut variance = |theta: &[f64]| {
                let rx = model.estimates(theta).unwrap().rx;
                let mut w = contrast;
                for j in 0..3 {
                    w[j] = (w[j]
                        - (0..j).map(|i| rx[j * 3 + i] * w[i]).sum::<f64>())
                        / rx[j * 3 + j];
                }
                vec![w.iter().map(|w| w * w).sum()]
            };
            let differences: Vec<f64> = (0..n)
                .map(|j| {
                    fourth_order(STEP, |h| variance(&shifted(&x[..n], j, h)))[0]
                })
                .collect();
            assert!(
                largest_error(&slopes, &differences) < 1e-7,
                "{criterion:?}: contrast"
            );
        }
    }
}
