//! Random designs, and reference results by dense algebra from the marginal model.

#![allow(dead_code)] // each test file looks at a part of this

pub mod glmm;

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use rlmm_core::covariance::{Part, RelCov, Structure};
use rlmm_core::design::ReTerm;
use rlmm_core::{Columns, Criterion, Design};

/// Compares numbers with expected ones, relative to the largest of these.
pub fn close_to_largest(
    what: &str,
    found: &[f64],
    expected: &[f64],
    tolerance: f64,
) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * (1e-3 + largest),
            "{what}[{i}]: {a} against {b}"
        );
    }
}

/// SplitMix64: small, seeded, the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

/// The owned data of a design.
pub struct Data {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub weights: Option<Vec<f64>>,
    pub offset: Option<Vec<f64>>,
    pub terms: Vec<TermData>,
}

pub struct TermData {
    pub refs: Vec<i32>,
    pub n_levels: usize,
    pub z: Option<Vec<f64>>,
    pub cov: RelCov,
}

impl Data {
    pub fn design(&self) -> Design<'_> {
        fn term(t: &TermData) -> ReTerm<'_> {
            let z = t.z.as_deref().map_or_else(Columns::ones, |z| {
                Columns::dense(z, t.refs.len())
            });
            ReTerm {
                refs: &t.refs,
                n_levels: t.n_levels,
                z,
                cov: t.cov.clone(),
            }
        }
        let terms = self.terms.iter().map(term).collect();
        let x = Columns::dense(&self.x, self.y.len());
        Design {
            x,
            y: &self.y,
            weights: self.weights.as_deref(),
            counts: None,
            offset: self.offset.as_deref(),
            terms,
        }
    }

    /// A design with `n` observations, an intercept and `p - 1` covariates, without terms.
    pub fn new(random: &mut Random, n: usize, p: usize) -> Self {
        let x = (0..n * p)
            .map(|i| if i < n { 1.0 } else { random.normal() })
            .collect();
        let y = (0..n).map(|_| 100.0 + random.normal()).collect();
        Self {
            x,
            y,
            weights: None,
            offset: None,
            terms: Vec::new(),
        }
    }

    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// Adds a term with random covariates; `parts` are (structure, size).
    pub fn with_term(
        mut self,
        random: &mut Random,
        refs: Vec<i32>,
        parts: &[(Structure, usize)],
    ) -> Self {
        let n = self.n();
        let mut theta_start = self.design().n_theta();
        let mut list = Vec::new();
        for &(structure, size) in parts {
            list.push(Part::new(structure, size, theta_start));
            theta_start += structure.n_theta(size);
        }
        let cov = RelCov::new(list);
        let k = cov.vsize();
        let z = (k > 1).then(|| {
            (0..n * k)
                .map(|i| if i < n { 1.0 } else { random.normal() })
                .collect()
        });
        let n_levels = *refs.iter().max().unwrap_or(&0) as usize;
        self.terms.push(TermData {
            refs,
            n_levels,
            z,
            cov,
        });
        self
    }

    pub fn with_weights(mut self, random: &mut Random) -> Self {
        self.weights =
            Some((0..self.n()).map(|_| 0.2 + random.uniform()).collect());
        self
    }

    pub fn with_offset(mut self, random: &mut Random) -> Self {
        self.offset = Some((0..self.n()).map(|_| random.normal()).collect());
        self
    }
}

/// Random levels, each of which occurs.
pub fn random_levels(
    random: &mut Random,
    n: usize,
    n_levels: usize,
) -> Vec<i32> {
    (0..n)
        .map(|i| {
            if i < n_levels {
                i as i32 + 1
            } else {
                random.below(n_levels) as i32 + 1
            }
        })
        .collect()
}

/// Results from the marginal model at one theta.
pub struct Dense {
    pub objective: f64,
    pub beta: Vec<f64>,
    pub b: Vec<f64>,
    /// The covariance of b given y and beta, over sigma^2, for all terms.
    pub cond_cov: Mat<f64>,
    pub leverage: Vec<f64>,
    /// Upper triangular factor of `X'V^-1X`.
    pub rx: Mat<f64>,
}

