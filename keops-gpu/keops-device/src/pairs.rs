//! The main kernel: each block computes a unit of work, which is a list of targets against ranges of sources.
//!
//! A thread has `Q` targets, [`THREADS`] rows apart, so that the threads of a warp read neighbouring rows. All numbers of a thread
//! are [`Rows`] of `Q`: an operation on them is done `Q` times, once for each of its targets. In pseudo code, for thread t of the
//! 128 ([`THREADS`]) of block b:
//!
//! ```text
//! unit       = units[b]                                                  read again wherever it is needed
//! parameters = F::parameters(p)                                          registers; every thread computes its own
//! state      = Red::init()                                               registers, or local memory
//! target     = F::target(parameters, rows t, 128 + t, .. of x)           registers, or local memory
//!
//! for range in unit.ranges:
//!   for tile in range, by tile_sources:
//!     barrier                                                            all threads are done with the tile before
//!     for j in t, 128 + t, .. of the tile:
//!       shared[j] = F::source(parameters, row j of y)                    one thread for each source
//!     barrier                                                            all sources of the tile are there
//!     run = Red::begin(state)                                            registers
//!     for j in tile, in order:                                           the loop over pairs
//!       source = shared[j]                                               a broadcast of 16 bytes at a time
//!       c[k]   = contraction k of target and source, for each k          components in order, one sum
//!       F::pair(parameters, target, source, c) -> Red::push(run, state)  one component of f after another
//!     Red::flush(run) -> state
//!
//! if parts == 1: row of the result = Red::finish(state)                  for each of the Q targets
//! else:          states[unit.part] = state                               for the merge kernel
//! ```
//!
//! - *In shared memory* are the prepared sources of one tile, each at a multiple of 16 bytes. All threads of a warp read the same
//!   source at the same time, which is one access. A source of at most [`LOADED`] numbers is loaded as a whole into registers
//!   before its pair is computed; of a longer one each component is read where the formula uses it.
//! - *Hoisted* out of the loop over pairs is what does not depend on the pair: `parameters` are computed once for a thread, a
//!   target once for a unit, and a source once for a block, by one of its threads instead of by all of them.
//! - *The order of sums* is fixed. A target meets its sources in the order of the ranges and of their rows; the terms of a tile
//!   are added to the run one after another, and `flush` adds the run to the state, which for [`Sum`](keops_core::reduction::Sum)
//!   is a compensated total. No thread adds to another thread's sum. The merge kernel joins parts in their order.
//! - *The last rows.* Where a unit has fewer targets than `Q` for each thread, the threads beyond compute its last target again
//!   and write nothing, so that all threads meet at every barrier.
//! - *The loop is written out four times* with `UNROLLED`, for formulas of a few operations, in which counting would show.
//! - *Scaled exponents.* Where [`Formula::SCALED`] names a squared distance whose only use is in an exponent with the factor c,
//!   and c is negative, the coordinates of targets and sources are multiplied by √-c once, and the pair gets the negative of
//!   the contraction and a factor of 1. If any thread of the block then has NaN in a state, all of them compute the unit again as
//!   the formula stands.
//!
//! Targets that are too long for registers meet groups of sources instead, and so do rows of f that are: see the module `wide`.

use core::{
    arch::asm,
    hint,
    marker::PhantomData,
    ptr::{self, NonNull},
};

use keops_core::{
    formula::{Components, Contraction, Formula, Role, Row, Scaled},
    launch::{Range, THREADS, Unit, most_registers, source_stride, state_words, tile_sources},
    number::{Packed, Real, Scalar},
    reduction::{Push, Reduction, components},
};

use crate::{
    rows::{Number, Rows},
    shared::{self, Shared},
    thread,
    wide::{self, Aligned, Tile},
};

/// The parameters of a main kernel; see the module `launch` of keops-core.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<T> {
    /// The rows of each variable.
    pub data: *const *const T,
    /// A unit for each block.
    pub units: *const Unit,
    /// All ranges.
    pub ranges: *const Range,
    /// The values of the result, if there is one part.
    pub values: *mut T,
    /// The row numbers of the result, if there is one part.
    pub indices: *mut u32,
    /// The states, if there are several parts.
    pub states: *mut T,
    /// The number of targets in all batches.
    pub targets: u32,
    /// The number of parts that the sources are split into.
    pub parts: u32,
}

/// The most numbers of a prepared source that is loaded as a whole before its pair is computed.
const LOADED: usize = 32;

