//! That formulas are drawn of everything there is, and that what is wrong is noticed.

use std::collections::HashSet;

use keops::{Device, Element, Error};
use keops_compiler::{oracle::Formula, table};
use pulp::Arch;

use crate::{Derivative, Outcome, Subject, check, draw::draw};

#[test]
fn most_operations_are_drawn() {
    let mut drawn = HashSet::new();
    for seed in 0..200 {
        let formula = draw(seed);
        Formula::new(&formula.item).unwrap();
        assert_eq!(formula.item, draw(seed).item, "seed {seed} is drawn twice alike");
        let words = formula.item.split(|c: char| !c.is_alphanumeric() && c != '_');
        drawn.extend(words.filter_map(table::find).map(|row| row.name));
    }
    let all = table::operations().count();
    assert!(4 * drawn.len() > 3 * all, "{} of {all} operations were drawn", drawn.len());
}

/// Σ_j x_i y_j, with one number of one shape off by a part of `OFF` millionths.
struct Off<const OFF: u32>;

impl<const OFF: u32> Subject for Off<OFF> {
    const SEED: u64 = 1;
    const ITEM: &'static str = "fn f(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }";
    const ORDER: u32 = 0;

    fn value<T: Element>(rows: &[Vec<T>], _: Device) -> Result<Outcome<T>, Error> {
        let wide = |row: &[T]| row.iter().map(|&x| Element::to_f64(x)).collect::<Vec<f64>>();
        let (x, y) = (wide(&rows[0]), wide(&rows[1]));
        let mut values: Vec<f64> = x.iter().map(|x| y.iter().map(|y| x * y).sum()).collect();
        if values.len() == 70 {
            let size: f64 = y.iter().map(|y| (x[69] * y).abs()).sum();
            values[69] += 1e-6 * f64::from(OFF) * size;
        }
        Ok(Outcome { values: values.into_iter().map(T::from_f64).collect(), indices: vec![] })
    }

    fn on<T: Element>(_: &[Vec<T>], _: Arch) -> Result<Option<Outcome<T>>, Error> {
        Ok(None)
    }

    fn derivative<T: Element>(_: Derivative, _: &[Vec<T>], _: Device) -> Result<Vec<T>, Error> {
        unreachable!("the order is 0")
    }

    fn second(_: Derivative, _: &[Vec<f64>], _: Device) -> Result<Vec<f64>, Error> {
        unreachable!("the order is 0")
    }

    fn gradients(_: &[Vec<f64>], _: Device) -> Result<Vec<Vec<f64>>, Error> {
        unreachable!("the order is 0")
    }
}

#[test]
fn a_wrong_number_is_noticed() {
    assert!(check::<Off<0>>(false).unwrap().values > 4000);
    let message = format!("{:#}", check::<Off<1000>>(false).unwrap_err());
    assert!(message.contains("row 69") && message.contains("(70, 130)"), "{message}");
}
