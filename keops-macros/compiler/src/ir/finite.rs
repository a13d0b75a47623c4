//! Facts about the values of nodes, and factors of slopes that are finite at every point.
//!
//! A slope may have a factor that is infinite at x = 0: 1/x, a logarithm or a negative power. Such a factor is
//! replaced by one that is 0 there, unless x is known not to be 0.

use crate::ir::{
    graph::{Graph, Id, Op},
    table::Fun,
};

/// The facts that are known about the values of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    /// A lower bound of all components (NaN aside).
    least: f64,
    /// How many decades above 1 a component may be because of inverses and negative powers of numbers that are near 0
    /// and known not to be 0: 20 for 1 / (x² + 1e-20).
    decades: f64,
    /// Whether the node is a logarithm, or a sum, a power or a multiple with one as a term.
    logarithm: bool,
    /// Whether a component may be infinite because a factor of it is the inverse, the logarithm or a negative power
    /// of 0.
    pole: bool,
    /// Whether a component may be infinite, for whatever reason.
    infinite: bool,
    /// Whether a component may be infinite even after [`Graph::finite`], as a factor of a slope.
    infinite_factor: bool,
    /// Whether the slope of the operation, or of an operation that the node needs, may be infinite.
    steep: bool,
}

/// A bound above which a number and its square are above 0 in `f32`, too.
const ABOVE_ZERO: f64 = 1e-18;

/// How many terms of a sum are searched for logarithms.
const TERMS: usize = 16;

/// The decades from 1 to the largest number of `f32`.
const DECADES: f64 = 38.0;

impl Graph {
    /// The facts about a node that follow from its operation and the facts about its arguments.
    pub(crate) fn values_of(&self, op: &Op, args: &[Id]) -> Values {
        let pole = |k: usize| self.known_values(args[k]).pole;
        let zero = |k: usize| !self.is_nonzero(args[k]);
        let pole = match op {
            Op::Fun(Fun::Inv | Fun::Log | Fun::Log2 | Fun::Log10) => zero(0),
            Op::Powi(n) => *n < 0 && zero(0),
            Op::Fun(Fun::Pow) => zero(0) && self.least(args[1]) < 0.0,
            Op::Mul => pole(0) || pole(1),
            Op::Neg => pole(0),
            Op::Div => pole(0) || zero(1),
            _ => false,
        };
        // infinity times 0, as the product of two bounds, is no bound
        let least = self.least_of(op, args);
        let least = if least.is_nan() { f64::NEG_INFINITY } else { least };
        let infinite = self.may_be_infinite(op, args);
        let infinite_factor = self.is_infinite_factor(op, args, infinite);
        let steep = args.iter().any(|&arg| self.is_steep(arg)) || self.has_infinite_slope(op, args, infinite);
        let decades = self.decades_of(op, args);
        let logarithm = match op {
            Op::Fun(Fun::Log | Fun::Log2 | Fun::Log10 | Fun::Ln1p) => true,
            Op::Add | Op::Sub | Op::Neg | Op::Powi(1..) => args.iter().any(|&arg| self.known_values(arg).logarithm),
            Op::Mul => {
                args.iter().any(|&arg| self.constant_value(arg).is_some()) && self.known_values(args[1]).logarithm
                    || args.iter().all(|&arg| self.known_values(arg).logarithm)
            }
            _ => false,
        };
        Values { least, decades, logarithm, pole, infinite, infinite_factor, steep }
    }

    fn decades_of(&self, op: &Op, args: &[Id]) -> f64 {
        let of = |k: usize| self.decades(args[k]);
        let of_inverse = |k: usize| {
            let least = self.least(args[k]);
            if least > 0.0 && least < 1.0 { -least.log10() } else { 0.0 }
        };
        match op {
            Op::Add | Op::Sub => of(0).max(of(1)),
            Op::Mul | Op::MatVec | Op::VecMat | Op::Outer => of(0) + of(1),
            Op::Div => of(0) + of_inverse(1),
            Op::Neg | Op::Sum | Op::Max | Op::Broadcast | Op::View(_) | Op::Spread(_) => of(0),
            Op::Concat => (0..args.len()).map(of).fold(0.0, f64::max),
            Op::Powi(n) => f64::from(n.unsigned_abs()) * if *n < 0 { of_inverse(0) } else { of(0) },
            Op::Fun(Fun::Inv) => of_inverse(0),
            Op::Fun(Fun::Rsqrt) => of_inverse(0) / 2.0,
            Op::Fun(Fun::Sqrt) => of(0) / 2.0,
            Op::Fun(Fun::Pow) => match self.constant_value(args[1]) {
                Some(n) => n.abs() * if n < 0.0 { of_inverse(0) } else { of(0) },
                None => 0.0,
            },
            Op::Fun(Fun::UnlessZero | Fun::Abs | Fun::Relu) => of(0),
            Op::Fun(Fun::UnlessInfinite) => of(0).min(DECADES),
            Op::Fun(Fun::IfElse | Fun::Clamp) => of(1).max(of(2)),
            Op::Fun(Fun::Max | Fun::Min) => of(0).max(of(1)),
            _ => 0.0,
        }
    }

