//! Slopes of functions with a root, where what is made of the root is smooth.
//!
//! The slope of √s is infinite at s = 0 and counts as 0 there, which is wrong for f(√s) where f'(0) = 0: its slope
//! f'(√s) / (2√s) has the limit f''(0) / 2. The same holds for |u|, the length of two numbers, and for `acosh` and `acos`
//! at 1. Let z be the value of such a function, and c the cotangent of z, a function of z among others:
//!
//! - If c is a product with z as a factor, or a sum of products in which the terms without z cancel, as for Matérn
//!   kernels, then c/z is c without this factor. It is right at 0 in all further derivatives, and has more digits near 0.
//! - Otherwise, if c is 0 at z = 0, the limit c'(0) of c/z is added for z = 0 only. The next derivative is then right
//!   there, too; later ones are made of those of the parts.
//!
//! Where c is not known to be 0 at z = 0, nothing changes.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::forward::push_forward;
use crate::ir::{
    graph::{Graph, Id, Op, VarId},
    simplify::{at_zero, of_constants},
    table::Fun,
};

/// The number of terms that a sum of products may have.
const TERMS: usize = 96;

/// The number of operations between the cotangent and the root that are looked at.
const NODES: usize = 500;

/// The largest exponent of a power that is multiplied out.
const EXPONENT: i32 = 8;

/// A factor of a monomial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Atom {
    /// A node.
    Node(Id),
    /// A sum that is not multiplied out: the base of an inverse.
    Sum(Polynomial),
    /// A function of arguments that are not those of a node: their values at z = 0.
    Fun(Fun, Vec<Polynomial>),
}

/// Powers of atoms.
type Monomial = BTreeMap<Atom, i32>;

/// A sum of multiples of monomials, which are all different. Coefficients are the bits of `f64`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Polynomial(BTreeMap<Monomial, u64>);

impl Polynomial {
    fn constant(c: f64) -> Self {
        let mut polynomial = Self::default();
        polynomial.insert(Monomial::new(), c);
        polynomial
    }

    fn atom(atom: Atom) -> Self {
        Self(BTreeMap::from([(Monomial::from([(atom, 1)]), 1.0_f64.to_bits())]))
    }

    fn terms(&self) -> impl Iterator<Item = (&Monomial, f64)> {
        self.0.iter().map(|(monomial, &bits)| (monomial, f64::from_bits(bits)))
    }

    fn insert(&mut self, monomial: Monomial, c: f64) {
        /// What is left of constants that cancel but for roundings.
        const ROUNDING: f64 = 1e-14;
        let before = self.0.get(&monomial).map_or(0.0, |&bits| f64::from_bits(bits));
        let sum = before + c;
        if sum.abs() <= ROUNDING * before.abs() || sum == 0.0 {
            self.0.remove(&monomial);
        } else {
            self.0.insert(monomial, sum.to_bits());
        }
    }

    fn plus(mut self, other: &Self, sign: f64) -> Option<Self> {
        for (monomial, c) in other.terms() {
            self.insert(monomial.clone(), sign * c);
        }
        (self.0.len() <= TERMS).then_some(self)
    }

    fn times(&self, other: &Self) -> Option<Self> {
        if self.0.len() * other.0.len() > TERMS {
            return None;
        }
        let mut product = Self::default();
        for (x, c) in self.terms() {
            for (y, d) in other.terms() {
                let mut monomial = x.clone();
                for (atom, n) in y {
                    let power = monomial.entry(atom.clone()).or_default();
                    *power = power.checked_add(*n)?;
                }
                monomial.retain(|_, n| *n != 0);
                product.insert(monomial, c * d);
            }
        }
        Some(product)
    }

