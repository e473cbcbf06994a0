//! Triangular factors by plane (Givens) rotations, which are accurate to rounding where forming the
//! cross-product of the matrix would lose digits.

/// Rotates the `k` columns of a matrix, stored by rows, until its first `k` rows are lower
/// triangular with a nonnegative diagonal.
pub(crate) fn lower_factor(k: usize, rows: &mut [f64]) {
    for i in 0..k {
        for j in i + 1..k {
            rotate_to_zero(k, i, j, rows);
        }
        if rows[i * k + i] < 0.0 {
            for row in rows.chunks_exact_mut(k).skip(i) {
                row[i] = -row[i];
            }
        }
    }
}

// Rotates columns `i` and `j` from row `i` on, so that element `(i, j)` becomes zero.
fn rotate_to_zero(k: usize, i: usize, j: usize, rows: &mut [f64]) {
    let a = rows[i * k + i];
    let b = rows[i * k + j];
    let norm = a.hypot(b);
    if norm == 0.0 || norm.is_nan() || b == 0.0 {
        return;
    }
    let cos = a / norm;
    let sin = b / norm;
    for row in rows.chunks_exact_mut(k).skip(i) {
        let turned = cos * row[i] + sin * row[j];
        row[j] = cos * row[j] - sin * row[i];
        row[i] = turned;
    }
    rows[i * k + i] = norm;
    rows[i * k + j] = 0.0;
}
