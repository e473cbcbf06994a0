//! Root mean squares of the columns of Z, from cross-products, and the units of theta that they
//! determine.

use crate::covariance::RelCov;

/// The unit of each element of theta, given the root mean square of each column of Z.
pub(crate) fn step_sizes_of(
    covs: &[RelCov],
    rms: &[Vec<f64>],
    n_theta: usize,
) -> Vec<f64> {
    let mut step_sizes = vec![1.0; n_theta];
    for (cov, rms) in covs.iter().zip(rms) {
        cov.fill_step_sizes(rms, &mut step_sizes);
    }
    step_sizes
}

/// The weighted root mean square of each column of Z, from `Z'WZ` of each term summed over its
/// levels, lower triangle `k x k`; 1 for a column of zeros.
pub(crate) fn scales_of(
    covs: &[RelCov],
    mut products: Vec<Vec<f64>>,
    n_eff: usize,
) -> Vec<Vec<f64>> {
    products
        .iter_mut()
        .flatten()
        .for_each(|sum| *sum /= n_eff as f64);
    let root = |mean: f64| if mean > 0.0 { mean.sqrt() } else { 1.0 };
    let diagonal = |k: usize, means: &[f64]| {
        let diagonal = means.iter().step_by(k + 1);
        diagonal.map(|&mean| root(mean)).collect()
    };
    covs.iter()
        .zip(products)
        .map(|(cov, means)| diagonal(cov.vsize(), &means))
        .collect()
}