/// The fewest and the most numbers of a state that is put into local memory if few pairs write to it; the compiler puts longer
/// states there anyway. In registers, each end of an insertion moves all numbers: ten neighbours took 90 registers instead of
/// 32, and `ptxas` twice the time.
const LOCAL_STATE: (usize, usize) = (9, 64);

/// Whether the state of a target is put into local memory.
const fn is_local<T: Scalar, F: Formula, Red: Reduction>() -> bool {
    let words = state_words::<T, F, Red>();
    Red::PUSHES_TO_STATE && LOCAL_STATE.0 <= words && words <= LOCAL_STATE.1
}

/// The main kernel. `WP`, `WI` and `WJ` are the numbers of components that all variables of a role have together: parameters,
/// targets, sources. A thread takes `S` sources at a time, and the `B` pairs of a bundle of them; if `S` is one, the loop over
/// sources is written out four times with `UNROLLED`.
///
/// # Safety
/// The contract of the module `launch` of keops-core: pointers, units and the size of the grid belong together.
#[inline(always)]
pub unsafe fn pairs<
    N,
    F,
    Red,
    const Q: usize,
    const S: usize,
    const B: usize,
    const WP: usize,
    const WI: usize,
    const WJ: usize,
    const UNROLLED: bool,
>(
    arguments: Arguments<N::Scalar>,
) where
    N: Number,
    N::Scalar: Shared,
    F: Formula,
    Red: Reduction,
{
    // SAFETY: the pointers of a batch begin where its units say.
    let data = unsafe { arguments.data.add(unit(&arguments).data as usize) };
    let mut raw = [N::lit((), 0.0); WP];
    // SAFETY: parameters have one row.
    unsafe { gather::<N::Scalar, F>(data, Role::Parameter, 0, |c, x| raw[c] = N::splat((), x)) };
    let mut parameters = F::Parameters::<N>::splat(N::lit((), 0.0));
    F::parameters((), &raw, parameters.as_mut_slice());
    let parameters = parameters.as_slice();

    let mut state = Red::init::<F, Rows<N, Q>>(());
    let mut state = &mut state;
    if S > 1 && Red::PUSHES_TO_STATE {
        // Few pairs change the state, so it may be in memory: its registers are worth more to contractions.
        state = hint::black_box(state);
    } else if const { is_local::<N::Scalar, F, Red>() } {
        state = in_local_memory(state);
    }
    limit_registers::<N, F, Red>();
    let main = Main::<N, F, Red, Q, S, B, WI, WJ> { arguments: &arguments, parameters, of: PhantomData };
    let mut done = false;
    if let Some(scaled) = const { scaled::<N, F, Red, S>() } {
        if N::lt((), parameters[scaled.factor], N::lit((), 0.0)) {
            // SAFETY: the contract of this function; all threads have the same parameters.
            done = unsafe {
                main.sweep::<UNROLLED, true>(state);
                !thread::sync_threads_or(has_nan(state.as_slice()))
            };
            if !done {
                *state = Red::init::<F, Rows<N, Q>>(());
            }
        }
    }
    if !done {
        // Where the unscaled loop is the exception it is not written out four times.
        // SAFETY: the contract of this function; all threads agree on whether the unit is done.
        unsafe {
            if const { scaled::<N, F, Red, S>().is_some() } {
                main.sweep::<false, false>(state);
            } else {
                main.sweep::<UNROLLED, false>(state);
            }
        }
    }
    // SAFETY: the contract of this function.
    unsafe { main.leave(state) };
}

/// The unit of this block. The kernel reads it again where it needs it, and does not keep it in registers meanwhile.
///
/// # Safety
/// There must be a unit for each block.
#[inline(always)]
unsafe fn unit<T>(arguments: &Arguments<T>) -> Unit {
    // SAFETY: the contract of this function.
    unsafe { *arguments.units.add(thread::block_idx_x() as usize) }
}

/// The contraction whose vectors the kernel scales, if there is one.
const fn scaled<N: Number, F: Formula, Red: Reduction, const S: usize>() -> Option<Scaled> {
    if N::SCALES && Red::HANDS_NAN_ON && S == 1 { F::SCALED } else { None }
}

