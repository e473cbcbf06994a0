//! Signs of the roots of the responses, for the square-root link.
//!
//! With signs `s` and roots `t` of the responses, the penalized deviance at given covariances is
//! nearly that of a linear mixed model in `s t`: minus the squared length of a vector `v` that is
//! linear in the signs, and a term that is linear in them where there are offsets. To change the
//! sign of a row or of a set of rows is then a step in `v`, which costs no factorization, so that
//! many combinations of signs can be compared.

use super::GeneralizedLinearMixedModel;
use crate::kernels::small;
use crate::random::Stream;
use crate::tolerances::SAME_VALUE;

/// Largest number of operations of the factorization.
pub(super) const AFFORDABLE: usize = 40_000_000;
/// Number of operations that all climbs of a call may cost.
const AFFORDABLE_CLIMBS: usize = 20_000_000;
/// Number of operations that all trials of refitted signs may cost.
const AFFORDABLE_TRIALS: usize = 200_000_000;
/// Least and largest number of climbs.
const FEWEST_CLIMBS: usize = 8;
const MOST_CLIMBS: usize = 60;
/// Number of passes over all rows and sets that a climb usually takes, and the largest one.
const PASSES: usize = 5;
const MOST_PASSES: usize = 50;
/// Number of sets whose sign is changed before a climb from the best signs.
const KICKS: usize = 3;
/// Number of combinations of signs that are kept.
const KEPT: usize = 8;
/// Number of combinations that are kept beside a known one.
const MOST_BESIDE: usize = 24;
/// Combinations of signs whose deviances differ by less are taken for one.
const DISTINCT: f64 = 0.01;

/// The linear mixed model in the signed roots of the responses.
pub(super) struct Roots {
    // Number of random and fixed effects.
    size: usize,
    // The Cholesky factor of the penalized system.
    factor: Vec<f64>,
    // What each row with a positive sign adds to `v`, row by row.
    steps: Vec<f64>,
    // What the offsets add to `v`.
    origin: Vec<f64>,
    // What each row with a positive sign adds to half the gain beside the squared length of `v`.
    pull: Vec<f64>,
    // The weighted sum of squares of roots and offsets: the deviance without any effects.
    total: f64,
}

/// Signs of the rows, the vector `v`, and the gain: by how much the deviance is below that without
/// any effects.
#[derive(Clone)]
pub(super) struct Signs {
    signs: Vec<f64>,
    v: Vec<f64>,
    gain: f64,
}

impl GeneralizedLinearMixedModel {
    /// The linear mixed model in the signed roots, at the current covariances and dispersion;
    /// `None` if it would take more than `most` operations. The response is left at the roots.
    pub(super) fn roots(&mut self, most: usize) -> Option<Roots> {
        let p = self.pirls.rows.p;
        let random = self.n_random();
        let (n, size) = (self.pirls.rows.n(), random + p);
        if (n + size).saturating_mul(size * size) > most {
            return None;
        }
        let effects: Vec<Vec<(usize, f64)>> =
            (0..n).map(|i| self.effects_of_row(i, random)).collect();
        self.roots_in(&effects, (random, p), 1)
    }

    /// The linear model of the fixed effects alone in the signed roots of every `stride`-th row;
    /// `None` if it would take long.
    pub(super) fn roots_of_fixed_effects(
        &mut self,
        stride: usize,
    ) -> Option<Roots> {
        let rows = &self.pirls.rows;
        let (n, p) = (rows.n(), rows.p);
        if n / stride * p * p > AFFORDABLE {
            return None;
        }
        let sampled = (0..n).step_by(stride);
        let fixed = sampled.map(|i| {
            let row = rows.fixed_row(i).iter().copied();
            row.enumerate().collect::<Vec<(usize, f64)>>()
        });
        let effects: Vec<Vec<(usize, f64)>> = fixed.collect();
        self.roots_in(&effects, (0, p), stride)
    }

    /// Number of random effects.
    pub(super) fn n_random(&self) -> usize {
        self.pirls.u.iter().map(Vec::len).sum()
    }

