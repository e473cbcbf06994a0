//! The canonical form of coordinates, and the transformation from theta to coordinates and back.

use super::*;
use crate::coordinates::Coordinates;
use crate::covariance::{RelCov, Structure};

// The canonical form where some elements are held.
fn project(
    structure: Structure,
    size: usize,
    mut x: Vec<f64>,
    held: &[usize],
) -> Vec<f64> {
    let is_held: Vec<bool> = (0..x.len()).map(|j| held.contains(&j)).collect();
    make_canonical(&Part::new(structure, size, 0), &mut x, &is_held);
    x
}

#[test]
fn canonical_theta_has_the_same_omega() {
    let project =
        |structure, size, x: Vec<f64>| project(structure, size, x, &[]);
    assert_eq!(
        project(Structure::Unstructured, 2, vec![-1.0, 2.0, 3.0]),
        [1.0, -2.0, 3.0]
    );
    assert_eq!(
        project(Structure::HomogeneousDiagonal, 2, vec![-4.0]),
        [4.0]
    );
    assert_eq!(project(Structure::Diagonal, 2, vec![5.0, -6.0]), [5.0, 6.0]);
}

#[test]
fn angles_lead_back() {
    for structure in Structure::correlated() {
        let part = Part::new(structure, 3, 0);
        let n = part.roles().len();
        let (low, high) = part.roles()[n - 1].bounds();
        for rho in [0.8 * low, 0.1, high] {
            let mut x = vec![0.3; n];
            x[n - 1] = rho;
            angles::from_theta(&part, &mut x, &vec![false; n]);
            angles::to_theta(&part, &mut x, &vec![false; n]);
            assert!((x[n - 1] - rho).abs() < 1e-15);
        }
    }
}

#[test]
fn signs_that_another_correlation_stands_for() {
    let project =
        |structure, size, x: Vec<f64>| project(structure, size, x, &[]);
    assert_eq!(
        project(Structure::CompoundSymmetry, 2, vec![1.0, -2.0, 0.3]),
        [1.0, 2.0, -0.3]
    );
    assert_eq!(
        project(Structure::CompoundSymmetry, 3, vec![-1.0, -2.0, -3.0, 0.3]),
        [1.0, 2.0, 3.0, 0.3]
    );
    assert_eq!(
        project(Structure::CompoundSymmetry, 3, vec![1.0, -2.0, 3.0, 0.3]),
        [1.0, 0.0, 3.0, 0.3]
    );
    assert_eq!(
        project(Structure::Autoregressive, 3, vec![-1.0, 2.0, -3.0, 0.3]),
        [1.0, 2.0, 3.0, -0.3]
    );
    assert_eq!(
        project(Structure::HomogeneousAutoregressive, 3, vec![-1.0, 0.3]),
        [1.0, 0.3]
    );
}

#[test]
fn held_elements_leave_no_other_signs() {
    let (cs, us) = (Structure::CompoundSymmetry, Structure::Unstructured);
    assert_eq!(project(cs, 2, vec![1.0, -2.0, 0.3], &[2]), [1.0, 0.0, 0.3]);
    assert_eq!(project(cs, 2, vec![-1.0, -2.0, 0.3], &[2]), [1.0, 2.0, 0.3]);
    assert_eq!(project(cs, 2, vec![1.0, -2.0, 0.3], &[0]), [1.0, 2.0, -0.3]);
    assert_eq!(
        project(cs, 3, vec![1.0, -2.0, 1.0, 0.3], &[0]),
        [1.0, 0.0, 1.0, 0.3]
    );
    assert_eq!(
        project(
            Structure::HomogeneousAutoregressive,
            3,
            vec![-1.0, 0.3],
            &[1]
        ),
        [1.0, 0.3]
    );
    assert_eq!(project(us, 2, vec![-1.0, 0.5, -3.0], &[1]), [0.0, 0.5, 3.0]);
    assert_eq!(project(us, 2, vec![-1.0, 0.5, 3.0], &[2]), [1.0, -0.5, 3.0]);
    let kinks =
        |structure, held: [bool; 3]| kinks(&Part::new(structure, 2, 0), &held);
    assert_eq!(kinks(us, [false; 3]), []);
    assert_eq!(kinks(us, [false, true, false]), [0]);
    assert_eq!(kinks(cs, [false; 3]), [0, 1]);
}

#[test]
fn points_below_a_bound_without_an_equivalent_are_known() {
    // Only two effects of a compound symmetric covariance can change the sign of their correlation.
    let below = |size: usize, x: &[f64]| {
        let part = Part::new(Structure::CompoundSymmetry, size, 0);
        let start = vec![0.5; x.len()];
        let covs = [RelCov::new(vec![part])];
        Coordinates::new(&covs, &vec![false; x.len()], &[], &start)
            .below_bounds(x)
    };
    assert_eq!(below(2, &[1.0, -2.0, 0.3]), []);
    assert_eq!(below(3, &[-1.0, -2.0, -1.0, 0.3]), []);
    assert_eq!(below(3, &[1.0, -2.0, 1.0, 0.3]), [1]);
}
