//! Access to the elements of R's lists by name; SPEC.md lists the names.

use extendr_api::prelude::*;
use rlmm_core::{Error, Result};

/// An R list whose names are read once, and whose elements are borrowed: protecting an element from
/// the garbage collector costs more than many comparisons of names, and the list protects it.
pub struct Fields {
    values: List,
    names: Vec<&'static str>,
    absent: Robj,
}

impl From<List> for Fields {
    fn from(values: List) -> Self {
        let names = values.names().into_iter().flatten().collect();
        let absent = Robj::from(());
        Self {
            values,
            names,
            absent,
        }
    }
}

impl TryFrom<&Robj> for Fields {
    type Error = extendr_api::Error;

    fn try_from(value: &Robj) -> extendr_api::Result<Self> {
        List::try_from(value).map(Self::from)
    }
}

impl Fields {
    /// A list without elements.
    pub fn none() -> Self {
        Self::from(List::new(0))
    }

    /// The elements of an R list.
    ///
    /// # Errors
    /// `Dimension`, with the name of what should be a list.
    pub fn of(value: &Robj, what: &'static str) -> Result<Self> {
        let list = value.as_list().ok_or_else(|| missing(what))?;
        Ok(Self::from(list))
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// An element; `NULL` if it is missing.
    pub fn element(&self, name: &'static str) -> &Robj {
        let at = self.names.iter().position(|&key| key == name);
        let found = at.and_then(|at| elements(&self.values).get(at));
        found.unwrap_or(&self.absent)
    }

    /// An element that is a named list.
    ///
    /// # Errors
    /// `Dimension` if there is no such list.
    pub fn fields(&self, name: &'static str) -> Result<Self> {
        Self::of(self.element(name), name)
    }

    /// The elements of each of several R lists.
    ///
    /// # Errors
    /// `Dimension`, with the name of what should be a list.
    pub fn each(values: &List, what: &'static str) -> Result<Vec<Self>> {
        let values = elements(values).iter();
        values.map(|value| Self::of(value, what)).collect()
    }

    /// An element that is a list of named lists.
    ///
    /// # Errors
    /// `Dimension` if there is no such list.
    pub fn list_of_fields(&self, name: &'static str) -> Result<Vec<Self>> {
        let value = self.element(name);
        let list = value.as_list().ok_or_else(|| missing(name))?;
        Self::each(&list, name)
    }

    /// An element as indices; negative ones become zero.
    ///
    /// # Errors
    /// `Dimension` if there is no such element.
    pub fn integers(&self, name: &'static str) -> Result<Vec<usize>> {
        let value = self.element(name);
        let slice = value.as_integer_slice().ok_or_else(|| missing(name))?;
        Ok(slice.iter().map(|&i| i.max(0) as usize).collect())
    }

    /// An element as one number.
    pub fn number(&self, name: &'static str) -> Option<f64> {
        let value = self.element(name);
        value
            .as_real()
            .or_else(|| value.as_integer().map(f64::from))
    }

    /// An element as numbers; empty if it is missing.
    pub fn numbers(&self, name: &'static str) -> Vec<f64> {
        self.element(name).as_real_vector().unwrap_or_default()
    }

    /// Whether an element is `TRUE` or a positive number.
    pub fn is_set(&self, name: &'static str) -> bool {
        let value = self.element(name);
        value.as_bool().unwrap_or(false)
            || value.as_integer().is_some_and(|i| i > 0)
    }
}

/// The elements of an R list. `NULL` is a list without elements, of which R has no address.
pub fn elements(list: &List) -> &[Robj] {
    match list.is_empty() {
        true => &[],
        false => list.as_slice(),
    }
}

/// The error for a missing element.
pub fn missing(what: &'static str) -> Error {
    Error::Dimension {
        what,
        expected: 1,
        found: 0,
    }
}
