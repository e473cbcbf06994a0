//! The effects in which a model is computed, and the way there from those of the given columns of
//! Z.
//!
//! A covariate that is far from zero, such as a day number, is nearly a multiple of the intercept:
//! their cross-products hold its mean twice and its spread hardly at all, and rounding errors of
//! second derivatives grow with the fourth power of mean over standard deviation. The origin of a
//! covariate is a matter of parameterization, though: with `Z = Q C'`, Q of orthogonal columns and
//! C lower triangular, the effects of Q are `C'b`, which have an unstructured covariance `C'Omega
//! C` if `b` has one. There a model is summed up, evaluated, searched and judged.
//!
//! | given | computed with |
//! |---|---|
//! | effects `b` | `C'b` |
//! | `Lambda` | the triangular factor of `C'Lambda Lambda'C` |
//! | gradient `2 G Lambda` | `2 C G Lambda`, G and Lambda of what is computed with |

use std::ops::Range;

use super::tangent::lower_factor;
use crate::covariance::unstructured::place;
use crate::covariance::WayOut;
use crate::design::{Column, Columns, Design, ReTerm};
use crate::error::{Error, Result};
use crate::kernels::small;
use crate::tolerances::{DEPENDENT, LOST_ORIGIN, REMAINDER, THETA_STEP};

/// Rows of Z that are looked at at a time, a multiple of four.
const CHUNK: usize = 256;

/// The terms with other effects than those given.
#[derive(Debug, Clone, Default)]
pub struct Basis {
    parts: Vec<Part>,
}

/// An unstructured part of a term, with `Z = Q C'`.
#[derive(Debug, Clone)]
struct Part {
    term: usize,
    /// First column of the part in its term.
    first: usize,
    k: usize,
    theta: Range<usize>,
    /// Lower triangle of C, column by column.
    c: Vec<f64>,
    /// Q, column by column.
    q: Vec<f64>,
}

/// Lambda of the given columns is the root, `C^-T`, times Lambda of the basis.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// Term of the design.
    pub term: usize,
    /// First column of the part in its term.
    pub first: usize,
    /// `C^-T`, upper triangle `k x k`.
    pub values: Vec<f64>,
}

impl Basis {
    /// The basis of a design: other effects where columns of an unstructured part depend on each
    /// other, and none of its parameters is held.
    ///
    /// # Errors
    /// `Origin` if a covariate's mean is so large beside its standard deviation that nothing is
    /// left of its digits.
    pub fn of(design: &Design, is_held: impl Fn(usize) -> bool) -> Result<Self> {
        let mut parts = Vec::new();
        for (at, term) in design.terms.iter().enumerate() {
            for (first, part) in term.cov.placed() {
                let is_free = !part.range().any(&is_held);
                let is_candidate = part.is_triangle() && part.size > 1;
                if !(is_free && is_candidate) {
                    continue;
                }
                if !depend(part.size, products(design, term, first, part.size)) {
                    continue;
                }
                let columns: Vec<usize> = (first..first + part.size).collect();
                let (q, c) = orthogonal(design, term, at, &columns)?;
                let (k, theta) = (part.size, part.range());
                parts.push(Part {
                    term: at,
                    first,
                    k,
                    theta,
                    c,
                    q,
                });
            }
        }
        Ok(Self { parts })
    }

    /// Whether all effects are those given.
    pub fn is_given(&self) -> bool {
        self.parts.is_empty()
    }

    /// The design with the columns of this basis.
    pub fn design<'a>(&'a self, given: &Design<'a>) -> Design<'a> {
        let mut design = given.clone();
        for part in &self.parts {
            let z = &mut design.terms[part.term].z;
            let mut columns: Vec<Column> = z.iter().copied().collect();
            let own = part.q.chunks_exact(given.n()).map(Column::Doubles);
            columns.splice(part.first..part.first + part.k, own);
            *z = Columns::new(columns);
        }
        design
    }

    /// Parameters that begin with theta of the given effects, with theta of this basis.
    pub fn from_given(&self, parameters: &[f64]) -> Vec<f64> {
        self.mapped(parameters, |part, column| {
            let given = column.to_vec();
            small::lambda_transposed_times(part.k, &part.c, &given, column);
        })
    }

