//! Draws formulas from the operation table. A step takes a row, arguments among the values drawn before, integers and
//! lists, and asks the compiler: a step that its dims rule refuses is drawn again. Some formulas are of one sort instead: of
//! distances (`distances`), or of numbers with units (`units`).

mod distances;
mod units;

use fastrand::Rng;
use keops_compiler::{
    oracle::{Category, Formula},
    reduction::{REDUCTIONS, Reduction, Row, Weight},
    table::{self, Kind, Operation},
};

use crate::{points, scales::Units};

/// The number of points at which the values of a formula are computed.
const SAMPLES: usize = 48;
/// The most operations of a formula, with which its compiled code grows.
const LARGEST: usize = 70;
/// The widest vector.
const WIDEST: usize = 51;

/// A formula that was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// The item of `keops!`, a function named `f`.
    pub item: String,
    /// The number of times that its result can be differentiated.
    pub order: u32,
    /// The units of its operands, if it is right in any units.
    pub units: Option<Units>,
}

/// The formula of a seed. Of six consecutive seeds, three give formulas of any operations, two of distances, and one of units.
pub fn draw(seed: u64) -> Drawn {
    // the generators of consecutive seeds would begin alike
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32));
    loop {
        let drawn = match seed % 6 {
            5 => units::draw(&mut rng).map(|(item, order, units)| (item, order, Some(units))),
            1 | 3 => Drawing::of_distances(&mut rng).finish_distances().map(|(item, order)| (item, order, None)),
            _ => Drawing::new(&mut rng).finished().map(|(item, order)| (item, order, None)),
        };
        if let Some((item, order, units)) = drawn {
            return Drawn { seed, item, order, units };
        }
    }
}

/// A value that later steps can take: a variable, or a value that a `let` has named.
struct Operand {
    name: String,
    /// The expression of the `let`; empty for a variable.
    text: String,
    dim: usize,
    /// Its least and its largest component at the samples.
    range: (f64, f64),
    /// The places of the values that the text names.
    uses: Vec<usize>,
}

struct Drawing<'a> {
    rng: &'a mut Rng,
    /// All values, the variables first and in order.
    operands: Vec<Operand>,
    categories: Vec<Category>,
    /// Rows of all variables, for each sample.
    samples: Vec<Vec<Vec<f64>>>,
}

fn declared(category: Category) -> &'static str {
    match category {
        Category::I => "Vi",
        Category::J => "Vj",
        Category::P => "Pm",
    }
}

impl<'a> Drawing<'a> {
    fn new(rng: &'a mut Rng) -> Self {
        let mut categories = vec![Category::I, Category::J];
        for _ in 0..rng.usize(1..=3) {
            categories.push([Category::I, Category::J, Category::P, Category::P][rng.usize(0..4)]);
        }
        rng.shuffle(&mut categories);
        // two variables have the same dimension, so that operations can combine them
        let wide = [1, 3, 3, 3, 17][rng.usize(0..5)];
        let dims = [1, 3, wide, wide, wide * if wide == 3 { 3 } else { 1 }];
        let variable = |(k, category): (usize, &Category)| Operand {
            name: format!("{}{k}", declared(*category).to_lowercase()),
            text: String::new(),
            dim: dims[rng.usize(0..dims.len())],
            range: points::RANGE,
            uses: Vec::new(),
        };
        let operands: Vec<Operand> = categories.iter().enumerate().map(variable).collect();
        Self::at_samples(rng, operands, categories)
    }

    fn at_samples(rng: &'a mut Rng, operands: Vec<Operand>, categories: Vec<Category>) -> Self {
        let row = |operand: &Operand, rng: &mut _| points::of_variable(rng, &operand.name, operand.dim);
        let samples = (0..SAMPLES).map(|_| operands.iter().map(|operand| row(operand, rng)).collect()).collect();
        Self { rng, operands, categories, samples }
    }

    /// The item and its order; `None` if no attempt gave a formula of use.
    fn finished(mut self) -> Option<(String, u32)> {
        let steps = self.rng.usize(3..=9);
        for k in 0..30 {
            if self.operands.len() < self.categories.len() + steps {
                self.step(k % 4 == 0);
            }
        }
        for category in [Category::I, Category::J] {
            self.depend_on(self.operands.len() - 1, category);
        }
        let body = self.operands.len() - 1;
        if body < self.categories.len() {
            return None;
        }
        let sum = REDUCTIONS.first().filter(|_| self.rng.usize(0..10) < 6);
        let row = sum.unwrap_or_else(|| {
            let rows = drawn();
            rows[self.rng.usize(0..rows.len())]
        });
        let weight = self.some_part();
        self.reduced(body, row, weight)
    }

