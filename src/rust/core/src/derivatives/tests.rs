//! The gradient compared with fourth-order differences of the objective, and the Hessian with those
//! of the gradient.

use crate::covariance::{Part, RelCov, Structure};
use crate::derivatives::HessianKind;
use crate::design::columns::Columns;
use crate::design::Design;
use crate::design::ReTerm;
use crate::optimize::{Flow, Settings};
use crate::{Criterion, LinearMixedModel};

// The step of first differences balances truncation and rounding errors.
pub(super) const STEP: f64 = 6e-4;

pub(crate) struct Random(pub(crate) u64);

impl Random {
    // An approximately normal number: the sum of four uniform ones.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..4).map(|_| self.uniform() - 0.5).sum::<f64>() * 1.7
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct TermData {
    refs: Vec<i32>,
    n_levels: usize,
    z: Option<Vec<f64>>,
    cov: RelCov,
}

// Level of row i.
pub(crate) type Levels = Box<dyn Fn(usize) -> usize>;

pub(crate) struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    terms: Vec<TermData>,
}

pub(crate) fn us(size: usize, theta_start: usize) -> Part {
    Part::new(Structure::Unstructured, size, theta_start)
}

pub(crate) fn part(
    structure: Structure,
    size: usize,
    theta_start: usize,
) -> Part {
    Part::new(structure, size, theta_start)
}

impl Data {
    // Each term is given by the level of row i and its parts; the first column of z is one, the
    // others are random.
    pub(crate) fn new(
        n: usize,
        p: usize,
        terms: Vec<(Levels, Vec<Part>)>,
    ) -> Self {
        let mut random = Random(7);
        let x = (0..n * p)
            .map(|i| if i < n { 1.0 } else { random.normal() })
            .collect();
        let mut y: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mut built = Vec::new();
        for (level, parts) in terms {
            let refs: Vec<i32> = (0..n).map(|i| level(i) as i32 + 1).collect();
            let n_levels = refs.iter().copied().max().unwrap() as usize;
            let cov = RelCov::new(parts);
            let k = cov.vsize();
            let z: Vec<f64> = (0..n * k)
                .map(|i| if i < n { 1.0 } else { random.normal() })
                .collect();
            let effects: Vec<f64> =
                (0..k * n_levels).map(|_| random.normal()).collect();
            for i in 0..n {
                y[i] += (0..k)
                    .map(|j| {
                        z[j * n + i] * effects[(refs[i] as usize - 1) * k + j]
                    })
                    .sum::<f64>();
            }
            built.push(TermData {
                refs,
                n_levels,
                z: (k > 1).then_some(z),
                cov,
            });
        }
        Self {
            x,
            y,
            weights: None,
            terms: built,
        }
    }

    pub(crate) fn weighted(mut self) -> Self {
        let mut random = Random(11);
        self.weights = Some(
            (0..self.y.len())
                .map(|_| 0.2 + 2.0 * random.uniform())
                .collect(),
        );
        self
    }

    pub(crate) fn design(&self) -> Design<'_> {
        let terms = self.terms.iter().map(
            |TermData {
                 refs,
                 n_levels,
                 z,
                 cov,
             }| ReTerm {
                refs,
                n_levels: *n_levels,
                z: z.as_deref().map_or_else(Columns::ones, |z| {
                    Columns::dense(z, refs.len())
                }),
                cov: cov.clone(),
            },
        );
        let x = Columns::dense(&self.x, self.y.len());
        Design {
            x,
            y: &self.y,
            weights: self.weights.as_deref(),
            counts: None,
            offset: None,
            terms: terms.collect(),
        }
    }
}

pub(super) fn fourth_order(
    h: f64,
    mut f: impl FnMut(f64) -> Vec<f64>,
) -> Vec<f64> {
    let (a, b, c, d) = (f(-2.0 * h), f(-h), f(h), f(2.0 * h));
    (0..a.len())
        .map(|i| (a[i] - 8.0 * b[i] + 8.0 * c[i] - d[i]) / (12.0 * h))
        .collect()
}

pub(super) fn gradient(
    model: &mut LinearMixedModel,
    theta: &[f64],
) -> Vec<f64> {
    let mut g = vec![0.0; theta.len()];
    model.at(theta).unwrap().slopes().gradient(&mut g);
    g
}

pub(super) fn shifted(theta: &[f64], j: usize, by: f64) -> Vec<f64> {
    let mut theta = theta.to_vec();
    theta[j] += by;
    theta
}

/// The criteria, and sigma if it is known.
pub(super) const CRITERIA: [(Criterion, Option<f64>); 3] = [
    (Criterion::Ml, None),
    (Criterion::Reml, None),
    (Criterion::Reml, Some(0.9)),
];

pub(crate) fn largest_error(a: &[f64], b: &[f64]) -> f64 {
    let scale = b.iter().fold(1.0f64, |s, v| s.max(v.abs()));
    a.iter()
        .zip(b)
        .fold(0.0f64, |e, (a, b)| e.max((a - b).abs()))
        / scale
}

