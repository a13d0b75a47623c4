//! Operations on vectors of several right-hand sides: number k belongs to column k modulo the number of columns.

/// (x | y), for each column.
pub(super) fn dots(x: &[f64], y: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for (x, y) in x.chunks(columns.max(1)).zip(y.chunks(columns.max(1))) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    sums
}

/// x + s y, with a factor s for each column; a column whose factor is 0 does not change.
pub(super) fn add_scaled(x: &mut [f64], factors: &[f64], y: &[f64]) {
    let columns = factors.len().max(1);
    for (x, y) in x.chunks_mut(columns).zip(y.chunks(columns)) {
        for ((x, y), s) in x.iter_mut().zip(y).zip(factors) {
            *x += s * y;
        }
    }
}

/// Replaces x by y + s x, which makes the next direction of the last one.
pub(super) fn scale_and_add(x: &mut [f64], factors: &[f64], y: &[f64]) {
    let columns = factors.len().max(1);
    for (x, y) in x.chunks_mut(columns).zip(y.chunks(columns)) {
        for ((x, y), s) in x.iter_mut().zip(y).zip(factors) {
            *x = y + s * *x;
        }
    }
}
