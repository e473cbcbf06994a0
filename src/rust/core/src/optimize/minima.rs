//! The minima found by earlier searches: a search that is converging to one of them can stop early.

use crate::tolerances::{NEAR_OPTIMUM, NO_GAIN};

/// Largest ratio of the heights above a minimum after and before a step that converges to it.
const HEIGHT_LEFT: f64 = 0.1;
/// Largest ratio of the distances from a minimum after and before a step that converges to it.
const DISTANCE_LEFT: f64 = 0.3;

/// The value and the point of each minimum in which a search ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Minima {
    known: Vec<(f64, Vec<f64>)>,
}

impl Minima {
    /// Adds a minimum.
    pub fn add(&mut self, value: f64, x: &[f64]) {
        self.known.push((value, x.to_vec()));
    }

    /// Whether no minimum has been found.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The value of the known minimum to which Newton's method is converging, if any: the last step
    /// reduced both the height above it and the distance from it by large factors, as in its basin
    /// of quadratic convergence. Distances are in units of `step_sizes`.
    pub fn approached(
        &self,
        (value_before, before): (f64, &[f64]),
        (value, x): (f64, &[f64]),
        step_sizes: &[f64],
    ) -> Option<f64> {
        let is_low = |height: f64| (-NO_GAIN..NEAR_OPTIMUM).contains(&height);
        let is_approached = |&&(minimum, ref end): &&(f64, Vec<f64>)| {
            let height = value - minimum;
            is_low(height)
                && height < HEIGHT_LEFT * (value_before - minimum)
                && distance(x, end, step_sizes)
                    < DISTANCE_LEFT * distance(before, end, step_sizes)
        };
        self.known.iter().find(is_approached).map(|known| known.0)
    }
}

fn distance(x: &[f64], y: &[f64], step_sizes: &[f64]) -> f64 {
    let differences = x.iter().zip(y).zip(step_sizes);
    let squares = differences.map(|((x, y), unit)| ((x - y) / unit).powi(2));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minima() -> Minima {
        let mut minima = Minima::default();
        minima.add(5.0, &[1.0, 1.0]);
        minima.add(3.0, &[0.0, 0.0]);
        minima
    }

    fn approached(
        before: (f64, [f64; 2]),
        now: (f64, [f64; 2]),
    ) -> Option<f64> {
        let before = (before.0, before.1.as_slice());
        minima().approached(before, (now.0, &now.1), &[1.0, 1.0])
    }

    #[test]
    fn step_near_a_minimum_leads_to_it() {
        assert_eq!(
            approached((3.5, [0.5, 0.0]), (3.001, [0.02, 0.0])),
            Some(3.0)
        );
        assert_eq!(
            approached((5.5, [1.5, 0.0]), (5.001, [1.0, 0.98])),
            Some(5.0)
        );
    }

    #[test]
    fn step_that_leaves_much_or_ends_elsewhere_does_not() {
        // The step leaves half of the distance.
        assert_eq!(approached((3.5, [0.5, 0.0]), (3.001, [0.25, 0.0])), None);
        // The step leaves half of the height.
        assert_eq!(approached((3.01, [0.5, 0.0]), (3.005, [0.02, 0.0])), None);
        // The objective is lower than any known minimum nearby.
        assert_eq!(approached((3.5, [0.5, 0.0]), (2.9, [0.02, 0.0])), None);
        // Another minimum has the same value.
        assert_eq!(approached((3.5, [5.0, 5.0]), (3.001, [4.0, 4.0])), None);
    }
}