fn check(name: &str, data: &Data, exact_hessian: bool) {
    for (criterion, sigma) in CRITERIA {
        let design = data.design();
        let mut model =
            LinearMixedModel::new(&design, criterion, sigma).unwrap();
        let n = model.n_theta();
        let mut random = Random(3);
        let general: Vec<f64> = model
            .start()
            .iter()
            .map(|s| 0.7 * s + 0.3 * random.normal())
            .collect();
        let half: Vec<f64> = general
            .iter()
            .enumerate()
            .map(|(j, t)| if j % 2 == 0 { 0.0 } else { *t })
            .collect();
        let other_half: Vec<f64> = general
            .iter()
            .enumerate()
            .map(|(j, t)| if j % 2 == 1 { 0.0 } else { *t })
            .collect();
        for theta in [general, half, other_half, vec![0.0; n]] {
            let g = gradient(&mut model, &theta);
            let differences: Vec<f64> = (0..n)
                .map(|j| {
                    fourth_order(STEP, |h| {
                        vec![model.objective(&shifted(&theta, j, h)).unwrap()]
                    })[0]
                })
                .collect();
            let error = largest_error(&g, &differences);
            assert!(
                error < 1e-7,
                "{name}, {criterion:?}, sigma {sigma:?}: gradient at {theta:?} off by {error:e}"
            );
            if !exact_hessian {
                continue;
            }
            let mut hessian = vec![0.0; n * n];
            let slopes = model.at(&theta).unwrap().slopes();
            slopes.hessian(HessianKind::Exact).fill(&mut hessian);
            let differences: Vec<f64> = (0..n)
                .flat_map(|j| {
                    fourth_order(STEP, |h| {
                        gradient(&mut model, &shifted(&theta, j, h))
                    })
                })
                .collect();
            let error = largest_error(&hessian, &differences);
            assert!(
                error < 1e-7,
                "{name}, {criterion:?}, sigma {sigma:?}: Hessian at {theta:?} off by {error:e}"
            );
        }
    }
}

#[test]
fn one_factor() {
    for k in [1, 2, 3, 5] {
        check(
            &format!("k = {k}"),
            &Data::new(90, 3, vec![(Box::new(|i| i % 9), vec![us(k, 0)])]),
            true,
        );
    }
}

#[test]
fn one_factor_of_several_parts() {
    let parts = vec![
        us(2, 0),
        part(Structure::Diagonal, 2, 3),
        part(Structure::HomogeneousDiagonal, 2, 5),
    ];
    check(
        "parts",
        &Data::new(120, 2, vec![(Box::new(|i| i % 10), parts)]).weighted(),
        true,
    );
}

// Nine effects in 70 levels, of which 64 share a matrix product.
#[test]
fn many_effects() {
    let levels = || Box::new(|i: usize| i % 70) as Levels;
    let alone = Data::new(840, 2, vec![(levels(), vec![us(9, 0)])]);
    check("many", &alone.weighted(), true);
    let parts = vec![us(8, 0), part(Structure::Diagonal, 1, 36)];
    let crossed = vec![
        (levels(), parts),
        (Box::new(|i: usize| i / 84) as Levels, vec![us(1, 37)]),
    ];
    check("many, crossed", &Data::new(840, 1, crossed), true);
}

#[test]
fn crossed_nested_and_mixed() {
    check(
        "scalar",
        &Data::new(
            120,
            2,
            vec![
                (Box::new(|i| i % 12), vec![us(1, 0)]),
                (Box::new(|i| i / 24), vec![us(1, 1)]),
            ],
        ),
        true,
    );
    let nested = Data::new(
        120,
        2,
        vec![
            (Box::new(|i| i / 4), vec![us(2, 0)]),
            (Box::new(|i| i / 24), vec![us(1, 3)]),
        ],
    );
    check("nested", &nested.weighted(), true);
    let mixed = || {
        Data::new(
            160,
            3,
            vec![
                (Box::new(|i| (i * i + i / 7) % 11), vec![us(2, 0)]),
                (Box::new(|i| i % 16), vec![us(3, 3)]),
                (
                    Box::new(|i| i / 40),
                    vec![part(Structure::HomogeneousDiagonal, 2, 9), us(1, 10)],
                ),
            ],
        )
    };
    check("mixed", &mixed(), true);
    check("mixed, weighted", &mixed().weighted(), true);
}

#[test]
fn sparse_trailing_storage() {
    // The 480 classes of 4 children, in 40 schools of 4 regions each, are the leading levels.
    let n = 4 * 480;
    let data = Data::new(
        n,
        2,
        vec![
            (Box::new(|i| i / 2), vec![us(2, 0)]),
            (Box::new(|i| i / 4), vec![us(1, 3)]),
            (Box::new(|i| i / 48), vec![us(2, 4)]),
        ],
    );
    let model =
        LinearMixedModel::new(&data.design(), Criterion::Ml, None).unwrap();
    assert!(model.is_sparse());
    check("sparse", &data, true);
}

