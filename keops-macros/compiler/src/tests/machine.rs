//! An interpreter of lowered programs in f64, which runs them stage by stage, as an engine does for one pair. It
//! panics if the contract of [`crate::lower::program`] or that of a sink is broken.

use std::collections::HashMap;

use super::oracle::{erf, size, spherical};
use crate::lower::{
    Program,
    program::{Contraction, Expr, Ix, Origin, Role, Scope, Stmt},
};

/// The components of f for one pair; `rows` holds a row for each variable of the program. If a squared distance may
/// be scaled, the components must be the same with scaled coordinates.
pub(super) fn run(program: &Program, rows: &[&[f64]]) -> Vec<f64> {
    let raw = |role: Role| -> Vec<f64> {
        let of_role = program.variables.iter().zip(rows).filter(|(variable, _)| variable.1 == role);
        of_role
            .flat_map(|(variable, row)| {
                assert_eq!(row.len(), size(&variable.2), "{}", variable.0);
                row.to_vec()
            })
            .collect()
    };
    let mut machine = Machine { contractions: program.contractions.clone(), ..Machine::default() };
    let stages = [
        (&program.parameters, Role::Parameter, Origin::Left(Role::Parameter)),
        (&program.target, Role::Target, Origin::Left(Role::Target)),
        (&program.source, Role::Source, Origin::Left(Role::Source)),
    ];
    for (stage, role, place) in stages {
        machine.start(raw(role), size(&stage.dim));
        machine.statements(&stage.body);
        machine.end(place);
    }
    machine.places[RAW] = None;
    let places = machine.places.clone();
    let found = machine.pair(program, None);
    if let Some((number, factor)) = &program.scaled {
        let root = (-places[PARAMETERS].as_ref().unwrap()[size(factor)]).sqrt();
        machine.places = places;
        let scaled = machine.pair(program, Some((*number, size(factor), root)));
        for (found, scaled) in found.iter().zip(&scaled).filter(|(_, scaled)| !scaled.is_nan()) {
            let error = (found - scaled).abs();
            assert!(found == scaled || error <= 1e-9 * found.abs().max(1.0), "{scaled} instead of {found} when scaled");
        }
    }
    found
}

const RAW: usize = 0;
const PARAMETERS: usize = 1;
const TARGET: usize = 2;
const SOURCE: usize = 3;
const CONTRACTIONS: usize = 4;

#[derive(Default)]
struct Machine {
    places: [Option<Vec<f64>>; 5],
    temps: HashMap<u32, f64>,
    arrays: HashMap<u32, Vec<f64>>,
    loops: HashMap<u32, usize>,
    contractions: Vec<Contraction>,
    /// The row that the stage leaves, or the components of f.
    out: Vec<Option<f64>>,
    /// The component of f that must come next, in the pair stage.
    put: Option<usize>,
}

impl Machine {
    /// Runs the pair stage. With the number of a contraction, the offset of its factor and √-c for the factor c, it
    /// runs as an engine that scales.
    fn pair(&mut self, program: &Program, scaled: Option<(usize, usize, f64)>) -> Vec<f64> {
        if let Some((number, factor, root)) = scaled {
            let Contraction { target, source, len, .. } = &program.contractions[number];
            for (place, start) in [(TARGET, target), (SOURCE, source)] {
                let vector = &mut self.places[place].as_mut().unwrap()[size(start)..][..size(len)];
                vector.iter_mut().for_each(|x| *x *= root);
            }
            self.places[PARAMETERS].as_mut().unwrap()[factor] = 1.0;
        }
        let contractions = program.contractions.iter().enumerate().map(|(number, contraction)| {
            let read = |place: usize, start: usize, d: usize| self.places[place].as_ref().unwrap()[start + d];
            let (target, source) = (size(&contraction.target), size(&contraction.source));
            let sum: f64 = (0..size(&contraction.len))
                .map(|d| (read(TARGET, target, d), read(SOURCE, source, d)))
                .map(|(u, w)| if contraction.squared_distance { (u - w) * (u - w) } else { u * w })
                .sum();
            if scaled.is_some_and(|(scaled, ..)| scaled == number) { -sum } else { sum }
        });
        let contractions: Vec<f64> = contractions.collect();
        self.places[CONTRACTIONS] = Some(contractions);
        self.temps.clear();
        self.arrays.clear();
        self.out = vec![None; size(&program.out)];
        self.put = Some(0);
        self.statements(&program.pair);
        self.out.iter().map(|x| x.expect("every component is put")).collect()
    }

    fn start(&mut self, raw: Vec<f64>, len: usize) {
        self.places[RAW] = Some(raw);
        self.out = vec![None; len];
        self.temps.clear();
        self.arrays.clear();
    }

    fn end(&mut self, place: Origin) {
        let out = self.out.iter().map(|x| x.expect("every component is written")).collect();
        let place = match place {
            Origin::Left(Role::Parameter) => PARAMETERS,
            Origin::Left(Role::Target) => TARGET,
            _ => SOURCE,
        };
        self.places[place] = Some(out);
        self.temps.clear();
        self.arrays.clear();
    }

