//! Reductions that refuse most sources: the K smallest values.
//!
//! A lane inserts a source into its list about K log(M / K) times, so that one of sixteen lanes does so for about every
//! eighth source. A branch for each of these insertions is often mispredicted, and inserting a source into the lists of
//! all lanes, when only one of them admits it, wastes the work of the other lanes. So pairs are first compared without
//! a branch, and a bit mask records which lanes admit which sources. After a few dozen pairs the admitted values of
//! each lane are appended to the queue of the lane. When one of the queues is full, all lanes insert from their queues
//! in step.

use crate::{
    cpu::sweep::{Direction, SourceNumbers, contract},
    formula::{Components, Formula, Sink},
    lanes::Vectorized,
    number::Packed,
    reduction::{Reduction, components},
};

/// The number of sources that are compared before any of them is inserted.
const AHEAD: usize = 64;

/// The same where lists are not full, at first: most of the sources that all lanes admit then are refused soon after.
const AHEAD_AT_FIRST: usize = 16;

/// The number of sources of a turn, whose admissions are recorded in one number: as many as the loop over pairs is
/// unrolled for.
const TURN: usize = 4;

/// The number of turns that are compared before any source is inserted.
const TURNS: usize = AHEAD / TURN;

/// The number of places in the queue of a lane.
const ROOM: usize = 8;

/// From this number of admissions in a turn on, inserting the sources of the turn for all lanes is faster than queues.
/// That is so while the lists fill up.
const DENSE: u32 = 10;

/// The most numbers of a target that is copied, so that it stays in registers.
const SHORT: usize = 8;

/// The most lanes.
const LANES: usize = 16;

/// Whether the kernel of `F` and `Red` has this loop.
pub(super) const fn filters<F: Formula, R: Packed, Red: Reduction>() -> bool {
    Red::FILTERS && R::SIMD && R::LANES <= LANES && components::<F>() == 1
}

/// The sources that lanes have admitted and not yet inserted. Each row of lanes is in one line of the cache.
#[repr(align(64))]
struct Queues<T> {
    /// The values: place after place, all lanes side by side. NaN in free places.
    values: [T; ROOM * LANES],
    /// The row numbers, as bits, in the same places.
    rows: [T; ROOM * LANES],
    /// How many sources each lane has in its queue.
    counts: [u8; LANES],
}

impl<T: Vectorized> Queues<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { values: [T::nan(); ROOM * LANES], rows: [T::of_f64(0.0); ROOM * LANES], counts: [0; LANES] }
    }

    /// Appends to the queue of a lane, which has a free place. True if that was the last one.
    #[inline(always)]
    fn append(&mut self, lane: usize, value: T, row: u32) -> bool {
        let count = usize::from(self.counts[lane]);
        let place = (count % ROOM) * LANES + lane;
        self.values[place] = value;
        self.rows[place] = T::index_to_bits((), row);
        self.counts[lane] = (count + 1) as u8;
        count + 1 == ROOM
    }

    #[inline(always)]
    fn are_empty(&self) -> bool {
        u128::from_ne_bytes(self.counts) == 0
    }

    /// Puts the `sources` sources of a turn, the first of which is number `row`, into the queues of all lanes, which
    /// must be empty.
    #[inline(always)]
    fn fill<F: Formula, R: Packed<Scalar = T>, D: Direction<F, R>>(
        &mut self,
        values: &[[T; LANES]; TURN],
        sources: usize,
        numbers: SourceNumbers<'_>,
        row: usize,
    ) {
        let mut ahead = 0;
        while ahead < TURN && ahead < sources {
            let mut lane = 0;
            while lane < R::LANES {
                self.values[ahead * LANES + lane] = values[ahead][lane];
                self.rows[ahead * LANES + lane] = T::index_to_bits((), D::number(numbers, row + ahead, lane));
                lane += 1;
            }
            ahead += 1;
        }
        self.counts = [ahead as u8; LANES];
    }

    /// Inserts all sources from the queues, and empties these.
    #[inline(always)]
    fn insert<F: Formula, R: Packed<Scalar = T>, Red: Reduction>(
        &mut self,
        cx: R::Cx,
        state: &mut Red::State<F, R>,
        run: &mut Red::Run<F, R>,
    ) {
        let (mut most, mut lane) = (0, 0);
        while lane < LANES {
            most = if self.counts[lane] > most { self.counts[lane] } else { most };
            lane += 1;
        }
        let mut place = 0;
        while place < usize::from(most) {
            let values = R::load(cx, &self.values[place * LANES..]);
            let rows = R::index_from_bits(cx, R::load(cx, &self.rows[place * LANES..]));
            Red::push::<F, R>(cx, state, run, &mut Red::keep(cx), rows, 0, values);
            R::store(R::lit(cx, f64::NAN), cx, &mut self.values[place * LANES..]);
            place += 1;
        }
        self.counts = [0; LANES];
    }
}

