//! Lambda, its canonical form and its derivatives for each structure.

use super::*;

#[test]
fn lambda_of_two_parts_is_block_diagonal() {
    let cov = RelCov::new(vec![
        Part {
            structure: Structure::Diagonal,
            size: 1,
            theta_start: 3,
        },
        Part {
            structure: Structure::Unstructured,
            size: 2,
            theta_start: 0,
        },
    ]);
    let mut lambda = vec![f64::NAN; 9];
    cov.fill_lambda(&[1.0, 2.0, 3.0, 4.0], &mut lambda);
    // [4 . .; . 1 .; . 2 3], column by column
    assert_eq!(lambda, [4.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 3.0]);
    assert_eq!(cov.theta_end(), 4);
    assert!(!cov.is_diagonal());
}

#[test]
fn homogeneous_diagonal_shares_one_parameter() {
    let part = Part {
        structure: Structure::HomogeneousDiagonal,
        size: 3,
        theta_start: 0,
    };
    let cov = RelCov::new(vec![part]);
    let mut lambda = vec![0.0; 9];
    cov.fill_lambda(&[2.0], &mut lambda);
    assert_eq!(lambda, [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0]);
    assert!(cov.is_diagonal());
}

#[test]
fn canonical_theta_has_the_same_omega() {
    let cov = RelCov::new(vec![
        Part {
            structure: Structure::Unstructured,
            size: 2,
            theta_start: 0,
        },
        Part {
            structure: Structure::HomogeneousDiagonal,
            size: 2,
            theta_start: 3,
        },
        Part {
            structure: Structure::Diagonal,
            size: 2,
            theta_start: 4,
        },
    ]);
    let mut theta = [-1.0, 2.0, 3.0, -4.0, 5.0, -6.0];
    cov.make_canonical(&mut theta, &[false; 6]);
    assert_eq!(theta, [1.0, -2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn displaced_theta_has_the_wanted_omega() {
    let cov = RelCov::new(vec![
        Part {
            structure: Structure::Diagonal,
            size: 1,
            theta_start: 3,
        },
        Part {
            structure: Structure::Unstructured,
            size: 2,
            theta_start: 0,
        },
    ]);
    // Omega = [4 2; 2 1], singular, plus 2 [1 -1]'[1 -1].
    let mut theta = [2.0, 1.0, 0.0, 9.0];
    cov.displace(1, 2.0, &[0.0, 1.0, -1.0], 0.0, &mut theta);
    assert!((theta[0] * theta[0] - 6.0).abs() < 1e-14 && (theta[0] * theta[1]).abs() < 1e-14);
    assert!((theta[1] * theta[1] + theta[2] * theta[2] - 3.0).abs() < 1e-14);
    cov.displace(0, 19.0, &[1.0, 0.0, 0.0], 0.0, &mut theta);
    assert_eq!(theta[3], 10.0);
}

#[test]
fn unknown_structure_is_an_error() {
    assert!(matches!(
        Structure::from_name("ar2"),
        Err(Error::UnknownStructure { .. })
    ));
}

const CORRELATED: [Structure; 4] = [
    Structure::CompoundSymmetry,
    Structure::HomogeneousCompoundSymmetry,
    Structure::Autoregressive,
    Structure::HomogeneousAutoregressive,
];

fn omega(cov: &RelCov, theta: &[f64]) -> Vec<f64> {
    let k = cov.vsize();
    let mut lambda = vec![0.0; k * k];
    cov.fill_lambda(theta, &mut lambda);
    let element = |i: usize, j: usize| (0..k).map(|c| lambda[c * k + i] * lambda[c * k + j]).sum();
    (0..k * k).map(|at| element(at % k, at / k)).collect()
}

#[test]
fn lambda_is_the_factor_of_the_correlation_up_to_its_ends() {
    for (structure, low) in CORRELATED
        .into_iter()
        .zip([-1.0 / 3.0, -1.0 / 3.0, -1.0, -1.0])
    {
        let n = structure.n_theta(4);
        let cov = RelCov::new(vec![Part {
            structure,
            size: 4,
            theta_start: 0,
        }]);
        for rho in [low, -0.2, 0.0, 0.4, 1.0] {
            let mut theta: Vec<f64> = (1..=n).map(|s| s as f64).collect();
            theta[n - 1] = rho;
            let is_power = matches!(
                structure,
                Structure::Autoregressive | Structure::HomogeneousAutoregressive
            );
            let sd = |i: usize| if n == 2 { 1.0 } else { theta[i] };
            for (at, value) in omega(&cov, &theta).iter().enumerate() {
                let (i, j) = (at % 4, at / 4);
                let distance = i.abs_diff(j) as i32;
                let r = if is_power || distance == 0 {
                    rho.powi(distance)
                } else {
                    rho
                };
                assert!(
                    (value - sd(i) * sd(j) * r).abs() < 1e-13,
                    "{structure:?} at {rho}: {value}"
                );
            }
        }
    }
}

#[test]
fn working_coordinates_lead_back() {
    for structure in CORRELATED {
        let cov = RelCov::new(vec![Part {
            structure,
            size: 3,
            theta_start: 0,
        }]);
        let n = structure.n_theta(3);
        for rho in [-0.5, 0.1, 1.0] {
            let mut theta = vec![1.5; n];
            theta[n - 1] = rho;
            let (mut x, mut first, mut second) = (theta.clone(), vec![0.0; n], vec![0.0; n]);
            cov.working(&mut x);
            cov.natural(&mut x, &mut first, &mut second);
            assert!((x[n - 1] - rho).abs() < 1e-15);
        }
    }
}

// The canonical form with some elements held.
fn project(structure: Structure, size: usize, mut x: Vec<f64>, held: &[usize]) -> Vec<f64> {
    let is_held: Vec<bool> = (0..x.len()).map(|j| held.contains(&j)).collect();
    RelCov::new(vec![Part {
        structure,
        size,
        theta_start: 0,
    }])
    .make_canonical(&mut x, &is_held);
    x
}

#[test]
fn signs_that_another_correlation_stands_for() {
    let project = |structure, size, x: Vec<f64>| project(structure, size, x, &[]);
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
    assert_eq!(project(cs, 2, vec![1.0, -2.0, 0.3], &[0]), [1.0, 0.0, 0.3]);
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
    let kinks = |structure, held: [bool; 3]| {
        let mut found = Vec::new();
        RelCov::new(vec![Part {
            structure,
            size: 2,
            theta_start: 0,
        }])
        .for_each_kink(&held, |j| found.push(j));
        found
    };
    assert_eq!(kinks(us, [false; 3]), []);
    assert_eq!(kinks(us, [false, true, false]), [0]);
    assert_eq!(kinks(cs, [false; 3]), [0, 1]);
}

#[test]
fn correlations_out_of_range_are_errors() {
    let cov = RelCov::new(vec![Part {
        structure: Structure::CompoundSymmetry,
        size: 3,
        theta_start: 0,
    }]);
    assert!(cov.validate(&[1.0, 1.0, 1.0, -0.5]).is_ok());
    let error = cov.validate(&[1.0, 1.0, 1.0, -0.6]);
    assert!(
        matches!(error, Err(Error::Parameter { index: 3, .. })),
        "{error:?}"
    );
}

#[test]
fn new_variance_has_the_correlation_that_is_asked_for() {
    let homogeneous = |structure| {
        RelCov::new(vec![Part {
            structure,
            size: 3,
            theta_start: 0,
        }])
    };
    let mut theta = [0.0, 1.0];
    homogeneous(Structure::HomogeneousCompoundSymmetry)
        .displace(0, 4.0, &[1.0; 3], -0.5, &mut theta);
    assert_eq!(theta, [2.0, -0.5]);
    homogeneous(Structure::HomogeneousAutoregressive).displace(0, 5.0, &[1.0; 3], 0.7, &mut theta);
    assert_eq!(theta, [3.0, 0.7]);
}
