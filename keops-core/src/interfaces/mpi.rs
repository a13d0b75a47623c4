//! Calls over the ranks of an MPI program: communicators of the crate mpi as [`Ranks`].
//!
//! Every rank holds a part of the targets and a part of the sources, of any number of rows, and makes the same call; rows are
//! numbered by rank: those of rank 1 follow those of rank 0. The guide's chapter "More than one machine" has an example, what a rank
//! needs of memory, and what MPI must be built with.
//!
//! ```no_run
//! use keops::{interfaces::mpi::Ranks, prelude::*};
//! use mpi::{Threading, traits::*};
//!
//! keops! { pub fn density(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y)) } }
//!
//! # fn main() -> Result<(), Error> {
//! let (universe, _) = mpi::initialize_with_threading(Threading::Funneled).expect("the first call of MPI");
//! let world = universe.world();
//! let own = vec![[world.rank() as f32; 3]; 1000]; // the points of this rank
//! let sums: Rows<f32, 1> = density(&own, &own).over(&world).eval()?; // over the points of all ranks
//! assert_eq!(sums.len(), own.len());
//! # Ok(())
//! # }
//! ```

use core::{
    cell::RefCell,
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};
use std::{
    fs,
    sync::{Arc, Weak},
    thread::{self, Thread},
    time::Instant,
};

use mpi::{
    request::{LocalScope, Request, scope},
    topology::{CommunicatorRelation, SimpleCommunicator},
    traits::{Communicator, CommunicatorCollectives as _, Destination as _, Source as _},
};
use rayon::{ThreadPool, ThreadPoolBuilder};

pub use crate::problem::Exchange;
use crate::{
    data::Error,
    problem::{Messages, Over, Work},
};

/// The ranks of a communicator, for calls over them: `.over(&comm)`, or `.over(&ranks)` where something is to be chosen.
///
/// To make one is a collective operation: it duplicates the communicator, so that messages of calls do not meet those of the
/// program, and counts the ranks of each machine. For `MPI_COMM_WORLD` this is done once, by the first call over it; for another
/// communicator it is done anew by each `.over(&comm)`, so a program that makes many calls over one makes its `Ranks` once.
///
/// A call computes on a pool of threads of its own: as many as this rank has cores, divided by the number of ranks on this machine
/// that may run on one of the same cores. The thread that evaluates the call sends and receives meanwhile; it must be the one that
/// made the `Ranks`, which with [`Threading::Funneled`](mpi::Threading) is the one that initialized MPI.
#[derive(Clone)]
pub struct Ranks {
    group: Arc<Group>,
    exchange: Exchange,
}

impl Ranks {
    /// The ranks of a communicator, all of which must do this.
    #[must_use]
    pub fn new(communicator: &impl Communicator) -> Self {
        Self { group: Group::of(communicator), exchange: Exchange::Auto }
    }

    /// Chooses how the sources of other ranks come to a rank, instead of [`Exchange::Auto`]. All ranks must choose the same.
    #[must_use]
    pub fn exchange(self, exchange: Exchange) -> Self {
        Self { exchange, ..self }
    }

    /// The number of threads that calls compute with on this rank.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.group.threads()
    }
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Group { rank, count, .. } = *self.group;
        let mut fields = f.debug_struct("Ranks");
        fields.field("rank", &rank).field("count", &count).field("threads", &self.threads());
        fields.field("exchange", &self.exchange).finish()
    }
}

impl<C: Communicator> From<&C> for Ranks {
    fn from(communicator: &C) -> Self {
        Self::new(communicator)
    }
}

impl From<&Ranks> for Ranks {
    fn from(ranks: &Ranks) -> Self {
        ranks.clone()
    }
}

impl From<Ranks> for Over {
    fn from(ranks: Ranks) -> Self {
        Self::new(ranks.group, ranks.exchange)
    }
}

/// The ranks of a communicator, as all threads may know them.
struct Group {
    /// The number of the communicator among those of the thread that can use it.
    key: u64,
    rank: usize,
    count: usize,
    /// How many ranks are on this machine.
    neighbours: usize,
    /// The threads that compute; none if there are no threads, or no messages.
    pool: Option<ThreadPool>,
}

/// A communicator of this thread, while anything uses it.
struct Local {
    key: u64,
    user: Weak<Group>,
    communicator: Option<SimpleCommunicator>,
}

impl Drop for Local {
    fn drop(&mut self) {
        // When MPI has ended, which is before the end of this thread, there is nothing left to be freed.
        if mpi::environment::is_finalized() {
            core::mem::forget(self.communicator.take());
        }
    }
}

/// The communicators of a thread: handles of MPI do not leave the thread that uses them.
#[derive(Default)]
struct Communicators {
    world: Option<Arc<Group>>,
    all: Vec<Local>,
}

thread_local! {
    static COMMUNICATORS: RefCell<Communicators> = RefCell::default();
}

static KEYS: AtomicU64 = AtomicU64::new(0);

