//! The sizes of the columns of Z, from the cross-products.

use crate::factor::Pls;
use crate::kernels::small;

/// The size of a step of one in each element of theta, given the root mean square of each column of Z.
pub(crate) fn step_sizes_of(pls: &Pls, rms: &[Vec<f64>], n_theta: usize) -> Vec<f64> {
    let mut step_sizes = vec![1.0; n_theta];
    pls.covs()
        .iter()
        .zip(rms)
        .for_each(|(cov, rms)| cov.fill_step_sizes(rms, &mut step_sizes));
    step_sizes
}

/// Root mean square of each column of Z, weights included; 1 for a column of zeros.
pub(crate) fn root_mean_squares(pls: &Pls, n_eff: usize) -> Vec<Vec<f64>> {
    let root = |mean: f64| if mean > 0.0 { mean.sqrt() } else { 1.0 };
    let diagonal = |k: usize, means: &[f64]| (0..k).map(|j| root(means[j * (k + 1)])).collect();
    pls.covs()
        .iter()
        .zip(mean_products(pls, n_eff))
        .map(|(cov, means)| diagonal(cov.vsize(), &means))
        .collect()
}

/// Mean products of the columns of Z, weights included; lower triangle `k x k` per term.
pub(crate) fn mean_products(pls: &Pls, n_eff: usize) -> Vec<Vec<f64>> {
    let mut means: Vec<Vec<f64>> = pls
        .covs()
        .iter()
        .map(|cov| vec![0.0; cov.vsize() * cov.vsize()])
        .collect();
    let k = pls.leading.k;
    for a00 in pls.leading.a00.chunks_exact(k * k) {
        small::axpy(1.0, a00, &mut means[pls.layout.leading_term]);
    }
    for block in &pls.layout.blocks {
        let k = block.vsize;
        for (i, j) in (0..k).flat_map(|j| (j..k).map(move |i| (i, j))) {
            let product = |first: &u32| pls.trailing.cross_product(*first as usize + j, i - j);
            means[block.term][j * k + i] = block.first.iter().map(product).sum();
        }
    }
    means
        .iter_mut()
        .flatten()
        .for_each(|sum| *sum /= n_eff as f64);
    means
}