    /// See [`Values::decades`].
    fn decades(&self, id: Id) -> f64 {
        self.known_values(id).decades
    }

    /// The node, or 0 where it is infinite, if it may be infinite in `f32` because of a number near 0.
    pub(crate) fn unless_infinite(&mut self, id: Id) -> Id {
        if self.decades(id) > DECADES { self.opaque(id) } else { id }
    }

    /// The node, or 0 where it is infinite, as one factor that products do not take apart.
    fn opaque(&mut self, id: Id) -> Id {
        match (self.op(id).clone(), self.args(id).to_vec().as_slice()) {
            (Op::Fun(Fun::UnlessInfinite), _) => id,
            (Op::Broadcast, &[scalar]) => {
                let (scalar, dim) = (self.opaque(scalar), self.dim(id).clone());
                self.broadcast(scalar, &dim)
            }
            // the scalar factor alone, which costs less than all components
            (Op::Mul, &[scalar, vector]) if !self.is_scalar(id) && self.is_scalar(scalar) => {
                let (scalar, vector) = (self.opaque_factor(scalar), self.opaque_factor(vector));
                self.mul(scalar, vector)
            }
            _ => self.fun(Fun::UnlessInfinite, &[id]),
        }
    }

    fn opaque_factor(&mut self, id: Id) -> Id {
        if self.decades(id) > 0.0 { self.opaque(id) } else { id }
    }

    /// The product of a slope and a cotangent, a tangent or another slope. If it may be infinite in `f32` because of
    /// numbers near 0, such as the 1e-20 that a formula adds to a distance, it counts as 0 where it is, and so do its
    /// factors. They are multiplied in this order only: where one of them is 0, because points are equal, the product
    /// of the others may be infinite.
    pub(crate) fn slope_times(&mut self, slope: Id, e: Id) -> Id {
        if self.decades(slope) + self.decades(e) <= DECADES || self.is_zero(slope) || self.is_zero(e) {
            return self.mul(slope, e);
        }
        let (slope, e) = (self.opaque_factor(slope), self.opaque_factor(e));
        let product = self.mul(slope, e);
        self.opaque(product)
    }

    /// The quotient of a slope, a cotangent or a tangent by a number that is not 0: see [`Graph::slope_times`].
    pub(crate) fn slope_over(&mut self, e: Id, b: Id) -> Id {
        let quotient = self.div(e, b);
        if self.decades(quotient) <= DECADES {
            return quotient;
        }
        let inverse = self.fun(Fun::Inv, &[b]);
        self.slope_times(inverse, e)
    }

    /// Whether the slope of the node's operation, or of an operation that the node needs, may be infinite: because it
    /// overflows, or because it is computed from an infinite value.
    pub(crate) fn is_steep(&self, id: Id) -> bool {
        self.known_values(id).steep
    }