/// The values of the pairs that were compared: turn after turn, source after source, all lanes side by side.
#[repr(align(64))]
struct Values<T>([[[T; LANES]; TURN]; TURNS]);

/// The memory of this loop: for all rows of a tile the same, since filling it takes as long as many pairs.
struct Memory<T> {
    queues: Queues<T>,
    values: Values<T>,
}

impl<T: Vectorized> Memory<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { queues: Queues::new(), values: Values([[[T::of_f64(0.0); LANES]; TURN]; TURNS]) }
    }
}

/// A sink that holds the value of a pair.
struct Value<R>(R);

impl<R: Packed> Sink<R> for Value<R> {
    #[inline(always)]
    fn put(&mut self, _cx: R::Cx, _c: usize, value: R) {
        self.0 = value;
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, _c: usize, a: R, b: R) {
        self.0 = R::mul(cx, a, b);
    }
}

/// What the value of a pair of a row of targets depends on, besides the source.
struct Pairs<'a, F: Formula, R: Packed<Scalar: Vectorized>> {
    parameters: &'a F::Parameters<R>,
    target: &'a [R],
    contracted: &'a [F::Contractions<R>],
}

impl<F: Formula, R: Packed<Scalar: Vectorized>> Pairs<'_, F, R> {
    /// Computes the values of the pairs with some sources, the first of which is number `first`, and gives the lanes
    /// that admit them, with the lanes of the first source in the lowest bits.
    #[inline(always)]
    fn admitting<Red: Reduction, D: Direction<F, R>, const N: usize>(
        &self,
        cx: R::Cx,
        run: &Red::Run<F, R>,
        (sources, first): (&[D::Source; N], usize),
        to: &mut [[R::Scalar; LANES]; N],
    ) -> u64 {
        let (mut lanes, mut k) = (0, 0);
        while k < N {
            let contractions = contract::<F, R, D>(cx, self.target, &sources[k], self.contracted, first + k);
            let (stored, mut value) = (D::source(&sources[k]), Value(R::lit(cx, 0.0)));
            F::pair::<R>(cx, self.parameters.as_slice(), &self.target, &stored, contractions.as_slice(), &mut value);
            value.0.store(cx, &mut to[k]);
            lanes |= R::truths(cx, Red::admits::<F, R>(cx, run, value.0)) << (k * LANES);
            k += 1;
        }
        lanes
    }
}

/// Takes all pairs of all rows of targets of a tile.
#[inline(always)]
pub(super) fn sweep<F: Formula, R: Packed<Scalar: Vectorized>, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::Parameters<R>,
    targets: &[F::Target<R>],
    sources: &[D::Source],
    contracted: &[F::Contractions<R>],
    (numbers, count): (SourceNumbers<'_>, usize),
    states: &mut [Red::State<F, R>],
) {
    let mut memory = Memory::new();
    let mut row = 0;
    while row < targets.len() {
        let contracted =
            if contracted.is_empty() { contracted } else { &contracted[row * sources.len()..][..sources.len()] };
        let (target, of_row) = (targets[row].as_slice(), (numbers, D::in_use(count, row)));
        let state = (&mut states[row], &mut memory);
        sweep_target::<F, R, Red, D>(cx, parameters, target, sources, contracted, of_row, state);
        row += 1;
    }
}

