//! The binding between R and `rlmm-core`: it converts arguments, calls the core, and converts
//! results. No other crate uses extendr.

mod bootstrap;
mod combinations;
mod convert;
mod error;
mod fields;
mod fit_all;
mod fit_each;
mod fit_many;
mod glmm;
mod glmm_job;
mod lmm;
mod optsum;
mod pair_starts;
mod progress;
mod structures;
mod sums;
mod threads;
mod values;

use extendr_api::prelude::*;

extendr_module! {
    mod rlmm;
    use bootstrap;
    use combinations;
    use fit_all;
    use fit_each;
    use fit_many;
    use glmm;
    use lmm;
    use structures;
}
