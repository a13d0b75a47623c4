//! Random rows, the same for `f32` and `f64`.

use fastrand::Rng;
use keops_compiler::oracle::{Category, Formula};

/// Where all numbers come from. Operations that want another range get their arguments moved into it.
pub const RANGE: (f64, f64) = (-1.0, 1.0);

/// Random numbers that `f32` has too.
pub fn numbers(rng: &mut Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| f64::from((RANGE.0 + (RANGE.1 - RANGE.0) * rng.f64()) as f32)).collect()
}

/// The rows of all variables of a formula, each flat.
#[derive(Clone, Debug)]
pub struct Points {
    /// The number of i and of j.
    pub shape: (usize, usize),
    /// Of each variable.
    pub rows: Vec<Vec<f64>>,
}

impl Points {
    /// Random ones.
    pub fn new(rng: &mut Rng, formula: &Formula, shape: (usize, usize)) -> Self {
        let rows = formula.variables().map(|(_, category, dim)| numbers(rng, count(category, shape) * dim)).collect();
        Self { shape, rows }
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
