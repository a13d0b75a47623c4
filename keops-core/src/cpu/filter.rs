//! Reductions that refuse most sources: the K smallest values.
//!
//! A lane takes a source about K log(M / K) times, and one of sixteen lanes does so for every eighth source or so. A branch
//! at each of these costs a misprediction, and inserting a source into the lists of all lanes, of which one has it,
//! wastes the others. So pairs are only compared, without a branch, and the numbers of those that some lane admits are
//! noted. Behind a few dozen pairs the admitted values of each lane are appended to a queue of its own, and all lanes
//! insert from their queues in step when one of them is full.

use crate::{
    components::Components,
    cpu::sweep::{Direction, contract},
    formula::{Formula, Sink},
    real::{Element, Real},
    reduction::{Reduction, components},
};

/// Sources that are compared before any is inserted.
const AHEAD: usize = 32;

/// Room of a lane's queue.
const ROOM: usize = 8;

/// The longest target that is kept in registers.
const SHORT: usize = 8;

/// The most lanes.
const LANES: usize = 16;

/// Whether a kernel filters.
pub(super) const fn filters<F: Formula, R: Real, Red: Reduction>() -> bool {
    Red::FILTERS && R::SIMD && R::LANES <= LANES && components::<F>() == 1
}

/// What the lanes have admitted and not yet inserted; each vector is in one line of the cache.
#[repr(align(64))]
struct Queues<T> {
    /// Place after place, those of all lanes side by side. NaN where there is nothing.
    values: [T; ROOM * LANES],
    /// Row numbers as bits.
    rows: [T; ROOM * LANES],
    /// How many each lane has.
    counts: [u8; LANES],
    /// The most of them.
    most: u8,
}

impl<T: Element> Queues<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { values: [T::nan(); ROOM * LANES], rows: [T::from_f64(0.0); ROOM * LANES], counts: [0; LANES], most: 0 }
    }

    /// Appends to the queue of a lane, which has room.
    #[inline(always)]
    fn append(&mut self, lane: usize, value: T, row: u32) {
        let count = self.counts[lane];
        let place = (usize::from(count) % ROOM) * LANES + lane;
        self.values[place] = value;
        self.rows[place] = T::index_to_bits((), row);
        self.counts[lane] = count + 1;
        self.most = self.most.max(count + 1);
    }

    /// Inserts all that is queued.
    #[inline(always)]
    fn insert<F: Formula, R: Real<Scalar = T>, Red: Reduction>(
        &mut self,
        cx: R::Cx,
        state: &mut Red::State<F, R>,
        run: &mut Red::Run<F, R>,
    ) {
        let mut place = 0;
        while place < usize::from(self.most) {
            let values = R::load(cx, &self.values[place * LANES..]);
            let rows = R::index_from_bits(cx, R::load(cx, &self.rows[place * LANES..]));
            Red::push::<F, R>(cx, state, run, &mut Red::keep(cx), rows, 0, values);
            R::store(R::lit(cx, f64::NAN), cx, &mut self.values[place * LANES..]);
            place += 1;
        }
        self.counts = [0; LANES];
        self.most = 0;
    }
}

/// The values of the pairs ahead, those of all lanes side by side.
#[repr(align(64))]
struct Values<T>([T; AHEAD * LANES]);

/// The value of a pair.
struct Value<R>(R);

impl<R: Real> Sink<R> for Value<R> {
    #[inline(always)]
    fn put(&mut self, _cx: R::Cx, _c: usize, value: R) {
        self.0 = value;
    }
    #[inline(always)]
    fn put_product(&mut self, cx: R::Cx, _c: usize, a: R, b: R) {
        self.0 = R::mul(cx, a, b);
    }
}

/// Takes all pairs of a row of targets, as `sweep_target` does.
#[inline(always)]
pub(super) fn sweep_target<F: Formula, R: Real, Red: Reduction, D: Direction<F, R>>(
    cx: R::Cx,
    parameters: &F::P<R>,
    target: &[R],
    sources: &[D::Source],
    contracted: &[F::C<R>],
    first: u32,
    state: &mut Red::State<F, R>,
) {
    // A short target of its own stays in registers whatever is written.
    let mut own = F::I::<R>::splat(R::lit(cx, 0.0));
    let target = if const { <F::I<u8> as Components<u8>>::LEN <= SHORT } {
        own.as_mut_slice().copy_from_slice(target);
        own.as_slice()
    } else {
        target
    };
    let mut run = Red::begin::<F, R>(cx, state);
    let mut queues = Queues::<R::Scalar>::new();
    let mut values = Values([R::Scalar::from_f64(0.0); AHEAD * LANES]);
    // The lanes that admit a source.
    let mut admitted = [0_u16; AHEAD];
    let mut begin = 0;
    while begin < sources.len() {
        let end = (begin + AHEAD).min(sources.len());
        // Whether there are any, a bit for each source. A list of those where there are would be written to at places that
        // depend on the comparisons, and later reads wait until these places are known.
        let mut noted = 0_u32;
        let mut source = begin;
        while source < end {
            let contractions = contract::<F, R, D>(cx, target, &sources[source], contracted, source);
            let mut value = Value(R::lit(cx, 0.0));
            let stored = D::source(&sources[source]);
            F::pair::<R>(cx, parameters.as_slice(), &target, &stored, contractions.as_slice(), &mut value);
            value.0.store(cx, &mut values.0[(source - begin) * LANES..]);
            let lanes = R::truths(cx, Red::admits::<F, R>(cx, &run, value.0)) as u16;
            admitted[source - begin] = lanes;
            noted |= u32::from(lanes != 0) << (source - begin);
            source += 1;
        }
        while noted != 0 {
            let ahead = noted.trailing_zeros() as usize % AHEAD;
            noted &= noted - 1;
            let mut lanes = admitted[ahead];
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize % LANES;
                queues.append(lane, values.0[ahead * LANES + lane], D::row(first, begin + ahead, lane));
                lanes &= lanes - 1;
            }
            if usize::from(queues.most) == ROOM {
                queues.insert::<F, R, Red>(cx, state, &mut run);
            }
        }
        begin = end;
    }
    queues.insert::<F, R, Red>(cx, state, &mut run);
    Red::flush::<F, R>(cx, state, &run);
}
