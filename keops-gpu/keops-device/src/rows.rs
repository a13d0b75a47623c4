//! The numbers that a thread computes with.

pub use keops_core::number::Bundle as Rows;
use keops_core::number::Packed;

/// A number of one target.
///
/// # Safety
/// The type must be its scalar or a transparent wrapper of it: in memory both are the same.
pub unsafe trait Number: Packed<Cx = (), Mask = bool, Index = u32> {
    /// Whether coordinates are scaled where an exponent is a squared distance times a factor; see
    /// [`keops_core::formula::Scaled`].
    const SCALES: bool;
}

// SAFETY: the type is its scalar.
unsafe impl Number for f32 {
    const SCALES: bool = false;
}

// SAFETY: the type is its scalar.
unsafe impl Number for f64 {
    const SCALES: bool = false;
}
