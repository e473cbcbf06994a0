//! Lanczos quadrature: `e_1' f(T) e_1` for the tridiagonal matrix T of a conjugate gradient solve
//! (Golub and Meurant 2010).

/// The first two moments and the logarithm of the Lanczos matrix T for the first unit vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// `e_1' log(T) e_1`.
    pub log: f64,
    /// `e_1' (T - I) e_1`.
    pub first: f64,
    /// `|(T - I) e_1|^2`.
    pub second: f64,
}

/// The moments of T, which has the diagonal `1 / a_j + b_(j-1) / a_(j-1)` and the off-diagonal
/// `sqrt(b_j) / a_j`, for the step lengths a and residual ratios b of the iterations.
pub fn moments(alpha: &[f64], beta: &[f64]) -> Moments {
    let stop = alpha.iter().position(|&a| a <= 0.0);
    let n = stop.unwrap_or(alpha.len());
    if n == 0 {
        return Moments {
            log: 0.0,
            first: 0.0,
            second: 0.0,
        };
    }
    let before = |j: usize| {
        if j > 0 {
            beta[j - 1] / alpha[j - 1]
        } else {
            0.0
        }
    };
    let diagonal: Vec<f64> =
        (0..n).map(|j| 1.0 / alpha[j] + before(j)).collect();
    let off_diagonal: Vec<f64> =
        (0..n).map(|j| beta[j].max(0.0).sqrt() / alpha[j]).collect();
    let first = diagonal[0] - 1.0;
    Moments {
        first,
        second: first * first + off_diagonal[0] * off_diagonal[0],
        log: log_at_first(diagonal, off_diagonal),
    }
}

// Implicit QL iteration on the first components of the eigenvectors.
fn log_at_first(mut d: Vec<f64>, mut e: Vec<f64>) -> f64 {
    let n = d.len();
    e[n - 1] = 0.0;
    let mut z = vec![0.0; n];
    z[0] = 1.0;
    for l in 0..n {
        loop {
            let is_small = |i: usize| {
                e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs())
            };
            let end = (l..n - 1).find(|&i| is_small(i)).unwrap_or(n - 1);
            if end == l {
                break;
            }
            sweep(l, end, &mut d, &mut e, &mut z);
        }
    }
    let terms = z.iter().zip(&d);
    terms
        .map(|(z, d)| z * z * d.max(f64::MIN_POSITIVE).ln())
        .sum()
}

// One sweep of rotations from row `end` up to row `l`.
fn sweep(l: usize, end: usize, d: &mut [f64], e: &mut [f64], z: &mut [f64]) {
    let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let root = g.hypot(1.0);
    g = d[end] - d[l] + e[l] / (g + root.copysign(g));
    let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
    for i in (l..end).rev() {
        let (f, b) = (s * e[i], c * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            d[i + 1] -= p;
            e[end] = 0.0;
            return;
        }
        (s, c) = (f / r, g / r);
        g = d[i + 1] - p;
        let t = (d[i] - g) * s + 2.0 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
        let f = z[i + 1];
        z[i + 1] = s * z[i] + c * f;
        z[i] = c * z[i] - s * f;
    }
    d[l] -= p;
    e[l] = g;
    e[end] = 0.0;
}
