//! The workloads that are timed. A new workload is a row of [`all`]; a new formula is also a [`Family`], with a plain loop in
//! `check.rs` and a function in `bin/keops_side.rs` and `rivals/dense.py`.

use serde::Serialize;

/// A formula and its reduction.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Family {
    Gaussian,
    /// The Gaussian product in [`BATCHES`] batches, which share the rows.
    GaussianBatches,
    /// The gradient of the Gaussian product by x.
    GaussianX,
    /// All gradients of the Gaussian product: by x, y, b and g.
    GaussianAll,
    Laplacian,
    Matern,
    Cauchy,
    SoftMinimum,
    Attention,
    Neighbours,
    /// Of points near a surface of 4 dimensions.
    NeighboursManifold,
    /// By Manhattan distances.
    NeighboursManhattan,
    /// On the earth.
    NeighboursHaversine,
    /// One call for each target, of sources that keep their tree.
    NeighboursOneByOne,
}

use Family::{
    Attention, Cauchy, Gaussian, GaussianAll, GaussianBatches, GaussianX, Laplacian, Matern, Neighbours,
    NeighboursHaversine, NeighboursManhattan, NeighboursManifold, NeighboursOneByOne, SoftMinimum,
};

/// The number of batches of [`Family::GaussianBatches`].
pub(super) const BATCHES: usize = 1_000;

/// The number of neighbours that a search finds.
pub(super) const NEIGHBOURS: usize = 10;

/// The type of all numbers of a workload.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Element {
    Float32,
    Float64,
}

/// A formula with dimensions and sizes.
#[derive(Clone, Copy)]
pub(super) struct Workload {
    pub(super) family: Family,
    /// Dimension of x and y.
    pub(super) dim: usize,
    /// Dimension of b, if there is a b.
    pub(super) columns: usize,
    pub(super) element: Element,
    /// Rows of x.
    pub(super) targets: usize,
    /// Rows of y.
    pub(super) sources: usize,
}

/// A variable of a formula.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) dim: usize,
}

/// The rows of a variable, and the numbers in them.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Uniform random numbers from 0 to 1, one row for each target.
    Vi,
    /// Uniform random numbers from 0 to 1, one row for each source.
    Vj,
    /// One row that holds this number.
    Pm(f64),
}

/// A reduction in KeOps' words.
#[derive(Serialize)]
pub(super) struct Call {
    formula: &'static str,
    reduction: &'static str,
    /// 1 reduces over j, 0 over i.
    axis: u8,
    /// What KeOps calls `formula2`.
    weight: Option<&'static str>,
    /// The option that KeOps calls `opt_arg`.
    count: Option<usize>,
    /// Whether the rows of the result are summed as well.
    total: bool,
}

/// All workloads in the order of the document. They are small where KeOps with its own flags is slow: its longest run
/// takes a few seconds where only one side is long, and less than one elsewhere. `quick` makes all of them small.
pub(super) fn all(quick: bool) -> Vec<Workload> {
    const MANY: usize = 10_000_000;
    // So many points are for trees, and take some of them a minute.
    const SEARCHED: usize = 1_000_000;
    let square = |family, dim, points| (family, dim, 1, points, points);
    let rows = [
        square(Gaussian, 1, 10_000),
        square(Gaussian, 3, 10_000),
        square(Gaussian, 10, 5_000),
        square(Gaussian, 64, 3_000),
        square(Gaussian, 100, 2_000),
        square(Gaussian, 784, 1_000),
        (Gaussian, 3, 100, 3_000, 3_000),
        (Gaussian, 3, 1, 100, MANY),
        (Gaussian, 3, 1, MANY, 100),
        square(Gaussian, 3, 100),
        square(GaussianBatches, 3, 100 * BATCHES),
        square(GaussianX, 3, 5_000),
        square(GaussianX, 10, 4_000),
        square(GaussianX, 64, 2_000),
        square(GaussianX, 784, 700),
        square(GaussianAll, 3, 3_000),
        square(GaussianAll, 10, 2_000),
        square(GaussianAll, 64, 1_000),
        square(Laplacian, 3, 5_000),
        square(Matern, 3, 5_000),
        square(Cauchy, 3, 5_000),
        square(SoftMinimum, 3, 5_000),
        (Attention, 64, 64, 2_000, 2_000),
        square(Neighbours, 3, 10_000),
        square(Neighbours, 10, 5_000),
        square(Neighbours, 64, 3_000),
        square(Neighbours, 3, 100_000),
        square(Neighbours, 3, SEARCHED),
        square(NeighboursManifold, 10, 100_000),
        square(NeighboursManhattan, 3, SEARCHED),
        square(NeighboursHaversine, 2, SEARCHED),
        (NeighboursOneByOne, 3, 1, 10_000, SEARCHED),
    ];
    let size = |points: usize| if quick { points.min(1_000) } else { points };
    rows.into_iter()
        .flat_map(|row| [(row, Element::Float32), (row, Element::Float64)])
        .filter(|&((family, .., sources), element)| {
            // Long searches are measured for one type.
            element == Element::Float32 || !family.is_search() || sources < 100_000
        })
        .map(|((family, dim, columns, targets, sources), element)| {
            // What is there because one side is long stays so.
            let (targets, sources) = match (targets, sources) {
                _ if family == GaussianBatches => (targets, sources),
                // What is quick without all pairs is small enough for a search to be tried.
                _ if quick && sources == SEARCHED => (targets.min(20_000), 20_000),
                (MANY, _) | (_, MANY) if quick => (targets.div_ceil(100), sources.div_ceil(100)),
                _ => (size(targets), size(sources)),
            };
            Workload { family, dim, columns, element, targets, sources }
        })
        .collect()
}

