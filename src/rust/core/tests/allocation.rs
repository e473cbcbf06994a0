//! After the first evaluation, further ones of the objective, its gradient and its Hessian allocate
//! no memory.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::{random_levels, Data, Random};
use rlmm_core::covariance::Structure;
use rlmm_core::derivatives::HessianKind;
use rlmm_core::{Criterion, LinearMixedModel};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all calls are forwarded to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

fn assert_free_of_allocations(name: &str, data: &Data) {
    let mut model =
        LinearMixedModel::new(&data.design(), Criterion::Reml, None).unwrap();
    let n = model.n_theta();
    let (mut gradient, mut hessian) = (vec![0.0; n], vec![0.0; n * n]);
    let mut theta = model.start().to_vec();
    for evaluation in 0..6 {
        // From the third evaluation on the covariances are singular.
        let is_singular = evaluation > 2;
        theta
            .iter_mut()
            .for_each(|t| *t *= if is_singular { 0.0 } else { 1.1 });
        theta[0] += f64::from(evaluation);
        let objective =
            allocations(|| assert!(model.objective(&theta).is_ok()));
        let mut slopes = |gradient: &mut [f64]| {
            let slopes = model.at(&theta).unwrap().slopes();
            slopes.gradient(gradient);
            assert!(!slopes.g().is_empty());
        };
        let slope = allocations(|| slopes(&mut gradient));
        let curvature = allocations(|| {
            for kind in [HessianKind::Average, HessianKind::Exact] {
                let mut found =
                    model.at(&theta).unwrap().slopes().hessian(kind);
                found.fill(&mut hessian);
                assert!(!found.h().is_empty());
            }
        });
        if evaluation > 0 && evaluation != 3 {
            let counts = (objective, slope, curvature);
            assert_eq!(
                counts,
                (0, 0, 0),
                "{name}, singular: {is_singular}: objective, gradient, Hessian"
            );
        }
    }
}

#[test]
fn counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![0u8; 10]))), 1);
}

#[test]
fn evaluations_allocate_nothing() {
    let mut random = Random::new(5);
    let us = |k| vec![(Structure::Unstructured, k)];
    let levels = |random: &mut Random, n, q| random_levels(random, n, q);
    let refs = levels(&mut random, 300, 20);
    let one = Data::new(&mut random, 300, 3).with_term(
        &mut random,
        refs.clone(),
        &us(2),
    );
    assert_free_of_allocations("one factor", &one);
    let other = levels(&mut random, 300, 12);
    let crossed = one.with_term(&mut random, other, &us(1));
    assert_free_of_allocations("crossed, small", &crossed);
    // The leading levels are coupled with nearly all trailing ones.
    let (s, i) = (levels(&mut random, 1500, 40), levels(&mut random, 1500, 30));
    let full = Data::new(&mut random, 1500, 6)
        .with_term(&mut random, s, &us(4))
        .with_term(&mut random, i, &us(3));
    assert_free_of_allocations("crossed, full", &full);
    // A chain of nested terms has a sparse trailing system.
    let classes = levels(&mut random, 4000, 1500);
    let schools: Vec<i32> =
        classes.iter().map(|class| 1 + (class - 1) / 3).collect();
    let chain =
        Data::new(&mut random, 4000, 2).with_term(&mut random, classes, &us(1));
    let chain = chain.with_term(&mut random, schools, &us(1));
    assert!(
        LinearMixedModel::new(&chain.design(), Criterion::Reml, None)
            .unwrap()
            .is_sparse()
    );
    assert_free_of_allocations("nested", &chain);
    let structures = [
        Structure::Diagonal,
        Structure::HomogeneousDiagonal,
        Structure::CompoundSymmetry,
        Structure::HomogeneousCompoundSymmetry,
        Structure::Autoregressive,
        Structure::HomogeneousAutoregressive,
        Structure::Toeplitz,
        Structure::HomogeneousToeplitz,
    ];
    for structure in structures {
        let (a, b) =
            (levels(&mut random, 300, 20), levels(&mut random, 300, 12));
        let one = Data::new(&mut random, 300, 3).with_term(
            &mut random,
            a,
            &[(structure, 3)],
        );
        assert_free_of_allocations(&format!("{structure:?}"), &one);
        let crossed = one.with_term(
            &mut random,
            b,
            &[(structure, 2), (Structure::Unstructured, 1)],
        );
        assert_free_of_allocations(
            &format!("{structure:?}, crossed"),
            &crossed,
        );
    }
}
