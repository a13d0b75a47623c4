//! The sizes that the host and the kernels on a GPU agree on.

use keops_core::{
    call::Element,
    formula::{Components, Formula},
    launch::{block_targets, bundle_pairs, group_sources, rows_per_thread, shared_bytes, source_stride, tile_sources},
    reduction::{ArgKMin, LogSumExp, Reduction, Sum},
};

use crate::formulas::{Linear, SquaredDistance};

/// The bytes of shared memory that a block has on every device.
const MOST_SHARED: usize = 48 << 10;

fn check<T: Element, F: Formula, R: Reduction>() {
    let (targets, group, tile) = (rows_per_thread::<T, F, R>(), group_sources::<T, F, R>(), tile_sources::<T, F, R>());
    let (bundle, stride) = (bundle_pairs::<T, F, R>(), source_stride::<T, F>());
    let what = (F::NAME, <F::Target<u8> as Components<u8>>::LEN, T::NAME, targets, group, bundle, tile);
    assert!(group >= 1 && tile >= group && tile % group == 0, "{what:?}");
    assert!(bundle % targets == 0 && bundle >= targets && group >= bundle / targets, "{what:?}");
    assert!((stride * size_of::<T>()).is_multiple_of(16), "{what:?}");
    assert_eq!(shared_bytes::<T, F, R>(), tile * stride * size_of::<T>(), "{what:?}");
    // A source that is too long for shared memory is still a tile of one source; no kernel is launched for it.
    let fits = stride * size_of::<T>() <= MOST_SHARED;
    assert!(if fits { shared_bytes::<T, F, R>() <= MOST_SHARED } else { tile == 1 }, "{what:?}");
    assert_eq!(block_targets::<T, F, R>(), 128 * targets, "{what:?}");
}

fn check_all<const D: usize>() {
    check::<f32, SquaredDistance<D>, Sum>();
    check::<f64, SquaredDistance<D>, Sum>();
    check::<f32, SquaredDistance<D>, LogSumExp>();
    check::<f64, SquaredDistance<D>, ArgKMin<10>>();
    check::<f32, Linear<D>, Sum>();
    check::<f64, Linear<D>, Sum>();
}

#[test]
fn tiles_are_whole_groups_and_groups_whole_bundles() {
    check_all::<0>();
    check_all::<1>();
    check_all::<3>();
    check_all::<16>();
    check_all::<17>();
    check_all::<33>();
    check_all::<100>();
    check_all::<300>();
    check_all::<784>();
    check_all::<1000>();
    check_all::<3000>();
    check_all::<20_000>();
}

#[test]
fn sources_are_too_long_from_48_kib_on() {
    assert_eq!(shared_bytes::<f32, SquaredDistance<12_288>, Sum>(), MOST_SHARED);
    assert_eq!(shared_bytes::<f32, SquaredDistance<12_289>, Sum>(), MOST_SHARED + 16);
    assert_eq!(shared_bytes::<f64, SquaredDistance<6_144>, Sum>(), MOST_SHARED);
    assert_eq!(shared_bytes::<f64, SquaredDistance<6_145>, Sum>(), MOST_SHARED + 16);
}

#[test]
fn long_rows_are_taken_by_groups_of_sources() {
    assert_eq!(group_sources::<f32, SquaredDistance<32>, Sum>(), 1);
    assert_eq!(group_sources::<f32, SquaredDistance<33>, Sum>(), 12);
    assert_eq!(rows_per_thread::<f32, SquaredDistance<1000>, Sum>(), 4);
    assert_eq!(group_sources::<f64, SquaredDistance<300>, ArgKMin<10>>(), 12);
    assert_eq!(group_sources::<f64, SquaredDistance<1000>, Sum>(), 6);
    assert_eq!((bundle_pairs::<f32, Linear<300>, Sum>(), group_sources::<f32, Linear<300>, Sum>()), (16, 16));
}
