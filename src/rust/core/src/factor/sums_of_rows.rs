//! The sums of the rows of a design, as a database would compute them, for data frames, chunks of a
//! stream, and the sites of a federation.

use crate::design::{Design, ReTerm};
use crate::error::Result;
use crate::factor::blocks::Blocks;
use crate::factor::border::Border;
use crate::factor::chunk::CHUNK;
use crate::factor::cross_products::{add_rows, gather, shifts};
use crate::factor::sums::{PairSums, Sums, TermSums};
use crate::kernels::chunks::chunks;
use crate::kernels::small;

/// The centring of X and y, which is subtracted before summation.
#[derive(Debug, Clone, PartialEq)]
pub struct Centre {
    /// Multiples of the first column of X to subtract from each column.
    pub shift: Vec<f64>,
    /// Coefficients, for these columns, whose fit is subtracted from the response.
    pub beta0: Vec<f64>,
}

impl Centre {
    /// The means of the columns of X, and the least-squares fit of the response; the fit is zero if
    /// X does not have full rank.
    pub fn of(design: &Design) -> Self {
        let p = design.p();
        let width = design.p() + 1;
        let shift = shifts(design);
        let mut gram = vec![0.0; width * width];
        add_rows(design, &shift, &mut gram);
        let mut xx = Vec::with_capacity(p * p);
        let mut beta0 = Vec::with_capacity(p);
        for column in gram.chunks_exact(width).take(p) {
            xx.extend_from_slice(&column[..p]);
            beta0.push(column[p]);
        }
        Border::new(xx, shift.clone())
            .least_squares(&mut Vec::new(), &mut beta0);
        Self { shift, beta0 }
    }
}

impl Sums {
    /// Sums up a valid design.
    ///
    /// # Errors
    /// Fails as [`Design::validate`] does.
    pub fn from_rows(design: &Design, centre: &Centre) -> Result<Self> {
        design.validate()?;
        let mut sums = Self::zeros(design, centre);
        let p = design.p();
        let width = design.p() + 1;
        let mut rows = vec![0.0; CHUNK * width];
        for range in chunks(design.n(), CHUNK) {
            let rows = &mut rows[..range.len() * width];
            gather(design, &centre.shift, range.start, rows);
            for (i, row) in range.zip(rows.chunks_exact(width)) {
                let (x, y) = row.split_at(p);
                sums.add_row(design, i, x, y[0]);
            }
        }
        small::mirror_lower(p, &mut sums.xx);
        for b in 1..design.terms.len() {
            for a in 0..b {
                sums.pairs.push(PairSums::of(design, a, b));
            }
        }
        Ok(sums)
    }

    fn zeros(design: &Design, centre: &Centre) -> Self {
        let p = design.p();
        let weights = design.weights.unwrap_or_default().iter();
        let positive = weights.filter(|w| **w > 0.0);
        let term = |term: &ReTerm| TermSums {
            k: term.vsize(),
            n_levels: term.n_levels,
            zz: Blocks::squares(term.vsize(), term.n_levels),
            xz: Blocks::zeros(p, term.vsize(), term.n_levels),
            zr: vec![0.0; term.n_effects()],
        };
        Self {
            n_eff: design.n_eff(),
            sum_log_weights: positive.map(|w| w.ln()).sum(),
            shift: centre.shift.clone(),
            beta0: centre.beta0.clone(),
            xx: vec![0.0; p * p],
            xr: vec![0.0; p],
            rr: 0.0,
            yy: 0.0,
            terms: design.terms.iter().map(term).collect(),
            pairs: Vec::new(),
        }
    }

    // Adds one observation: `x` is row i of X, centred, and `y` its response less the offset. Of
    // X'WX only the lower triangle is filled.
    fn add_row(&mut self, design: &Design, i: usize, x: &[f64], y: f64) {
        let p = x.len();
        let w = design.weight(i);
        let r = y - small::dot(&self.beta0, x);
        self.rr += w * r * r;
        self.yy += w * y * y;
        small::axpy(w * r, x, &mut self.xr);
        for (j, column) in self.xx.chunks_exact_mut(p.max(1)).enumerate() {
            small::axpy(w * x[j], &x[j..], &mut column[j..]);
        }
        for (term, sums) in design.terms.iter().zip(&mut self.terms) {
            sums.add_row(term, i, w, x, r);
        }
    }
}

impl TermSums {
    fn add_row(&mut self, term: &ReTerm, i: usize, w: f64, x: &[f64], r: f64) {
        let p = x.len();
        let k = self.k;
        let level = term.level(i);
        let zz = self.zz.block_mut(level);
        let xz = self.xz.block_mut(level);
        for j in 0..k {
            let z = w * term.value(i, j);
            self.zr[level * k + j] += z * r;
            small::axpy(z, x, &mut xz[j * p..(j + 1) * p]);
            for l in 0..k {
                zz[j * k + l] += z * term.value(i, l);
            }
        }
    }
}

impl PairSums {
    // The pairs of levels that occur together, sorted by the level of `b`, then by that of `a`.
    fn of(design: &Design, a: usize, b: usize) -> Self {
        let ta = &design.terms[a];
        let tb = &design.terms[b];
        let key = |i: usize| ((tb.level(i) as u64) << 32) | ta.level(i) as u64;
        let mut rows: Vec<(u64, u32)> =
            (0..design.n()).map(|i| (key(i), i as u32)).collect();
        rows.sort_unstable();
        let ka = ta.vsize();
        let kb = tb.vsize();
        let count = rows.chunk_by(|a, b| a.0 == b.0).count();
        let mut pair = Self {
            terms: (a, b),
            levels: Vec::with_capacity(count),
            zz: Blocks::zeros(ka, kb, count),
        };
        for (cell, rows) in rows.chunk_by(|a, b| a.0 == b.0).enumerate() {
            let levels = (rows[0].0 as u32, (rows[0].0 >> 32) as u32);
            pair.levels.push(levels);
            let block = pair.zz.block_mut(cell);
            for i in rows.iter().map(|&(_, i)| i as usize) {
                let w = design.weight(i);
                for (j, column) in block.chunks_exact_mut(ka).enumerate() {
                    let z = w * tb.value(i, j);
                    for (l, value) in column.iter_mut().enumerate() {
                        *value += z * ta.value(i, l);
                    }
                }
            }
        }
        pair
    }
}
