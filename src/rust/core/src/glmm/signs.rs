//! Starts with linear predictors of the opposite sign, for the square-root link.
//!
//! With this link a mean is the same for linear predictors of either sign, so that each category of
//! rows may have one or the other, and so may the rows on either side of a point of a covariate.
//! The random effects, which several categories share, increase the means with one sign and
//! decrease those with the other: the likelihood has a maximum for each combination of signs, and
//! no path of increasing likelihood leads from one to another, as all means of a category would
//! have to pass zero.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::fit::GlmmFit;
use super::pirls::Modes;
use super::roots;
use super::settings::FitSettings;
use super::GeneralizedLinearMixedModel;
use crate::covariance::RelCov;
use crate::glmm::families::Link;
use crate::glmm::vary::Vary;
use crate::optimize::Observer;
use crate::random::Stream;
use crate::tolerances::{OTHER_MINIMUM, SAME_VALUE};

/// Largest number of categories of which two at once are given the opposite sign.
const MOST_IN_PAIRS: usize = 8;
/// Largest number of cells, the combinations of categories, that are given the opposite sign.
const MOST_CELLS: usize = 24;
/// Number of lower optima after each of which the searches may cost as much again.
const MOST_RENEWALS: usize = 8;
/// Number of operations that searches with other signs may cost: each set of rows has several.
const AFFORDABLE: f64 = 3e8;

// Modes at given fixed effects, and the deviance and linear predictors there; infinite if PIRLS
// fails.
#[derive(Clone)]
struct Place {
    deviance: f64,
    modes: Modes,
    eta: Vec<f64>,
}

// The order of deviances, of places with their covariances.
fn by_deviance<T>(a: &(T, Place), b: &(T, Place)) -> Ordering {
    a.1.deviance.total_cmp(&b.1.deviance)
}

impl GeneralizedLinearMixedModel {
    /// The fit, or the lowest one from linear predictors of the opposite sign in some categories of
    /// rows, or in the rows with a covariate above a quartile; beside the fit's covariances, those
    /// of `start`, and those with other correlations.
    pub(super) fn or_with_other_signs(
        &mut self,
        fit: &FitSettings,
        start: &[f64],
        mut best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        if !self.may_have_other_signs() || !self.may_start_at_fixed(fit.vary) {
            return best;
        }
        let sets = self.sets_of_signs(fit);
        let affordable = self.affordable_steps(AFFORDABLE);
        let mut renewals = 0..MOST_RENEWALS;
        let mut most = self.pirls.iterations + affordable;
        loop {
            let before = best.summary.best_value;
            let starts = self.starts_of_signs(start, &best);
            let most_of_places = self.pirls.iterations + affordable / 2;
            let most_of_places = most.min(most_of_places);
            let candidates =
                self.with_signs(&sets, &starts, &best, most_of_places);
            for candidate in candidates {
                if self.pirls.iterations > most || self.must_stop() {
                    return best;
                }
                best = self.or_from_place(fit, candidate, best, observe);
                if best.summary.best_value < before {
                    break;
                }
            }
            if best.summary.best_value >= before {
                return best;
            }
            if renewals.next().is_some() {
                most = self.pirls.iterations + affordable;
            }
        }
    }

    // The covariances of the fit and of the start, also with other correlations.
    fn starts_of_signs(&self, start: &[f64], best: &GlmmFit) -> Vec<Vec<f64>> {
        let mut starts = vec![self.start_of(&best.parameters), start.to_vec()];
        for start in starts.clone() {
            starts.extend(self.correlated_starts(&start));
        }
        starts
    }

    // The fit, or the one from these covariances and modes if it ends lower.
    fn or_from_place(
        &mut self,
        fit: &FitSettings,
        (start, at): (Vec<f64>, Place),
        best: GlmmFit,
        observe: &mut Observer,
    ) -> GlmmFit {
        self.reset_modes();
        self.pirls.restore_modes(&at.modes);
        let beta = self.pirls.natural_beta();
        if !self.has_many_modes() {
            return self.or_from_fixed(fit, (start, beta), best, observe);
        }
        let from = FitSettings {
            beta,
            ..fit.clone()
        };
        self.or_lower(&from, best, |model, limited| {
            model.near(at.eta, |model| {
                model.fit_directly(limited, &start, None, observe)
            })
        })
    }

