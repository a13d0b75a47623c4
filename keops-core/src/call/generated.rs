//! What all calls made by the macro have in common: the type that they wrap, the traits that they implement, and the
//! `macro_rules` macro that defines them.

use std::vec::Vec;

use crate::{
    call::{Element, Plan, PlanInto},
    data::{Device, Error, Host, OnDevice, Ranges, Storage, View},
    problem::{Approximation, Pruning, Settings, Tolerance, ToleranceReport, Watch},
};

/// A call of a formula or of one of its derivatives: the arguments, ready to be evaluated.
///
/// Every function that the macro makes returns such a call, and so do the methods of a call for its derivatives
/// (`vjp_x`, `jvp_x`, `vjp`). The methods below are also inherent methods of every call; the trait is for code that is
/// generic over calls.
///
/// ```
/// use keops::{Call, prelude::*};
/// use std::time::{Duration, Instant};
///
/// keops! {
///     pub fn product(x: Vi<1>, y: Vj<1>, b: Vj<1>) -> Sum<j> { x * y * b }
///     pub fn nearest(x: Vi<1>, y: Vj<1>) -> ArgMin<j> { sqdist(x, y) }
/// }
///
/// /// The result of a call that runs on the processor, and how long it took.
/// fn timed<C: Call>(call: C) -> Result<(C::Output, Duration), Error> {
///     let start = Instant::now();
///     let output = call.device(Device::Cpu).eval()?;
///     Ok((output, start.elapsed()))
/// }
///
/// # fn main() -> Result<(), Error> {
/// let (x, y, b) = ([[1.0_f32], [2.0]], [[3.0], [4.0]], [[1.0], [2.0]]);
/// let (sums, _) = timed(product(&x, &y, &b))?;
/// assert_eq!(*sums, [[11.0], [22.0]]);
/// let (gradient, _) = timed(product(&x, &y, &b).vjp_y(&[[1.0], [1.0]]))?;
/// assert_eq!(*gradient, [[3.0], [6.0]]);
/// let (rows, _) = timed(nearest(&x, &y))?;
/// assert_eq!(*rows, [[0], [0]]);
/// # Ok(())
/// # }
/// ```
#[must_use = "a call computes nothing before `eval`"]
pub trait Call: Sized {
    /// The type of the numbers that are computed with: `f32` or `f64`.
    type Element: Element;
    /// The result of [`eval`](Call::eval): rows of values or of row numbers, both, or a struct of all gradients.
    type Output;
    /// The same rows, left on the device of the call: the result of [`eval_on_device`](Call::eval_on_device).
    type OnDevice;

    /// Restricts the call to the pairs in these ranges, in every batch; its derivatives are restricted, too.
    fn ranges(self, ranges: &Ranges) -> Self;

    /// Chooses the device that the call runs on, instead of [`Device::Auto`].
    fn device(self, device: Device) -> Self;

    /// Calls a function with the number of pairs that are done and that of all pairs, while the call runs and at its
    /// end, from any of its threads. The number of a derivative is that of all its passes; an operator, and equations,
    /// count each product anew.
    fn progress(self, callback: impl Fn(u64, u64) + Send + Sync + 'static) -> Self;

    /// Computes all pairs, also where a selection (`Min`, `ArgKMin` and their kind), `Within` or `Count` finds the same result from
    /// fewer of them by bounds of the formula on boxes of points. The results are the same; for measurements.
    fn exhaustive(self) -> Self;

    /// Computes the result.
    ///
    /// # Errors
    /// Arguments that do not fit together, or a device that cannot run the call: see [`Error`].
    fn eval(self) -> Result<Self::Output, Error>;

    /// Computes the result and leaves it where the call runs: on a CUDA device, or on the host.
    ///
    /// # Errors
    /// The errors of [`eval`](Call::eval).
    fn eval_on_device(self) -> Result<Self::OnDevice, Error>;
}

/// A call whose result is rows of values, for which the caller can provide the memory.
///
/// ```
/// use keops::{CallInto, prelude::*};
///
/// keops! { pub fn product(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y } }
///
/// /// Fills rows, and says how many they are.
/// fn filled<C: CallInto>(call: C, rows: &mut [C::Row]) -> Result<usize, Error> {
///     call.into_rows(rows)?;
///     Ok(rows.len())
/// }
///
/// # fn main() -> Result<(), Error> {
/// let mut sums = [[0.0_f64]; 2];
/// assert_eq!(filled(product(&[[1.0], [2.0]], &[[3.0], [4.0]]), &mut sums)?, 2);
/// assert_eq!(sums, [[7.0], [14.0]]);
/// # Ok(())
/// # }
/// ```
pub trait CallInto: Call {
    /// A row of the result: `[T; D]`, or one number of it where stable Rust cannot name D in a type.
    type Row;

