//! Components whose length is a sum or a product, read and written as one slice: the only unsafe code of this crate.
//! Small enough for miri: `cargo +nightly miri test -p keops-core --no-default-features --test components`.

use keops_core::formula::{Chain, Components, Grid};

/// Writes every component through the slice, and reads it again from a copy.
fn survives<E: Copy + PartialEq + core::fmt::Debug, C: Components<E>>(zero: E, numbered: impl Fn(usize) -> E) {
    let mut components = C::splat(zero);
    assert_eq!(components.as_slice(), vec![zero; C::LEN]);
    assert_eq!(size_of::<C>(), C::LEN * size_of::<E>(), "padding");
    for (c, component) in components.as_mut_slice().iter_mut().enumerate() {
        *component = numbered(c);
    }
    let copy = components;
    assert!(copy.as_slice().iter().enumerate().all(|(c, component)| *component == numbered(c)));
    assert_eq!(copy.as_slice().len(), C::LEN);
    // two values in a row, read as a slice of two
    let flat: Vec<E> = (0..2 * C::LEN).map(&numbered).collect();
    let mut copied = flat.clone();
    C::rows_mut(&mut copied, 2)[1].as_mut_slice().fill(zero);
    assert!(copied[..C::LEN] == flat[..C::LEN] && copied[C::LEN..].iter().all(|component| *component == zero));
    let rows = C::rows(&flat, 2);
    assert!(rows.len() == 2 && rows[0].as_slice() == &flat[..C::LEN] && rows[1].as_slice() == &flat[C::LEN..]);
}

/// Lengths 0, 1, 3, 2 + 1, 3 * 4 and (2 + 3) * 2 + 0.
fn all_lengths<E: Copy + PartialEq + core::fmt::Debug>(zero: E, numbered: impl Fn(usize) -> E) {
    survives::<E, [E; 0]>(zero, &numbered);
    survives::<E, [E; 1]>(zero, &numbered);
    survives::<E, [E; 3]>(zero, &numbered);
    survives::<E, Chain<[E; 2], [E; 1]>>(zero, &numbered);
    survives::<E, Grid<[E; 3], 4>>(zero, &numbered);
    survives::<E, Chain<Grid<Chain<[E; 2], [E; 3]>, 2>, [E; 0]>>(zero, &numbered);
}

#[test]
fn numbers() {
    all_lengths(0.0_f32, |c| c as f32);
    all_lengths(0.0_f64, |c| c as f64);
    all_lengths(0_u8, |c| c as u8);
}

#[test]
fn tiles() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(32))]
    struct Tile([f32; 8]);
    all_lengths(Tile([0.0; 8]), |c| Tile([c as f32; 8]));
}

#[test]
fn parts_follow_each_other() {
    let mut chain = <Chain<[u32; 2], [u32; 1]> as Components<u32>>::splat(7);
    chain.as_mut_slice()[2] = 9;
    assert_eq!(chain.as_slice(), [7, 7, 9]);
}

#[test]
#[should_panic(expected = "does not consist of so many rows")]
fn rows_of_another_length() {
    <[f32; 3] as Components<f32>>::rows(&[0.0; 7], 2);
}