    /// A value made to depend on some variable of a category.
    fn depend_on(&mut self, operand: usize, category: Category) -> usize {
        let needed = self.needed(&[operand]);
        if (0..self.categories.len()).any(|k| needed[k] && self.categories[k] == category) {
            return operand;
        }
        if let Some(k) = self.categories.iter().position(|&c| c == category) {
            let op = ["*", "+", "-"][self.rng.usize(0..3)];
            let text = format!("{} {op} sum({})", self.operands[operand].name, self.operands[k].name);
            if self.accept(text, vec![operand, k]) {
                return self.operands.len() - 1;
            }
        }
        operand
    }

    /// The operands that some operands are made of.
    fn needed(&self, roots: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.operands.len()];
        roots.iter().for_each(|&root| needed[root] = true);
        for k in (0..needed.len()).rev() {
            if needed[k] {
                self.operands[k].uses.iter().for_each(|&used| needed[used] = true);
            }
        }
        needed
    }

    /// Adds an operation on values drawn before, or on variables of both ends of a pair.
    fn step(&mut self, pair: bool) {
        let formulas = |row: &Operation| row.args.iter().filter(|&&kind| kind == Kind::Formula).count();
        let rows: Vec<&Operation> = table::operations().filter(|row| !pair || formulas(row) > 1).collect();
        let row = rows[self.rng.usize(0..rows.len())];
        let mut ends = [Category::I, Category::J];
        self.rng.shuffle(&mut ends);
        for _ in 0..40 {
            let (mut args, mut uses) = (Vec::new(), Vec::new());
            for kind in &row.args[..row.args.len() - self.rng.usize(0..=row.optional)] {
                args.push(match kind {
                    Kind::Formula => {
                        let operand = match ends.get(uses.len()) {
                            Some(&end) if pair => self.some_variable(end),
                            _ => self.some_part(),
                        };
                        uses.push(operand);
                        self.within(operand, row.range)
                    }
                    Kind::Integer => self.integer().to_string(),
                    Kind::List => {
                        let list: Vec<usize> =
                            (0..self.rng.usize(0..3)).map(|_| self.integer().max(0) as usize).collect();
                        format!("{list:?}")
                    }
                    Kind::Variable => {
                        let variable = self.rng.usize(0..self.categories.len());
                        uses.push(variable);
                        self.operands[variable].name.clone()
                    }
                });
            }
            let names = [&[row.name], row.aliases].concat();
            let text = format!("{}({})", names[self.rng.usize(0..names.len())], args.join(", "));
            if self.accept(text, uses) {
                return;
            }
        }
    }

    /// A variable of a category, which has at least one.
    fn some_variable(&mut self, category: Category) -> usize {
        let all: Vec<usize> = (0..self.categories.len()).filter(|&k| self.categories[k] == category).collect();
        all[self.rng.usize(0..all.len())]
    }

    /// One of the latest operands by preference, so that formulas grow deep.
    fn some_part(&mut self) -> usize {
        let len = self.operands.len();
        if self.rng.bool() { len - 1 - self.rng.usize(0..len.min(2)) } else { self.rng.usize(0..len) }
    }

    fn integer(&mut self) -> i64 {
        let dim = self.operands[self.rng.usize(0..self.operands.len())].dim as i64;
        [0, 1, 2, 3, -1, dim][self.rng.usize(0..6)]
    }

    /// The text of an operand, made to lie in the range that an operation wants.
    fn within(&mut self, operand: usize, (low, high): (f64, f64)) -> String {
        let Operand { name, range: (least, most), .. } = &self.operands[operand];
        // other points may lie further out than the samples
        let margin = 0.2 * (most - least);
        if *least - margin >= low && *most + margin <= high {
            return name.clone();
        }
        let (middle, half) = ((low + high) / 2.0, 0.95 * (high - low) / 2.0);
        // for a range around 0 whose ends are no limits, a multiple of the part is enough
        let largest = least.abs().max(most.abs());
        if middle == 0.0 && high >= 2.0 && self.rng.bool() {
            return format!("{:.3} * {name}", (0.7 * half / largest).max(0.001));
        }
        match middle {
            0.0 => format!("{half:.3} * sin({name})"),
            _ => format!("({middle:.3} + {half:.3} * sin({name}))"),
        }
    }

    /// Names a formula, if the compiler takes it and its values are of use.
    fn accept(&mut self, text: String, uses: Vec<usize>) -> bool {
        let (name, n) = (format!("t{}", self.operands.len()), self.categories.len());
        self.operands.push(Operand {
            name: name.clone(),
            text,
            dim: 0,
            range: (f64::INFINITY, f64::NEG_INFINITY),
            uses,
        });
        let operand = self.operands.len() - 1;
        // all variables stand in the signature, so that there are rows for each
        let all: Vec<String> = self.operands[..n].iter().map(|v| format!("sum({})", v.name)).collect();
        let all = format!("let all = {};", all.join(" + "));
        let item = self.item(&vec![true; self.operands.len()], "Sum<j>", &format!("{all} {name}"), "");
        let found = Formula::new(&item).ok().filter(|formula| formula.size() <= LARGEST);
        let found = found.and_then(|formula| {
            let dim = formula.dims().first().copied().filter(|&dim| (1..=WIDEST).contains(&dim))?;
            Some((dim, range(&formula, &self.samples)?))
        });
        match found {
            Some((dim, range)) => {
                let new = &mut self.operands[operand];
                (new.dim, new.range) = (dim, range);
                true
            }
            None => {
                self.operands.pop();
                false
            }
        }
    }

    /// The text of the item with these operands, in which `body` is reduced.
    fn item(&self, needed: &[bool], reduction: &str, body: &str, attributes: &str) -> String {
        let n = self.categories.len();
        let variables: Vec<String> = (0..n)
            .filter(|&k| needed[k])
            .map(|k| format!("{}: {}<{}>", self.operands[k].name, declared(self.categories[k]), self.operands[k].dim))
            .collect();
        let lets: Vec<String> = (n..self.operands.len())
            .filter(|&k| needed[k])
            .map(|k| format!("        let {} = {};\n", self.operands[k].name, self.operands[k].text))
            .collect();
        format!(
            "{attributes}    pub fn f({}) -> {reduction} {{\n{}        {body}\n    }}\n",
            variables.join(", "),
            lets.concat()
        )
    }

    /// The item that reduces an operand, with this weight if it takes one.
    fn reduced(&mut self, body: usize, row: &Row, weight: usize) -> Option<(String, u32)> {
        let (low, high) = self.operands[body].range;
        if high - low < 1e-2 {
            return None;
        }
        let index = if self.rng.usize(0..3) == 0 { "i" } else { "j" };
        let k = [1, 2, 5][self.rng.usize(0..3)];
        let reduction =
            if row.takes_k { format!("{}<{k}, {index}>", row.name) } else { format!("{}<{index}>", row.name) };
        let weighted = match row.weight {
            Weight::None => false,
            Weight::Optional => self.rng.bool(),
            Weight::Required => true,
            Weight::Radius => return None,
        };
        let (mut roots, mut text) = (vec![body], self.operands[body].name.clone());
        if row.reduction.is_exponential() {
            // a vector, component by component
            let by_component = row.reduction == Reduction::LogSumExp && !weighted;
            if self.operands[body].dim != 1 && !by_component {
                // as a `let`, which has a range
                if !self.accept(format!("sum({text})"), vec![body]) {
                    return None;
                }
                roots = vec![self.operands.len() - 1];
            }
            text = self.within(roots[0], (-3.0, 3.0));
        }
        if row.reduction == Reduction::Prod {
            // near 1, so that a product of dozens of them has derivatives that are neither huge nor 0
            text = self.within(roots[0], (0.7, 1.4));
        }
        if weighted {
            roots.push(weight);
            text = format!("({text}, {})", self.operands[weight].name);
        }
        let needed = self.needed(&roots);
        let (order, sum) = (order(self.rng, row), self.rng.usize(0..8));
        let sum = match (row.reduction, sum) {
            (Reduction::Sum, 0) => ", sum = direct",
            (Reduction::Sum, 1) => ", sum = compensated",
            _ => "",
        };
        let item = self.item(&needed, &reduction, &text, &format!("    #[keops(order = {order}{sum})]\n"));
        Formula::new(&item).ok().map(|_| (item, order))
    }
}

