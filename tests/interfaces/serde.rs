//! What is written comes back, and what is wrong does not.

use keops::{
    Partial,
    prelude::*,
    solve::{Report, Stop},
};
use serde_json::{Value, from_str, from_value, json, to_string, to_value};

use super::{Case, product};

#[test]
fn rows_are_sequences_of_rows() {
    // numbers that are short in decimals: serde_json reads others to the last digit but one
    let rows: Rows<f64, 2> = [[0.5, -1.25], [3e40, 0.0]].into();
    let text = to_string(&rows).unwrap();
    assert_eq!(text, to_string(&rows.to_vec()).unwrap());
    assert_eq!(from_str::<Rows<f64, 2>>(&text).unwrap(), rows);
    assert_eq!(from_str::<Vec<[f64; 2]>>(&text).unwrap(), rows.to_vec());
    // longer than the arrays that serde knows
    let long: Rows<u32, 40> = [std::array::from_fn(|d| d as u32)].into();
    assert_eq!(from_value::<Rows<u32, 40>>(to_value(&long).unwrap()).unwrap(), long);
    assert_eq!(from_str::<Rows<f32, 3>>("[]").unwrap(), Rows::default());
    for (text, message) in [
        ("[[1, 2], [3]]", "invalid length 1, expected a row of 2 numbers"),
        ("[[1, 2, 3]]", "trailing characters"),
        ("[1, 2]", "expected a row of 2 numbers"),
        ("3", "expected rows of 2 numbers"),
        ("[[1, null]]", "invalid type: null"),
    ] {
        let error = from_str::<Rows<f64, 2>>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn ranges_are_checked_blocks() {
    let ranges = [
        Ranges::new([]).unwrap(),
        Ranges::new([(0..3, 0..2), (0..3, 5..9), (7..8, 0..1)]).unwrap(),
        Ranges::new([(0..5, 0..5), (2..9, 3..20)]).unwrap(),
        Ranges::lower_triangle(20).unwrap(),
    ];
    for ranges in ranges {
        let text = to_string(&ranges).unwrap();
        assert_eq!(from_str::<Ranges>(&text).unwrap(), ranges, "{text}");
    }
    // in any order, overlapping, empty
    let again: Ranges = from_str("[[[7,8],[0,1]],[[0,3],[0,2]],[[1,2],[0,1]],[[3,3],[0,9]]]").unwrap();
    assert_eq!(again, Ranges::new([(0..3, 0..2), (7..8, 0..1)]).unwrap());
    for (text, message) in [
        ("[[[3,0],[0,2]]]", "3..0 is no range of rows"),
        ("[[[0,3],[0,4294967296]]]", "0..4294967296 is no range of rows"),
        ("[[[0,3],[-1,2]]]", "invalid value"),
        ("[[[0,3]]]", "invalid length"),
        ("{}", "invalid type"),
    ] {
        let error = from_str::<Ranges>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
    let case = Case::new();
    let Case { s, x, y, b, .. } = &case;
    let all: Ranges = from_str("[[[0,7],[0,12]]]").unwrap();
    case.check(product(*s, x, y, b).ranges(&all));
}

#[test]
fn reports_are_structs() {
    let case = Case::new();
    let b = vec![[1.0]; case.x.len()];
    let solve = product([1.0, 0.0, 0.0, 1.0], &case.x, &case.x, &b).solve_b(0.5);
    let mut seen = Vec::new();
    let solution = solve.progress(|progress| {
        seen.push(to_value(progress).unwrap());
        std::ops::ControlFlow::Continue(())
    });
    let report = solution.eval().unwrap().report;
    let written = to_value(&report).unwrap();
    assert_eq!(written["stop"], json!("Converged"));
    assert_eq!(written["iterations"], json!(report.iterations));
    assert_eq!(from_value::<Report>(written).unwrap(), report);
    assert_eq!(from_value::<Stop>(json!("MaxIterations")).unwrap(), Stop::MaxIterations);
    assert!(from_value::<Stop>(json!("Never")).is_err());
    assert_eq!((seen.len(), &seen[0]["iteration"]), (report.iterations, &Value::from(1)));
}

keops! {
    #[keops(order = 0)]
    fn nearest(x: Vi<2>, y: Vj<2>) -> KMinArgKMin<3, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn nearest_two(x: Vi<2>, y: Vj<2>) -> KMinArgKMin<2, j> { sqdist(x, y) }
    #[keops(order = 0)]
    fn near(x: Vi<2>, y: Vj<2>) -> Within<j> { (sqdist(x, y), 1) }
    fn log_sum(x: Vi<2>, y: Vj<2>) -> LogSumExp<j> { -sqdist(x, y) }
}

/// A partial result, written and read.
fn again<P: serde::Serialize + serde::de::DeserializeOwned>(partial: &P) -> P {
    from_str(&to_string(partial).unwrap()).unwrap()
}

#[test]
fn partial_results_come_back() {
    let (x, y) = ([[0.0_f32, 1.0], [f32::NAN, 0.0]], [[0.5_f32, 0.5], [1.0, 1.0], [0.1, f32::INFINITY], [0.0, 1.0]]);
    // missing neighbours and infinite shifts
    let partial = again(&nearest(&x, &y[..2]).partial().unwrap());
    let found = again(&nearest(&x, &y[2..]).partial_after(partial).unwrap()).finish().unwrap();
    assert_eq!(found, nearest(&x, &y).eval().unwrap());
    let partial = again(&near(&x, &y[..2]).partial().unwrap());
    assert_eq!(near(&x, &y[2..]).partial_after(partial).unwrap().finish().unwrap(), near(&x, &y).eval().unwrap());
    let none = again(&log_sum(&x, &y[..0]).partial().unwrap());
    let value = log_sum(&x, &y[..2]).partial_after(none).unwrap().finish().unwrap();
    assert_eq!(value[0], log_sum(&x, &y[..2]).eval().unwrap()[0]);
    // between the sweeps, and in each of them
    let (x, e) = ([[0.25, 1.0]], [[1.0]]);
    let call = |y: &'static [[f64; 2]]| log_sum(&x, y).vjp(&e);
    let [a, b]: [&[[f64; 2]]; 2] = [&[[0.5, 0.25]], &[[1.0, 0.75]]];
    let first = again(&call(a).partial().unwrap());
    let first = again(&call(b).partial_after(first).unwrap());
    assert!(first.needs_sweep());
    let second = again(&first.next_sweep().unwrap());
    let second = again(&call(a).partial_after(second).unwrap());
    let found = call(b).partial_after(second).unwrap().finish().unwrap();
    let whole = log_sum(&x, &[a, b].concat()).vjp(&e).eval().unwrap();
    assert!((found.x[0][0] - whole.x[0][0]).abs() < 1e-15 && (found.y[1][1] - whole.y[1][1]).abs() < 1e-15);
}

#[test]
fn files_that_are_no_partial_result_of_the_call_are_errors() {
    let (x, y) = ([[0.0_f32, 1.0]; 2], [[0.5_f32, 0.5]; 4]);
    let written = to_value(nearest(&x, &y).partial().unwrap()).unwrap();
    let read =
        |value: Value| from_value::<Partial<nearest::Value, f32>>(value).map(drop).map_err(|error| error.to_string());
    assert_eq!(read(written.clone()), Ok(()));
    assert_eq!(
        from_value::<Partial<nearest::Value, f64>>(written.clone()).unwrap_err().to_string(),
        "the partial result is not one of `f64`"
    );
    let other = from_value::<Partial<log_sum::Value, f32>>(written.clone()).unwrap_err().to_string();
    assert_eq!(other, "a partial result of `nearest: Value`, and not of `log_sum: Value`");
    assert!(from_value::<Partial<nearest_two::Value, f32>>(written.clone()).is_err());
    let text = to_string(&written).unwrap();
    for end in (0..text.len()).step_by(7) {
        assert!(from_str::<Partial<nearest::Value, f32>>(&text[..end]).is_err(), "{end}");
    }
    let states = "/passes/0/states/0/1";
    for (place, value) in [
        ("/version", json!(2)),
        ("/passes", json!([{}])),
        ("/passes/0/name", json!("nearest: Vjp_x")),
        ("/passes/0/appended", json!(true)),
        ("/passes/0/states", json!([])),
        ("/shapes/0/rows", json!(3)),
        ("/shapes/0/dim", json!(3)),
        ("/shapes/0/rows", json!(1_u64 << 60)),
        ("/shapes/0/batch", json!([7])),
        ("/shapes", json!([])),
        ("/ended", json!(true)),
        (&format!("{states}/rows"), json!(1)),
        (&format!("{states}/rows"), json!(u64::MAX)),
        (&format!("{states}/width"), json!(5)),
        (&format!("{states}/width"), json!(0)),
        (&format!("{states}/numbers"), json!({ "F32": [0] })),
        (&format!("{states}/numbers"), json!({ "F64": [0] })),
        (&format!("{states}/row_numbers"), json!([1])),
        (&format!("{states}/counts"), json!([1, 1])),
        (&format!("{states}/listed"), json!([1])),
    ] {
        let mut wrong = written.clone();
        *wrong.pointer_mut(place).expect(place) = value;
        assert!(read(wrong).is_err(), "{place}");
    }
    // lists whose lengths are not those of what is listed
    let written = to_value(near(&x, &y).partial().unwrap()).unwrap();
    for counts in [json!([4, 3]), json!([u64::MAX, 8]), json!([8])] {
        let mut wrong = written.clone();
        *wrong.pointer_mut(&format!("{states}/counts")).unwrap() = counts;
        assert!(from_value::<Partial<near::Value, f32>>(wrong).is_err());
    }
}
