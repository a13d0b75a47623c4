//! Which value an interval is of.
//!
//! Intervals alone do not know that the two factors of x·x are the same number, and would bound x·x on [-1, 1] by
//! [-1, 1]. So each value has a number, made of the operation and of the numbers of its operands (*value numbering*): the same
//! expression has the same number, wherever it is computed, and different ones differ but for a chance of 2^-63. The
//! number of -x is the complement of that of x.

/// A number for a word, such as the name of an operation.
pub(super) const fn word(text: &str) -> u64 {
    let (bytes, mut hash, mut k) = (text.as_bytes(), 0xcbf2_9ce4_8422_2325_u64, 0);
    while k < bytes.len() {
        hash = (hash ^ bytes[k] as u64).wrapping_mul(0x0100_0000_01b3);
        k += 1;
    }
    hash
}

/// The number of an operation on two values, in this order.
#[inline]
pub(super) const fn of(operation: u64, a: u64, b: u64) -> u64 {
    let x = (operation ^ a).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = ((x ^ (x >> 32)).wrapping_add(b)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 32)
}

/// The number of an operation of which the order of the operands does not matter.
#[inline]
pub(super) fn symmetric(operation: u64, a: u64, b: u64) -> u64 {
    of(operation, a.min(b), a.max(b))
}

/// One of the numbers of x and of -x, the same for both, and whether it is that of -x.
#[inline]
pub(super) fn unsigned(id: u64) -> (u64, bool) {
    let negative = id >> 63 == 1;
    (if negative { !id } else { id }, negative)
}

#[inline]
fn signed(id: u64, negative: bool) -> u64 {
    if negative { !id } else { id }
}

/// The number of a constant.
pub(super) fn constant(value: f64) -> u64 {
    signed(of(const { word("constant") }, value.abs().to_bits(), 0), value.is_sign_negative())
}

/// The number of a + b, which is the complement of that of -a - b.
#[inline]
pub(super) fn sum(a: u64, b: u64) -> u64 {
    // one of the sums a + b and !a + !b = -2 - (a + b) is negative
    let negative = a.wrapping_add(b) >> 63 == 1;
    signed(symmetric(const { word("add") }, signed(a, negative), signed(b, negative)), negative)
}

/// The number of a product or quotient: its sign is that of the operands.
#[inline]
pub(super) fn product(operation: u64, a: u64, b: u64, commutes: bool) -> u64 {
    let ((a, first), (b, second)) = (unsigned(a), unsigned(b));
    let id = if commutes { symmetric(operation, a, b) } else { of(operation, a, b) };
    signed(id, first != second)
}