    /// Parameters that begin with theta of this basis, with theta of the given effects.
    pub fn to_given(&self, parameters: &[f64]) -> Vec<f64> {
        self.mapped(parameters, |part, column| {
            small::backward_solve(part.k, &part.c, column);
        })
    }

    /// The ways from the effects of this basis back to those of the given columns.
    pub fn roots(&self) -> Vec<Root> {
        self.parts.iter().map(Part::root).collect()
    }

    /// Effects of all levels of a term, `b = C^-T (C'b)`.
    pub fn effects_to_given(&self, term: usize, vsize: usize, b: &mut [f64]) {
        for part in self.of_term(term) {
            let own = part.first..part.first + part.k;
            b.chunks_exact_mut(vsize)
                .for_each(|b| small::backward_solve(part.k, &part.c, &mut b[own.clone()]));
        }
    }

    /// Spherical effects `u` of all levels of a term, for which `b = Lambda u`; `given` is theta of
    /// the given effects.
    pub fn spherical_to_given(&self, given: &[f64], term: usize, vsize: usize, u: &mut [f64]) {
        for part in self.of_term(term) {
            let (k, own) = (part.k, part.first..part.first + part.k);
            // The rotation that makes C'Lambda triangular stands below it.
            let mut rows = part.rows(&given[part.theta.clone()], |column| {
                let given = column.to_vec();
                small::lambda_transposed_times(k, &part.c, &given, column);
            });
            rows.resize(2 * k * k, 0.0);
            (0..k).for_each(|i| rows[k * k + i * (k + 1)] = 1.0);
            lower_factor(k, &mut rows);
            for u in u.chunks_exact_mut(vsize) {
                let turned: Vec<f64> = rows[k * k..]
                    .chunks_exact(k)
                    .map(|row| small::dot(row, &u[own.clone()]))
                    .collect();
                u[own.clone()].copy_from_slice(&turned);
            }
        }
    }

    /// Root mean squares of the columns of a term, given those of this basis.
    pub fn scales_to_given(&self, term: usize, scales: &mut [f64]) {
        for part in self.of_term(term) {
            for i in 0..part.k {
                let square = (0..=i).map(|l| part.c[l * part.k + i].powi(2));
                scales[part.first + i] = square.sum::<f64>().sqrt();
            }
        }
    }

    /// Covariances of the effects of each level of a term, `vsize x vsize` one after the other.
    pub fn covariances_to_given(&self, term: usize, vsize: usize, covariances: &mut [f64]) {
        for part in self.of_term(term) {
            let own = part.first..part.first + part.k;
            let mut row = vec![0.0; part.k];
            for v in covariances.chunks_exact_mut(vsize * vsize) {
                for column in v.chunks_exact_mut(vsize) {
                    small::backward_solve(part.k, &part.c, &mut column[own.clone()]);
                }
                for i in 0..vsize {
                    for (j, value) in row.iter_mut().enumerate() {
                        *value = v[(part.first + j) * vsize + i];
                    }
                    small::backward_solve(part.k, &part.c, &mut row);
                    for (j, value) in row.iter().enumerate() {
                        v[(part.first + j) * vsize + i] = *value;
                    }
                }
            }
        }
    }

    /// The change of Omega of a term, `k x k`, along a way out.
    pub fn way_to_given(&self, way: &mut WayOut) {
        let k = way.change.len().isqrt();
        self.covariances_to_given(way.term, k, &mut way.change);
    }

    /// The gradient in theta of the given effects, for the parts with other ones; `given` is the
    /// given theta and `g` holds `G` of each term of this basis.
    pub fn gradient_to_given(&self, given: &[f64], g: &[Vec<f64>], gradient: &mut [f64]) {
        for part in &self.parts {
            let (k, own) = (part.k, &given[part.theta.clone()]);
            let vsize = g[part.term].len().isqrt();
            for j in 0..k {
                let given: Vec<f64> = (0..k)
                    .map(|i| if i < j { 0.0 } else { own[place(k, i, j)] })
                    .collect();
                let (mut there, mut slope) = (vec![0.0; k], vec![0.0; k]);
                small::lambda_transposed_times(k, &part.c, &given, &mut there);
                for (i, slope) in slope.iter_mut().enumerate() {
                    let row = (0..k).map(|l| {
                        g[part.term][(part.first + l) * vsize + part.first + i] * there[l]
                    });
                    *slope = row.sum();
                }
                let mut back = vec![0.0; k];
                small::lambda_times(k, &part.c, &slope, &mut back);
                let start = part.theta.start;
                (j..k).for_each(|i| gradient[start + place(k, i, j)] = 2.0 * back[i]);
            }
        }
    }

