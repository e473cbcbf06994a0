//! The parts of the iterative engine compared with dense linear algebra.

use super::*;
use crate::factor::blocks::Blocks;
use crate::factor::sums::{PairSums, TermSums};
use crate::iterative::precondition::Preconditioner;
use crate::iterative::wide::{add_multiple, Row, WIDTH};
use crate::kernels::small;

/// A small design in dense form: `z` of each term is `n x q`.
struct Dense {
    n: usize,
    x: Vec<f64>,
    r: Vec<f64>,
    z: Vec<Vec<f64>>,
    shapes: Vec<(usize, usize)>,
    sums: Sums,
}

fn noise(seed: &mut u64) -> f64 {
    *seed = seed
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    (*seed >> 33) as f64 / (1u64 << 31) as f64 - 0.5
}

fn dense(n: usize, shapes: &[(usize, usize)]) -> Dense {
    nested(n, shapes, &[])
}

// Rows with two columns of X; the level of each term is random, its effects are 1 and random
// numbers. Pairs in `nested` have the first term nested in the second.
fn nested(
    n: usize,
    shapes: &[(usize, usize)],
    pairs: &[(usize, usize)],
) -> Dense {
    let mut seed = 7;
    let x: Vec<f64> = (0..n).flat_map(|_| [1.0, noise(&mut seed)]).collect();
    let r: Vec<f64> = (0..n).map(|_| noise(&mut seed)).collect();
    let mut levels = Vec::new();
    let mut rows = Vec::new();
    for &(k, q) in shapes {
        let of_row = |i: usize, u: f64| {
            if i < q {
                i
            } else {
                ((u + 0.5) * q as f64) as usize % q
            }
        };
        levels.push(
            (0..n)
                .map(|i| of_row(i, noise(&mut seed)))
                .collect::<Vec<usize>>(),
        );
        let effects = |_| {
            let mut row = vec![1.0];
            row.extend((1..k).map(|_| noise(&mut seed)));
            row
        };
        rows.push((0..n).map(effects).collect::<Vec<Vec<f64>>>());
    }
    for &(inner, outer) in pairs {
        let q = shapes[outer].1;
        levels[outer] = levels[inner].iter().map(|level| level % q).collect();
    }
    let mut z = Vec::new();
    for (t, &(k, q)) in shapes.iter().enumerate() {
        let mut of_term = vec![0.0; n * k * q];
        for i in 0..n {
            (0..k).for_each(|j| {
                of_term[(levels[t][i] * k + j) * n + i] = rows[t][i][j]
            });
        }
        z.push(of_term);
    }
    let column = |j: usize| (0..n).map(|i| x[2 * i + j]).collect::<Vec<f64>>();
    let x = [column(0), column(1)].concat();
    let sums = sums_of(n, &x, &r, &z, shapes, &levels);
    Dense {
        n,
        x,
        r,
        z,
        shapes: shapes.to_vec(),
        sums,
    }
}

// A'B of matrices with n rows, stored by columns.
fn cross(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let columns = b.chunks_exact(n);
    columns
        .flat_map(|b| {
            a.chunks_exact(n)
                .map(move |a| small::dot(a, b))
                .collect::<Vec<f64>>()
        })
        .collect()
}

fn blocks(rows: usize, k: usize, count: usize, values: &[f64]) -> Blocks {
    let mut blocks = Blocks::zeros(rows, k, count);
    blocks.values_mut().copy_from_slice(values);
    blocks
}

