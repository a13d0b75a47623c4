//! Bad arguments are errors that name the variable and both numbers, never panics.

use keops_core::{
    call::reduce,
    data::{Device, Error, View},
    problem::{Piece, Place, Settings},
    reduction::{ArgKMin, Sum},
};
use pulp::Arch;

use crate::{
    formulas::{Gauss, SquaredDistance},
    harness::run,
};

fn gauss(views: &[View<'_, f32>]) -> Error {
    run::<f32, Gauss<3>, Sum>(Arch::new(), views).unwrap_err()
}

#[test]
fn arguments() {
    let numbers = [0.0; 12];
    let rows = |count: usize| View::from_flat(&numbers[..3 * count], 3);
    let g = || View::scalar(1.0);
    let b = |count: usize| View::from_flat(&numbers[..count], 1);

    let error = gauss(&[g(), rows(2), rows(4), b(3)]);
    assert_eq!(error, Error::RowCount { variable: "b", rows: 3, other: "y", other_rows: 4 });
    assert_eq!(error.to_string(), "`b` has 3 rows, but `y`, which is indexed alike, has 4");

    let error = gauss(&[g(), View::from_flat(&numbers[..7], 3), rows(4), b(4)]);
    assert_eq!(error, Error::FlatLength { variable: "x", len: 7, dim: 3 });
    assert_eq!(error.to_string(), "`x` holds 7 numbers, which is not a multiple of its dimension 3");

    let error = gauss(&[View::parameter(&numbers[..2], 1), rows(1), rows(4), b(4)]);
    assert_eq!(error, Error::ParameterLength { variable: "g", len: 2, dim: 1 });
    assert_eq!(error.to_string(), "the parameter `g` has dimension 1, but holds 2 numbers");
    let error = gauss(&[b(5), rows(1), rows(4), b(4)]);
    assert_eq!(error, Error::ParameterLength { variable: "g", len: 5, dim: 1 });

    let error = gauss(&[g(), rows(1), View::from_flat(&numbers, 2), b(4)]);
    assert_eq!(error, Error::Dimension { variable: "y", dim: 3, found: 2 });
    let error = gauss(&[g(), rows(1), View::from_flat(&numbers, 0), b(4)]);
    assert_eq!(error, Error::FlatLength { variable: "y", len: 12, dim: 0 });

    let error = gauss(&[g(), rows(1)]);
    assert_eq!(error, Error::ArgumentCount { formula: "gauss", expected: 4, found: 2 });
}

#[test]
#[cfg(target_pointer_width = "64")]
fn row_numbers() {
    use keops_core::{
        data::MAX_ROWS,
        formula::{Role, Variable},
        problem::shape,
    };

    // Rows without components take no memory.
    let rows = vec![[0.0_f32; 0]; MAX_ROWS + 1];
    let variables = [Variable { name: "y", role: Role::Source, dim: 0 }];
    let error = shape("many", &variables, &[View::from_rows(&rows)]).unwrap_err();
    assert_eq!(error, Error::TooManyRows { variable: "y", rows: 4_294_967_295, limit: 4_294_967_294 });
    assert_eq!(error.to_string(), "`y` has 4294967295 rows, more than the 4294967294 that can be numbered");
    assert!(shape("many", &variables, &[View::from_rows(&rows[1..])]).is_ok());
}

#[test]
fn outputs() {
    let x = [[0.0_f32; 3]; 4];
    let views = [View::from_rows(&x), View::from_rows(&x)];
    let mut numbers = [0.0; 8];
    let mut indices = [0; 8];
    let settings = Settings::default();

    let mut pieces = [Piece { width: 1, place: Place::Rows, to: (&mut numbers[..3]).into() }];
    let error = reduce::<f32, SquaredDistance<3>, Sum>(&views, &settings, &mut pieces, None).unwrap_err();
    assert_eq!(error, Error::OutputLength { rows: 4, width: 1, found: 3 });
    assert_eq!(error.to_string(), "the output holds 3 numbers, but the result has 4 rows of 1");

    let mut pieces = [Piece { width: 1, place: Place::Total, to: (&mut numbers[..4]).into() }];
    let error = reduce::<f32, SquaredDistance<3>, Sum>(&views, &settings, &mut pieces, None).unwrap_err();
    assert_eq!(error, Error::OutputLength { rows: 1, width: 1, found: 4 });

    let mut pieces = [Piece { width: 2, place: Place::Rows, to: (&mut numbers).into() }];
    let error = reduce::<f32, SquaredDistance<3>, Sum>(&views, &settings, &mut pieces, None).unwrap_err();
    assert_eq!(error, Error::OutputWidth { formula: "squared_distance", width: 1, found: 2 });

    let result =
        reduce::<f32, SquaredDistance<3>, ArgKMin<2>>(&views, &settings, &mut [], Some((&mut indices[..7]).into()));
    assert_eq!(result, Err(Error::OutputLength { rows: 4, width: 2, found: 7 }));
    let result = reduce::<f32, SquaredDistance<3>, ArgKMin<2>>(&views, &settings, &mut [], None);
    assert_eq!(result, Err(Error::OutputLength { rows: 4, width: 2, found: 0 }));
    let result = reduce::<f32, SquaredDistance<3>, ArgKMin<2>>(&views, &settings, &mut [], Some((&mut indices).into()));
    assert_eq!(result, Ok(()));
}

#[test]
fn devices() {
    let x = [[0.0_f32; 3]; 4];
    let views = [View::from_rows(&x), View::from_rows(&x)];
    let mut settings = Settings::default();
    for (device, expected) in
        [(Device::Auto, Ok(())), (Device::Cpu, Ok(())), (Device::Cuda(0), Err(Error::BuiltWithoutCuda))]
    {
        let mut numbers = [0.0; 4];
        settings.device = device;
        let mut pieces = [Piece { width: 1, place: Place::Rows, to: (&mut numbers).into() }];
        assert_eq!(reduce::<f32, SquaredDistance<3>, Sum>(&views, &settings, &mut pieces, None), expected);
    }
    assert_eq!(Error::BuiltWithoutCuda.to_string(), "built without CUDA");
}
