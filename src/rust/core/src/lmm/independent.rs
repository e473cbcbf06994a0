//! A linear mixed model in columns of Z that don't depend on each other.
//!
//! A covariate that is far from zero, such as a year, is nearly a multiple of the intercept, and
//! the effects of both are nearly collinear: rounding errors of the Hessian grow with the fourth
//! power of the covariate's mean over its standard deviation, and no optimizer gets along. With
//! `CC'` the mean products of the columns, `Z C^-T` has independent ones, whose effects `C'b` have
//! an unstructured covariance if `b` has one: `C'Omega C`. There we search, and judge the result.

use std::ops::Range;

use crate::coordinates::tangent::lower_factor;
use crate::covariance::unstructured::place;
use crate::covariance::{RelCov, WayOut};
use crate::design::columns::{Column, Columns};
use crate::design::Design;
use crate::design::ReTerm;
use crate::error::Result;
use crate::factor::response_sums::ResponseSums;
use crate::judge::Certificate;
use crate::kernels::small;
use crate::lmm::{Criterion, LinearMixedModel};
use crate::optimize::{Observer, OptSummary, Settings};
use crate::tolerances::{DEPENDENT, REDUNDANT};

/// The model in independent columns of Z, and how each term's columns map to it.
#[derive(Debug)]
pub(crate) struct Independent {
    pub model: LinearMixedModel,
    parts: Vec<Part>,
}

// An unstructured part of a term with its `C`, lower triangle `k x k`.
#[derive(Debug, Clone)]
struct Part {
    term: usize,
    first: usize,
    k: usize,
    theta: Range<usize>,
    c: Vec<f64>,
}

/// Lambda of some columns as they were given is the root, `C^-T`, times Lambda in independent ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// Term of the design.
    pub term: usize,
    /// First column of the term.
    pub first: usize,
    /// `C^-T`, upper triangle `k x k`.
    pub values: Vec<f64>,
}

impl Independent {
    /// Builds the model in independent columns where columns of Z depend on each other; `products`
    /// are the mean products of the columns of Z, `k x k` per term.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::new`] does.
    pub fn of(
        design: &Design,
        products: &[Vec<f64>],
        criterion: Criterion,
        sigma: Option<f64>,
    ) -> Result<Option<Self>> {
        let covs = design
            .terms
            .iter()
            .map(|term| &term.cov)
            .zip(products)
            .enumerate();
        let parts: Vec<Part> = covs
            .flat_map(|(term, (cov, products))| dependent_parts(term, cov, products))
            .collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let columns = independent_columns(&parts, design);
        let other = with_columns(&parts, &columns, design);
        Ok(Some(Self {
            model: LinearMixedModel::as_given(&other, criterion, sigma)?,
            parts,
        }))
    }

    /// What the responses `y` of `design` say in the independent columns: summed up from these,
    /// since a combination of sums would lose the digits that they save.
    pub fn responses(&self, design: &Design, y: &[f64]) -> ResponseSums {
        let columns = independent_columns(&self.parts, design);
        let other = with_columns(&self.parts, &columns, design);
        ResponseSums::of(&other, &self.model.factor, y)
    }

    /// Copies the model, with working memory of its own.
    pub fn fork(&self) -> Self {
        Self {
            model: self.model.fork(),
            parts: self.parts.clone(),
        }
    }

    /// Start of the independent model, as theta of the model as it was given.
    pub fn start(&self) -> Vec<f64> {
        to_theta(&self.parts, self.model.start())
    }

    /// [`LinearMixedModel::fit`] of the model as it was given.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::fit`] does.
    pub fn fit(
        &mut self,
        start: &[f64],
        settings: &Settings,
        observe: &mut Observer,
    ) -> Result<OptSummary> {
        // Optimizers take their first steps from the size of the start, in which rounding errors
        // would pass for sizes.
        let is_own = start == self.start();
        let Self { model, parts } = self;
        let own_start = if is_own {
            model.start().to_vec()
        } else {
            from_theta(parts, start)
        };
        let mut see = |count: usize, value: f64, theta: &[f64]| {
            observe(count, value, &to_theta(parts, theta))
        };
        let summary = model.fit(&own_start, settings, &mut see)?;
        Ok(OptSummary {
            initial: start.to_vec(),
            ..summary.mapped(|theta| to_theta(parts, theta))
        })
    }

    /// Theta of the other model for one of the model as it was given.
    pub fn from_theta(&self, theta: &[f64]) -> Vec<f64> {
        from_theta(&self.parts, theta)
    }

    /// The ways from the other model's effects back to those of the columns as they were given.
    pub fn roots(&self) -> Vec<Root> {
        self.parts.iter().map(Part::root).collect()
    }

    /// Judges `theta` of the model as it was given, but for the gradient there.
    ///
    /// # Errors
    /// Fails as [`LinearMixedModel::certificate`] does.
    pub fn certificate(&mut self, theta: &[f64]) -> Result<Certificate> {
        let mut found = self.model.certificate(&from_theta(&self.parts, theta))?;
        for part in &self.parts {
            let own = |way: &&mut WayOut| way.term == part.term;
            let ways = found.ways_out.iter_mut().filter(own);
            ways.for_each(|way| part.change_to_given(&mut way.change));
        }
        Ok(found)
    }
}

