//! A fault of one rank is an error of all ranks, and names the rank; no rank waits for another one.

use std::panic::panic_any;

use fastrand::Rng;
use keops::{Error, Rows, interfaces::mpi::Exchange, prelude::*};
use mpi::{topology::SimpleCommunicator, traits::*};

keops! {
    fn product(p: Pm<1>, x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { p * (x | y) * b }
    fn log_sum(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> LogSumExp<j> { (-sqdist(x, y), b) }
    fn nearest(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> KMin<3, j> { b * sqdist(x, y) }
    fn gaussian(x: Vi<2>, y: Vj<2>, b: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) * b }
}

/// What a panic of a test has as its payload.
pub(crate) struct Wanted;

/// Checks that a call failed on all ranks because of `rank`.
fn failed<R: std::fmt::Debug>(world: &SimpleCommunicator, result: Result<R, Error>, rank: i32, why: &str) {
    match result {
        Err(Error::OnRank { rank: found, reason }) => {
            assert_eq!(found, rank as usize, "{reason}");
            assert!(reason.contains(why), "{reason:?} has no {why:?}");
        }
        other => panic!("rank {} of {}: {other:?}", world.rank(), world.size()),
    }
}

pub(crate) fn check(world: &SimpleCommunicator, _: &mut Rng) {
    let one = world.size() - 1;
    let here = world.rank() == one;
    let rows = 3 + world.rank() as usize;
    let (x, y, b) = (vec![[1.0_f64, 0.5]; rows], vec![[0.5, 2.0]; rows + 1], vec![[1.0]; rows + 1]);
    let e = vec![[1.0]; rows];
    let right = |exchange| {
        let ranks = keops::interfaces::mpi::Ranks::new(world).exchange(exchange);
        let sums: Rows<f64, 1> = product([1.0], &x, &y, &b).over(&ranks).eval().unwrap();
        let all: usize = (0..world.size() as usize).map(|rank| rank + 4).sum();
        assert!(sums.iter().all(|sum| sum[0] == 1.5 * all as f64));
    };
    for exchange in [Exchange::Auto, Exchange::Gather, Exchange::Ring] {
        let ranks = keops::interfaces::mpi::Ranks::new(world).exchange(exchange);
        // a wrong shape on one rank: of the value, of a derivative of several passes, of a selection
        let wrong = if here { &b[1..] } else { &b[..] };
        failed(world, product([1.0], &x, &y, wrong).over(&ranks).eval(), one, "`b` has");
        right(exchange);
        failed(world, log_sum(&x, &y, wrong).over(&ranks).vjp(&e).eval(), one, "`b` has");
        let wrong_e = if here { &e[1..] } else { &e[..] };
        failed(world, log_sum(&x, &y, &b).over(&ranks).vjp_y(wrong_e).eval(), one, "rows");
        let (e3, mut rows3) = (vec![[1.0; 3]; rows], vec![[0.0; 3]; rows]);
        let wrong_e3 = if here { &e3[1..] } else { &e3[..] };
        failed(world, nearest(&x, &y, &b).over(&ranks).vjp(wrong_e3).eval(), one, "rows");
        let into = if here { &mut rows3[1..] } else { &mut rows3[..] };
        failed(world, nearest(&x, &y, &b).over(&ranks).into_rows(into), one, "the output");
        right(exchange);
        // a panic in a call
        let call = product([1.0], &x, &y, &b).over(&ranks).progress(move |_, _| {
            if here {
                panic_any(Wanted);
            }
        });
        failed(world, call.eval(), one, "a panic");
        right(exchange);
        // NaN where it is refused
        let right_side = vec![[if here { f64::NAN } else { 1.0 }]; rows];
        failed(world, gaussian(&x, &x, &right_side).over(&ranks).solve_b(0.1).eval(), one, "not a finite number");
        right(exchange);
        // what is an error on all ranks names the first
        failed(world, gaussian(&x, &y, &b).over(&ranks).solve_b(0.1).eval(), 0, "as many rows");
        failed(world, gaussian(&x, &x, &e).over(&ranks).solve_b(-0.1).eval(), 0, "alpha");
        failed(world, gaussian(&x, &y, &b[1..]).over(&ranks).operator_b().map(drop), 0, "`b` has");
        if one > 0 {
            // ranks that do not do the same
            let p = [if here { 2.0 } else { 1.0 }];
            failed(world, product(p, &x, &y, &b).over(&ranks).eval(), one, "parameters");
            let call = product([1.0], &x, &y, &b).over(&ranks);
            let other = if here { call.vjp_x(&e).eval().map(drop) } else { call.eval().map(drop) };
            failed(world, other, one, "another step");
            right(exchange);
        }
    }
    // a communicator of some ranks, and one that is gone
    let color = mpi::topology::Color::with_value(world.rank() % 2);
    let some = world.split_by_color(color).expect("every rank has a colour");
    let sums = product([1.0], &x, &y, &b).over(&some).eval().unwrap();
    let all: usize = (0..world.size()).filter(|rank| rank % 2 == world.rank() % 2).map(|rank| rank as usize + 4).sum();
    assert!(sums.iter().all(|sum| sum[0] == 1.5 * all as f64));
    drop(some);
    right(Exchange::Auto);
    // another thread has no messages
    let call = product([1.0], &x, &y, &b).over(world);
    let result = std::thread::scope(|scope| scope.spawn(|| call.eval()).join());
    assert!(matches!(result, Ok(Err(Error::NoMessages { .. }))), "{result:?}");
    right(Exchange::Auto);
}
