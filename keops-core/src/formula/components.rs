//! Fixed-size storage for the components of a value whose length is a polynomial of const generics.
//!
//! Stable Rust has `[E; D]` for a const generic `D` but not `[E; D + 1]` or `[E; D * D]`. The macro therefore writes
//! lengths as types: a literal or a parameter is an array, a sum is a [`Chain`], a product is a [`Grid`]. All of these
//! types are plain memory, which is read and written as one flat slice.

/// A fixed number of components of type `E`, one after another in memory.
///
/// # Safety
/// `Self` must be exactly `LEN` values of type `E` without padding, aligned like `E`.
pub unsafe trait Components<E: Copy>: Copy {
    /// How many components there are.
    const LEN: usize;
    /// All components equal.
    fn splat(value: E) -> Self;

    /// The components as one slice of length [`Self::LEN`].
    #[inline(always)]
    fn as_slice(&self) -> &[E] {
        // SAFETY: the contract of the trait: `Self` is LEN values of E in a row.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast::<E>(), Self::LEN) }
    }
    /// The components as one mutable slice of length [`Self::LEN`].
    #[inline(always)]
    fn as_mut_slice(&mut self) -> &mut [E] {
        // SAFETY: as in `as_slice`; `&mut self` makes the access exclusive.
        unsafe { core::slice::from_raw_parts_mut(core::ptr::from_mut(self).cast::<E>(), Self::LEN) }
    }
    /// `from` as `count` values of this type, one after another.
    ///
    /// # Panics
    /// If `from` does not have `count` times [`Self::LEN`] components.
    #[inline(always)]
    fn rows(from: &[E], count: usize) -> &[Self] {
        assert!(count.checked_mul(Self::LEN) == Some(from.len()), "the slice does not consist of so many rows");
        // SAFETY: by the contract of the trait, `count` values of `Self` are `count` * LEN values of E in a row,
        // aligned like E; the assertion says that `from` has as many, also if both are none.
        unsafe { core::slice::from_raw_parts(from.as_ptr().cast::<Self>(), count) }
    }
    /// The mutable form of [`Self::rows`].
    ///
    /// # Panics
    /// As [`Self::rows`].
    #[inline(always)]
    fn rows_mut(from: &mut [E], count: usize) -> &mut [Self] {
        assert!(count.checked_mul(Self::LEN) == Some(from.len()), "the slice does not consist of so many rows");
        // SAFETY: as in `rows`; `&mut` makes the access exclusive.
        unsafe { core::slice::from_raw_parts_mut(from.as_mut_ptr().cast::<Self>(), count) }
    }
}

// SAFETY: an array is N values without padding.
unsafe impl<E: Copy, const N: usize> Components<E> for [E; N] {
    const LEN: usize = N;
    #[inline(always)]
    fn splat(value: E) -> Self {
        [value; N]
    }
}

/// The components of `A`, then the components of `B`: storage whose length is a sum.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Chain<A, B>(
    /// The first components.
    pub A,
    /// The components after them.
    pub B,
);

// SAFETY: repr(C); both parts are whole numbers of E aligned like E, so there is no padding between or behind them.
unsafe impl<E: Copy, A: Components<E>, B: Components<E>> Components<E> for Chain<A, B> {
    const LEN: usize = A::LEN + B::LEN;
    #[inline(always)]
    fn splat(value: E) -> Self {
        Chain(A::splat(value), B::splat(value))
    }
}

/// `N` values of type `A`: storage whose length is a product.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Grid<A, const N: usize>(
    /// One after another.
    pub [A; N],
);

// SAFETY: an array of N values, each a whole number of E aligned like E.
unsafe impl<E: Copy, A: Components<E>, const N: usize> Components<E> for Grid<A, N> {
    const LEN: usize = A::LEN * N;
    #[inline(always)]
    fn splat(value: E) -> Self {
        Grid([A::splat(value); N])
    }
}
