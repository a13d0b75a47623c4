//! Long targets and long rows of f: the main kernel in groups of sources.
//!
//! A prepared target of more numbers than registers is in local memory, which the hardware interleaves, so that the threads of a
//! warp read one component together. Read again for every pair, it would be most of the work. A thread therefore takes `S`
//! sources at a time, and reads its targets once for all of them. A row of f that is too long for registers is summed in local
//! memory, too: it is read and written once for the sources of a bundle, which are `B / Q` of the group (see the module
//! `bundle`). The rest of the kernel is that of the module `pairs`; in the place of its loop over pairs stands, for each thread:
//!
//! ```text
//! for group in tile, by S sources:
//!   for each contraction k:
//!     sums[S][Q] = 0                                       registers: 192 bytes at most
//!     for each chunk of components d, of 16 bytes of a source:
//!       u[Q]      = components d of the Q targets          local memory, once for all sources
//!       for s in group:
//!         w       = components d of source s               shared memory: one broadcast, once for all targets
//!         sums[s] = sums[s] + u w, or + (u - w)²           one component of the chunk after another
//!     c[S][k]     = sums                                   local memory
//!   for each bundle of B / Q sources of the group:         if B > Q
//!     F::pair(parameters, target, sources, c) -> Take      each component of f for all sources of the bundle, in order
//!   for s in the sources that are left, in order:          all of them if B = Q
//!     F::pair(parameters, target, source s, c[s]) -> Red::push
//! ```
//!
//! - *The order of sums* is that of a loop over pairs. A contraction is one chain of operations over its components. A component of
//!   a row of f takes its terms in the order of the sources: a bundle hands them on one after another.
//! - *Chunks.* Where the vector of a source does not begin at a multiple of 16 bytes, the components before the first such multiple
//!   are read one by one, and so are those after the last whole chunk.
//! - *The last group* of a tile is filled up with the last source, which is contracted again, and whose pairs are not taken.
//! - *Filling a tile.* Sources that need no preparation (`KEEPS_SOURCES`) are copied by all threads together, a component each;
//!   others are prepared by one thread each.
//! - *Apart.* The functions that prepare a row, and the one that writes a result, are not inlined: the stacks of their
//!   arrays then share the same local memory.

use core::{hint, mem::MaybeUninit, slice};

use keops_core::{
    formula::{Components, Contraction, ContractionKind, Formula, Role},
    launch::{MOST_CONTRACTIONS, MOST_GROUP_SOURCES, THREADS, source_stride},
    number::{Packed, Real, Scalar},
    reduction::{Push, Reduction},
};

use crate::{
    bundle::{self, BundleSources, BundleTargets, Take},
    pairs::{self, Arguments, StoredSource, gather, prepare},
    rows::{Number, Rows},
    shared::Shared,
    thread,
};

/// Room for the components of a row, at a multiple of 16 bytes: where it is in local memory, they are read by 16 bytes.
#[repr(C, align(16))]
pub(crate) struct Aligned<A>(MaybeUninit<A>);

impl<A> Aligned<A> {
    /// Room whose components are not written yet.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Writes `value` to every component, in place, and returns them: a long row that is moved would be on the stack twice.
    #[inline(always)]
    pub(crate) fn splat<E: Copy>(&mut self, value: E) -> &mut [E]
    where
        A: Components<E>,
    {
        let start = self.0.as_mut_ptr().cast::<E>();
        let mut c = 0;
        while c < A::LEN {
            // SAFETY: by the contract of `Components` there is room for LEN values of E.
            unsafe { start.add(c).write(value) };
            c += 1;
        }
        // SAFETY: all components have been written; `&mut self` makes the access exclusive.
        unsafe { slice::from_raw_parts_mut(start, A::LEN) }
    }
}

/// A tile: consecutive sources, prepared in shared memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile {
    /// The address of the first source in shared memory.
    pub(crate) address: u32,
    /// The row number of the first source.
    pub(crate) first: u32,
    /// The number of sources.
    pub(crate) count: u32,
}

/// Prepares a target, and writes it to number `q` of each component of `to`.
///
/// # Safety
/// The target must exist.
#[inline(never)]
pub(crate) unsafe fn target<N, F, const Q: usize, const WI: usize>(
    data: *const *const N::Scalar,
    target: u32,
    parameters: &[N],
    to: &mut [Rows<N, Q>],
    q: usize,
) where
    N: Packed<Cx = ()>,
    F: Formula,
{
    let zero = N::lit((), 0.0);
    let mut raw = [zero; WI];
    // SAFETY: the contract of this function.
    unsafe { gather::<N::Scalar, F>(data, Role::Target, target, |c, x| raw[c] = N::splat((), x)) };
    let mut prepared = Aligned::<F::Target<N>>::new();
    let prepared = prepared.splat(zero);
    F::target((), parameters, &raw, prepared);
    for (to, &number) in to.iter_mut().zip(prepared.iter()) {
        to.0[q] = number;
    }
}

