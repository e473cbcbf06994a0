//! A basis that decouples a level from the levels nested in it, whose effects are nearly confounded
//! with its own, as a part of the preconditioner.
//!
//! The unit vector of a level p is replaced by `q_p = e_p - sum_c w_c e_c` over the levels c nested
//! in it, with `w_c = S_cp / S_cc`. In this basis Q the system is `Q'SQ`, whose diagonal is the
//! preconditioner: `F = Q^-T diag(Q'SQ)^(1/2)`. With `kappa = K_cp / S_cc` the weights are
//! `w = theta_c theta_p kappa`; the weights before scaling by D are `omega = theta_c^2 kappa`, as
//! `D q_p = theta_p (e_p - sum_c omega_c e_c)`. There is no division by a theta, which may be zero.

use std::borrow::Cow;

use crate::factor::blocks::Blocks;
use crate::iterative::reduced::Reduced;
use crate::iterative::system::{Nested, System};
use crate::iterative::wide::add_multiple;

/// A level nested in another one.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    /// The rows of the level and of the level that contains it.
    nested: Nested,
    /// `K_cp / S_cc`.
    kappa: f64,
    /// The weight w.
    weight: f64,
    /// The weight omega.
    unscaled: f64,
}

/// The basis at one theta.
#[derive(Debug, Clone, Default)]
pub struct NestedBasis {
    members: Vec<Member>,
}

impl NestedBasis {
    /// Computes the basis, and replaces the diagonal elements of K (scalars, per trailing term) by
    /// `(Q'SQ - 1) / theta^2`.
    pub(super) fn new(reduced: &Reduced, diagonal: &mut [Blocks]) -> Self {
        let system = &*reduced.system;
        let nested = system.nested.iter();
        let mut basis = Self {
            members: nested.map(Member::new).collect(),
        };
        if basis.is_empty() {
            return basis;
        }
        basis.update(reduced, diagonal);
        basis.replace(reduced, diagonal);
        basis
    }

