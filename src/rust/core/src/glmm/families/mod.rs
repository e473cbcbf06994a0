//! Generalized linear models without random effects: families, links, and what one observation contributes.

pub mod family;
mod lanes;
pub mod link;
pub mod response;
pub mod special;

pub use family::Family;
pub use link::Link;
pub use response::Response;