    fn statements(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.statement(stmt));
    }

    /// Runs `body` as a scope: its assignments are undone.
    fn scope<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        let known: Vec<u32> = self.temps.keys().copied().collect();
        let value = body(self);
        self.temps.retain(|temp, _| known.contains(temp));
        value
    }

    fn assign(&mut self, temp: u32, value: f64) {
        assert!(self.temps.insert(temp, value).is_none(), "t{temp} is assigned twice");
    }

    fn write(&mut self, component: usize, value: f64) {
        assert!(self.out[component].replace(value).is_none(), "component {component} is written twice");
    }

    fn put(&mut self, component: usize, value: f64) {
        assert_eq!(self.put, Some(component), "components arrive in ascending order");
        self.put = Some(component + 1);
        self.write(component, value);
    }

    fn statement(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let(t, value) => {
                let value = self.expr(value);
                self.assign(*t, value);
            }
            Stmt::Start(t, value) => {
                let value = self.expr(value);
                self.assign(*t, value);
            }
            Stmt::Replace(t, value) => {
                let value = self.expr(value);
                *self.temps.get_mut(t).expect("a temporary that was started") = value;
            }
            Stmt::Accumulate(t, a, b) => {
                let a = self.expr(a);
                let b = b.as_ref().map_or(1.0, |b| self.expr(b));
                *self.temps.get_mut(t).expect("an accumulator that was made") += a * b;
            }
            Stmt::Array(a, dim) => {
                assert!(self.arrays.insert(*a, vec![0.0; size(dim)]).is_none(), "a{a} is made twice");
            }
            Stmt::Store(a, index, value) => {
                let (index, value) = (self.ix(index), self.expr(value));
                self.arrays.get_mut(a).expect("an array that was made")[index] = value;
            }
            Stmt::For(d, dim, body) => {
                for k in 0..size(dim) {
                    self.loops.insert(*d, k);
                    self.scope(|machine| machine.statements(body));
                }
                self.loops.remove(d);
            }
            Stmt::Section { array, body, left } => {
                let left = self.scope(|machine| {
                    machine.statements(body);
                    left.iter().map(|t| machine.temps[t]).collect()
                });
                self.arrays.insert(*array, left);
            }
            Stmt::Write(index, value) => {
                assert_eq!(self.put, None, "the pair stage leaves nothing");
                let (index, value) = (self.ix(index), self.expr(value));
                self.write(index, value);
            }
            Stmt::Put(index, a, b) => {
                let (index, a) = (self.ix(index), self.expr(a));
                let b = b.as_ref().map_or(1.0, |b| self.expr(b));
                self.put(index, a * b);
            }
            Stmt::PutScaled { to, scale, from, len } => {
                let (to, scale, from) = (size(to), self.expr(scale), size(from));
                for d in 0..size(len) {
                    let value = scale * self.places[SOURCE].as_ref().unwrap()[from + d];
                    self.put(to + d, value);
                }
            }
            Stmt::PutDifferences { to, scale, contraction, flipped } => {
                let (to, scale) = (size(to), self.expr(scale));
                let Contraction { target, source, len, .. } = self.contractions[*contraction].clone();
                for d in 0..size(&len) {
                    let u = self.places[TARGET].as_ref().unwrap()[size(&target) + d];
                    let w = self.places[SOURCE].as_ref().unwrap()[size(&source) + d];
                    self.put(to + d, scale * if *flipped { w - u } else { u - w });
                }
            }
        }
    }

    fn expr(&mut self, value: &Expr) -> f64 {
        match value {
            Expr::Temp(t) => *self.temps.get(t).unwrap_or_else(|| panic!("t{t} is read before it is assigned")),
            Expr::Lit(x) => *x,
            Expr::Read(place, index) => {
                let index = self.ix(index);
                let place = match place {
                    Origin::Raw => RAW,
                    Origin::Left(Role::Parameter) => PARAMETERS,
                    Origin::Left(Role::Target) => TARGET,
                    Origin::Left(Role::Source) => SOURCE,
                    Origin::Contractions => CONTRACTIONS,
                    Origin::Array(a) => return self.arrays[a][index],
                };
                self.places[place].as_ref().expect("a place that this stage can read")[index]
            }
            Expr::Call(name, args) => {
                let args: Vec<f64> = args.iter().map(|arg| self.expr(arg)).collect();
                call(name, &args)
            }
            Expr::Integer(n) => f64::from(*n),
            Expr::Factor(x) => *x,
            Expr::Index(index) => self.ix(index) as f64,
            Expr::Branch(index, limit, yes, no) => {
                let side: &Scope = if self.ix(index) < size(limit) { yes } else { no };
                self.scope(|machine| {
                    machine.statements(&side.body);
                    machine.expr(&side.value)
                })
            }
        }
    }

    fn ix(&self, index: &Ix) -> usize {
        match index {
            Ix::Number(n) => size(n),
            Ix::Loop(d) => self.loops[d],
            Ix::Add(a, n) => self.ix(a) + size(n),
            Ix::Sub(a, n) => self.ix(a).checked_sub(size(n)).expect("an index is not negative"),
            Ix::Row(a, n, b) => {
                let b = self.ix(b);
                assert!(b < size(n), "column {b} of {n}");
                self.ix(a) * size(n) + b
            }
            Ix::Times(a, n) => self.ix(a) * size(n),
            Ix::Sum(a, b) => self.ix(a) + self.ix(b),
            Ix::Div(a, n) => self.ix(a) / size(n),
            Ix::Rem(a, n) => self.ix(a) % size(n),
        }
    }
}

