//! Reductions that treat each component of f alike, and apart from the others.
//!
//! Such a reduction keeps a few numbers for each component, and [`Componentwise`] says what a term does to them. This
//! module adds what is the same for all: the loops over components, and how their numbers lie in memory, which is the
//! first number of every component, then the second number of every component, and so on.

use super::{Reduction, Selecting, Selects, components};
use crate::{
    formula::{Components, Formula, Grid},
    number::{Packed, Scalar},
};

/// A reduction, described for one component of f.
///
/// The state and the run of a component are arrays of numbers, whose lengths are the types [`Self::State`] and
/// [`Self::Run`]: `Array<Numbers<2>, R>` is `[R; 2]`.
pub trait Componentwise: Copy + Send + Sync + 'static {
    /// How many numbers the state of a component has.
    type State: Count;
    /// How many numbers the run of a component has.
    type Run: Count;
    /// See [`Reduction::HANDS_NAN_ON`].
    const HANDS_NAN_ON: bool = false;
    /// See [`Reduction::SUMS`].
    const SUMS: bool = false;
    /// See [`Reduction::COMPARES`].
    const COMPARES: bool = false;
    /// See [`Reduction::SELECTS`].
    const SELECTS: Option<Selects> = None;
    /// See [`Reduction::BUNDLES`].
    const BUNDLES: bool = false;
    /// See [`Reduction::ADDS`].
    const ADDS: bool = false;
    /// See [`Reduction::REGISTERS`].
    const REGISTERS: usize = 0;
    /// See [`Reduction::REGISTERS_PER_COMPONENT`].
    const REGISTERS_PER_COMPONENT: usize = Self::Run::COUNT;
    /// How many values of the result row a component has.
    const VALUES: usize = 1;

    /// See [`Reduction::if_selecting`].
    #[inline(always)]
    fn if_selecting<O>(_selecting: impl Selecting<Output = O>) -> Option<O> {
        None
    }
    /// The state of a component that has seen no term.
    fn init<R: Packed>(cx: R::Cx) -> Array<Self::State, R>;
    /// The run that begins with this state.
    fn begin<R: Packed>(cx: R::Cx, state: Array<Self::State, R>) -> Array<Self::Run, R>;
    /// Takes a term.
    fn push<R: Packed>(cx: R::Cx, run: Array<Self::Run, &mut R>, value: R);
    /// Takes the term a b.
    #[inline(always)]
    fn push_product<R: Packed>(cx: R::Cx, run: Array<Self::Run, &mut R>, (a, b): (R, R)) {
        Self::push(cx, run, R::mul(cx, a, b));
    }
    /// The state after a run that began with `state`.
    fn flush<R: Packed>(cx: R::Cx, state: Array<Self::State, R>, run: Array<Self::Run, R>) -> Array<Self::State, R>;
    /// The state of all terms, from the states of two parts of them.
    fn merge<T: Scalar>(state: Array<Self::State, T>, other: Array<Self::State, T>) -> Array<Self::State, T>;
    /// Value `number` of the result, below [`Self::VALUES`].
    fn finish<T: Scalar>(state: Array<Self::State, T>, number: usize) -> T;
}

/// An array with as many elements as `C` counts.
pub type Array<C, E> = <C as Count>::Array<E>;

/// `N` numbers for each component.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<const N: usize>;

/// How many numbers there are for each component, and where they lie among the numbers of all components.
pub trait Count {
    /// How many numbers a component has.
    const COUNT: usize;
    /// `[E; COUNT]`
    type Array<E>;
    /// `COUNT` times `A`, the components of one number.
    type Rows<E: Copy, A: Components<E>>: Components<E>;