    /// A gradient in parameters that begin with theta of this basis, in those that begin with
    /// `given`.
    pub fn parameter_slopes_to_given(&self, given: &[f64], slopes: &mut [f64]) {
        let there = slopes.to_vec();
        for part in &self.parts {
            for j in part.theta.clone() {
                let change = difference(given, j, |at| self.from_given(at));
                slopes[j] = small::dot(&change, &there);
            }
        }
    }

    /// A covariance matrix (`n x n`) of parameters that begin with `theta` of this basis, in the
    /// given ones.
    pub fn parameter_covariance_to_given(&self, theta: &[f64], covariance: &mut [f64]) {
        let n = covariance.len().isqrt();
        for part in &self.parts {
            let own = part.theta.clone();
            let jacobian: Vec<Vec<f64>> = own
                .clone()
                .map(|j| difference(theta, j, |at| self.to_given(at)))
                .collect();
            for _ in 0..2 {
                for column in covariance.chunks_exact_mut(n) {
                    let there = column[own.clone()].to_vec();
                    for (i, value) in own.clone().zip(0..) {
                        let terms = jacobian.iter().zip(&there).map(|(d, v)| d[i] * v);
                        column[own.start + value] = terms.sum();
                    }
                }
                transpose(n, covariance);
            }
        }
    }

    fn of_term(&self, term: usize) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.term == term)
    }

    // Applies `map` to each column of Lambda.
    fn mapped(&self, parameters: &[f64], map: impl Fn(&Part, &mut [f64])) -> Vec<f64> {
        let mut mapped = parameters.to_vec();
        for part in &self.parts {
            let (k, own) = (part.k, &mut mapped[part.theta.clone()]);
            let mut rows = part.rows(own, |column| map(part, column));
            lower_factor(k, &mut rows);
            (0..k).for_each(|j| (j..k).for_each(|i| own[place(k, i, j)] = rows[i * k + j]));
        }
        mapped
    }
}

impl Part {
    fn root(&self) -> Root {
        let k = self.k;
        let mut values = vec![0.0; k * k];
        for (j, column) in values.chunks_exact_mut(k).enumerate() {
            column[j] = 1.0;
            small::backward_solve(k, &self.c, column);
        }
        Root {
            term: self.term,
            first: self.first,
            values,
        }
    }

    // Lambda by rows, with each of its columns mapped.
    fn rows(&self, own: &[f64], map: impl Fn(&mut [f64])) -> Vec<f64> {
        let k = self.k;
        let mut rows = vec![0.0; k * k];
        for j in 0..k {
            let mut column = vec![0.0; k];
            (j..k).for_each(|i| column[i] = own[place(k, i, j)]);
            map(&mut column);
            (0..k).for_each(|i| rows[i * k + j] = column[i]);
        }
        rows
    }
}

// Derivative of `map` in element `j` at `x`.
fn difference(x: &[f64], j: usize, map: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let step = THETA_STEP * x[j].abs().max(THETA_STEP);
    let at = |by: f64| {
        let mut point = x.to_vec();
        point[j] += by;
        map(&point)
    };
    let changes = at(step).into_iter().zip(at(-step));
    changes
        .map(|(up, down)| (up - down) / (2.0 * step))
        .collect()
}

fn transpose(size: usize, matrix: &mut [f64]) {
    for j in 0..size {
        for i in j + 1..size {
            matrix.swap(j * size + i, i * size + j);
        }
    }
}

