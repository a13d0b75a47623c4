//! Formulas of distances, as kernels and metrics are: with powers that are no integers, of which one end is a kink or an
//! infinite slope at equal points, with masks made of labels, and with exponential reductions.

use keops_compiler::reduction::{REDUCTIONS, Row};

use super::{Category, Drawing, Operand};
use crate::points;

/// Exponents, as they stand in a formula.
const EXPONENTS: [&str; 10] = ["0.8951", "0.7", "(1/3)", "0.5", "0.25", "1.25", "1.5", "1.75", "2.5", "3"];

impl Drawing<'_> {
    /// The variables of such a formula: points of both indices, labels, values and a parameter.
    pub(super) fn of_distances(rng: &mut fastrand::Rng) -> Drawing<'_> {
        let dim = [1, 1, 2, 2, 3, 3, 3, 17][rng.usize(0..8)];
        let value = (["vi", "vj"][rng.usize(0..2)], [1, 1, dim][rng.usize(0..3)]);
        let all = [("xi", dim), ("xj", dim), ("li", 1), ("lj", 1), value, ("pm", 1)];
        let category = |name: &str| match &name[1..] {
            "i" => Category::I,
            "j" => Category::J,
            _ => Category::P,
        };
        let operand = |(k, &(name, dim)): (usize, &(&str, usize))| {
            let range = if points::is_label(name) { points::LABELS } else { points::RANGE };
            Operand { name: format!("{name}{k}"), text: String::new(), dim, range, uses: Vec::new() }
        };
        let operands: Vec<Operand> = all.iter().enumerate().map(operand).collect();
        let categories = all.iter().map(|(name, _)| category(name)).collect();
        Drawing::at_samples(rng, operands, categories)
    }

    pub(super) fn finish_distances(mut self) -> Option<(String, u32)> {
        let [x, y, left, right, value, p] = [0, 1, 2, 3, 4, 5];
        let distance = self.distance([x, y], p)?;
        let power = if self.rng.usize(0..6) == 0 { distance } else { self.power(distance, p)? };
        let mut body = self.profile(power)?;
        for _ in 0..[0, 0, 0, 1, 2][self.rng.usize(0..5)] {
            self.step(false);
        }
        if self.rng.usize(0..4) == 0 {
            body = self.operands.len() - 1;
        }
        let mask = match self.rng.usize(0..3) {
            0 => None,
            _ => self.mask([left, right], [x, y], distance),
        };
        if let Some(mask) = mask.filter(|_| self.rng.usize(0..3) == 0) {
            let (f, g) = (self.operands[body].name.clone(), self.operands[mask].name.clone());
            if self.accept(format!("{f} * {g}"), vec![body, mask]) {
                body = self.operands.len() - 1;
            }
        }
        for category in [Category::I, Category::J] {
            body = self.depend_on(body, category);
        }
        let weight = self.weight(mask, value);
        let row = self.row();
        self.reduced(body, row, weight)
    }

    /// The first that is accepted, of texts with what they name.
    fn first(&mut self, draw: impl Fn(&mut Self) -> (String, Vec<usize>)) -> Option<usize> {
        for _ in 0..20 {
            let (text, uses) = draw(self);
            if self.accept(text, uses) {
                return Some(self.operands.len() - 1);
            }
        }
        None
    }

    /// An exponent, and whether it names the parameter.
    fn exponent(&mut self) -> (String, bool) {
        match self.rng.usize(0..3) {
            0 => (["(1.5 + pm5)", "(1 + 0.5 * pm5)", "(2 + pm5)"][self.rng.usize(0..3)].to_owned(), true),
            _ => (EXPONENTS[self.rng.usize(0..EXPONENTS.len())].to_owned(), false),
        }
    }

    fn distance(&mut self, [x, y]: [usize; 2], p: usize) -> Option<usize> {
        self.first(|drawing| {
            let (a, b) = if drawing.rng.bool() { (x, y) } else { (y, x) };
            let [a, b] = [a, b].map(|k| drawing.operands[k].name.clone());
            let (e, parametric) = drawing.exponent();
            let text = match drawing.rng.usize(0..14) {
                0..3 => format!("sqdist({a}, {b})"),
                3..5 => format!("norm2({a} - {b})"),
                5 => format!("sum(abs({a} - {b}))"),
                6..8 => format!("sum(abs({a} - {b})**{e})**(1/{e})"),
                8 => format!("sum(powf(abs({a} - {b}), {e}))"),
                9 => format!("distance({a}, {b})"),
                10 => format!("max(abs({a} - {b}))"),
                11 => format!("complex_abs({a} - {b})"),
                12 => format!("sqrt(sqdist({a}, {b}))"),
                _ => format!("norm2(normalize({a}) - normalize({b}))"),
            };
            let mut uses = vec![x, y];
            if parametric && text.contains("pm5") {
                uses.push(p);
            }
            (text, uses)
        })
    }

    fn power(&mut self, distance: usize, p: usize) -> Option<usize> {
        self.first(|drawing| {
            let (e, parametric) = drawing.exponent();
            let d = drawing.operands[distance].name.clone();
            let text = match drawing.rng.usize(0..4) {
                0 => format!("pow({d}, {e})"),
                1 => format!("powf({d}, {e})"),
                _ => format!("{d}**{e}"),
            };
            (text, if parametric { vec![distance, p] } else { vec![distance] })
        })
    }

    fn profile(&mut self, t: usize) -> Option<usize> {
        self.first(|drawing| {
            let name = drawing.operands[t].name.clone();
            let all = [
                "{t}",
                "-{t}",
                "-{t}",
                "1 / (1 + 1.577 * {t})",
                "exp(-{t})",
                "exp(-{t})",
                "log(1 + {t})",
                "rsqrt(1 + {t})",
                "(1 + {t})**-1.3",
                "{t} * exp(-{t})",
                "relu(1 - {t})",
                "ifelse({t} - 0.5, 1 / {t}, 0)",
                "xlogx({t})",
                "sinxdivx({t})",
                "clamp({t}, 0.2, 1)",
                "sqrt(0.5 + {t})",
            ];
            let text = all[drawing.rng.usize(0..all.len())].replace("{t}", &name);
            (text, vec![t])
        })
    }

    fn mask(&mut self, labels: [usize; 2], points: [usize; 2], distance: usize) -> Option<usize> {
        self.first(|drawing| {
            let [l, m] = labels.map(|k| drawing.operands[k].name.clone());
            let [x, y] = points.map(|k| drawing.operands[k].name.clone());
            let d = &drawing.operands[distance].name;
            match drawing.rng.usize(0..9) {
                0..3 => (format!("({l} == {m})"), labels.to_vec()),
                3 => (format!("({l} != {m})"), labels.to_vec()),
                4 => (format!("({l} < {m})"), labels.to_vec()),
                5 => (format!("relu({l} - {m})"), labels.to_vec()),
                6 => (format!("ifelse({m} - {l}, 1, 0)"), labels.to_vec()),
                7 => (format!("sum({x} != {y})"), points.to_vec()),
                _ => (format!("({d} < 0.5)"), vec![distance]),
            }
        })
    }

    /// A weight: a mask, values, or a product of both.
    fn weight(&mut self, mask: Option<usize>, value: usize) -> usize {
        let Some(mask) = mask else { return value };
        match self.rng.usize(0..4) {
            0 => value,
            1 => {
                let text = format!("{} * {}", self.operands[mask].name, self.operands[value].name);
                if self.accept(text, vec![mask, value]) { self.operands.len() - 1 } else { value }
            }
            _ => mask,
        }
    }

    /// Exponential reductions with a weight are as frequent as sums.
    fn row(&mut self) -> &'static Row {
        let named = |name: &str| REDUCTIONS.iter().find(|row| row.name == name);
        let name = ["Sum", "Sum", "Sum", "LogSumExp", "LogSumExp", "SumSoftMaxWeight", "SumSoftMaxWeight", ""];
        let rows = super::drawn();
        let any = self.rng.usize(0..rows.len());
        named(name[self.rng.usize(0..name.len())]).unwrap_or(rows[any])
    }
}