    /// Rows in which every component has these numbers.
    fn splat<E: Copy, A: Components<E>>(numbers: Self::Array<E>) -> Self::Rows<E, A>;
    /// The numbers of component `c`.
    fn get<E: Copy, A: Components<E>>(rows: &Self::Rows<E, A>, c: usize) -> Self::Array<E>;
    /// The numbers of component `c`, to be written.
    fn get_mut<E: Copy, A: Components<E>>(rows: &mut Self::Rows<E, A>, c: usize) -> Self::Array<&mut E>;
    /// Replaces the numbers of component `c`.
    fn set<E: Copy, A: Components<E>>(rows: &mut Self::Rows<E, A>, c: usize, numbers: Self::Array<E>);
    /// The numbers of component `c`, where `rows` has `components` components.
    fn get_in<E: Copy>(rows: &[E], components: usize, c: usize) -> Self::Array<E>;
    /// Replaces the numbers of component `c`, where `rows` has `components` components.
    fn set_in<E: Copy>(rows: &mut [E], components: usize, c: usize, numbers: Self::Array<E>);
}

/// The components themselves, since an array of one would be a second copy of a long run in the memory of a thread.
impl Count for Numbers<1> {
    const COUNT: usize = 1;
    type Array<E> = [E; 1];
    type Rows<E: Copy, A: Components<E>> = A;

    #[inline(always)]
    fn splat<E: Copy, A: Components<E>>([number]: [E; 1]) -> A {
        A::splat(number)
    }

    #[inline(always)]
    fn get<E: Copy, A: Components<E>>(row: &A, c: usize) -> [E; 1] {
        [row.as_slice()[c]]
    }

    #[inline(always)]
    fn get_mut<E: Copy, A: Components<E>>(row: &mut A, c: usize) -> [&mut E; 1] {
        [&mut row.as_mut_slice()[c]]
    }

    #[inline(always)]
    fn set<E: Copy, A: Components<E>>(row: &mut A, c: usize, [number]: [E; 1]) {
        row.as_mut_slice()[c] = number;
    }

    #[inline(always)]
    fn get_in<E: Copy>(row: &[E], _components: usize, c: usize) -> [E; 1] {
        [row[c]]
    }

    #[inline(always)]
    fn set_in<E: Copy>(row: &mut [E], _components: usize, c: usize, [number]: [E; 1]) {
        row[c] = number;
    }
}

/// Implements [`Count`] number by number: with a loop over an array of references, a run would not stay in registers.
macro_rules! numbers {
    ($($count:literal: $($row:ident $new:ident $k:literal),*;)*) => {$(
        #[allow(unused_variables, reason = "0 numbers need no arguments")]
        impl Count for Numbers<$count> {
            const COUNT: usize = $count;
            type Array<E> = [E; $count];
            type Rows<E: Copy, A: Components<E>> = Grid<A, $count>;

            #[inline(always)]
            fn splat<E: Copy, A: Components<E>>([$($new),*]: [E; $count]) -> Grid<A, $count> {
                Grid([$(A::splat($new)),*])
            }

            #[inline(always)]
            fn get<E: Copy, A: Components<E>>(rows: &Grid<A, $count>, c: usize) -> [E; $count] {
                let Grid([$($row),*]) = rows;
                [$($row.as_slice()[c]),*]
            }

            #[inline(always)]
            fn get_mut<E: Copy, A: Components<E>>(rows: &mut Grid<A, $count>, c: usize) -> [&mut E; $count] {
                let Grid([$($row),*]) = rows;
                [$(&mut $row.as_mut_slice()[c]),*]
            }

            #[inline(always)]
            fn set<E: Copy, A: Components<E>>(rows: &mut Grid<A, $count>, c: usize, [$($new),*]: [E; $count]) {
                let Grid([$($row),*]) = rows;
                $($row.as_mut_slice()[c] = $new;)*
            }

            #[inline(always)]
            fn get_in<E: Copy>(rows: &[E], components: usize, c: usize) -> [E; $count] {
                [$(rows[$k * components + c]),*]
            }

            #[inline(always)]
            fn set_in<E: Copy>(rows: &mut [E], components: usize, c: usize, [$($new),*]: [E; $count]) {
                $(rows[$k * components + c] = $new;)*
            }
        }
    )*};
}

numbers! {
    0: ;
    2: row_0 new_0 0, row_1 new_1 1;
    3: row_0 new_0 0, row_1 new_1 1, row_2 new_2 2;
    4: row_0 new_0 0, row_1 new_1 1, row_2 new_2 2, row_3 new_3 3;
}