fn sums_of(
    n: usize,
    x: &[f64],
    r: &[f64],
    z: &[Vec<f64>],
    shapes: &[(usize, usize)],
    levels: &[Vec<usize>],
) -> Sums {
    let term = |(z, &(k, q)): (&Vec<f64>, &(usize, usize))| {
        let of_level = |l: usize| &z[l * k * n..(l + 1) * k * n];
        let zz: Vec<f64> = (0..q)
            .flat_map(|l| cross(n, of_level(l), of_level(l)))
            .collect();
        TermSums {
            k,
            n_levels: q,
            zz: blocks(k, k, q, &zz),
            xz: blocks(2, k, q, &cross(n, x, z)),
            zr: cross(n, z, r),
        }
    };
    let mut pairs = Vec::new();
    for b in 1..shapes.len() {
        for a in 0..b {
            // Some pairs have the later term first.
            let (a, b) = if (a + b) % 2 == 0 { (b, a) } else { (a, b) };
            let mut found: Vec<(u32, u32)> = (0..n)
                .map(|i| (levels[a][i] as u32, levels[b][i] as u32))
                .collect();
            found.sort_unstable();
            found.dedup();
            // The pairs may be in any order.
            if b == 1 || a == 1 {
                found.reverse();
            }
            let (ka, kb) = (shapes[a].0, shapes[b].0);
            let zz: Vec<f64> = found
                .iter()
                .flat_map(|&(la, lb)| {
                    let za = &z[a][la as usize * ka * n..][..ka * n];
                    let zb = &z[b][lb as usize * kb * n..][..kb * n];
                    cross(n, za, zb)
                })
                .collect();
            pairs.push(PairSums {
                terms: (a, b),
                zz: blocks(ka, kb, found.len(), &zz),
                levels: found,
            });
        }
    }
    Sums {
        n_eff: n,
        sum_log_weights: 0.0,
        shift: vec![0.0; 2],
        beta0: vec![0.0; 2],
        xx: cross(n, x, x),
        xr: cross(n, x, r),
        rr: small::dot(r, r),
        yy: small::dot(r, r),
        terms: z.iter().zip(shapes).map(term).collect(),
        pairs,
    }
}

impl Dense {
    // `V = I + sum Z Lambda Lambda' Z'`, `n x n`.
    fn v(&self, lambdas: &[Vec<f64>]) -> Vec<f64> {
        let n = self.n;
        let mut v = vec![0.0; n * n];
        (0..n).for_each(|i| v[i * n + i] = 1.0);
        for ((z, &(k, q)), lambda) in
            self.z.iter().zip(&self.shapes).zip(lambdas)
        {
            for level in 0..q {
                for c in 0..k {
                    let mut column = vec![0.0; n];
                    for j in c..k {
                        let z = &z[(level * k + j) * n..][..n];
                        small::axpy(lambda[c * k + j], z, &mut column);
                    }
                    for (i, out) in v.chunks_exact_mut(n).enumerate() {
                        small::axpy(column[i], &column, out);
                    }
                }
            }
        }
        v
    }

    // `log|V|`, `log|X'V^-1X|` and `r^2`.
    fn parts(&self, lambdas: &[Vec<f64>]) -> (f64, f64, f64) {
        let n = self.n;
        let mut l = self.v(lambdas);
        small::cholesky(n, &mut l).unwrap();
        let log_det = (0..n).map(|i| 2.0 * l[i * n + i].ln()).sum();
        let mut columns = [self.x.clone(), self.r.clone()].concat();
        columns
            .chunks_exact_mut(n)
            .for_each(|column| small::forward_solve(n, &l, column));
        let gram = cross(n, &columns, &columns);
        let mut l: Vec<f64> =
            (0..4).map(|at| gram[at / 2 * 3 + at % 2]).collect();
        small::cholesky(2, &mut l).unwrap();
        let mut half = vec![gram[6], gram[7]];
        small::forward_solve(2, &l, &mut half);
        let log_det_fe = 2.0 * (l[0] * l[3]).ln();
        (log_det, log_det_fe, gram[8] - small::dot(&half, &half))
    }
}

fn some(count: usize, seed: u64) -> Probes {
    Probes {
        count,
        seed,
        is_accurate: true,
        keep: false,
    }
}