// The columns of each part.
fn independent_columns(parts: &[Part], design: &Design) -> Vec<Vec<f64>> {
    let of = |part: &Part| part.columns(&design.terms[part.term], design.n());
    parts.iter().map(of).collect()
}

// The design with these columns in the place of its own.
fn with_columns<'a>(parts: &[Part], columns: &'a [Vec<f64>], design: &Design<'a>) -> Design<'a> {
    let mut other = design.clone();
    for (part, columns) in parts.iter().zip(columns) {
        let z = &mut other.terms[part.term].z;
        let mut all: Vec<Column> = z.iter().copied().collect();
        let own = columns.chunks_exact(design.n()).map(Column::Doubles);
        all.splice(part.first..part.first + part.k, own);
        *z = Columns::new(all);
    }
    other
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

    // A change of Omega in the columns as they were given, `C^-T change C^-1`.
    fn change_to_given(&self, change: &mut [f64]) {
        let vsize = change.len().isqrt();
        for _ in 0..2 {
            for column in change.chunks_exact_mut(vsize) {
                let own = &mut column[self.first..self.first + self.k];
                small::backward_solve(self.k, &self.c, own);
            }
            transpose(vsize, change);
        }
    }

    // `Z C^-T`, column by column.
    fn columns(&self, term: &ReTerm, n: usize) -> Vec<f64> {
        let mut columns = vec![0.0; n * self.k];
        let mut row = vec![0.0; self.k];
        for i in 0..n {
            row.iter_mut()
                .enumerate()
                .for_each(|(j, z)| *z = term.z.value(i, self.first + j));
            small::forward_solve(self.k, &self.c, &mut row);
            row.iter()
                .enumerate()
                .for_each(|(j, z)| columns[j * n + i] = *z);
        }
        columns
    }
}

fn transpose(k: usize, matrix: &mut [f64]) {
    for j in 0..k {
        (0..j).for_each(|i| matrix.swap(j * k + i, i * k + j));
    }
}

fn from_theta(parts: &[Part], theta: &[f64]) -> Vec<f64> {
    mapped(parts, theta, |part, column| {
        let given = column.to_vec();
        small::lambda_transposed_times(part.k, &part.c, &given, column);
    })
}

fn to_theta(parts: &[Part], theta: &[f64]) -> Vec<f64> {
    mapped(parts, theta, |part, column| {
        small::backward_solve(part.k, &part.c, column)
    })
}

// Applies `map` to each column of Lambda.
fn mapped(parts: &[Part], theta: &[f64], map: impl Fn(&Part, &mut [f64])) -> Vec<f64> {
    let mut mapped = theta.to_vec();
    for part in parts {
        let (k, own) = (part.k, &mut mapped[part.theta.clone()]);
        let mut rows = vec![0.0; k * k];
        for j in 0..k {
            let mut column: Vec<f64> = (0..k)
                .map(|i| if i < j { 0.0 } else { own[place(k, i, j)] })
                .collect();
            map(part, &mut column);
            (0..k).for_each(|i| rows[i * k + j] = column[i]);
        }
        lower_factor(k, &mut rows);
        for j in 0..k {
            (j..k).for_each(|i| own[place(k, i, j)] = rows[i * k + j]);
        }
    }
    mapped
}

fn dependent_parts(term: usize, cov: &RelCov, products: &[f64]) -> Vec<Part> {
    let triangles = cov.placed().filter(|(_, part)| part.is_triangle());
    let parts = triangles.filter_map(|(first, part)| {
        let k = part.size;
        let own = |at: usize| products[(first + at / k) * cov.vsize() + first + at % k];
        let (c, least) = root(k, &(0..k * k).map(own).collect::<Vec<f64>>());
        (least < DEPENDENT).then(|| Part {
            term,
            first,
            k,
            theta: part.range(),
            c,
        })
    });
    parts.collect()
}

// The Cholesky factor C of mean products, and the least share of a column that those before it
// don't explain, redundant ones aside.
fn root(k: usize, products: &[f64]) -> (Vec<f64>, f64) {
    let mut c = products.to_vec();
    let mut least = 1.0f64;
    for j in 0..k {
        for l in 0..j {
            let factor = c[l * k + j];
            (j..k).for_each(|i| c[j * k + i] -= factor * c[l * k + i]);
        }
        let whole = products[j * k + j];
        let share = c[j * k + j] / whole;
        if share > REDUNDANT {
            least = least.min(share);
            let root = c[j * k + j].sqrt();
            c[j * k + j..(j + 1) * k]
                .iter_mut()
                .for_each(|v| *v /= root);
        } else {
            c[j * k + j..(j + 1) * k].fill(0.0);
            c[j * k + j] = if whole > 0.0 { whole.sqrt() } else { 1.0 };
        }
    }
    (c, least)
}