/// A workload in many sizes, for a picture.
pub(super) struct Curve {
    /// The name of the picture's file.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    family: Family,
}

/// All pictures.
pub(super) const CURVES: &[Curve] = &[
    Curve { name: "gaussian_d3_f32", title: "Gaussian product, D = 3, f32", family: Gaussian },
    Curve { name: "neighbours_d3_f32", title: "10 nearest neighbours, D = 3, f32", family: Neighbours },
];

impl Curve {
    /// The workload for each number of points.
    pub(super) fn workloads(&self, quick: bool) -> impl Iterator<Item = Workload> {
        const POINTS: [usize; 11] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000];
        let family = self.family;
        POINTS.into_iter().filter(move |&points| !quick || points <= 1_000).map(move |points| Workload {
            family,
            dim: 3,
            columns: 1,
            element: Element::Float32,
            targets: points,
            sources: points,
        })
    }
}

impl Family {
    /// Whether it is a search for neighbours.
    pub(super) fn is_search(self) -> bool {
        matches!(self, Neighbours | NeighboursManifold | NeighboursManhattan | NeighboursHaversine | NeighboursOneByOne)
    }

    /// The description for readers.
    pub(super) fn title(self) -> &'static str {
        match self {
            Gaussian => "Gaussian product",
            GaussianBatches => "Gaussian product, 1,000 batches",
            GaussianX => "Gaussian product, gradient by x",
            GaussianAll => "Gaussian product, all gradients",
            Laplacian => "Laplacian (exponential) product",
            Matern => "Matérn 3/2 product",
            Cauchy => "Cauchy product",
            SoftMinimum => "LogSumExp",
            Attention => "SumSoftMaxWeight (attention)",
            Neighbours => "10 nearest neighbours",
            NeighboursManifold => "10 nearest neighbours near a surface of 4 dimensions",
            NeighboursManhattan => "10 nearest neighbours, Manhattan distance",
            NeighboursHaversine => "10 nearest neighbours on the earth, haversine formula",
            NeighboursOneByOne => "10 nearest neighbours, one target at a time, tree kept",
        }
    }

    /// The reductions that make the result.
    pub(super) fn calls(self) -> Vec<Call> {
        let call = |formula, reduction| Call { formula, reduction, axis: 1, weight: None, count: None, total: false };
        let by = |formula, axis| Call { axis, ..call(formula, "Sum") };
        let nearest = |formula| vec![Call { count: Some(NEIGHBOURS), ..call(formula, "ArgKMin") }];
        match self {
            Gaussian | GaussianBatches => vec![call("Exp(-G*SqDist(X,Y))*B", "Sum")],
            GaussianX => vec![by("Grad(Exp(-G*SqDist(X,Y))*B,X,E)", 1)],
            GaussianAll => vec![
                by("Grad(Exp(-G*SqDist(X,Y))*B,X,E)", 1),
                by("Grad(Exp(-G*SqDist(X,Y))*B,Y,E)", 0),
                by("Grad(Exp(-G*SqDist(X,Y))*B,B,E)", 0),
                Call { total: true, ..by("Grad(Exp(-G*SqDist(X,Y))*B,G,E)", 1) },
            ],
            Laplacian => vec![call("Exp(-G*Sqrt(SqDist(X,Y)))*B", "Sum")],
            Matern => vec![call("(IntCst(1)+G*Sqrt(SqDist(X,Y)))*Exp(-G*Sqrt(SqDist(X,Y)))*B", "Sum")],
            Cauchy => vec![call("B/(IntCst(1)+G*SqDist(X,Y))", "Sum")],
            SoftMinimum => vec![call("-G*SqDist(X,Y)", "LogSumExp")],
            Attention => vec![Call { weight: Some("B"), ..call("G*(X|Y)", "SumSoftMaxWeight") }],
            Neighbours | NeighboursManifold | NeighboursOneByOne => nearest("SqDist(X,Y)"),
            NeighboursManhattan => nearest("Sum(Abs(X-Y))"),
            NeighboursHaversine => nearest(
                "Square(Sin((Elem(X,0)-Elem(Y,0))/IntCst(2)))\
                 +Cos(Elem(X,0))*Cos(Elem(Y,0))*Square(Sin((Elem(X,1)-Elem(Y,1))/IntCst(2)))",
            ),
        }
    }
}

