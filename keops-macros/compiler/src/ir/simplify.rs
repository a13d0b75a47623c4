//! Constructors of graph nodes, which simplify as they build: constants, 0 and 1, x - x, signs, powers, products of
//! exponentials, scalar factors of sums.
//!
//! Products are regrouped, sums are not. Another order of a product costs roundings of 1 ULP, as long as no partial
//! product leaves the range of the numbers; another order of a sum can lose all digits to cancellation. Constants are
//! not combined if their product would leave the range of `f32`; whether partial products of variables do is known at
//! run time only. A constant that is written in the formula and is out of range stays a factor of its own, so that
//! the lowering sees it.

use crate::ir::{
    dim::Dim,
    graph::{Category, Graph, Id, Op},
    table::Fun,
    view::View,
};

/// Whether all element types can represent the number with full precision.
pub(crate) fn is_normal(x: f64) -> bool {
    x == 0.0 || (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&x.abs())
}

/// The product of two constants. `None` if it leaves the range of the element types and the constants do not, since
/// as separate factors of something else they may be harmless.
pub(crate) fn product(a: f64, b: f64) -> Option<f64> {
    let product = a * b;
    let lost = !product.is_finite() || (product == 0.0 && a != 0.0 && b != 0.0);
    (!lost && (is_normal(product) || !is_normal(a) || !is_normal(b))).then_some(product)
}

impl Graph {
    /// The constant factor that not all element types can represent, and the other factor, if a product has such a
    /// constant.
    pub(crate) fn beyond(&self, factors: &[Id]) -> Option<(f64, Id)> {
        let &[a, b] = factors else { return None };
        let constant = |id: Id| self.constant_value(id).filter(|&c| !is_normal(c));
        constant(a).map(|c| (c, b)).or_else(|| constant(b).map(|c| (c, a)))
    }

    /// The node of a constant, which is a scalar.
    pub fn constant(&mut self, value: f64) -> Id {
        debug_assert!(value.is_finite(), "there is no literal for {value}");
        if value == 0.0 {
            return self.zero(Dim::number(1));
        }
        self.intern(Op::Const(value.to_bits()), vec![], Dim::number(1))
    }

    /// A vector of zeros.
    pub fn zero(&mut self, dim: Dim) -> Id {
        self.intern(Op::Zero, vec![], dim)
    }

    /// The unit vector with 1 at this component.
    pub fn unit(&mut self, component: u64, dim: Dim) -> Id {
        if dim.is_one() { self.constant(1.0) } else { self.intern(Op::Unit(component), vec![], dim) }
    }

    pub(crate) fn is_zero(&self, id: Id) -> bool {
        match self.op(id) {
            Op::Zero => true,
            Op::Broadcast => self.is_zero(self.args(id)[0]),
            _ => false,
        }
    }

    fn is_constant(&self, id: Id, value: f64) -> bool {
        self.constant_value(id) == Some(value)
    }

    /// The dimension of an element-wise operation on these arguments.
    pub(crate) fn broadcast_dim(&self, args: &[Id]) -> Dim {
        args.iter().map(|&a| self.dim(a)).find(|d| !d.is_one()).cloned().unwrap_or_else(|| Dim::number(1))
    }

    /// A scalar broadcast to this dimension; a vector of this dimension is returned as it is.
    pub fn broadcast(&mut self, a: Id, dim: &Dim) -> Id {
        if self.dim(a) == dim {
            a
        } else if self.is_zero(a) {
            self.zero(dim.clone())
        } else {
            self.intern(Op::Broadcast, vec![a], dim.clone())
        }
    }

    /// The constant factor of a node, and the other factor: (2, x) for 2 x, (-1, x) for -x, (1, x) for x.
    fn coefficient(&self, id: Id) -> (f64, Id) {
        let args = self.args(id);
        match self.op(id) {
            Op::Neg => (-1.0, args[0]),
            Op::Mul => match self.constant_value(args[0]) {
                Some(c) => (c, args[1]),
                None => (1.0, id),
            },
            _ => (1.0, id),
        }
    }