/// Limits the registers of a thread, for kernels for which the module `launch` of keops-core says so.
#[inline(always)]
fn limit_registers<N: Number, F: Formula, Red: Reduction>() {
    if const { N::SCALES && most_registers::<N::Scalar, F, Red>() > 0 } {
        // SAFETY: a comment, from which the build script makes a directive.
        unsafe {
            asm!(
                "// keops: at most {0} registers",
                const most_registers::<N::Scalar, F, Red>(), options(nomem, nostack)
            );
        }
    }
}

/// Whether any number of a state is NaN.
#[inline(always)]
fn has_nan<N: Number, const Q: usize>(state: &[Rows<N, Q>]) -> bool {
    let (mut any, mut w) = (false, 0);
    while w < state.len() {
        let mut q = 0;
        while q < Q {
            any |= !N::eq((), state[w].0[q], state[w].0[q]);
            q += 1;
        }
        w += 1;
    }
    any
}

/// The same state, at an address that the optimiser does not know, though it knows in which memory.
#[inline(always)]
fn in_local_memory<A>(state: &mut A) -> &mut A {
    let offset = hint::black_box(0_usize);
    // SAFETY: the offset is 0.
    unsafe { &mut *ptr::from_mut(state).byte_add(offset) }
}

/// The number in its unit of target `q` of this thread.
#[inline(always)]
fn row(q: usize) -> u32 {
    q as u32 * THREADS as u32 + thread::thread_idx_x()
}

/// A main kernel in one thread of a block; [`pairs`] has the meaning of the numbers.
struct Main<'a, N: Number, F, Red, const Q: usize, const S: usize, const B: usize, const WI: usize, const WJ: usize> {
    arguments: &'a Arguments<N::Scalar>,
    /// The prepared parameters.
    parameters: &'a [N],
    of: PhantomData<(F, Red)>,
}

impl<N, F, Red, const Q: usize, const S: usize, const B: usize, const WI: usize, const WJ: usize>
    Main<'_, N, F, Red, Q, S, B, WI, WJ>
