//! Conversion of values between R and Rust: lists, arrays and columns. Slices borrow R's memory.

use extendr_api::prelude::*;
use extendr_api::wrapper::symbol::dim_symbol;
use rlmm_core::{Column, Columns, Result};

use crate::fields::{elements, missing};

/// The shape (effects per level, number of levels) of each term.
pub type Shapes = Vec<(usize, usize)>;

/// A number of observations, as an integer for R if it fits.
pub fn count(n: usize) -> Robj {
    i32::try_from(n).map_or_else(|_| Robj::from(n as f64), Robj::from)
}

/// The elements of a list of columns.
pub fn columns_of(list: &Robj) -> Vec<Robj> {
    list.as_list()
        .map_or_else(Vec::new, |list| elements(&list).to_vec())
}

/// The columns of vectors and matrices; a single number stands for a constant column.
pub fn columns(values: &[Robj], n: usize) -> Result<Columns<'_>> {
    let mut columns = Vec::new();
    for value in values {
        match (value.as_real_slice(), value.as_integer_slice()) {
            (Some(&[constant]), _) => columns.push(Column::Constant(constant)),
            (Some(matrix), _) => {
                columns.extend(Columns::dense(matrix, n).iter())
            }
            (_, Some(column)) => columns.push(Column::Integers(column)),
            _ => return Err(missing("columns")),
        }
    }
    Ok(Columns::new(columns))
}

/// Names and values of a list.
pub type Pairs = Vec<(&'static str, Robj)>;

/// An R list.
pub fn list(pairs: Pairs) -> Robj {
    let (names, values): (Vec<&str>, Vec<Robj>) = pairs.into_iter().unzip();
    let mut list = List::from_values(values);
    // There is a name for each value by construction.
    let _ = list.set_names(names);
    list.into_robj()
}

/// Effects of each term: a `k x n_levels` matrix per term.
pub fn effects(shapes: &Shapes, effects: &[Vec<f64>]) -> Robj {
    let terms = shapes.iter().zip(effects);
    List::from_values(terms.map(|(&(k, n_levels), u)| array(u, &[k, n_levels])))
        .into_robj()
}

/// The covariances of each term's effects: a `k x k x n_levels` array per term.
pub fn covariances(shapes: &Shapes, values: &[Vec<f64>]) -> Robj {
    let terms = shapes.iter().zip(values);
    List::from_values(
        terms.map(|(&(k, n_levels), v)| array(v, &[k, k, n_levels])),
    )
    .into_robj()
}

/// An R array of the given dimensions.
pub fn array(values: &[f64], dim: &[usize]) -> Robj {
    let mut array = Robj::from(values);
    let dim: Vec<i32> = dim.iter().map(|&d| d as i32).collect();
    // The dimensions multiply to the length by construction.
    let _ = array.set_attrib(dim_symbol(), dim);
    array
}
