//! Equations and operators, whose vectors are spread over the ranks.

use std::ops::ControlFlow;

use fastrand::Rng;
use keops::{
    Element,
    operator::LinearOperator,
    prelude::*,
    solve::{Preconditioner, Stop},
};
use mpi::{topology::SimpleCommunicator, traits::*};

use crate::{Error, Here, Side, flat, shares};

keops! {
    fn gaussian(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-4 * sqdist(x, y)) * b }
    fn gaussian_of_two(x: Vi<3>, y: Vj<3>, b: Vj<2>) -> Sum<j> { exp(-4 * sqdist(x, y)) * b }
    fn smoothed(x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Mean<j> { exp(-4 * sqdist(x, y)) * b }
}

fn preconditioners() -> Vec<Preconditioner> {
    let mut all = vec![Preconditioner::None, Preconditioner::Jacobi];
    #[cfg(feature = "nystrom")]
    all.push(Preconditioner::Nystrom { rank: 12, seed: 3 });
    all
}

fn check_in<T: Element>(world: &SimpleCommunicator, random: &mut Rng) {
    let ranks = world.size() as usize;
    for rows in [40, 3] {
        let counts = shares(random, rows, ranks);
        let here = Here::<T>::new(world, random, &counts, &counts);
        let (a, o) = (&here.all, &here.own);
        for which in preconditioners() {
            let alone = gaussian(&a.x, &a.x, &a.u).solve_b(0.1).tolerance(1e-9).preconditioner(which).eval().unwrap();
            let gradients = alone.vjp(&a.e).unwrap();
            for exchange in crate::EXCHANGES {
                let call = gaussian(&o.x, &o.x, &o.u).over(here.ranks(exchange));
                let found = call.solve_b(0.1).tolerance(1e-9).preconditioner(which).eval().unwrap();
                assert_eq!(found.report.stop, Stop::Converged, "{which:?} {rows}");
                let apart = found.report.iterations.abs_diff(alone.report.iterations);
                assert!(
                    apart <= 3,
                    "{which:?}: {} iterations, alone {}",
                    found.report.iterations,
                    alone.report.iterations
                );
                let (expected, values) = (flat(&alone.values), flat(&found.values));
                here.compare(which, exchange, Error::Below(1e-7), &[(Side::I, expected)], &[(Side::I, values)]);
                here.same_everywhere("residual", &found.report.residuals);
                let bound = Error::Below(if size_of::<T>() == 4 { 1e-4 } else { 1e-6 });
                let parts = |all: &keops::solve::SolutionGradients<gaussian::Gradients<T>>| {
                    let arguments = &all.arguments;
                    vec![
                        (Side::I, flat(&arguments.x)),
                        (Side::I, flat(&arguments.y)),
                        (Side::I, flat(&arguments.b)),
                        (Side::All, vec![all.alpha]),
                    ]
                };
                here.compare(which, exchange, bound, &parts(&gradients), &parts(&found.vjp(&o.e).unwrap()));
            }
        }
        let alone = gaussian_of_two(&a.x, &a.x, &a.e2).solve_b(0.1).tolerance(1e-9).eval().unwrap();
        let found = gaussian_of_two(&o.x, &o.x, &o.e2).over(world).solve_b(0.1).tolerance(1e-9).eval().unwrap();
        let (expected, values) = (flat(&alone.values), flat(&found.values));
        let exchange = crate::EXCHANGES[0];
        here.compare("two columns", exchange, Error::Below(1e-7), &[(Side::I, expected)], &[(Side::I, values)]);
        let jacobi = Preconditioner::Jacobi;
        let alone = smoothed(&a.x, &a.x, &a.u).solve_b(0.01).tolerance(1e-9).preconditioner(jacobi).eval().unwrap();
        let call = smoothed(&o.x, &o.x, &o.u).over(world);
        let found = call.solve_b(0.01).tolerance(1e-9).preconditioner(jacobi).eval().unwrap();
        let (expected, values) = (flat(&alone.values), flat(&found.values));
        here.compare("a mean", exchange, Error::Below(1e-6), &[(Side::I, expected)], &[(Side::I, values)]);
    }
}

pub(crate) fn check(world: &SimpleCommunicator, random: &mut Rng) {
    check_in::<f64>(world, random);
    check_in::<f32>(world, random);
    // A callback on one rank ends the iterations of all.
    let counts = shares(random, 60, world.size() as usize);
    let here = Here::<f64>::new(world, random, &counts, &counts);
    let solve = gaussian(&here.own.x, &here.own.x, &here.own.u).over(world).solve_b(1e-3).tolerance(1e-12);
    let last = world.size() - 1;
    let stop = |iteration: usize| world.rank() == last && iteration == 3;
    let solution =
        solve.progress(|at| if stop(at.iteration) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).eval();
    let report = solution.unwrap().report;
    assert_eq!((report.iterations, report.stop), (3, Stop::Callback));
}

pub(crate) fn check_operators(world: &SimpleCommunicator, random: &mut Rng) {
    let ranks = world.size() as usize;
    let (i, j) = (shares(random, 20, ranks), shares(random, 15, ranks));
    let here = Here::<f64>::new(world, random, &i, &j);
    let (a, o) = (&here.all, &here.own);
    let (alone, over) = (gaussian(&a.x, &a.y, &a.b), gaussian(&o.x, &o.y, &o.b).over(world));
    let (alone, over) = (alone.operator_b().unwrap(), over.operator_b().unwrap());
    let (error, exchange) = (Error::Below(1e-14), crate::EXCHANGES[0]);
    let rows = |side, rows: &[[f64; 1]]| [(side, flat(rows))];
    let [expected, found] = [alone.apply(&a.f).unwrap(), over.apply(&o.f).unwrap()];
    here.compare("K v", exchange, error, &rows(Side::I, &expected), &rows(Side::I, &found));
    let [expected, found] = [alone.apply_transpose(&a.e).unwrap(), over.apply_transpose(&o.e).unwrap()];
    here.compare("Kᵀ w", exchange, error, &rows(Side::J, &expected), &rows(Side::J, &found));
    let [expected, found] = [alone.to_dense().unwrap(), over.to_dense().unwrap()];
    assert_eq!((found.rows(), found.cols()), (over.rows(), 15));
    for row in 0..found.rows() {
        for col in 0..15 {
            let (found, expected) = (found[(row, col)], expected[(here.i.start + row, col)]);
            assert!((found - expected).abs() < 1e-14, "{row} {col}: {found} {expected}");
        }
    }
    let alone = smoothed(&a.x, &a.y, &a.b).operator_b().unwrap();
    let over = smoothed(&o.x, &o.y, &o.b).over(world).operator_b().unwrap();
    let [expected, found] = [alone.apply_transpose(&a.e).unwrap(), over.apply_transpose(&o.e).unwrap()];
    here.compare("of a mean", exchange, error, &rows(Side::J, &expected), &rows(Side::J, &found));
}