fn lambdas(shapes: &[(usize, usize)], size: f64) -> Vec<Vec<f64>> {
    let of = |&(k, _): &(usize, usize)| {
        let element = |at: usize| match (at / k).cmp(&(at % k)) {
            std::cmp::Ordering::Less => 0.2 * size,
            std::cmp::Ordering::Equal => size / (1.0 + (at / k) as f64),
            std::cmp::Ordering::Greater => 0.0,
        };
        (0..k * k).map(element).collect()
    };
    shapes.iter().map(of).collect()
}

fn designs() -> Vec<Dense> {
    vec![
        dense(400, &[(1, 40), (1, 25)]),
        dense(400, &[(1, 20), (1, 45), (1, 12)]),
        dense(400, &[(2, 30), (3, 12)]),
        dense(400, &[(3, 8), (1, 30), (2, 20)]),
        nested(400, &[(1, 50), (1, 12), (1, 40)], &[(2, 1)]),
        nested(
            500,
            &[(1, 60), (1, 40), (1, 50), (1, 35), (1, 11), (1, 36)],
            &[(1, 3), (2, 4)],
        ),
    ]
}

// The columns of a matrix that is given by its products with vectors.
fn formed(m: usize, times: impl Fn(&[Row]) -> Vec<Row>) -> Vec<f64> {
    let mut matrix = vec![0.0; m * m];
    for j in 0..m {
        let mut unit = vec![[0.0; WIDTH]; m];
        unit[j][3] = 1.0;
        let column = times(&unit);
        (0..m).for_each(|i| matrix[j * m + i] = column[i][3]);
    }
    matrix
}

fn s_of(reduced: &reduced::Reduced) -> Vec<f64> {
    let m = reduced.system.m;
    formed(m, |x| {
        let mut out = x.to_vec();
        reduced.times_s(x, &mut reduced::Scratch::default(), &mut out);
        out
    })
}

#[test]
fn products_are_those_of_the_system() {
    for data in designs() {
        let lambdas = lambdas(&data.shapes, 0.8);
        let model = Iterative::new(&data.sums).unwrap();
        let reduced = model.system.reduce(&lambdas).unwrap();
        let mut s = s_of(&reduced);
        let m = model.system.m;
        for (i, j) in (0..m * m).map(|at| (at % m, at / m)) {
            assert!((s[j * m + i] - s[i * m + j]).abs() < 1e-12);
        }
        // |V| = |T| |S|.
        small::cholesky(m, &mut s).unwrap();
        let log_det: f64 = (0..m).map(|i| 2.0 * s[i * m + i].ln()).sum();
        let (expected, ..) = data.parts(&lambdas);
        assert!((reduced.log_det + log_det - expected).abs() < 1e-9);
    }
}

#[test]
fn border_and_residual_are_exact() {
    for data in designs() {
        let lambdas = lambdas(&data.shapes, 1.3);
        let model = Iterative::new(&data.sums).unwrap();
        let probes = some(8, 1);
        let found = model.at(&lambdas, &probes, 1e-11).unwrap();
        let (_, log_det_fe, pwrss) = data.parts(&lambdas);
        assert!((found.border.log_det - log_det_fe).abs() < 1e-9);
        assert!((found.border.pwrss - pwrss).abs() < 1e-9 * pwrss);
    }
}

// The rows of nested levels, each with the row of the level that contains it.
fn around_of(system: &System) -> Vec<usize> {
    let mut around: Vec<usize> = (0..system.m).collect();
    for nested in &system.nested {
        around[nested.row] = nested.around;
    }
    around
}

// The basis Q and `Q'SQ`, computed from S alone: `q_p = e_p - sum_c e_c S_cp / S_cc`.
fn in_the_basis(system: &System, s: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let m = system.m;
    let mut q = vec![0.0; m * m];
    (0..m).for_each(|i| q[i * m + i] = 1.0);
    for (c, &p) in around_of(system).iter().enumerate() {
        if c != p {
            q[p * m + c] = -s[p * m + c] / s[c * m + c];
        }
    }
    let (mut half, mut found) = (s.to_vec(), s.to_vec());
    small::multiply(m, s, &q, &mut half);
    for (i, column) in half.chunks_exact(m).enumerate() {
        for (j, q) in q.chunks_exact(m).enumerate() {
            found[i * m + j] = small::dot(q, column);
        }
    }
    (q, found)
}

