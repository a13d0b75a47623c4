//! The main kernel: a unit of work for each block.
//!
//! A thread has `Q` targets, [`THREADS`] apart, so that neighbouring threads read neighbouring rows. The block prepares
//! a tile of sources at a time, a source for each thread, and leaves it in shared memory; then every thread takes all
//! pairs of its targets with the tile, whose numbers it reads by broadcasts of 16 bytes. Long targets, which are not in
//! registers, meet groups of sources instead: see the module `wide`.

use core::{
    arch::asm,
    hint,
    ptr::{self, NonNull},
};

use keops_core::{
    formula::{Components, Contraction, Formula, Role, Row, Scaled},
    launch::{Range, THREADS, Unit, most_registers, source_stride, state_words, tile_sources},
    number::{Real, Scalar},
    reduction::{Push, Reduction, components},
};

use crate::{
    rows::{Number, Rows},
    shared::{self, Shared},
    thread,
    wide::{self, Aligned, Tile},
};

/// What a main kernel is given; see the module `launch` of keops-core.
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
    /// How many targets there are in all.
    pub targets: u32,
    /// How many parts.
    pub parts: u32,
}

/// Prepared sources of at most so many numbers are loaded as a whole before the pair is computed.
const LOADED: usize = 32;

/// How many numbers a state has that goes to local memory if few pairs write to it; longer ones are there anyway. In
/// registers, each end of an insertion moves all of them: ten neighbours took 90 registers instead of 32, and `ptxas` twice
/// the time.
const LOCAL_STATE: (usize, usize) = (9, 64);

/// Whether a state goes there.
const fn is_local<T: Scalar, F: Formula, Red: Reduction>() -> bool {
    let words = state_words::<T, F, Red>();
    Red::PUSHES_TO_STATE && LOCAL_STATE.0 <= words && words <= LOCAL_STATE.1
}

/// The main kernel. `WP`, `WI` and `WJ` are the components of all variables of each role: parameters, targets, sources.
/// A thread takes `S` sources at a time, and of these the `B` pairs of a bundle; if `S` is one, the loop over sources is
/// written out four times with `UNROLLED`.
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
    if const { N::SCALES && most_registers::<N::Scalar, F, Red>() > 0 } {
        // SAFETY: a comment, from which the build script makes a directive.
        unsafe {
            asm!(
                "// keops: at most {0} registers",
                const most_registers::<N::Scalar, F, Red>(), options(nomem, nostack)
            );
        }
    }
    let mut done = false;
    if let Some(scaled) = const { scaled::<N, F, Red, S>() } {
        if N::lt((), parameters[scaled.factor], N::lit((), 0.0)) {
            // SAFETY: the contract of this function; all threads have the same parameters.
            done = unsafe {
                sweep::<N, F, Red, Q, S, B, WI, WJ, UNROLLED, true>(&arguments, parameters, state);
                !thread::sync_threads_or(has_nan(state.as_slice()))
            };
            if !done {
                *state = Red::init::<F, Rows<N, Q>>(());
            }
        }
    }
    if !done {
        // The loop is not written out again where it is the exception.
        // SAFETY: the contract of this function; whether it is done all threads agree on.
        unsafe {
            if const { scaled::<N, F, Red, S>().is_some() } {
                sweep::<N, F, Red, Q, S, B, WI, WJ, false, false>(&arguments, parameters, state);
            } else {
                sweep::<N, F, Red, Q, S, B, WI, WJ, UNROLLED, false>(&arguments, parameters, state);
            }
        }
    }

    // SAFETY: the contract of this function.
    let unit = unsafe { unit(&arguments) };
    let mut q = 0;
    while q < Q {
        let row = row(q);
        if row < unit.targets {
            let (target, part, state) = (unit.first_row + row, unit.part, state.as_slice());
            // SAFETY: a target of the unit.
            unsafe {
                if S > 1 {
                    wide::leave::<N, F, Red, Q>(&arguments, target, part, state, q);
                } else {
                    leave::<N, F, Red, Q>(&arguments, target, part, state, q);
                }
            }
        }
        q += 1;
    }
}

/// The unit of this block. It is read again where it is needed, and not kept in registers meanwhile.
///
/// # Safety
/// There must be a unit for each block.
#[inline(always)]
unsafe fn unit<T>(arguments: &Arguments<T>) -> Unit {
    // SAFETY: the contract of this function.
    unsafe { *arguments.units.add(thread::block_idx_x() as usize) }
}