    // The linear model in the signed roots of every `stride`-th row, with these numbers of random
    // and fixed effects, of which each row has the nonzero elements.
    fn roots_in(
        &mut self,
        effects: &[Vec<(usize, f64)>],
        (random, p): (usize, usize),
        stride: usize,
    ) -> Option<Roots> {
        self.pirls.response.predict_responses();
        let size = random + p;
        let response = &self.pirls.response;
        let weights = response.weight.iter().step_by(stride);
        let mut factor = products(size, effects, weights);
        (0..random).for_each(|j| factor[j * size + j] += 1.0);
        small::cholesky(size, &mut factor)?;
        let mut roots = Roots {
            size,
            factor,
            steps: Vec::with_capacity(effects.len() * size),
            origin: vec![0.0; size],
            pull: Vec::with_capacity(effects.len()),
            total: 0.0,
        };
        for (row, i) in effects.iter().zip((0..).step_by(stride)) {
            let (w, t) = (response.weight[i], response.eta[i]);
            roots.add_row(row, (w, t), response.offset[i]);
        }
        Some(roots)
    }

    // The nonzero elements of a row of `[Z Lambda, X]`.
    fn effects_of_row(&self, i: usize, random: usize) -> Vec<(usize, f64)> {
        let rows = &self.pirls.rows;
        let mut found = Vec::new();
        for term in &rows.terms {
            let lambda = &self.pirls.engine.lambdas()[term.term];
            let mut effect = vec![0.0; term.k];
            small::lambda_transposed_times(
                term.k,
                lambda,
                term.z(i),
                &mut effect,
            );
            let before = self.pirls.u[..term.term].iter().map(Vec::len);
            let first = before.sum::<usize>();
            let at = first + term.level[i] as usize * term.k;
            found.extend((at..).zip(effect));
        }
        found.extend((random..).zip(rows.fixed_row(i).iter().copied()));
        found
    }
}

impl Roots {
    // Adds a row with the nonzero elements of `[Z Lambda, X]`, its weight and root, and its offset.
    fn add_row(&mut self, row: &[(usize, f64)], (w, t): (f64, f64), o: f64) {
        let mut a = vec![0.0; self.size];
        row.iter().for_each(|&(j, value)| a[j] += w * value);
        small::forward_solve(self.size, &self.factor, &mut a);
        small::axpy(-o, &a, &mut self.origin);
        self.steps.extend(a.iter().map(|a| t * a));
        self.pull.push(w * t * o);
        self.total += w * (t * t + o * o);
    }

    // What a row with a positive sign adds to `v`.
    fn step(&self, row: usize) -> &[f64] {
        &self.steps[row * self.size..(row + 1) * self.size]
    }

    // The combination of these signs.
    fn at(&self, signs: Vec<f64>) -> Signs {
        let mut v = self.origin.clone();
        let mut gain = 0.0;
        for (row, &sign) in signs.iter().enumerate() {
            small::axpy(sign, self.step(row), &mut v);
            gain += 2.0 * sign * self.pull[row];
        }
        gain += small::dot(&v, &v);
        Signs { signs, v, gain }
    }

    // Changes the signs of these rows.
    fn change(&self, at: &mut Signs, rows: &[usize]) {
        at.gain -= small::dot(&at.v, &at.v);
        for &row in rows {
            let twice = -2.0 * at.signs[row];
            small::axpy(twice, self.step(row), &mut at.v);
            at.gain += 2.0 * twice * self.pull[row];
            at.signs[row] = -at.signs[row];
        }
        at.gain += small::dot(&at.v, &at.v);
    }

    // Changes the signs of sets of rows for as long as that raises the gain.
    fn climb(&self, mut at: Signs, sets: &[Vec<usize>]) -> Signs {
        for _ in 0..MOST_PASSES {
            let before = at.gain;
            for rows in sets {
                let enough = at.gain + SAME_VALUE * (1.0 + at.gain.abs());
                let (v, gain) = (at.v.clone(), at.gain);
                self.change(&mut at, rows);
                if at.gain <= enough {
                    rows.iter().for_each(|&row| at.signs[row] *= -1.0);
                    (at.v, at.gain) = (v, gain);
                }
            }
            if at.gain <= before {
                break;
            }
        }
        at
    }

    /// The signs of the linear predictors at the effects of these signs, again and again.
    pub(super) fn refitted(&self, mut at: Signs) -> Signs {
        for _ in 0..MOST_PASSES {
            let fitted = |row: usize| {
                let step = small::dot(self.step(row), &at.v);
                1f64.copysign(step + self.pull[row])
            };
            let next = self.at((0..self.pull.len()).map(fitted).collect());
            if next.gain <= at.gain + SAME_VALUE * (1.0 + at.gain.abs()) {
                break;
            }
            at = next;
        }
        at
    }

