//! First-order optimality on the cone of covariance matrices: at an optimum `G Omega = 0` and `G >= 0`. A negative
//! eigenvalue of `G`, `G v = lambda v`, says that `Omega + eps v v'` is better, even where the gradient in theta is
//! zero because Lambda is singular.

use crate::covariance::{Part, RelCov, Structure, WayOut};
use crate::derivatives::OmegaDerivatives;
use crate::kernels::eigen::Eigen;
use crate::tolerances::ZERO_SD;

/// Steps over the range of a correlation.
const CORRELATIONS: usize = 40;

impl OmegaDerivatives {
    /// The way out of each part of each term; `rms` holds the root mean square of each column of Z.
    pub fn ways_out(&self, covs: &[RelCov], theta: &[f64], rms: &[Vec<f64>]) -> Vec<WayOut> {
        let mut ways = self.directions_out(covs, theta, rms);
        for way in &mut ways {
            let structure = covs[way.term].parts()[way.part].structure;
            let (slope, curvature) = self.along(way, structure);
            way.step = if slope < 0.0 && curvature != 0.0 {
                -slope / curvature.abs()
            } else {
                0.0
            };
            way.gain = -0.5 * slope * way.step;
        }
        ways
    }

    /// The ways out from `G` alone: without step and gain, for which the Hessian is needed.
    pub fn directions_out(&self, covs: &[RelCov], theta: &[f64], rms: &[Vec<f64>]) -> Vec<WayOut> {
        let mut ways = Vec::new();
        for (term, cov) in covs.iter().enumerate() {
            for (part, (first, p)) in cov.placed().enumerate() {
                let rms = &rms[term][first..first + p.size];
                let (lambda_min, local, rho) =
                    self.steepest(term, first, p, rms, &theta[p.range()]);
                let mut direction = vec![0.0; cov.vsize()];
                direction[first..first + p.size].copy_from_slice(&local);
                ways.push(WayOut {
                    term,
                    part,
                    lambda_min,
                    direction,
                    rho,
                    step: 0.0,
                    gain: 0.0,
                });
            }
        }
        ways
    }

    // Smallest eigenvalue of G among the directions that the structure allows, its vector, and the correlation there.
    fn steepest(
        &self,
        term: usize,
        first: usize,
        part: &Part,
        rms: &[f64],
        theta: &[f64],
    ) -> (f64, Vec<f64>, f64) {
        let (k, size) = (self.directions.size(term), rms.len());
        let g = |i: usize, j: usize| self.g[term][(first + j) * k + first + i];
        let scaled = |i: usize, j: usize| g(i, j) / (rms[i] * rms[j]);
        // A search only approaches zero, or stays where the objective is flat.
        let is_zero = theta[..theta.len() - 1]
            .iter()
            .zip(rms)
            .all(|(s, rms)| s.abs() * rms < ZERO_SD);
        match part.structure {
            // Where one variance is positive the derivatives in theta see every way out.
            structure if structure.has_correlation() && !is_zero => (0.0, vec![0.0; size], 0.0),
            Structure::Unstructured => {
                let block: Vec<f64> = (0..size * size)
                    .map(|at| scaled(at % size, at / size))
                    .collect();
                let mut eigen = Eigen::new(size);
                if !eigen.decompose(&block) {
                    return (f64::NAN, vec![0.0; size], 0.0);
                }
                (
                    eigen.values[0],
                    eigen
                        .vector(0)
                        .iter()
                        .zip(rms)
                        .map(|(v, rms)| v / rms)
                        .collect(),
                    0.0,
                )
            }
            structure if is_homogeneous(structure) => {
                let (slope, rho) = common_variance(structure, size, g);
                (
                    slope / rms.iter().map(|rms| rms * rms).sum::<f64>(),
                    vec![1.0; size],
                    rho,
                )
            }
            _ => {
                let lowest = (0..size)
                    .min_by(|&i, &j| scaled(i, i).total_cmp(&scaled(j, j)))
                    .unwrap_or(0);
                let mut v = vec![0.0; size];
                v[lowest] = 1.0 / rms[lowest];
                (scaled(lowest, lowest), v, 0.0)
            }
        }
    }

    // Slope and curvature of the objective along a way out.
    fn along(&self, way: &WayOut, structure: Structure) -> (f64, f64) {
        let (term, k) = (way.term, way.direction.len());
        let range = self.directions.of_term(term);
        let c: Vec<f64> = self
            .directions
            .pairs(term)
            .iter()
            .map(|&(r, s)| way.change(structure, r, s))
            .collect();
        let n = self.directions.len();
        let mut slope = 0.0;
        let mut curvature = 0.0;
        for (i, (c_i, &(r, s))) in c.iter().zip(self.directions.pairs(term)).enumerate() {
            slope += c_i * self.g[term][s * k + r] * if r == s { 1.0 } else { 2.0 };
            for (j, c_j) in c.iter().enumerate() {
                curvature += c_i * c_j * self.h[(range.start + j) * n + range.start + i];
            }
        }
        (slope, curvature)
    }
}

// The slope of the objective along a variance that all effects share, at the correlation where it is the least. Where
// the variance is zero all correlations are the same point.
fn common_variance(
    structure: Structure,
    size: usize,
    g: impl Fn(usize, usize) -> f64,
) -> (f64, f64) {
    let mut at_distance = vec![0.0; size];
    (0..size).for_each(|i| (0..size).for_each(|j| at_distance[i.abs_diff(j)] += g(i, j)));
    let covariance = structure.covariance();
    let slope = |rho: f64| {
        let others = (1..size).map(|d| at_distance[d] * covariance.correlation(d, rho));
        at_distance[0] + others.sum::<f64>()
    };
    let (low, high) = covariance.correlation_range(size).unwrap_or((0.0, 0.0));
    let tried = (0..=CORRELATIONS).map(|i| low + (high - low) * i as f64 / CORRELATIONS as f64);
    let slopes = tried.map(|rho| (slope(rho), rho));
    slopes
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((0.0, 0.0))
}

// One standard deviation for all effects.
fn is_homogeneous(structure: Structure) -> bool {
    use Structure::{HomogeneousAutoregressive, HomogeneousCompoundSymmetry, HomogeneousDiagonal};
    matches!(
        structure,
        HomogeneousDiagonal | HomogeneousCompoundSymmetry | HomogeneousAutoregressive
    )
}
