//! First-order optimality on the cone of covariance matrices: at an optimum `G Omega = 0` and `G >= 0`. A negative
//! eigenvalue of `G`, `G v = lambda v`, says that `Omega + eps v v'` is better, even where the gradient in theta is
//! zero because Lambda is singular.

use crate::blocks::eigen::Eigen;
use crate::derivatives::Derivatives;
use crate::pls::Pls;
use crate::terms::{Part, Structure};

/// The steepest way out of one part of a term.
#[derive(Debug, Clone, PartialEq)]
pub struct WayOut {
    /// Term of the design.
    pub term: usize,
    /// Part of the term.
    pub part: usize,
    /// Smallest eigenvalue of `G`, with each column of Z scaled to a mean square of one.
    pub lambda_min: f64,
    /// Its eigenvector in the columns of the term (unscaled coordinates).
    pub direction: Vec<f64>,
    /// Best `eps` of the quadratic model; 0 if `lambda_min` isn't negative.
    pub step: f64,
    /// By how much the objective should fall.
    pub gain: f64,
}

impl Derivatives {
    /// One for each part of each term; `rms` holds the root mean square of each column of Z.
    pub fn ways_out(&self, pls: &Pls, rms: &[Vec<f64>]) -> Vec<WayOut> {
        let mut ways = self.directions_out(pls, rms);
        for way in &mut ways {
            let structure = pls.covs()[way.term].parts()[way.part].structure;
            let (slope, curvature) = self.along(way.term, &way.direction, !is_homogeneous(structure));
            way.step = if slope < 0.0 && curvature != 0.0 { -slope / curvature.abs() } else { 0.0 };
            way.gain = -0.5 * slope * way.step;
        }
        ways
    }

    /// The same from `G` alone: without step and gain, for which the Hessian is needed.
    pub fn directions_out(&self, pls: &Pls, rms: &[Vec<f64>]) -> Vec<WayOut> {
        let mut ways = Vec::new();
        for (term, cov) in pls.covs().iter().enumerate() {
            for (part, (first, p)) in cov.placed().enumerate() {
                let rms = &rms[term][first..first + p.size];
                let (lambda_min, local) = self.steepest(term, first, p, rms, &pls.theta[p.range()]);
                let mut direction = vec![0.0; cov.vsize()];
                direction[first..first + p.size].copy_from_slice(&local);
                ways.push(WayOut { term, part, lambda_min, direction, step: 0.0, gain: 0.0 });
            }
        }
        ways
    }

    // Smallest eigenvalue of G among the directions that the structure allows, and its vector; of a homogeneous one,
    // all variances together.
    fn steepest(&self, term: usize, first: usize, part: &Part, rms: &[f64], theta: &[f64]) -> (f64, Vec<f64>) {
        let (k, size) = (self.mean_cross[term].len(), rms.len());
        let g = |i: usize, j: usize| self.g[term][(first + j) * k + first + i] / (rms[i] * rms[j]);
        let is_zero = theta[..theta.len() - 1].iter().all(|s| *s == 0.0);
        match part.structure {
            // Where one variance is positive the derivatives in theta see every way out.
            structure if structure.has_correlation() && !is_zero => (0.0, vec![0.0; size]),
            Structure::Unstructured => {
                let block: Vec<f64> = (0..size * size).map(|at| g(at % size, at / size)).collect();
                let mut eigen = Eigen::new(size);
                if !eigen.decompose(&block) {
                    return (f64::NAN, vec![0.0; size]);
                }
                (eigen.values[0], eigen.vector(0).iter().zip(rms).map(|(v, rms)| v / rms).collect())
            }
            structure if is_homogeneous(structure) => {
                ((0..size).map(|i| g(i, i)).sum::<f64>() / size as f64, vec![1.0; size])
            }
            _ => {
                let lowest = (0..size).min_by(|&i, &j| g(i, i).total_cmp(&g(j, j))).unwrap_or(0);
                let mut v = vec![0.0; size];
                v[lowest] = 1.0 / rms[lowest];
                (g(lowest, lowest), v)
            }
        }
    }

    // Slope and curvature of the objective along v v', or along diag(v v').
    fn along(&self, term: usize, v: &[f64], is_joint: bool) -> (f64, f64) {
        let k = v.len();
        let range = self.directions.of_term(term);
        let coefficient = |&(r, s): &(usize, usize)| if is_joint || r == s { v[r] * v[s] } else { 0.0 };
        let c: Vec<f64> = self.directions.pairs(term).iter().map(coefficient).collect();
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

// One standard deviation for all effects: its change is along diag(v v').
fn is_homogeneous(structure: Structure) -> bool {
    use Structure::{HomogeneousAutoregressive, HomogeneousCompoundSymmetry, HomogeneousDiagonal};
    matches!(structure, HomogeneousDiagonal | HomogeneousCompoundSymmetry | HomogeneousAutoregressive)
}
