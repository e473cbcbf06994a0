//! Lambda, its canonical form and its derivatives for each structure.

use super::*;
use crate::error::Error;

#[test]
fn lambda_of_two_parts_is_block_diagonal() {
    let cov = RelCov::new(vec![
        Part::new(Structure::Diagonal, 1, 3),
        Part::new(Structure::Unstructured, 2, 0),
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
    let part = Part::new(Structure::HomogeneousDiagonal, 3, 0);
    let cov = RelCov::new(vec![part]);
    let mut lambda = vec![0.0; 9];
    cov.fill_lambda(&[2.0], &mut lambda);
    assert_eq!(lambda, [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0]);
    assert!(cov.is_diagonal());
}

#[test]
fn displaced_theta_has_the_wanted_omega() {
    let cov = RelCov::new(vec![
        Part::new(Structure::Diagonal, 1, 3),
        Part::new(Structure::Unstructured, 2, 0),
    ]);
    // Omega = [4 2; 2 1], singular, plus 2 [1 -1]'[1 -1].
    let mut theta = [2.0, 1.0, 0.0, 9.0];
    let change = [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, -1.0, 1.0];
    cov.displace(1, 2.0, &change, &mut theta);
    assert!(
        (theta[0] * theta[0] - 6.0).abs() < 1e-14
            && (theta[0] * theta[1]).abs() < 1e-14
    );
    assert!((theta[1] * theta[1] + theta[2] * theta[2] - 3.0).abs() < 1e-14);
    cov.displace(
        0,
        19.0,
        &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        &mut theta,
    );
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
    let element = |i: usize, j: usize| {
        (0..k).map(|c| lambda[c * k + i] * lambda[c * k + j]).sum()
    };
    (0..k * k).map(|at| element(at % k, at / k)).collect()
}

#[test]
fn lambda_is_the_factor_of_the_correlation_up_to_its_ends() {
    for (structure, low) in
        CORRELATED
            .into_iter()
            .zip([-1.0 / 3.0, -1.0 / 3.0, -1.0, -1.0])
    {
        let n = structure.n_theta(4);
        let cov = RelCov::new(vec![Part::new(structure, 4, 0)]);
        for rho in [low, -0.2, 0.0, 0.4, 1.0] {
            let mut theta: Vec<f64> = (1..=n).map(|s| s as f64).collect();
            theta[n - 1] = rho;
            let is_power = matches!(
                structure,
                Structure::Autoregressive
                    | Structure::HomogeneousAutoregressive
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
fn correlations_out_of_range_are_errors() {
    let cov = RelCov::new(vec![Part::new(Structure::CompoundSymmetry, 3, 0)]);
    assert!(cov.validate(&[1.0, 1.0, 1.0, -0.5]).is_ok());
    let error = cov.validate(&[1.0, 1.0, 1.0, -0.6]);
    assert!(
        matches!(error, Err(Error::Parameter { index: 3, .. })),
        "{error:?}"
    );
}

#[test]
fn new_variance_has_the_correlation_that_is_asked_for() {
    let homogeneous = |structure| RelCov::new(vec![Part::new(structure, 3, 0)]);
    let mut theta = [0.0, 1.0];
    let equal = [1.0, -0.5, -0.5, -0.5, 1.0, -0.5, -0.5, -0.5, 1.0];
    homogeneous(Structure::HomogeneousCompoundSymmetry)
        .displace(0, 4.0, &equal, &mut theta);
    assert_eq!(theta, [2.0, -0.5]);
    let powers = [1.0, 0.7, 0.49, 0.7, 1.0, 0.7, 0.49, 0.7, 1.0];
    theta[0] = 0.0;
    homogeneous(Structure::HomogeneousAutoregressive)
        .displace(0, 9.0, &powers, &mut theta);
    assert!((theta[0] - 3.0).abs() < 1e-14 && (theta[1] - 0.7).abs() < 1e-14);
}

#[test]
fn names_are_mapped_to_structures() {
    for structure in Structure::all() {
        assert_eq!(Structure::from_name(structure.name()).unwrap(), structure);
    }
}

#[test]
fn correlations_stand_side_by_side() {
    for structure in Structure::all() {
        let part = Part::new(structure, 4, 0);
        let is_correlation = |j: usize| part.roles()[j].is_correlation();
        let own = part.correlations();
        assert!((0..part.roles().len())
            .all(|j| is_correlation(j) == own.contains(&j)));
    }
}

// Every covariance of a structure is mapped back to its theta.
#[test]
fn nearest_theta_is_the_theta_of_omega() {
    for structure in Structure::all() {
        let part = Part::new(structure, 3, 0);
        let value = |(j, role): (usize, &Role)| match role {
            Role::Correlation { .. } => 0.4 - 0.1 * j as f64,
            _ => 1.0 + 0.3 * j as f64,
        };
        let theta: Vec<f64> =
            part.roles().iter().enumerate().map(value).collect();
        let mut found = vec![0.0; theta.len()];
        part.nearest(&part.omega(&theta), &mut found);
        for (found, theta) in found.iter().zip(&theta) {
            assert!(
                (found - theta).abs() < 1e-12,
                "{structure:?}: {found} {theta}"
            );
        }
    }
}

// Standard deviations (s_1, 0, s_3) with the correlation rho^2: the sign of rho is undetermined.
#[test]
fn correlation_of_other_pairs() {
    let part = Part::new(Structure::Autoregressive, 3, 0);
    let mut theta = [0.0; 4];
    part.nearest(&[4.0, 0.0, 0.72, 0.0, 0.0, 0.0, 0.72, 0.0, 9.0], &mut theta);
    for (found, exact) in theta.iter().zip([2.0, 0.0, 3.0, 0.12f64.sqrt()]) {
        assert!((found - exact).abs() < 1e-8, "{theta:?}");
    }
}

// The range rho_2 >= 2 rho_1^2 - 1 excludes the start at zero if rho_1 = 0.9.
#[test]
fn a_held_correlation_leaves_a_start() {
    let part = Part::new(Structure::HomogeneousToeplitz, 3, 2);
    let cov = RelCov::new(vec![Part::new(Structure::Diagonal, 2, 0), part]);
    let mut theta = [1.0, 1.0, 1.0, 0.0, 0.0];
    cov.hold(&[(0, 2.0), (3, 0.9)], &mut theta);
    assert_eq!(theta[..4], [2.0, 1.0, 1.0, 0.9]);
    assert!((theta[4] - 0.81).abs() < 1e-15);
    assert!(cov.validate(&theta).is_ok());
}