where
    N: Number,
    N::Scalar: Shared,
    F: Formula,
    Red: Reduction,
{
    /// Bytes from one prepared source to the next in shared memory.
    const STRIDE: u32 = (source_stride::<N::Scalar, F>() * size_of::<N::Scalar>()) as u32;

    /// Takes all pairs of a unit.
    ///
    /// # Safety
    /// As for [`pairs`]. All threads of the block must come here.
    #[inline(always)]
    unsafe fn sweep<const UNROLLED: bool, const SCALED: bool>(&self, state: &mut Red::State<F, Rows<N, Q>>) {
        let ranges = self.arguments.ranges;
        // SAFETY: the contract of this function.
        let unit = unsafe { unit(self.arguments) };
        // SAFETY: the pointers of a batch begin where its units say.
        let data = unsafe { self.arguments.data.add(unit.data as usize) };
        let thread = thread::thread_idx_x();
        let address = shared::start();
        let zero = Rows::<N, Q>::lit((), 0.0);

        // The parameters as the pairs see them, in every row; the copies cost nothing.
        let mut parameters = F::Parameters::<Rows<N, Q>>::splat(zero);
        for (to, &from) in parameters.as_mut_slice().iter_mut().zip(self.parameters) {
            *to = Rows([from; Q]);
        }
        let mut target = Aligned::<F::Target<Rows<N, Q>>>::new();
        let target = target.splat(zero);
        // SAFETY: the unit and its batch.
        unsafe { self.targets(data, &unit, parameters.as_slice(), target) };
        let mut scale = None;
        if let (true, Some(scaled)) = (SCALED, F::SCALED) {
            scale = Some(self.scale(scaled, parameters.as_mut_slice(), target));
        }

        for number in 0..unit.ranges {
            // SAFETY: a range of the unit.
            let range = unsafe { *ranges.add((unit.first_range + number) as usize) };
            let mut first = range.first;
            while first < range.end {
                let count = (range.end - first).min(const { tile_sources::<N::Scalar, F, Red>() as u32 });
                let tile = Tile { address, first, count };
                // SAFETY: sources of the range; all threads have the same range and count.
                unsafe { self.fill(data, tile, thread, scale) };
                let mut run = Red::begin::<F, Rows<N, Q>>((), state);
                // SAFETY: the tile was filled, up to a whole group of sources.
                unsafe {
                    if S > 1 {
                        wide::take::<N, F, Red, Q, S, B>(tile, parameters.as_slice(), target, state, &mut run);
                    } else {
                        Self::take::<UNROLLED, SCALED>(tile, parameters.as_slice(), target, state, &mut run);
                    }
                }
                Red::flush::<F, Rows<N, Q>>((), state, &run);
                first += count;
            }
        }
    }

    /// Prepares the targets of this thread. Targets beyond the last one of the unit repeat it, and are not written.
    ///
    /// # Safety
    /// `data` are the pointers of the unit's batch.
    #[inline(always)]
    unsafe fn targets(
        &self,
        data: *const *const N::Scalar,
        unit: &Unit,
        parameters: &[Rows<N, Q>],
        to: &mut [Rows<N, Q>],
    ) {
        let target_of = |q: usize| unit.first_target + row(q).min(unit.targets - 1);
        let mut q = 0;
        if S > 1 {
            while q < Q {
                // SAFETY: a target of the unit.
                unsafe { wide::target::<N, F, Q, WI>(data, target_of(q), self.parameters, to, q) };
                q += 1;
            }
            return;
        }
        let mut raw = [Rows::<N, Q>::lit((), 0.0); WI];
        while q < Q {
            // SAFETY: a target of the unit.
            unsafe { gather::<N::Scalar, F>(data, Role::Target, target_of(q), |c, x| raw[c].0[q] = N::splat((), x)) };
            q += 1;
        }
        F::target((), parameters, &raw, to);
    }

    /// Multiplies the vector of the scaled contraction in the targets by √-c, and puts 1 in the place of c among the parameters
    /// of the pairs. Returns the contraction and √-c, for the sources.
    #[inline(always)]
    fn scale(&self, scaled: Scaled, parameters: &mut [Rows<N, Q>], target: &mut [Rows<N, Q>]) -> (Contraction, N) {
        let contraction = F::CONTRACTIONS[scaled.contraction];
        // not the fast root, for which small factors are 0
        let root = N::map((), self.parameters[scaled.factor], |factor| Real::sqrt((), Real::neg((), factor)));
        let mut c = 0;
        while c < contraction.len {
            let number = &mut target[contraction.target + c];
            *number = <Rows<N, Q> as Real>::mul((), *number, Rows([root; Q]));
            c += 1;
        }
        parameters[scaled.factor] = <Rows<N, Q> as Real>::lit((), 1.0);
        (contraction, root)
    }

    /// Prepares the sources of a tile, each by one thread of the block, and fills the tile up to a multiple of `S` with its last
    /// source.
    ///
    /// # Safety
    /// The tile is the same for all threads of the block, which must all come here; its sources exist, and shared memory has
    /// room for them.
    #[inline(always)]
    unsafe fn fill(&self, data: *const *const N::Scalar, tile: Tile, thread: u32, scale: Option<(Contraction, N)>) {
        // SAFETY: all threads come here, after they have read the tile before.
        unsafe { thread::sync_threads() };
        let stored = tile.count.next_multiple_of(S as u32);
        let mut source = thread;
        if const { S > 1 && F::KEEPS_SOURCES } {
            // SAFETY: sources of the range; the tile has room for whole groups.
            unsafe { wide::copy::<N::Scalar, F>(data, tile, stored) };
            source = stored;
        }
        while source < stored {
            thread::not_unrolled();
            let (row, address) = (tile.first + source.min(tile.count - 1), tile.address + source * Self::STRIDE);
            // SAFETY: a source of the range; its place in the tile is this thread's alone.
            unsafe {
                if S > 1 {
                    wide::source::<N, F, WJ>(data, row, self.parameters, address);
                } else {
                    prepare::<N, F, WJ>(data, row, self.parameters, scale, address);
                }
            }
            source += THREADS as u32;
        }
        // SAFETY: all threads come here.
        unsafe { thread::sync_threads() };
    }

    /// Takes all pairs of this thread's targets with a tile: the loop over pairs.
    ///
    /// # Safety
    /// The sources of the tile are prepared, and stored in shared memory.
    #[inline(always)]
    unsafe fn take<const UNROLLED: bool, const SCALED: bool>(
        tile: Tile,
        parameters: &[Rows<N, Q>],
        target: &[Rows<N, Q>],
        state: &mut Red::State<F, Rows<N, Q>>,
        run: &mut Red::Run<F, Rows<N, Q>>,
    ) {
        let mut one = |source: u32| {
            // SAFETY: a source that was stored.
            let stored = unsafe { StoredSource::<N::Scalar, F>::new(tile.address + source * Self::STRIDE) };
            let mut contractions = F::Contractions::<Rows<N, Q>>::splat(Rows::lit((), 0.0));
            let c = contractions.as_mut_slice();
            let mut k = 0;
            while k < F::CONTRACTIONS.len() {
                c[k] = F::CONTRACTIONS[k].of_pair((), target, &stored);
                if SCALED && F::SCALED.is_some_and(|scaled| scaled.contraction == k) {
                    c[k] = <Rows<N, Q> as Real>::neg((), c[k]);
                }
                k += 1;
            }
            let index = <Rows<N, Q> as Packed>::index_splat((), tile.first + source);
            let mut push = Push::<F, Rows<N, Q>, Red>::new((), state, run, index);
            F::pair((), parameters, &target, &stored, c, &mut push);
        };
        let mut source = 0;
        if UNROLLED {
            while source + 4 <= tile.count {
                one(source);
                one(source + 1);
                one(source + 2);
                one(source + 3);
                source += 4;
            }
        }
        while source < tile.count {
            // the rest of a tile, or where the scaled loop is the rule
            if const { UNROLLED || (!SCALED && scaled::<N, F, Red, S>().is_some()) } {
                thread::not_unrolled();
            }
            one(source);
            source += 1;
        }
    }

    /// Writes the results, or the states, of the targets of this thread.
    ///
    /// # Safety
    /// As for [`pairs`].
    #[inline(always)]
    unsafe fn leave(&self, state: &Red::State<F, Rows<N, Q>>) {
        // SAFETY: the contract of this function.
        let unit = unsafe { unit(self.arguments) };
        let mut q = 0;
        while q < Q {
            let row = row(q);
            if row < unit.targets {
                let (target, part, state) = (unit.first_row + row, unit.part, state.as_slice());
                // SAFETY: a target of the unit.
                unsafe {
                    if S > 1 {
                        wide::leave::<N, F, Red, Q>(self.arguments, target, part, state, q);
                    } else {
                        leave::<N, F, Red, Q>(self.arguments, target, part, state, q);
                    }
                }
            }
            q += 1;
        }
    }
}

