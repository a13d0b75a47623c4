//! What is timed. A new workload is a row of [`WORKLOADS`] and a function of the same name in `bin/keops_side.rs`.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A formula, a reduction and sizes.
pub(super) struct Workload {
    /// What both sides know it by.
    pub(super) name: &'static str,
    /// What readers know it by.
    pub(super) title: &'static str,
    /// In KeOps' words.
    pub(super) formula: &'static str,
    /// KeOps' reduction over j.
    pub(super) reduction: &'static str,
    pub(super) element: Element,
    /// Rows of the result.
    pub(super) targets: usize,
    /// Rows that are reduced over.
    pub(super) sources: usize,
    /// The variables, in the order of the arguments.
    pub(super) variables: &'static [Variable],
    /// Row i of the result by plain loops: the value, and the sum of the terms' absolute values, of each component.
    row: fn(&Inputs, usize) -> Vec<(f64, f64)>,
}

/// A variable of a formula: `name = kind(dim)`.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) dim: usize,
}

/// Which rows a variable has, and what is in them.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Uniform random numbers from 0 to 1, one row for each target.
    Vi,
    /// The same for each source.
    Vj,
    /// One row that holds this number.
    Pm(f64),
}

/// The type of all numbers of a workload.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Element {
    Float32,
}

/// All workloads.
pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "gaussian_d3_f32",
    title: "Gaussian product, D = 3, f32, N = M = 20,000",
    formula: "Exp(-G*SqDist(X,Y))*B",
    reduction: "Sum",
    element: Element::Float32,
    targets: 20_000,
    sources: 20_000,
    variables: &[
        Variable { name: "G", kind: Kind::Pm(2.0), dim: 1 },
        Variable { name: "X", kind: Kind::Vi, dim: 3 },
        Variable { name: "Y", kind: Kind::Vj, dim: 3 },
        Variable { name: "B", kind: Kind::Vj, dim: 1 },
    ],
    row: gaussian,
}];

/// Σ_j exp(-g |x_i - y_j|²) b_j.
fn gaussian(inputs: &Inputs, i: usize) -> Vec<(f64, f64)> {
    let [g, x, y, b] = inputs.arrays();
    let terms = y.rows().zip(b.rows()).map(|(y_j, b_j)| {
        let distance: f64 = x.row(i).iter().zip(y_j).map(|(x, y)| (x - y).powi(2)).sum();
        (-g.row(0)[0] * distance).exp() * b_j[0]
    });
    vec![terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))]
}

impl Workload {
    /// How often f is computed.
    pub(super) fn pairs(&self) -> f64 {
        self.targets as f64 * self.sources as f64
    }

    fn rows_of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Vi => self.targets,
            Kind::Vj => self.sources,
            Kind::Pm(_) => 1,
        }
    }
}

impl Variable {
    /// The declaration as KeOps wants it.
    pub(super) fn alias(&self) -> String {
        let kind = match self.kind {
            Kind::Vi => "Vi",
            Kind::Vj => "Vj",
            Kind::Pm(_) => "Pm",
        };
        format!("{} = {kind}({})", self.name, self.dim)
    }
}

/// Rows of equal length.
pub(super) struct Array {
    values: Vec<f64>,
    dim: usize,
}

impl Array {
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim..][..self.dim]
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.dim)
    }
}

/// The arrays of a workload, as numbers of its element type.
pub(super) struct Inputs(Vec<Array>);

/// An array in a file: numbers of the element type, row after row, little-endian.
#[derive(Serialize)]
pub(super) struct File {
    path: PathBuf,
    rows: usize,
    dim: usize,
}

impl Inputs {
    /// Random arrays, the same ones every time.
    pub(super) fn random(workload: &Workload) -> Self {
        let mut random = fastrand::Rng::with_seed(1);
        let array = |variable: &Variable| {
            let value = |_| match variable.kind {
                Kind::Pm(value) => value,
                Kind::Vi | Kind::Vj => f64::from(random.f32()),
            };
            let count = workload.rows_of(variable.kind) * variable.dim;
            Array { values: (0..count).map(value).collect(), dim: variable.dim }
        };
        Inputs(workload.variables.iter().map(array).collect())
    }

    /// All arrays; there must be `N`.
    fn arrays<const N: usize>(&self) -> [&Array; N] {
        assert_eq!(self.0.len(), N, "a row of WORKLOADS has another number of variables than its loop");
        std::array::from_fn(|k| &self.0[k])
    }

    /// Writes a file for each array.
    pub(super) fn write(&self, workload: &Workload, folder: &Path) -> Result<Vec<File>> {
        let write = |(variable, array): (&Variable, &Array)| {
            let path = folder.join(format!("{}.{}.bin", workload.name, variable.name));
            let bytes: Vec<u8> = match workload.element {
                Element::Float32 => array.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
            };
            fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
            Ok(File { path, rows: workload.rows_of(variable.kind), dim: array.dim })
        };
        workload.variables.iter().zip(&self.0).map(write).collect()
    }

    /// The largest error of a result over a sample of rows, each relative to the sum of the terms' absolute values.
    pub(super) fn largest_error(&self, workload: &Workload, bytes: &[u8], sample: usize) -> Result<f64> {
        let result: Vec<f64> = match workload.element {
            Element::Float32 => {
                let (numbers, rest) = bytes.as_chunks();
                ensure!(rest.is_empty(), "the result ends within a number");
                numbers.iter().map(|&number| f64::from(f32::from_le_bytes(number))).collect()
            }
        };
        let width = (workload.row)(self, 0).len();
        ensure!(result.len() == workload.targets * width, "the result has {} numbers", result.len());
        let mut worst = 0.0_f64;
        for i in (0..workload.targets).step_by(workload.targets.div_ceil(sample)) {
            for (component, (value, size)) in (workload.row)(self, i).into_iter().enumerate() {
                let error = (result[i * width + component] - value).abs() / size;
                worst = if error.is_nan() { f64::NAN } else { worst.max(error) };
            }
        }
        Ok(worst)
    }
}
