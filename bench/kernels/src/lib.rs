//! Simulated models with the designs that the benchmarks time; the numbers are always the same.

use rlmm_core::covariance::RelCov;
use rlmm_core::design::ReTerm;
use rlmm_core::{Columns, Design};

/// The data of a model with unstructured terms.
pub struct Model {
    x: Vec<f64>,
    y: Vec<f64>,
    terms: Vec<Term>,
}

struct Term {
    refs: Vec<i32>,
    n_levels: usize,
    z: Option<Vec<f64>>,
    cov: RelCov,
}

impl Model {
    /// The design for the core.
    pub fn design(&self) -> Design<'_> {
        fn term(t: &Term) -> ReTerm<'_> {
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
        let (x, terms) = (
            Columns::dense(&self.x, self.y.len()),
            self.terms.iter().map(term).collect(),
        );
        Design {
            x,
            y: &self.y,
            weights: None,
            counts: None,
            offset: None,
            terms,
        }
    }

    // Rows of X, and for each term the level of every row and the number of columns of X with
    // random slopes.
    fn new(
        random: &mut Random,
        rows: &[Vec<f64>],
        terms: &[(Vec<usize>, usize)],
    ) -> Self {
        let n = rows.len();
        let columns = |k: usize| {
            (0..k)
                .flat_map(|j| rows.iter().map(move |row| row[j]))
                .collect::<Vec<f64>>()
        };
        let mut y: Vec<f64> = (0..n).map(|_| 100.0 + random.normal()).collect();
        let mut theta_start = 0;
        let mut built = Vec::new();
        for (levels, k) in terms {
            let n_levels = levels.iter().max().map_or(0, |last| last + 1);
            let effects: Vec<f64> =
                (0..n_levels * k).map(|_| 0.7 * random.normal()).collect();
            for ((y, row), level) in y.iter_mut().zip(rows).zip(levels) {
                *y += (0..*k)
                    .map(|j| row[j] * effects[level * k + j])
                    .sum::<f64>();
            }
            built.push(Term {
                refs: levels.iter().map(|&level| level as i32 + 1).collect(),
                n_levels,
                z: (*k > 1).then(|| columns(*k)),
                cov: RelCov::unstructured(*k, theta_start),
            });
            theta_start += k * (k + 1) / 2;
        }
        Self {
            x: columns(rows[0].len()),
            y,
            terms: built,
        }
    }
}

/// `Reaction ~ Days + (Days | Subject)`: 18 subjects on 10 days.
pub fn sleepstudy() -> Model {
    let rows: Vec<Vec<f64>> =
        (0..180).map(|i| vec![1.0, (i % 10) as f64]).collect();
    let subjects = (0..180).map(|i| i / 10).collect();
    Model::new(&mut Random(1), &rows, &[(subjects, 2)])
}

/// `y ~ service * dept + (1 | s) + (1 | d)`: 73,421 ratings, 28 distinct rows of X, 2,972 x 1,128
/// levels.
pub fn insteval() -> Model {
    let mut random = Random(2);
    let (n, students, teachers) = (73_421, 2972, 1128);
    let (mut rows, mut s, mut d) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..n {
        let (service, dept) = (random.below(2), random.below(14));
        let mut row = vec![0.0; 28];
        row[0] = 1.0;
        row[dept] = 1.0;
        row[14] = service as f64;
        row[14 + dept] = service as f64;
        rows.push(row);
        s.push(if i < students {
            i
        } else {
            random.below(students)
        });
        d.push(if i < teachers {
            i
        } else {
            random.below(teachers)
        });
    }
    Model::new(&mut random, &rows, &[(s, 1), (d, 1)])
}

/// `rt ~ a * b * c + (a * b * c | subject) + (a * b * c | item)`: 56 x 32, 72 parameters.
pub fn crossed() -> Model {
    let (mut rows, mut subjects, mut items) =
        (Vec::new(), Vec::new(), Vec::new());
    for i in 0..56 * 32 {
        let (subject, item) = (i % 56, i / 56);
        let cell = subject + item;
        let sign = |bit: usize| if cell & bit > 0 { 0.5 } else { -0.5 };
        let (a, b, c) = (sign(1), sign(2), sign(4));
        rows.push(vec![1.0, a, b, c, a * b, a * c, b * c, a * b * c]);
        subjects.push(subject);
        items.push(item);
    }
    Model::new(&mut Random(3), &rows, &[(subjects, 8), (items, 8)])
}

/// `y ~ x + (x | group)`: 200,000 rows in 10,000 groups.
pub fn slopes() -> Model {
    let mut random = Random(4);
    let rows: Vec<Vec<f64>> =
        (0..200_000).map(|_| vec![1.0, random.normal()]).collect();
    let groups = (0..200_000).map(|i| i % 10_000).collect();
    Model::new(&mut random, &rows, &[(groups, 2)])
}

/// The random number generator SplitMix64.
pub struct Random(pub u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// A standard normal variate.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}
