//! Formulas as the macro would emit them.
#![allow(clippy::needless_range_loop, reason = "emitted code counts components")]

use keops_core::{
    formula::{Chain, Contraction, Formula, Item, Row, Sink, Variable},
    number::Real,
};

/// Declares the storage of a formula.
macro_rules! storage {
    ($($name:ident = $ty:ty;)*) => { $( type $name<E: Item> = $ty; )* };
}

/// exp(-g |x - y|²) b
pub(crate) struct Gauss<const D: usize>;

impl<const D: usize> Formula for Gauss<D> {
    const NAME: &'static str = "gauss";
    const VARIABLES: &'static [Variable] =
        &[Variable::parameter("g", 1), Variable::target("x", D), Variable::source("y", D), Variable::source("b", 1)];
    const CONTRACTIONS: &'static [Contraction] = &[];
    storage! { Parameters = [E; 1]; Target = [E; D]; Source = Chain<[E; D], [E; 1]>; Contractions = [E; 0]; Output = [E; 1]; }

    #[inline(always)]
    fn parameters<R: Real>(cx: R::Cx, x: &[R], out: &mut [R]) {
        // Σ (s x - s y)² = log2(e) g |x - y|²
        out[0] = R::sqrt(cx, R::mul(cx, x[0], R::lit(cx, core::f64::consts::LOG2_E)));
    }
    #[inline(always)]
    fn target<R: Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R]) {
        for d in 0..D {
            out[d] = R::mul(cx, p[0], x[d]);
        }
    }
    #[inline(always)]
    fn source<R: Real>(cx: R::Cx, p: &[R], x: &[R], out: &mut [R]) {
        for d in 0..D {
            out[d] = R::mul(cx, p[0], x[d]);
        }
        out[D] = x[D];
    }
    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, _: &[R], i: &impl Row<R>, j: &impl Row<R>, _: &[R], sink: &mut impl Sink<R>) {
        let first = R::sub(cx, i.get(cx, 0), j.get(cx, 0));
        let mut e = R::neg_mul_add(cx, first, first, R::lit(cx, 0.0));
        for d in 1..D {
            let difference = R::sub(cx, i.get(cx, d), j.get(cx, d));
            e = R::neg_mul_add(cx, difference, difference, e);
        }
        sink.put_product(cx, 0, R::exp2(cx, e), j.get(cx, D));
    }
}

/// (x|y) y, with D components
pub(crate) struct Linear<const D: usize>;

impl<const D: usize> Formula for Linear<D> {
    const NAME: &'static str = "linear";
    const VARIABLES: &'static [Variable] = &[Variable::target("x", D), Variable::source("y", D)];
    const CONTRACTIONS: &'static [Contraction] = &[Contraction::dot(0, 0, D)];
    storage! { Parameters = [E; 0]; Target = [E; D]; Source = [E; D]; Contractions = [E; 1]; Output = [E; D]; }

    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, _: &[R], _: &impl Row<R>, j: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>) {
        sink.put_scaled(cx, 0, c[0], j, 0, D);
    }
}

/// |x - y|²
pub(crate) struct SquaredDistance<const D: usize>;

impl<const D: usize> Formula for SquaredDistance<D> {
    const NAME: &'static str = "squared_distance";
    const VARIABLES: &'static [Variable] = &[Variable::target("x", D), Variable::source("y", D)];
    const CONTRACTIONS: &'static [Contraction] = &[Contraction::squared_distance(0, 0, D)];
    storage! { Parameters = [E; 0]; Target = [E; D]; Source = [E; D]; Contractions = [E; 1]; Output = [E; 1]; }

    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, _: &[R], _: &impl Row<R>, _: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>) {
        sink.put(cx, 0, c[0]);
    }
}

