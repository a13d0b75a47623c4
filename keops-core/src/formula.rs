//! What `keops!` makes of a formula: four stages, sorted by what they depend on.
//!
//! A reduction  a_i = Reduction_j f(p, x_i, y_j)  runs over *targets* i (rows of the result) and *sources* j (what is
//! reduced over). Work that depends on the parameters, on one target or on one source only is done once, outside the
//! loop over pairs; `pair` does the rest. For a reduction over i the macro swaps the two, so that an engine only ever
//! knows targets and sources.

mod components;

pub use components::{Chain, Components, Grid};

use crate::number::{Packed, Real};

/// Whose rows a variable has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One row for each row of the result.
    Target,
    /// One row for each term of the reduction.
    Source,
    /// One row in all.
    Parameter,
}

/// One of the two indices of a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The index i, of variables `Vi`.
    I,
    /// The index j, of variables `Vj`.
    J,
}

impl Index {
    /// The other index.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::I => Self::J,
            Self::J => Self::I,
        }
    }
}

/// A variable of a formula.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The name of the variable in the formula, for error messages.
    pub name: &'static str,
    /// Which rows it has.
    pub role: Role,
    /// How many components a row has.
    pub dim: usize,
}

impl Variable {
    /// A variable with one row for each row of the result.
    #[must_use]
    pub const fn target(name: &'static str, dim: usize) -> Self {
        Self { name, role: Role::Target, dim }
    }
    /// A variable with one row for each term of the reduction.
    #[must_use]
    pub const fn source(name: &'static str, dim: usize) -> Self {
        Self { name, role: Role::Source, dim }
    }
    /// A variable with one row.
    #[must_use]
    pub const fn parameter(name: &'static str, dim: usize) -> Self {
        Self { name, role: Role::Parameter, dim }
    }
}

/// A contraction of a vector of the target with a vector of the source, both prepared by the hoisted stages.
///
/// A contraction of many components is most of a pair's work, and the contractions of all pairs of a tile are a matrix
/// product. An engine may compute them as such a product and hand the results to [`Formula::pair`], instead of calling
/// [`Contraction::of_pair`].
#[derive(Clone, Copy, Debug)]
pub struct Contraction {
    /// What is summed.
    pub kind: ContractionKind,
    /// Where the target's vector starts in [`Formula::Target`].
    pub target: usize,
    /// Where the source's vector starts in [`Formula::Source`].
    pub source: usize,
    /// How many components are summed.
    pub len: usize,
}

impl Contraction {
    /// Σ_d u_d w_d
    #[must_use]
    pub const fn dot(target: usize, source: usize, len: usize) -> Self {
        Self { kind: ContractionKind::Dot, target, source, len }
    }
    /// Σ_d (u_d - w_d)²
    #[must_use]
    pub const fn squared_distance(target: usize, source: usize, len: usize) -> Self {
        Self { kind: ContractionKind::SquaredDistance, target, source, len }
    }

    /// The contraction of a prepared target with a prepared source.
    #[inline(always)]
    pub fn of_pair<R: Packed>(&self, cx: R::Cx, i: &[R], j: &impl Row<R>) -> R {
        let zero = R::lit(cx, 0.0);
        let (mut even, mut odd, mut d) = (zero, zero, 0);
        if self.len < TWO_SUMS || !R::SIMD {
            while d < self.len {
                even = self.add_term(cx, i, j, d, even);
                d += 1;
            }
            return even;
        }
        while d + 1 < self.len {
            even = self.add_term(cx, i, j, d, even);
            odd = self.add_term(cx, i, j, d + 1, odd);
            d += 2;
        }
        if d < self.len {
            even = self.add_term(cx, i, j, d, even);
        }
        R::add(cx, even, odd)
    }

    /// `sum` and the term of component `d`.
    #[inline(always)]
    fn add_term<R: Real>(&self, cx: R::Cx, i: &[R], j: &impl Row<R>, d: usize, sum: R) -> R {
        let (u, w) = (i[self.target + d], j.get(cx, self.source + d));
        match self.kind {
            ContractionKind::Dot => R::mul_add(cx, u, w, sum),
            ContractionKind::SquaredDistance => {
                let difference = R::sub(cx, u, w);
                R::mul_add(cx, difference, difference, sum)
            }
        }
    }
}

/// The fewest components of a contraction that the CPU computes outside of the loop over pairs, as a matrix product. The
/// other operations of a pair hide the latency of shorter ones.
#[cfg(feature = "std")]
const LONG: usize = 16;

