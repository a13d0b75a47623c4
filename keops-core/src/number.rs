//! Numbers, and what is computed with them.
//!
//! A formula is written once, generic over [`Real`]: a plain number ([`Scalar`]), several that go in step ([`Bundle`]), or
//! a tile of SIMD vectors ([`crate::lanes`]). The number types know nothing of engines, arguments and devices.
//!
//! | where | what |
//! |---|---|
//! | `real` | the traits |
//! | `plain` | `f32` and `f64` |
//! | `bundle` | several numbers as one |
//! | [`ops`] | what formulas call by name |
//! | `math` | elementary functions, for numbers of any kind |

mod bundle;
pub(crate) mod math;
pub mod ops;
mod plain;
mod real;

pub use bundle::Bundle;
pub use real::{Packed, Real, Scalar};
