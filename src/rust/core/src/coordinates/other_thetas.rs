//! Starting points of restarts: theta rescaled, with one standard deviation changed, or with a
//! singular or perfectly correlated covariance.

use super::far_slopes::FarSlope;
use crate::covariance::RelCov;

/// The covariances of a model, for the construction of thetas from others.
pub(crate) struct OtherThetas<'a> {
    pub covs: &'a [RelCov],
    /// Marks the elements of theta that no optimizer may change.
    pub held: &'a [bool],
    pub lower: &'a [f64],
    /// The unit of each element of theta, in which its column of Z has a mean square of one.
    pub units: Vec<f64>,
    /// The random slopes whose covariate is far from zero.
    pub far: &'a [FarSlope],
}

/// A kind of intercepts that may make up for slopes of a covariate far from zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intercepts {
    /// The term to which they belong.
    pub term: usize,
    /// Whether they are equal effects of the levels of a factor, the first column of Lambda, or
    /// else the first effect alone.
    pub of_levels: bool,
}

/// An element of theta that is an element of Lambda.
#[derive(Debug, Clone, Copy)]
struct Element {
    term: usize,
    row: usize,
    column: usize,
    /// The index into theta.
    index: usize,
}

impl Intercepts {
    // Whether an element of Lambda is one of an intercept of this kind, seen from a slope: its term
    // and its row.
    fn includes(self, element: Element, slope: Option<(usize, usize)>) -> bool {
        let is_first = element.row == 0 || self.of_levels;
        element.term == self.term
            && element.column == 0
            && is_first
            && slope != Some((element.term, element.row))
    }
}

