//! Code that takes any call.
#![allow(missing_docs, reason = "tests")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use keops::{Call, CallInto, Element, Ranges, prelude::*};

keops! {
    fn gaussian<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn nearest<const D: usize>(x: Vi<D>, y: Vj<D>) -> KMinArgKMin<2, j> { sqdist(x, y) }
    /// Of a dimension that stable Rust cannot name.
    fn outer<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { tensorprod(x, y) }
}

/// The result, the least time of three calls, and how many pairs one of them was told to have.
fn timed<C: Call + Clone>(call: &C, ranges: Option<&Ranges>) -> Result<(C::Output, Duration, u64), Error> {
    let (mut least, pairs) = (Duration::MAX, Arc::new(AtomicU64::new(0)));
    let mut call = call.clone().device(Device::Cpu);
    if let Some(ranges) = ranges {
        call = call.ranges(ranges);
    }
    for _ in 0..2 {
        let start = Instant::now();
        call.clone().eval()?;
        least = least.min(start.elapsed());
    }
    let to = Arc::clone(&pairs);
    let start = Instant::now();
    let output = call.progress(move |_, all| to.store(all, Ordering::Relaxed)).eval()?;
    Ok((output, least.min(start.elapsed()), pairs.load(Ordering::Relaxed)))
}

/// Adds a call's numbers to those that are there, by way of the caller's rows.
fn add<T: Element, const D: usize, C: CallInto<Element = T, Row = [T; D]>>(
    to: &mut [[T; D]],
    call: C,
) -> Result<(), Error> {
    let mut rows = vec![[T::zero(); D]; to.len()];
    call.into_rows(&mut rows)?;
    for (to, from) in to.as_flattened_mut().iter_mut().zip(rows.as_flattened()) {
        *to = *to + *from;
    }
    Ok(())
}

#[test]
fn one_function_times_any_call() -> Result<(), Error> {
    let x = [[0.0_f64, 1.0], [1.0, 0.5], [2.0, -1.0]];
    let y = [[0.5, 0.5], [1.5, -0.5], [2.5, 2.0], [0.0, 0.0]];
    let b = [[1.0], [2.0], [3.0], [4.0]];
    let e = [[1.0]; 3];
    let call = gaussian(0.5, &x, &y, &b);
    let (sums, time, pairs) = timed(&call, None)?;
    assert_eq!((&*sums, pairs), (&*call.clone().eval()?, 12));
    assert!(time > Duration::ZERO);
    let ranges = Ranges::new([(0..2, 0..1), (2..3, 1..4)])?;
    let (some, _, pairs) = timed(&call, Some(&ranges))?;
    assert_eq!((&*some, pairs), (&*call.clone().ranges(&ranges).eval()?, 5));
    assert_ne!(*some, *sums);
    let (gradient, _, pairs) = timed(&call.clone().vjp_x(&e), None)?;
    assert_eq!((&*gradient, pairs), (&*call.clone().vjp_x(&e).eval()?, 12));
    let (all, ..) = timed(&call.clone().vjp(&e), None)?;
    assert_eq!(all.x, gradient);
    assert_eq!(all.b, call.clone().vjp_b(&e).eval()?);
    let ((distances, rows), ..) = timed(&nearest(&x, &y), None)?;
    assert_eq!((distances[0], rows[0]), ([0.5, 1.0], [0, 3]));
    let (products, ..) = timed(&outer(&x, &y), None)?;
    assert_eq!(products, outer(&x, &y).eval()?);

    let mut total = sums.to_vec();
    add(&mut total, call)?;
    assert!(total.iter().zip(sums.iter()).all(|([total], [sum])| *total == 2.0 * sum));
    Ok(())
}

#[test]
fn faults_of_any_call_are_errors() {
    let (x, y) = ([[0.0_f32]; 2], [[0.0]; 3]);
    let wrong = gaussian(1.0, &x, &y, &[[1.0]; 4]);
    assert!(matches!(timed(&wrong, None), Err(Error::RowCount { .. })));
    let mut rows = [[0.0]; 5];
    assert!(add(&mut rows, gaussian(1.0, &x, &y, &y)).is_err());
}
