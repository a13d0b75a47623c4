//! Subtracting from rows what all of them have in common.
//!
//! The mean of numbers near 10000 that differ by about 1 is accurate to few digits of these differences, because the
//! mean and the sums that it is made of are rounded. Derivatives of a mean only read how much the numbers differ from
//! the mean, so a number near all of them may be subtracted first. This is done only where it is exact, for components
//! whose largest number is at most twice the smallest (Sterbenz), so that it never loses a digit.

use std::borrow::Cow;

use crate::{
    call::{Element, Pass, pieces},
    data::{Device, Error, View, room},
    formula::{Components, Formula},
    problem::{Piece, Settings, Sweep},
    reduction::Sum,
};

/// The rows of a view, less a number that is near to all of them, for each component and batch for which that is exact.
///
/// # Errors
/// An error of the device that the rows are on; no memory.
pub fn centred<'a, T: Element>(view: &View<'a, T>, settings: &Settings) -> Result<View<'a, T>, Error> {
    // A fault becomes an error later, where the arguments are checked.
    if let Some(sweep) = settings.sweep.as_ref().filter(|_| view.fault().is_none()) {
        return centred_in_pieces(sweep, view, || true);
    }
    let may = view.fault().is_none();
    if settings.over.is_none() && (!may || view.is_empty()) {
        return Ok(view.clone());
    }
    let rows = if may { view.on_host()? } else { view.clone() };
    let rows = rows.host().unwrap_or_default();
    let Some(numbers) = less_common_part(rows, view, may, settings)? else { return Ok(view.clone()) };
    let rows = match view.device() {
        Some(device) => View::from_array(Settings { device, ..settings.clone() }.upload(&numbers)?, view.dim()),
        None => View::from_owned(numbers, view.dim()),
    };
    Ok(rows.batched(view.batch()))
}

/// [`centred`] for rows that a softmax multiplies with the rows `beside` them: the result changes by no more than
/// roundings. Rows on a device are not read back, and stay as they are. They also stay where one of the others is not
/// finite, since its product with 0 is NaN.
///
/// # Errors
/// No memory.
pub fn centred_beside<'a, T: Element>(
    view: &View<'a, T>,
    beside: &[&View<'_, T>],
    settings: &Settings,
) -> Result<View<'a, T>, Error> {
    if let Some(sweep) = settings.sweep.as_ref().filter(|_| view.fault().is_none()) {
        return centred_in_pieces(sweep, view, || beside.iter().all(is_finite));
    }
    Ok(less_common_part_beside(view, beside, settings)?.unwrap_or_else(|| view.clone()))
}

/// The views, of which those with the given numbers are [`centred_beside`] others.
///
/// # Errors
/// No memory.
pub fn with_centred<'v, 'a, T: Element, const N: usize>(
    views: &'v [View<'a, T>],
    centred: [(usize, &[&View<'_, T>]); N],
    settings: &Settings,
) -> Result<Cow<'v, [View<'a, T>]>, Error> {
    let mut all = Cow::Borrowed(views);
    if settings.sweep.is_some() {
        return Ok(all);
    }
    for (number, beside) in centred {
        if let Some(view) = views.get(number)
            && let Some(rows) = less_common_part_beside(view, beside, settings)?
        {
            all.to_mut()[number] = rows;
        }
    }
    Ok(all)
}

/// Whether all numbers of a view on the host are finite.
fn is_finite<T: Element>(view: &&View<'_, T>) -> bool {
    view.host().is_some_and(|rows| rows.iter().all(|number| number.is_finite()))
}

/// The rows of [`centred_beside`]; `None` if they are those of the view.
fn less_common_part_beside<'a, T: Element>(
    view: &View<'a, T>,
    beside: &[&View<'_, T>],
    settings: &Settings,
) -> Result<Option<View<'a, T>>, Error> {
    // A fault becomes an error later, where the arguments are checked.
    let rows = if view.fault().is_some() { None } else { view.host() };
    // Over ranks it is done by all of them or by none.
    let alone = settings.over.is_none();
    let may = rows.is_some() && (alone || beside.iter().all(is_finite));
    let numbers = less_common_part(rows.unwrap_or_default(), view, may, settings)?;
    let numbers = numbers.filter(|_| !alone || beside.iter().all(is_finite));
    Ok(numbers.map(|numbers| View::from_owned(numbers, view.dim()).batched(view.batch())))
}

