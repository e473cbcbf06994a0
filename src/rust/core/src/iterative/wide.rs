//! Blocks of eight vectors, stored row by row so that operations are vectorised over the vectors.

/// Number of right-hand sides in a block.
pub const WIDTH: usize = 8;

/// One row of a block of vectors.
pub type Row = [f64; WIDTH];

/// `out += a x`.
#[inline(always)]
pub fn add_multiple<const W: usize>(a: f64, x: &[f64; W], out: &mut [f64; W]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += a * x;
    }
}

/// `out += x`, row by row.
#[inline(always)]
pub fn add_rows<const W: usize>(x: &[[f64; W]], out: &mut [[f64; W]]) {
    for (out, x) in out.iter_mut().zip(x) {
        add_multiple(1.0, x, out);
    }
}

/// `out := A x` for a small square matrix A.
#[inline(always)]
pub fn times_square<const W: usize>(
    a: &[f64],
    x: &[[f64; W]],
    out: &mut [[f64; W]],
) {
    out.fill([0.0; W]);
    add_square(a, x, out);
}

/// `out += A x` for a small square matrix A.
#[inline(always)]
pub fn add_square<const W: usize>(
    a: &[f64],
    x: &[[f64; W]],
    out: &mut [[f64; W]],
) {
    for (column, x) in a.chunks_exact(x.len()).zip(x) {
        for (a, out) in column.iter().zip(out.iter_mut()) {
            add_multiple(*a, x, out);
        }
    }
}

/// `x := L x` for a lower triangle L, `k x k`.
#[inline(always)]
pub fn times_lower<const W: usize>(l: &[f64], x: &mut [[f64; W]]) {
    let k = x.len();
    for i in (0..k).rev() {
        let mut sum = [0.0; W];
        for j in 0..=i {
            add_multiple(l[j * k + i], &x[j], &mut sum);
        }
        x[i] = sum;
    }
}

/// `x := L'x` for a lower triangle L, `k x k`.
#[inline(always)]
pub fn times_upper<const W: usize>(l: &[f64], x: &mut [[f64; W]]) {
    let k = x.len();
    for i in 0..k {
        let mut sum = [0.0; W];
        for j in i..k {
            add_multiple(l[i * k + j], &x[j], &mut sum);
        }
        x[i] = sum;
    }
}

/// `out += sign (x y' + y x') / 2`, column by column.
#[inline(always)]
pub fn add_symmetric(sign: f64, x: &[Row], y: &[Row], out: &mut [Row]) {
    let k = x.len();
    for j in 0..k {
        for i in 0..k {
            let out = &mut out[j * k + i];
            for c in 0..WIDTH {
                let both = x[i][c] * y[j][c] + x[j][c] * y[i][c];
                out[c] += 0.5 * sign * both;
            }
        }
    }
}

/// One of the vectors of a block.
pub fn column<const W: usize>(rows: &[[f64; W]], c: usize) -> Vec<f64> {
    rows.iter().map(|row| row[c]).collect()
}

/// Writes one of the vectors of a block.
pub fn set_column<const W: usize>(
    rows: &mut [[f64; W]],
    c: usize,
    values: &[f64],
) {
    for (row, value) in rows.iter_mut().zip(values) {
        row[c] = *value;
    }
}
