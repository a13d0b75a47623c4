//! Formulas of operations that are right at all magnitudes of their arguments, or at those that the language promises. Variables have units, as lengths and times
//! have, and a value has the unit that follows from these; so its value in other units is known from its value in
//! any, and so are its derivatives, without a number near the ends of the range.

use fastrand::Rng;
use keops_compiler::{
    oracle::{Category, Formula},
    reduction::{REDUCTIONS, Row},
};

use super::{SAMPLES, declared, order, range};
use crate::{
    points,
    scales::{Unit, Units},
};

/// A value, as [`super::Operand`].
struct Operand {
    name: String,
    text: String,
    dim: usize,
    unit: Unit,
    uses: Vec<usize>,
}

struct Drawing {
    operands: Vec<Operand>,
    samples: Vec<Vec<Vec<f64>>>,
}

/// The item, its order and its units.
pub(super) fn draw(rng: &mut Rng) -> Option<(String, u32, Units)> {
    let dim = [2, 2, 3, 4, 6][rng.usize(0..5)];
    let variable = |k: usize, name: &str, dim, unit| {
        let (name, text) = (format!("{name}{k}"), String::new());
        Operand { name, text, dim, unit, uses: Vec::new() }
    };
    let other = ["vi", "vj", "pm"][rng.usize(0..3)];
    let (other_dim, other_unit) = ([1, 2, dim][rng.usize(0..3)], [[1, 0], [0, 1]][rng.usize(0..2)]);
    let operands =
        vec![variable(0, "xi", dim, [1, 0]), variable(1, "xj", dim, [1, 0]), variable(2, other, other_dim, other_unit)];
    let samples =
        (0..SAMPLES).map(|_| operands.iter().map(|operand| points::numbers(rng, operand.dim)).collect()).collect();
    let mut drawing = Drawing { operands, samples };
    let steps = rng.usize(2..=5);
    for _ in 0..60 {
        if drawing.operands.len() < VARIABLES + steps {
            drawing.step(rng);
        }
    }
    drawing.finish(rng)
}

const VARIABLES: usize = 3;

impl Drawing {
    fn step(&mut self, rng: &mut Rng) {
        let some = |rng: &mut Rng| {
            let len = self.operands.len();
            if rng.bool() { len - 1 - rng.usize(0..len.min(2)) } else { rng.usize(0..len) }
        };
        // both ends of a pair, often
        let (a, b) = if rng.usize(0..4) == 0 { (0, 1) } else { (some(rng), some(rng)) };
        let (f, g) = (&self.operands[a], &self.operands[b]);
        let ((u, v), same) = ((f.unit, g.unit), f.unit == g.unit);
        let none = [0, 0];
        let (f_name, g_name) = (&f.name, &g.name);
        let one = |name: &str, unit| Some((format!("{name}({f_name})"), unit, vec![a]));
        let two = |name: &str, unit| Some((format!("{name}({f_name}, {g_name})"), unit, vec![a, b]));
        let infix = |op: &str, unit| Some((format!("{f_name} {op} {g_name}"), unit, vec![a, b]));
        let (quotient, product) = ([u[0] - v[0], u[1] - v[1]], [u[0] + v[0], u[1] + v[1]]);
        let drawn = match rng.usize(0..20) {
            0..3 => one("norm2", u),
            3..5 => one("normalize", none),
            5..7 => one("complex_abs", u),
            7..10 => two("complex_divide", quotient),
            10 => one("angle", none),
            11 if same => two("atan2", none),
            12 if same => infix("-", u),
            13 if same => infix("+", u),
            14 => infix("/", quotient),
            15 => infix("*", product),
            16 if same => two("distance", u),
            17 => one(["abs", "max", "min", "relu", "sum", "-", "conj", "real"][rng.usize(0..8)], u),
            18 if u == none => one(["sin", "exp", "atan", "square", "sqnorm2"][rng.usize(0..5)], none),
            19 if same => infix("<", none),
            _ => None,
        };
        let Some((text, unit, uses)) = drawn else { return };
        // no gradient is beyond what most magnitudes leave
        if unit[0].abs() + unit[1].abs() > 1 && rng.usize(0..4) > 0 || unit.iter().any(|n| n.abs() > 2) {
            return;
        }
        let name = format!("t{}", self.operands.len());
        self.operands.push(Operand { name, text, dim: 0, unit, uses });
        match self.accepted() {
            Some(dim) => self.operands.last_mut().into_iter().for_each(|operand| operand.dim = dim),
            None => self.operands.truncate(self.operands.len() - 1),
        }
    }