/// [`centred`] for the values of a formula. All variables of `F` that are not parameters are targets; `views` are the
/// arguments of `F`.
///
/// # Errors
/// The errors of [`Pass::new`] and [`Pass::reduce`].
pub fn centred_rows<'a, T: Element, F: Formula>(
    views: &[&View<'a, T>],
    settings: &Settings,
) -> Result<View<'a, T>, Error> {
    let views = views.iter().map(|view| view.on_host()).collect::<Result<Vec<_>, _>>()?;
    let width = <F::Output<T> as Components<T>>::LEN;
    let here = Settings { device: Device::Cpu, ranges: None, watch: None, sweep: None, over: None, ..settings.clone() };
    let pass = Pass::new::<F, Sum>(&views, &here)?;
    let dims = pass.problem().batches().dims();
    if settings.sweep.as_ref().is_some_and(|sweep| pieces::has_no_numbers::<T>(sweep)) {
        return centred(&View::shape_only(pass.problem().shape().targets, width, dims), settings);
    }
    let mut numbers = room(pass.rows_of(None), width)?;
    pass.reduce(&mut [Piece::rows(width, &mut numbers)], None)?;
    let rows = View::from_owned(numbers, width).batched(dims);
    centred(&rows, settings)
}

/// `numbers`, the numbers of the view, less what they have in common, over all ranks of a call; `None` if they have nothing in
/// common, or this rank or another one may not change them.
fn less_common_part<T: Element>(
    numbers: &[T],
    view: &View<'_, T>,
    may: bool,
    settings: &Settings,
) -> Result<Option<Vec<T>>, Error> {
    let (dim, size) = (view.dim(), view.rows() * view.dim());
    let own = || match size {
        0 => no_extremes((view.batches(), dim)),
        _ => extremes(numbers, (view.batches(), dim), size),
    };
    let Some(over) = &settings.over else {
        let mut batches = numbers.chunks_exact(size.max(1));
        if !(may && batches.any(|rows| (0..dim).any(|c| may_have_common_part(rows, dim, c)))) {
            return Ok(None);
        }
        return less(&common_parts(&own()?, dim)?, (numbers, dim), size);
    };
    let own = if may { own()? } else { Vec::new() };
    let bits: Vec<u64> = own.iter().map(|&number| Element::to_f64(number).to_bits()).collect();
    let Some(ranks) = over.lists("common part of rows", may.then_some(&bits[..]))? else { return Ok(None) };
    let mut all = no_extremes((view.batches(), dim))?;
    for bits in ranks {
        let others: Vec<T> = bits.iter().map(|&bits| T::from_f64(f64::from_bits(bits))).collect();
        joined(&mut all, &others, dim);
    }
    less(&common_parts(&all, dim)?, (numbers, dim), size)
}

/// The [`extremes`] of no rows.
fn no_extremes<T: Element>((batches, dim): (usize, usize)) -> Result<Vec<T>, Error> {
    let mut none = room(batches, 2 * dim)?;
    none.fill(T::nan());
    Ok(none)
}

/// The smallest and the largest number of each component, one after another, of rows of `dim` numbers in batches of `size` numbers.
/// NaN is skipped, and stands where there is no number.
fn extremes<T: Element>(numbers: &[T], (batches, dim): (usize, usize), size: usize) -> Result<Vec<T>, Error> {
    let mut extremes = room::<T>(batches, 2 * dim)?;
    for (to, rows) in extremes.chunks_exact_mut((2 * dim).max(1)).zip(numbers.chunks_exact(size.max(1))) {
        let (least, most) = to.split_at_mut(dim);
        least.copy_from_slice(&rows[..dim]);
        most.copy_from_slice(&rows[..dim]);
        for row in rows.chunks_exact(dim) {
            for ((least, most), &number) in least.iter_mut().zip(&mut *most).zip(row) {
                *least = smaller(*least, number);
                *most = -smaller(-*most, -number);
            }
        }
    }
    Ok(extremes)
}

/// The smaller of two numbers; the other one if one is NaN.
fn smaller<T: Element>(a: T, b: T) -> T {
    if b < a || a.is_nan() { b } else { a }
}

/// The extremes of rows of two pieces.
fn joined<T: Element>(extremes: &mut [T], others: &[T], dim: usize) {
    for (to, others) in extremes.chunks_exact_mut((2 * dim).max(1)).zip(others.chunks_exact((2 * dim).max(1))) {
        for (c, (to, &other)) in to.iter_mut().zip(others).enumerate() {
            *to = if c < dim { smaller(*to, other) } else { -smaller(-*to, -other) };
        }
    }
}

/// What rows with these extremes have in common: a number for each component of each batch.
fn common_parts<T: Element>(extremes: &[T], dim: usize) -> Result<Vec<T>, Error> {
    let mut centres = room::<T>(extremes.len() / 2, 1)?;
    for (to, extremes) in centres.chunks_exact_mut(dim.max(1)).zip(extremes.chunks_exact((2 * dim).max(1))) {
        let (least, most) = extremes.split_at(dim);
        to.iter_mut().zip(least.iter().zip(most)).for_each(|(to, (&least, &most))| *to = common_part(least, most));
    }
    Ok(centres)
}