    /// The power with an exponent that is not negative.
    fn power(&self, n: i32) -> Option<Self> {
        if let (1, Some((monomial, c))) = (self.0.len(), self.terms().next()) {
            let powers = monomial.iter().map(|(atom, m)| Some((atom.clone(), m.checked_mul(n)?)));
            let mut power = Self::default();
            power.insert(powers.collect::<Option<_>>()?, c.powi(n));
            return Some(power);
        }
        if n > EXPONENT {
            return None;
        }
        (0..n).try_fold(Self::constant(1.0), |power, _| power.times(self))
    }

    /// The inverse; `None` of 0.
    fn inverse(&self) -> Option<Self> {
        let mut inverse = Self::default();
        match (self.0.len(), self.terms().next()) {
            (1, Some((monomial, c))) => {
                inverse.insert(monomial.iter().map(|(atom, n)| (atom.clone(), -n)).collect(), 1.0 / c);
            }
            (0, _) => return None,
            _ => inverse.insert(Monomial::from([(Atom::Sum(self.clone()), -1)]), 1.0),
        }
        Some(inverse)
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn value(&self) -> Option<f64> {
        match self.terms().next() {
            None => Some(0.0),
            Some((monomial, c)) if self.0.len() == 1 && monomial.is_empty() => Some(c),
            Some(_) => None,
        }
    }
}

/// A function with a root, below a cotangent.
struct Root {
    /// The value of the function.
    z: Id,
    /// A node that is a function of z, and its value at z = 0.
    other: Option<(Id, f64)>,
    /// The nodes between z or `other` and the cotangent.
    above: HashSet<Id>,
    /// Whether z is a factor of a node, without and with sums as a whole, as far as it is known.
    multiples: HashMap<(Id, bool), bool>,
    /// How many operations may still be looked at.
    nodes: usize,
}

impl Root {
    fn new(g: &Graph, z: Id, other: Option<(Id, f64)>, cotangent: Id) -> Self {
        let mut above: HashSet<Id> = other.map(|(node, _)| node).into_iter().chain([z]).collect();
        for id in g.reachable(&[cotangent]) {
            if g.args(id).iter().any(|arg| above.contains(arg)) {
                above.insert(id);
            }
        }
        Self { z, other, above, multiples: HashMap::new(), nodes: NODES }
    }

    /// Takes one of the operations that may be looked at.
    fn look(&mut self) -> Option<()> {
        self.nodes = self.nodes.checked_sub(1)?;
        Some(())
    }

    /// The node that is z².
    fn square(&self) -> Option<Id> {
        self.other.filter(|&(_, value)| value == 0.0).map(|(id, _)| id)
    }

    /// Whether a scalar may take the place of its broadcast.
    fn is_scalar(&self, g: &Graph) -> bool {
        g.is_scalar(self.z)
    }

    /// Whether the node is a product with z as a factor, or a sum in which what is not cancels.
    fn is_multiple(&mut self, g: &Graph, c: Id) -> bool {
        self.has_factor(g, c, true)
    }

    /// Whether z is a factor of the node; with `sums`, also of a sum as a whole. The terms of a sum are not tried by
    /// themselves, which would take time with the square of their number.
    fn has_factor(&mut self, g: &Graph, c: Id, sums: bool) -> bool {
        if c == self.z || Some(c) == self.square() || g.is_zero(c) {
            return true;
        }
        if !self.above.contains(&c) {
            return false;
        }
        if self.multiples.get(&(c, false)) == Some(&true) {
            return true;
        }
        if let Some(&known) = self.multiples.get(&(c, sums)) {
            return known;
        }
        if self.look().is_none() {
            return false;
        }
        let args = g.args(c);
        let multiple = match *g.op(c) {
            Op::Neg | Op::Div | Op::Powi(1..) | Op::Fun(Fun::Sin) => self.has_factor(g, args[0], sums),
            Op::Broadcast | Op::Sum => self.is_scalar(g) && self.has_factor(g, args[0], sums),
            Op::Mul => args.iter().any(|&arg| self.has_factor(g, arg, sums)),
            Op::Fun(Fun::IfElse) => args[1..].iter().all(|&arg| self.has_factor(g, arg, sums)),
            Op::Add | Op::Sub => {
                args.iter().all(|&arg| self.has_factor(g, arg, false)) || sums && self.quotient(g, c).is_some()
            }
            _ => false,
        };
        self.multiples.insert((c, sums), multiple);
        multiple
    }

