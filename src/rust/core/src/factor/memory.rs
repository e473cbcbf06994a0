//! What the machine has left, and arrays that may not fit: a failed allocation would end R.

use std::fs;

use crate::error::{Error, Result};

/// How many times as many factors a fit of a generalized model takes as that of a linear one: 34
/// beside 12 where 2,000 levels cross others.
const REPEATS: f64 = 3.0;

/// What a factor may take: memory, and time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// A limit of the user's, in bytes.
    pub limit: Option<u64>,
    /// Whether it is computed however long it takes; otherwise there is another way.
    pub is_patient: bool,
    /// How many times as many factors a fit takes as that of a linear model.
    pub repeats: f64,
}

/// What a model is computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// A factor where that is fast and there is the memory for it, otherwise conjugate gradients.
    #[default]
    Auto,
    /// A factor.
    Exact,
    /// Conjugate gradients where factors cross; one term has nothing to solve.
    Iterative,
}

impl EngineKind {
    /// Whether no factor is tried for a model of so many terms.
    pub(crate) fn is_iterative(self, n_terms: usize) -> bool {
        self == Self::Iterative && n_terms > 1
    }

    /// The room for a factor: one that somebody asks for may take its time.
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
    /// The room for factors that each step to the modes of a generalized model takes anew.
    pub fn of_steps(self) -> Self {
        Self {
            repeats: REPEATS,
            ..self
        }
    }

    /// The room for a factor that there has to be.
    pub fn patient(self) -> Self {
        Self {
            is_patient: true,
            ..self
        }
    }

    /// Bytes that may be taken; `None` where nobody knows.
    pub fn bytes(&self) -> Option<u64> {
        let limits = [self.limit, free_bytes()];
        limits.into_iter().flatten().min()
    }
}

/// Bytes that this process may still take; `None` where the system doesn't tell (other systems
/// than Linux).
pub fn free_bytes() -> Option<u64> {
    let limits = [of_machine(), of_container(), of_process()];
    limits.into_iter().flatten().min()
}

/// So many bytes in GiB, as errors tell them.
pub fn in_gib(bytes: f64) -> f64 {
    bytes / (1u64 << 30) as f64
}

/// The error for arrays of so many bytes.
pub fn too_large(bytes: f64, free: Option<u64>) -> Error {
    Error::TooLarge {
        gib: in_gib(bytes),
        free: free.map(|free| in_gib(free as f64)),
    }
}

/// An array of zeros.
///
/// # Errors
/// `TooLarge` if there is no memory for it.
pub fn zeros(length: usize) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    let reserved = values.try_reserve_exact(length);
    reserved.map_err(|_| too_large(8.0 * length as f64, free_bytes()))?;
    values.resize(length, 0.0);
    Ok(values)
}

// What Linux thinks can be had without swapping.
fn of_machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes(&text, "MemAvailable:")
}

// What a container's limit leaves.
fn of_container() -> Option<u64> {
    let read = |name: &str| -> Option<u64> {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}

// What the limit of the address space (`ulimit -v`) leaves.
fn of_process() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(limit.saturating_sub(kilobytes(&status, "VmSize:")?))
}

// Bytes on the line of a name, which has kilobytes.
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