/// The contraction whose vectors are scaled.
const fn scaled<N: Number, F: Formula, Red: Reduction, const S: usize>() -> Option<Scaled> {
    if N::SCALES && Red::HANDS_NAN_ON && S == 1 { F::SCALED } else { None }
}

/// Whether any number is NaN.
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

/// Which row of the unit target `q` of this thread is.
#[inline(always)]
fn row(q: usize) -> u32 {
    q as u32 * THREADS as u32 + thread::thread_idx_x()
}

/// Takes all pairs of a unit.
///
/// # Safety
/// As for [`pairs`]. All threads of the block must come here.
#[inline(always)]
unsafe fn sweep<
    N,
    F,
    Red,
    const Q: usize,
    const S: usize,
    const B: usize,
    const WI: usize,
    const WJ: usize,
    const UNROLLED: bool,
    const SCALED: bool,
>(
    arguments: &Arguments<N::Scalar>,
    source_parameters: &[N],
    state: &mut Red::State<F, Rows<N, Q>>,
) where
    N: Number,
    N::Scalar: Shared,
    F: Formula,
    Red: Reduction,
{
    let ranges = arguments.ranges;
    // SAFETY: the contract of this function.
    let unit = unsafe { unit(arguments) };
    // SAFETY: the pointers of a batch begin where its units say.
    let data = unsafe { arguments.data.add(unit.data as usize) };
    let thread = thread::thread_idx_x();
    let tile = shared::start();
    let stride = const { (source_stride::<N::Scalar, F>() * size_of::<N::Scalar>()) as u32 };
    let zero = Rows::<N, Q>::lit((), 0.0);

    // The parameters as the pairs see them, in every row; the copies cost nothing.
    let mut parameters = F::Parameters::<Rows<N, Q>>::splat(zero);
    for (to, &from) in parameters.as_mut_slice().iter_mut().zip(source_parameters) {
        *to = Rows([from; Q]);
    }

    // Targets beyond the last one repeat it, and are not written.
    let target_of = |q: usize| unit.first_target + row(q).min(unit.targets - 1);
    let mut target = Aligned::<F::Target<Rows<N, Q>>>::new();
    let target = target.splat(zero);
    let mut q = 0;
    if S > 1 {
        while q < Q {
            // SAFETY: a target of the unit.
            unsafe { wide::target::<N, F, Q, WI>(data, target_of(q), source_parameters, target, q) };
            q += 1;
        }
    } else {
        let mut raw = [zero; WI];
        while q < Q {
            // SAFETY: a target of the unit.
            unsafe { gather::<N::Scalar, F>(data, Role::Target, target_of(q), |c, x| raw[c].0[q] = N::splat((), x)) };
            q += 1;
        }
        F::target((), parameters.as_slice(), &raw, target);
    }
    let mut scale = None;
    if let (true, Some(scaled)) = (SCALED, F::SCALED) {
        let contraction = F::CONTRACTIONS[scaled.contraction];
        // not the fast root, for which small factors are 0
        let root = N::map((), source_parameters[scaled.factor], |factor| Real::sqrt((), Real::neg((), factor)));
        let mut c = 0;
        while c < contraction.len {
            let number = &mut target[contraction.target + c];
            *number = <Rows<N, Q> as Real>::mul((), *number, Rows([root; Q]));
            c += 1;
        }
        parameters.as_mut_slice()[scaled.factor] = <Rows<N, Q> as Real>::lit((), 1.0);
        scale = Some((contraction, root));
    }

    for number in 0..unit.ranges {
        // SAFETY: a range of the unit.
        let range = unsafe { *ranges.add((unit.first_range + number) as usize) };
        let mut first = range.first;
        while first < range.end {
            let count = (range.end - first).min(const { tile_sources::<N::Scalar, F, Red>() as u32 });
            // SAFETY: range and count are the same for all threads; the first barrier is behind the last read of the
            // tile before.
            unsafe { thread::sync_threads() };
            // The last group is filled up with the last source.
            let stored = count.next_multiple_of(S as u32);
            let mut source = thread;
            if const { S > 1 && F::KEEPS_SOURCES } {
                // SAFETY: sources of the range; the tile has room for whole groups.
                unsafe { wide::copy::<N::Scalar, F>(data, Tile { address: tile, first, count }, stored) };
                source = stored;
            }
            while source < stored {
                thread::not_unrolled();
                let row = first + source.min(count - 1);
                // SAFETY: a source of the range; its place in the tile is this thread's alone.
                unsafe {
                    if S > 1 {
                        wide::source::<N, F, WJ>(data, row, source_parameters, tile + source * stride);
                    } else {
                        prepare::<N, F, WJ>(data, row, source_parameters, scale, tile + source * stride);
                    }
                }
                source += THREADS as u32;
            }
            // SAFETY: as above.
            unsafe { thread::sync_threads() };

            let mut run = Red::begin::<F, Rows<N, Q>>((), state);
            if S > 1 {
                let tile = Tile { address: tile, first, count };
                // SAFETY: whole groups of sources were stored.
                unsafe { wide::take::<N, F, Red, Q, S, B>(tile, parameters.as_slice(), target, state, &mut run) };
                Red::flush::<F, Rows<N, Q>>((), state, &run);
                first += count;
                continue;
            }
            let mut one = |source: u32| {
                let address = tile + source * stride;
                // SAFETY: a source that was stored.
                let stored = unsafe { Stored::<N::Scalar, F>::new(address) };
                let mut contractions = F::Contractions::<Rows<N, Q>>::splat(zero);
                let c = contractions.as_mut_slice();
                let mut k = 0;
                while k < F::CONTRACTIONS.len() {
                    c[k] = F::CONTRACTIONS[k].of_pair((), target, &stored);
                    if SCALED && F::SCALED.is_some_and(|scaled| scaled.contraction == k) {
                        c[k] = <Rows<N, Q> as Real>::neg((), c[k]);
                    }
                    k += 1;
                }
                let index = <Rows<N, Q> as Real>::index_splat((), first + source);
                let mut push = Push::<F, Rows<N, Q>, Red>::new((), state, &mut run, index);
                F::pair((), parameters.as_slice(), &&*target, &stored, c, &mut push);
            };
            let mut source = 0;
            if UNROLLED {
                while source + 4 <= count {
                    one(source);
                    one(source + 1);
                    one(source + 2);
                    one(source + 3);
                    source += 4;
                }
            }
            while source < count {
                // the rest of a tile, or where the scaled loop is the rule
                if const { UNROLLED || (!SCALED && scaled::<N, F, Red, S>().is_some()) } {
                    thread::not_unrolled();
                }
                one(source);
                source += 1;
            }
            Red::flush::<F, Rows<N, Q>>((), state, &run);
            first += count;
        }
    }
}

