//! Bundles, for long rows of f: the pairs of several sources as one number.
//!
//! A row of f that is too long for registers is summed in local memory. A thread therefore computes the pairs of its `Q`
//! targets with a bundle of sources in step, as one number of `B` pairs: a component of the targets is read once for all
//! sources, and a component of the sum is read and written once. Pair g `Q` + q is that of source g and target q.

use keops_core::{
    formula::{Components, Formula, Row, Sink},
    number::{Packed, Real},
    reduction::Reduction,
};

use crate::{rows::Rows, shared::Shared};

/// The numbers of the targets, repeated for each source of the bundle.
#[inline(always)]
fn repeat<N: Copy, const Q: usize, const B: usize>(targets: Rows<N, Q>) -> Rows<N, B> {
    let mut pairs = [targets.0[0]; B];
    let mut b = 0;
    while b < B {
        pairs[b] = targets.0[b % Q];
        b += 1;
    }
    Rows(pairs)
}

/// The pairs of one source; the first of them is pair `b`.
#[inline(always)]
fn part<N: Copy, const Q: usize, const B: usize>(pairs: Rows<N, B>, b: usize) -> Rows<N, Q> {
    let mut targets = [pairs.0[b]; Q];
    let mut q = 0;
    while q < Q {
        targets[q] = pairs.0[b + q];
        q += 1;
    }
    Rows(targets)
}

/// The parameters, repeated for every pair of the bundle.
#[inline(always)]
pub(crate) fn parameters<N, F, const Q: usize, const B: usize>(from: &[Rows<N, Q>]) -> F::Parameters<Rows<N, B>>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    F: Formula,
{
    let mut parameters = F::Parameters::<Rows<N, B>>::splat(Rows::lit((), 0.0));
    for (to, &from) in parameters.as_mut_slice().iter_mut().zip(from) {
        *to = repeat(from);
    }
    parameters
}

/// The contractions of all pairs of the bundle, from the contractions of each source.
#[inline(always)]
pub(crate) fn contractions<N, F, const Q: usize, const B: usize>(
    from: &[F::Contractions<Rows<N, Q>>],
) -> F::Contractions<Rows<N, B>>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    F: Formula,
{
    let mut contractions = F::Contractions::<Rows<N, B>>::splat(Rows::lit((), 0.0));
    let to = contractions.as_mut_slice();
    let mut b = 0;
    while b < B {
        let from = from[b / Q].as_slice();
        let mut k = 0;
        while k < from.len() {
            to[k].0[b] = from[k].0[b % Q];
            k += 1;
        }
        b += 1;
    }
    contractions
}

/// The targets as a row of the bundle: each number is repeated for all sources.
pub(crate) struct BundleTargets<'a, N, const Q: usize>(pub(crate) &'a [Rows<N, Q>]);

impl<N, const Q: usize, const B: usize> Row<Rows<N, B>> for BundleTargets<'_, N, Q>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
{
    #[inline(always)]
    fn get(&self, _: (), c: usize) -> Rows<N, B> {
        repeat(self.0[c])
    }
}

/// The sources in shared memory as a row of the bundle: each number is repeated for all `Q` targets.
pub(crate) struct BundleSources<const Q: usize> {
    address: u32,
    stride: u32,
}

impl<const Q: usize> BundleSources<Q> {
    /// The sources from an address on.
    ///
    /// # Safety
    /// As many prepared sources as a bundle has must be at the address, `stride` bytes apart, for as long as the value is used.
    #[inline(always)]
    pub(crate) unsafe fn new(address: u32, stride: u32) -> Self {
        Self { address, stride }
    }
}

impl<N, const Q: usize, const B: usize> Row<Rows<N, B>> for BundleSources<Q>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    N::Scalar: Shared,
{
    #[inline(always)]
    fn get(&self, cx: (), c: usize) -> Rows<N, B> {
        let mut pairs = [N::lit(cx, 0.0); B];
        let mut b = 0;
        while b < B {
            let address = self.address + (b / Q) as u32 * self.stride + (c * size_of::<N::Scalar>()) as u32;
            // SAFETY: a component of one of the sources, by the contract of `new`.
            let number = N::splat(cx, unsafe { N::Scalar::read(address) });
            let mut q = 0;
            while q < Q {
                pairs[b + q] = number;
                q += 1;
            }
            b += Q;
        }
        Rows(pairs)
    }
}

/// A sink that hands the components of a bundle's pairs to a reduction which takes bundles ([`Reduction::BUNDLES`]).
pub(crate) struct Take<'a, N, F, Red, const Q: usize, const B: usize>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    F: Formula,
    Red: Reduction,
{
    state: &'a mut Red::State<F, Rows<N, Q>>,
    run: &'a mut Red::Run<F, Rows<N, Q>>,
    /// What component 0 leaves for each source, at the number of its first pair.
    kept: [Red::Kept<Rows<N, Q>>; B],
    /// The row number of the first source of the bundle.
    first: u32,
}

impl<'a, N, F, Red, const Q: usize, const B: usize> Take<'a, N, F, Red, Q, B>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    F: Formula,
    Red: Reduction,
{
    #[inline(always)]
    pub(crate) fn new(
        state: &'a mut Red::State<F, Rows<N, Q>>,
        run: &'a mut Red::Run<F, Rows<N, Q>>,
        first: u32,
    ) -> Self {
        Self { state, run, kept: [Red::keep(()); B], first }
    }

    #[inline(always)]
    fn lead(&mut self, value: Rows<N, B>) {
        let mut largest = part(value, 0);
        let mut b = Q;
        while b < B {
            largest = Rows::max((), largest, part(value, b));
            b += Q;
        }
        Red::lead::<F, Rows<N, Q>>((), self.run, largest);
    }
}

impl<N, F, Red, const Q: usize, const B: usize> Sink<Rows<N, B>> for Take<'_, N, F, Red, Q, B>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    F: Formula,
    Red: Reduction,
{
    #[inline(always)]
    fn put(&mut self, cx: (), c: usize, value: Rows<N, B>) {
        if c == 0 {
            self.lead(value);
        }
        let mut b = 0;
        while b < B {
            let (kept, index) = (&mut self.kept[b], [self.first + (b / Q) as u32; Q]);
            Red::push::<F, Rows<N, Q>>(cx, self.state, self.run, kept, index, c, part(value, b));
            b += Q;
        }
    }
    #[inline(always)]
    fn put_product(&mut self, cx: (), c: usize, x: Rows<N, B>, y: Rows<N, B>) {
        if c == 0 {
            self.lead(Rows::mul(cx, x, y));
        }
        let mut b = 0;
        while b < B {
            let (kept, index) = (&mut self.kept[b], [self.first + (b / Q) as u32; Q]);
            let factors = (part(x, b), part(y, b));
            Red::push_product::<F, Rows<N, Q>>(cx, self.state, self.run, kept, index, c, factors);
            b += Q;
        }
    }
}