impl<C: Componentwise> Reduction for C {
    type State<F: Formula, R: Packed> = <C::State as Count>::Rows<R, F::Output<R>>;
    type Run<F: Formula, R: Packed> = <C::Run as Count>::Rows<R, F::Output<R>>;
    type Kept<R: Packed> = ();
    const HANDS_NAN_ON: bool = <C as Componentwise>::HANDS_NAN_ON;
    const SUMS: bool = <C as Componentwise>::SUMS;
    const COMPARES: bool = <C as Componentwise>::COMPARES;
    const SELECTS: Option<Selects> = <C as Componentwise>::SELECTS;
    const BUNDLES: bool = <C as Componentwise>::BUNDLES;
    const ADDS: bool = <C as Componentwise>::ADDS;
    const REGISTERS: usize = <C as Componentwise>::REGISTERS;
    const REGISTERS_PER_COMPONENT: usize = <C as Componentwise>::REGISTERS_PER_COMPONENT;

    #[inline(always)]
    fn if_selecting<O>(selecting: impl Selecting<Output = O>) -> Option<O> {
        <C as Componentwise>::if_selecting(selecting)
    }

    #[inline(always)]
    fn init<F: Formula, R: Packed>(cx: R::Cx) -> <C::State as Count>::Rows<R, F::Output<R>> {
        C::State::splat(<C as Componentwise>::init(cx))
    }

    #[inline(always)]
    fn begin<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &<C::State as Count>::Rows<R, F::Output<R>>,
    ) -> <C::Run as Count>::Rows<R, F::Output<R>> {
        let mut run = <C::Run as Count>::Rows::<R, F::Output<R>>::splat(R::lit(cx, 0.0));
        let mut c = 0;
        while c < components::<F>() {
            let state = C::State::get::<R, F::Output<R>>(state, c);
            C::Run::set::<R, F::Output<R>>(&mut run, c, <C as Componentwise>::begin(cx, state));
            c += 1;
        }
        run
    }

    #[inline(always)]
    fn keep<R: Packed>(_cx: R::Cx) {}

    #[inline(always)]
    fn push<F: Formula, R: Packed>(
        cx: R::Cx,
        _state: &mut <C::State as Count>::Rows<R, F::Output<R>>,
        run: &mut <C::Run as Count>::Rows<R, F::Output<R>>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        value: R,
    ) {
        <C as Componentwise>::push(cx, C::Run::get_mut::<R, F::Output<R>>(run, c), value);
    }

    #[inline(always)]
    fn push_product<F: Formula, R: Packed>(
        cx: R::Cx,
        _state: &mut <C::State as Count>::Rows<R, F::Output<R>>,
        run: &mut <C::Run as Count>::Rows<R, F::Output<R>>,
        _kept: &mut (),
        _index: R::Index,
        c: usize,
        product: (R, R),
    ) {
        <C as Componentwise>::push_product(cx, C::Run::get_mut::<R, F::Output<R>>(run, c), product);
    }

    #[inline(always)]
    fn flush<F: Formula, R: Packed>(
        cx: R::Cx,
        state: &mut <C::State as Count>::Rows<R, F::Output<R>>,
        run: &<C::Run as Count>::Rows<R, F::Output<R>>,
    ) {
        let mut c = 0;
        while c < components::<F>() {
            let before = C::State::get::<R, F::Output<R>>(state, c);
            let after = <C as Componentwise>::flush(cx, before, C::Run::get::<R, F::Output<R>>(run, c));
            C::State::set::<R, F::Output<R>>(state, c, after);
            c += 1;
        }
    }

    fn merge<T: Scalar>(components: usize, state: &mut [T], other: &[T]) {
        for c in 0..components {
            let (mine, theirs) = (C::State::get_in(state, components, c), C::State::get_in(other, components, c));
            C::State::set_in(state, components, c, <C as Componentwise>::merge(mine, theirs));
        }
    }

    fn values(components: usize) -> usize {
        C::VALUES * components
    }

    fn finish<T: Scalar>(components: usize, state: &[T], values: &mut [T], _indices: &mut [u32]) {
        for (k, value) in values.iter_mut().enumerate() {
            let (number, c) = (k / components, k % components);
            *value = <C as Componentwise>::finish(C::State::get_in(state, components, c), number);
        }
    }
}
