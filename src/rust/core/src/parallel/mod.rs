//! Multithreading: many independent jobs, or the pieces of one computation.
//!
//! | contents | file |
//! |---|---|
//! | independent jobs | [`in_threads`], here |
//! | the pieces of one computation | [`team`] |

pub mod team;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long the calling thread sleeps before it calls the watch again.
const POLL: Duration = Duration::from_millis(2);

/// Called regularly by the calling thread with the number of completed jobs; returns whether to
/// stop.
pub type Watch<'a> = dyn FnMut(usize) -> bool + 'a;

/// The results of `count` jobs in order; `None` for jobs that had not begun when the watch asked to
/// stop. Each thread has its own worker, made by `hire`; running jobs see a flag when they are to
/// stop.
pub fn in_threads<Worker, T: Send>(
    count: usize,
    threads: usize,
    hire: impl Fn() -> Worker + Sync,
    job: impl Fn(&mut Worker, usize, &Arc<AtomicBool>) -> T + Sync,
    watch: &mut Watch,
) -> Vec<Option<T>> {
    let next = AtomicUsize::new(0);
    let ended = AtomicUsize::new(0);
    let stop = Arc::new(AtomicBool::new(false));
    let found: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    let work = || {
        let mut worker = hire();
        while !stop.load(Relaxed) {
            let at = next.fetch_add(1, Relaxed);
            if at >= count {
                break;
            }
            let result = job(&mut worker, at, &stop);
            let mut found = found
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            found.push((at, result));
            ended.fetch_add(1, Relaxed);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads.min(count)).map(|_| scope.spawn(work)).collect();
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(POLL);
            if watch(ended.load(Relaxed)) {
                stop.store(true, Relaxed);
            }
        }
    });
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    let found = found
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for (at, result) in found {
        results[at] = Some(result);
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        for threads in [1, 3, 50] {
            let jobs = |_: &mut (), at: usize, _: &Arc<AtomicBool>| at * at;
            let found = in_threads(20, threads, || (), jobs, &mut |_| false);
            let expected: Vec<_> = (0..20).map(|at| Some(at * at)).collect();
            assert_eq!(found, expected);
        }
        let none = in_threads(0, 2, || (), |_, at, _| at, &mut |_| false);
        assert!(none.is_empty());
    }

    #[test]
    fn jobs_that_had_not_begun_have_no_result() {
        let job = |_: &mut (), at: usize, stop: &Arc<AtomicBool>| {
            while at == 3 && !stop.load(Relaxed) {
                thread::sleep(POLL);
            }
            at
        };
        let found = in_threads(10, 1, || (), job, &mut |ended| ended == 3);
        assert_eq!(found[3], Some(3));
        assert!(found[4..].iter().all(Option::is_none));
    }
}
