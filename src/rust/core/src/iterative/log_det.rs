//! `log|I + E|`: exact along the constants of each effect, a mean over random signs elsewhere.

use crate::iterative::gradients::{products, Solver};
use crate::iterative::norm::squared_norm;
use crate::iterative::system::{Row, WIDTH};
use crate::iterative::tridiagonal::{moments, Moments};
use crate::random::Stream;
use crate::tolerances::{CONSTANT_SOLVE, NEW_DIRECTION, RANDOM_SOLVE};

/// The most iterations of one solve.
const MOST_ITERATIONS: usize = 3000;

/// A log-determinant with the standard error of its estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogDet {
    /// The estimate.
    pub value: f64,
    /// The standard error.
    pub std_error: f64,
}

/// Random vectors of signs, the same at every theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probes {
    /// Their number, rounded up to a multiple of eight.
    pub count: usize,
    /// Where they start.
    pub seed: u64,
}

/// Orthonormal vectors that span the constants, in the preconditioned space.
struct Constants {
    vectors: Vec<Vec<f64>>,
    /// Sum of their `q' log(I + E) q`.
    log: f64,
    /// Sum of their `q'Eq`.
    first: f64,
    /// Sum of their `|Eq|^2`.
    second: f64,
}

impl Probes {
    /// `log |I + E|`.
    pub fn log_det(&self, solver: &Solver) -> LogDet {
        let constants = Constants::new(solver);
        let norm = squared_norm(solver);
        let mut stream = Stream::new(self.seed, 0);
        let mut values = Vec::new();
        for _ in 0..self.count.div_ceil(WIDTH) {
            let mut z: Vec<Row> = (0..solver.reduced.system.m)
                .map(|_| signs(&mut stream))
                .collect();
            constants.project_out(&mut z);
            for (square, found) in along(solver, &z, RANDOM_SOLVE) {
                // The means of the first two terms of log(I + E) = E - E^2 / 2 + .. are known.
                let first = square * found.first + constants.first;
                let second = square * found.second - (norm - constants.second);
                values.push(square * found.log - first + second / 2.0);
            }
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let spread: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        LogDet {
            value: constants.log + mean,
            std_error: (spread / (n * (n - 1.0))).sqrt(),
        }
    }
}

// The squared norm of each column of z, and the moments of I + E along it.
fn along(solver: &Solver, z: &[Row], tolerance: f64) -> Vec<(f64, Moments)> {
    let squares = products(z, z);
    let mut rhs = z.to_vec();
    solver.preconditioner.times(&mut rhs);
    let solved = solver.solve(&rhs, tolerance, MOST_ITERATIONS);
    let column = |rows: &[Row], c: usize| {
        rows.iter().map(|row| row[c]).collect::<Vec<f64>>()
    };
    let of =
        |c: usize| moments(&column(&solved.alpha, c), &column(&solved.beta, c));
    (0..WIDTH).map(|c| (squares[c], of(c))).collect()
}

impl Constants {
    // `F'(1_levels x e_j)` for each effect of each term, made orthonormal.
    fn new(solver: &Solver) -> Self {
        let system = solver.reduced.system;
        let mut vectors: Vec<Vec<f64>> = Vec::new();
        for block in &system.trailing {
            for j in 0..block.k {
                let mut rows = vec![[0.0; WIDTH]; system.m];
                for level in 0..block.n_levels {
                    rows[block.first + level * block.k + j][0] = 1.0;
                }
                solver.preconditioner.times_transposed(&mut rows);
                let vector: Vec<f64> = rows.iter().map(|row| row[0]).collect();
                vectors.extend(orthonormal(vector, &vectors));
            }
        }
        let mut constants = Self {
            vectors,
            log: 0.0,
            first: 0.0,
            second: 0.0,
        };
        constants.take_moments(solver);
        constants
    }

    fn take_moments(&mut self, solver: &Solver) {
        for chunk in self.vectors.chunks(WIDTH) {
            let mut z = vec![[0.0; WIDTH]; solver.reduced.system.m];
            for (c, vector) in chunk.iter().enumerate() {
                z.iter_mut().zip(vector).for_each(|(z, v)| z[c] = *v);
            }
            for (_, found) in along(solver, &z, CONSTANT_SOLVE)
                .into_iter()
                .take(chunk.len())
            {
                self.log += found.log;
                self.first += found.first;
                self.second += found.second;
            }
        }
    }

    fn project_out(&self, z: &mut [Row]) {
        for vector in &self.vectors {
            let mut shares = [0.0; WIDTH];
            for (z, v) in z.iter().zip(vector) {
                (0..WIDTH).for_each(|c| shares[c] += z[c] * v);
            }
            for (z, v) in z.iter_mut().zip(vector) {
                (0..WIDTH).for_each(|c| z[c] -= shares[c] * v);
            }
        }
    }
}

// The vector without its part along others, of length one; none if nothing is left.
fn orthonormal(mut vector: Vec<f64>, others: &[Vec<f64>]) -> Option<Vec<f64>> {
    let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let whole = length(&vector);
    // Twice, as rounding errors are left by once.
    for other in others.iter().chain(others) {
        let share: f64 = vector.iter().zip(other).map(|(v, o)| v * o).sum();
        vector
            .iter_mut()
            .zip(other)
            .for_each(|(v, o)| *v -= share * o);
    }
    let left = length(&vector);
    vector.iter_mut().for_each(|v| *v /= left);
    (left > NEW_DIRECTION * whole).then_some(vector)
}

// Random signs.
fn signs(stream: &mut Stream) -> Row {
    let bits = (256.0 * stream.uniform()) as u8;
    let sign = |c: usize| if bits >> c & 1 == 0 { 1.0 } else { -1.0 };
    std::array::from_fn(sign)
}
