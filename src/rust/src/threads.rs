//! The number of threads.

use std::sync::OnceLock;
use std::thread;

/// The number of processors: determining it takes longer than a small fit.
static PROCESSORS: OnceLock<usize> = OnceLock::new();

/// The number of threads; 0 stands for the number of processors.
pub fn n_threads(wanted: i32) -> usize {
    match wanted {
        1.. => wanted as usize,
        _ => *PROCESSORS.get_or_init(processors),
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get())
}
