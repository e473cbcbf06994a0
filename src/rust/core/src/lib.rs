//! Linear mixed models by penalized least squares on blocked cross-products.