    /// The sum a + b.
    pub fn add(&mut self, a: Id, b: Id) -> Id {
        let dim = self.broadcast_dim(&[a, b]);
        if self.is_zero(a) {
            return self.broadcast(b, &dim);
        }
        if self.is_zero(b) {
            return self.broadcast(a, &dim);
        }
        if let (Some(x), Some(y)) = (self.constant_value(a), self.constant_value(b))
            && (x + y).is_finite()
        {
            return self.constant(x + y);
        }
        let ((m, x), (n, y)) = (self.coefficient(a), self.coefficient(b));
        if x == y && (m + n).is_finite() {
            let c = self.constant(m + n);
            return self.mul(c, x);
        }
        if let Op::Neg = self.op(b) {
            return self.sub(a, y);
        }
        if let Op::Neg = self.op(a) {
            return self.sub(b, x);
        }
        let args = self.in_order(a, b);
        self.intern(Op::Add, args, dim)
    }

    /// The difference a - b.
    pub fn sub(&mut self, a: Id, b: Id) -> Id {
        let dim = self.broadcast_dim(&[a, b]);
        if self.is_zero(a) {
            let b = self.broadcast(b, &dim);
            return self.neg(b);
        }
        if self.is_zero(b) {
            return self.broadcast(a, &dim);
        }
        if let (Some(x), Some(y)) = (self.constant_value(a), self.constant_value(b))
            && (x - y).is_finite()
        {
            return self.constant(x - y);
        }
        let ((m, x), (n, y)) = (self.coefficient(a), self.coefficient(b));
        if x == y && (m - n).is_finite() {
            let c = self.constant(m - n);
            return self.mul(c, x);
        }
        if let Op::Neg = self.op(b) {
            return self.add(a, y);
        }
        self.intern(Op::Sub, vec![a, b], dim)
    }

    /// The negation -a.
    pub fn neg(&mut self, a: Id) -> Id {
        if self.is_zero(a) {
            return a;
        }
        let (c, x) = self.coefficient(a);
        if c != 1.0 {
            let c = self.constant(-c);
            return self.mul(c, x);
        }
        if let Some(c) = self.constant_value(a) {
            return self.constant(-c);
        }
        if let (Op::Sub, &[x, y]) = (self.op(a), self.args(a)) {
            return self.sub(y, x);
        }
        let dim = self.dim(a).clone();
        self.intern(Op::Neg, vec![a], dim)
    }

    /// The product a b.
    pub fn mul(&mut self, a: Id, b: Id) -> Id {
        let dim = self.broadcast_dim(&[a, b]);
        if self.is_zero(a) || self.is_zero(b) {
            return self.zero(dim);
        }
        if self.is_constant(a, 1.0) {
            return b;
        }
        if self.is_constant(b, 1.0) {
            return a;
        }
        // signs and constants go to the front: c (x y)
        match (self.constant_value(a), self.constant_value(b)) {
            (Some(c), _) => return self.scale(c, b, dim),
            (_, Some(c)) => return self.scale(c, a, dim),
            (None, None) => {}
        }
        let ((m, x), (n, y)) = (self.coefficient(a), self.coefficient(b));
        if (m, n) != (1.0, 1.0)
            && let Some(c) = product(m, n)
        {
            let c = self.constant(c);
            let product = self.mul(x, y);
            return self.mul(c, product);
        }
        for (repeated, other) in [(a, b), (b, a)] {
            if let (Op::Broadcast, &[s]) = (self.op(repeated), self.args(repeated)) {
                let product = self.mul(s, other);
                return self.broadcast(product, &dim);
            }
        }
        // one exponential instead of two, unless one of them is computed outside the loop over pairs
        if let (Op::Fun(Fun::Exp), Op::Fun(Fun::Exp)) = (self.op(a), self.op(b))
            && self.indices(a) == self.indices(b)
        {
            let sum = self.add(self.args(a)[0], self.args(b)[0]);
            return self.fun(Fun::Exp, &[sum]);
        }
        if let Some(product) = self.with_logarithm(a, b).or_else(|| self.with_logarithmic_term(a, b)) {
            return product;
        }
        let ((x, m), (y, n)) = (self.power(a), self.power(b));
        if x == y
            && let Some(n) = m.checked_add(n)
            && m.signum() == (n - m).signum()
        {
            return self.powi(x, n);
        }
        // a scalar comes before a vector, so that (s t) v is one product of vectors
        let (a, b) = if self.is_scalar(b) && !self.is_scalar(a) { (b, a) } else { (a, b) };
        if self.is_scalar(a)
            && let (Op::Mul, &[s, v]) = (self.op(b), self.args(b))
            && self.is_scalar(s)
            && !self.is_scalar(v)
        {
            let s = self.mul(a, s);
            return self.mul(s, v);
        }
        let args = self.in_order(a, b);
        self.intern(Op::Mul, args, dim)
    }

