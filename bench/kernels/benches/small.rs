//! Benchmarks of the kernels for one level.

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, Criterion};
use rlmm_core::kernels::small;
use rlmm_kernels::Random;

// Lambda has 0.5 on and 0.1 below the diagonal; A = R'R for a random R.
fn level(k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut random = Random(1);
    let r: Vec<f64> = (0..k * k).map(|_| random.normal()).collect();
    let (mut a, mut lambda) = (vec![0.0; k * k], vec![0.0; k * k]);
    for j in 0..k {
        (0..k).for_each(|i| {
            a[j * k + i] =
                small::dot(&r[i * k..(i + 1) * k], &r[j * k..(j + 1) * k])
        });
        (j..k).for_each(|i| lambda[j * k + i] = if i == j { 0.5 } else { 0.1 });
    }
    (a, lambda)
}

// T = Lambda'A Lambda + I, its factor, and M = Lambda L^-T: the operations of an evaluation for
// each leading level.
fn bench_size(
    c: &mut Criterion,
    k: usize,
    eliminate: impl Fn(&[f64], &[f64], &mut [f64], &mut [f64], &mut [f64]),
) {
    let (a, lambda) = level(k);
    let (mut work, mut t, mut m) =
        (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * k]);
    c.bench_function(&format!("eliminate a unit, k = {k}"), |b| {
        b.iter(|| {
            eliminate(
                black_box(&a),
                black_box(&lambda),
                &mut work,
                &mut t,
                &mut m,
            )
        });
    });
}

#[inline(always)]
fn eliminate(
    k: usize,
    a: &[f64],
    lambda: &[f64],
    work: &mut [f64],
    t: &mut [f64],
    m: &mut [f64],
) {
    small::scale_inflate(k, a, lambda, work, t);
    black_box(small::cholesky(k, t));
    small::right_solve_transposed(k, lambda, t, m);
}

fn small_kernels(c: &mut Criterion) {
    // The sizes of `for_size!`, and one that is known at run time only.
    bench_size(c, 1, |a, lambda, work, t, m| {
        eliminate(1, a, lambda, work, t, m)
    });
    bench_size(c, 2, |a, lambda, work, t, m| {
        eliminate(2, a, lambda, work, t, m)
    });
    bench_size(c, 3, |a, lambda, work, t, m| {
        eliminate(3, a, lambda, work, t, m)
    });
    bench_size(c, 8, |a, lambda, work, t, m| {
        eliminate(black_box(8), a, lambda, work, t, m)
    });
}

criterion_group!(benches, small_kernels);
criterion_main!(benches);