/// Does what [`prepare`] does, as a function of its own.
///
/// # Safety
/// As for [`prepare`].
#[inline(never)]
pub(crate) unsafe fn source<N, F, const WJ: usize>(
    data: *const *const N::Scalar,
    source: u32,
    parameters: &[N],
    address: u32,
) where
    N: Packed<Cx = ()>,
    N::Scalar: Shared,
    F: Formula,
{
    // SAFETY: the contract of this function.
    unsafe { prepare::<N, F, WJ>(data, source, parameters, None, address) };
}

/// Copies sources that need no preparation to a tile, and fills the tile up to `stored` rows with its last source. All threads
/// share the components of each source, so that neighbouring threads read neighbouring numbers.
///
/// # Safety
/// The sources must exist, and shared memory have room for `stored` of them; nothing else may touch the tile until the next
/// barrier.
#[inline(never)]
pub(crate) unsafe fn copy<T: Scalar + Shared, F: Formula>(data: *const *const T, tile: Tile, stored: u32) {
    let place = |row: u32, c: u32| {
        tile.address + (row * const { source_stride::<T, F>() as u32 } + c) * const { size_of::<T>() as u32 }
    };
    let (mut at, mut v) = (0, 0);
    while v < F::VARIABLES.len() {
        let variable = &F::VARIABLES[v];
        if variable.role as u8 == Role::Source as u8 {
            let dim = variable.dim as u32;
            let mut number = thread::thread_idx_x();
            while number < stored * dim {
                thread::not_unrolled();
                let (row, c) = (number / dim, number % dim);
                let source = (tile.first + row.min(tile.count - 1)) as usize;
                // SAFETY: there is a pointer for each variable, and the row exists; the place is this thread's alone.
                unsafe { (*(*data.add(v)).add(source * variable.dim + c as usize)).write(place(row, at + c)) };
                number += THREADS as u32;
            }
            at += dim;
        }
        v += 1;
    }
    // padded to the next row with zeros, since short rows are read by 16 bytes
    let mut row = thread::thread_idx_x();
    while row < stored {
        thread::not_unrolled();
        let mut c = at;
        while c < const { source_stride::<T, F>() as u32 } {
            // SAFETY: as above.
            unsafe { T::of_f64(0.0).write(place(row, c)) };
            c += 1;
        }
        row += THREADS as u32;
    }
}

/// Does what [`pairs::leave`] does, as a function of its own.
///
/// # Safety
/// As for [`pairs::leave`].
#[inline(never)]
pub(crate) unsafe fn leave<N, F, Red, const Q: usize>(
    arguments: &Arguments<N::Scalar>,
    target: u32,
    part: u32,
    state: &[Rows<N, Q>],
    q: usize,
) where
    N: Number,
    F: Formula,
    Red: Reduction,
{
    // SAFETY: the contract of this function.
    unsafe { pairs::leave::<N, F, Red, Q>(arguments, target, part, state, q) };
}

/// Takes all pairs of a thread's targets with a tile, as the pseudo code of the module says.
///
/// # Safety
/// The sources of the tile must be stored in shared memory, filled up to a multiple of `S`.
#[inline(always)]
pub(crate) unsafe fn take<N, F, Red, const Q: usize, const S: usize, const B: usize>(
    tile: Tile,
    parameters: &[Rows<N, Q>],
    target: &[Rows<N, Q>],
    state: &mut Red::State<F, Rows<N, Q>>,
    run: &mut Red::Run<F, Rows<N, Q>>,
) where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    N::Scalar: Shared,
    F: Formula,
    Red: Reduction,
{
    let mut group = 0;
    while group < tile.count {
        let address = tile.address + group * stride::<N, F>();
        let mut contractions = [F::Contractions::<Rows<N, Q>>::splat(Rows::lit((), 0.0)); S];
        // A kernel that takes no groups has these constants, too, and its formula may have more contractions.
        const { assert!(S == 1 || F::CONTRACTIONS.len() <= MOST_CONTRACTIONS) };
        const { assert!(S == 1 || Red::BUNDLES || B == Q, "one source after another") };
        // Written out, so that offsets and kinds are constants.
        // SAFETY: the contract of this function.
        unsafe {
            contract::<N, F, 0, Q, S>(address, target, &mut contractions);
            contract::<N, F, 1, Q, S>(address, target, &mut contractions);
            contract::<N, F, 2, Q, S>(address, target, &mut contractions);
            contract::<N, F, 3, Q, S>(address, target, &mut contractions);
        }
        let end = (tile.count - group).min(S as u32);
        let mut s = 0;
        if B > Q {
            let parameters = bundle::parameters::<N, F, Q, B>(parameters);
            while s + (B / Q) as u32 <= end {
                // SAFETY: the contract of this function.
                let sources = unsafe { BundleSources::<Q>::new(address + s * stride::<N, F>(), stride::<N, F>()) };
                let c = bundle::contractions::<N, F, Q, B>(&contractions[s as usize..]);
                let mut take = Take::<N, F, Red, Q, B>::new(state, run, tile.first + group + s);
                F::pair((), parameters.as_slice(), &BundleTargets(target), &sources, c.as_slice(), &mut take);
                s += (B / Q) as u32;
            }
        }
        while s < end {
            // a source costs a few instructions here, and hundreds for its contractions
            thread::not_unrolled();
            // SAFETY: the contract of this function.
            let stored = unsafe { StoredSource::<N::Scalar, F>::new(address + s * stride::<N, F>()) };
            let index = <Rows<N, Q> as Packed>::index_splat((), tile.first + group + s);
            let mut push = Push::<F, Rows<N, Q>, Red>::new((), state, run, index);
            F::pair((), parameters, &read_again(target), &stored, contractions[s as usize].as_slice(), &mut push);
            s += 1;
        }
        group += S as u32;
    }
}