    fn may_be_infinite(&self, op: &Op, args: &[Id]) -> bool {
        let infinite = |k: usize| self.known_values(args[k]).infinite;
        let zero = |k: usize| !self.is_nonzero(args[k]);
        let any = || (0..args.len()).any(infinite);
        match op {
            Op::ArgMax => false,
            Op::Div => any() || zero(1),
            Op::Powi(..0) => zero(0),
            Op::Fun(fun) => match fun {
                Fun::Log | Fun::Log2 | Fun::Log10 => any() || zero(0),
                Fun::Ln1p => any() || self.least(args[0]) <= ABOVE_ZERO - 1.0,
                Fun::Inv => zero(0),
                Fun::Pow => any() || zero(0) && self.least(args[1]) < 0.0,
                Fun::Exp | Fun::Exp2 | Fun::ExpM1 => !self.is_not_positive(args[0]),
                Fun::Sinh | Fun::Cosh | Fun::Atanh => true,
                Fun::Rsqrt | Fun::Sin | Fun::Cos | Fun::Tanh | Fun::Sech | Fun::Erf | Fun::Erfc | Fun::Sigmoid => false,
                Fun::UnlessInfinite
                | Fun::Asin
                | Fun::Acos
                | Fun::Atan
                | Fun::Atan2
                | Fun::Direction
                | Fun::SinXDivX(_) => false,
                Fun::Step | Fun::Sign | Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => false,
                Fun::IfElse => infinite(1) || infinite(2),
                // except for the poles that it guards against
                Fun::UnlessZero => infinite(0) && !self.known_values(args[0]).pole,
                _ => any(),
            },
            _ => any(),
        }
    }

    fn is_infinite_factor(&self, op: &Op, args: &[Id], infinite: bool) -> bool {
        let factor = |k: usize| self.known_values(args[k]).infinite_factor;
        match op {
            Op::Fun(Fun::Log | Fun::Log2 | Fun::Log10) => self.known_values(args[0]).infinite,
            Op::Fun(Fun::Inv) | Op::Powi(..0) => false,
            Op::Fun(Fun::Pow) => self.known_values(args[0]).infinite,
            Op::Mul => factor(0) || factor(1),
            Op::Neg | Op::Div => factor(0),
            _ => infinite,
        }
    }

    fn has_infinite_slope(&self, op: &Op, args: &[Id], infinite: bool) -> bool {
        let factor = |&arg: &Id| self.known_values(arg).infinite_factor;
        match op {
            Op::Mul | Op::MatVec | Op::VecMat | Op::Outer | Op::Powi(_) => args.iter().any(factor),
            Op::Div => factor(&args[0]),
            Op::Fun(Fun::Exp | Fun::Exp2 | Fun::ExpM1 | Fun::Sinh | Fun::Cosh) => infinite,
            Op::Fun(fun) if fun.jumps(0) && *fun != Fun::IfElse => false,
            Op::Fun(
                Fun::Log | Fun::Log2 | Fun::Log10 | Fun::Ln1p | Fun::Inv | Fun::Abs | Fun::Relu | Fun::Clamp | Fun::Max,
            ) => false,
            Op::Fun(Fun::Min | Fun::IfElse | Fun::UnlessZero | Fun::Sqrt | Fun::Atan | Fun::Tanh | Fun::Sigmoid) => {
                false
            }
            Op::Fun(_) => args.iter().any(|&arg| self.known_values(arg).infinite),
            _ => false,
        }
    }

    /// Whether no component is above 0, as far as signs tell.
    fn is_not_positive(&self, id: Id) -> bool {
        let args = self.args(id);
        match self.op(id) {
            Op::Const(bits) => f64::from_bits(*bits) <= 0.0,
            Op::Zero => true,
            Op::Neg => self.least(args[0]) >= 0.0,
            Op::Mul => self.constant_value(args[0]).is_some_and(|c| c <= 0.0) && self.least(args[1]) >= 0.0,
            Op::Broadcast => self.is_not_positive(args[0]),
            _ => false,
        }
    }

    /// A lower bound of all components of the node (NaN aside).
    pub(crate) fn least(&self, id: Id) -> f64 {
        self.known_values(id).least
    }