    /// The sum of products c/z, if the terms without z cancel.
    fn quotient(&mut self, g: &Graph, c: Id) -> Option<Polynomial> {
        let z = Atom::Node(self.z);
        let mut quotient = Polynomial::default();
        for (monomial, c) in self.expand(g, c, &mut HashMap::new())?.terms() {
            let mut monomial = monomial.clone();
            match monomial.remove(&z) {
                Some(n @ 2..) => _ = monomial.insert(z.clone(), n - 1),
                Some(1) => {}
                _ => return None,
            }
            quotient.insert(monomial, c);
        }
        Some(quotient)
    }

    /// The node as a sum of products of z and nodes.
    fn expand(&mut self, g: &Graph, id: Id, known: &mut HashMap<Id, Polynomial>) -> Option<Polynomial> {
        if let Some(polynomial) = known.get(&id) {
            return Some(polynomial.clone());
        }
        self.look()?;
        let args = g.args(id);
        let sum = match *g.op(id) {
            _ if Some(id) == self.square() => Polynomial::atom(Atom::Node(self.z)).power(2)?,
            _ if id == self.z => Polynomial::atom(Atom::Node(id)),
            Op::Const(bits) => Polynomial::constant(f64::from_bits(bits)),
            Op::Zero => Polynomial::default(),
            Op::Add | Op::Sub if self.above.contains(&id) => {
                let sign = if *g.op(id) == Op::Add { 1.0 } else { -1.0 };
                self.expand(g, args[0], known)?.plus(&self.expand(g, args[1], known)?, sign)?
            }
            Op::Neg => Polynomial::default().plus(&self.expand(g, args[0], known)?, -1.0)?,
            Op::Mul => self.expand(g, args[0], known)?.times(&self.expand(g, args[1], known)?)?,
            Op::Div if !self.above.contains(&args[1]) => {
                self.expand(g, args[0], known)?.times(&self.expand(g, args[1], known)?.inverse()?)?
            }
            Op::Fun(Fun::Inv) if !self.above.contains(&id) => self.expand(g, args[0], known)?.inverse()?,
            Op::Powi(n @ 1..=EXPONENT) => self.expand(g, args[0], known)?.power(n)?,
            Op::Broadcast if self.is_scalar(g) || !self.above.contains(&id) => self.expand(g, args[0], known)?,
            _ => Polynomial::atom(Atom::Node(id)),
        };
        known.insert(id, sum.clone());
        Some(sum)
    }

    /// The node at z = 0. `None` if it is infinite there, or if its value there cannot be told from that of others.
    fn at_zero(&mut self, g: &Graph, id: Id, known: &mut HashMap<Id, Polynomial>) -> Option<Polynomial> {
        if let Some(polynomial) = known.get(&id) {
            return Some(polynomial.clone());
        }
        if id == self.z {
            return Some(Polynomial::default());
        }
        if let Some((other, value)) = self.other
            && id == other
        {
            return Some(Polynomial::constant(value));
        }
        if !self.above.contains(&id) {
            return self.expand(g, id, &mut HashMap::new());
        }
        self.look()?;
        let args = g.args(id);
        let sum = match *g.op(id) {
            Op::Add => self.at_zero(g, args[0], known)?.plus(&self.at_zero(g, args[1], known)?, 1.0)?,
            Op::Sub => self.at_zero(g, args[0], known)?.plus(&self.at_zero(g, args[1], known)?, -1.0)?,
            Op::Neg => Polynomial::default().plus(&self.at_zero(g, args[0], known)?, -1.0)?,
            Op::Mul => self.at_zero(g, args[0], known)?.times(&self.at_zero(g, args[1], known)?)?,
            Op::Div => self.at_zero(g, args[0], known)?.times(&self.at_zero(g, args[1], known)?.inverse()?)?,
            Op::Powi(n) => {
                let power = self.at_zero(g, args[0], known)?.power(n.checked_abs()?)?;
                if n < 0 { power.inverse()? } else { power }
            }
            Op::Broadcast if self.is_scalar(g) => self.at_zero(g, args[0], known)?,
            Op::Fun(fun) => self.function_at_zero(g, fun, args, known)?,
            _ => return None,
        };
        known.insert(id, sum.clone());
        Some(sum)
    }