/// Rows of `dim` numbers in batches of `size` numbers, less a row for each batch; `None` if these are 0.
fn less<T: Element>(centres: &[T], (numbers, dim): (&[T], usize), size: usize) -> Result<Option<Vec<T>>, Error> {
    if centres.iter().all(|&centre| centre == T::zero()) {
        return Ok(None);
    }
    let mut centred = room::<T>(numbers.len(), 1)?;
    let batches = centred.chunks_exact_mut(size.max(1)).zip(numbers.chunks_exact(size.max(1)));
    for ((to, rows), centre) in batches.zip(centres.chunks_exact(dim)) {
        for (to, row) in to.chunks_exact_mut(dim).zip(rows.chunks_exact(dim)) {
            to.iter_mut().zip(row).zip(centre).for_each(|((to, &number), &centre)| *to = number - centre);
        }
    }
    Ok(Some(centred))
}

/// [`centred`] for rows in pieces: less what the rows of all pieces have in common, once that is known; nothing unless `applies`.
fn centred_in_pieces<'a, T: Element>(
    sweep: &Sweep,
    view: &View<'a, T>,
    applies: impl Fn() -> bool,
) -> Result<View<'a, T>, Error> {
    let (dim, size, batch) = (view.dim(), view.rows() * view.dim(), view.batch());
    let shape = (view.batches(), dim);
    let of_piece = || -> Result<Vec<T>, Error> {
        if size == 0 || !applies() {
            return no_extremes(shape);
        }
        extremes(&view.numbers()?, shape, size)
    };
    let rules = pieces::Centres {
        of_piece: &of_piece,
        joined: &|extremes, others| joined(extremes, others, dim),
        common: &|extremes| common_parts(extremes, dim),
    };
    let Some(centres) = pieces::centres(sweep, (shape, view.rows()), &rules)? else { return Ok(view.clone()) };
    let rows = view.on_host()?;
    let numbers = less(&centres, (rows.host().unwrap_or_default(), dim), size)?;
    Ok(numbers.map_or_else(|| view.clone(), |numbers| View::from_owned(numbers, dim).batched(batch)))
}

/// Whether the first rows may have a number in common in component `c`. Where they have none, most often the second or the
/// third shows it, and nothing else is read.
fn may_have_common_part<T: Element>(rows: &[T], dim: usize, c: usize) -> bool {
    const FIRST: usize = 64;
    let mut column = rows.iter().skip(c).step_by(dim).take(FIRST).copied();
    let Some(first) = column.next() else { return false };
    let (mut least, mut most) = (first, first);
    common_part(least, most) != T::zero()
        && column.all(|number| {
            least = if number < least { number } else { least };
            most = if number > most { number } else { most };
            common_part(least, most) != T::zero()
        })
}

/// A number that can be subtracted without rounding from all numbers between `least` and `most`; 0 if there is none
/// near them.
fn common_part<T: Element>(least: T, most: T) -> T {
    let (near, far) = if least < T::zero() { (-most, -least) } else { (least, most) };
    let half = far / T::from_f64(2.0);
    // This is also false for NaN and infinite numbers, and for numbers whose halves are not exact.
    let is_common = T::min_positive_value() < half && half <= near && far.is_finite();
    if is_common { least + (most - least) / T::from_f64(2.0) } else { T::zero() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f32], dim: usize, batch: &[usize]) -> Vec<f32> {
        let view = View::from_flat(numbers, dim).batched(batch);
        centred(&view, &Settings::default()).unwrap().host().unwrap().to_vec()
    }

    #[test]
    fn a_common_part_is_taken_off_exactly() {
        assert_eq!(of(&[10_000.0, -8.5, 10_000.25, -7.5], 2, &[]), [-0.125, -0.5, 0.125, 0.5]);
        // one component, one batch
        assert_eq!(of(&[1.0, 5.0, 3.0, 6.0], 2, &[]), [1.0, -0.5, 3.0, 0.5]);
        assert_eq!(of(&[2.0, 3.0, -1.0, 1.0], 1, &[2]), [-0.5, 0.5, -1.0, 1.0]);
    }

    #[test]
    fn numbers_that_have_nothing_in_common_stay() {
        for numbers in [[1.0, -1.0], [0.0, 1.0], [1.0, 2.1], [f32::NAN, 1.0], [3.0, f32::INFINITY]] {
            assert_eq!(of(&numbers, 1, &[]).map_bits(), numbers.to_vec().map_bits());
        }
        assert_eq!(of(&[], 1, &[]), [0.0; 0]);
    }

    trait Bits {
        fn map_bits(self) -> Vec<u32>;
    }

    impl Bits for Vec<f32> {
        fn map_bits(self) -> Vec<u32> {
            self.into_iter().map(f32::to_bits).collect()
        }
    }
}