    /// The dimension of the last operand, if the compiler takes it and its values are of use.
    fn accepted(&self) -> Option<usize> {
        let last = self.operands.len() - 1;
        let all: Vec<String> = self.operands[..VARIABLES].iter().map(|v| format!("sum({})", v.name)).collect();
        let body = format!("let all = {}; {}", all.join(" + "), self.operands[last].name);
        let formula = Formula::new(&self.item(&vec![true; last + 1], "Sum<j>", &body, "")).ok()?;
        range(&formula, &self.samples)?;
        formula.dims().first().copied().filter(|&dim| dim <= super::WIDEST)
    }

    fn item(&self, needed: &[bool], reduction: &str, body: &str, attributes: &str) -> String {
        let of =
            |range: std::ops::Range<usize>| self.operands[range.clone()].iter().zip(&needed[range]).filter(|p| *p.1);
        let variables: Vec<String> = of(0..VARIABLES)
            .map(|(operand, _)| format!("{}: {}<{}>", operand.name, declared(category(&operand.name)), operand.dim))
            .collect();
        let lets: String = of(VARIABLES..self.operands.len())
            .map(|(operand, _)| format!("        let {} = {};\n", operand.name, operand.text))
            .collect();
        format!("{attributes}    pub fn f({}) -> {reduction} {{\n{lets}        {body}\n    }}\n", variables.join(", "))
    }

    fn finish(self, rng: &mut Rng) -> Option<(String, u32, Units)> {
        let body = self.operands.len() - 1;
        if body < VARIABLES {
            return None;
        }
        let mut needed = vec![false; self.operands.len()];
        needed[body] = true;
        for k in (0..needed.len()).rev().filter(|&k| k >= VARIABLES) {
            if needed[k] {
                self.operands[k].uses.iter().for_each(|&used| needed[used] = true);
            }
        }
        let has = |wanted| (0..VARIABLES).any(|k| needed[k] && category(&self.operands[k].name) == wanted);
        if !has(Category::I) || !has(Category::J) {
            return None;
        }
        let Operand { unit, dim, ref name, .. } = self.operands[body];
        let row: &Row = REDUCTIONS.iter().find(|row| match rng.usize(0..4) {
            0 => row.name == "Min",
            1 => row.name == "LogSumExp" && dim == 1 && unit == [0, 0],
            _ => row.name == "Sum",
        })?;
        let index = ["i", "j", "j"][rng.usize(0..3)];
        let order = order(rng, row);
        let reduction = format!("{}<{index}>", row.name);
        let item = self.item(&needed, &reduction, name, &format!("    #[keops(order = {order})]\n"));
        Formula::new(&item).ok()?;
        let of = |range: std::ops::Range<usize>| range.filter(|&k| needed[k]).map(|k| self.operands[k].unit).collect();
        // of the square of a divisor the inverse is in derivatives
        let squared = |operand: &Operand| match operand.text.split_once(['(', ' ']) {
            Some(("norm2" | "normalize" | "distance", _)) => Some(operand.uses[0]),
            Some((_, rest)) if rest.starts_with("/ ") => Some(operand.uses[1]),
            _ => None,
        };
        let lengths =
            (VARIABLES..self.operands.len()).filter(|&k| needed[k]).filter_map(|k| squared(&self.operands[k]));
        let lengths = lengths.map(|k| self.operands[k].unit).collect();
        Some((item, order, Units { variables: of(0..VARIABLES), parts: of(VARIABLES..self.operands.len()), lengths }))
    }
}

fn category(name: &str) -> Category {
    match &name[1..2] {
        "i" => Category::I,
        "j" => Category::J,
        _ => Category::P,
    }
}