/// Whether the CPU computes the contractions of a formula, if one of them is long, as matrix products.
#[cfg(feature = "std")]
pub(crate) const fn is_long(contractions: &[Contraction]) -> bool {
    let mut k = 0;
    while k < contractions.len() {
        if contractions[k].len >= LONG {
            return true;
        }
        k += 1;
    }
    false
}

/// On lanes, a contraction of this many components or more is summed in two sums, which hide each other's latency.
const TWO_SUMS: usize = 6;

/// What a [`Contraction`] sums over its components d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractionKind {
    /// Σ_d u_d w_d
    Dot,
    /// Σ_d (u_d - w_d)²
    SquaredDistance,
}

/// The differences u_d - w_d of the two vectors of a squared distance, which are components of f.
#[derive(Clone, Copy, Debug)]
pub struct Differences {
    /// The squared distance.
    pub contraction: Contraction,
    /// The number of the squared distance among the formula's contractions.
    pub number: usize,
    /// Whether the differences are w_d - u_d, and not u_d - w_d.
    pub flipped: bool,
}

impl Differences {
    /// The differences behind the squared distance `contractions[number]`, with the sign turned if `flipped`.
    #[must_use]
    pub const fn of(contractions: &[Contraction], number: usize, flipped: bool) -> Self {
        Self { contraction: contractions[number], number, flipped }
    }

    /// Hands `scale` times each difference to a sink, as component `c` and the components after it.
    #[inline(always)]
    pub fn put_each<R: Real>(
        &self,
        cx: R::Cx,
        c: usize,
        scale: R,
        (i, j): (&impl Row<R>, &impl Row<R>),
        sink: &mut (impl Sink<R> + ?Sized),
    ) {
        let Contraction { target, source, len, .. } = self.contraction;
        // The sign is changed once and not for each component, and u_d - w_d may be there already from the squared
        // distance.
        let scale = if self.flipped { R::neg(cx, scale) } else { scale };
        let mut d = 0;
        while d < len {
            let (u, w) = (i.get(cx, target + d), j.get(cx, source + d));
            sink.put_product(cx, c + d, scale, R::sub(cx, u, w));
            d += 1;
        }
    }
}

/// A squared distance that is used in an exponent to base 2 only, times one prepared parameter c.
///
/// Where c is negative, c |u - w|² = -|s u - s w|² for s = √-c. An engine may scale both vectors once, and give
/// [`Formula::pair`] the number 1 for c and -|s u - s w|² for the contraction, which saves a multiplication for each
/// pair. The price is a rounding of each coordinate. Where s u or s w overflows, the result is NaN, which no operation
/// of such a formula hides; then the engine has to compute the formula without scaling.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    /// The number of the contraction.
    pub contraction: usize,
    /// Where c is in [`Formula::Parameters`].
    pub factor: usize,
}

impl Scaled {
    /// The contraction of this number, with the factor in this place.
    #[must_use]
    pub const fn new(contraction: usize, factor: usize) -> Self {
        Self { contraction, factor }
    }
}

/// The prepared components of a target or a source, read by `pair` as numbers.
///
/// With lanes over targets, a source is one row of scalars, and reading a component broadcasts it to all lanes; with
/// lanes over sources, it is a row of lanes.
pub trait Row<R: Real> {
    /// Component `c`.
    fn get(&self, cx: R::Cx, c: usize) -> R;
}

impl<R: Real> Row<R> for &[R] {
    #[inline(always)]
    fn get(&self, _cx: R::Cx, c: usize) -> R {
        self[c]
    }
}

/// The receiver of the components of f for a pair. [`Formula::pair`] hands it every component exactly once, in
/// ascending order of `c`.
pub trait Sink<R: Real> {
    /// Component `c` is `value`.
    fn put(&mut self, cx: R::Cx, c: usize, value: R);
    /// Component `c` is `a` times `b`; a sum adds the product by one fused operation.
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R);
    /// Components `c..c + len` are `scale` times the source's components `from..from + len`: a wide right-hand side,
    /// which over a tile is a matrix product.
    #[inline(always)]
    fn put_scaled(&mut self, cx: R::Cx, c: usize, scale: R, row: &impl Row<R>, from: usize, len: usize) {
        for d in 0..len {
            self.put_product(cx, c + d, scale, row.get(cx, from + d));
        }
    }
    /// Components `c..c + len` are `scale` times the `len` differences of the two vectors of a squared distance: the
    /// gradient of a function of that distance, which over a tile is a matrix product too.
    #[inline(always)]
    fn put_differences(
        &mut self,
        cx: R::Cx,
        c: usize,
        scale: R,
        (i, j): (&impl Row<R>, &impl Row<R>),
        differences: Differences,
    ) {
        differences.put_each(cx, c, scale, (i, j), self);
    }
}