#[test]
fn the_factor_of_the_blocks_is_one() {
    for data in designs() {
        let lambdas = lambdas(&data.shapes, 0.8);
        let model = Iterative::new(&data.sums).unwrap();
        let reduced = model.system.reduce(&lambdas).unwrap();
        let preconditioner = Preconditioner::new(&reduced).unwrap();
        let (s, m) = (s_of(&reduced), model.system.m);
        let (q, s) = in_the_basis(&model.system, &s);
        // Q'FF'Q has the diagonal blocks of Q'SQ, and is zero elsewhere.
        let p = formed(m, |x| {
            let times = |transposed: bool, x: &[Row]| -> Vec<Row> {
                let element = |i: usize, j: usize| match transposed {
                    true => q[i * m + j],
                    false => q[j * m + i],
                };
                let of_row = |i: usize| {
                    let mut sum = [0.0; WIDTH];
                    (0..m).for_each(|j| {
                        add_multiple(element(i, j), &x[j], &mut sum)
                    });
                    sum
                };
                (0..m).map(of_row).collect()
            };
            let mut out = times(false, x);
            preconditioner.times_transposed(&mut out);
            preconditioner.times(&mut out);
            times(true, &out)
        });
        let same_level = |i: usize, j: usize| {
            let blocks = &model.system.trailing;
            let of = |i: usize| {
                blocks
                    .iter()
                    .position(|b| i < b.first + b.k * b.n_levels)
                    .unwrap()
            };
            let level = |i: usize| (i - blocks[of(i)].first) / blocks[of(i)].k;
            of(i) == of(j) && level(i) == level(j)
        };
        for (i, j) in (0..m * m).map(|at| (at % m, at / m)) {
            let expected = if same_level(i, j) { s[j * m + i] } else { 0.0 };
            assert!((p[j * m + i] - expected).abs() < 1e-12);
        }
        let back = formed(m, |x| {
            let mut out = x.to_vec();
            preconditioner.times(&mut out);
            preconditioner.solve_factor(&mut out);
            out
        });
        (0..m).for_each(|i| assert!((back[i * m + i] - 1.0).abs() < 1e-12));
    }
}

// E, formed from its products with unit vectors.
fn e_of(solver: &Solver) -> Vec<f64> {
    let m = solver.system().m;
    let mut e = formed(m, |x| {
        let mut x = x.to_vec();
        let mut out = x.clone();
        let mut scratch = reduced::Scratch::default();
        solver.preconditioner.solve_transposed(&mut x);
        solver.reduced.times_s(&x, &mut scratch, &mut out);
        solver.preconditioner.solve_factor(&mut out);
        out
    });
    (0..m).for_each(|i| e[i * m + i] -= 1.0);
    e
}

#[test]
fn the_norm_is_exact_and_the_trace_zero() {
    for data in designs() {
        let lambdas = lambdas(&data.shapes, 0.8);
        let model = Iterative::new(&data.sums).unwrap();
        let solver = Solver::new(&model.system, &lambdas).unwrap();
        let (e, m) = (e_of(&solver), model.system.m);
        let trace: f64 = (0..m).map(|i| e[i * m + i]).sum();
        assert!(trace.abs() < 1e-10);
        let expected = small::dot(&e, &e);
        let found = norm::squared_norm(&solver);
        assert!((found - expected).abs() < 1e-10 * expected);
    }
}

