//! The types that can be passed as rows and parameters; element types and dimensions follow from them.

use keops_core::{
    arguments::{AsParameter, AsRows},
    call::Element,
    data::{Error, Rows, View},
};

/// A function as the macro makes it, with a dimension that is generic.
fn generic<'a, T: Element, const D: usize>(
    g: impl AsParameter<'a, T, 1>,
    x: impl AsRows<'a, T, D>,
    y: impl AsRows<'a, T, D>,
) -> [View<'a, T>; 3] {
    [g.as_parameter(), x.as_rows(), y.as_rows()]
}

/// A function with a fixed dimension.
fn literal<'a, T: Element>(
    g: impl AsParameter<'a, T, 2>,
    x: impl AsRows<'a, T, 3>,
    y: impl AsRows<'a, T, 3>,
) -> [View<'a, T>; 3] {
    [g.as_parameter(), x.as_rows(), y.as_rows()]
}

fn sizes<T>(views: &[View<'_, T>]) -> Vec<(usize, usize, usize)> {
    views.iter().map(|view| (view.rows(), view.dim(), view.len())).collect()
}

#[test]
fn vectors_of_arrays() {
    let x: Vec<[f32; 3]> = vec![[1.0; 3]; 4];
    let y: Vec<[f32; 3]> = vec![[2.0; 3]; 5];
    let views = generic(0.5, &x, &y);
    assert_eq!(views[0].host(), Some(&[0.5_f32][..]));
    assert_eq!(sizes(&views), [(1, 1, 1), (4, 3, 12), (5, 3, 15)]);
    assert_eq!(sizes(&literal([0.5, 1.0], &x, &y)), [(1, 2, 2), (4, 3, 12), (5, 3, 15)]);
}

#[test]
fn slices_arrays_and_rows() {
    // Parameters as locals: arrays by reference.
    let (one, two) = ([0.5], [0.5, 0.5]);
    let x = vec![[1.0_f64; 3]; 4];
    let rows: Rows<f64, 3> = x.clone().into();
    let array = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let expected = [(1, 1, 1), (4, 3, 12), (2, 3, 6)];
    assert_eq!(sizes(&generic(0.5, &x[..], &array)), expected);
    assert_eq!(sizes(&generic([0.5], &rows, &array)), expected);
    assert_eq!(sizes(&generic(&one, &rows, &array[..])), expected);
    assert_eq!(sizes(&literal(&two, &rows, &array)), [(1, 2, 2), (4, 3, 12), (2, 3, 6)]);
}

#[test]
fn flat_slices() {
    let flat = vec![1.0_f32; 12];
    let parameter = vec![1.0_f32; 2];
    let expected = [(1, 2, 2), (4, 3, 12), (2, 3, 6)];
    assert_eq!(sizes(&literal(&parameter, &flat, &flat[..6])), expected);
    assert_eq!(sizes(&literal(&parameter[..], &flat[..], &[1.0; 6])), expected);
    // The dimension may follow from one argument, and the type of literals from another.
    assert_eq!(sizes(&generic(0.5, &flat, &[[1.0; 4]; 2])), [(1, 1, 1), (3, 4, 12), (2, 4, 8)]);
    assert_eq!(sizes(&generic(0.5, View::from_flat(&flat, 3), &[[1.0; 3]; 2])), [(1, 1, 1), (4, 3, 12), (2, 3, 6)]);
}

#[test]
fn parameters_from_results() {
    let x = [[1.0_f32; 3]; 2];
    let one: Rows<f32, 2> = vec![[1.0, 2.0]].into();
    let two: Rows<f32, 2> = vec![[1.0, 2.0]; 2].into();
    assert!(literal(&one, &x, &x)[0].fault().is_none());
    assert!(literal(&two, &x, &x)[0].fault().is_some());
}

#[test]
fn rows_of_results() -> Result<(), Error> {
    let mut rows: Rows<f32, 2> = Rows::zeros(3)?;
    rows[1] = [1.0, 2.0];
    rows.as_flat_mut()[5] = 3.0;
    assert_eq!(rows.as_flat(), [0.0, 0.0, 1.0, 2.0, 0.0, 3.0]);
    assert_eq!(rows.iter().map(|row| row[1]).sum::<f32>(), 5.0);
    assert_eq!((&rows).into_iter().count(), 3);
    for row in &mut rows {
        row[0] = 7.0;
    }
    assert_eq!(format!("{rows:?}"), "[[7.0, 0.0], [7.0, 2.0], [7.0, 3.0]]");
    let copy: Rows<f32, 2> = rows.clone().into_iter().collect();
    assert_eq!(copy, rows);
    assert_eq!(copy.into_vec(), vec![[7.0, 0.0], [7.0, 2.0], [7.0, 3.0]]);
    assert_eq!(rows.into_flat().len(), 6);
    assert!(Rows::<f32, 2>::default().is_empty());
    let huge = Rows::<f64, 1000>::zeros(usize::MAX / 100);
    assert_eq!(huge, Err(Error::OutputTooLarge { rows: usize::MAX / 100, width: 1000 }));
    Ok(())
}