/// The kernels of a formula for GPUs.
#[derive(Clone, Copy, Debug)]
pub struct Cuda {
    /// The name of the formula's kernels, to which [`Self::dims`] and the element type are added: `k.._3_f32`.
    pub name: &'static str,
    /// The values of the const generics.
    pub dims: &'static [usize],
    /// The names of the entry points that were built, with the PTX module of each.
    pub modules: &'static [(&'static str, &'static str)],
    /// The entry points that were also assembled: the name, the compute capability (90 for sm_90), and the binary.
    pub cubins: &'static [(&'static str, u32, &'static [u8])],
}

/// The type of one component in storage: a number, or a tile of lanes.
pub trait Item: Copy + Send + Sync + 'static {}

impl<E: Copy + Send + Sync + 'static> Item for E {}

/// A compiled formula. The macro implements this trait for the value of a formula and for each of its derivatives.
///
/// The stages read and write slices. Their lengths are given by the associated types and by the dimensions of the
/// variables, and are constants once the code is inlined.
pub trait Formula: Send + Sync + 'static {
    /// The name of the formula, for messages.
    const NAME: &'static str;
    /// The variables, in the order of the call's arguments.
    const VARIABLES: &'static [Variable];
    /// The index of the targets; sources have the other one.
    const TARGETS: Index = Index::I;
    /// The contractions of a pair.
    const CONTRACTIONS: &'static [Contraction];
    /// A squared distance whose vectors an engine may scale, if there is one.
    const SCALED: Option<Scaled> = None;
    /// Whether [`Self::source`] copies the variables unchanged.
    const KEEPS_SOURCES: bool = false;
    /// About how many numbers the arrays inside a stage hold, on the stack; 0 where these are few.
    const LOCALS: usize = 0;
    /// The kernels for GPUs, if any were built.
    const CUDA: Option<Cuda> = None;

    /// Storage for the prepared parameters: computed once per call by the stage [`Self::parameters`], read by every
    /// later stage.
    type Parameters<E: Item>: Components<E> + Send + Sync;
    /// Storage for a prepared target row: computed once per target by the stage [`Self::target`], read by
    /// [`Self::pair`].
    type Target<E: Item>: Components<E> + Send + Sync;
    /// Storage for a prepared source row: computed once per source by the stage [`Self::source`], read by
    /// [`Self::pair`].
    type Source<E: Item>: Components<E> + Send + Sync;
    /// Storage for the contractions of a pair: as many components as [`Self::CONTRACTIONS`].
    type Contractions<E: Item>: Components<E> + Send + Sync;
    /// Storage for the components of f.
    type Output<E: Item>: Components<E> + Send + Sync;

    /// Prepares the parameters. `x` holds the variables of role `Parameter` one after another, in the order of
    /// `VARIABLES`. The default copies them, for formulas that hoist nothing to this stage.
    #[inline(always)]
    fn parameters<R: Real>(_cx: R::Cx, x: &[R], out: &mut [R]) {
        out.copy_from_slice(x);
    }
    /// Prepares a target row. `x` holds the variables of role `Target` one after another. The default copies them, for
    /// formulas that hoist nothing to this stage.
    #[inline(always)]
    fn target<R: Real>(_cx: R::Cx, _p: &[R], x: &[R], out: &mut [R]) {
        out.copy_from_slice(x);
    }
    /// Prepares a source row. `x` holds the variables of role `Source` one after another. The default copies them, for
    /// formulas that hoist nothing to this stage.
    #[inline(always)]
    fn source<R: Real>(_cx: R::Cx, _p: &[R], x: &[R], out: &mut [R]) {
        out.copy_from_slice(x);
    }
    /// Computes the components of f for one pair from the prepared parameters `p`, the prepared rows `i` and `j` and
    /// the contractions `c` of the pair, and hands them to `sink`.
    fn pair<R: Real>(cx: R::Cx, p: &[R], i: &impl Row<R>, j: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>);
}

/// How many components the variables of one role have in all.
#[must_use]
pub const fn width(variables: &[Variable], role: Role) -> usize {
    let (mut sum, mut v) = (0, 0);
    while v < variables.len() {
        if variables[v].role as u8 == role as u8 {
            sum += variables[v].dim;
        }
        v += 1;
    }
    sum
}