    fn function_at_zero(
        &mut self,
        g: &Graph,
        fun: Fun,
        args: &[Id],
        known: &mut HashMap<Id, Polynomial>,
    ) -> Option<Polynomial> {
        match fun {
            Fun::IfElse => {
                if let Some(condition) = self.at_zero(g, args[0], known).and_then(|condition| condition.value()) {
                    return self.at_zero(g, args[if condition >= 0.0 { 1 } else { 2 }], known);
                }
                let (yes, no) = (self.at_zero(g, args[1], known)?, self.at_zero(g, args[2], known)?);
                return (yes == no).then_some(yes);
            }
            Fun::UnlessZero => {
                let is_zero = self.at_zero(g, args[1], known)?.is_zero();
                return if is_zero { None } else { self.at_zero(g, args[0], known) };
            }
            Fun::UnlessInfinite | Fun::Bounded => return self.at_zero(g, args[0], known),
            _ => {}
        }
        let at = args.iter().map(|&arg| self.at_zero(g, arg, known)).collect::<Option<Vec<_>>>()?;
        match (fun, at.as_slice()) {
            (Fun::Inv, [x]) => return x.inverse(),
            // of these the value at 0 is infinite, or a convention
            (Fun::Rsqrt | Fun::Log | Fun::Log2 | Fun::Log10, [x]) if x.is_zero() => return None,
            (Fun::Direction | Fun::OverSquare | Fun::Atan2, [x, y]) if x.is_zero() && y.is_zero() => return None,
            (Fun::Pow, [x, y]) if x.is_zero() => {
                return y.value().filter(|&y| y > 0.0).map(|_| Polynomial::default());
            }
            _ => {}
        }
        let values: Option<Vec<f64>> = at.iter().map(Polynomial::value).collect();
        let value = match values.as_deref() {
            Some(&[0.0]) if at_zero(fun).is_some() => at_zero(fun),
            Some(values) => of_constants(fun, values),
            None => None,
        };
        Some(value.map_or_else(|| Polynomial::atom(Atom::Fun(fun, at)), Polynomial::constant))
    }
}

/// The part of the cotangent `e` of the node `id` that goes to argument `k`, if `id` is a function with a root and `e` is 0
/// where its value is 0. `None` if it is the product of the slope and `e`.
pub(super) fn pull_back(g: &mut Graph, id: Id, k: usize, e: Id, usual: &dyn Fn(&mut Graph) -> Id) -> Option<Id> {
    let Op::Fun(fun) = *g.op(id) else { return None };
    let args = g.args(id).to_vec();
    let other = match fun {
        Fun::Sqrt => Some((args[0], 0.0)),
        Fun::Abs if !g.is_steep(args[0]) => g.find(&Op::Powi(2), &args).map(|square| (square, 0.0)),
        Fun::Acosh | Fun::Acos => Some((args[0], 1.0)),
        Fun::Hypot | Fun::Cbrt => None,
        _ => return None,
    };
    let mut root = Root::new(g, id, other, e);
    if !root.above.contains(&e) {
        return None;
    }
    let divisible = !matches!(fun, Fun::Acosh | Fun::Acos) && root.is_multiple(g, e);
    if divisible {
        return divided(g, fun, args[k], &mut root, e);
    }
    root.nodes = NODES;
    if fun == Fun::Cbrt || !root.at_zero(g, e, &mut HashMap::new())?.is_zero() {
        return None;
    }
    // what is above z alone: `other` changes by z dz, which is 0
    let above: Vec<Id> = g.reachable(&[e]);
    let one = g.constant(1.0);
    let one = g.broadcast(one, &g.dim(id).clone());
    let mut tangents = HashMap::from([(id, one)]);
    for node in above {
        if node != id && g.args(node).iter().any(|arg| tangents.contains_key(arg)) {
            // components may depend on each other here
            if !g.is_scalar(id)
                && !matches!(g.op(node), Op::Add | Op::Sub | Op::Neg | Op::Mul | Op::Div | Op::Powi(_) | Op::Fun(_))
            {
                return None;
            }
            let tangent = push_forward(g, node, &tangents);
            let tangent = g.broadcast(tangent, &g.dim(node).clone());
            tangents.insert(node, tangent);
        }
    }
    let mut limit = *tangents.get(&e)?;
    let zero = g.zero(g.dim(id).clone());
    limit = g.substitute(limit, id, zero);
    if let Some((node, value)) = other {
        let value = g.constant(value);
        let value = g.broadcast(value, &g.dim(node).clone());
        limit = g.substitute(limit, node, value);
    }
    let infinite = |&node: &Id| match (g.op(node), g.args(node)) {
        (Op::Fun(Fun::Inv | Fun::Log | Fun::Log2 | Fun::Log10), &[x]) | (Op::Div, &[_, x]) => g.is_zero(x),
        _ => false,
    };
    if g.is_zero(limit) || g.reachable(&[limit]).iter().any(infinite) {
        return None;
    }
    let zero = g.constant(0.0);
    let (there, factor) = match fun {
        Fun::Sqrt => (g.fun(Fun::Equal, &[args[0], zero]), g.constant(0.5)),
        Fun::Acos => (g.fun(Fun::Equal, &[id, zero]), g.constant(-1.0)),
        Fun::Acosh => (g.fun(Fun::Equal, &[id, zero]), g.constant(1.0)),
        _ => (g.fun(Fun::Equal, &[id, zero]), args[k]),
    };
    let (limit, usual) = (g.mul(factor, limit), usual(g));
    let limit = g.mul(there, limit);
    Some(g.add(usual, limit))
}

/// The part of the cotangent `e` of the root, of which `e` is a multiple, that goes to its argument `x`.
fn divided(g: &mut Graph, fun: Fun, x: Id, root: &mut Root, e: Id) -> Option<Id> {
    let quotient = divide(g, e, root, &mut HashMap::new());
    let factor = match fun {
        Fun::Sqrt => g.constant(0.5),
        Fun::Abs | Fun::Hypot => x,
        _ => {
            // the slope of the cube root is 1/(3 z²)
            let mut root = Root::new(g, root.z, root.other, quotient);
            if !root.is_multiple(g, quotient) {
                return None;
            }
            let (third, quotient) = (g.constant(1.0 / 3.0), divide(g, quotient, &mut root, &mut HashMap::new()));
            return Some(g.mul(third, quotient));
        }
    };
    Some(g.mul(factor, quotient))
}

/// The quotient c/z of a multiple c of z.
fn divide(g: &mut Graph, c: Id, root: &mut Root, known: &mut HashMap<Id, Id>) -> Id {
    if let Some(&quotient) = known.get(&c) {
        return quotient;
    }
    let dim = g.dim(c).clone();
    let args = g.args(c).to_vec();
    // as many as when c was found to be a multiple
    root.nodes = NODES;
    let quotient = match *g.op(c) {
        _ if g.is_zero(c) => c,
        _ if c == root.z => {
            let one = g.constant(1.0);
            g.broadcast(one, &dim)
        }
        _ if Some(c) == root.square() => root.z,
        Op::Add | Op::Sub if !args.iter().all(|&arg| root.has_factor(g, arg, false)) => {
            root.nodes = NODES;
            match root.quotient(g, c) {
                Some(quotient) => {
                    let node = node_of(g, &quotient);
                    g.broadcast(node, &dim)
                }
                // too long to be told to be a multiple once more: right wherever z is not 0
                None => {
                    let z = g.broadcast(root.z, &dim);
                    g.div(c, z)
                }
            }
        }
        Op::Mul => {
            root.nodes = NODES;
            let k = usize::from(!root.is_multiple(g, args[0]));
            let quotient = divide(g, args[k], root, known);
            g.mul(quotient, args[1 - k])
        }
        Op::Fun(Fun::IfElse) => {
            let sides = [args[1], args[2]].map(|side| divide(g, side, root, known));
            g.fun(Fun::IfElse, &[args[0], sides[0], sides[1]])
        }
        Op::Powi(n) => {
            let (quotient, rest) = (divide(g, args[0], root, known), g.powi(args[0], n - 1));
            g.mul(quotient, rest)
        }
        Op::Fun(Fun::Sin) => {
            let (quotient, sine) = (divide(g, args[0], root, known), g.fun(Fun::SinXDivX(0), &args));
            g.mul(quotient, sine)
        }
        Op::Div => {
            let quotient = divide(g, args[0], root, known);
            g.div(quotient, args[1])
        }
        _ => {
            let quotients: Vec<Id> = args.iter().map(|&arg| divide(g, arg, root, known)).collect();
            g.rebuild(c, &quotients)
        }
    };
    known.insert(c, quotient);
    quotient
}

/// The node of a sum of products of nodes. What all products have in common is a factor of the sum.
fn node_of(g: &mut Graph, polynomial: &Polynomial) -> Id {
    let mut common: Option<Monomial> = None;
    for (monomial, _) in polynomial.terms() {
        common = Some(match common {
            None => monomial.clone(),
            Some(common) => {
                let least = |(atom, n): (Atom, i32)| {
                    let m = *monomial.get(&atom)?;
                    (m.signum() == n.signum()).then(|| (atom, if n < 0 { n.max(m) } else { n.min(m) }))
                };
                common.into_iter().filter_map(least).collect()
            }
        });
    }
    let common = common.unwrap_or_default();
    let mut sum = g.constant(0.0);
    for (monomial, c) in polynomial.terms() {
        let rest = monomial.iter().map(|(atom, n)| (atom.clone(), n - common.get(atom).unwrap_or(&0)));
        let (rest, c) = (product(g, rest), g.constant(c));
        let term = g.mul(c, rest);
        sum = g.add(sum, term);
    }
    let common = product(g, common.into_iter());
    g.mul(sum, common)
}

fn product(g: &mut Graph, factors: impl Iterator<Item = (Atom, i32)>) -> Id {
    let (mut above, mut below) = (g.constant(1.0), g.constant(1.0));
    for (atom, n) in factors {
        let Atom::Node(node) = atom else { unreachable!("sums of products of nodes have no other atoms") };
        let power = g.powi(node, n.abs());
        if n >= 0 {
            above = g.mul(above, power);
        } else {
            below = g.mul(below, power);
        }
    }
    g.div(above, below)
}

/// Whether a value has a function with a root, of this variable.
pub(super) fn has_root(g: &Graph, f: Id, v: VarId) -> bool {
    let root = |&id: &Id| {
        matches!(g.op(id), Op::Fun(Fun::Sqrt | Fun::Abs | Fun::Acosh | Fun::Acos | Fun::Hypot | Fun::Cbrt))
            && g.depends(id, v)
    };
    g.reachable(&[f]).iter().any(root)
}