// The inverse of a dense system of this size is computed by blocks of columns, and near the optimum
// the trailing terms have the observed information.
#[test]
fn trailing_terms_of_a_large_dense_system() {
    let scattered = |i: usize, by: usize, n: usize| {
        (i.wrapping_mul(by).wrapping_mul(2_654_435_761) >> 9) % n
    };
    let data = Data::new(
        3000,
        3,
        vec![
            (Box::new(move |i| scattered(i, 1, 150)), vec![us(2, 0)]),
            (Box::new(|i| i % 700), vec![us(1, 3)]),
            (Box::new(move |i| scattered(i, 7, 60)), vec![us(1, 4)]),
        ],
    );
    let trailing = [0, 1, 2, 4];
    for (criterion, sigma) in CRITERIA {
        let design = data.design();
        let mut model =
            LinearMixedModel::new(&design, criterion, sigma).unwrap();
        assert!(!model.is_sparse());
        let start = model.start().to_vec();
        let observe = &mut |_: usize, _: f64, _: &[f64]| Flow::Continue;
        let found = model.fit(&start, &Settings::default(), observe);
        let theta = found.unwrap().best;
        let slopes = model.at(&theta).unwrap().slopes();
        let mut hessian = vec![0.0; 25];
        slopes.hessian(HessianKind::Average).fill(&mut hessian);
        let slopes = model.at(&theta).unwrap().slopes();
        let _exact = slopes.hessian(HessianKind::Exact);
        let slopes = model.at(&theta).unwrap().slopes();
        let mut again = vec![0.0; 25];
        slopes.hessian(HessianKind::Average).fill(&mut again);
        assert_eq!(hessian, again);
        for j in trailing {
            let differences = fourth_order(STEP, |h| {
                gradient(&mut model, &shifted(&theta, j, h))
            });
            let scale = differences[j].abs();
            for i in trailing {
                let error = hessian[j * 5 + i] - differences[i];
                assert!(
                    error.abs() < 1e-7 * scale,
                    "{criterion:?}, {i} {j}: {error:e} beside {scale}"
                );
            }
        }
    }
}

#[test]
fn structures_with_a_correlation() {
    for structure in Structure::correlated() {
        for k in [2, 3, 4] {
            check(
                &format!("{structure:?}, k = {k}"),
                &Data::new(
                    90,
                    2,
                    vec![(Box::new(|i| i % 9), vec![part(structure, k, 0)])],
                ),
                true,
            );
        }
        let n = structure.n_theta(3);
        let terms: Vec<(Levels, Vec<Part>)> = vec![
            (Box::new(|i| i % 12), vec![us(2, 0), part(structure, 3, 3)]),
            (Box::new(|i| i / 24), vec![part(structure, 2, 3 + n)]),
        ];
        check(
            &format!("{structure:?}, crossed"),
            &Data::new(144, 2, terms).weighted(),
            true,
        );
    }
}

// All points share the working memory of the model, yet no result depends on earlier computations.
#[test]
fn results_do_not_depend_on_earlier_computations() {
    let terms: Vec<(Levels, Vec<Part>)> = vec![
        (Box::new(|i| i % 12), vec![us(2, 0)]),
        (Box::new(|i| i / 24), vec![us(1, 3)]),
    ];
    let data = Data::new(144, 2, terms).weighted();
    let design = data.design();
    let (theta, other) = ([0.8, -0.4, 0.5, 0.7], [0.3, 0.2, 0.0, 0.9]);
    let ask = |model: &mut LinearMixedModel| {
        let (mut gradient, mut hessian) = (vec![0.0; 4], vec![0.0; 16]);
        let slopes = model.at(&theta).unwrap().slopes();
        let mut second = slopes.hessian(HessianKind::Exact);
        second.gradient(&mut gradient);
        second.fill(&mut hessian);
        [vec![second.objective()], gradient, hessian].concat()
    };
    type Question = fn(&mut LinearMixedModel, &[f64]);
    let questions: [Question; 5] = [
        |model, at| {
            let slopes = model.at(at).unwrap().slopes();
            let _average = slopes.hessian(HessianKind::Average);
        },
        |model, at| {
            let _known =
                model.at(at).unwrap().with_sigma(0.3, HessianKind::Exact);
        },
        |model, at| {
            let _slopes = model.at(at).unwrap().contrast_slopes(&[1.0, -1.0]);
        },
        |model, at| {
            let _verdict = model.certificate(at).unwrap();
        },
        |model, at| assert!(model.at(&[at, &[0.0]].concat()).is_err()),
    ];
    for criterion in [Criterion::Ml, Criterion::Reml] {
        let fresh = || LinearMixedModel::new(&design, criterion, None).unwrap();
        let expected = ask(&mut fresh());
        for question in questions {
            for at in [&theta, &other] {
                let mut model = fresh();
                question(&mut model, at);
                assert_eq!(ask(&mut model), expected);
                question(&mut model, at);
                model.set_sigma(0.3);
                let known = ask(&mut model);
                let mut other_model =
                    LinearMixedModel::new(&design, criterion, Some(0.3))
                        .unwrap();
                assert_eq!(known, ask(&mut other_model));
            }
        }
    }
}
