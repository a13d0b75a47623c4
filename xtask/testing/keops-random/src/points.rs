//! Random rows, the same for `f32` and `f64`.

use std::collections::BTreeSet;

use fastrand::Rng;
use keops_compiler::oracle::{Category, Formula};

/// The range of all numbers. Operations that want another range get their arguments moved into it.
pub const RANGE: (f64, f64) = (-1.0, 1.0);

/// The kinds of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Random points.
    Generic,
    /// Targets that are at a source, in all components or in some, rows that stand twice, and zeros.
    Coincident,
    /// Small multiples of 1/2, many of them 0, also in whole rows and variables: values that a formula compares are equal, and the
    /// weights of all sources are 0.
    Lattice,
    /// A common part of 10⁴ in all rows of all variables but parameters.
    Offset,
    /// Such a common part in some variables, with either sign.
    SomeOffset,
}

/// The special kinds.
pub const SPECIAL: [Kind; 4] = [Kind::Coincident, Kind::Lattice, Kind::Offset, Kind::SomeOffset];

/// A variable of this name holds labels, small integers, whatever the kind.
pub fn is_label(name: &str) -> bool {
    name.starts_with('l')
}

/// The least and the largest label.
pub const LABELS: (f64, f64) = (0.0, 4.0);

/// The rows of a variable.
pub fn of_variable(rng: &mut Rng, name: &str, len: usize) -> Vec<f64> {
    // the largest label of targets is that of no source
    let labels = if name.starts_with("li") { 5 } else { 4 };
    if is_label(name) { (0..len).map(|_| rng.usize(0..labels) as f64).collect() } else { numbers(rng, len) }
}

/// Random numbers that `f32` has, too.
pub fn numbers(rng: &mut Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| f64::from((RANGE.0 + (RANGE.1 - RANGE.0) * rng.f64()) as f32)).collect()
}

/// The rows of all variables of a formula, each flat.
#[derive(Clone, Debug)]
pub struct Points {
    /// The number of i and of j.
    pub shape: (usize, usize),
    /// The rows of each variable.
    pub rows: Vec<Vec<f64>>,
}

impl Points {
    /// Random ones.
    pub fn new(rng: &mut Rng, formula: &Formula, shape: (usize, usize)) -> Self {
        let of = |(name, category, dim)| of_variable(rng, name, count(category, shape) * dim);
        Self { shape, rows: formula.variables().map(of).collect() }
    }

    /// Points of this kind.
    pub fn of(kind: Kind, rng: &mut Rng, formula: &Formula, shape: (usize, usize)) -> Self {
        let mut points = Self::new(rng, formula, shape);
        let variables: Vec<(&str, Category, usize)> = formula.variables().collect();
        match kind {
            Kind::Generic => {}
            Kind::Coincident => points.coincide(rng, &variables),
            Kind::Lattice => points.snap(rng, &variables),
            Kind::Offset => points.move_away(rng, &variables, true),
            Kind::SomeOffset => points.move_away(rng, &variables, false),
        }
        points
    }

    fn coincide(&mut self, rng: &mut Rng, variables: &[(&str, Category, usize)]) {
        let (n, m) = self.shape;
        for rows in [Category::I, Category::J] {
            // the same rows for all variables of the index, so that the two rows are equal in everything
            let len = count(rows, self.shape);
            let (from, to) = (rng.usize(0..len), rng.usize(0..len));
            for (k, _) in variables.iter().enumerate().filter(|(_, v)| v.1 == rows) {
                self.copy((k, from), (k, to), variables[k].2);
            }
        }
        for (a, &(name, category, dim)) in variables.iter().enumerate().filter(|(_, v)| !is_label(v.0)) {
            for (b, other) in variables.iter().enumerate().filter(|(_, v)| !is_label(v.0) && v.2 == dim) {
                if a == b || other.1 == category && other.0 != name && rng.bool() {
                    continue;
                }
                for _ in 0..1 + n.min(m) / 4 {
                    if (category, other.1) == (Category::I, Category::J) {
                        self.copy((a, rng.usize(0..n)), (b, rng.usize(0..m)), dim);
                    } else if (category, rng.usize(0..3)) == (Category::P, 0) {
                        self.copy((a, 0), (b, rng.usize(0..count(other.1, self.shape))), dim);
                    }
                }
            }
            let len = count(category, self.shape);
            if category != Category::P {
                for _ in 0..1 + len / 8 {
                    self.rows[a][rng.usize(0..len * dim)] = 0.0;
                }
                if rng.usize(0..3) == 0 {
                    let zero = rng.usize(0..len);
                    self.rows[a][zero * dim..(zero + 1) * dim].fill(0.0);
                }
            }
        }
    }

    fn copy(&mut self, (from, row): (usize, usize), (to, at): (usize, usize), dim: usize) {
        let numbers = self.rows[from][row * dim..(row + 1) * dim].to_vec();
        self.rows[to][at * dim..(at + 1) * dim].copy_from_slice(&numbers);
    }

    fn snap(&mut self, rng: &mut Rng, variables: &[(&str, Category, usize)]) {
        for (rows, &(.., dim)) in self.rows.iter_mut().zip(variables).filter(|(_, v)| !is_label(v.0)) {
            rows.iter_mut().for_each(|x| *x = [0.0, 0.0, -1.0, -0.5, 0.5, 1.0][rng.usize(0..6)]);
            for row in rows.chunks_exact_mut(dim) {
                if rng.usize(0..5) == 0 {
                    row.fill(0.0);
                }
            }
            if rng.usize(0..8) == 0 {
                rows.fill(0.0);
            }
        }
    }

    fn move_away(&mut self, rng: &mut Rng, variables: &[(&str, Category, usize)], all: bool) {
        let can = |v: &(&str, Category, usize)| v.1 != Category::P && !is_label(v.0);
        let dims: BTreeSet<usize> = variables.iter().filter(|&v| can(v)).map(|v| v.2).collect();
        for dim in dims {
            // variables that may be subtracted from each other have the same common part; values have one of their own
            let offset = if all { 1e4 } else { [1e4, -1e4, 0.0][rng.usize(0..3)] };
            for (rows, v) in self.rows.iter_mut().zip(variables).filter(|(_, v)| v.2 == dim && can(v)) {
                let value = v.0.starts_with('v') && rng.bool();
                let offset = if value { 1e4 } else { offset };
                if offset != 0.0 && (all || rng.usize(0..8) > 0) {
                    // f32 has these numbers
                    rows.iter_mut().for_each(|x| *x = offset + (*x * 1024.0).round() / 1024.0);
                }
            }
        }
    }

    /// The rows that belong to a pair.
    pub fn pair(&self, formula: &Formula, (i, j): (usize, usize)) -> Vec<Vec<f64>> {
        let row = |(rows, (_, category, dim)): (&Vec<f64>, (&str, Category, usize))| {
            let at = match category {
                Category::I => i,
                Category::J => j,
                Category::P => 0,
            };
            rows[at * dim..(at + 1) * dim].to_vec()
        };
        self.rows.iter().zip(formula.variables()).map(row).collect()
    }
}

/// The number of rows of a category.
pub fn count(category: Category, (n, m): (usize, usize)) -> usize {
    match category {
        Category::I => n,
        Category::J => m,
        Category::P => 1,
    }
}
