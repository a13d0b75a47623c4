//! What `keops!` makes of a formula: four stages, sorted by what they depend on.
//!
//! A reduction  a_i = Reduction_j f(p, x_i, y_j)  runs over *targets* i (rows of the result) and *sources* j (what is
//! reduced over). Work that depends on the parameters, on one target or on one source only is done once, outside the
//! loop over pairs; `pair` does the rest. For a reduction over i the macro swaps the two, so that an engine only ever
//! knows targets and sources.

use crate::{components::Components, real::Real};

/// Which rows a variable has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One row for each row of the result.
    Target,
    /// One row for each term of the reduction.
    Source,
    /// One row in all.
    Parameter,
}

/// A variable of a formula.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name in the formula, for error messages.
    pub name: &'static str,
    /// Which rows it has.
    pub role: Role,
    /// Components of one row.
    pub dim: usize,
}

/// A contraction of a vector of the target with a vector of the source, both prepared by the hoisted stages.
///
/// With many components it is most of the work, and a whole tile of contractions is a matrix product: an engine may
/// compute them that way and hand the results to [`Formula::pair`], instead of calling [`Formula::contract`].
#[derive(Clone, Copy, Debug)]
pub struct Contraction {
    /// What is summed.
    pub kind: ContractionKind,
    /// Where the target's vector starts in [`Formula::I`].
    pub target: usize,
    /// Where the source's vector starts in [`Formula::J`].
    pub source: usize,
    /// How many components are summed.
    pub len: usize,
}

/// What a [`Contraction`] sums over its components d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractionKind {
    /// Σ_d u_d w_d
    Dot,
    /// Σ_d (u_d - w_d)²
    SquaredDistance,
}

/// The prepared components of one source row, read by `pair` as numbers.
///
/// With lanes over targets it is one row of scalars, splat on reading; with lanes over sources it is a row of tiles.
pub trait SourceRow<R: Real> {
    /// Component `c`.
    fn get(&self, cx: R::Cx, c: usize) -> R;
}

/// Where `pair` leaves the components of f, in ascending order of `c`, each exactly once.
pub trait Sink<R: Real> {
    /// Component `c` is `value`.
    fn put(&mut self, cx: R::Cx, c: usize, value: R);
    /// Component `c` is `a` times `b`; a sum makes one fused operation of it.
    fn put_product(&mut self, cx: R::Cx, c: usize, a: R, b: R);
    /// Components `c..c + len` are `scale` times the source's components `from..from + len`: a wide right-hand side,
    /// which over a tile is a matrix product.
    #[inline(always)]
    fn put_scaled(&mut self, cx: R::Cx, c: usize, scale: R, row: &impl SourceRow<R>, from: usize, len: usize) {
        for d in 0..len {
            self.put_product(cx, c + d, scale, row.get(cx, from + d));
        }
    }
}

/// A formula, compiled: implemented by the macro for each forward or derivative formula.
pub trait Formula: Copy + Send + Sync + 'static {
    /// Its name, for messages.
    const NAME: &'static str;
    /// Its variables, in the order of the call's arguments.
    const VARIABLES: &'static [Variable];
    /// The contractions that `contract` computes, in order.
    const CONTRACTIONS: &'static [Contraction];

    /// What is left of the parameters.
    type P<E: Copy + Send + Sync + 'static>: Components<E> + Send + Sync;
    /// What is left of a target row.
    type I<E: Copy + Send + Sync + 'static>: Components<E> + Send + Sync;
    /// What is left of a source row.
    type J<E: Copy + Send + Sync + 'static>: Components<E> + Send + Sync;
    /// The contractions of a pair.
    type C<E: Copy + Send + Sync + 'static>: Components<E> + Send + Sync;
    /// The components of f.
    type Out<E: Copy + Send + Sync + 'static>: Components<E> + Send + Sync;

    /// Prepares the parameters; `p` holds those of role `Parameter` one after another, in the order of `VARIABLES`.
    fn parameters<R: Real>(cx: R::Cx, p: &[R]) -> Self::P<R>;
    /// Prepares a target row; `x` holds the variables of role `Target` one after another.
    fn target<R: Real>(cx: R::Cx, p: &Self::P<R>, x: &[R]) -> Self::I<R>;
    /// Prepares a source row; `y` holds the variables of role `Source` one after another.
    fn source<R: Real>(cx: R::Cx, p: &Self::P<R>, y: &[R]) -> Self::J<R>;
    /// The contractions of one pair.
    fn contract<R: Real>(cx: R::Cx, i: &Self::I<R>, j: &impl SourceRow<R>) -> Self::C<R>;
    /// The rest of f for one pair.
    fn pair<R: Real>(
        cx: R::Cx,
        p: &Self::P<R>,
        i: &Self::I<R>,
        j: &impl SourceRow<R>,
        c: &Self::C<R>,
        sink: &mut impl Sink<R>,
    );
}

/// Components of all variables of one role, one after another.
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
