//! Sources that come in chunks, with the next one fetched meanwhile.

use std::{sync::mpsc::sync_channel, thread};

use crate::{
    call::{Element, InPieces, OutputOf, Partial},
    data::Error,
};

/// The result of calls whose sources come in chunks: rows of a file that does not fit into memory, say.
///
/// `chunks` makes an iterator over all chunks, and is called once for each sweep: once for a sum, twice for the gradient of a
/// `LogSumExp` (see [`Partial`]). `reduce` makes the call of a chunk and goes on from the chunks before, by `partial_after`. While it
/// computes, a second thread fetches the next chunk, so there are two chunks in memory at a time.
///
/// The result is that of one call with the rows of all chunks, in their order: see [`Partial`] for which rows these are in
/// derivatives, and for how accurate it is. An error of the iterator ends it, and is returned.
///
/// ```
/// use keops::{in_chunks, prelude::*};
/// use std::{error::Error, io};
///
/// keops! {
///     /// a_i = Σ_j exp(-|x_i - y_j|²)
///     pub fn density(x: Vi<1>, y: Vj<1>) -> Sum<j> { exp(-sqdist(x, y)) }
/// }
///
/// /// Reads the numbers k / 100 for k in 0 to 999, a hundred at a time.
/// fn read() -> impl Iterator<Item = io::Result<Vec<[f64; 1]>>> {
///     (0..10).map(|chunk| Ok((0..100).map(|k| [f64::from(100 * chunk + k) / 100.0]).collect()))
/// }
///
/// # fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
/// let x = [[5.0]];
/// let sums = in_chunks(
///     || read().map(|chunk| chunk.map_err(Box::<dyn Error + Send + Sync>::from)),
///     |y, before| density(&x, y).partial_after(before),
/// )?;
/// assert!((sums[0][0] - 100.0 * std::f64::consts::PI.sqrt()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of the iterator and of `reduce`; [`Error::NoChunks`] if there is none; [`Error::SweepLength`] if iterators do not give as many
/// rows as the first one.
pub fn in_chunks<K, T, I, C, E>(
    mut chunks: impl FnMut() -> I,
    mut reduce: impl FnMut(&C, Option<Partial<K, T>>) -> Result<Partial<K, T>, Error>,
) -> Result<OutputOf<K, T>, E>
where
    K: InPieces,
    T: Element,
    I: IntoIterator<Item = Result<C, E>>,
    I::IntoIter: Send,
    C: Send,
    E: From<Error> + Send,
{
    let mut before = None;
    loop {
        let iterator = chunks().into_iter();
        let partial = thread::scope(|scope| {
            // without a buffer: the fetched chunk waits with its thread
            let (fetched, next) = sync_channel(0);
            scope.spawn(move || {
                // nobody waits for a chunk after an error of `reduce`
                iterator.map(|chunk| fetched.send(chunk)).take_while(Result::is_ok).for_each(drop);
            });
            let mut partial = before.take();
            let mut count = 0_u64;
            while let Ok(chunk) = next.recv() {
                partial = Some(reduce(&chunk?, partial)?);
                count += 1;
            }
            partial.filter(|_| count > 0).ok_or_else(|| E::from(Error::NoChunks))
        })?;
        if !partial.needs_sweep() {
            return Ok(partial.finish()?);
        }
        before = Some(partial.next_sweep()?);
    }
}