    /// The refitted signs with the largest gain, of those where the signs of random sets of rows
    /// are changed.
    pub(super) fn best_refitted(
        &self,
        own: Signs,
        sets: &[Vec<usize>],
        stream: &mut Stream,
    ) -> Signs {
        let mut best = self.refitted(own);
        let per_trial = PASSES * self.steps.len().max(1);
        let trials = AFFORDABLE_TRIALS / per_trial;
        for trial in 0..trials.clamp(FEWEST_CLIMBS, MOST_CLIMBS) {
            let from = match trial % 2 {
                0 => self.random(sets, stream),
                _ => self.kicked(best.clone(), sets, stream),
            };
            let found = self.refitted(from);
            if found.gain > best.gain {
                best = found;
            }
        }
        best
    }

    /// The residual sum of squares of the roots with these signs.
    pub(super) fn residual(&self, at: &Signs) -> f64 {
        self.total - at.gain
    }

    /// The spherical random effects and, after them, the fixed effects of these signs.
    pub(super) fn effects(&self, at: &Signs) -> Vec<f64> {
        let mut effects = at.v.clone();
        small::backward_solve(self.size, &self.factor, &mut effects);
        effects
    }

    /// The effects, of the centred columns of X, of the combinations of signs with the lowest
    /// deviances, which climbs from random signs lead to; the first one starts at the signs of
    /// these linear predictors.
    pub(super) fn best_effects(
        &self,
        eta: &[f64],
        sets: &[Vec<usize>],
        stream: &mut Stream,
    ) -> Vec<Vec<f64>> {
        let n_rows: usize = sets.iter().map(Vec::len).sum();
        let per_climb = PASSES * self.size * n_rows.max(1);
        let climbs = AFFORDABLE_CLIMBS / per_climb;
        let own = self.of(eta);
        let mut best = vec![self.climb(own, sets)];
        for climb in 0..climbs.clamp(FEWEST_CLIMBS, MOST_CLIMBS) {
            let from = match climb % 2 {
                0 => self.random(sets, stream),
                _ => self.kicked(best[0].clone(), sets, stream),
            };
            keep(&mut best, self.climb(from, sets), KEPT);
        }
        best.iter().map(|at| self.effects(at)).collect()
    }

    /// The effects where one of the sets has other signs than these linear predictors, of the
    /// sets with the lowest deviances: at other covariances there may be an optimum.
    pub(super) fn effects_beside(
        &self,
        eta: &[f64],
        sets: &[Vec<usize>],
    ) -> Vec<Vec<f64>> {
        let own = self.of(eta);
        let mut beside = Vec::new();
        for rows in sets {
            let mut at = own.clone();
            self.change(&mut at, rows);
            keep(&mut beside, at, MOST_BESIDE);
        }
        beside.iter().map(|at| self.effects(at)).collect()
    }

    /// The signs of linear predictors.
    pub(super) fn of(&self, eta: &[f64]) -> Signs {
        self.at(eta.iter().map(|eta| 1f64.copysign(*eta)).collect())
    }

    // Signs of which each set has its own.
    fn random(&self, sets: &[Vec<usize>], stream: &mut Stream) -> Signs {
        let mut signs = vec![1.0; self.pull.len()];
        for rows in sets {
            if stream.uniform() < 0.5 {
                rows.iter().for_each(|&row| signs[row] *= -1.0);
            }
        }
        self.at(signs)
    }

    // A combination in which the signs of some random sets have changed.
    fn kicked(
        &self,
        mut at: Signs,
        sets: &[Vec<usize>],
        stream: &mut Stream,
    ) -> Signs {
        for _ in 0..KICKS {
            let set = (stream.uniform() * sets.len() as f64) as usize;
            if let Some(rows) = sets.get(set) {
                self.change(&mut at, rows);
            }
        }
        at
    }
}

// The weighted products of the columns whose nonzero elements these are, row by row.
fn products<'a>(
    size: usize,
    rows: &[Vec<(usize, f64)>],
    weights: impl Iterator<Item = &'a f64>,
) -> Vec<f64> {
    let mut found = vec![0.0; size * size];
    for (row, w) in rows.iter().zip(weights) {
        for &(j, a) in row {
            for &(i, b) in row {
                found[j * size + i] += w * a * b;
            }
        }
    }
    found
}

// Adds a combination of signs to the best ones, at most `most`, unless it is known.
fn keep(best: &mut Vec<Signs>, found: Signs, most: usize) {
    let is_same = |at: &Signs| (at.gain - found.gain).abs() < DISTINCT;
    if best.iter().any(is_same) {
        return;
    }
    best.push(found);
    best.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    best.truncate(most);
}
