//! Stochastic Lanczos quadrature of `log|I + E|`: exact on a small deflation subspace, Hutchinson's
//! estimator with random sign vectors on its orthogonal complement.
//!
//! The outlying eigenvectors of E are near the constant vectors of the effects, but not equal to
//! them. For random signs, the contribution of such a remainder is its eigenvalue times a
//! chi-squared variable with one degree of freedom, so that few probe vectors give misleading means
//! and standard errors. Reported values therefore deflate the images of the constants under
//! `(I + E)^-1` as well: in the subspace spanned by both, the error of the outlying eigenvectors is
//! the square of what it was.

use crate::iterative::border::Border;
use crate::iterative::gradients::{products, Solver};
use crate::iterative::norm::squared_norm;
use crate::iterative::traces::{Estimate, OfTerms, Tally};
use crate::iterative::tridiagonal::{moments, Moments};
use crate::iterative::wide::{column, Row, WIDTH};
use crate::parallel::team::share;
use crate::random::Stream;
use crate::tolerances::{CONSTANT_SOLVE, NEW_DIRECTION, RANDOM_SOLVE};

/// All effects of a term with at most this many are in the deflation subspace.
const FEW_EFFECTS: usize = 32;

/// A log-determinant with the standard error of its estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogDet {
    /// The estimate.
    pub value: f64,
    /// The standard error.
    pub std_error: f64,
}

/// The probe vectors (random signs), which are the same at every theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probes {
    /// The number of probe vectors, rounded up to a multiple of eight.
    pub count: usize,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Whether the norm of E and the images of the constants are used too, which reduces the noise
    /// of the log-determinant at the cost of a pass over the rows of K and some solves.
    pub is_accurate: bool,
    /// Whether the vectors and their solutions are kept.
    pub keep: bool,
}

/// Stochastic estimates at one theta.
#[derive(Debug, Clone)]
pub struct Probed {
    /// `log |I + E|`.
    pub log_det: LogDet,
    /// `sum_l (Z'V^-1Z)_ll` of each term.
    pub traces: Estimate,
    /// Largest number of iterations of a solve.
    pub iterations: usize,
    /// The vectors with their solutions, if they are kept.
    pub kept: Vec<Kept>,
}

/// Eight vectors z that represent `S^-1`: the sum of `x x0'`, with `x0 = F^-T z`, is `S^-1` on the
/// deflation subspace, and in expectation on its complement.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The vectors z, padded with zeros.
    pub z: Vec<Row>,
    /// `S^-1 F z`.
    pub x: Vec<Row>,
    /// The number of vectors.
    pub count: usize,
    /// Whether the vectors are random, and to be averaged; otherwise they are to be summed.
    pub is_random: bool,
}

impl Kept {
    fn new(found: &Solutions, count: usize, is_random: bool) -> Self {
        Self {
            z: found.z.clone(),
            x: found.x.clone(),
            count,
            is_random,
        }
    }
}

/// Vectors `z` with `x = S^-1 F z`.
struct Solutions {
    z: Vec<Row>,
    x: Vec<Row>,
    /// `S F^-T z`.
    product: Vec<Row>,
    /// The squared norm of each column of z, and the moments of I + E for it.
    moments: Vec<(f64, Moments)>,
    iterations: usize,
}

impl Solutions {
    // `(I + E)^-1 z = F'x` of the first columns.
    fn images(&self, solver: &Solver, count: usize) -> Vec<Vec<f64>> {
        let mut images = self.x.clone();
        solver.preconditioner.times_transposed(&mut images);
        (0..count).map(|c| column(&images, c)).collect()
    }
}

/// The estimates from eight probe vectors.
#[derive(Default)]
struct ProbeEstimates {
    kept: Option<Kept>,
    moments: Vec<(f64, Moments)>,
    sums: Vec<OfTerms>,
    iterations: usize,
}

/// An orthonormal basis q of the deflation subspace, in the preconditioned space.
struct Constants {
    n_rows: usize,
    vectors: Vec<Vec<f64>>,
    /// The sum of `q' log(I + E) q`.
    log: f64,
    /// The sum of `q'Eq`.
    first: f64,
    /// The sum of `|Eq|^2`.
    second: f64,
}

