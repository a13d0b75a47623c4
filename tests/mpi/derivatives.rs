//! Derivatives of every reduction that has some, of first and second order.

use fastrand::Rng;
use keops::{Element, prelude::*};
use mpi::topology::SimpleCommunicator;

use crate::{Error, Side, check, flat, on_shares};

keops! {
    #[keops(order = 2)]
    fn sum(p: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-p * sqdist(x, y)) * b }
    fn mean(p: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<1>) -> Mean<j> { exp(-p * sqdist(x, y)) * b }
    fn product(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> Prod<j> { 1 + p * sqdist(x, y) / 200 }
    #[keops(order = 2)]
    fn log_sum(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -p * sqdist(x, y) }
    fn soft_max(p: Pm<1>, x: Vi<3>, y: Vj<3>, b: Vj<2>) -> SumSoftMaxWeight<j> { (p * (x | y), b) }
    fn over_i(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<i> { -p * sqdist(x, y) }
    /// No rows i.
    fn of_all(p: Pm<1>, y: Vj<3>, b: Vj<1>) -> Sum<j> { exp(-p * sqnorm2(y)) * b }
    /// No rows j.
    fn of_each(p: Pm<1>, x: Vi<3>) -> Sum<j> { p * sqnorm2(x) }

    #[keops(order = 2)]
    fn nearest(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> KMin<4, j> { p * sqdist(x, y) + sqnorm2(y) }
    fn least(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> Min<j> { p * x * y + x }
    fn most_over_i(p: Pm<1>, x: Vi<3>, y: Vj<3>) -> MaxArgMax<i> { p * sqdist(x, y) }
    fn least_of_all(p: Pm<1>, y: Vj<3>) -> Min<j> { sqnorm2(p * y - 1) }
}

pub(crate) fn check<T: Element>(world: &SimpleCommunicator, random: &mut Rng) {
    on_shares::<T>(world, random, |here| {
        let error = if size_of::<T>() == 4 { Error::Below(1e-4) } else { Error::Below(1e-12) };
        macro_rules! gradients {
            ($what:literal, |$a:ident| $call:expr, $($side:ident $name:ident),*) => {
                check!(here, $what, error, |$a| $call, |all| vec![$((Side::$side, flat(&all.$name))),*]);
            };
        }
        let sides = "Sum";
        check!(here, (sides, "vjp_x"), error, |a| sum(a.p, &a.x, &a.y, &a.b).vjp_x(&a.e), |rows| vec![(
            Side::I,
            flat(&rows)
        )]);
        check!(here, (sides, "vjp_y"), error, |a| sum(a.p, &a.x, &a.y, &a.b).vjp_y(&a.e), |rows| vec![(
            Side::J,
            flat(&rows)
        )]);
        check!(here, (sides, "vjp_p"), error, |a| sum(a.p, &a.x, &a.y, &a.b).vjp_p(&a.e), |rows| vec![(
            Side::All,
            flat(&rows)
        )]);
        check!(here, (sides, "jvp_x"), error, |a| sum(a.p, &a.x, &a.y, &a.b).jvp_x(&a.dx), |rows| vec![(
            Side::I,
            flat(&rows)
        )]);
        check!(here, (sides, "jvp_y"), error, |a| sum(a.p, &a.x, &a.y, &a.b).jvp_y(&a.dy), |rows| vec![(
            Side::I,
            flat(&rows)
        )]);
        gradients!("Sum", |a| sum(a.p, &a.x, &a.y, &a.b).vjp(&a.e), All p, I x, J y, J b);
        check!(here, "second of Sum", error, |a| sum(a.p, &a.x, &a.y, &a.b).vjp_x(&a.e).jvp_y(&a.dy), |rows| vec![(
            Side::I,
            flat(&rows)
        )]);
        check!(here, "second of Sum", error, |a| sum(a.p, &a.x, &a.y, &a.b).vjp_y(&a.e).vjp_p(&a.dy), |rows| vec![(
            Side::All,
            flat(&rows)
        )]);
        gradients!("Mean", |a| mean(a.p, &a.x, &a.y, &a.b).vjp(&a.e), All p, I x, J y, J b);
        gradients!("Prod", |a| product(a.p, &a.x, &a.y).vjp(&a.e), All p, I x, J y);
        gradients!("LogSumExp", |a| log_sum(a.p, &a.x, &a.y).vjp(&a.e), All p, I x, J y);
        check!(here, "LogSumExp", error, |a| log_sum(a.p, &a.x, &a.y).jvp_y(&a.dy), |rows| vec![(
            Side::I,
            flat(&rows)
        )]);
        check!(here, "second of LogSumExp", error, |a| log_sum(a.p, &a.x, &a.y).vjp_y(&a.e).jvp_x(&a.dx), |rows| vec![
            (Side::J, flat(&rows))
        ]);
        gradients!("SoftMax", |a| soft_max(a.p, &a.x, &a.y, &a.b2).vjp(&a.e2), All p, I x, J y, J b);
        gradients!("LogSumExp over i", |a| over_i(a.p, &a.x, &a.y).vjp(&a.f), All p, I x, J y);
        // The cotangent of the one row is the same on all ranks.
        let one = [[T::from_f64(0.5)]];
        gradients!("no rows i", |a| of_all(a.p, &a.y, &a.b).vjp(&one), All p, J y, J b);
        check!(here, "no rows i", error, |a| of_all(a.p, &a.y, &a.b).jvp_y(&a.dy), |rows| vec![(
            Side::All,
            flat(&rows)
        )]);
        gradients!("no rows j", |a| of_each(a.p, &a.x).vjp(&a.e), All p, I x);
    });
}

pub(crate) fn check_selections(world: &SimpleCommunicator, random: &mut Rng) {
    on_shares::<f64>(world, random, |here| {
        let error = Error::Below(1e-13);
        let four = |points: &crate::Points<f64>| -> Vec<[f64; 4]> {
            points.e.iter().map(|e| [e[0], 2.0, 3.0, -1.0]).collect()
        };
        macro_rules! gradients {
            ($what:literal, |$a:ident| $call:expr, $($side:ident $name:ident),*) => {
                check!(here, $what, error, |$a| $call, |all| vec![$((Side::$side, flat(&all.$name))),*]);
            };
        }
        gradients!("KMin", |a| nearest(a.p, &a.x, &a.y).vjp(&four(a)), All p, I x, J y);
        check!(here, "KMin", error, |a| nearest(a.p, &a.x, &a.y).vjp_y(&four(a)), |rows| vec![(Side::J, flat(&rows))]);
        check!(here, "KMin", error, |a| nearest(a.p, &a.x, &a.y).jvp_y(&a.dy), |rows| vec![(Side::I, flat(&rows))]);
        check!(here, "second of KMin", error, |a| nearest(a.p, &a.x, &a.y).vjp_y(&four(a)).vjp_p(&a.dy), |rows| vec![
            (Side::All, flat(&rows))
        ]);
        gradients!("Min", |a| least(a.p, &a.x, &a.y).vjp(&a.dx), All p, I x, J y);
        gradients!("Max over i", |a| most_over_i(a.p, &a.x, &a.y).vjp(&a.f), All p, I x, J y);
        let one = [[0.5]];
        gradients!("Min of all", |a| least_of_all(a.p, &a.y).vjp(&one), All p, J y);
    });
}