/// The most bytes of one message: MPI counts by `int`.
const PIECE: usize = 1 << 30;
/// So long a thread looks for messages without a pause; a pause ends later than it should.
const EAGER: Duration = Duration::from_micros(40);
/// The first pause, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_micros(20), Duration::from_millis(1)];
/// The longest pause while this rank computes: waking up takes some 5 µs of a core that computes.
const LONG_PAUSE: Duration = Duration::from_millis(10);

impl Group {
    fn of(communicator: &impl Communicator) -> Arc<Self> {
        if communicator.test_inter() {
            let pool = None;
            return Arc::new(Self { key: u64::MAX, rank: 0, count: 1, neighbours: 1, pool });
        }
        let is_world = communicator.compare(&SimpleCommunicator::world()) == CommunicatorRelation::Identical;
        COMMUNICATORS.with_borrow_mut(|communicators| {
            if let Some(world) = communicators.world.as_ref().filter(|_| is_world) {
                return world.clone();
            }
            // The other ranks may come much later: what follows would use a core up while it waits.
            wait(vec![communicator.immediate_barrier()], PAUSES[1]);
            communicators.all.retain(|local| local.user.strong_count() > 0);
            let own = communicator.duplicate();
            let key = KEYS.fetch_add(1, Ordering::Relaxed);
            let (neighbours, threads) = share_of_machine(&own);
            let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|k| format!("keops {k}")).build().ok();
            let (rank, count) = (own.rank() as usize, own.size() as usize);
            let group = Arc::new(Self { key, rank, count, neighbours, pool });
            communicators.all.push(Local { key, user: Arc::downgrade(&group), communicator: Some(own) });
            if is_world {
                communicators.world = Some(group.clone());
            }
            group
        })
    }

    /// Does something with the communicator.
    fn with<R>(&self, run: impl FnOnce(&SimpleCommunicator) -> R) -> Option<R> {
        COMMUNICATORS.with_borrow(|communicators| {
            let local = communicators.all.iter().find(|local| local.key == self.key)?;
            local.communicator.as_ref().map(run)
        })
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rank, count, .. } = self;
        f.debug_struct("Group").field("rank", rank).field("count", count).finish_non_exhaustive()
    }
}

impl Messages for Group {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn check(&self) -> Result<(), Error> {
        let reason = if self.key == u64::MAX {
            "an inter-communicator has two groups of ranks"
        } else if mpi::environment::is_finalized() {
            "MPI is finalized"
        } else if self.with(|_| ()).is_none() {
            "a call over ranks is evaluated by the thread that called `over`"
        } else {
            return Ok(());
        };
        Err(Error::NoMessages { reason })
    }

    fn notes(&self, note: &[u64]) -> Vec<u64> {
        let mut all = vec![0; note.len() * self.count];
        self.with(|communicator| {
            scope(|scope| wait(vec![communicator.immediate_all_gather_into(scope, note, &mut all[..])], PAUSES[0]));
        });
        all
    }

    fn shift(&self, send: &[&[u8]], receive: &mut [&mut [u8]], work: Option<Work<'_>>) {
        let (next, previous) = ((self.rank + 1) % self.count, (self.rank + self.count - 1) % self.count);
        self.with(|communicator| {
            scope(|scope| {
                let mut requests = Vec::new();
                for slice in receive {
                    requests.extend(receiving(communicator, scope, previous, slice));
                }
                for slice in send {
                    requests.extend(sending(communicator, scope, next, slice));
                }
                match (work, &self.pool) {
                    (None, _) => wait(requests, PAUSES[0]),
                    (Some(work), Some(pool)) => {
                        let (done, waiting) = (AtomicBool::new(false), thread::current());
                        // The scope ends when the work has ended, and a panic of it goes on from there.
                        pool.in_place_scope(|threads| {
                            let end = Done { done: &done, waiting };
                            threads.spawn(|_| {
                                let _end = end;
                                work();
                            });
                            wait_beside(requests, &done);
                        });
                    }
                    (Some(work), None) => {
                        wait(requests, PAUSES[0]);
                        work();
                    }
                }
            });
        });
    }

    fn swap(&self, send: &[u64]) -> Vec<u64> {
        let mut received = vec![0; send.len()];
        self.with(|communicator| {
            scope(|scope| {
                wait(vec![communicator.immediate_all_to_all_into(scope, send, &mut received[..])], PAUSES[0])
            });
        });
        received
    }

    fn deal(&self, send: &[&[u8]], receive: &mut [&mut [u8]]) {
        self.with(|communicator| {
            scope(|scope| {
                let mut requests = Vec::new();
                for (rank, slice) in receive.iter_mut().enumerate() {
                    requests.extend(receiving(communicator, scope, rank, slice));
                }
                for (rank, slice) in send.iter().enumerate() {
                    requests.extend(sending(communicator, scope, rank, slice));
                }
                wait(requests, PAUSES[0]);
            });
        });
    }

    fn compute(&self, work: Work<'_>) {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    fn memory(&self) -> u64 {
        // A quarter of what is free, shared by the ranks of this machine: results and what the engine makes of the rows come besides.
        free_memory().unwrap_or(1 << 30) / 4 / self.neighbours as u64
    }

    fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, ThreadPool::current_num_threads)
    }
}

/// Says that work is done, also where it panics, and wakes the thread that waits.
struct Done<'d> {
    done: &'d AtomicBool,
    waiting: Thread,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        self.waiting.unpark();
    }
}

type Bytes<'a, 's> = Request<'a, [u8], &'s LocalScope<'a>>;

/// Begins to receive a slice from a rank, in pieces.
fn receiving<'a, 's>(
    communicator: &SimpleCommunicator,
    scope: &'s LocalScope<'a>,
    rank: usize,
    slice: &'a mut [u8],
) -> impl Iterator<Item = Bytes<'a, 's>> {
    let process = communicator.process_at_rank(rank as i32);
    slice.chunks_mut(PIECE).map(move |piece| process.immediate_receive_into_with_tag(scope, piece, 0))
}

/// Begins to send a slice to a rank, in pieces.
fn sending<'a, 's>(
    communicator: &SimpleCommunicator,
    scope: &'s LocalScope<'a>,
    rank: usize,
    slice: &'a [u8],
) -> impl Iterator<Item = Bytes<'a, 's>> {
    let process = communicator.process_at_rank(rank as i32);
    slice.chunks(PIECE).map(move |piece| process.immediate_send_with_tag(scope, piece, 0))
}

/// The requests that are not complete.
fn incomplete<'a, 's, D: ?Sized, S: mpi::request::Scope<'a>>(
    requests: Vec<Request<'a, D, S>>,
) -> Vec<Request<'a, D, S>> {
    requests.into_iter().filter_map(|request| request.test().err()).collect()
}

/// Waits until requests are complete: first eagerly, then with pauses, of which the first is this long.
fn wait<'a, D: ?Sized, S: mpi::request::Scope<'a>>(mut requests: Vec<Request<'a, D, S>>, mut pause: Duration) {
    let start = Instant::now();
    loop {
        requests = incomplete(requests);
        if requests.is_empty() {
            return;
        }
        if start.elapsed() < EAGER {
            thread::yield_now();
        } else {
            thread::sleep(pause);
            pause = (pause * 2).min(PAUSES[1]);
        }
    }
}

/// [`wait`], while threads compute until `done`: a core of theirs is not used for it.
fn wait_beside<'a, D: ?Sized, S: mpi::request::Scope<'a>>(mut requests: Vec<Request<'a, D, S>>, done: &AtomicBool) {
    let mut pause = PAUSES[0];
    loop {
        requests = incomplete(requests);
        if requests.is_empty() {
            return;
        }
        if done.load(Ordering::Acquire) {
            return wait(requests, PAUSES[0]);
        }
        thread::park_timeout(pause);
        pause = (pause * 2).min(LONG_PAUSE);
    }
}

/// How many ranks are on this machine, and how many threads this one computes with: the cores that it may use, divided by the
/// number of ranks that may use one of them.
fn share_of_machine(communicator: &SimpleCommunicator) -> (usize, usize) {
    let machine = communicator.split_shared(communicator.rank());
    let own = cores();
    let mut all = vec![0_u64; own.len() * machine.size() as usize];
    machine.all_gather_into(&own[..], &mut all[..]);
    let meets = |other: &&[u64]| other.iter().zip(&own).any(|(a, b)| a & b != 0);
    let sharing = all.chunks_exact(own.len()).filter(meets).count().max(1);
    let most =
        std::env::var("RAYON_NUM_THREADS").ok().and_then(|number| number.parse().ok()).filter(|&number| number > 0);
    let allowed = thread::available_parallelism().map_or(1, usize::from);
    (machine.size() as usize, (allowed / sharing).clamp(1, most.unwrap_or(usize::MAX)))
}

/// The cores that this process may use, a bit for each; all bits where the system does not say.
fn cores() -> [u64; 64] {
    let mut cores = [0; 64];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    for range in list.unwrap_or_default().trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else { continue };
        for core in first..=last.min(64 * 64 - 1) {
            cores[core / 64] |= 1 << (core % 64);
        }
    }
    if cores == [0; 64] { [u64::MAX; 64] } else { cores }
}

/// The free memory of this machine, or of the group of processes that this one belongs to, if that has less.
fn free_memory() -> Option<u64> {
    let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let free = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = free.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024;
    let limit = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    Some(limit.map_or(free, |(most, used)| free.min(most.saturating_sub(used))))
}

/// Defines the method of calls that runs them over ranks.
#[doc(hidden)]
#[macro_export]
macro_rules! __over {
    () => {
        impl<'a, T: $crate::call::Element, K, W> Call<'a, T, K, W> {
            /// Runs the call over the ranks of a communicator. Every rank makes the same call with its own rows of the targets and of
            /// the sources, and gets the rows of the result that belong to its own; the gradients of parameters are the same on all
            /// ranks. See [`Ranks`]($crate::interfaces::mpi::Ranks).
            pub fn over(self, ranks: impl ::core::convert::Into<$crate::interfaces::mpi::Ranks>) -> Self {
                Self::of(self.state.over(::core::convert::Into::into(ranks).into()))
            }
        }
    };
}
