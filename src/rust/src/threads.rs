//! How many threads there may be.

use std::sync::OnceLock;
use std::thread;

/// How many processors there are: finding out takes longer than a small fit.
static PROCESSORS: OnceLock<usize> = OnceLock::new();

/// Number of threads; 0 stands for as many as there are processors.
pub fn n_threads(wanted: i32) -> usize {
    match wanted {
        1.. => wanted as usize,
        _ => *PROCESSORS.get_or_init(processors),
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}