    // Each of these covariances, with modes that other signs lead to, in the order of their
    // deviances: the lowest one with each of them, and then the others.
    fn with_signs(
        &mut self,
        sets: &[Vec<usize>],
        starts: &[Vec<f64>],
        best: &GlmmFit,
        most: usize,
    ) -> Vec<(Vec<f64>, Place)> {
        let beta = self.fixed_effects_of(best);
        let mut stream = Stream::new(0, 0);
        let mut lowest = Vec::new();
        let mut others = Vec::new();
        for start in starts {
            let found = self.places_of(sets, start, &beta, &mut stream, most);
            let mut places = found.into_iter();
            lowest.extend(places.next().map(|at| (start.clone(), at)));
            others.extend(places.map(|at| (start.clone(), at)));
        }
        lowest.sort_by(by_deviance);
        others.sort_by(by_deviance);
        lowest.extend(others);
        lowest
    }

    // The places of the best signs at these covariances, and those around the lowest one, where one
    // set of rows has other signs; the lowest one first.
    fn places_of(
        &mut self,
        sets: &[Vec<usize>],
        start: &[f64],
        beta: &[f64],
        stream: &mut Stream,
        most: usize,
    ) -> Vec<Place> {
        let zeros = vec![0.0; self.n_random()];
        let own = self.place_at(start, &[&zeros, beta].concat());
        let Some(roots) = self.roots(roots::AFFORDABLE) else {
            return Vec::new();
        };
        let shared = sets.iter().filter(|rows| rows.len() > 1);
        let shared: Vec<Vec<usize>> = shared.cloned().collect();
        let best = roots.best_effects(&own.eta, sets, stream);
        let mut found = self.places_from(best, start, most);
        let mut around = own;
        loop {
            let beside = roots.effects_beside(&around.eta, &shared);
            found.extend(self.places_from(beside, start, most));
            found.sort_by(|a, b| a.deviance.total_cmp(&b.deviance));
            match found.first() {
                Some(at) if at.deviance < around.deviance - OTHER_MINIMUM => {
                    around = at.clone();
                }
                _ => return found,
            }
        }
    }