/// Takes all pairs of a row of targets, as `sweep::sweep_target` does. Nothing is selected for lanes that are not `in_use`, a bit each.
#[inline(always)]
fn sweep_target<F: Formula, R: Packed<Scalar: Vectorized>, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::Parameters<R>,
    target: &[R],
    sources: &[D::Source],
    contracted: &[F::Contractions<R>],
    (numbers, in_use): (SourceNumbers<'_>, u64),
    (state, memory): (&mut Red::State<F, R>, &mut Memory<R::Scalar>),
) {
    // A copy of a short target stays in registers, whatever is written to memory.
    let mut own = F::Target::<R>::splat(R::lit(cx, 0.0));
    let target = if const { <F::Target<u8> as Components<u8>>::LEN <= SHORT } {
        own.as_mut_slice().copy_from_slice(target);
        own.as_slice()
    } else {
        target
    };
    let mut run = Red::begin::<F, R>(cx, state);
    if const { D::LISTED } && numbers.any_order {
        Red::in_any_order::<F, R>(&mut run);
    }
    let Memory { queues, values } = memory;
    let pairs = Pairs::<F, R> { parameters, target, contracted };
    // The lanes in use, for each source of a turn.
    let in_use = (in_use & const { u64::MAX >> (64 - LANES) }) * const { u64::MAX / (u64::MAX >> (64 - LANES)) };
    let fills = R::truths(cx, Red::admits::<F, R>(cx, &run, R::lit(cx, f64::INFINITY))) & in_use != 0;
    // The lanes that admit the sources of each turn, with the lanes of the first source in the lowest bits.
    let mut admitted = [0_u64; TURNS];
    // `begin..end` are the sources that were compared; `noted` has a bit for each of their turns that still has
    // admissions to be queued; `turn` and `lanes` are the turn that is being queued, and its remaining admissions. The
    // turns are bits and not a list, because writes to a list would be at places that depend on the comparisons, and
    // later reads would wait for these.
    let (mut begin, mut end, mut noted) = (0, 0, 0_u32);
    let (mut turn, mut lanes) = (0, 0_u64);
    let mut done = false;
    while !done {
        // This loop runs until a queue is full or all sources are queued.
        loop {
            if lanes != 0 {
                let place = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let (ahead, lane) = (place / LANES % TURN, place % LANES);
                let row = D::number(numbers, begin + turn * TURN + ahead, lane);
                if queues.append(lane, values.0[turn][ahead][lane], row) {
                    break;
                }
            } else if noted != 0 {
                turn = noted.trailing_zeros() as usize % TURNS;
                let dense = admitted[turn].count_ones() >= DENSE;
                if dense && !queues.are_empty() {
                    break;
                }
                noted &= noted - 1;
                if dense {
                    let row = begin + turn * TURN;
                    queues.fill::<F, R, D>(&values.0[turn], end - row, numbers, row);
                    break;
                }
                lanes = admitted[turn];
            } else if end == sources.len() {
                done = true;
                break;
            } else {
                begin = end;
                let ahead = if fills && begin < AHEAD { AHEAD_AT_FIRST } else { AHEAD };
                end = if begin + ahead < sources.len() { begin + ahead } else { sources.len() };
                let (whole, rest) = sources[begin..end].as_chunks::<TURN>();
                let mut turn = 0;
                while turn < whole.len() {
                    let (place, sources) = (turn % TURNS, (&whole[turn], begin + turn * TURN));
                    let lanes = pairs.admitting::<Red, D, TURN>(cx, &run, sources, &mut values.0[place]) & in_use;
                    admitted[place] = lanes;
                    noted |= u32::from(lanes != 0) << place;
                    turn += 1;
                }
                if !rest.is_empty() {
                    let place = turn % TURNS;
                    let (mut lanes, mut k) = (0, 0);
                    while k < rest.len() {
                        let source = (core::array::from_ref(&rest[k]), begin + turn * TURN + k);
                        let to = core::array::from_mut(&mut values.0[place][k % TURN]);
                        lanes |= pairs.admitting::<Red, D, 1>(cx, &run, source, to) << (k * LANES);
                        k += 1;
                    }
                    lanes &= in_use;
                    admitted[place] = lanes;
                    noted |= u32::from(lanes != 0) << place;
                }
            }
        }
        queues.insert::<F, R, Red>(cx, state, &mut run);
    }
    Red::flush::<F, R>(cx, state, &run);
}