    /// Computes the result into rows of the caller, which must be as many as the result has. Where stable Rust cannot
    /// name the type of a row, the rows are flat: one number after another.
    ///
    /// # Errors
    /// The errors of [`eval`](Call::eval), and another number of rows.
    fn into_rows(self, rows: &mut [Self::Row]) -> Result<(), Error>;
}

/// How exact a call is, as a type: [`Exact`] or [`Approximate`].
pub trait Accuracy {
    /// Adds what the call `K` needs.
    fn prepare<K: Plan>(settings: &mut Settings);

    /// The settings, with what the call `K` needs.
    #[must_use]
    fn prepared<K: Plan>(mut settings: Settings) -> Settings {
        Self::prepare::<K>(&mut settings);
        settings
    }
}

/// The accuracy of a call without a tolerance.
#[derive(Debug)]
pub struct Exact;

/// The accuracy of a call with a tolerance. What it needs is compiled for such calls only.
#[derive(Debug)]
pub struct Approximate;

impl Accuracy for Exact {
    fn prepare<K: Plan>(_: &mut Settings) {}
}

impl Accuracy for Approximate {
    fn prepare<K: Plan>(settings: &mut Settings) {
        settings.approximation.iter_mut().for_each(K::approximate);
    }
}

/// The arguments and the settings of a call: the contents of every type of calls that the macro makes.
#[derive(Clone, Debug)]
pub struct State<'a, T: Element> {
    /// The arguments, in the order of the variables.
    pub views: Vec<View<'a, T>>,
    /// The settings of the call.
    pub settings: Settings,
}

impl<'a, T: Element> State<'a, T> {
    /// The call of a derivative, which has one more argument in this place, and does not have the argument in the place
    /// `without`, on which it does not depend.
    #[must_use]
    pub fn derivative(mut self, argument: View<'a, T>, without: Option<usize>, place: usize) -> Self {
        without.map(|without| self.views.remove(without));
        self.views.insert(place, argument);
        self
    }

    /// See [`Call::ranges`].
    #[must_use]
    pub fn ranges(mut self, ranges: &Ranges) -> Self {
        self.settings.ranges = Some(ranges.clone());
        self
    }

    /// See [`Call::device`].
    #[must_use]
    pub fn device(mut self, device: Device) -> Self {
        self.settings.device = device;
        self
    }

    /// See [`Call::progress`].
    #[must_use]
    pub fn progress(mut self, callback: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.settings.watch = Some(Watch::new(callback));
        self
    }

    /// See [`Call::exhaustive`].
    #[must_use]
    pub fn exhaustive(mut self) -> Self {
        self.settings.pruning = Pruning::Never;
        self
    }

    /// Sets how far sums may be off.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Tolerance) -> Self {
        self.settings.approximation = Some(Approximation::new(tolerance));
        self
    }

    /// Runs the call over ranks.
    #[cfg(feature = "mpi")]
    #[must_use]
    pub fn over(mut self, over: crate::problem::Over) -> Self {
        self.settings.over = Some(over);
        self
    }

    /// Runs the call by the plan `K`, with the result in the storage `S`.
    ///
    /// # Errors
    /// See [`Call::eval`].
    pub fn eval<K: Plan, S: Storage, W: Accuracy>(mut self) -> Result<K::Output<T, S>, Error> {
        W::prepare::<K>(&mut self.settings);
        let settings = self.settings.of_passes(K::PASSES);
        settings.agreed(|| K::eval(&self.views, &settings))
    }

    /// Runs a call with a tolerance by the plan `K`, and says what was done for it.
    ///
    /// # Errors
    /// See [`Call::eval`].
    pub fn eval_with_report<K: Plan, S: Storage>(mut self) -> Result<(K::Output<T, S>, ToleranceReport), Error> {
        Approximate::prepare::<K>(&mut self.settings);
        let settings = self.settings.of_passes(K::PASSES);
        let output = settings.agreed(|| K::eval(&self.views, &settings))?;
        Ok((output, settings.approximation.map(|approximation| approximation.report()).unwrap_or_default()))
    }

    /// See [`CallInto::into_rows`].
    ///
    /// # Errors
    /// See [`CallInto::into_rows`].
    pub fn into_rows<K: PlanInto, W: Accuracy>(mut self, rows: &mut [K::Row<T>]) -> Result<(), Error> {
        W::prepare::<K>(&mut self.settings);
        let settings = self.settings.of_passes(K::PASSES);
        settings.agreed(|| K::eval_into(&self.views, &settings, rows))
    }
}