    // The places with these effects and with the opposite ones, which PIRLS does not treat alike,
    // as many as the number of PIRLS steps allows.
    fn places_from(
        &mut self,
        found: Vec<Vec<f64>>,
        start: &[f64],
        most: usize,
    ) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for effects in found {
            let opposite = effects.iter().map(|effect| -effect).collect();
            for effects in [effects, opposite] {
                if self.pirls.iterations > most || self.must_stop() {
                    return places;
                }
                places.push(self.place_at(start, &effects));
            }
        }
        places
    }

    // The modes at these fixed effects, which are looked for from these random ones where that
    // matters, and the deviance there.
    fn place_at(&mut self, start: &[f64], effects: &[f64]) -> Place {
        self.restart_from_effects(effects);
        if !self.has_many_modes() {
            self.reset_modes();
        }
        let (theta, shape) = start.split_at(self.n_theta());
        let parameters = [theta, &self.pirls.beta, shape].concat();
        let deviance = self.with_low_accuracy(|model| {
            model.objective(Vary::Modes, &parameters)
        });
        Place {
            deviance: deviance.unwrap_or(f64::INFINITY),
            modes: self.pirls.modes(),
            eta: self.pirls.response.eta.clone(),
        }
    }

    /// Makes these spherical random effects and, after them, fixed effects the start of the next
    /// search for modes.
    pub(super) fn restart_from_effects(&mut self, effects: &[f64]) {
        self.reset_modes();
        let (mut random, beta) = effects.split_at(self.n_random());
        for u in self.pirls.u.iter_mut() {
            let own;
            (own, random) = random.split_at(u.len());
            u.copy_from_slice(own);
        }
        self.pirls.beta.copy_from_slice(beta);
    }

    /// The fixed effects of a fit, as PIRLS has them.
    pub(super) fn fixed_effects_of(&mut self, fit: &GlmmFit) -> Vec<f64> {
        self.start_at(&fit.parameters[self.places_of_beta()]);
        self.pirls.beta.clone()
    }

    /// The sets of rows whose linear predictors may have another sign; none with other links.
    pub(super) fn sets_of_random_signs(
        &self,
        fit: &FitSettings,
    ) -> Vec<Vec<bool>> {
        match self.may_have_other_signs() {
            true => self.sets_of_rows(fit).concat(),
            false => Vec::new(),
        }
    }

    /// Fixed effects whose linear predictors have random signs in these sets of rows.
    pub(super) fn with_random_signs(
        &mut self,
        sets: &[Vec<bool>],
        beta: &[f64],
        stream: &mut Stream,
    ) -> Vec<f64> {
        if sets.is_empty() {
            return beta.to_vec();
        }
        let mut changed = vec![false; self.pirls.rows.n()];
        for rows in sets {
            if stream.uniform() < 0.5 {
                changed = exactly_one(&changed, rows);
            }
        }
        self.with_other_sign(beta, &changed)
            .unwrap_or_else(|| beta.to_vec())
    }

    // The fixed effects whose linear predictors, as nearly as possible, have the opposite sign of
    // those of `beta` in some rows, and are the same in the others.
    fn with_other_sign(
        &mut self,
        beta: &[f64],
        rows: &[bool],
    ) -> Option<Vec<f64>> {
        let mut wanted = self.fixed_eta(beta);
        for (eta, _) in wanted.iter_mut().zip(rows).filter(|(_, row)| **row) {
            *eta = -*eta;
        }
        self.unweighted_effects(&wanted)
    }

    /// Whether a mean is the same for linear predictors of either sign, and other starts are cheap
    /// to try, or known to explain more.
    pub(super) fn may_have_other_signs(&self) -> bool {
        let is_worthwhile = self.has_few_rows() || self.has_other_signs;
        self.pirls.response.link == Link::Sqrt && is_worthwhile
    }

    // The sets of rows whose linear predictors may have another sign than those of the others: each
    // category of X and Z, and the rows with a covariate in X above a quartile.
    fn sets_of_rows(&self, fit: &FitSettings) -> [Vec<Vec<bool>>; 2] {
        let rows = &self.pirls.rows;
        let of_x = original_columns(&rows.x, rows.p, &fit.x_coefficients);
        let mut categories = categories(&of_x);
        let cells = cells(&categories);
        for term in &rows.terms {
            let z = original_columns(&term.z, term.k, &[]);
            for category in self::categories(&z) {
                if !categories.contains(&category) {
                    categories.push(category);
                }
            }
        }
        let above = of_x.iter().flat_map(|column| above_quartiles(column));
        [categories, cells.into_iter().chain(above).collect()]
    }

    // The rows whose signs are changed together: the sets of rows with pairs of categories, each
    // row alone, and each level of a term, as a whole and within each cell.
    fn sets_of_signs(&self, fit: &FitSettings) -> Vec<Vec<usize>> {
        let [categories, _] = self.sets_of_rows(fit);
        let kinds = kinds_of_rows(&categories, self.pirls.rows.n());
        let marked = self.marked_sets(fit);
        let rows_of = |marks: &Vec<bool>| {
            (0..marks.len()).filter(|&row| marks[row]).collect()
        };
        let mut sets: Vec<Vec<usize>> = marked.iter().map(rows_of).collect();
        sets.extend((0..self.pirls.rows.n()).map(|row| vec![row]));
        for term in &self.pirls.rows.terms {
            let levels = term.level.iter().map(|level| *level as usize);
            let within = levels.clone().zip(kinds.iter().copied());
            sets.extend(groups(levels));
            sets.extend(groups(within));
        }
        sets
    }

    /// The sets of rows with pairs of categories, with each cell, and with a covariate above a
    /// quartile, as marks of the rows.
    pub(super) fn marked_sets(&self, fit: &FitSettings) -> Vec<Vec<bool>> {
        let [categories, others] = self.sets_of_rows(fit);
        [with_pairs(categories), others].concat()
    }

    /// Whether a search may start at other fixed effects: they are parameters, and none are stored
    /// as a term.
    pub(super) fn may_start_at_fixed(&self, vary: Vary) -> bool {
        let is_parameter = vary == Vary::Modes && !self.pirls.beta.is_empty();
        is_parameter && !self.covs.iter().any(RelCov::is_fixed)
    }
}

// The columns of a matrix that is stored row by row, `p x n`, times the transpose of C (column by
// column; empty if it is the identity).
fn original_columns(rows: &[f64], p: usize, c: &[f64]) -> Vec<Vec<f64>> {
    let stored = |j: usize| rows.iter().skip(j).step_by(p).copied();
    let column = |j: usize| {
        if c.is_empty() {
            return stored(j).collect();
        }
        let mut sum = vec![0.0; rows.len() / p];
        for l in 0..p {
            let share = c[l * p + j];
            sum.iter_mut()
                .zip(stored(l))
                .for_each(|(s, x)| *s += share * x);
        }
        sum
    };
    (0..p).map(column).collect()
}