impl OtherThetas<'_> {
    /// The standard deviations of random slopes whose covariate is far from zero, as indices into
    /// theta, each with the standard deviation of the covariate over its root mean square.
    pub fn far_slopes(&self) -> Vec<(usize, f64)> {
        let mut found = Vec::new();
        self.for_each_element(|element| {
            let index = element.index;
            if element.row == element.column && !self.held[index] {
                let spread = self.spread(element.term, element.row);
                found.extend(spread.map(|spread| (index, spread)));
            }
        });
        found
    }

    /// Whether there are random slopes of covariates far from zero.
    pub fn has_far_slopes(&self) -> bool {
        !self.far_slopes().is_empty()
    }

    // The standard deviation of a column of Z, over its root mean square, if it is small.
    fn spread(&self, term: usize, column: usize) -> Option<f64> {
        let own =
            |slope: &&FarSlope| (slope.term, slope.column) == (term, column);
        self.far.iter().find(own).map(|slope| slope.spread)
    }

    /// Indices of the free elements of theta that are standard deviations or diagonal elements of
    /// Lambda.
    pub fn standard_deviations(&self) -> Vec<usize> {
        let is_free = |&j: &usize| self.lower[j] == 0.0 && !self.held[j];
        (0..self.lower.len()).filter(is_free).collect()
    }

    /// Whether one of several free standard deviations of a part is zero.
    pub fn has_zero_among_several(&self, theta: &[f64]) -> bool {
        let mut parts = self.covs.iter().flat_map(|cov| cov.parts());
        parts.any(|part| {
            let scales = part.scales().map(|(j, _)| part.theta_start + j);
            let free: Vec<usize> = scales.filter(|&j| !self.held[j]).collect();
            free.len() > 1 && free.iter().any(|&j| theta[j] == 0.0)
        })
    }

    /// Theta with all free elements of Lambda multiplied by `scale`.
    pub fn scaled(&self, theta: &[f64], scale: f64) -> Vec<f64> {
        let mut scaled = theta.to_vec();
        for part in self.covs.iter().flat_map(|cov| cov.parts()) {
            for (j, role) in part.range().zip(part.roles()) {
                if !role.is_correlation() && !self.held[j] {
                    scaled[j] *= scale;
                }
            }
        }
        scaled
    }

    /// Theta with the free correlation parameters of another one.
    pub fn with_correlations_of(
        &self,
        other: &[f64],
        theta: &[f64],
    ) -> Vec<f64> {
        let mut changed = theta.to_vec();
        for part in self.covs.iter().flat_map(|cov| cov.parts()) {
            for (j, role) in part.range().zip(part.roles()) {
                if role.is_correlation() && !self.held[j] {
                    changed[j] = other[j];
                }
            }
        }
        changed
    }

    /// The start multiplied by `scale`, with elements below the diagonal of each unstructured
    /// Lambda at `share` times the diagonal, so that effects are correlated with those before them;
    /// `None` without an unstructured part.
    pub fn with_correlated_effects(
        &self,
        start: &[f64],
        scale: f64,
        share: f64,
    ) -> Option<Vec<f64>> {
        let mut has_any = false;
        let scaled = self.scaled(start, scale);
        let changed = self.changed(&scaled, |element| {
            let is_below = element.row != element.column;
            has_any |= is_below;
            is_below.then(|| share * scale * self.units[element.index])
        });
        has_any.then_some(changed)
    }

    /// Theta with only the first column of each unstructured Lambda, which then has rank one.
    pub fn with_rank_one(&self, theta: &[f64]) -> Vec<f64> {
        let mut changed = theta.to_vec();
        for part in self.covs.iter().flat_map(|cov| cov.parts()) {
            if !part.roles().iter().any(|role| role.is_below_diagonal()) {
                continue;
            }
            part.for_each_parameter(|_, column, j| {
                let index = part.theta_start + j;
                if column > 0 && !self.held[index] {
                    changed[index] = 0.0;
                }
            });
        }
        changed
    }

    /// Theta with standard deviation `j` at `scale` units, and zeros left of the diagonal in its
    /// row of Lambda.
    pub fn with_standard_deviation(
        &self,
        theta: &[f64],
        j: usize,
        scale: f64,
    ) -> Vec<f64> {
        let own = self.effect_of(j);
        let mut changed = self.changed(theta, |element| {
            (own == Some((element.term, element.row))).then_some(0.0)
        });
        changed[j] = scale * self.units[j];
        changed
    }

    /// Theta with the effect whose standard deviation is element `j` and another effect of its
    /// unstructured term as multiples of each other, positive or negative ones by the sign: the
    /// first of the effects before it, or else the first after it. `None` if there is no such
    /// effect.
    pub fn as_multiple(
        &self,
        theta: &[f64],
        j: usize,
        sign: f64,
    ) -> Option<Vec<f64>> {
        let (term, effect) = self.effect_of(j)?;
        let mut between = None;
        self.for_each_element(|element| {
            let is_between = element.row == effect || element.column == effect;
            let is_below = element.row != element.column;
            if element.term == term && is_between && is_below {
                between = between.or(Some(element));
            }
        });
        let between = between?;
        let size = self.standard_deviation_of(theta, (term, between.row));
        Some(self.changed(theta, |element| {
            let is_own = (element.term, element.row) == (term, between.row);
            let is_kept = element.index == between.index;
            is_own.then_some(if is_kept { sign * size } else { 0.0 })
        }))
    }

    // The standard deviation of an effect: the length of its row of Lambda.
    fn standard_deviation_of(
        &self,
        theta: &[f64],
        effect: (usize, usize),
    ) -> f64 {
        let mut square = 0.0;
        self.for_each_element(|element| {
            if (element.term, element.row) == effect {
                square += theta[element.index].powi(2);
            }
        });
        square.sqrt()
    }

    /// Theta without a term.
    pub fn without_term(&self, theta: &[f64], term: usize) -> Vec<f64> {
        self.changed(theta, |element| (element.term == term).then_some(0.0))
    }

    /// Theta with the other standard deviations of the term of element `j` at `scale` units too.
    pub fn with_term(&self, theta: &[f64], j: usize, scale: f64) -> Vec<f64> {
        let own = self.effect_of(j).map(|(term, _)| term);
        self.with_sizes(theta, scale, |element| {
            own == Some(element.term)
                && element.row == element.column
                && element.index != j
        })
    }

    /// Theta with the standard deviation of the first effect of the term of element `j` at `scale`
    /// units too.
    pub fn with_first(&self, theta: &[f64], j: usize, scale: f64) -> Vec<f64> {
        let first = self.effect_of(j).map(|(term, _)| (term, 0, 0));
        self.with_sizes(theta, scale, |element| {
            first == Some((element.term, element.row, element.column))
                && element.index != j
        })
    }

    /// Theta with the intercepts of a kind, seen from the slope whose standard deviation is element
    /// `j`, at `scale` units too. The unit of several equal effects is that of their sum, as each
    /// row has one of them.
    pub fn with_intercepts(
        &self,
        theta: &[f64],
        j: usize,
        kind: Intercepts,
        scale: f64,
    ) -> Vec<f64> {
        let slope = self.effect_of(j);
        let is_wanted = |element: Element| kind.includes(element, slope);
        let mut squares = vec![0.0; self.covs.len()];
        self.for_each_element(|element| {
            let unit = self.units[element.index];
            let is_summed = is_wanted(element);
            squares[element.term] +=
                if is_summed { unit.powi(-2) } else { 0.0 };
        });
        self.changed(theta, |element| {
            let size = scale / squares[element.term].sqrt();
            is_wanted(element).then_some(size)
        })
    }

    // Theta with the free elements of Lambda that are wanted at `scale` units.
    fn with_sizes(
        &self,
        theta: &[f64],
        scale: f64,
        is_wanted: impl Fn(Element) -> bool,
    ) -> Vec<f64> {
        self.changed(theta, |element| {
            is_wanted(element).then(|| scale * self.units[element.index])
        })
    }

    /// Theta with the slopes of one unstructured part that are far from zero equal to that of
    /// element `j`, which is the first of them, such as the slopes of a covariate in each category.
    /// Slopes that differ would be as different intercepts. `None` without such slopes.
    pub fn with_equal_slopes(
        &self,
        theta: &[f64],
        j: usize,
    ) -> Option<Vec<f64>> {
        let others = self.effects_beside(j);
        let equal = self.equal_elements(j);
        let changed = self.changed(theta, |element| {
            let is_other = others.contains(&(element.term, element.row));
            let is_equal = equal.contains(&element.index);
            is_other.then_some(if is_equal { theta[j] } else { 0.0 })
        });
        (!equal.is_empty()).then_some(changed)
    }

    /// The elements of Lambda that equal element `j` of theta in [`Self::with_equal_slopes`], as
    /// indices into theta.
    pub fn equal_elements(&self, j: usize) -> Vec<usize> {
        let others = self.effects_beside(j);
        let own = self.effect_of(j);
        let mut found = Vec::new();
        self.for_each_element(|element| {
            let is_other = others.contains(&(element.term, element.row));
            let is_own = own == Some((element.term, element.column));
            if is_other && is_own && !self.held[element.index] {
                found.push(element.index);
            }
        });
        found
    }

    // The effects after that of element `j` in its term that are slopes far from zero.
    fn effects_beside(&self, j: usize) -> Vec<(usize, usize)> {
        let own = self.effect_of(j);
        let far = self.far_slopes().into_iter();
        let effects = far.filter_map(|(i, _)| self.effect_of(i));
        let is_beside = |effect: &(usize, usize)| {
            own.is_some_and(|own| effect.0 == own.0 && effect.1 > own.1)
        };
        effects.filter(is_beside).collect()
    }

    // Theta with the free elements of Lambda for which `change` returns a value replaced by that
    // value.
    fn changed(
        &self,
        theta: &[f64],
        mut change: impl FnMut(Element) -> Option<f64>,
    ) -> Vec<f64> {
        let mut changed = theta.to_vec();
        self.for_each_element(|element| {
            if !self.held[element.index] {
                changed[element.index] =
                    change(element).unwrap_or(changed[element.index]);
            }
        });
        changed
    }

    // The term and the effect whose standard deviation, or diagonal element of Lambda, is element
    // `j` of theta; the last one if several effects share the element.
    pub fn effect_of(&self, j: usize) -> Option<(usize, usize)> {
        let mut own = None;
        self.for_each_element(|element| {
            if element.index == j && element.row == element.column {
                own = Some((element.term, element.row));
            }
        });
        own
    }

    // Calls `visit` for each element of Lambda that is a parameter, held or not.
    fn for_each_element(&self, mut visit: impl FnMut(Element)) {
        for (term, cov) in self.covs.iter().enumerate() {
            cov.for_each_parameter(|row, column, index| {
                visit(Element {
                    term,
                    row,
                    column,
                    index,
                });
            });
        }
    }
}