/// Reads row `row` of all variables of a role, one variable after another.
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

/// Prepares a source and stores it at `address`. The vector of a contraction is multiplied by `scale`, if there is one.
///
/// # Safety
/// There must be such a source; the place must be this thread's alone until the next barrier.
#[inline(always)]
pub(crate) unsafe fn prepare<N, F, const WJ: usize>(
    data: *const *const N::Scalar,
    source: u32,
    parameters: &[N],
    scale: Option<(Contraction, N)>,
    address: u32,
) where
    N: Real<Cx = ()>,
    N::Scalar: Shared,
    F: Formula,
{
    let zero = N::lit((), 0.0);
    let mut raw = [zero; WJ];
    // SAFETY: the contract of this function.
    unsafe { gather::<N::Scalar, F>(data, Role::Source, source, |c, x| raw[c] = N::splat((), x)) };
    let mut left = F::Source::<N>::splat(zero);
    F::source((), parameters, &raw, left.as_mut_slice());
    if let Some((contraction, scale)) = scale {
        let mut c = contraction.source;
        while c < contraction.source + contraction.len {
            let number = &mut left.as_mut_slice()[c];
            *number = N::mul((), *number, scale);
            c += 1;
        }
    }
    let numbers = left.as_slice();
    // up to the next row, since rows are read by 16 bytes
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
pub(crate) struct Stored<T: Scalar, F: Formula> {
    address: u32,
    /// Its numbers, if they are few.
    loaded: F::Source<T>,
}

impl<T: Scalar + Shared, F: Formula> Stored<T, F> {
    const LOADED: bool = <F::Source<u8> as Components<u8>>::LEN <= LOADED;

    /// # Safety
    /// There must be a prepared source at the address, for as long as this is used.
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

impl<N: Real<Cx = (), Mask = bool, Index = u32>, F: Formula, const Q: usize> Row<Rows<N, Q>> for Stored<N::Scalar, F>
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

/// Writes the result of a target, or its state if there are several parts: the words of `states` of number `q`.
///
/// # Safety
/// `target` must be a row of the result of the call, `part` one of its parts.
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
        // One target is its state already, which is not copied: a long one would not fit twice.
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
