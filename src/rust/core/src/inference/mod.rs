//! From a factored model: conditional variances of its random effects, leverage of its observations.

pub mod cond_var;
pub mod leverage;
pub mod selected_inverse;
mod unit_coupling;

pub(crate) use unit_coupling::scale_rows;
