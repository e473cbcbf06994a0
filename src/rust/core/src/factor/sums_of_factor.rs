//! The sums behind the factor of a dense system, from which the iterative engine can be set up.

use crate::factor::blocks::Blocks;
use crate::factor::layout::TrailingTerm;
use crate::factor::sums::{PairSums, Sums, TermSums};
use crate::factor::{Factor, Response};

impl Sums {
    /// The cross-products of a factor and of its first response.
    pub(crate) fn of_factor(factor: &Factor, response: &Response) -> Self {
        let own = response.sums().column(0);
        let covs = factor.covs().iter();
        let empty = covs.map(|cov| TermSums::empty(cov.vsize()));
        let mut terms: Vec<TermSums> = empty.collect();
        let leading = &factor.leading;
        terms[factor.layout.leading_term] = TermSums {
            k: leading.k,
            n_levels: leading.n_levels,
            zz: leading.a00.clone(),
            xz: leading.ax0.clone(),
            zr: own.products.leading,
        };
        for block in &factor.layout.blocks {
            let zr = &own.products.trailing;
            terms[block.term] = TermSums::of_block(factor, block, zr);
        }
        Self {
            n_eff: 0,
            sum_log_weights: 0.0,
            shift: factor.border.shift.clone(),
            beta0: own.beta0,
            xx: factor.border.cross_products().to_vec(),
            xr: own.products.fixed,
            rr: own.residual_ss[0],
            yy: own.total_ss[0],
            terms,
            pairs: pairs_of(factor),
        }
    }
}

impl TermSums {
    fn empty(k: usize) -> Self {
        Self {
            k,
            n_levels: 0,
            zz: Blocks::squares(k, 0),
            xz: Blocks::zeros(0, k, 0),
            zr: Vec::new(),
        }
    }

    fn of_block(factor: &Factor, block: &TrailingTerm, zr: &[f64]) -> Self {
        let k = block.vsize;
        let n_levels = block.first.len();
        let p = factor.p();
        let mut zz = Blocks::squares(k, n_levels);
        let mut xz = Blocks::zeros(p, k, n_levels);
        let a_xr = factor.trailing.border_cross_products();
        for (level, place) in block.places(p).enumerate() {
            xz.block_mut(level).copy_from_slice(&a_xr[place]);
        }
        for (level, rows) in block.places(1).enumerate() {
            let square = zz.block_mut(level);
            for i in 0..k {
                for j in 0..=i {
                    let (row, col) = (rows.start + i, rows.start + j);
                    let product = factor.trailing.cross_product(row, col);
                    square[j * k + i] = product;
                    square[i * k + j] = product;
                }
            }
        }
        let own = block.places(1).flat_map(|rows| zr[rows].iter().copied());
        Self {
            k,
            n_levels,
            zz,
            xz,
            zr: own.collect(),
        }
    }
}

fn pairs_of(factor: &Factor) -> Vec<PairSums> {
    let blocks = &factor.layout.blocks;
    let mut pairs = Vec::new();
    for (b, block) in blocks.iter().enumerate() {
        pairs.push(with_leading(factor, block));
        for other in &blocks[..b] {
            pairs.push(of_trailing(factor, block, other));
        }
    }
    pairs
}

// The levels of a trailing term that occur together with those of the leading term.
fn with_leading(factor: &Factor, block: &TrailingTerm) -> PairSums {
    let leading = &factor.leading;
    let start = block.first[0] as usize;
    let end = start + block.vsize * block.first.len();
    let mut levels = Vec::new();
    let mut values = Vec::new();
    for level in 0..leading.n_levels {
        let (rows, vals) = leading.coupled(level);
        let own = rows.partition_point(|&row| (row as usize) < start)
            ..rows.partition_point(|&row| (row as usize) < end);
        let vals = &vals[own.start * leading.k..own.end * leading.k];
        for row in rows[own].iter().step_by(block.vsize) {
            let other = (*row as usize - start) / block.vsize;
            levels.push((level as u32, other as u32));
        }
        values.extend_from_slice(vals);
    }
    let mut zz = Blocks::zeros(leading.k, block.vsize, levels.len());
    zz.values_mut().copy_from_slice(&values);
    PairSums {
        terms: (factor.layout.leading_term, block.term),
        levels,
        zz,
    }
}

// The levels of two trailing terms that occur together.
fn of_trailing(
    factor: &Factor,
    a: &TrailingTerm,
    b: &TrailingTerm,
) -> PairSums {
    let mut levels = Vec::new();
    let mut values = Vec::new();
    let mut block = Vec::new();
    for (la, &row) in a.first.iter().enumerate() {
        for (lb, &col) in b.first.iter().enumerate() {
            block.clear();
            for j in 0..b.vsize {
                let col = col as usize + j;
                let rows = row as usize..row as usize + a.vsize;
                let products =
                    rows.map(|row| factor.trailing.cross_product(row, col));
                block.extend(products);
            }
            if block.iter().any(|&product| product != 0.0) {
                levels.push((la as u32, lb as u32));
                values.extend_from_slice(&block);
            }
        }
    }
    let mut zz = Blocks::zeros(a.vsize, b.vsize, levels.len());
    zz.values_mut().copy_from_slice(&values);
    PairSums {
        terms: (a.term, b.term),
        levels,
        zz,
    }
}
