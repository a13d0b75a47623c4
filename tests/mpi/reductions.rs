//! Every reduction.

use fastrand::Rng;
use keops::{Element, Ranges, Tolerance, batched, prelude::*};
use mpi::topology::SimpleCommunicator;

use crate::{Error, Here, Side, check, flat, numbers, on_shares, rounding};

keops! {
    fn sum(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    fn sum_over_i(x: Vi<3>, y: Vj<3>, u: Vi<1>) -> Sum<i> { exp(-sqdist(x, y)) * u }
    #[keops(order = 0, sum = compensated)]
    fn compensated(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(order = 0, sum = direct)]
    fn direct(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn mean(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Mean<j> { exp(-sqdist(x, y)) * b }
    #[keops(order = 0)]
    fn product(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> Prod<j> { 1 + p * sqdist(x, y) / 20 }
    #[keops(order = 0)]
    fn log_sum(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -sqdist(x, y) }
    #[keops(order = 0)]
    fn log_sum_weighted(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> LogSumExp<j> { (-sqdist(x, y), b) }
    #[keops(order = 0)]
    fn log_sum_of_each(x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { x * y }
    #[keops(order = 0)]
    fn soft_max(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> SumSoftMaxWeight<j> { (10 * (x | y), b) }
    #[keops(order = 0)]
    fn max_sum(x: Vi<3>, y: Vj<3>) -> MaxSumShiftExp<j> { -sqdist(x, y) }
    /// Rows whose parts are near 100, of which an exponent sees the differences.
    #[keops(order = 0)]
    fn far_away(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> SumSoftMaxWeight<j> { ((x | (y + 100)), b) }
    /// No rows i: one result, which all ranks have.
    fn of_all(y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-sqnorm2(y)) * b }
    /// No rows j: one term.
    fn of_each(x: Vi<3>, p: Pm<1>) -> Sum<j> { p * sqnorm2(x) }

    #[keops(order = 0)]
    fn least(x: Vi<3>, y: Vj<3>) -> Min<j> { x * y }
    #[keops(order = 0)]
    fn greatest(x: Vi<3>, y: Vj<3>) -> MaxArgMax<j> { x * y }
    #[keops(order = 0)]
    fn place(x: Vi<3>, y: Vj<3>) -> ArgMin<j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn nearest(x: Vi<3>, y: Vj<3>) -> KMin<5, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn places(x: Vi<3>, y: Vj<3>) -> ArgKMin<5, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn both(x: Vi<3>, y: Vj<3>) -> KMinArgKMin<7, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn both_over_i(x: Vi<3>, y: Vj<3>) -> KMinArgKMin<7, i> { sqdist(x, y) }
    #[keops(order = 0)]
    fn number(x: Vi<3>, y: Vj<3>, p: Pm<1>) -> Count<j> { (sqdist(x, y), p) }
    #[keops(order = 0)]
    fn near(x: Vi<3>, y: Vj<3>, p: Pm<1>) -> Within<j> { (sqdist(x, y), p) }
}

pub(crate) fn check<T: Element>(world: &SimpleCommunicator, random: &mut Rng) {
    on_shares::<T>(world, random, |here| {
        let error = rounding::<T>();
        check!(here, "Sum", error, |a| sum(&a.x, &a.y, &a.b), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "Sum over i", error, |a| sum_over_i(&a.x, &a.y, &a.u), |rows| vec![(Side::J, flat(&rows))]);
        check!(here, "CompensatedSum", error, |a| compensated(&a.x, &a.y, &a.b), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "DirectSum", error, |a| direct(&a.x, &a.y, &a.b), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "Mean", error, |a| mean(&a.x, &a.y, &a.b2), |rows| vec![(Side::I, flat(&rows))]);
        let far = if size_of::<T>() == 4 { Error::Below(1e-4) } else { Error::Below(1e-12) };
        check!(here, "Prod", far, |a| product(a.p, &a.x, &a.y), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "LogSumExp", error, |a| log_sum(&a.x, &a.y), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "LogSumExp with weights", error, |a| log_sum_weighted(&a.x, &a.y, &a.b2), |rows| vec![(
            Side::I,
            flat(&rows)
        )]);
        check!(here, "LogSumExp of each", error, |a| log_sum_of_each(&a.x, &a.y), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "SoftMax", error, |a| soft_max(&a.x, &a.y, &a.b2), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "MaxSumShiftExp", error, |a| max_sum(&a.x, &a.y), |rows| vec![(Side::I, flat(&rows))]);
        let far = if size_of::<T>() == 4 { Error::Below(1e-4) } else { Error::Below(1e-12) };
        check!(here, "SoftMax far away", far, |a| far_away(&a.x, &a.y, &a.b2), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "no rows i", error, |a| of_all(&a.y, &a.b), |rows| vec![(Side::All, flat(&rows))]);
        check!(here, "no rows j", error, |a| of_each(&a.x, a.p), |rows| vec![(Side::I, flat(&rows))]);
        ranges(here);
        batches(here);
        tolerances(here);
        others(here);
    });
}

/// Ranges have the rows of all ranks.
fn ranges<T: Element>(here: &Here<'_, T>) {
    let [n, m] = here.rows;
    let blocks = [(0..n / 2, 0..m / 3), (n / 3..n, m / 2..m), (n - n.min(1)..n, 0..m)];
    let ranges = Ranges::new(blocks).unwrap();
    let error = rounding::<T>();
    check!(here, "ranges", error, |a| sum(&a.x, &a.y, &a.b).ranges(&ranges), |rows| vec![(Side::I, flat(&rows))]);
    check!(here, "ranges of a mean", error, |a| mean(&a.x, &a.y, &a.b2).ranges(&ranges), |rows| vec![(
        Side::I,
        flat(&rows)
    )]);
    check!(here, "ranges over i", error, |a| sum_over_i(&a.x, &a.y, &a.u).ranges(&ranges), |rows| vec![(
        Side::J,
        flat(&rows)
    )]);
    let one = [[T::from_f64(1.0)]; 1000];
    check!(
        here,
        "gradient of ranges",
        error,
        |a| sum(&a.x, &a.y, &a.b).ranges(&ranges).vjp_y(&one[..a.x.len()]),
        |rows| vec![(Side::J, flat(&rows))]
    );
    check!(here, "neighbours in ranges", Error::None, |a| both(&a.x, &a.y).ranges(&ranges), |rows| vec![
        (Side::I, flat(&rows.0)),
        (Side::I, numbers(&rows.1))
    ]);
    let beyond = Ranges::new([(0..n + 1, 0..1)]).unwrap();
    assert!(sum(&here.own.x, &here.own.y, &here.own.b).ranges(&beyond).over(here.world).eval().is_err());
}

/// Every rank has its rows of each batch.
fn batches<T: Element>(here: &Here<'_, T>) {
    let Here { all, own, i, .. } = here;
    let twice = |rows: &[[T; 3]], shift: f64| -> Vec<[T; 3]> {
        let moved = rows.iter().map(|row| row.map(|x| x + T::from_f64(shift)));
        rows.iter().copied().chain(moved).collect()
    };
    let of = |points: &crate::Points<T>| (twice(&points.x, 0.25), twice(&points.y, -0.5));
    let (x, y) = of(all);
    let expected = both(batched(&x, [2]), batched(&y, [2])).eval().unwrap();
    let sums = sum(batched(&x, [2]), batched(&y, [2]), &all.b).eval().unwrap();
    let (x, y) = of(own);
    let n = here.rows[0];
    for exchange in crate::EXCHANGES {
        let found = both(batched(&x, [2]), batched(&y, [2])).over(here.ranks(exchange)).eval().unwrap();
        let found_sums = sum(batched(&x, [2]), batched(&y, [2]), &own.b).over(here.ranks(exchange)).eval().unwrap();
        assert_eq!(found.1.len(), 2 * i.len());
        for batch in 0..2 {
            for row in 0..i.len() {
                let (at, of) = (batch * i.len() + row, batch * n + i.start + row);
                assert_eq!((found.0[at], found.1[at]), (expected.0[of], expected.1[of]), "batch {batch}, row {row}");
                let [a, b] = [found_sums[at][0], sums[of][0]].map(Element::to_f64);
                assert!((a - b).abs() <= 1e-5 * b.abs(), "batch {batch}, row {row}: {a} {b}");
            }
        }
    }
}

/// A tolerance holds over ranks as in one process, for the result and for derivatives.
fn tolerances<T: Element>(here: &Here<'_, T>) {
    let ones = vec![[T::from_f64(1.0)]; here.own.x.len()];
    let all = vec![[T::from_f64(1.0)]; here.all.x.len()];
    let expected = sum(&here.all.x, &here.all.y, &here.all.b).eval().unwrap();
    let gradient = sum(&here.all.x, &here.all.y, &here.all.b).vjp_b(&all).eval().unwrap();
    for exchange in crate::EXCHANGES {
        let call = || sum(&here.own.x, &here.own.y, &here.own.b).over(here.ranks(exchange));
        let (found, report) = call().tolerance(Tolerance::new(1e-4)).eval_with_report().unwrap();
        assert!(report.bound <= 1e-4);
        let error = Error::Below(2e-4);
        here.compare("tolerance", exchange, error, &[(Side::I, flat(&expected))], &[(Side::I, flat(&found))]);
        let found = call().vjp_b(&ones).tolerance(1e-4).eval().unwrap();
        here.compare("tolerance", exchange, error, &[(Side::J, flat(&gradient))], &[(Side::J, flat(&found))]);
    }
}

/// Rows of the caller, and the other settings of calls.
fn others<T: Element>(here: &Here<'_, T>) {
    let a = &here.own;
    let expected = sum(&a.x, &a.y, &a.b).over(here.world).eval().unwrap();
    let mut rows = vec![[T::from_f64(0.0)]; a.x.len()];
    sum(&a.x, &a.y, &a.b).over(here.world).into_rows(&mut rows).unwrap();
    assert_eq!(rows, *expected);
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for exchange in crate::EXCHANGES {
        let to = told.clone();
        let ranks = here.ranks(exchange);
        sum(&a.x, &a.y, &a.b)
            .progress(move |done, of| to.lock().unwrap().push((done, of)))
            .over(&ranks)
            .eval()
            .unwrap();
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert!(told.is_sorted(), "{exchange:?} {told:?}");
        assert!(told.last().is_some_and(|(done, of)| done == of), "{exchange:?} {told:?}");
    }
}

pub(crate) fn check_selections<T: Element>(world: &SimpleCommunicator, random: &mut Rng) {
    on_shares::<T>(world, random, |here| {
        check!(here, "Min", Error::None, |a| least(&a.x, &a.y), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "MaxArgMax", Error::None, |a| greatest(&a.x, &a.y), |rows| vec![
            (Side::I, flat(&rows.0)),
            (Side::I, numbers(&rows.1))
        ]);
        check!(here, "ArgMin", Error::None, |a| place(&a.x, &a.y), |rows| vec![(Side::I, numbers(&rows))]);
        check!(here, "KMin", Error::None, |a| nearest(&a.x, &a.y), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "ArgKMin", Error::None, |a| places(&a.x, &a.y), |rows| vec![(Side::I, numbers(&rows))]);
        check!(here, "KMinArgKMin", Error::None, |a| both(&a.x, &a.y), |rows| vec![
            (Side::I, flat(&rows.0)),
            (Side::I, numbers(&rows.1))
        ]);
        check!(here, "KMinArgKMin over i", Error::None, |a| both_over_i(&a.x, &a.y), |rows| vec![
            (Side::J, flat(&rows.0)),
            (Side::J, numbers(&rows.1))
        ]);
        check!(here, "Count", Error::None, |a| number(&a.x, &a.y, a.p), |rows| vec![(Side::I, numbers(&rows))]);
        let expected = near(&here.all.x, &here.all.y, here.all.p).eval().unwrap();
        for exchange in crate::EXCHANGES {
            let found = near(&here.own.x, &here.own.y, here.own.p).over(here.ranks(exchange)).eval().unwrap();
            assert_eq!(found.len(), here.i.len());
            for (row, list) in found.iter().enumerate() {
                assert_eq!(list, expected.of(here.i.start + row), "Within by {exchange:?}, row {row}");
            }
        }
    });
}