/// The result of `K` in memory of the host.
pub type OutputOf<K, T> = <K as Plan>::Output<T, Host>;
/// The result of `K`, left on the device that computed it.
pub type OnDeviceOf<K, T> = <K as Plan>::Output<T, OnDevice>;

/// Defines the type of the calls of a formula, with this documentation. `$settings` are the settings of a new call.
#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    ($doc:literal, $settings:expr) => {
        #[doc = $doc]
        #[must_use = "a call computes nothing before `eval`"]
        pub struct Call<'a, T: $crate::call::Element, K, W = $crate::call::Exact> {
            state: $crate::call::State<'a, T>,
            kind: ::core::marker::PhantomData<(K, W)>,
        }
        impl<'a, T: $crate::call::Element, K, W> Call<'a, T, K, W> {
            #[doc(hidden)]
            pub fn __new(views: ::std::vec::Vec<$crate::data::View<'a, T>>) -> Self {
                Self::of($crate::call::State { views, settings: $settings })
            }
            #[doc(hidden)]
            pub fn __settings(&mut self) -> &mut $crate::problem::Settings {
                &mut self.state.settings
            }
            fn of(state: $crate::call::State<'a, T>) -> Self {
                Call { state, kind: ::core::marker::PhantomData }
            }
            /// Restricts the call to the pairs in these ranges, in every batch; its derivatives are restricted, too.
            pub fn ranges(self, ranges: &$crate::data::Ranges) -> Self {
                Self::of(self.state.ranges(ranges))
            }
            /// Chooses the device that the call runs on.
            pub fn device(self, device: $crate::data::Device) -> Self {
                Self::of(self.state.device(device))
            }
            /// Calls a function with the number of pairs that are done and that of all pairs, while the call runs and
            /// at its end, from any of its threads. The number of a derivative is that of all its passes; an operator,
            /// and equations, count each product anew.
            pub fn progress(
                self,
                callback: impl ::core::ops::Fn(u64, u64) + ::core::marker::Send + ::core::marker::Sync + 'static,
            ) -> Self {
                Self::of(self.state.progress(callback))
            }
            /// Computes all pairs, also where a selection finds the same result from fewer of them.
            pub fn exhaustive(self) -> Self {
                Self::of(self.state.exhaustive())
            }
        }
        impl<'a, T: $crate::call::Element, K, W: $crate::call::Accuracy> Call<'a, T, K, W> {
            /// Sets the number of the first source, from which row numbers in results count; of row numbers of 64 bits in
            /// partial results.
            pub fn sources_from(self, start: u64) -> Self {
                Self::of(self.state.sources_from(start))
            }
            /// Computes the states of the call for its sources, which are a part of all: see
            /// [`Partial`]($crate::call::Partial).
            ///
            /// # Errors
            /// Those of `eval`, and `PartialOnlyOnCpu`.
            pub fn partial(self) -> ::core::result::Result<$crate::call::Partial<K, T>, $crate::data::Error>
            where
                K: $crate::call::InPieces,
            {
                self.state.partial::<K, W>(::core::option::Option::None)
            }
            /// Goes on from the partial result of other sources, if there is one, with those of this call. They follow the
            /// others in row numbers, if `sources_from` does not say otherwise.
            ///
            /// # Errors
            /// Those of [`partial`](Self::partial), and partial results of other targets or parameters.
            pub fn partial_after(
                self,
                before: impl ::core::convert::Into<::core::option::Option<$crate::call::Partial<K, T>>>,
            ) -> ::core::result::Result<$crate::call::Partial<K, T>, $crate::data::Error>
            where
                K: $crate::call::InPieces,
            {
                self.state.partial::<K, W>(::core::convert::Into::into(before))
            }
        }
        impl<'a, T: $crate::call::Element, K: $crate::call::Plan, W: $crate::call::Accuracy> Call<'a, T, K, W> {
            /// Computes the result.
            ///
            /// # Errors
            /// Where the arguments do not fit together, see [`Error`](__p::Error).
            pub fn eval(self) -> ::core::result::Result<$crate::call::OutputOf<K, T>, $crate::data::Error> {
                self.state.eval::<K, $crate::data::Host, W>()
            }
            /// Computes the result and leaves it where the call runs: on a CUDA device, or on the host.
            ///
            /// # Errors
            /// Where the arguments do not fit together, see [`Error`](__p::Error).
            pub fn eval_on_device(self) -> ::core::result::Result<$crate::call::OnDeviceOf<K, T>, $crate::data::Error> {
                self.state.eval::<K, $crate::data::OnDevice, W>()
            }
        }
        impl<'a, T: $crate::call::Element, K: $crate::call::PlanInto, W: $crate::call::Accuracy> Call<'a, T, K, W> {
            /// Computes the result into rows of the caller, which must be as many as the result has. Where stable Rust
            /// cannot name the type of a row, the rows are flat: one number after another.
            ///
            /// # Errors
            /// Where the arguments do not fit together, see [`Error`](__p::Error).
            pub fn into_rows(self, out: &mut [K::Row<T>]) -> ::core::result::Result<(), $crate::data::Error> {
                self.state.into_rows::<K, W>(out)
            }
        }
        impl<'a, T: $crate::call::Element, K, W> ::core::clone::Clone for Call<'a, T, K, W> {
            fn clone(&self) -> Self {
                Self::of(::core::clone::Clone::clone(&self.state))
            }
        }
        impl<'a, T: $crate::call::Element, K: $crate::call::Plan, W: $crate::call::Accuracy> $crate::call::Call
            for Call<'a, T, K, W>
        {
            type Element = T;
            type Output = $crate::call::OutputOf<K, T>;
            type OnDevice = $crate::call::OnDeviceOf<K, T>;
            fn ranges(self, ranges: &$crate::data::Ranges) -> Self {
                self.ranges(ranges)
            }
            fn device(self, device: $crate::data::Device) -> Self {
                self.device(device)
            }
            fn progress(
                self,
                callback: impl ::core::ops::Fn(u64, u64) + ::core::marker::Send + ::core::marker::Sync + 'static,
            ) -> Self {
                self.progress(callback)
            }
            fn exhaustive(self) -> Self {
                self.exhaustive()
            }
            fn eval(self) -> ::core::result::Result<Self::Output, $crate::data::Error> {
                self.eval()
            }
            fn eval_on_device(self) -> ::core::result::Result<Self::OnDevice, $crate::data::Error> {
                self.eval_on_device()
            }
        }
        impl<'a, T: $crate::call::Element, K: $crate::call::PlanInto, W: $crate::call::Accuracy> $crate::call::CallInto
            for Call<'a, T, K, W>
        {
            type Row = K::Row<T>;
            fn into_rows(self, rows: &mut [Self::Row]) -> ::core::result::Result<(), $crate::data::Error> {
                self.into_rows(rows)
            }
        }
        $crate::__over! {}
    };
}

