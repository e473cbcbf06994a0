//! Slopes far from zero in sums, and refusals of those that resemble other effects.

use super::*;
use crate::derivatives::tests::{us, Data};
use crate::design::{Column, Columns, Design};
use crate::factor::sums_of_rows::Centre;

pub(in crate::coordinates) const ROWS: usize = 48;

pub(in crate::coordinates) fn level(row: usize) -> usize {
    row % 4
}

// A covariate that is the same in all levels if it depends on `row / 4`.
fn covariate(origin: f64, place: impl Fn(usize) -> usize) -> Vec<f64> {
    let value = |row: usize| origin + (place(row) as f64 * 1.7).sin();
    (0..ROWS).map(value).collect()
}

// The values where `is_in` holds, and zeros elsewhere.
pub(in crate::coordinates) fn part(
    values: &[f64],
    is_in: impl Fn(usize) -> bool,
) -> Vec<f64> {
    let rows = values.iter().enumerate();
    rows.map(|(i, v)| if is_in(i) { *v } else { 0.0 }).collect()
}

fn is_first(row: usize) -> bool {
    row / 4 % 2 == 0
}

// Calls `body` with the design of these columns of X, and of Z by four levels.
pub(in crate::coordinates) fn with_design<T>(
    x: &[Vec<f64>],
    z: &[Vec<f64>],
    body: impl FnOnce(&Design) -> T,
) -> T {
    let effects: Vec<_> = (0..z.len()).map(|j| us(1, j)).collect();
    let data = Data::new(ROWS, 1, vec![(Box::new(level) as _, effects)]);
    let mut design = data.design();
    let of_x = x.iter().map(|values| Column::Doubles(values));
    design.x = Columns::new(of_x.collect());
    let of_z = z.iter().map(|values| Column::Doubles(values));
    design.terms[0].z = Columns::new(of_z.collect());
    body(&design)
}

// The sums of these columns of X and Z, by four levels.
fn sums_of(x: &[Vec<f64>], z: &[Vec<f64>]) -> (Sums, Vec<RelCov>) {
    with_design(x, z, |design| {
        let sums = Sums::from_rows(design, &Centre::of(design)).unwrap();
        (sums, design.covs())
    })
}

fn spreads(x: &[Vec<f64>], z: &[Vec<f64>]) -> Vec<f64> {
    let (sums, covs) = sums_of(x, z);
    let found = far_slopes(&sums, &covs);
    found.iter().map(|slope| slope.spread).collect()
}

fn confirmed(x: &[Vec<f64>], z: &[Vec<f64>]) -> Result<()> {
    let (sums, covs) = sums_of(x, z);
    let none = vec![small::identity(z.len())];
    let basis = Basis::of_sums(&sums, &none, &covs, false, |_| false)?;
    confirm_distinct_in_sums(&sums, &basis, &[])
}

#[test]
fn slopes_far_from_zero_are_found_beside_any_columns_of_x() {
    let one = vec![1.0; ROWS];
    let categories = [part(&one, is_first), part(&one, |row| !is_first(row))];
    for place in [|row: usize| row, |row: usize| row / 4] {
        let x = covariate(1e4, place);
        let slopes = [
            part(&x, is_first),
            part(&x, |row| !is_first(row)),
            one.clone(),
        ];
        for fixed in [&[one.clone()][..], &categories] {
            for z in [&[x.clone()][..], &slopes] {
                let found = spreads(fixed, z);
                assert_eq!(found.len(), z.len().min(2));
                let size = 0.7e-4;
                assert!(found.iter().all(|s| (s / size - 1.0).abs() < 0.2));
            }
        }
        assert_eq!(spreads(&categories, &slopes[..1]).len(), 1);
        assert_eq!(spreads(&categories, &[covariate(0.0, place)]), [0.0; 0]);
    }
}

#[test]
fn sums_refuse_slopes_that_resemble_other_effects() {
    let one = vec![1.0; ROWS];
    let lost = |beside| {
        Err(Error::Origin {
            term: 0,
            column: 0,
            beside,
        })
    };
    for place in [|row: usize| row, |row: usize| row / 4] {
        for origin in [1e8, 1e9] {
            let x = covariate(origin, place);
            let fixed = [one.clone(), x.clone()];
            let alone = [x.clone()];
            let both = [x.clone(), one.clone()];
            assert_eq!(confirmed(&fixed, &both), lost(Beside::Effects));
            assert_eq!(confirmed(&fixed, &alone), Ok(()));
            let beside_one = confirmed(&fixed[..1], &alone);
            assert_eq!(beside_one, lost(Beside::Products));
            assert_eq!(confirmed(&fixed, &fixed[..1]), Ok(()));
        }
    }
}

#[test]
fn sums_refuse_slopes_in_categories_beside_levels() {
    let one = vec![1.0; ROWS];
    let mut levels: Vec<Vec<f64>> = (1..4)
        .map(|own| part(&one, |row| level(row) == own))
        .collect();
    levels.insert(0, one);
    let of = |origin| {
        let x = covariate(origin, |row| row);
        let slopes = [part(&x, is_first), part(&x, |row| !is_first(row))];
        confirmed(&levels, &slopes)
    };
    assert_eq!(of(1e3), Ok(()));
    for origin in [1e5, 1e6] {
        assert!(matches!(
            of(origin),
            Err(Error::Origin {
                beside: Beside::Levels,
                ..
            })
        ));
    }
}
