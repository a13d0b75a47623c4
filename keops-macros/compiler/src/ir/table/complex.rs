//! Complex numbers. A vector of n complex numbers has 2n components, real and imaginary parts in turn. One complex
//! number broadcasts.

use super::{Arguments, F, Fault, Fun, INT, Kind, Operation, Value, half, too_large};
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id},
    view::View,
};

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    args: &'static [Kind],
    range: (f64, f64),
    build: fn(&mut Graph, &Arguments) -> Result<Id, Fault>,
) -> Operation {
    Operation { name, aliases, args, optional: 0, value: Value::Built(build), range }
}

/// Complex numbers, as the vectors of their real and imaginary parts.
#[derive(Clone, Copy)]
struct Complex {
    re: Id,
    im: Id,
}

/// Argument k as complex numbers.
fn parts(g: &mut Graph, a: &Arguments, k: usize) -> Result<Complex, Fault> {
    let n = half(g, a, k)?;
    let mut part = |start: u64| g.view(a.formulas[k], View::every_second(start, n.clone()));
    Ok(Complex { re: part(0), im: part(1) })
}

/// Both arguments as complex numbers. They have equally many numbers, or one of them has one number.
fn both(g: &mut Graph, a: &Arguments) -> Result<[Complex; 2], Fault> {
    let (x, y) = (parts(g, a, 0)?, parts(g, a, 1)?);
    if !g.is_scalar(x.re) && !g.is_scalar(y.re) {
        super::same(g, a, 0, 1)?;
    }
    Ok([x, y])
}

fn join(g: &mut Graph, parts: Complex) -> Result<Id, Fault> {
    g.interleave(parts.re, parts.im).ok_or_else(too_large)
}

/// The product of real and complex numbers.
fn scaled(g: &mut Graph, x: Id, by: Complex) -> Complex {
    Complex { re: g.mul(x, by.re), im: g.mul(x, by.im) }
}

fn product(g: &mut Graph, x: Complex, y: Complex) -> Complex {
    let (a, b) = (g.mul(x.re, y.re), g.mul(x.im, y.im));
    let (c, d) = (g.mul(x.re, y.im), g.mul(x.im, y.re));
    Complex { re: g.sub(a, b), im: g.add(c, d) }
}

fn conjugate(g: &mut Graph, x: Complex) -> Complex {
    Complex { re: x.re, im: g.neg(x.im) }
}

fn square_abs(g: &mut Graph, x: Complex) -> Id {
    let (a, b) = (g.powi(x.re, 2), g.powi(x.im, 2));
    g.add(a, b)
}

/// The direction x / |x|, which is 0 for x = 0.
fn direction(g: &mut Graph, x: Complex) -> Complex {
    Complex { re: g.fun(Fun::Direction, &[x.re, x.im]), im: g.fun(Fun::Direction, &[x.im, x.re]) }
}

/// The complex numbers e^(i x).
fn turned(g: &mut Graph, x: Id) -> Complex {
    Complex { re: g.fun(Fun::Cos, &[x]), im: g.fun(Fun::Sin, &[x]) }
}

const RANGE: (f64, f64) = (-2.0, 2.0);

