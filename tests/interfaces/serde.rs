//! What is written comes back, and what is wrong does not.

use keops::{
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
