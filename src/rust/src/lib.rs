//! The binding between R and `rlmm-core`: converts, calls, converts back.
use extendr_api::prelude::*;

/// Version of the Rust library.
/// @noRd
#[extendr]
fn rust_version() -> String {
    env!("CARGO_PKG_VERSION").to_string()
}

extendr_module! {
    mod rlmm;
    fn rust_version;
}