#[test]
fn the_log_determinant_is_within_its_errors() {
    for data in designs() {
        for size in [0.3, 0.8, 3.0] {
            let lambdas = lambdas(&data.shapes, size);
            let model = Iterative::new(&data.sums).unwrap();
            let (expected, ..) = data.parts(&lambdas);
            let mut outside = 0;
            for seed in 0..20 {
                let probes = some(16, seed);
                let found =
                    model.at(&lambdas, &probes, 1e-11).unwrap().log_det_re();
                let error = (found.value - expected).abs();
                // Solves with the tolerance 1e-4 leave a bias far below the noise.
                outside += usize::from(error > 3.0 * found.std_error + 1e-6);
                assert!(found.std_error < 0.5, "{}", found.std_error);
            }
            // With 15 degrees of freedom 0.9 % of the errors exceed three standard errors.
            assert!(outside <= 2, "{size} {outside}");
        }
    }
}

// An outlying eigenvector near the constants would leave its remainder to the probe vectors: a
// chi-squared variable, whose mean and, even more, standard error 32 vectors estimate badly.
#[test]
fn standard_errors_cover_outliers() {
    for shapes in [[(1, 90), (1, 45)], [(2, 60), (1, 60)]] {
        let data = dense(600, &shapes);
        let lambdas = lambdas(&data.shapes, 1.3);
        let model = Iterative::new(&data.sums).unwrap();
        let (expected, ..) = data.parts(&lambdas);
        let (mut outside, mut squares) = (0, 0.0);
        for seed in 0..200 {
            let probes = some(32, seed);
            let found =
                model.at(&lambdas, &probes, 1e-11).unwrap().log_det_re();
            let error = (found.value - expected).abs();
            // Solves with the tolerance 1e-4 leave a bias far below the noise.
            let z = (error - 1e-6).max(0.0) / found.std_error;
            outside += usize::from(z > 3.0);
            squares += z * z;
        }
        // Of a normal variable 0.3 % are outside, and up to 3 % of remainders such as these.
        assert!(outside <= 6, "{outside}");
        assert!(squares < 1.3 * 200.0, "{squares}");
    }
}

#[test]
fn terms_without_variance_are_nothing() {
    for data in designs() {
        let mut lambdas = lambdas(&data.shapes, 0.8);
        lambdas[1].fill(0.0);
        let model = Iterative::new(&data.sums).unwrap();
        let probes = some(16, 3);
        let found = model.at(&lambdas, &probes, 1e-11).unwrap();
        let (log_det, _, pwrss) = data.parts(&lambdas);
        assert!((found.border.pwrss - pwrss).abs() < 1e-9 * pwrss);
        let error = (found.log_det_re().value - log_det).abs();
        assert!(error <= 4.0 * found.log_det_re().std_error + 1e-6);
    }
}

// The diagonal of `D S^-1 D'`, from dense algebra.
fn dense_variances(reduced: &reduced::Reduced) -> Vec<f64> {
    let m = reduced.system.m;
    let mut s = s_of(reduced);
    small::cholesky(m, &mut s).unwrap();
    let of_row = |i: usize| {
        let mut unit = vec![[0.0; WIDTH]; m];
        unit[i][0] = 1.0;
        reduced.scale(&mut unit, true);
        let mut half: Vec<f64> = unit.iter().map(|row| row[0]).collect();
        small::forward_solve(m, &s, &mut half);
        small::dot(&half, &half)
    };
    (0..m).map(of_row).collect()
}

#[test]
fn variances_of_some_terms_have_the_digits_of_standard_errors() {
    for data in designs() {
        let model = Iterative::new(&data.sums).unwrap();
        for block in &model.system.trailing {
            let mut lambdas = lambdas(&data.shapes, 0.8);
            let by = |value: &mut f64| *value *= 1e6;
            lambdas[block.term].iter_mut().for_each(by);
            let solver = Solver::new(&model.system, &lambdas).unwrap();
            let expected = dense_variances(&solver.reduced);
            let mut is_wanted = vec![false; lambdas.len()];
            is_wanted[block.term] = true;
            let found = cond_var::cond_var_of(&solver, &is_wanted);
            for (i, row) in block.rows().enumerate() {
                let (level, effect) = (i / block.k, i % block.k);
                let at = (level * block.k + effect) * block.k + effect;
                let ratio = (found[block.term][at] / expected[row]).sqrt();
                assert!((ratio - 1.0).abs() < 1e-4, "{ratio}");
            }
        }
    }
}

