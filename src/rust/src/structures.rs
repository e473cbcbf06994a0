//! Covariance structures for R without a model: roles, Lambda and Omega of the user's terms. The
//! elements `structure`, `columns`, `theta` (1-based indices; without it theta is that of the term)
//! and `scale` of each term are read.

use extendr_api::prelude::*;
use rlmm_core::covariance::{Part, Role, Structure};
use rlmm_core::kernels::small;
use rlmm_core::Result;

use crate::error::guard;
use crate::fields::{elements, missing, Fields};
use crate::values::{array, list};

fn part(term: &Fields) -> Result<Part> {
    let kind = term.element("structure");
    let structure = Structure::from_name(kind.as_str().unwrap_or_default())?;
    let size = term.element("columns").len().max(1);
    let indices = term.element("theta");
    let first = indices.as_integer_slice().and_then(|theta| theta.first());
    let start = first.map_or(0, |&first| (first - 1).max(0) as usize);
    Ok(Part::new(structure, size, start))
}

// One element for each term.
fn by_term(
    random: &List,
    mut of: impl FnMut(&Fields, &Part) -> Result<Robj>,
) -> Robj {
    guard(|| {
        let mut found = Vec::with_capacity(random.len());
        for term in elements(random) {
            let term = Fields::of(term, "random")?;
            found.push(of(&term, &part(&term)?)?);
        }
        Ok(List::from_values(found).into_robj())
    })
}

fn own<'a>(part: &Part, theta: &'a [f64]) -> Result<&'a [f64]> {
    theta.get(part.range()).ok_or_else(|| missing("theta"))
}

/// The roles of the parameters of each term.
/// @noRd
#[extendr]
fn rust_structures(random: List) -> Robj {
    by_term(&random, |term, part| Ok(roles(part, &scales(term, part)?)))
}

// The root mean square of each column of Z; one if unknown.
fn scales(term: &Fields, part: &Part) -> Result<Vec<f64>> {
    let scales = term.numbers("scale");
    match scales.len() {
        0 => Ok(vec![1.0; part.size]),
        n if n == part.size => Ok(scales),
        _ => Err(missing("scale")),
    }
}

/// For each term the smallest singular value of Lambda, each effect in units of its column of Z, at
/// each column of `thetas` (one theta after another, `n_theta` elements each).
/// @noRd
#[extendr]
fn rust_smallest_singular_values(
    random: List,
    thetas: &[f64],
    n_theta: i32,
) -> Robj {
    by_term(&random, |term, part| {
        let scales = scales(term, part)?;
        let value = |theta| {
            let theta = own(part, theta)?;
            Ok(part.smallest_singular_value(theta, &scales))
        };
        let thetas = thetas.chunks(n_theta.max(1) as usize);
        let values: Result<Vec<f64>> = thetas.map(value).collect();
        Ok(Robj::from(values?))
    })
}

fn roles(part: &Part, rms: &[f64]) -> Robj {
    let roles = part.roles();
    let names: Vec<&str> = roles.iter().map(|role| role_name(*role)).collect();
    let index = |of: fn((usize, usize)) -> usize| {
        let cells = roles.iter().map(|role| of(role.cell()));
        Robj::from(cells.map(|at| at as i32 + 1).collect::<Vec<i32>>())
    };
    let number = |of: &dyn Fn(Role) -> f64| {
        let values = roles.iter().map(|role| of(*role));
        Robj::from(values.collect::<Vec<f64>>())
    };
    list(vec![
        ("role", Robj::from(names)),
        ("row", index(|cell| cell.0)),
        ("col", index(|cell| cell.1)),
        ("start", number(&Role::start)),
        ("lower", number(&|role| role.bounds().0)),
        ("upper", number(&|role| role.bounds().1)),
        ("step_size", number(&|role| role.step_size(rms))),
    ])
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Scale { .. } => "scale",
        Role::CommonScale => "common_scale",
        Role::Factor { .. } => "factor",
        Role::Correlation { .. } => "correlation",
    }
}

/// Lambda of each term.
/// @noRd
#[extendr]
fn rust_lambda(random: List, theta: &[f64]) -> Robj {
    by_term(&random, |_, part| {
        let theta = own(part, theta)?;
        part.validate(theta)?;
        Ok(array(&part.lambda(theta), &[part.size, part.size]))
    })
}

/// Omega of each term with its Jacobian in the term's theta (a row per element), the correlations
/// if they are parameters, with their Jacobian, and their positions within their ranges (from -1 to
/// 1).
/// @noRd
#[extendr]
fn rust_covariances(random: List, theta: &[f64]) -> Robj {
    by_term(&random, |_, part| {
        let theta = own(part, theta)?;
        part.validate(theta)?;
        let dim = [part.size, part.size];
        let rows = [part.size * part.size, theta.len()];
        let mut pairs = vec![
            ("omega", array(&part.omega(theta), &dim)),
            ("jacobian", array(&part.jacobian(theta), &rows)),
        ];
        if !part.correlations().is_empty() {
            let unit = part.with_unit_scales(theta);
            pairs.push(("correlation", array(&part.omega(&unit), &dim)));
            pairs.push((
                "correlation_jacobian",
                array(&part.jacobian(&unit), &rows),
            ));
            let mut shares = theta.to_vec();
            part.from_correlations(&mut shares, &vec![false; theta.len()]);
            pairs.push(("shares", Robj::from(&shares[part.correlations()])));
        }
        Ok(list(pairs))
    })
}

/// For each term the sum over the elements of Omega of `slopes` (`k x k`) times their second
/// derivatives in the term's theta.
/// @noRd
#[extendr]
fn rust_covariance_bends(random: List, theta: &[f64], slopes: List) -> Robj {
    let mut slopes = slopes.values();
    by_term(&random, |_, part| {
        let slopes = slopes.next();
        let slopes = slopes.as_ref().and_then(Robj::as_real_slice);
        let slopes = slopes.ok_or_else(|| missing("slopes"))?;
        let theta = own(part, theta)?;
        let n = theta.len();
        let mut bend = vec![0.0; n * n];
        part.for_each_second_derivative(theta, |i, j, r, s, value| {
            let both = slopes[s * part.size + r] + slopes[r * part.size + s];
            let slope = if r == s { 0.5 * both } else { both };
            small::add_symmetric(n, (i, j), value * slope, &mut bend);
        });
        Ok(array(&bend, &[n, n]))
    })
}

/// Theta of each term with these covariances, or with nearby ones of the structure.
/// @noRd
#[extendr]
fn rust_nearest_theta(random: List, covariances: List) -> Robj {
    let mut covariances = covariances.values();
    by_term(&random, |_, part| {
        let covariance =
            covariances.next().ok_or_else(|| missing("covariances"))?;
        let covariance = covariance
            .as_real_slice()
            .ok_or_else(|| missing("covariances"))?;
        let mut theta = vec![0.0; part.roles().len()];
        part.nearest(covariance, &mut theta);
        Ok(Robj::from(theta))
    })
}

extendr_module! {
    mod structures;
    fn rust_structures;
    fn rust_smallest_singular_values;
    fn rust_lambda;
    fn rust_covariances;
    fn rust_covariance_bends;
    fn rust_nearest_theta;
}