/// The reductions that are drawn: not those within a radius, which are steps without derivatives.
fn drawn() -> Vec<&'static Row> {
    REDUCTIONS.iter().filter(|row| row.weight != Weight::Radius).collect()
}

/// Second derivatives of some that are no selections; a call of row numbers has none.
fn order(rng: &mut Rng, row: &Row) -> u32 {
    match row.reduction {
        Reduction::MaxSumShiftExp | Reduction::KMin { values: false, .. } | Reduction::Within { .. } => 0,
        Reduction::Min | Reduction::KMin { .. } => 1,
        _ if rng.usize(0..3) == 0 => 2,
        _ => 1,
    }
}

/// The least and the largest component at the samples; `None` if the formula is undefined at one of them or lies on a
/// kink, grows large, or loses digits that a test in `f32` needs.
fn range(formula: &Formula, samples: &[Vec<Vec<f64>>]) -> Option<(f64, f64)> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for rows in samples {
        let term = formula.term(rows);
        let [rounded, _] = formula.rounded(rows);
        let tame =
            term.value.iter().zip(&rounded).all(|(x, r)| x.abs() < 200.0 && (x - r).abs() < 3e-5 * (1.0 + x.abs()));
        if !tame || term.distance < 1e-6 {
            return None;
        }
        low = term.value.iter().copied().fold(low, f64::min);
        high = term.value.iter().copied().fold(high, f64::max);
    }
    Some((low, high))
}