    /// The arguments of a commutative operation in a fixed order, so that x y and y x are one node. A scalar stays
    /// before a vector.
    fn in_order(&self, a: Id, b: Id) -> Vec<Id> {
        if self.is_scalar(a) == self.is_scalar(b) && b < a { vec![b, a] } else { vec![a, b] }
    }

    /// Whether a node depends on a variable of i, and whether on one of j.
    fn indices(&self, id: Id) -> [bool; 2] {
        [Category::I, Category::J].map(|index| self.dependence(id).iter().any(|v| self.variable(v).category == index))
    }

    /// The product of a constant and x.
    fn scale(&mut self, c: f64, x: Id, dim: Dim) -> Id {
        let (own, rest) = self.coefficient(x);
        let (c, x) = product(c, own).map_or((c, x), |c| (c, rest));
        if c == 1.0 {
            return x;
        }
        if c == -1.0 {
            // by `neg`, unless `neg` would come back here
            if let Op::Sub = self.op(x) {
                return self.neg(x);
            }
            return self.intern(Op::Neg, vec![x], dim);
        }
        if c == 0.0 {
            return self.zero(dim);
        }
        if let Some(x) = self.constant_value(x)
            && let Some(product) = product(c, x)
        {
            return self.constant(product);
        }
        let c = self.constant(c);
        if let (Op::Fun(Fun::IfElse), &[condition, yes, no]) = (self.op(x), self.args(x))
            && self.beyond(&[yes, no]).is_some()
        {
            // the constants are multiplied here, since in `f32` a side would be infinite before the multiplication
            let sides = [yes, no].map(|side| self.mul(c, side));
            return self.fun(Fun::IfElse, &[condition, sides[0], sides[1]]);
        }
        self.intern(Op::Mul, vec![c, x], dim)
    }

    /// The base and the exponent of a fixed power; the node and 1 for other nodes.
    fn power(&self, id: Id) -> (Id, i32) {
        match *self.op(id) {
            Op::Powi(n) => (self.args(id)[0], n),
            _ => (id, 1),
        }
    }

    /// The quotient a / b.
    pub fn div(&mut self, a: Id, b: Id) -> Id {
        let dim = self.broadcast_dim(&[a, b]);
        if self.is_zero(a) && !self.is_zero(b) {
            return self.zero(dim);
        }
        if let Some(c) = self.constant_value(b)
            && let Some(inverse) = product(1.0, 1.0 / c).filter(|&inverse| is_normal(inverse) || !is_normal(c))
        {
            // a quotient of constants is computed in f64; else the reciprocal costs one more rounding
            if let Some(x) = self.constant_value(a)
                && product(x, inverse).is_some()
            {
                return self.constant(x / c);
            }
            let inverse = self.constant(inverse);
            let quotient = self.mul(inverse, a);
            let mantissa = (1 << (f64::MANTISSA_DIGITS - 1)) - 1;
            if c.to_bits() & mantissa != 0 {
                self.quotients.insert(quotient, (a, b));
            }
            return quotient;
        }
        if self.is_constant(a, 1.0) {
            return self.fun(Fun::Inv, &[b]);
        }
        if self.constant_value(a).is_some_and(|c| !is_normal(c)) {
            // as a factor of its own the constant has its value in all element types
            let inverse = self.fun(Fun::Inv, &[b]);
            return self.mul(a, inverse);
        }
        self.intern(Op::Div, vec![a, b], dim)
    }