/// Reads row `row` of all variables of a role, one variable after another, and hands each number to `put` with its place.
///
/// # Safety
/// The variables of the role must have that row.
#[inline(always)]
pub(crate) unsafe fn gather<T: Copy, F: Formula>(
    data: *const *const T,
    role: Role,
    row: u32,
    mut put: impl FnMut(usize, T),
) {
    let (mut at, mut v) = (0, 0);
    while v < F::VARIABLES.len() {
        let variable = &F::VARIABLES[v];
        if variable.role as u8 == role as u8 {
            // SAFETY: there is a pointer for each variable, and the row is there.
            let numbers = unsafe { (*data.add(v)).add(row as usize * variable.dim) };
            let mut c = 0;
            while c < variable.dim {
                // SAFETY: a component of that row.
                put(at + c, unsafe { *numbers.add(c) });
                c += 1;
            }
            at += variable.dim;
        }
        v += 1;
    }
}

/// Prepares a source and stores it at `address`. With `scale`, the vector of that contraction is multiplied by the number.
///
/// # Safety
/// The source must exist; the place must be this thread's alone until the next barrier.
#[inline(always)]
pub(crate) unsafe fn prepare<N, F, const WJ: usize>(
    data: *const *const N::Scalar,
    source: u32,
    parameters: &[N],
    scale: Option<(Contraction, N)>,
    address: u32,
) where
    N: Packed<Cx = ()>,
    N::Scalar: Shared,
    F: Formula,
{
    let zero = N::lit((), 0.0);
    let mut raw = [zero; WJ];
    // SAFETY: the contract of this function.
    unsafe { gather::<N::Scalar, F>(data, Role::Source, source, |c, x| raw[c] = N::splat((), x)) };
    let mut prepared = F::Source::<N>::splat(zero);
    F::source((), parameters, &raw, prepared.as_mut_slice());
    if let Some((contraction, scale)) = scale {
        let mut c = contraction.source;
        while c < contraction.source + contraction.len {
            let number = &mut prepared.as_mut_slice()[c];
            *number = N::mul((), *number, scale);
            c += 1;
        }
    }
    let numbers = prepared.as_slice();
    // padded to the next row with zeros, since rows are read by 16 bytes
    let mut c = 0;
    while c < const { source_stride::<N::Scalar, F>() } {
        let mut number = [N::Scalar::of_f64(0.0)];
        if c < numbers.len() {
            numbers[c].store((), &mut number);
        }
        // SAFETY: the contract of this function.
        unsafe { number[0].write(address + (c * size_of::<N::Scalar>()) as u32) };
        c += 1;
    }
}