impl Probes {
    /// The log-determinant, and the traces for the gradient. The border has already solved for the
    /// first vectors of the deflation subspace.
    pub fn probe(
        &self,
        solver: &Solver,
        vectors: Vec<Vec<f64>>,
        border: &Border,
    ) -> Probed {
        let mut tally = Tally::new(solver);
        let mut iterations = border.iterations;
        let mut kept = Vec::new();
        let constants =
            self.constants(solver, vectors, border, &mut |found, count| {
                iterations = iterations.max(found.iterations);
                if self.keep {
                    kept.push(Kept::new(&found, count, false));
                }
                tally.add_exact(&found.z, (found.x, found.product), count);
            });
        let norm = self.is_accurate.then(|| squared_norm(solver));
        let mut stream = Stream::new(self.seed, 0);
        let mut values = Vec::new();
        let mut left = self.count.div_ceil(WIDTH);
        while left > 0 {
            let at_once = left.min(solver.at_once());
            left -= at_once;
            let vectors = (0..at_once).map(|_| constants.random(&mut stream));
            let vectors: Vec<Vec<Row>> = vectors.collect();
            for estimates in self.estimate(solver, &tally, vectors) {
                iterations = iterations.max(estimates.iterations);
                let columns = estimates.moments.iter();
                values.extend(columns.map(|of| constants.adjusted(of, norm)));
                kept.extend(estimates.kept);
                tally.add_random(estimates.sums);
            }
        }
        let mut log_det = mean(&values);
        log_det.value += constants.log;
        Probed {
            log_det,
            traces: tally.finish(),
            iterations,
            kept,
        }
    }
}

impl Probes {
    // The deflation subspace, with all its solves; `see` is called with solutions and their number.
    fn constants(
        &self,
        solver: &Solver,
        vectors: Vec<Vec<f64>>,
        border: &Border,
        see: &mut impl FnMut(Solutions, usize),
    ) -> Constants {
        let mut constants = Constants::of(solver, vectors);
        let mut images = Vec::new();
        let mut look = |found: Solutions, count: usize| {
            if self.is_accurate {
                images.extend(found.images(solver, count));
            }
            see(found, count);
        };
        constants.take_from(border, &mut look);
        constants.solve_rest(solver, border.extra.count, &mut look);
        let done = constants.vectors.len();
        for image in images {
            let direction = orthonormal(image, &constants.vectors);
            constants.vectors.extend(direction);
        }
        constants.solve_rest(solver, done, see);
        constants
    }

    // The estimates from blocks of eight probe vectors, in several threads.
    fn estimate(
        &self,
        solver: &Solver,
        tally: &Tally,
        vectors: Vec<Vec<Row>>,
    ) -> Vec<ProbeEstimates> {
        let mut all: Vec<ProbeEstimates> =
            vectors.iter().map(|_| ProbeEstimates::default()).collect();
        share(vectors.into_iter().zip(&mut all), |(z, estimates)| {
            let found = solutions(solver, z, RANDOM_SOLVE);
            *estimates = ProbeEstimates {
                kept: self.keep.then(|| Kept::new(&found, WIDTH, true)),
                iterations: found.iterations,
                sums: tally.columns(&found.z, (found.x, found.product)),
                moments: found.moments,
            };
        });
        all
    }
}

/// The mean of some values, with its standard error.
fn mean(values: &[f64]) -> LogDet {
    let n = values.len() as f64;
    let value = values.iter().sum::<f64>() / n;
    let spread: f64 = values.iter().map(|v| (v - value).powi(2)).sum();
    LogDet {
        value,
        std_error: (spread / (n * (n - 1.0))).sqrt(),
    }
}

fn solutions(solver: &Solver, z: Vec<Row>, tolerance: f64) -> Solutions {
    let squares = products(&z, &z);
    let mut rhs = z.clone();
    solver.preconditioner.times(&mut rhs);
    let solved = solver.solve(&rhs, tolerance);
    let of = |c: usize| moments_of(&solved.alpha, &solved.beta, c);
    Solutions {
        z,
        moments: (0..WIDTH).map(|c| (squares[c], of(c))).collect(),
        iterations: solved.alpha.len(),
        x: solved.x,
        product: solved.first,
    }
}

// The moments of one column of a solve.
fn moments_of(alpha: &[Row], beta: &[Row], c: usize) -> Moments {
    moments(&column(alpha, c), &column(beta, c))
}

// Vectors as the first columns of a block of eight.
fn side_by_side(m: usize, vectors: &[Vec<f64>]) -> Vec<Row> {
    let mut z = vec![[0.0; WIDTH]; m];
    for (c, vector) in vectors.iter().enumerate() {
        z.iter_mut().zip(vector).for_each(|(z, v)| z[c] = *v);
    }
    z
}

