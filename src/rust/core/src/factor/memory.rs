//! Available memory, and fallible allocation of large arrays: a failed allocation would terminate
//! R.

use std::fs;

use crate::error::{Error, Result};

/// The number of factorizations of a generalized fit, as a multiple of that of a linear one: 34
/// compared to 12 where 2,000 levels are crossed with others.
const REPEATS: f64 = 3.0;

/// Limits on memory and time for a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// The user's limit on memory, in bytes.
    pub limit: Option<u64>,
    /// Whether the factor is computed however long it takes; otherwise the iterative engine is an
    /// alternative.
    pub is_patient: bool,
    /// The number of factorizations of a fit, as a multiple of that of a linear model.
    pub repeats: f64,
}

/// The choice of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// The exact engine if its factor is fast and fits in memory, otherwise the iterative one.
    #[default]
    Auto,
    /// The exact engine: a Cholesky factor.
    Exact,
    /// The iterative engine, by conjugate gradients, if there are several terms; with one term
    /// there is nothing to solve.
    Iterative,
}

impl EngineKind {
    /// Whether a model with this number of terms uses the iterative engine without trying a factor.
    pub(crate) fn is_iterative(self, n_terms: usize) -> bool {
        self == Self::Iterative && n_terms > 1
    }

    /// The limits for this choice: a factor that was requested explicitly may take any time.
    pub(crate) fn in_room(self, room: &Room) -> Room {
        Room {
            is_patient: self != Self::Auto,
            ..*room
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            limit: None,
            is_patient: true,
            repeats: 1.0,
        }
    }
}

impl Room {
    /// The limits where each PIRLS step of a generalized model needs a factorization.
    pub fn of_steps(self) -> Self {
        Self {
            repeats: REPEATS,
            ..self
        }
    }

    /// The limits where a factor is required.
    pub fn patient(self) -> Self {
        Self {
            is_patient: true,
            ..self
        }
    }

    /// The number of bytes available; `None` if unknown.
    pub fn bytes(&self) -> Option<u64> {
        let limits = [self.limit, free_bytes()];
        limits.into_iter().flatten().min()
    }
}

/// The number of bytes that this process may still allocate; `None` if the operating system does
/// not report it (other systems than Linux).
pub fn free_bytes() -> Option<u64> {
    let limits = [machine_memory(), container_memory(), process_memory()];
    limits.into_iter().flatten().min()
}

/// Converts bytes to GiB, the unit of errors.
pub fn in_gib(bytes: f64) -> f64 {
    bytes / (1u64 << 30) as f64
}

/// The error for arrays of this number of bytes.
pub fn too_large(bytes: f64, free: Option<u64>) -> Error {
    Error::TooLarge {
        gib: in_gib(bytes),
        free: free.map(|free| in_gib(free as f64)),
    }
}

/// Allocates an array of zeros.
///
/// # Errors
/// `TooLarge` if the allocation fails.
pub fn zeros(length: usize) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    let reserved = values.try_reserve_exact(length);
    reserved.map_err(|_| too_large(8.0 * length as f64, free_bytes()))?;
    values.resize(length, 0.0);
    Ok(values)
}

// The memory that Linux estimates to be available without swapping.
fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes(&text, "MemAvailable:")
}

// The memory that remains within the container's limit.
fn container_memory() -> Option<u64> {
    let read = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

// The memory that remains within the limit of the address space (`ulimit -v`).
fn process_memory() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(limit.saturating_sub(kilobytes(&status, "VmSize:")?))
}

// The bytes on the line with this name, which is in kilobytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(1024 * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = "MemTotal:       24115 kB\nMemAvailable:   23000 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(23000 * 1024));
        assert_eq!(kilobytes(text, "SwapFree:"), None);
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        assert!(matches!(zeros(1 << 58), Err(Error::TooLarge { .. })));
        assert_eq!(zeros(3).unwrap(), [0.0; 3]);
    }
}