pub(super) const OPERATIONS: &[Operation] = &[
    row("ComplexReal", &["complex_real", "real"], &[F], RANGE, |g, a| Ok(parts(g, a, 0)?.re)),
    row("ComplexImag", &["complex_imag", "imag"], &[F], RANGE, |g, a| Ok(parts(g, a, 0)?.im)),
    row("Real2Complex", &["real2complex"], &[F], RANGE, |g, a| with_zeros(g, a, 0)),
    row("Imag2Complex", &["imag2complex"], &[F], RANGE, |g, a| with_zeros(g, a, 1)),
    row("Conj", &["conj"], &[F], RANGE, |g, a| {
        let x = parts(g, a, 0)?;
        let conjugate = conjugate(g, x);
        join(g, conjugate)
    }),
    row("ComplexAdd", &["complex_add"], &[F, F], RANGE, |g, a| {
        let [x, y] = both(g, a)?;
        let sum = Complex { re: g.add(x.re, y.re), im: g.add(x.im, y.im) };
        join(g, sum)
    }),
    row("ComplexSubtract", &["complex_subtract"], &[F, F], RANGE, |g, a| {
        let [x, y] = both(g, a)?;
        let difference = Complex { re: g.sub(x.re, y.re), im: g.sub(x.im, y.im) };
        join(g, difference)
    }),
    row("ComplexMult", &["complex_mult"], &[F, F], RANGE, |g, a| {
        let [x, y] = both(g, a)?;
        let product = product(g, x, y);
        join(g, product)
    }),
    // the quotient is x / |y|, turned back by the angle of y: x conj(y) / |y|² has a square that may leave the range
    row("ComplexDivide", &["complex_divide"], &[F, F], (0.5, 2.0), |g, a| {
        let [x, y] = both(g, a)?;
        let (length, direction) = (g.fun(Fun::Hypot, &[y.re, y.im]), direction(g, y));
        let (short, back) = (Complex { re: g.div(x.re, length), im: g.div(x.im, length) }, conjugate(g, direction));
        let quotient = product(g, short, back);
        join(g, quotient)
    }),
    // real numbers times complex numbers: equally many, or one real number, which may also be the second argument
    row("ComplexRealScal", &["complex_real_scal"], &[F, F], RANGE, |g, a| {
        let (real, complex) = if g.is_scalar(a.formulas[1]) { (1, 0) } else { (0, 1) };
        let (x, y) = (a.formulas[real], parts(g, a, complex)?);
        if !g.is_scalar(x) && g.dim(x) != g.dim(y.re) {
            return Err(Fault(format!(
                "`{}` must have dimension 1 or {}, it has dimension {}",
                a.spelled[real],
                g.dim(y.re),
                g.dim(x)
            )));
        }
        let product = scaled(g, x, y);
        join(g, product)
    }),
    row("ComplexSquareAbs", &["complex_square_abs"], &[F], RANGE, |g, a| {
        let x = parts(g, a, 0)?;
        Ok(square_abs(g, x))
    }),
    row("ComplexAbs", &["complex_abs"], &[F], (0.3, 2.0), |g, a| {
        let x = parts(g, a, 0)?;
        Ok(g.fun(Fun::Hypot, &[x.re, x.im]))
    }),
    row("ComplexAngle", &["complex_angle", "angle"], &[F], (0.3, 2.0), |g, a| {
        let x = parts(g, a, 0)?;
        Ok(g.fun(Fun::Atan2, &[x.im, x.re]))
    }),
    row("ComplexSum", &["complex_sum"], &[F], RANGE, |g, a| {
        let x = parts(g, a, 0)?;
        let sum = Complex { re: g.sum(x.re), im: g.sum(x.im) };
        join(g, sum)
    }),
    // the integer is the dimension of the result, twice the number of complex numbers
    row("ComplexSumT", &["complex_sum_t"], &[F, INT], RANGE, |g, a| {
        let dim = a.integers[0].dim("the dimension")?;
        let times = dim.divide(&Dim::number(2)).filter(|times| times.value() != Some(0));
        let times = times.ok_or_else(|| Fault(format!("the dimension must be even and at least 2, it is {dim}")))?;
        let two = Dim::number(2);
        if *g.dim(a.formulas[0]) != two {
            let dim = g.dim(a.formulas[0]);
            return Err(Fault(format!("`{}` must have dimension 2, it has dimension {dim}", a.spelled[0])));
        }
        Ok(g.view(a.formulas[0], View::repeated(times, two)))
    }),
    row("ComplexExp", &["complex_exp"], &[F], RANGE, |g, a| {
        let x = parts(g, a, 0)?;
        // e^(x/2) twice: where e^x is beyond the range, its product with a small cosine may not be
        let half = g.constant(0.5);
        let half = g.mul(half, x.re);
        let (size, unit) = (g.fun(Fun::Exp, &[half]), turned(g, x.im));
        let value = scaled(g, size, unit);
        let value = scaled(g, size, value);
        join(g, value)
    }),
    row("ComplexExp1j", &["complex_exp1j", "exp1j"], &[F], RANGE, |g, a| {
        let value = turned(g, a.formulas[0]);
        join(g, value)
    }),
];

/// Complex numbers with the argument as part `part` (0: real, 1: imaginary), and 0 as the other.
fn with_zeros(g: &mut Graph, a: &Arguments, part: u64) -> Result<Id, Fault> {
    let n = g.dim(a.formulas[0]).clone();
    let dim = n.checked_mul(&Dim::number(2)).ok_or_else(too_large)?;
    Ok(g.spread(a.formulas[0], View::every_second(part, n), dim))
}
