//! What a covariance structure has to tell of itself.

/// Receives `(row, column, value)`.
pub(crate) type VisitElement<'a> = &'a mut dyn FnMut(usize, usize, f64);
/// Receives `(parameter, row, column, value)`.
pub(crate) type VisitFirst<'a> = &'a mut dyn FnMut(usize, usize, usize, f64);
/// Receives `(parameter, parameter, row, column, value)`.
pub(crate) type VisitSecond<'a> = &'a mut dyn FnMut(usize, usize, usize, usize, f64);

/// One structure. `theta` holds the parameters of one part of `k` effects; rows, columns and parameters count from
/// zero within the part; of symmetric matrices the lower triangle is visited.
///
/// Optimizers see working coordinates `x`, in which nothing is bounded but what [`Covariance::project`] cuts off.
pub(crate) trait Covariance: Sync {
    /// Number of parameters.
    fn n_theta(&self, k: usize) -> usize;

    /// Whether Lambda is diagonal for every theta.
    fn is_diagonal(&self, k: usize) -> bool;

    /// `(row, column, parameter)` of the elements of Lambda if each of them is a parameter or zero.
    fn places(&self, _k: usize, _visit: &mut dyn FnMut(usize, usize, usize)) {}

    /// Whether Lambda is made of places.
    fn is_filled(&self) -> bool {
        true
    }

    /// The elements of Lambda that aren't zero for every theta.
    fn lambda(&self, k: usize, theta: &[f64], visit: VisitElement) {
        self.places(k, &mut |row, column, index| {
            visit(row, column, theta[index])
        });
    }

    /// `d Omega / d theta_j`. Values of the same element add up.
    fn first_derivative(&self, k: usize, theta: &[f64], visit: VisitFirst);

    /// `d2 Omega / d theta_i d theta_j`, each unordered pair once.
    fn second_derivative(&self, k: usize, theta: &[f64], visit: VisitSecond);

    /// Start values.
    fn start(&self, k: usize, start: &mut [f64]) {
        start.fill(0.0);
        self.places(k, &mut |row, column, index| {
            start[index] = f64::from(u8::from(row == column))
        });
    }

    /// The smallest and the largest value of the last parameter if that is a correlation.
    fn correlation_range(&self, _k: usize) -> Option<(f64, f64)> {
        None
    }

    /// The smallest and the largest value of each parameter.
    fn bounds(&self, k: usize, lower: &mut [f64], upper: &mut [f64]) {
        upper.fill(f64::INFINITY);
        self.places(k, &mut |row, column, index| {
            lower[index] = if row == column {
                0.0
            } else {
                f64::NEG_INFINITY
            }
        });
    }

    /// The size of a step of one in each working coordinate, given the root mean square of each column of Z.
    fn step_sizes(&self, k: usize, rms: &[f64], step_sizes: &mut [f64]) {
        self.places(k, &mut |row, _, index| step_sizes[index] = 1.0 / rms[row]);
    }

    /// From working coordinates to theta, in place; writes the first and second derivatives of each element.
    fn natural(&self, _k: usize, _x: &mut [f64], first: &mut [f64], second: &mut [f64]) {
        first.fill(1.0);
        second.fill(0.0);
    }

    /// The inverse of [`Covariance::natural`], in place.
    fn working(&self, _k: usize, _theta: &mut [f64]) {}

    /// Chooses among the working coordinates with the same Omega those within the bounds; where there are none, the
    /// nearest. Elements that are held stay.
    fn project(&self, k: usize, x: &mut [f64], held: &[bool]);

    /// Calls `visit(parameter)` for each one without equivalents below its bound of zero: there it may have a slope.
    fn kinks(&self, _k: usize, _held: &[bool], _visit: &mut dyn FnMut(usize)) {}

    /// Theta of a positive definite matrix near `omega` (`k x k`, symmetric), for the search to go on from: no standard
    /// deviation shrinks below a tenth. Unchanged if the structure has no such way.
    fn approach(&self, _k: usize, _omega: &[f64], _theta: &mut [f64]) {}

    /// The correlation of two effects at a `distance` in what [`Covariance::displace`] adds.
    fn correlation(&self, _distance: usize, _rho: f64) -> f64 {
        0.0
    }

    /// Theta with `Omega + eps v v'`, or the structure's version of it, where a correlation is `rho`.
    fn displace(&self, k: usize, eps: f64, v: &[f64], rho: f64, theta: &mut [f64]);
}