// The products of some columns of Z, `k x k`, weights included: their upper triangle.
fn products(design: &Design, term: &ReTerm, first: usize, k: usize) -> Vec<f64> {
    let (n, mut products) = (design.n(), vec![0.0; k * k]);
    let (mut rows, mut weighted) = (vec![0.0; k * CHUNK], vec![0.0; CHUNK]);
    for start in (0..n).step_by(CHUNK) {
        let count = CHUNK.min(n - start);
        let columns = term.z.iter().skip(first).take(k);
        for (column, values) in columns.zip(rows.chunks_exact_mut(CHUNK)) {
            column.copy(start, &mut values[..count]);
            values[count..].fill(0.0);
        }
        for (j, values) in rows.chunks_exact(CHUNK).enumerate() {
            weighted.copy_from_slice(values);
            if let Some(weights) = design.weights {
                let weights = &weights[start..start + count];
                let both = weighted.iter_mut().zip(weights);
                both.for_each(|(value, weight)| *value *= weight);
            }
            let others = rows.chunks_exact(CHUNK).enumerate().skip(j);
            others.for_each(|(i, other)| products[j * k + i] += inner(&weighted, other, count));
        }
    }
    products
}

// The inner product of `count` values, in four sums side by side; what follows them is zero.
fn inner(a: &[f64], b: &[f64], count: usize) -> f64 {
    let mut sums = [0.0; 4];
    let fours = a.chunks_exact(4).zip(b.chunks_exact(4));
    for (a, b) in fours.take(count.div_ceil(4)) {
        (0..4).for_each(|l| sums[l] += a[l] * b[l]);
    }
    sums.iter().sum()
}

// Whether the columns before it explain nearly all of one, as far as cross-products can tell.
fn depend(k: usize, mut products: Vec<f64>) -> bool {
    let squares: Vec<f64> = (0..k).map(|j| products[j * (k + 1)]).collect();
    for j in 0..k {
        let pivot = products[j * (k + 1)];
        if squares[j] > 0.0 && pivot < DEPENDENT * squares[j] {
            return true;
        }
        for c in j + 1..k {
            let factor = if pivot > 0.0 {
                products[j * k + c] / pivot
            } else {
                0.0
            };
            (c..k).for_each(|i| products[c * k + i] -= factor * products[j * k + i]);
        }
    }
    false
}

// Q and C with `Z = Q C'`: each column less what those before it explain, twice, which is exact to
// rounding. The columns of Q have a mean square of one.
fn orthogonal(
    design: &Design,
    term: &ReTerm,
    at: usize,
    columns: &[usize],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, k) = (design.n(), columns.len());
    let dot =
        |a: &[f64], b: &[f64]| -> f64 { (0..n).map(|i| design.weight(i) * a[i] * b[i]).sum() };
    let (mut q, mut c) = (vec![0.0; n * k], vec![0.0; k * k]);
    for (j, &column) in columns.iter().enumerate() {
        let (before, own) = q.split_at_mut(j * n);
        let own = &mut own[..n];
        (0..n).for_each(|i| own[i] = term.value(i, column));
        let whole = dot(own, own);
        for pass in 0..2 {
            for (l, other) in before.chunks_exact(n).enumerate() {
                let square = dot(other, other);
                if square > 0.0 {
                    let factor = dot(own, other) / square;
                    small::axpy(-factor, other, own);
                    c[l * k + j] += factor;
                }
                let is_beside_constant = pass == 0 && l == 0 && is_constant(term, columns[0], n);
                if is_beside_constant && is_lost(own, dot(own, own), whole) {
                    return Err(Error::Origin { term: at, column });
                }
            }
        }
        let left = dot(own, own);
        if left <= REMAINDER * whole {
            (0..n).for_each(|i| own[i] = term.value(i, column));
            (0..j).for_each(|l| c[l * k + j] = 0.0);
        }
        let size = (dot(own, own) / design.n_eff() as f64).sqrt();
        let size = if size > 0.0 { size } else { 1.0 };
        own.iter_mut().for_each(|v| *v /= size);
        c[j * k + j] = size;
    }
    Ok((q, c))
}

// Whether a column that varies has hardly any square left beside a constant.
fn is_lost(column: &[f64], left: f64, whole: f64) -> bool {
    left < LOST_ORIGIN * whole && column.iter().any(|v| *v != column[0])
}

fn is_constant(term: &ReTerm, column: usize, n: usize) -> bool {
    (1..n).all(|i| term.value(i, column) == term.value(0, column))
}