/// `Z` of all terms, `n x q`, and `Lambda`, `q x q`.
pub fn dense_z_lambda(design: &Design, theta: &[f64]) -> (Mat<f64>, Mat<f64>) {
    let q: usize = design.terms.iter().map(ReTerm::n_effects).sum();
    let (mut z, mut lambda) = (Mat::zeros(design.n(), q), Mat::zeros(q, q));
    let mut first = 0;
    for term in &design.terms {
        let k = term.vsize();
        let mut block = vec![0.0; k * k];
        term.cov.fill_lambda(theta, &mut block);
        for i in 0..design.n() {
            (0..k).for_each(|j| {
                z[(i, first + term.level(i) * k + j)] = term.value(i, j)
            });
        }
        for level in 0..term.n_levels {
            for (at, value) in block.iter().enumerate() {
                lambda[(
                    first + level * k + at % k,
                    first + level * k + at / k,
                )] = *value;
            }
        }
        first += term.n_effects();
    }
    (z, lambda)
}

pub fn dense(
    design: &Design,
    theta: &[f64],
    criterion: Criterion,
    sigma: Option<f64>,
) -> Dense {
    let (n, p) = (design.n(), design.p());
    let (z, lambda) = dense_z_lambda(design, theta);
    let zl = &z * &lambda;
    let mut v = &zl * zl.transpose();
    (0..n).for_each(|i| v[(i, i)] += 1.0 / design.weight(i));
    let llt = v.llt(Side::Lower).expect("V is positive definite");
    let x = Mat::from_fn(n, p, |i, j| design.x.value(i, j));
    let y = Mat::from_fn(n, 1, |i, _| design.response(i));
    let vx = llt.solve(&x);
    let xvx = x.transpose() * &vx;
    let xvy = vx.transpose() * &y;
    let xllt = xvx.llt(Side::Lower).expect("X'V^-1X is positive definite");
    let beta = xllt.solve(&xvy);
    let residual = &y - &x * &beta;
    let vr = llt.solve(&residual);
    let pwrss = (residual.transpose() * &vr)[(0, 0)];
    let log_det = |l: faer::MatRef<f64>| {
        (0..l.nrows()).map(|i| 2.0 * l[(i, i)].ln()).sum::<f64>()
    };
    let (df, log_det_fe) = match criterion {
        Criterion::Ml => (n as f64, 0.0),
        Criterion::Reml => ((n - p) as f64, log_det(xllt.L())),
    };
    let sigma2 = sigma.map_or(pwrss / df, |s| s * s);
    let objective = df * (2.0 * std::f64::consts::PI * sigma2).ln()
        + pwrss / sigma2
        + log_det(llt.L())
        + log_det_fe;
    let llz = &lambda * lambda.transpose() * z.transpose();
    let b = &llz * &vr;
    let w = Mat::from_fn(n, 1, |i, _| design.weight(i));
    // The joint system of (u, beta).
    let zx = Mat::from_fn(n, zl.ncols() + p, |i, j| {
        if j < zl.ncols() {
            zl[(i, j)]
        } else {
            x[(i, j - zl.ncols())]
        }
    });
    let wzx = Mat::from_fn(n, zx.ncols(), |i, j| w[(i, 0)] * zx[(i, j)]);
    let mut joint = zx.transpose() * &wzx;
    (0..zl.ncols()).for_each(|j| joint[(j, j)] += 1.0);
    let solved = joint
        .llt(Side::Lower)
        .expect("the joint system is positive definite")
        .solve(zx.transpose());
    let leverage = (0..n)
        .map(|i| (0..zx.ncols()).map(|j| wzx[(i, j)] * solved[(j, i)]).sum())
        .collect();
    let system = joint.submatrix(0, 0, zl.ncols(), zl.ncols()).to_owned();
    let cond_cov = &lambda
        * system
            .llt(Side::Lower)
            .expect("the system is positive definite")
            .solve(lambda.transpose());
    let column = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, 0)]).collect();
    let rx = xllt.L().transpose().to_owned();
    Dense {
        objective,
        beta: column(&beta),
        b: column(&b),
        cond_cov,
        leverage,
        rx,
    }
}