    /// The power a^n.
    pub fn powi(&mut self, a: Id, n: i32) -> Id {
        let dim = self.dim(a).clone();
        match n {
            0 => {
                let one = self.constant(1.0);
                return self.broadcast(one, &dim);
            }
            1 => return a,
            -1 => return self.fun(Fun::Inv, &[a]),
            _ => {}
        }
        if let Some(c) = self.constant_value(a)
            && let Some(power) = product(1.0, c.powi(n)).filter(|&power| is_normal(power) || !is_normal(c))
        {
            return self.constant(power);
        }
        // (√x)² becomes x, which is smooth at 0
        if let (Op::Fun(Fun::Sqrt), &[x], 0) = (self.op(a), self.args(a), n % 2)
            && self.least(x) >= 0.0
        {
            return self.powi(x, n / 2);
        }
        // (∛x)³ becomes x, and |x|² becomes x²
        if let (Op::Fun(Fun::Cbrt), &[x], 0) = (self.op(a), self.args(a), n % 3) {
            return self.powi(x, n / 3);
        }
        if let (Op::Fun(Fun::Abs), &[x], 0) = (self.op(a), self.args(a), n % 2) {
            return self.powi(x, n);
        }
        if let (Op::Fun(Fun::Pow), &[x, m], 2..) = (self.op(a), self.args(a), n)
            && let Some(m) = self.constant_value(m).filter(|&m| m > 0.0)
            && self.least(x) >= 0.0
        {
            let product = m * f64::from(n);
            if product.fract() == 0.0 && product < 64.0 {
                return self.powi(x, product as i32);
            }
            let product = self.constant(product);
            return self.fun(Fun::Pow, &[x, product]);
        }
        if let (Op::Neg, &[x]) = (self.op(a), self.args(a)) {
            let power = self.powi(x, n);
            return if n % 2 == 0 { power } else { self.neg(power) };
        }
        if let (x, m @ 2..) = self.power(a)
            && let (1.., Some(n)) = (n, m.checked_mul(n))
        {
            return self.powi(x, n);
        }
        self.intern(Op::Powi(n), vec![a], dim)
    }

    /// An element-wise function of the operation table, of these arguments.
    pub fn fun(&mut self, fun: Fun, args: &[Id]) -> Id {
        let dim = self.broadcast_dim(args);
        let mut divided = args.to_vec();
        if let (Fun::UnlessZero, &[value, x]) = (fun, args) {
            return self.unless_zero(value, x);
        }
        for (k, arg) in divided.iter_mut().enumerate().filter(|(k, _)| fun.jumps(*k)) {
            *arg = self.divided(args[k], 0);
        }
        if divided != args {
            return self.intern(Op::Fun(fun), divided, dim);
        }
        if let (Fun::IfElse, &[_, a, b]) = (fun, args)
            && a == b
        {
            return self.broadcast(a, &dim);
        }
        if let (Fun::IfElse, &[condition, a, b]) = (fun, args)
            && let Some(condition) = self.constant_value(condition)
        {
            return self.broadcast(if condition >= 0.0 { a } else { b }, &dim);
        }
        if let (Fun::Max | Fun::Min, &[a, b]) = (fun, args)
            && a == b
        {
            return a;
        }
        // even functions
        if let (Fun::Cos | Fun::Cosh | Fun::Sech | Fun::SinXDivX(_) | Fun::Abs, &[a]) = (fun, args)
            && let (Op::Fun(Fun::Abs) | Op::Neg, &[x]) = (self.op(a), self.args(a))
        {
            return self.fun(fun, &[x]);
        }
        if let (&[a], Some(value)) = (args, at_zero(fun))
            && self.is_zero(a)
        {
            let value = self.constant(value);
            return self.broadcast(value, &dim);
        }
        let constants: Option<Vec<f64>> = args.iter().map(|&a| self.constant_value(a)).collect();
        if let Some(value) = constants.and_then(|x| of_constants(fun, &x)) {
            return self.constant(value);
        }
        self.intern(Op::Fun(fun), args.to_vec(), dim)
    }

    /// A quotient by a constant, or a sum with such terms, with divisions in place of multiplications by the
    /// reciprocal. The latter may be a rounding below a whole number, where a step of the result would be missed.
    fn divided(&mut self, a: Id, depth: usize) -> Id {
        /// The deepest nesting of sums that is looked into, which takes recursion.
        const DEEPEST: usize = 8;
        if self.quotients.is_empty() {
            return a;
        }
        if let Some(&(dividend, divisor)) = self.quotients.get(&a) {
            let dim = self.dim(a).clone();
            return self.intern(Op::Div, vec![dividend, divisor], dim);
        }
        let node = self.node(a).clone();
        if !matches!(node.op, Op::Add | Op::Sub | Op::Neg) || depth == DEEPEST {
            return a;
        }
        let divided: Vec<Id> = node.args.iter().map(|&arg| self.divided(arg, depth + 1)).collect();
        if divided == node.args { a } else { self.intern(node.op, divided, node.dim) }
    }

