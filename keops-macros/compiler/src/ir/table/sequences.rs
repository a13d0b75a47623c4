//! Operations on the ordered components of a vector: splines over knots, and alignments of time series.

use super::{Arguments, F, Fault, Fun, INT, Operation, Value, literal, scalar};
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id},
    view::View,
};

/// The largest total length of two series: an alignment has a step for each diagonal of their grid.
const LONGEST: u64 = 256;
/// The largest degree of a spline, which has a step for each degree.
const DEGREE: u64 = 16;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "BSpline",
        aliases: &["bspline"],
        args: &[F, F, INT],
        optional: 0,
        value: Value::Built(b_spline),
        range: (-1.0, 1.0),
    },
    Operation {
        name: "SoftDTW_SqDist",
        aliases: &["softdtw_sqdist"],
        args: &[F, F, F],
        optional: 0,
        value: Value::Built(soft_dtw),
        range: (0.3, 1.5),
    },
];

/// The B-splines of a degree over knots in ascending order, at x, by the recurrence of Cox and de Boor (1972) with
/// 0/0 = 0.
fn b_spline(g: &mut Graph, a: &Arguments) -> Result<Id, Fault> {
    let (knots, x) = (a.formulas[0], a.formulas[1]);
    let count = literal(g, a, 0)?;
    scalar(g, a, 1)?;
    let degree = match u64::try_from(a.integers[0].number("the degree")?) {
        Ok(degree @ 0..=DEGREE) => degree,
        _ => return Err(Fault(format!("the degree of a spline is at least 0 and at most {DEGREE}"))),
    };
    if count < degree + 2 {
        return Err(Fault(format!(
            "splines of degree {degree} need {} knots, `{}` has dimension {count}",
            degree + 2,
            a.spelled[0]
        )));
    }
    let part = |g: &mut Graph, of: Id, start: u64, len: u64| g.extract(of, Dim::number(start), Dim::number(len));
    let (low, high) = (part(g, knots, 0, count - 1), part(g, knots, 1, count - 1));
    let (begun, open) = (g.fun(Fun::LessOrEqual, &[low, x]), g.fun(Fun::LessThan, &[x, high]));
    let mut splines = g.mul(begun, open);
    for p in 1..=degree {
        let len = count - p;
        let (low, high) = (part(g, knots, 0, len), part(g, knots, p, len));
        // a spline between knots that coincide is 0, so its factor need only be finite
        let (width, zero) = (g.sub(high, low), g.constant(0.0));
        let none = g.fun(Fun::Equal, &[width, zero]);
        let (width, way) = (g.add(width, none), g.sub(x, low));
        let ratio = g.div(way, width);
        let one = g.constant(1.0);
        let rest = g.sub(one, ratio);
        let (rise, fall) = (part(g, ratio, 0, len - 1), part(g, rest, 1, len - 1));
        let (first, second) = (part(g, splines, 0, len - 1), part(g, splines, 1, len - 1));
        let (first, second) = (g.mul(rise, first), g.mul(fall, second));
        splines = g.add(first, second);
    }
    Ok(splines)
}

/// The soft dynamic time warping of Cuturi and Blondel (2017) of squared differences: the least sum over paths
/// through the grid of cells (i, j), with a minimum that γ makes smooth. The cells of a diagonal do not depend on
/// each other, so the sums are computed one diagonal after another.
fn soft_dtw(g: &mut Graph, a: &Arguments) -> Result<Id, Fault> {
    let (rows, columns) = (literal(g, a, 0)?, literal(g, a, 1)?);
    scalar(g, a, 2)?;
    if rows + columns > LONGEST {
        return Err(Fault(format!(
            "`{}` and `{}` have {rows} and {columns} components, together at most {LONGEST} can be aligned",
            a.spelled[0], a.spelled[1]
        )));
    }
    let (n, m, none, one) = (Dim::number(rows), Dim::number(columns), Dim::default(), Dim::number(1));
    let x = g.view(a.formulas[0], View::new(none.clone(), [(n.clone(), one.clone()), (m.clone(), none.clone())]));
    let y = g.view(a.formulas[1], View::new(none.clone(), [(n, none), (m, one)]));
    let difference = g.sub(x, y);
    let costs = g.powi(difference, 2);
    if rows == 1 || columns == 1 {
        // there is one path
        return Ok(g.sum(costs));
    }

    // the last two diagonals: the first row of each, and the sums up to its cells
    let mut last: Option<(u64, Id)> = None;
    let mut last_but_one: Option<(u64, Id)> = None;
    for k in 0..=rows + columns - 2 {
        let (first, end) = (k.saturating_sub(columns - 1), k.min(rows - 1) + 1);
        let start = first * columns + (k - first);
        let along = View::new(Dim::number(start), [(Dim::number(end - first), Dim::number(columns - 1))]);
        let cost = g.view(costs, along);
        let Some((first_before, before)) = last else {
            last = Some((first, cost));
            continue;
        };
        let cells =
            |g: &mut Graph, from: Id, start: u64, len: u64| g.extract(from, Dim::number(start), Dim::number(len));
        let mut least = Vec::new();
        // a cell of the first row is reached from the left only, one of the first column from above only
        if first == 0 {
            least.push(cells(g, before, 0, 1));
        }
        let inner = first.max(1)..end.min(k);
        if let Some((first_corner, corner)) = last_but_one
            && !inner.is_empty()
        {
            let (row, len) = (inner.start, inner.end - inner.start);
            let above = cells(g, before, row - 1 - first_before, len);
            let left = cells(g, before, row - first_before, len);
            let corner = cells(g, corner, row - 1 - first_corner, len);
            least.push(g.fun(Fun::SoftMin, &[above, left, corner, a.formulas[2]]));
        }
        if end == k + 1 {
            least.push(cells(g, before, k - 1 - first_before, 1));
        }
        let least = g.concat(&least).expect("as many cells as there are costs");
        last_but_one = last;
        last = Some((first, g.add(cost, least)));
    }
    Ok(last.expect("a diagonal").1)
}