/// The functions of `keops_core::number::ops`, by name.
fn call(name: &str, x: &[f64]) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match (name, x) {
        ("add", [a, b]) => a + b,
        ("sub", [a, b]) => a - b,
        ("mul" | "times", [a, b]) => a * b,
        ("div", [a, b]) => a / b,
        ("neg", [a]) => -a,
        ("exp" | "exp_apart", [a]) => a.exp(),
        ("exp2" | "exp2_apart", [a]) => a.exp2(),
        ("log", [a]) => a.ln(),
        ("sin", [a]) => a.sin(),
        ("cos", [a]) => a.cos(),
        ("sqrt", [a]) => a.sqrt(),
        ("rsqrt", [a]) if *a == 0.0 => 0.0,
        ("rsqrt", [a]) => a.sqrt().recip(),
        ("inv", [a]) => a.recip(),
        ("unless_infinite", [a]) if a.is_infinite() => 0.0,
        ("bounded" | "unless_infinite", [a]) => *a,
        ("unless_zero", [_, b]) if *b == 0.0 => 0.0,
        ("unless_zero", [a, _]) => *a,
        ("hypot", [a, b]) => a.hypot(*b),
        ("direction", [a, b]) if *a == 0.0 && *b == 0.0 => 0.0,
        ("direction", [a, b]) => a / a.hypot(*b),
        ("over_square", [a, b]) if *a == 0.0 && *b == 0.0 => 0.0,
        ("over_square", [a, b]) => a / (a * a + b * b),
        ("powi", [a, n]) => a.powi(*n as i32),
        ("maximum", [a, b]) => a.max(*b),
        ("minimum", [a, b]) => a.min(*b),
        ("exp_m1", [a]) => a.exp_m1(),
        ("log2", [a]) => a.log2(),
        ("log10", [a]) => a.log10(),
        ("ln_1p", [a]) => a.ln_1p(),
        ("tan", [a]) => a.tan(),
        ("sinh", [a]) => a.sinh(),
        ("cosh", [a]) => a.cosh(),
        ("tanh", [a]) => a.tanh(),
        ("sech", [a]) => a.cosh().recip(),
        ("asinh", [a]) => a.asinh(),
        ("acosh", [a]) => a.acosh(),
        ("atanh", [a]) => a.atanh(),
        ("erf", [a]) => erf(*a),
        ("erfc", [a]) => 1.0 - erf(*a),
        ("sigmoid", [a]) => 1.0 / (1.0 + (-a).exp()),
        ("softplus", [a]) => a.exp().ln_1p(),
        ("cbrt", [a]) => a.cbrt(),
        ("others", [a, m, e]) => m * e.exp2() / a,
        ("asin", [a]) => a.asin(),
        ("acos", [a]) => a.acos(),
        ("atan", [a]) => a.atan(),
        ("atan2", [a, b]) => a.atan2(*b),
        ("sin_x_div_x", [a, n]) => spherical(*n as i32, *a),
        ("floor", [a]) => a.floor(),
        ("round", [a, n]) => (a * 10_f64.powi(*n as i32)).round() / 10_f64.powi(*n as i32),
        ("soft_min", [a, b, c, gamma]) => -gamma * [a, b, c].map(|x| (-x / gamma).exp()).iter().sum::<f64>().ln(),
        ("lowest", []) => f64::NEG_INFINITY,
        ("larger", [best, a]) => best.max(*a),
        ("place_of_larger", [best, a, place, here]) => {
            if a > best {
                *here
            } else {
                *place
            }
        }
        ("abs", [a]) => a.abs(),
        ("sign", [a]) if *a == 0.0 => 0.0,
        ("sign", [a]) => a.signum(),
        ("step", [a]) => truth(*a >= 0.0),
        ("relu", [a]) => a.max(0.0),
        ("x_log_x", [a]) if *a == 0.0 => 0.0,
        ("x_log_x", [a]) => a * a.ln(),
        ("pow", [a, b]) => a.powf(*b),
        ("if_else", [a, b, c]) => {
            if *a >= 0.0 {
                *b
            } else {
                *c
            }
        }
        ("clamp", [a, low, high]) => a.max(*low).min(*high),
        ("equal", [a, b]) => truth(a == b),
        ("not_equal", [a, b]) => truth(a != b),
        ("less_than", [a, b]) => truth(a < b),
        ("less_or_equal", [a, b]) => truth(a <= b),
        _ => panic!("keops_core::number::ops has no {name} of {} arguments", x.len()),
    }
}