    /// The sum of the components.
    pub fn sum(&mut self, a: Id) -> Id {
        self.sums(a, Dim::number(1))
    }

    /// The sums of `dim` consecutive blocks of components, all of one length.
    pub fn sums(&mut self, a: Id, dim: Dim) -> Id {
        if *self.dim(a) == dim {
            return a;
        }
        if self.is_zero(a) {
            return self.zero(dim);
        }
        let args = self.args(a).to_vec();
        match (self.op(a), args.as_slice()) {
            (Op::Neg, &[x]) => {
                let sums = self.sums(x, dim);
                self.neg(sums)
            }
            (Op::Mul, &[s, v]) if self.is_scalar(s) => {
                let sums = self.sums(v, dim);
                self.mul(s, sums)
            }
            (Op::Broadcast, &[s]) => {
                let block = self.dim(a).divide(&dim).expect("blocks of one length");
                let n = self.count(&block);
                let sum = self.mul(n, s);
                self.broadcast(sum, &dim)
            }
            (Op::Spread(_), &[x]) if dim.is_one() => self.sum(x),
            (Op::Unit(_), _) if dim.is_one() => self.constant(1.0),
            _ => self.intern(Op::Sum, vec![a], dim),
        }
    }

    /// The largest component.
    pub fn max(&mut self, a: Id) -> Id {
        if self.is_scalar(a) { a } else { self.intern(Op::Max, vec![a], Dim::number(1)) }
    }

    /// The place of the largest component.
    pub fn arg_max(&mut self, a: Id) -> Id {
        if self.is_scalar(a) { self.constant(0.0) } else { self.intern(Op::ArgMax, vec![a], Dim::number(1)) }
    }

    /// The vector with 1 at the component whose number is the value of `place`, and 0 elsewhere.
    pub fn one_hot(&mut self, place: Id, dim: Dim) -> Id {
        let places = if dim.is_one() { self.constant(0.0) } else { self.intern(Op::Places, vec![], dim) };
        self.fun(Fun::Equal, &[places, place])
    }

    /// The number of components in a dimension, as a scalar. With const generics it is a sum of ones.
    pub(crate) fn count(&mut self, dim: &Dim) -> Id {
        if let Some(n) = dim.value() {
            return self.constant(n as f64);
        }
        let one = self.constant(1.0);
        let ones = self.broadcast(one, dim);
        self.intern(Op::Sum, vec![ones], Dim::number(1))
    }

    /// The dot product; an argument of dimension 1 broadcasts.
    pub fn dot(&mut self, a: Id, b: Id) -> Id {
        // `sum` finds Σ_d s v_d = s Σ_d v_d by itself
        let product = self.mul(a, b);
        self.sum(product)
    }

    /// The `dim` components of a vector from `start` on.
    pub fn extract(&mut self, a: Id, start: Dim, dim: Dim) -> Id {
        self.view(a, View::part(start, dim))
    }

    /// A view of a vector.
    pub fn view(&mut self, a: Id, view: View) -> Id {
        let dim = view.dim();
        if view.is_whole(self.dim(a)) {
            return a;
        }
        if self.is_zero(a) {
            return self.zero(dim);
        }
        if !view.axes.is_empty() && view.axes.iter().all(|axis| axis.stride == Dim::default()) {
            let component = self.view(a, View { start: view.start, axes: vec![] });
            return self.broadcast(component, &dim);
        }
        let args = self.args(a).to_vec();
        match self.op(a).clone() {
            Op::Broadcast => return self.broadcast(args[0], &dim),
            Op::View(inner) => {
                if let Some(both) = view.of(&inner) {
                    return self.view(args[0], both);
                }
            }
            Op::Spread(places) if places == view => return args[0],
            // the places have no component in common: the imaginary parts of a vector that has only real ones
            Op::Spread(places) if places.axes == view.axes && self.apart(&places, &view) => return self.zero(dim),
            Op::Concat => {
                // a view of one argument alone, if it is known to lie inside it
                let end = view.end();
                let mut before = Dim::default();
                for part in args {
                    let after = before.checked_add(self.dim(part)).expect("a dimension that was checked");
                    if let (Some(start), Some(true)) =
                        (view.start.minus(&before), end.as_ref().and_then(|end| end.at_most(&after)))
                    {
                        return self.view(part, View { start, axes: view.axes });
                    }
                    before = after;
                }
            }
            _ => {}
        }
        self.intern(Op::View(view), vec![a], dim)
    }

