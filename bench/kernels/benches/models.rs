//! Benchmarks of whole models: the cross-products, then one evaluation of the objective, the
//! gradient and the Hessian.

use criterion::{criterion_group, criterion_main, Criterion};
use rlmm_core::{Criterion as Objective, LinearMixedModel};
use rlmm_kernels::{crossed, insteval, sleepstudy, slopes, Model};

fn bench_model(c: &mut Criterion, name: &str, data: &Model) {
    let design = data.design();
    let model = || {
        LinearMixedModel::new(&design, Objective::Reml, None)
            .expect("the design is valid")
    };
    let mut group = c.benchmark_group(name);
    group.sample_size(10);
    group.bench_function("cross-products", |b| b.iter(model));
    let mut model = model();
    let n = model.n_theta();
    let start = model.start().to_vec();
    // A second evaluation at the same theta would cost nothing.
    let mut shift = 0.0;
    let mut elsewhere = |theta: &mut Vec<f64>| {
        shift = 1e-3 - shift;
        theta
            .iter_mut()
            .zip(&start)
            .for_each(|(t, s)| *t = s + shift);
    };
    let (mut theta, mut gradient, mut hessian) =
        (start.clone(), vec![0.0; n], vec![0.0; n * n]);
    group.bench_function("objective", |b| {
        b.iter(|| {
            elsewhere(&mut theta);
            model.objective(&theta).expect("theta is valid")
        });
    });
    group.bench_function("objective, gradient", |b| {
        b.iter(|| {
            elsewhere(&mut theta);
            let point = model.at(&theta).expect("theta is valid");
            point.slopes().gradient(&mut gradient);
        });
    });
    let curvature = model.affordable_hessian();
    group.bench_function(
        format!("objective, gradient, {} Hessian", curvature.name()),
        |b| {
            b.iter(|| {
                elsewhere(&mut theta);
                let point = model.at(&theta).expect("theta is valid");
                let mut second = point.slopes().hessian(curvature);
                second.gradient(&mut gradient);
                second.fill(&mut hessian);
            });
        },
    );
    group.bench_function("fit", |b| {
        let settings = Default::default();
        b.iter(|| {
            let start = model.start().to_vec();
            model
                .fit(&start, &settings, &mut |_, _, _| {
                    rlmm_core::optimize::Flow::Continue
                })
                .expect("it converges")
        });
    });
    group.finish();
}

fn models(c: &mut Criterion) {
    bench_model(c, "sleepstudy", &sleepstudy());
    bench_model(c, "crossed 8 x 8 + 8 x 8", &crossed());
    bench_model(c, "slopes, 10,000 groups", &slopes());
    bench_model(c, "InstEval", &insteval());
}

criterion_group!(benches, models);
criterion_main!(benches);
