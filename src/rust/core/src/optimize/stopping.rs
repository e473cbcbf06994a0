//! Reasons to end a computation early: a time limit, or a request, such as a user's interrupt.
//! Models ask for them at each evaluation, also in searches and derivatives that no observer sees.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Status;

/// A request to end a computation, which may be made at any time.
pub trait StopRequest: Debug + Send + Sync {
    /// Whether the request has been made; once made it stands.
    fn is_made(&self) -> bool;
}

impl StopRequest for AtomicBool {
    fn is_made(&self) -> bool {
        self.load(Relaxed)
    }
}

/// The time limit of a computation, and a request to end it.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    deadline: Option<Instant>,
    request: Option<Arc<dyn StopRequest>>,
}

impl Stopping {
    /// Heeds this request from now on.
    pub fn heed(&mut self, request: Arc<dyn StopRequest>) {
        self.request = Some(request);
    }

    /// Sets the time limit to this number of seconds from now; 0 for no limit.
    pub fn limit(&mut self, seconds: f64) {
        let duration = Duration::try_from_secs_f64(seconds).ok();
        self.deadline = duration
            .filter(|duration| !duration.is_zero())
            .and_then(|duration| Instant::now().checked_add(duration));
    }

    /// Why the computation must end; `None` if it may go on.
    pub fn reason(&self) -> Option<Status> {
        if self.request.as_ref().is_some_and(|it| it.is_made()) {
            return Some(Status::Interrupted);
        }
        let is_late = self.deadline.is_some_and(|end| Instant::now() >= end);
        is_late.then_some(Status::MaxTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_requests_are_reasons() {
        let mut stopping = Stopping::default();
        for unlimited in [0.0, f64::INFINITY, 1e300, -1.0, f64::NAN] {
            stopping.limit(unlimited);
            assert_eq!(stopping.reason(), None);
        }
        stopping.limit(1e-9);
        assert_eq!(stopping.reason(), Some(Status::MaxTime));
        let request = Arc::new(AtomicBool::new(false));
        stopping.heed(request.clone());
        stopping.limit(0.0);
        assert_eq!(stopping.reason(), None);
        request.store(true, Relaxed);
        assert_eq!(stopping.reason(), Some(Status::Interrupted));
    }
}