    /// Whether two views of the same axes start so close to each other that they share no component.
    fn apart(&self, a: &View, b: &View) -> bool {
        let least = a.axes.iter().map(|axis| axis.stride.value()).min().flatten();
        match (a.start.value(), b.start.value(), least) {
            (Some(a), Some(b), Some(least)) => a != b && a.abs_diff(b) < least,
            _ => false,
        }
    }

    /// A vector of `dim` zeros, with the components of `a` at the places of a view.
    pub fn spread(&mut self, a: Id, view: View, dim: Dim) -> Id {
        if self.is_zero(a) {
            return self.zero(dim);
        }
        match view.inverse(&dim) {
            Some(back) => self.view(a, back),
            None => self.intern(Op::Spread(view), vec![a], dim),
        }
    }

    /// The components of two vectors of one dimension in turn: complex numbers, from their real and imaginary parts.
    pub fn interleave(&mut self, a: Id, b: Id) -> Option<Id> {
        let n = self.dim(a).clone();
        let both = self.concat(&[a, b])?;
        Some(self.view(both, View::transpose(&Dim::number(2), &n)))
    }

    /// The components of all parts one after another; `None` if their number overflows.
    pub fn concat(&mut self, parts: &[Id]) -> Option<Id> {
        let dim = parts.iter().try_fold(Dim::default(), |sum, &p| sum.checked_add(self.dim(p)))?;
        Some(match parts {
            [one] => *one,
            _ if parts.iter().all(|&p| self.is_zero(p)) => self.zero(dim),
            _ => self.intern(Op::Concat, parts.to_vec(), dim),
        })
    }

    /// The product of a matrix (row-major) and a vector; `dim` is the number of rows.
    pub fn mat_vec(&mut self, matrix: Id, vector: Id, dim: Dim) -> Id {
        if self.is_zero(matrix) || self.is_zero(vector) {
            return self.zero(dim);
        }
        if dim.is_one() {
            return self.dot(matrix, vector);
        }
        if self.is_scalar(vector) {
            return self.mul(vector, matrix);
        }
        self.intern(Op::MatVec, vec![matrix, vector], dim)
    }

    /// The product of a vector and a matrix (row-major); `dim` is the number of columns.
    pub fn vec_mat(&mut self, vector: Id, matrix: Id, dim: Dim) -> Id {
        if self.is_zero(matrix) || self.is_zero(vector) {
            return self.zero(dim);
        }
        if dim.is_one() {
            return self.dot(vector, matrix);
        }
        if self.is_scalar(vector) {
            return self.mul(vector, matrix);
        }
        self.intern(Op::VecMat, vec![vector, matrix], dim)
    }

    /// The outer product, row-major; `None` if the number of components overflows.
    pub fn outer(&mut self, a: Id, b: Id) -> Option<Id> {
        let dim = self.dim(a).checked_mul(self.dim(b))?;
        Some(if self.is_zero(a) || self.is_zero(b) {
            self.zero(dim)
        } else if self.is_scalar(a) || self.is_scalar(b) {
            self.mul(a, b)
        } else {
            self.intern(Op::Outer, vec![a, b], dim)
        })
    }

    /// The node `value` with `new` in place of the node `old`.
    pub fn substitute(&mut self, value: Id, old: Id, new: Id) -> Id {
        let mut image = std::collections::HashMap::from([(old, new)]);
        for id in self.reachable(&[value]) {
            if image.contains_key(&id) {
                continue;
            }
            let args: Vec<Id> = self.args(id).iter().map(|a| image[a]).collect();
            let rebuilt = if args == self.args(id) { id } else { self.rebuild(id, &args) };
            image.insert(id, rebuilt);
        }
        image[&value]
    }

