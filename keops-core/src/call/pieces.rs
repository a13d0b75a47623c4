//! Partial results: the states of a call for some of its sources, as a value.
//!
//! Reductions are monoids (see [`crate::reduction`]), so sources may come in pieces: the states after some of them can be kept, be
//! gone on from with others, be merged with those of others, and become a result in the end.
//!
//! | where | what |
//! |---|---|
//! | `states` | the states of one pass: reduced, merged, finished |
//! | `sweep` | what the passes of a plan do while their call has some of the sources |
//! | `partial` | a partial result, and the traits of calls that have some |
//! | `chunks` | sources that come in chunks, with the next one fetched meanwhile |
//! | `written` | with the feature `serde`: how a partial result is written and read |

mod chunks;
mod partial;
mod states;
mod sweep;
#[cfg(feature = "serde")]
mod written;

pub use chunks::in_chunks;
pub use partial::{InPieces, Partial, U64Rows};
pub(super) use states::states;
pub(super) use sweep::{Centres, centres, counts, has_no_numbers, lists, run, saved};