    fn least_of(&self, op: &Op, args: &[Id]) -> f64 {
        const UNKNOWN: f64 = f64::NEG_INFINITY;
        let of = |k: usize| self.least(args[k]);
        let not_negative = |k: usize| of(k) >= 0.0;
        match op {
            Op::Const(bits) => f64::from_bits(*bits),
            Op::Zero | Op::Unit(_) | Op::Places | Op::ArgMax => 0.0,
            Op::Add => of(0) + of(1),
            Op::Mul if not_negative(0) && not_negative(1) => of(0) * of(1),
            Op::Mul if args[0] == args[1] => 0.0,
            Op::Div if not_negative(0) && not_negative(1) => 0.0,
            Op::Powi(n @ 1..) if not_negative(0) => of(0).powi(*n),
            Op::Fun(Fun::Pow) if of(0) > 0.0 && self.constant_value(args[1]).is_some_and(|n| n >= 0.0) => {
                of(0).powf(self.constant_value(args[1]).unwrap_or_default())
            }
            Op::Powi(n) if n % 2 == 0 || not_negative(0) => 0.0,
            // a sum has at least one component
            Op::Sum if not_negative(0) => of(0),
            Op::Max | Op::Broadcast | Op::View(_) => of(0),
            Op::Spread(_) => of(0).min(0.0),
            Op::Concat => (0..args.len()).map(of).fold(f64::INFINITY, f64::min),
            Op::Fun(fun) => match fun {
                // a small exponential may be rounded to 0
                Fun::Exp | Fun::Exp2 => {
                    if not_negative(0) {
                        1.0
                    } else {
                        0.0
                    }
                }
                Fun::Abs | Fun::Relu => of(0).max(0.0),
                Fun::Sqrt => of(0).max(0.0).sqrt(),
                Fun::Rsqrt | Fun::Acos | Fun::Hypot | Fun::Step => 0.0,
                Fun::Sech | Fun::Acosh | Fun::Erfc | Fun::Sigmoid | Fun::Softplus => 0.0,
                Fun::Cosh => 1.0,
                Fun::Max => of(0).max(of(1)),
                Fun::Min => of(0).min(of(1)),
                Fun::Equal | Fun::NotEqual | Fun::LessThan | Fun::LessOrEqual => 0.0,
                Fun::Inv | Fun::Pow | Fun::Atan | Fun::Asin | Fun::Floor | Fun::Sign if not_negative(0) => 0.0,
                Fun::UnlessZero => of(0).min(0.0),
                Fun::IfElse | Fun::Clamp => of(1).min(of(2)),
                _ => UNKNOWN,
            },
            _ => UNKNOWN,
        }
    }

    /// The product a b by means of x log x, which is 0 at x = 0 while its factors are 0 and infinite. One of a and b
    /// must have log x as a factor, and the other a positive power of x. `None` if that is not so, or if x is known
    /// not to be 0.
    pub(crate) fn with_logarithm(&mut self, a: Id, b: Id) -> Option<Id> {
        for (a, b) in [(a, b), (b, a)] {
            let (a, b) = (self.factors(a), self.factors(b));
            for (k, &log) in a.iter().enumerate() {
                if *self.op(log) != Op::Fun(Fun::Log) {
                    continue;
                }
                let of = self.args(log)[0];
                for (l, &power) in b.iter().enumerate() {
                    if let Some(product) = self.power_times_logarithm(power, of) {
                        let others = |all: &[Id], but: usize| [&all[..but], &all[but + 1..]].concat();
                        let others = [others(&a, k), others(&b, l)].concat();
                        return Some(others.into_iter().fold(product, |product, factor| self.mul(factor, product)));
                    }
                }
            }
        }
        None
    }

    /// The product a b where one of them has a power of some x as a factor, and the other a sum or a power with the
    /// logarithm of x, of a multiple or of a quotient of x as a term: at x = 0 the logarithm counts for nothing. `None`
    /// if that is not so, or if x is known not to be 0.
    pub(crate) fn with_logarithmic_term(&mut self, a: Id, b: Id) -> Option<Id> {
        for (a, b) in [(a, b), (b, a)] {
            if !self.known_values(a).logarithm {
                continue;
            }
            let (a, b) = (self.factors(a), self.factors(b));
            for (k, &term) in a.iter().enumerate() {
                if !self.known_values(term).logarithm {
                    continue;
                }
                let (mut guarded, mut product) = (term, None);
                for &power in &b {
                    let (base, n) = self.constant_power(power);
                    if n <= 0.0 || self.constant_value(base).is_some() || self.is_nonzero(base) {
                        continue;
                    }
                    let mut terms = TERMS;
                    if let Some(term) = self.guarded_logarithms(guarded, base, &mut terms) {
                        guarded = term;
                        product = Some(product.map_or(base, |product| self.mul(product, base)));
                    }
                }
                // the logarithm is infinite where one of the bases is 0, or their product underflows
                if let Some(product) = product {
                    let guarded = self.unless_zero(guarded, product);
                    let a = (a.iter().enumerate()).map(|(l, &factor)| if l == k { guarded } else { factor });
                    let factors: Vec<Id> = a.chain(b.iter().copied()).collect();
                    return factors.into_iter().reduce(|product, factor| self.mul(product, factor));
                }
            }
        }
        None
    }

