//! Fitted values `X beta + Z b + offset`.

use crate::design::Design;
use crate::factor::Solution;
use crate::kernels::small;

/// Number of rows whose fitted values are computed at a time.
const CHUNK: usize = 256;

/// Writes `X beta + Z b + offset` into `fitted`, one value per observation.
pub fn fitted(design: &Design, solution: &Solution, fitted: &mut [f64]) {
    let mut rows = Vec::new();
    for (chunk, out) in fitted.chunks_mut(CHUNK).enumerate() {
        let first = chunk * CHUNK;
        match design.offset {
            Some(offset) => {
                out.copy_from_slice(&offset[first..first + out.len()])
            }
            None => out.fill(0.0),
        }
        add_fixed(design, &solution.beta, first, &mut rows, out);
        for (term, b) in design.terms.iter().zip(&solution.b) {
            term.add_effects(b, first, &mut rows, out);
        }
    }
}

// Adds `X beta` of some rows to `fitted`; `rows` is working memory.
fn add_fixed(
    design: &Design,
    beta: &[f64],
    first: usize,
    rows: &mut Vec<f64>,
    out: &mut [f64],
) {
    let p = design.p();
    rows.resize(out.len() * p, 0.0);
    design.x.gather(first, p, rows);
    for (value, x) in out.iter_mut().zip(rows.chunks_exact(p.max(1))) {
        *value += small::dot(x, beta);
    }
}