// The rows of each category: the larger elements of a column with two values, and the reference
// level, which has the lower value of all such columns.
fn categories(columns: &[Vec<f64>]) -> Vec<Vec<bool>> {
    let halves = columns.iter().filter_map(|column| upper_of_two(column));
    let mut found: Vec<Vec<bool>> = halves.collect();
    let Some(first) = found.first() else {
        return found;
    };
    let mut others = vec![true; first.len()];
    for marks in &found {
        for (other, mark) in others.iter_mut().zip(marks) {
            *other &= !mark;
        }
    }
    if found.len() > 1 && others.contains(&true) {
        found.push(others);
    }
    found
}

// The rows of each value that occurs more than once.
fn groups<T: Ord>(of_rows: impl Iterator<Item = T>) -> Vec<Vec<usize>> {
    let mut found: BTreeMap<T, Vec<usize>> = BTreeMap::new();
    for (row, value) in of_rows.enumerate() {
        found.entry(value).or_default().push(row);
    }
    found.into_values().filter(|rows| rows.len() > 1).collect()
}

// The number of each row's combination of categories.
fn kinds_of_rows(categories: &[Vec<bool>], n: usize) -> Vec<usize> {
    let mut kinds = BTreeMap::new();
    let of_row = |row: usize| {
        let marks = categories.iter().map(|marks| marks[row]);
        let next = kinds.len();
        *kinds.entry(marks.collect::<Vec<bool>>()).or_insert(next)
    };
    (0..n).map(of_row).collect()
}

// The rows of each combination of categories that is no category itself, if there are not many.
fn cells(categories: &[Vec<bool>]) -> Vec<Vec<bool>> {
    let n_rows = categories.first().map_or(0, Vec::len);
    let of_row = |row: usize| {
        let marks = categories.iter().map(|marks| marks[row]);
        marks.collect::<Vec<bool>>()
    };
    let of_rows: Vec<Vec<bool>> = (0..n_rows).map(of_row).collect();
    let mut kinds = of_rows.clone();
    kinds.sort();
    kinds.dedup();
    if kinds.len() > MOST_CELLS {
        return Vec::new();
    }
    let of_kind = |kind| {
        let is_kind = of_rows.iter().map(|own| own == kind);
        is_kind.collect::<Vec<bool>>()
    };
    let all = kinds.iter().map(of_kind);
    all.filter(|cell| !categories.contains(cell)).collect()
}

// Adds the rows of each two categories, up to the complement: four categories that share all rows,
// or fewer, then have each combination of signs, apart from mirror images.
fn with_pairs(mut categories: Vec<Vec<bool>>) -> Vec<Vec<bool>> {
    let n = categories.len();
    if n > MOST_IN_PAIRS {
        return categories;
    }
    for j in 1..n {
        for i in 0..j {
            let pair = exactly_one(&categories[i], &categories[j]);
            let complement = pair.iter().map(|mark| !mark).collect();
            if ![&pair, &complement].iter().any(|c| categories.contains(c)) {
                categories.push(pair);
            }
        }
    }
    categories
}

// The rows that are in one of two sets, but not in both.
fn exactly_one(a: &[bool], b: &[bool]) -> Vec<bool> {
    a.iter().zip(b).map(|(a, b)| a != b).collect()
}

// Marks the larger elements of a column with two values; `None` for other columns.
fn upper_of_two(column: &[f64]) -> Option<Vec<bool>> {
    let low = column.iter().copied().fold(f64::INFINITY, f64::min);
    let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let error = SAME_VALUE * (high - low);
    let is_either = |x: &f64| x - low <= error || high - x <= error;
    let has_two = low < high && column.iter().all(is_either);
    let is_high = |x: &f64| high - x <= error;
    has_two.then(|| column.iter().map(is_high).collect())
}

// Marks the elements of a column above each of their quartiles; empty for columns with less than
// three values.
fn above_quartiles(column: &[f64]) -> Vec<Vec<bool>> {
    let mut sorted = column.to_vec();
    sorted.sort_by(f64::total_cmp);
    let has_one = sorted.first() == sorted.last();
    if has_one || upper_of_two(column).is_some() {
        return Vec::new();
    }
    let above = |quarters: usize| {
        let quartile = sorted[quarters * sorted.len() / 4];
        column.iter().map(|x| *x > quartile).collect()
    };
    (1..4).map(above).collect()
}