    /// Whether no level is nested in another one.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn update(&mut self, reduced: &Reduced, diagonal: &[Blocks]) {
        let system = &*reduced.system;
        let coupled = self.explained(reduced);
        for (member, explained) in self.members.iter_mut().zip(&coupled) {
            let Nested { row, around, at } = member.nested;
            let theta = theta_of(reduced, row);
            let k_cc = of_row(system, diagonal, row);
            let k_cp = system.cross_vals[at] - explained;
            member.kappa = k_cp / (1.0 + theta * theta * k_cc);
            member.unscaled = theta * theta * member.kappa;
            member.weight = theta * theta_of(reduced, around) * member.kappa;
        }
    }

    // `sum_i V_i a_ic a_ip` of each nested level.
    fn explained(&self, reduced: &Reduced) -> Vec<f64> {
        let system = &*reduced.system;
        let mut around = vec![None; system.m];
        for member in &self.members {
            around[member.nested.row] = Some(member.nested.around);
        }
        let mut sums = vec![0.0; system.m];
        let mut here = vec![0.0; system.m];
        for (level, v) in reduced.v.values().iter().enumerate() {
            let (rows, vals) = system.coupled(level);
            for (&row, a) in rows.iter().zip(vals) {
                here[row as usize] = *a;
            }
            for (&row, a) in rows.iter().zip(vals) {
                if let Some(around) = around[row as usize] {
                    sums[row as usize] += v * a * here[around];
                }
            }
        }
        let members = self.members.iter();
        members.map(|member| sums[member.nested.row]).collect()
    }

    // Replaces the diagonal elements of the levels that contain others.
    fn replace(&self, reduced: &Reduced, diagonal: &mut [Blocks]) {
        let system = &*reduced.system;
        let mut own = vec![0.0; system.m];
        for member in &self.members {
            let Nested { row, around, at } = member.nested;
            let a_cc = own_product(system, row);
            let omega = member.unscaled;
            let change = omega * (omega * a_cc - 2.0 * system.cross_vals[at]);
            own[around] += change + omega * member.kappa;
        }
        let vals = self.couplings(system);
        for (level, v) in reduced.v.values().iter().enumerate() {
            let range = system.ptr[level]..system.ptr[level + 1];
            let rows = &system.rows[range.clone()];
            for (&row, a) in rows.iter().zip(&vals[range]) {
                own[row as usize] -= v * a * a;
            }
        }
        for member in &self.members {
            let row = member.nested.around;
            let t = system.block_of_row(row);
            let level = row - system.trailing[t].first;
            // Rounding errors may make the element negative.
            let whole = (own_product(system, row) + own[row]).max(0.0);
            diagonal[t].values_mut()[level] = whole;
        }
    }

    /// `Z_t'WZ_0` in this basis, before scaling by D.
    pub(super) fn couplings<'a>(&self, system: &'a System) -> Cow<'a, [f64]> {
        if self.is_empty() {
            return Cow::Borrowed(&system.vals);
        }
        let mut vals = system.vals.clone();
        self.combine(system.m, (&system.ptr, &system.rows), &mut vals);
        Cow::Owned(vals)
    }

    // Subtracts weighted elements of the nested levels from those of the levels that contain them,
    // in each row of a sparse matrix.
    fn combine(
        &self,
        m: usize,
        (ptr, columns): (&[usize], &[u32]),
        vals: &mut [f64],
    ) {
        let omega = self.unscaled(m);
        let around = self.around(m);
        let mut shares = vec![0.0; m];
        for range in ptr.windows(2) {
            let columns = &columns[range[0]..range[1]];
            let vals = &mut vals[range[0]..range[1]];
            for (&column, value) in columns.iter().zip(&*vals) {
                let column = column as usize;
                shares[around[column]] += omega[column] * value;
            }
            for (&column, value) in columns.iter().zip(&mut *vals) {
                *value -= shares[column as usize];
            }
            for &column in columns {
                shares[around[column as usize]] = 0.0;
            }
        }
    }

    /// Products of different trailing terms in this basis, before scaling by D, including the
    /// contribution of the identity matrix in S.
    pub(super) fn products<'a>(&self, system: &'a System) -> Cow<'a, [f64]> {
        if self.is_empty() {
            return Cow::Borrowed(&system.cross_vals);
        }
        let mut vals = system.cross_vals.clone();
        let places = (&system.cross_ptr[..], &system.cross_rows[..]);
        self.combine(system.m, places, &mut vals);
        let mut place = vec![usize::MAX; system.m];
        for member in &self.members {
            let Nested { row, around, at } = member.nested;
            let own = system.cross_ptr[around]..system.cross_ptr[around + 1];
            for at in own.clone() {
                place[system.cross_rows[at] as usize] = at;
            }
            let others = system.cross_ptr[row]..system.cross_ptr[row + 1];
            for at in others {
                let column = system.cross_rows[at] as usize;
                if column != around {
                    vals[place[column]] -= member.unscaled * vals[at];
                }
            }
            let a_cc = own_product(system, row);
            let both =
                system.cross_vals[at] - member.unscaled * a_cc - member.kappa;
            vals[at] = both;
            vals[place[row]] = both;
        }
        Cow::Owned(vals)
    }

    /// The weight omega of each row; zero for rows of levels that are not nested.
    pub(super) fn unscaled(&self, m: usize) -> Vec<f64> {
        let mut omega = vec![0.0; m];
        for member in &self.members {
            omega[member.nested.row] = member.unscaled;
        }
        omega
    }

    // The row of the level that contains each row's level, or its own row if there is none.
    fn around(&self, m: usize) -> Vec<usize> {
        let mut around: Vec<usize> = (0..m).collect();
        for member in &self.members {
            around[member.nested.row] = member.nested.around;
        }
        around
    }

    /// Each nested level: its row, the row of the level that contains it, and the weight w.
    pub(super) fn members(
        &self,
    ) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let members = self.members.iter();
        members.map(|m| (m.nested.row, m.nested.around, m.weight))
    }

    /// `x := Q^-T x`, or with sign -1 `x := Q'x`.
    pub(super) fn apply_inverse_transposed<const W: usize>(
        &self,
        sign: f64,
        x: &mut [[f64; W]],
    ) {
        for (row, around, weight) in self.members() {
            let own = x[row];
            add_multiple(sign * weight, &own, &mut x[around]);
        }
    }

    /// `x := Q^-1 x`, or with sign -1 `x := Q x`.
    pub(super) fn apply_inverse<const W: usize>(
        &self,
        sign: f64,
        x: &mut [[f64; W]],
    ) {
        for (row, around, weight) in self.members() {
            let whole = x[around];
            add_multiple(sign * weight, &whole, &mut x[row]);
        }
    }
}

impl Member {
    fn new(nested: &Nested) -> Self {
        Self {
            nested: *nested,
            kappa: 0.0,
            weight: 0.0,
            unscaled: 0.0,
        }
    }
}

fn theta_of(reduced: &Reduced, row: usize) -> f64 {
    reduced.lambdas[reduced.system.block_of_row(row)][0]
}

fn of_row(system: &System, diagonal: &[Blocks], row: usize) -> f64 {
    let t = system.block_of_row(row);
    diagonal[t].values()[row - system.trailing[t].first]
}

// `Z'WZ` of one level.
fn own_product(system: &System, row: usize) -> f64 {
    let block = &system.trailing[system.block_of_row(row)];
    block.zz.values()[row - block.first]
}