/// Orthonormal vectors in the preconditioned space: the constant vectors `F'(1_levels x e_j)` for
/// each effect of each term, and unit vectors for all effects of a term with few.
pub fn constants(solver: &Solver) -> Vec<Vec<f64>> {
    let system = solver.system();
    let mut vectors: Vec<Vec<f64>> = Vec::new();
    for block in &system.trailing {
        if block.rows().len() <= FEW_EFFECTS {
            for row in block.rows() {
                let mut vector = vec![0.0; system.m];
                vector[row] = 1.0;
                vectors.extend(orthonormal(vector, &vectors));
            }
            continue;
        }
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
    vectors
}

impl Constants {
    // A deflation subspace before its vectors are solved for.
    fn of(solver: &Solver, vectors: Vec<Vec<f64>>) -> Self {
        Self {
            n_rows: solver.system().m,
            vectors,
            log: 0.0,
            first: 0.0,
            second: 0.0,
        }
    }

    // Takes the solutions that the border has computed.
    fn take_from(
        &mut self,
        border: &Border,
        see: &mut impl FnMut(Solutions, usize),
    ) {
        let extra = &border.extra;
        if extra.count == 0 {
            return;
        }
        let solved = &border.solved[border.solved.len() - 1];
        let own = |rows: &[Row]| -> Vec<Row> {
            rows.iter().map(|row| extra.of_row(row)).collect()
        };
        let x = own(solved);
        let of = |c: usize| {
            let c = extra.first + c;
            (1.0, moments_of(&extra.alpha, &extra.beta, c))
        };
        let found = Solutions {
            z: side_by_side(x.len(), &self.vectors[..extra.count]),
            x,
            product: own(&extra.product),
            moments: (0..extra.count).map(of).collect(),
            iterations: extra.alpha.len(),
        };
        self.add(&found.moments);
        see(found, extra.count);
    }

    // Solves for all but the first `done` vectors.
    fn solve_rest(
        &mut self,
        solver: &Solver,
        done: usize,
        see: &mut impl FnMut(Solutions, usize),
    ) {
        let rest = self.vectors[done..].to_vec();
        for chunk in rest.chunks(WIDTH) {
            let z = side_by_side(solver.system().m, chunk);
            let found = solutions(solver, z, CONSTANT_SOLVE);
            self.add(&found.moments[..chunk.len()]);
            see(found, chunk.len());
        }
    }

    fn add(&mut self, moments: &[(f64, Moments)]) {
        for (_, moments) in moments {
            self.log += moments.log;
            self.first += moments.first;
            self.second += moments.second;
        }
    }

    // The estimate `z' log(I + E) z` from one probe vector, with control variates: the deviations
    // of the first two terms of log(I + E) = E - E^2 / 2 + .. from their means are subtracted. The
    // mean of the first is known, that of the second if the norm of E is.
    fn adjusted(
        &self,
        (square, found): &(f64, Moments),
        norm: Option<f64>,
    ) -> f64 {
        let first = square * found.first + self.first;
        let second = norm
            .map_or(0.0, |norm| square * found.second - (norm - self.second));
        square * found.log - first + second / 2.0
    }

    // Eight vectors of random signs, projected on the orthogonal complement of the deflation
    // subspace.
    fn random(&self, stream: &mut Stream) -> Vec<Row> {
        let rows = 0..self.n_rows;
        let mut z: Vec<Row> = rows.map(|_| signs(stream)).collect();
        self.project_out(&mut z);
        z
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

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

// The vector orthogonalised against others and normalised; `None` if it is linearly dependent.
fn orthonormal(mut vector: Vec<f64>, others: &[Vec<f64>]) -> Option<Vec<f64>> {
    let whole = length(&vector);
    // Orthogonalising twice removes the rounding errors of the first pass.
    for other in others.iter().chain(others) {
        let share: f64 = vector.iter().zip(other).map(|(v, o)| v * o).sum();
        let both = vector.iter_mut().zip(other);
        both.for_each(|(v, o)| *v -= share * o);
    }
    let left = length(&vector);
    vector.iter_mut().for_each(|v| *v /= left);
    (left > NEW_DIRECTION * whole).then_some(vector)
}

// Eight random signs.
fn signs(stream: &mut Stream) -> Row {
    let bits = (256.0 * stream.uniform()) as u8;
    let sign = |c: usize| if bits >> c & 1 == 0 { 1.0 } else { -1.0 };
    std::array::from_fn(sign)
}