    /// The operation of the node `id` on other arguments of the same dimensions.
    pub fn rebuild(&mut self, id: Id, args: &[Id]) -> Id {
        let dim = self.dim(id).clone();
        match self.op(id).clone() {
            Op::Var(_) | Op::Const(_) | Op::Zero | Op::Unit(_) | Op::Places => id,
            Op::Add => self.add(args[0], args[1]),
            Op::Sub => self.sub(args[0], args[1]),
            Op::Mul => self.mul(args[0], args[1]),
            Op::Div => self.div(args[0], args[1]),
            Op::Neg => self.neg(args[0]),
            Op::Powi(n) => self.powi(args[0], n),
            Op::Fun(fun) => self.fun(fun, args),
            Op::Sum => self.sums(args[0], dim),
            Op::Max => self.max(args[0]),
            Op::ArgMax => self.arg_max(args[0]),
            Op::Broadcast => self.broadcast(args[0], &dim),
            Op::View(view) => self.view(args[0], view),
            Op::Spread(view) => self.spread(args[0], view, dim),
            Op::Concat => self.concat(args).expect("the dimensions were added before"),
            Op::MatVec => self.mat_vec(args[0], args[1], dim),
            Op::VecMat => self.vec_mat(args[0], args[1], dim),
            Op::Outer => self.outer(args[0], args[1]).expect("the dimensions were multiplied before"),
        }
    }
}

/// The value of a function of one argument at 0, for functions whose value there is a constant.
pub(crate) fn at_zero(fun: Fun) -> Option<f64> {
    match fun {
        Fun::Exp | Fun::Exp2 | Fun::Cos | Fun::Cosh | Fun::Sech | Fun::Erfc | Fun::SinXDivX(0) | Fun::Step => Some(1.0),
        Fun::Sigmoid => Some(0.5),
        Fun::Sin
        | Fun::Tan
        | Fun::Asin
        | Fun::Atan
        | Fun::ExpM1
        | Fun::Ln1p
        | Fun::Sinh
        | Fun::Tanh
        | Fun::Asinh
        | Fun::Atanh
        | Fun::Erf
        | Fun::Cbrt
        | Fun::Sqrt
        | Fun::Rsqrt
        | Fun::Abs
        | Fun::Sign
        | Fun::Floor
        | Fun::Round(_)
        | Fun::Relu
        | Fun::XLogX => Some(0.0),
        _ => None,
    }
}

/// The value of a function of constants, if it is finite.
pub(crate) fn of_constants(fun: Fun, args: &[f64]) -> Option<f64> {
    let value = match (fun, args) {
        (Fun::Exp, [x]) => x.exp(),
        (Fun::Log, [x]) => x.ln(),
        (Fun::Sin, [x]) => x.sin(),
        (Fun::Cos, [x]) => x.cos(),
        (Fun::Asin, [x]) => x.asin(),
        (Fun::Acos, [x]) => x.acos(),
        (Fun::Atan, [x]) => x.atan(),
        (Fun::Exp2, [x]) => x.exp2(),
        (Fun::ExpM1, [x]) => x.exp_m1(),
        (Fun::Log2, [x]) => x.log2(),
        (Fun::Log10, [x]) => x.log10(),
        (Fun::Ln1p, [x]) => x.ln_1p(),
        (Fun::Tan, [x]) => x.tan(),
        (Fun::Sinh, [x]) => x.sinh(),
        (Fun::Cosh, [x]) => x.cosh(),
        (Fun::Tanh, [x]) => x.tanh(),
        (Fun::Cbrt, [x]) => x.cbrt(),
        (Fun::Atan2, [y, x]) => y.atan2(*x),
        (Fun::OverSquare, [x, y]) => x / (x * x + y * y),
        (Fun::Direction, [x, y]) => x / x.hypot(*y),
        (Fun::Hypot, [x, y]) => x.hypot(*y),
        (Fun::Max, [x, y]) => x.max(*y),
        (Fun::Min, [x, y]) => x.min(*y),
        (Fun::Clamp, [x, low, high]) => x.max(*low).min(*high),
        (Fun::Floor, [x]) => x.floor(),
        (Fun::Abs, [x]) => x.abs(),
        (Fun::Relu, [x]) => x.max(0.0),
        (Fun::LessThan, [x, y]) => f64::from(x < y),
        (Fun::LessOrEqual, [x, y]) => f64::from(x <= y),
        (Fun::Sqrt, [x]) => x.sqrt(),
        (Fun::Rsqrt, [x]) => x.sqrt().recip(),
        (Fun::Inv, [x]) => x.recip(),
        (Fun::Pow, [x, y]) => x.powf(*y),
        _ => return None,
    };
    value.is_finite().then_some(value)
}
