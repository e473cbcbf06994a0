//! One computation in several threads: it is divided into fixed pieces, each computed by one
//! thread, so that results are the same for any number of threads.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::thread;

thread_local! {
    // The default is one thread, also within threads that each fit one of many models.
    static THREADS: Cell<usize> = const { Cell::new(1) };
}

/// Sets the largest number of threads, including this one, of computations started by this thread.
pub fn set_threads(threads: usize) {
    THREADS.set(threads.max(1));
}

/// The largest number of threads of computations started by this thread.
pub fn threads() -> usize {
    THREADS.get()
}

/// Runs all jobs in this thread and others, each of which takes one job after another. Threads are
/// started and joined here, so that the process may fork before and after; a single thread
/// allocates nothing.
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
        let _alone = SingleThread::new();
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

/// Restricts computations of this thread to one thread, until it is dropped.
struct SingleThread {
    before: usize,
}

impl SingleThread {
    fn new() -> Self {
        Self {
            before: THREADS.replace(1),
        }
    }
}

impl Drop for SingleThread {
    fn drop(&mut self) {
        THREADS.set(self.before);
    }
}

/// Number of values of one pass that a thread processes at a time: enough to outweigh the start of
/// a thread.
pub(crate) const PASS: usize = 1 << 15;

/// Processes an array in several threads, in pieces that are passed with the index of their first
/// value.
pub(crate) fn share_pass<T: Send>(
    values: &mut [T],
    run: impl Fn(usize, &mut [T]) + Sync,
) {
    let pieces = values.chunks_mut(PASS).enumerate();
    share(pieces, |(at, piece)| run(at * PASS, piece));
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
    fn jobs_take_no_further_threads() {
        set_threads(3);
        let mut found = [0; 4];
        share(found.iter_mut(), |found| *found = threads());
        assert_eq!((found, threads()), ([1; 4], 3));
    }

    #[test]
    fn a_pass_visits_every_value_once() {
        set_threads(3);
        let mut values = vec![0; 2 * PASS + 1];
        share_pass(&mut values, |first, piece| {
            let places = (first..).zip(piece);
            places.for_each(|(at, value)| *value += at);
        });
        assert!(values.iter().enumerate().all(|(at, value)| *value == at));
    }

    #[test]
    fn other_threads_share_nothing_unless_told() {
        set_threads(4);
        let there = thread::spawn(threads).join();
        assert_eq!((threads(), there.ok()), (4, Some(1)));
    }
}