/// A prepared source in shared memory.
pub(crate) struct StoredSource<T: Scalar, F: Formula> {
    address: u32,
    /// Its numbers, if there are at most [`LOADED`].
    loaded: F::Source<T>,
}

impl<T: Scalar + Shared, F: Formula> StoredSource<T, F> {
    /// Whether sources are loaded as a whole.
    const LOADED: bool = <F::Source<u8> as Components<u8>>::LEN <= LOADED;

    /// The source at an address.
    ///
    /// # Safety
    /// A prepared source must be at the address, for as long as the value is used.
    #[inline(always)]
    pub(crate) unsafe fn new(address: u32) -> Self {
        let mut loaded = F::Source::<T>::splat(T::of_f64(0.0));
        if Self::LOADED {
            // SAFETY: rows begin at multiples of 16 bytes and are as long.
            unsafe { T::read_row(address, loaded.as_mut_slice()) };
        }
        Self { address, loaded }
    }
}

impl<N: Packed<Cx = (), Mask = bool, Index = u32>, F: Formula, const Q: usize> Row<Rows<N, Q>>
    for StoredSource<N::Scalar, F>
where
    N::Scalar: Shared,
{
    #[inline(always)]
    fn get(&self, cx: (), c: usize) -> Rows<N, Q> {
        let number = if Self::LOADED {
            self.loaded.as_slice()[c]
        } else {
            // SAFETY: a component of a source that is there, by the contract of `new`.
            unsafe { N::Scalar::read(self.address + (c * size_of::<N::Scalar>()) as u32) }
        };
        Rows([N::splat(cx, number); Q])
    }
}

/// Writes the result of target `q` of this thread, or its state if the sources are split into several parts.
///
/// # Safety
/// `target` must be a row of the result of the call, and `part` a number of one of its parts.
#[inline(always)]
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
    let &Arguments { values, indices, states, targets, parts, .. } = arguments;
    if parts > 1 {
        let mut w = 0;
        while w < state.len() {
            let mut word = [N::Scalar::of_f64(0.0)];
            state[w].0[q].store((), &mut word);
            let place = (part as usize * state.len() + w) * targets as usize + target as usize;
            // SAFETY: there is room for all words of all parts of all targets.
            unsafe { *states.add(place) = word[0] };
            w += 1;
        }
        return;
    }
    if const { size_of::<Rows<N, Q>>() == size_of::<N::Scalar>() } {
        // The state of one target is a row of words as it is, and is not copied: a long one would not fit twice.
        // SAFETY: a number of one target is its scalar, by the contract of `Number`, and `Rows` is transparent.
        let words = unsafe { core::slice::from_raw_parts(state.as_ptr().cast::<N::Scalar>(), state.len()) };
        // SAFETY: the contract of this function.
        unsafe { finish::<N::Scalar, F, Red>(words, target, values, indices) };
        return;
    }
    let mut words = Aligned::<Red::State<F, N::Scalar>>::new();
    let words = words.splat(N::Scalar::of_f64(0.0));
    let mut w = 0;
    while w < words.len() {
        state[w].0[q].store((), &mut words[w..]);
        w += 1;
    }
    // SAFETY: the contract of this function.
    unsafe { finish::<N::Scalar, F, Red>(words, target, values, indices) };
}

/// Writes the row of the result of a target.
///
/// # Safety
/// `values` and `indices` must have room for a row of each target.
#[inline(always)]
pub(crate) unsafe fn finish<T: Scalar, F: Formula, Red: Reduction>(
    state: &[T],
    target: u32,
    values: *mut T,
    indices: *mut u32,
) {
    let (width, index_width) = (Red::values(components::<F>()), Red::indices(components::<F>()));
    // SAFETY: the contract of this function. A slice of no numbers needs no memory.
    let (values, indices) = unsafe {
        let values = if width == 0 { NonNull::dangling().as_ptr() } else { values.add(target as usize * width) };
        let indices =
            if index_width == 0 { NonNull::dangling().as_ptr() } else { indices.add(target as usize * index_width) };
        (core::slice::from_raw_parts_mut(values, width), core::slice::from_raw_parts_mut(indices, index_width))
    };
    Red::finish(components::<F>(), state, values, indices);
}