    /// The node `id` with finite quotients inside of the logarithms of `base`, of multiples and of quotients of it.
    /// `None` if it has no such term. `terms` is the number of nodes that may still be looked at.
    fn guarded_logarithms(&mut self, id: Id, base: Id, terms: &mut usize) -> Option<Id> {
        if !self.known_values(id).logarithm || *terms == 0 {
            return None;
        }
        *terms -= 1;
        let args = self.args(id).to_vec();
        match self.op(id).clone() {
            Op::Fun(Fun::Ln1p) => {
                let one = self.constant(1.0);
                let sum = self.add(one, args[0]);
                (self.constant_power(sum).0 == base).then_some(id)
            }
            Op::Fun(fun) => {
                let argument = args[0];
                // it may be guarded already by another factor
                let inner =
                    if *self.op(argument) == Op::Fun(Fun::UnlessZero) { self.args(argument)[0] } else { argument };
                let quotient = if let (Op::Div, &[a, b]) = (self.op(inner), self.args(inner)) {
                    self.has_factor(a, base) || self.has_factor(b, base)
                } else {
                    false
                };
                if quotient {
                    let argument = self.unless_zero(argument, base);
                    return Some(self.fun(fun, &[argument]));
                }
                self.has_factor(argument, base).then_some(id)
            }
            _ => {
                let guarded: Vec<Option<Id>> =
                    args.iter().map(|&arg| self.guarded_logarithms(arg, base, terms)).collect();
                if guarded.iter().all(Option::is_none) {
                    return None;
                }
                let args: Vec<Id> = guarded.iter().zip(&args).map(|(guarded, &arg)| guarded.unwrap_or(arg)).collect();
                Some(self.rebuild(id, &args))
            }
        }
    }

    /// Whether the node has a power of `base` as a factor, or powers of all of its factors.
    fn has_factor(&self, id: Id, base: Id) -> bool {
        let bases: Vec<Id> = self
            .factors(id)
            .into_iter()
            .map(|factor| {
                let of = match (self.op(factor), self.args(factor)) {
                    (Op::Fun(Fun::Inv), &[x]) => x,
                    _ => factor,
                };
                self.constant_power(of).0
            })
            .collect();
        id == base || self.factors(base).iter().all(|factor| bases.contains(factor))
    }

    /// The factors of a product, and of products among these. Products beyond the first few factors stay as they are.
    fn factors(&self, id: Id) -> Vec<Id> {
        const MOST: usize = 8;
        let mut factors = vec![id];
        let mut next = 0;
        while next < factors.len() && factors.len() < MOST {
            if *self.op(factors[next]) == Op::Mul {
                let args = self.args(factors[next]);
                factors.splice(next..=next, args.iter().copied());
            } else {
                next += 1;
            }
        }
        factors
    }

    /// The product y log(x), if y is a positive power of x that may be 0.
    fn power_times_logarithm(&mut self, y: Id, x: Id) -> Option<Id> {
        if self.is_nonzero(x) {
            return None;
        }
        if let (Op::Powi(n @ 2..), &[base]) = (self.op(y), self.args(y))
            && base == x
        {
            let (rest, product) = (self.powi(x, n - 1), self.fun(Fun::XLogX, &[x]));
            return Some(self.mul(rest, product));
        }
        if x == y {
            return Some(self.fun(Fun::XLogX, &[x]));
        }
        // the product is b^n log(b^m), with b^n = y and b^m = x
        let ((base, n), (other, m)) = (self.constant_power(y), self.constant_power(x));
        let even = n % 2.0 == 0.0 && m % 2.0 == 0.0;
        if base != other || n <= 0.0 || !even && self.least(base) < 0.0 {
            return None;
        }
        let (ratio, product) = (self.constant(m / n), self.fun(Fun::XLogX, &[y]));
        Some(self.mul(ratio, product))
    }

    /// The base and the exponent of a power with a constant exponent, of which roots are one kind. For other nodes
    /// the exponent is 1.
    fn constant_power(&self, id: Id) -> (Id, f64) {
        let (mut base, mut exponent) = (id, 1.0);
        loop {
            let args = self.args(base);
            let factor = match self.op(base) {
                Op::Powi(n) => f64::from(*n),
                Op::Fun(Fun::Sqrt) => 0.5,
                Op::Fun(Fun::Pow) => match self.constant_value(args[1]) {
                    Some(n) => n,
                    None => return (base, exponent),
                },
                _ => return (base, exponent),
            };
            (base, exponent) = (args[0], exponent * factor);
        }
    }