/// Defines the methods of calls of sums for a tolerance.
#[doc(hidden)]
#[macro_export]
macro_rules! __tolerance {
    () => {
        impl<'a, T: $crate::call::Element, K, W> Call<'a, T, K, W> {
            /// Sets how far the sums may be off: by at most `tolerance` times the sum of |f|, for each row of the result, beside
            /// roundings. Far fewer than all pairs may be needed for it. See [`Tolerance`]($crate::problem::Tolerance).
            pub fn tolerance(
                self,
                tolerance: impl ::core::convert::Into<$crate::problem::Tolerance>,
            ) -> Call<'a, T, K, $crate::call::Approximate> {
                Call::of(self.state.tolerance(::core::convert::Into::into(tolerance)))
            }
        }
        impl<'a, T: $crate::call::Element, K: $crate::call::Plan> Call<'a, T, K, $crate::call::Approximate> {
            /// Computes the result, and says what was done for it.
            ///
            /// # Errors
            /// Those of `eval`.
            pub fn eval_with_report(
                self,
            ) -> ::core::result::Result<
                ($crate::call::OutputOf<K, T>, $crate::problem::ToleranceReport),
                $crate::data::Error,
            > {
                self.state.eval_with_report::<K, $crate::data::Host>()
            }
        }
    };
}

/// Defines the method that says why there is no tolerance.
#[doc(hidden)]
#[macro_export]
macro_rules! __no_tolerance {
    () => {
        impl<'a, T: $crate::call::Element, K, W> Call<'a, T, K, W> {
            #[doc(hidden)]
            pub fn tolerance<A>(self, _: A) -> Self
            where
                T: $crate::call::absent::Tolerable,
            {
                match <T as $crate::call::absent::Tolerable>::NEVER {}
            }
        }
    };
}
