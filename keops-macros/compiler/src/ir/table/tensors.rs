//! Products of matrices and tensors, which are row-major.

use super::{Arguments, F, Fault, Kind, LIST, Operation, Value, too_large};
use crate::ir::{
    dim::Dim,
    graph::{Graph, Id},
    view::View,
};

type Build = fn(&mut Graph, &Arguments) -> Result<Id, Fault>;

const fn row(name: &'static str, aliases: &'static [&'static str], args: &'static [Kind], build: Build) -> Operation {
    Operation { name, aliases, args, optional: 0, value: Value::Built(build), range: (-2.0, 2.0) }
}

pub(super) const OPERATIONS: &[Operation] = &[
    row("MatVecMult", &["matvecmult", "mat_vec"], &[F, F], |g, a| {
        let (matrix, vector) = (a.formulas[0], a.formulas[1]);
        let dim = g.dim(matrix).divide(g.dim(vector)).ok_or_else(|| not_a_matrix(g, a, 0, 1))?;
        Ok(g.mat_vec(matrix, vector, dim))
    }),
    row("VecMatMult", &["vecmatmult", "vec_mat"], &[F, F], |g, a| {
        let (vector, matrix) = (a.formulas[0], a.formulas[1]);
        let dim = g.dim(matrix).divide(g.dim(vector)).ok_or_else(|| not_a_matrix(g, a, 1, 0))?;
        Ok(g.vec_mat(vector, matrix, dim))
    }),
    row("TensorProd", &["tensorprod", "outer"], &[F, F], |g, a| {
        g.outer(a.formulas[0], a.formulas[1]).ok_or_else(too_large)
    }),
    Operation {
        optional: 1,
        ..row("TensorDot", &["tensordot", "keops_tensordot"], &[F, F, LIST, LIST, LIST, LIST, LIST], |g, a| {
            let places = a.lists.get(4).map(Vec::as_slice);
            tensor_dot(g, a, [&a.lists[2], &a.lists[3]], places)
        })
    },
    // the tensor product, whose axes are those of both arguments in turn
    row("Kron", &["kron", "keops_kron"], &[F, F, LIST, LIST], |g, a| {
        let axes = a.lists[0].len() as u64;
        if axes != a.lists[1].len() as u64 {
            return Err(Fault(format!(
                "`{}` has {axes} axes, `{}` has {}",
                a.spelled[0],
                a.spelled[1],
                a.lists[1].len()
            )));
        }
        let places: Vec<u64> = (0..axes).map(|k| 2 * k).chain((0..axes).map(|k| 2 * k + 1)).collect();
        tensor_dot(g, a, [&[], &[]], Some(&places))
    }),
];

/// An axis of the loops that compute a product of tensors: its length, and its strides in both tensors.
#[derive(Clone, Copy)]
struct Axis {
    len: u64,
    strides: [u64; 2],
}

/// The product of two tensors, summed over pairs of axes. The other axes, of the first tensor before those of the
/// second, become the axes of the result, at these places if some are given.
fn tensor_dot(g: &mut Graph, a: &Arguments, contracted: [&[u64]; 2], places: Option<&[u64]>) -> Result<Id, Fault> {
    let lens = [0, 1].map(|k| a.lists[k].as_slice());
    let mut strides = [Vec::new(), Vec::new()];
    for k in 0..2 {
        strides[k] = tensor(g, a, k, lens[k], contracted[k])?;
    }
    if contracted[0].len() != contracted[1].len() {
        return Err(Fault(format!(
            "{} axes of `{}` cannot be paired with {} of `{}`",
            contracted[0].len(),
            a.spelled[0],
            contracted[1].len(),
            a.spelled[1]
        )));
    }
    let mut summed = Vec::new();
    for (&m, &n) in contracted[0].iter().zip(contracted[1]) {
        let (m, n) = (m as usize, n as usize);
        if lens[0][m] != lens[1][n] {
            return Err(Fault(format!(
                "axis {m} of `{}` has length {}, axis {n} of `{}` has length {}",
                a.spelled[0], lens[0][m], a.spelled[1], lens[1][n]
            )));
        }
        summed.push(Axis { len: lens[0][m], strides: [strides[0][m], strides[1][n]] });
    }
    let mut kept = Vec::new();
    for k in 0..2 {
        for (axis, &len) in lens[k].iter().enumerate().filter(|&(axis, _)| !contracted[k].contains(&(axis as u64))) {
            let mut axis = Axis { len, strides: [strides[k][axis]; 2] };
            axis.strides[1 - k] = 0;
            kept.push(axis);
        }
    }
    let mut order = kept.clone();
    if let Some(places) = places {
        let mut sorted = places.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..kept.len() as u64) {
            return Err(Fault(format!("{places:?} is not an order of the {} axes of the result", kept.len())));
        }
        kept.iter().zip(places).for_each(|(axis, &place)| order[place as usize] = *axis);
    }
    let number = |product: Option<u64>| product.map(Dim::number).ok_or_else(too_large);
    let size = |axes: &[Axis]| axes.iter().try_fold(1_u64, |size, axis| size.checked_mul(axis.len));
    let dim = number(size(&order))?;
    order.extend(summed);
    number(size(&order))?;
    let view = |k: usize| {
        View::new(Dim::default(), order.iter().map(|axis| (Dim::number(axis.len), Dim::number(axis.strides[k]))))
    };
    let (x, y) = (g.view(a.formulas[0], view(0)), g.view(a.formulas[1], view(1)));
    let product = g.mul(x, y);
    Ok(g.sums(product, dim))
}

/// The strides of tensor k. Its shape and its contracted axes are checked.
fn tensor(g: &Graph, a: &Arguments, k: usize, lens: &[u64], contracted: &[u64]) -> Result<Vec<u64>, Fault> {
    let size = lens.iter().try_fold(1_u64, |size, &len| size.checked_mul(len)).ok_or_else(too_large)?;
    let dim = g.dim(a.formulas[k]);
    if dim.value() != Some(size) {
        return Err(Fault(format!("`{}` has dimension {dim}, its shape {lens:?} has {size} components", a.spelled[k])));
    }
    for (n, &axis) in contracted.iter().enumerate() {
        if axis >= lens.len() as u64 {
            return Err(Fault(format!("`{}` has no axis {axis}, its shape is {lens:?}", a.spelled[k])));
        }
        if contracted[..n].contains(&axis) {
            return Err(Fault(format!("axis {axis} of `{}` is named twice", a.spelled[k])));
        }
    }
    Ok((0..lens.len()).map(|axis| lens[axis + 1..].iter().product()).collect())
}

fn not_a_matrix(g: &Graph, a: &Arguments, matrix: usize, vector: usize) -> Fault {
    let dim = |k: usize| (a.spelled[k].as_str(), g.dim(a.formulas[k]));
    let ((m, mn), (v, n)) = (dim(matrix), dim(vector));
    Fault(format!("`{m}` has dimension {mn}, which is not a multiple of the dimension {n} of `{v}`"))
}