// `sum_l (Z'V^-1Z)_ll` of each term, from dense algebra.
fn dense_traces(data: &Dense, lambdas: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = data.n;
    let mut l = data.v(lambdas);
    small::cholesky(n, &mut l).unwrap();
    let of_term = |(z, &(k, q)): (&Vec<f64>, &(usize, usize))| {
        let mut half = z.clone();
        half.chunks_exact_mut(n)
            .for_each(|column| small::forward_solve(n, &l, column));
        let mut sum = vec![0.0; k * k];
        for level in 0..q {
            let own = &half[level * k * n..(level + 1) * k * n];
            small::axpy(1.0, &cross(n, own, own), &mut sum);
        }
        sum
    };
    data.z.iter().zip(&data.shapes).map(of_term).collect()
}

#[test]
fn unit_vectors_give_the_traces_exactly() {
    for (data, size) in designs().iter().zip([0.8, 0.3, 2.0, 0.8, 0.7, 1.5]) {
        // One term has little variance or none, another little of its last effect, or none.
        for share in [1.0, 1e-2, 1e-6, 0.0] {
            let mut lambdas = lambdas(&data.shapes, size);
            lambdas[0].iter_mut().for_each(|element| *element *= share);
            let last = lambdas[1].len() - 1;
            lambdas[1][last] *= share;
            let model = Iterative::new(&data.sums).unwrap();
            let solver = Solver::new(&model.system, &lambdas).unwrap();
            let m = model.system.m;
            let units = |first: usize| {
                let mut z = vec![[0.0; WIDTH]; m];
                (first..m.min(first + WIDTH))
                    .for_each(|i| z[i][i - first] = 1.0);
                z
            };
            let z: Vec<Vec<Row>> = (0..m).step_by(WIDTH).map(units).collect();
            let mut tally = traces::Tally::new(&solver);
            for z in &z {
                let mut rhs = z.clone();
                solver.preconditioner.times(&mut rhs);
                let solved = solver.solve(&rhs, 1e-13);
                tally.add_exact(z, (solved.x, solved.first), WIDTH);
            }
            let found = tally.finish().mean;
            let expected = dense_traces(data, &lambdas);
            for (term, trace) in found.iter().enumerate() {
                let largest =
                    expected[term].iter().fold(0.0f64, |a, b| a.max(b.abs()));
                for (found, expected) in trace.iter().zip(&expected[term]) {
                    assert!(
                        (found - expected).abs() < 1e-9 * largest,
                        "{found} {expected}"
                    );
                }
            }
        }
    }
}

// Whether an element of a trace differs from the expected one by more than three standard errors.
fn is_outside(
    traces: &traces::Estimate,
    (term, at): (usize, usize),
    expected: f64,
) -> bool {
    let deviations = traces.deviations.iter();
    let squares: f64 = deviations.map(|d| d[term][at].powi(2)).sum();
    let n = traces.deviations.len() as f64;
    let error = (traces.mean[term][at] - expected).abs();
    // Solves with the tolerance 1e-4 leave a bias.
    error > 3.0 * (squares / (n * (n - 1.0))).sqrt() + 1e-5 * expected.abs()
}