/// The same targets, at an address that the compiler does not know. Otherwise it would keep all components that pairs read in
/// registers, and spill them.
#[inline(always)]
fn read_again<A>(target: &[A]) -> &[A] {
    let offset = hint::black_box(0_usize) * 16;
    // SAFETY: the offset is 0; as a multiple of 16 it leaves the alignment known.
    unsafe { slice::from_raw_parts(target.as_ptr().byte_add(offset), target.len()) }
}

/// Bytes from one prepared source to the next.
#[inline(always)]
const fn stride<N: Packed, F: Formula>() -> u32 {
    (source_stride::<N::Scalar, F>() * size_of::<N::Scalar>()) as u32
}

/// Repeats a statement for each number below the constant `$end`, with the number as a constant. In a loop LLVM would keep the
/// arrays that the number indexes in memory.
macro_rules! written_out {
    ($number:ident < $end:expr; $($value:literal)* => $body:expr) => {$(
        if $value < $end {
            const $number: usize = $value;
            $body;
        }
    )*};
}

/// Computes contraction `K`, if the formula has so many contractions, of a thread's targets with `S` sources, of which the first
/// is at `address`.
///
/// # Safety
/// `S` prepared sources must be at the address.
#[inline(always)]
unsafe fn contract<N, F, const K: usize, const Q: usize, const S: usize>(
    address: u32,
    target: &[Rows<N, Q>],
    to: &mut [F::Contractions<Rows<N, Q>>; S],
) where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
    N::Scalar: Shared,
    F: Formula,
{
    if K >= F::CONTRACTIONS.len() {
        return;
    }
    let contraction = const { if K < F::CONTRACTIONS.len() { F::CONTRACTIONS[K] } else { Contraction::dot(0, 0, 0) } };
    let Contraction { kind, target: from, source, len } = contraction;
    // Components before the first and after the last whole chunk of 16 bytes of a source are read one by one.
    let chunk = const { 16 / size_of::<N::Scalar>() };
    let head = (source.next_multiple_of(chunk) - source).min(len);
    let whole = head + (len - head) / chunk * chunk;
    let place = |d: usize| address + ((source + d) * size_of::<N::Scalar>()) as u32;

    let mut sums = [Rows::<N, Q>::lit((), 0.0); S];
    let one = |sums: &mut [Rows<N, Q>; S], d: usize| {
        let u = target[from + d];
        written_out!(NUMBER < S; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 => {
            // SAFETY: a component of one of the sources, by the contract of this function.
            let w = unsafe { N::Scalar::read(place(d) + NUMBER as u32 * stride::<N, F>()) };
            sums[NUMBER] = add(kind, u, w, sums[NUMBER]);
        });
    };
    let mut d = 0;
    while d < head {
        one(&mut sums, d);
        d += 1;
    }
    while d < whole {
        let targets = &target[from + d..from + d + chunk];
        let mut u = [Rows::<N, Q>::lit((), 0.0); 4];
        written_out!(C < chunk; 0 1 2 3 => u[C] = targets[C]);
        written_out!(NUMBER < S; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 => {
            let mut w = [N::Scalar::of_f64(0.0); 4];
            // SAFETY: components of one of the sources, by the contract of this function; `head` ends at a multiple of 16
            // bytes.
            unsafe { N::Scalar::read_row(place(d) + NUMBER as u32 * stride::<N, F>(), &mut w[..chunk]) };
            written_out!(C < chunk; 0 1 2 3 => sums[NUMBER] = add(kind, u[C], w[C], sums[NUMBER]));
        });
        d += chunk;
    }
    while d < len {
        one(&mut sums, d);
        d += 1;
    }
    written_out!(NUMBER < S; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 => to[NUMBER].as_mut_slice()[K] = sums[NUMBER]);
}

/// Adds the term of one component, `u` of the targets and `w` of a source, to the sum of a contraction.
#[inline(always)]
fn add<N, const Q: usize>(kind: ContractionKind, u: Rows<N, Q>, w: N::Scalar, sum: Rows<N, Q>) -> Rows<N, Q>
where
    N: Packed<Cx = (), Mask = bool, Index = u32>,
{
    let w = Rows::splat((), w);
    match kind {
        ContractionKind::Dot => Rows::mul_add((), u, w, sum),
        ContractionKind::SquaredDistance => {
            let difference = Rows::sub((), u, w);
            Rows::mul_add((), difference, difference, sum)
        }
    }
}