/// Formulas without contractions whose rows are their variables unchanged: only `pair` is left to write.
macro_rules! plain_formula {
    ($(#[$doc:meta])* $name:ident [$p:literal, $i:literal, $j:literal => $out:literal] ($($variable:expr),*)
        |$cx:ident, $pv:ident, $iv:ident, $jv:ident, $sink:ident| $pair:block) => {
        $(#[$doc])*
                pub(crate) struct $name;

        impl Formula for $name {
            const NAME: &'static str = stringify!($name);
            const VARIABLES: &'static [Variable] = &[$($variable),*];
            const CONTRACTIONS: &'static [Contraction] = &[];
            storage! { Parameters = [E; $p]; Target = [E; $i]; Source = [E; $j]; Contractions = [E; 0]; Output = [E; $out]; }

            #[inline(always)]
            fn pair<R: Real>(
                $cx: R::Cx,
                $pv: &[R],
                $iv: &impl Row<R>,
                $jv: &impl Row<R>,
                _: &[R],
                $sink: &mut impl Sink<R>,
            ) $pair
        }
    };
}

plain_formula! {
    /// p v²: no targets
    NoTargets[1, 0, 1 => 1] (Variable::parameter("p", 1), Variable::source("v", 1))
    |cx, p, _i, j, sink| {
        let v = j.get(cx, 0);
        sink.put_product(cx, 0, R::mul(cx, v, v), p[0]);
    }
}

plain_formula! {
    /// u³: no sources
    NoSources[0, 1, 0 => 1] (Variable::target("u", 1))
    |cx, _p, i, _j, sink| {
        sink.put_product(cx, 0, R::mul(cx, i.get(cx, 0), i.get(cx, 0)), i.get(cx, 0));
    }
}

plain_formula! {
    /// (log2(e) u v, w_0, w_1 v): an exponent and two weights
    Weighted[0, 1, 3 => 3] (Variable::target("u", 1), Variable::source("v", 1), Variable::source("w", 2))
    |cx, _p, i, j, sink| {
        let v = j.get(cx, 0);
        let scale = R::lit(cx, core::f64::consts::LOG2_E);
        sink.put_product(cx, 0, R::mul(cx, scale, i.get(cx, 0)), v);
        sink.put(cx, 1, j.get(cx, 1));
        sink.put_product(cx, 2, j.get(cx, 2), v);
    }
}

plain_formula! {
    /// (log2(e) (u + v), w_0 (v + 1), .., w_19 (v + 1)): longer than what stays in registers
    Wide[0, 1, 21 => 21] (Variable::target("u", 1), Variable::source("v", 1), Variable::source("w", 20))
    |cx, _p, i, j, sink| {
        let v = j.get(cx, 0);
        sink.put_product(cx, 0, R::lit(cx, core::f64::consts::LOG2_E), R::add(cx, i.get(cx, 0), v));
        let weight = R::add(cx, v, R::lit(cx, 1.0));
        sink.put_scaled(cx, 1, weight, j, 1, 20);
    }
}

plain_formula! {
    /// log2(e) (u + v): an exponent by itself
    Exponent[0, 1, 1 => 1] (Variable::target("u", 1), Variable::source("v", 1))
    |cx, _p, i, j, sink| {
        sink.put(cx, 0, R::mul(cx, R::lit(cx, core::f64::consts::LOG2_E), R::add(cx, i.get(cx, 0), j.get(cx, 0))));
    }
}

plain_formula! {
    /// (u + v, u - v): values that a test chooses
    Values[0, 1, 1 => 2] (Variable::target("u", 1), Variable::source("v", 1))
    |cx, _p, i, j, sink| {
        let v = j.get(cx, 0);
        sink.put(cx, 0, R::add(cx, i.get(cx, 0), v));
        sink.put(cx, 1, R::sub(cx, i.get(cx, 0), v));
    }
}

/// a |x - y|² (u|v), with other numbers before the vectors
pub(crate) struct TwoContractions;

impl Formula for TwoContractions {
    const NAME: &'static str = "two contractions";
    const VARIABLES: &'static [Variable] = &[
        Variable::target("a", 1),
        Variable::target("x", 30),
        Variable::target("u", 21),
        Variable::source("y", 30),
        Variable::source("v", 21),
    ];
    const CONTRACTIONS: &'static [Contraction] =
        &[Contraction::squared_distance(1, 0, 30), Contraction::dot(31, 30, 21)];
    storage! { Parameters = [E; 0]; Target = [E; 52]; Source = [E; 51]; Contractions = [E; 2]; Output = [E; 1]; }

    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, _: &[R], i: &impl Row<R>, _: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>) {
        sink.put_product(cx, 0, R::mul(cx, i.get(cx, 0), c[0]), c[1]);
    }
}

/// (x|y) + (u|v) + |u - v|², where u and v have no components
pub(crate) struct EmptyContractions;

impl Formula for EmptyContractions {
    const NAME: &'static str = "empty contractions";
    const VARIABLES: &'static [Variable] = &[Variable::target("x", 16), Variable::source("y", 16)];
    const CONTRACTIONS: &'static [Contraction] =
        &[Contraction::dot(0, 0, 16), Contraction::dot(16, 16, 0), Contraction::squared_distance(16, 16, 0)];
    storage! { Parameters = [E; 0]; Target = [E; 16]; Source = [E; 16]; Contractions = [E; 3]; Output = [E; 1]; }

    #[inline(always)]
    fn pair<R: Real>(cx: R::Cx, _: &[R], _: &impl Row<R>, _: &impl Row<R>, c: &[R], sink: &mut impl Sink<R>) {
        sink.put(cx, 0, R::add(cx, R::add(cx, c[0], c[1]), c[2]));
    }
}
