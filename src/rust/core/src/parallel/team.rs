//! One computation in several threads: fixed pieces of it, each of which one thread computes, so
//! that results are the same for any number of threads.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::thread;

thread_local! {
    // A thread that fits one of many models has nobody to share its work with.
    static THREADS: Cell<usize> = const { Cell::new(1) };
}

/// Sets how many threads computations that this thread begins may take, itself among them.
pub fn set_threads(threads: usize) {
    THREADS.set(threads.max(1));
}

/// How many threads computations that this thread begins may take.
pub fn threads() -> usize {
    THREADS.get()
}

/// Runs all jobs: this thread and others take one after the other. Threads begin and end here, so
/// that a process may fork before and after; a thread alone allocates nothing.
pub(crate) fn share<Jobs>(jobs: Jobs, run: impl Fn(Jobs::Item) + Sync)
where
    Jobs: ExactSizeIterator + Send,
    Jobs::Item: Send,
{
    let threads = threads().min(jobs.len());
    if threads < 2 {
        return jobs.for_each(run);
    }
    let queue = Mutex::new(jobs);
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next()
    };
    let work = || {
        while let Some(job) = next() {
            run(job);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_runs_once() {
        for threads in [1, 2, 5] {
            set_threads(threads);
            let mut values = vec![0; 7];
            let jobs = values.iter_mut().enumerate();
            share(jobs, |(at, value)| *value += at);
            assert_eq!(values, [0, 1, 2, 3, 4, 5, 6]);
        }
        share([(); 0].into_iter(), |()| panic!("there is nothing to do"));
    }

    #[test]
    fn other_threads_share_nothing_unless_told() {
        set_threads(4);
        let there = thread::spawn(threads).join();
        assert_eq!((threads(), there.ok()), (4, Some(1)));
    }
}