#[test]
fn traces_are_within_their_errors() {
    for data in designs() {
        for size in [0.3, 0.8, 3.0] {
            let lambdas = lambdas(&data.shapes, size);
            let model = Iterative::new(&data.sums).unwrap();
            let expected = dense_traces(&data, &lambdas);
            let (mut outside, mut all) = (0, 0);
            for seed in 0..10 {
                let probes = some(32, seed);
                let found = model.at(&lambdas, &probes, 1e-11).unwrap();
                let traces = &found.probed.traces;
                for (term, expected) in expected.iter().enumerate() {
                    for (at, expected) in expected.iter().enumerate() {
                        let place = (term, at);
                        all += 1;
                        let is = is_outside(traces, place, *expected);
                        outside += usize::from(is);
                    }
                }
            }
            // With 31 degrees of freedom 0.5 % are outside; the elements of one term are dependent.
            assert!(outside <= 1 + all / 25, "{size} {outside} {all}");
        }
    }
}

#[test]
fn logarithms_of_tridiagonal_matrices() {
    // One iteration has T = 1 / alpha.
    let one = tridiagonal::moments(&[0.5], &[0.0]);
    assert!((one.log - 2f64.ln()).abs() < 1e-15);
    // T = [2 1; 1 3] has the eigenvalues (5 -+ sqrt 5) / 2.
    let found = tridiagonal::moments(&[0.5, 0.4], &[0.25, 0.0]);
    assert!(
        (found.first - 1.0).abs() < 1e-15 && (found.second - 2.0).abs() < 1e-15
    );
    let root = 5f64.sqrt();
    let (low, high) = ((5.0 - root) / 2.0, (5.0 + root) / 2.0);
    // The first components of the eigenvectors are (T11 - other) / (value - other), squared.
    let share = (2.0 - low) / (high - low);
    let expected = share * high.ln() + (1.0 - share) * low.ln();
    assert!(
        (found.log - expected).abs() < 1e-14,
        "{} {expected}",
        found.log
    );
}

#[test]
fn one_term_is_left_to_the_factor() {
    let data = dense(50, &[(1, 5)]);
    assert!(matches!(
        Iterative::new(&data.sums),
        Err(Error::Dimension { .. })
    ));
}

#[test]
fn levels_within_others_leave_little_noise() {
    let data = nested(3000, &[(1, 200), (1, 40), (1, 150)], &[(2, 1)]);
    let lambdas = lambdas(&data.shapes, 1.5);
    let model = Iterative::new(&data.sums).unwrap();
    assert_eq!(model.system.nested.len(), 150);
    let found = model.at(&lambdas, &some(8, 1), 1e-11).unwrap();
    let mut alone = (*model.system).clone();
    alone.nested.clear();
    let system = Arc::new(alone);
    let without = Iterative { system };
    let without = without.at(&lambdas, &some(8, 1), 1e-11).unwrap();
    let errors = [&found, &without].map(|at| at.log_det_re().std_error);
    assert!(errors[0] < 0.05 * errors[1], "{errors:?}");
    assert!(found.iterations() < without.iterations());
}

#[test]
fn noise_of_traces_stays_small_where_lambda_is_nearly_singular() {
    let data = &designs()[2];
    let model = Iterative::new(&data.sums).unwrap();
    let term = model.system.trailing[0].term;
    // The size of the deviations of the probe vectors in `W Lambda`, half of a gradient.
    let size = |share: f64| {
        let mut lambdas = lambdas(&data.shapes, 1.5);
        let lambda = &mut lambdas[term];
        *lambda.last_mut().unwrap() *= share;
        let lambda = lambda.clone();
        let found = model.at(&lambdas, &some(32, 1), 1e-11).unwrap();
        let mut squares = 0.0;
        let mut product = vec![0.0; lambda.len()];
        for deviation in &found.probed.traces.deviations {
            let k = lambda.len().isqrt();
            small::multiply(k, &deviation[term], &lambda, &mut product);
            squares += small::dot(&product, &product);
        }
        squares.sqrt()
    };
    let regular = size(1.0);
    for share in [0.1, 1e-2, 1e-3, 1e-5, 0.0] {
        let found = size(share);
        assert!(found < 3.0 * regular, "{share} {found} {regular}");
    }
}