impl Workload {
    /// What files are called by, and what `--only` looks at.
    pub(super) fn name(&self) -> String {
        let family = match self.family {
            Gaussian => "gaussian",
            GaussianBatches => "gaussian_batches",
            GaussianX => "gaussian_x",
            GaussianAll => "gaussian_all",
            Laplacian => "laplacian",
            Matern => "matern",
            Cauchy => "cauchy",
            SoftMinimum => "soft_minimum",
            Attention => "attention",
            Neighbours => "neighbours",
            NeighboursManifold => "neighbours_manifold",
            NeighboursManhattan => "neighbours_manhattan",
            NeighboursHaversine => "neighbours_haversine",
            NeighboursOneByOne => "neighbours_one_by_one",
        };
        let (dim, columns, targets, sources) = (self.dim, self.columns, self.targets, self.sources);
        format!("{family}_d{dim}_e{columns}_{targets}x{sources}_{}", self.element.title())
    }

    /// The description for readers. within its family.
    pub(super) fn title(&self) -> String {
        let columns = if self.columns == 1 { String::new() } else { format!(", E = {}", self.columns) };
        let (n, m) = (thousands(self.targets / self.batches()), thousands(self.sources / self.batches()));
        let sizes = if n == m { format!("N = M = {n}") } else { format!("N = {n}, M = {m}") };
        format!("D = {}{columns}, {sizes}, {}", self.dim, self.element.title())
    }

    /// The variables, in the order of the arguments.
    pub(super) fn variables(&self) -> Vec<Variable> {
        // Such that the formulas are neither 1 everywhere nor 0: random points are at a squared distance of D / 6.
        let g = match self.family {
            Attention => 1.0 / (self.dim as f64).sqrt(),
            Laplacian | Matern => (6.0 / self.dim as f64).sqrt(),
            _ => 6.0 / self.dim as f64,
        };
        let g = Variable { name: "G", kind: Kind::Pm(g), dim: 1 };
        let x = Variable { name: "X", kind: Kind::Vi, dim: self.dim };
        let y = Variable { name: "Y", kind: Kind::Vj, dim: self.dim };
        let b = Variable { name: "B", kind: Kind::Vj, dim: self.columns };
        let e = Variable { name: "E", kind: Kind::Vi, dim: self.columns };
        match self.family {
            Gaussian | GaussianBatches | Laplacian | Matern | Cauchy | Attention => vec![g, x, y, b],
            GaussianX | GaussianAll => vec![g, x, y, b, e],
            SoftMinimum => vec![g, x, y],
            Neighbours | NeighboursManifold | NeighboursManhattan | NeighboursHaversine | NeighboursOneByOne => {
                vec![x, y]
            }
        }
    }

    /// How often f is computed, as far as the user sees.
    pub(super) fn pairs(&self) -> f64 {
        self.targets as f64 * self.sources as f64 / self.batches() as f64
    }

    /// How many batches share the rows.
    pub(super) fn batches(&self) -> usize {
        if self.family == GaussianBatches { BATCHES } else { 1 }
    }

    /// Rows of a variable.
    pub(super) fn rows_of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Vi => self.targets,
            Kind::Vj => self.sources,
            Kind::Pm(_) => 1,
        }
    }

    /// Rows and dimension of each part of the result.
    pub(super) fn results(&self) -> Vec<(usize, usize)> {
        match self.family {
            Gaussian | GaussianBatches | Laplacian | Matern | Cauchy | Attention => {
                vec![(self.targets, self.columns)]
            }
            GaussianX => vec![(self.targets, self.dim)],
            GaussianAll => vec![(self.targets, self.dim), (self.sources, self.dim), (self.sources, 1), (1, 1)],
            SoftMinimum => vec![(self.targets, 1)],
            Neighbours | NeighboursManifold | NeighboursManhattan | NeighboursHaversine | NeighboursOneByOne => {
                vec![(self.targets, NEIGHBOURS)]
            }
        }
    }
}

impl Element {
    /// What Rust calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Element::Float32 => "f32",
            Element::Float64 => "f64",
        }
    }

    /// Bytes of a number.
    pub(super) fn bytes(self) -> f64 {
        match self {
            Element::Float32 => 4.0,
            Element::Float64 => 8.0,
        }
    }
}

impl Variable {
    /// The declaration as KeOps wants it.
    pub(super) fn alias(&self) -> String {
        format!("{} = {}({})", self.name, self.kind.title(), self.dim)
    }

    /// For readers, in any dimension.
    pub(super) fn title(&self) -> String {
        format!("{} = {}", self.name, self.kind.title())
    }
}

impl Kind {
    /// What KeOps calls it.
    fn title(self) -> &'static str {
        match self {
            Kind::Vi => "Vi",
            Kind::Vj => "Vj",
            Kind::Pm(_) => "Pm",
        }
    }
}

impl Call {
    /// For readers.
    pub(super) fn title(&self) -> String {
        let axis = if self.axis == 1 { "j" } else { "i" };
        let over = if self.total { "i and j" } else { axis };
        let weight = self.weight.map_or_else(String::new, |weight| format!(" with weight `{weight}`"));
        let count = self.count.map_or_else(String::new, |count| format!(" (K = {count})"));
        format!("`{}`{count} over {over} of `{}`{weight}", self.reduction, self.formula)
    }
}

/// A number with commas.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
