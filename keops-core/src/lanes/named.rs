//! Operations that `pulp` has for some instruction sets only, called by the names of their instructions.
//!
//! AVX-512 has tables of sixteen numbers in registers, from which every lane takes an entry in one instruction; AVX2
//! has one that makes bits of a mask. Both shift lanes of 64 bits.

use pulp::Simd;

/// Whether the vectors of `S` are those of AVX-512: no other instruction set of `pulp` has so many registers of that
/// size.
pub(super) const fn has_tables<S: Simd>() -> bool {
    cfg!(target_arch = "x86_64") && S::REGISTER_COUNT == 32 && size_of::<S::f32s>() == 64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::{
        any::TypeId,
        arch::x86_64::{__m128, __m128d, __m256, __m256d, __m256i, __m512, __m512d, __m512i},
        mem::transmute_copy,
    };

    use pulp::{
        Simd,
        bytemuck::{self, Pod, cast},
        f32x16, f64x8, u32x16,
        x86::{V3, V4},
    };

    use super::super::Common;
    use crate::number::math::exp2::{TABLE_F32, TABLE_F64};

    /// `value` as the type `To`, which is the same type under another name.
    ///
    /// # Safety
    /// `From` and `To` must be of the same size, and every bit pattern valid for `To`.
    #[inline(always)]
    unsafe fn same<From: Copy, To: Copy>(value: From) -> To {
        debug_assert_eq!(size_of::<From>(), size_of::<To>());
        // SAFETY: the sizes are the same, the rest is the contract.
        unsafe { transmute_copy(&value) }
    }

    /// `simd` as a `V`, if that is its type.
    #[inline(always)]
    fn token<S: Simd, V: Simd>(simd: S) -> Option<V> {
        // SAFETY: they are the same type.
        (TypeId::of::<S>() == TypeId::of::<V>()).then(|| unsafe { transmute_copy(&simd) })
    }

    #[inline(always)]
    pub(in super::super) fn entries_f32<S: Simd>(simd: S, bits: S::u32s) -> S::u32s {
        let v4: V4 = token(simd).expect("only AVX-512 has tables in registers");
        // SAFETY: 64 bytes each, in which every pattern is a number.
        unsafe {
            let (table, bits) = (same::<[u32; 16], __m512>(TABLE_F32), same::<S::u32s, __m512i>(bits));
            same::<__m512, S::u32s>(v4.avx512f._mm512_permutexvar_ps(bits, table))
        }
    }

    #[inline(always)]
    pub(in super::super) fn entries_f64<S: Simd>(simd: S, bits: S::u64s) -> S::u64s {
        let v4: V4 = token(simd).expect("only AVX-512 has tables in registers");
        let (low, high) = const { (*TABLE_F64.first_chunk::<8>().unwrap(), *TABLE_F64.last_chunk::<8>().unwrap()) };
        // SAFETY: 64 bytes each, in which every pattern is a number.
        unsafe {
            let (low, high) = (same::<[u64; 8], __m512d>(low), same::<[u64; 8], __m512d>(high));
            let bits = same::<S::u64s, __m512i>(bits);
            same::<__m512d, S::u64s>(v4.avx512f._mm512_permutex2var_pd(low, bits, high))
        }
    }

    /// 0 where `x` is below `low`, else `value`. The comparison is "not below", which is true for NaN, and saves the
    /// instruction for the opposite mask.
    #[inline(always)]
    pub(in super::super) fn unless_below_f32<S: Simd>(simd: S, x: S::f32s, low: f32, value: S::f32s) -> S::f32s {
        let v4: V4 = token(simd).expect("only AVX-512 has tables in registers");
        let mask = v4.cmp_not_lt_f32x16(bytemuck::cast(x), v4.splat_f32x16(low));
        bytemuck::cast::<f32x16, _>(v4.select_f32x16(mask, bytemuck::cast(value), v4.splat_f32x16(0.0)))
    }

    /// `value`, and 0 where `x` is below `low`.
    #[inline(always)]
    pub(in super::super) fn unless_below_f64<S: Simd>(simd: S, x: S::f64s, low: f64, value: S::f64s) -> S::f64s {
        let v4: V4 = token(simd).expect("only AVX-512 has tables in registers");
        let mask = v4.cmp_not_lt_f64x8(bytemuck::cast(x), v4.splat_f64x8(low));
        bytemuck::cast::<f64x8, _>(v4.select_f64x8(mask, bytemuck::cast(value), v4.splat_f64x8(0.0)))
    }

    /// The smaller of two whole numbers.
    #[inline(always)]
    pub(in super::super) fn integer_min_u32<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::u32s {
        let v4: V4 = token(simd).expect("only AVX-512 has tables in registers");
        let (a, b): (u32x16, u32x16) = (bytemuck::cast(a), bytemuck::cast(b));
        bytemuck::cast(v4.select_u32x16(v4.cmp_lt_u32x16(a, b), a, b))
    }

    /// Exchanges rows and columns. Without this function the compiler would move single numbers, with two or three
    /// times as many instructions.
    #[inline(always)]
    pub(crate) fn transposed<T: Pod>(common: Common, rows: [[T; 4]; 4]) -> [[T; 4]; 4] {
        let V3 { sse, sse2, .. } = common.simd();
        if size_of::<T>() == 4 {
            let [a, b, c, d] = rows;
            let [a, b, c, d]: [__m128; 4] = [cast(a), cast(b), cast(c), cast(d)];
            let [ab, cd] = [sse._mm_unpacklo_ps(a, b), sse._mm_unpacklo_ps(c, d)];
            let [ab_high, cd_high] = [sse._mm_unpackhi_ps(a, b), sse._mm_unpackhi_ps(c, d)];
            let low = [sse._mm_movelh_ps(ab, cd), sse._mm_movehl_ps(cd, ab)];
            let high = [sse._mm_movelh_ps(ab_high, cd_high), sse._mm_movehl_ps(cd_high, ab_high)];
            return [cast(low[0]), cast(low[1]), cast(high[0]), cast(high[1])];
        }
        let [a, b, c, d] = rows;
        let [a, b, c, d]: [[__m128d; 2]; 4] = [cast(a), cast(b), cast(c), cast(d)];
        let columns = |n: usize| {
            [
                [sse2._mm_unpacklo_pd(a[n], b[n]), sse2._mm_unpacklo_pd(c[n], d[n])],
                [sse2._mm_unpackhi_pd(a[n], b[n]), sse2._mm_unpackhi_pd(c[n], d[n])],
            ]
        };
        let ([x, y], [z, w]) = (columns(0), columns(1));
        [cast(x), cast(y), cast(z), cast(w)]
    }

    /// The bits of a mask, if there is an instruction.
    #[inline(always)]
    pub(in super::super) fn signs_f32<S: Simd>(simd: S, mask: S::m32s) -> Option<u64> {
        let v3: V3 = token(simd)?;
        // SAFETY: 32 bytes each, in which every pattern is a number.
        let mask = unsafe { same::<S::m32s, __m256>(mask) };
        Some(u64::from(v3.avx._mm256_movemask_ps(mask) as u32))
    }

    /// The bits of a mask, if there is an instruction.
    #[inline(always)]
    pub(in super::super) fn signs_f64<S: Simd>(simd: S, mask: S::m64s) -> Option<u64> {
        let v3: V3 = token(simd)?;
        // SAFETY: 32 bytes each, in which every pattern is a number.
        let mask = unsafe { same::<S::m64s, __m256d>(mask) };
        Some(u64::from(v3.avx._mm256_movemask_pd(mask) as u32))
    }

    /// Shifts lanes of 64 bits, if there is an instruction for that.
    macro_rules! shift {
        ($name:ident: $of_v3:ident, $of_v4:ident) => {
            #[inline(always)]
            pub(in super::super) fn $name<S: Simd>(simd: S, a: S::u64s, by: u32) -> Option<S::u64s> {
                if let Some(v4) = token::<S, V4>(simd) {
                    // SAFETY: 64 bytes each, in which every pattern is a number.
                    return Some(unsafe {
                        let a = same::<S::u64s, __m512i>(a);
                        same::<__m512i, S::u64s>(v4.avx512f.$of_v4(a, v4.avx512f._mm512_set1_epi64(i64::from(by))))
                    });
                }
                let v3: V3 = token(simd)?;
                // SAFETY: 32 bytes each, in which every pattern is a number.
                Some(unsafe {
                    let a = same::<S::u64s, __m256i>(a);
                    same::<__m256i, S::u64s>(v3.avx2.$of_v3(a, v3.avx._mm256_set1_epi64x(i64::from(by))))
                })
            }
        };
    }
    shift!(shift_left: _mm256_sllv_epi64, _mm512_sllv_epi64);
    shift!(shift_right: _mm256_srlv_epi64, _mm512_srlv_epi64);
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::transposed;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{
    entries_f32, entries_f64, integer_min_u32, shift_left, shift_right, signs_f32, signs_f64, unless_below_f32,
    unless_below_f64,
};

#[cfg(not(target_arch = "x86_64"))]
mod absent {
    use pulp::{Simd, bytemuck::Pod};

    use super::super::Common;

    pub(in super::super) fn entries_f32<S: Simd>(_: S, _: S::u32s) -> S::u32s {
        unreachable!("only AVX-512 has tables in registers")
    }
    pub(in super::super) fn entries_f64<S: Simd>(_: S, _: S::u64s) -> S::u64s {
        unreachable!("only AVX-512 has tables in registers")
    }
    pub(in super::super) fn unless_below_f32<S: Simd>(_: S, _: S::f32s, _: f32, _: S::f32s) -> S::f32s {
        unreachable!("only AVX-512 has tables in registers")
    }
    pub(in super::super) fn unless_below_f64<S: Simd>(_: S, _: S::f64s, _: f64, _: S::f64s) -> S::f64s {
        unreachable!("only AVX-512 has tables in registers")
    }
    pub(in super::super) fn integer_min_u32<S: Simd>(_: S, _: S::u32s, _: S::u32s) -> S::u32s {
        unreachable!("only AVX-512 has tables in registers")
    }
    #[inline(always)]
    pub(crate) fn transposed<T: Pod>(_: Common, rows: [[T; 4]; 4]) -> [[T; 4]; 4] {
        [0, 1, 2, 3].map(|column| rows.map(|row| row[column]))
    }
    #[inline(always)]
    pub(in super::super) fn signs_f32<S: Simd>(_: S, _: S::m32s) -> Option<u64> {
        None
    }
    #[inline(always)]
    pub(in super::super) fn signs_f64<S: Simd>(_: S, _: S::m64s) -> Option<u64> {
        None
    }
    #[inline(always)]
    pub(in super::super) fn shift_left<S: Simd>(_: S, _: S::u64s, _: u32) -> Option<S::u64s> {
        None
    }
    #[inline(always)]
    pub(in super::super) fn shift_right<S: Simd>(_: S, _: S::u64s, _: u32) -> Option<S::u64s> {
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use absent::transposed;
#[cfg(not(target_arch = "x86_64"))]
pub(super) use absent::{
    entries_f32, entries_f64, integer_min_u32, shift_left, shift_right, signs_f32, signs_f64, unless_below_f32,
    unless_below_f64,
};