    /// Whether the node is known to have no component 0.
    pub(crate) fn is_nonzero(&self, id: Id) -> bool {
        self.least(id) > ABOVE_ZERO || self.constant_value(id).is_some_and(|c| c < -ABOVE_ZERO)
    }

    /// The `value` where x is not 0, and 0 where x is 0.
    pub(crate) fn unless_zero(&mut self, value: Id, x: Id) -> Id {
        if self.is_nonzero(x) || self.is_zero(value) {
            let dim = self.broadcast_dim(&[value, x]);
            return self.broadcast(value, &dim);
        }
        let dim = self.broadcast_dim(&[value, x]);
        if self.is_zero(x) { self.zero(dim) } else { self.intern(Op::Fun(Fun::UnlessZero), vec![value, x], dim) }
    }

    /// The node as a factor of a slope: an inverse, a logarithm or a negative power of 0 counts as 0 instead of
    /// infinity, also in products and quotients.
    pub(crate) fn finite(&mut self, id: Id) -> Id {
        if !self.known_values(id).pole {
            return id;
        }
        let args = self.args(id).to_vec();
        match (self.op(id).clone(), args.as_slice()) {
            (Op::Fun(Fun::Inv | Fun::Log | Fun::Log2 | Fun::Log10), &[x]) => self.unless_zero(id, x),
            (Op::Powi(n), &[x]) => self.finite_powi(x, n),
            (Op::Fun(Fun::Pow), &[x, y]) => self.finite_pow(id, x, y),
            (Op::Mul, &[a, b]) => {
                let (x, y) = (self.finite(a), self.finite(b));
                if (x, y) == (a, b) { id } else { self.mul(x, y) }
            }
            (Op::Neg, &[a]) => {
                let x = self.finite(a);
                if x == a { id } else { self.neg(x) }
            }
            (Op::Div, &[a, b]) if !self.is_nonzero(b) => {
                let (x, inverse) = (self.finite(a), self.finite_inverse(b));
                self.mul(x, inverse)
            }
            (Op::Div, &[a, b]) => {
                let x = self.finite(a);
                self.div(x, b)
            }
            _ => id,
        }
    }

    /// The slope n x^(n-1) of a power, made of finite factors.
    pub(crate) fn slope_of_powi(&mut self, x: Id, n: i32) -> Id {
        let x = self.finite(x);
        let (factor, power) = (self.constant(f64::from(n)), self.finite_powi(x, n.saturating_sub(1)));
        self.mul(factor, power)
    }

    /// The node x^y, but 0 at x = 0 for negative y; `power` is x^y itself.
    pub(crate) fn finite_pow(&mut self, power: Id, x: Id, y: Id) -> Id {
        if self.least(y) >= 0.0 || self.is_nonzero(x) {
            return self.unless_infinite(power);
        }
        if self.constant_value(y).is_some() {
            let power = self.unless_zero(power, x);
            return self.unless_infinite(power);
        }
        // this is 0 only where x is 0 and y < 0
        let size = if self.least(x) >= 0.0 { x } else { self.fun(Fun::Abs, &[x]) };
        let zero = self.constant(0.0);
        let rises = self.fun(Fun::LessOrEqual, &[zero, y]);
        let guarded = self.add(size, rises);
        self.unless_zero(power, guarded)
    }

    /// The inverse 1/x, but 0 at x = 0.
    pub(crate) fn finite_inverse(&mut self, x: Id) -> Id {
        let inverse = self.fun(Fun::Inv, &[x]);
        self.unless_zero(inverse, x)
    }

    /// The power x^n, but 0 at x = 0 for negative n.
    pub(crate) fn finite_powi(&mut self, x: Id, n: i32) -> Id {
        if n >= 0 || self.is_nonzero(x) {
            let power = self.powi(x, n);
            return if n < 0 { self.unless_infinite(power) } else { power };
        }
        let inverse = self.finite_inverse(x);
        let power = self.powi(inverse, n.saturating_neg());
        self.unless_infinite(power)
    }
}
