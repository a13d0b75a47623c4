//! Rows that are read here and there, as rows of lanes.

use pulp::bytemuck::Pod;

use crate::lanes::{Common, transposed};

/// So many numbers of a row are read at a time.
const FOUR: usize = 4;

/// Lists of fewer rows of lanes are read by fours.
#[cfg(any(target_arch = "x86_64", test))]
const LONG: usize = 4;

/// Rows of lanes from rows of `WIDTH` numbers, each in `PARTS` times four: `list` has their numbers, a row of lanes, of which
/// there are a multiple of four, after another.
///
/// # Panics
/// If there is no row of some number.
pub(crate) fn gather<T: Pod, const WIDTH: usize, const PARTS: usize>(
    common: Common,
    rows: &[[[T; FOUR]; PARTS]],
    list: &[u32],
    to: &mut [T],
    lanes: usize,
) {
    // Vectors of 32 bytes take a call and a look at the list first. Rows of three numbers, which use three quarters of what is
    // read, were not gathered faster by them where all is in the cache, and 5 % more slowly elsewhere.
    #[cfg(target_arch = "x86_64")]
    if WIDTH >= FOUR && list.len() >= LONG * lanes && x86::gather::<T, WIDTH, PARTS>(common, rows, list, to, lanes) {
        return;
    }
    let step = lanes / FOUR;
    let to = to.as_chunks_mut::<FOUR>().0;
    for (to, list) in to.chunks_exact_mut(WIDTH * step).zip(list.as_chunks::<FOUR>().0.chunks_exact(step)) {
        for (number, &[a, b, c, d]) in list.iter().enumerate() {
            let [a, b, c, d] = [&rows[a as usize], &rows[b as usize], &rows[c as usize], &rows[d as usize]];
            for part in 0..PARTS {
                let columns = transposed(common, [a[part], b[part], c[part], d[part]]);
                for (n, column) in columns.into_iter().take(WIDTH - part * FOUR).enumerate() {
                    to[(part * FOUR + n) * step + number] = column;
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::{__m128, __m256, __m256d};

    use pulp::{
        Simd, WithSimd,
        bytemuck::{Pod, cast},
        x86::V3,
    };

    use super::FOUR;
    use crate::lanes::Common;

    /// [`super::gather`] by vectors of 32 bytes, if rows of lanes consist of these.
    pub(super) fn gather<T: Pod, const WIDTH: usize, const PARTS: usize>(
        common: Common,
        rows: &[[[T; FOUR]; PARTS]],
        list: &[u32],
        to: &mut [T],
        lanes: usize,
    ) -> bool {
        let vector = size_of::<__m256>() / size_of::<T>();
        if !matches!(vector, 4 | 8) || lanes == 0 || !lanes.is_multiple_of(vector) {
            return false;
        }
        let simd = common.simd();
        Simd::vectorize(simd, Gather::<T, WIDTH, PARTS> { simd, rows, list, to, lanes });
        true
    }

    struct Gather<'a, T, const WIDTH: usize, const PARTS: usize> {
        simd: V3,
        rows: &'a [[[T; FOUR]; PARTS]],
        list: &'a [u32],
        to: &'a mut [T],
        lanes: usize,
    }

    impl<T: Pod, const WIDTH: usize, const PARTS: usize> WithSimd for Gather<'_, T, WIDTH, PARTS> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self { simd, rows, list, to, lanes } = self;
            // Each by itself would be compared where it is read, two instructions of nine.
            let most = list.iter().copied().fold(0, u32::max);
            assert!(list.is_empty() || (most as usize) < rows.len(), "no row number {most}");
            for (to, list) in to.chunks_exact_mut(WIDTH * lanes).zip(list.chunks_exact(lanes)) {
                if size_of::<T>() == size_of::<f32>() {
                    let step = lanes / 8;
                    let to = to.as_chunks_mut::<8>().0;
                    for (number, list) in list.as_chunks::<8>().0.iter().enumerate() {
                        let mut part = 0;
                        while part < PARTS {
                            // SAFETY: all of the list are numbers of rows, as was asserted.
                            let columns: [[T; 8]; FOUR] = cast(unsafe { eights(simd, rows, list, part) });
                            let mut n = 0;
                            while n < FOUR && part * FOUR + n < WIDTH {
                                to[(part * FOUR + n) * step + number] = columns[n];
                                n += 1;
                            }
                            part += 1;
                        }
                    }
                } else {
                    let step = lanes / FOUR;
                    let to = to.as_chunks_mut::<FOUR>().0;
                    for (number, list) in list.as_chunks::<FOUR>().0.iter().enumerate() {
                        let mut part = 0;
                        while part < PARTS {
                            // SAFETY: all of the list are numbers of rows, as was asserted.
                            let columns: [[T; FOUR]; FOUR] = cast(unsafe { fours(simd, rows, list, part) });
                            let mut n = 0;
                            while n < FOUR && part * FOUR + n < WIDTH {
                                to[(part * FOUR + n) * step + number] = columns[n];
                                n += 1;
                            }
                            part += 1;
                        }
                    }
                }
            }
        }
    }

    /// The columns of a part of eight rows of four bytes a number.
    ///
    /// # Safety
    /// `list` has numbers of `rows` only.
    #[inline(always)]
    unsafe fn eights<T: Pod, const PARTS: usize>(
        V3 { avx, .. }: V3,
        rows: &[[[T; FOUR]; PARTS]],
        list: &[u32; 8],
        part: usize,
    ) -> [__m256; FOUR] {
        let mut both = [avx._mm256_setzero_ps(); FOUR];
        let mut k = 0;
        while k < FOUR {
            // SAFETY: the contract.
            let (low, high) = unsafe {
                (rows.get_unchecked(list[k] as usize)[part], rows.get_unchecked(list[k + FOUR] as usize)[part])
            };
            let (low, high): (__m128, __m128) = (cast(low), cast(high));
            both[k] = avx._mm256_insertf128_ps::<1>(avx._mm256_castps128_ps256(low), high);
            k += 1;
        }
        let [a, b, c, d] = both;
        let [ab, cd] = [avx._mm256_unpacklo_ps(a, b), avx._mm256_unpacklo_ps(c, d)];
        let [ab_high, cd_high] = [avx._mm256_unpackhi_ps(a, b), avx._mm256_unpackhi_ps(c, d)];
        [
            avx._mm256_shuffle_ps::<0b01_00_01_00>(ab, cd),
            avx._mm256_shuffle_ps::<0b11_10_11_10>(ab, cd),
            avx._mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
            avx._mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
        ]
    }

    /// The columns of a part of four rows of eight bytes a number.
    ///
    /// # Safety
    /// `list` has numbers of `rows` only.
    #[inline(always)]
    unsafe fn fours<T: Pod, const PARTS: usize>(
        V3 { avx, .. }: V3,
        rows: &[[[T; FOUR]; PARTS]],
        list: &[u32; FOUR],
        part: usize,
    ) -> [__m256d; FOUR] {
        let mut all = [avx._mm256_setzero_pd(); FOUR];
        let mut k = 0;
        while k < FOUR {
            // SAFETY: the contract.
            all[k] = cast(unsafe { rows.get_unchecked(list[k] as usize)[part] });
            k += 1;
        }
        let [a, b, c, d] = all;
        let [ab, cd] = [avx._mm256_unpacklo_pd(a, b), avx._mm256_unpacklo_pd(c, d)];
        let [ab_high, cd_high] = [avx._mm256_unpackhi_pd(a, b), avx._mm256_unpackhi_pd(c, d)];
        [
            avx._mm256_permute2f128_pd::<0x20>(ab, cd),
            avx._mm256_permute2f128_pd::<0x20>(ab_high, cd_high),
            avx._mm256_permute2f128_pd::<0x31>(ab, cd),
            avx._mm256_permute2f128_pd::<0x31>(ab_high, cd_high),
        ]
    }
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::*;

    fn check<T: Pod + PartialEq + core::fmt::Debug, const WIDTH: usize, const PARTS: usize>(
        numbers: &mut fastrand::Rng,
        number: impl Fn(u32) -> T,
    ) {
        let Some(common) = Common::of(Arch::new()) else { return };
        let count = numbers.usize(1..80);
        let rows: Vec<[[T; FOUR]; PARTS]> =
            (0..count).map(|_| [(); PARTS].map(|()| [(); FOUR].map(|()| number(numbers.u32(..1 << 24))))).collect();
        for lanes in [4, 8, 12, 16] {
            for rows_of_lanes in [0, 1, 3, LONG, LONG + 5] {
                // The last row among them, and some twice.
                let mut list: Vec<u32> = (0..rows_of_lanes * lanes).map(|_| numbers.u32(0..count as u32)).collect();
                list.iter_mut().skip(numbers.usize(0..lanes)).step_by(7).for_each(|row| *row = count as u32 - 1);
                let mut to = vec![number(7); WIDTH * list.len()];
                gather::<T, WIDTH, PARTS>(common, &rows, &list, &mut to, lanes);
                for (place, &row) in list.iter().enumerate() {
                    for n in 0..WIDTH {
                        let found = to[(place / lanes * WIDTH + n) * lanes + place % lanes];
                        let expected = rows[row as usize][n / FOUR][n % FOUR];
                        assert_eq!(found, expected, "{rows_of_lanes} rows of {lanes} lanes, {WIDTH} numbers");
                    }
                }
            }
        }
    }

    #[test]
    fn lanes_have_the_numbers_of_their_rows() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let numbers = &mut fastrand::Rng::with_seed(seed);
        for _ in 0..20 {
            check::<f32, 3, 1>(numbers, |n| n as f32);
            check::<f32, 4, 1>(numbers, |n| n as f32);
            check::<f32, 5, 2>(numbers, |n| n as f32);
            check::<f32, 6, 2>(numbers, |n| n as f32);
            check::<f32, 7, 2>(numbers, |n| n as f32);
            check::<f32, 8, 2>(numbers, |n| n as f32);
            check::<f64, 3, 1>(numbers, f64::from);
            check::<f64, 4, 1>(numbers, f64::from);
            check::<f64, 5, 2>(numbers, f64::from);
            check::<f64, 7, 2>(numbers, f64::from);
            check::<f64, 8, 2>(numbers, f64::from);
        }
    }

    /// Reads a row that is not there, in some place of a list.
    fn read_beyond(rows_of_lanes: usize, place: usize) {
        let Some(common) = Common::of(Arch::new()) else { panic!("there are no lanes") };
        let mut list = vec![0; 8 * rows_of_lanes];
        list[place] = 7;
        gather::<f32, 4, 1>(common, &[[[0.0; 4]]; 7], &list, &mut vec![0.0; 4 * list.len()], 8);
    }

    #[test]
    #[should_panic]
    fn rows_that_there_are_not_are_not_read() {
        read_beyond(1, 6);
    }

    #[test]
    #[should_panic(expected = "no row number 7")]
    #[cfg(target_arch = "x86_64")]
    fn rows_that_there_are_not_are_not_read_by_vectors() {
        read_beyond(LONG, 8 * LONG - 1);
    }
}
