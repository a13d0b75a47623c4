//! Views: vectors made of components of another vector, which strides over several axes choose.
//!
//! # Contract
//! Component k of a view is component `start` + Σ_a k_a `stride_a` of the underlying vector. The digits k_a are those
//! of k in the lengths of the axes, of which the first is the slowest (row-major). A part of a vector has one axis of
//! stride 1, the transpose of a matrix has its two axes in the other order, and the real parts of interleaved complex
//! numbers have one axis of stride 2. An axis of stride 0 repeats components.

use crate::ir::dim::Dim;

/// One axis of a [`View`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// The number of components along the axis.
    pub len: Dim,
    /// The distance of neighbouring components in the underlying vector.
    pub stride: Dim,
}

/// A view of a vector, see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// The component of the underlying vector that is component 0 of the view.
    pub start: Dim,
    /// The axes, the slowest first; none for a view of one component.
    pub axes: Vec<Axis>,
}

impl View {
    /// The view with these axes, as (length, stride), in its shortest form: without axes of one component, and with
    /// two axes joined to one where the second continues the steps of the first.
    pub fn new(start: Dim, axes: impl IntoIterator<Item = (Dim, Dim)>) -> View {
        let mut short: Vec<Axis> = Vec::new();
        for (len, stride) in axes.into_iter().filter(|(len, _)| !len.is_one()) {
            match short.last_mut() {
                Some(last) if stride.checked_mul(&len).as_ref() == Some(&last.stride) => {
                    last.len = product(&last.len, &len);
                    last.stride = stride;
                }
                _ => short.push(Axis { len, stride }),
            }
        }
        View { start, axes: short }
    }

    /// `len` components from `start` on.
    pub fn part(start: Dim, len: Dim) -> View {
        View::new(start, [(len, Dim::number(1))])
    }

    /// Every second component of a vector of 2 `len`, from `start` on.
    pub fn every_second(start: u64, len: Dim) -> View {
        View::new(Dim::number(start), [(len, Dim::number(2))])
    }

    /// The transpose of a row-major matrix.
    pub fn transpose(rows: &Dim, columns: &Dim) -> View {
        View::new(Dim::default(), [(columns.clone(), Dim::number(1)), (rows.clone(), columns.clone())])
    }

    /// A vector of dimension `dim`, repeated `times` times.
    pub fn repeated(times: Dim, dim: Dim) -> View {
        View::new(Dim::default(), [(times, Dim::default()), (dim, Dim::number(1))])
    }

    /// The number of components of the view.
    pub fn dim(&self) -> Dim {
        self.axes.iter().fold(Dim::number(1), |dim, axis| product(&dim, &axis.len))
    }

    /// Whether the view is the whole underlying vector of dimension `dim`, in its order.
    pub fn is_whole(&self, dim: &Dim) -> bool {
        *self == View::part(Dim::default(), dim.clone())
    }

    /// Whether the view may have a component of the underlying vector more than once.
    pub fn repeats(&self) -> bool {
        self.axes.iter().any(|axis| axis.stride == Dim::default())
    }

    /// The weight of each axis: the number of components of the view that one step along it skips.
    pub fn weights(&self) -> Vec<Dim> {
        let mut weights = vec![Dim::number(1); self.axes.len()];
        for a in (1..self.axes.len()).rev() {
            weights[a - 1] = product(&weights[a], &self.axes[a].len);
        }
        weights
    }

    /// One more than the last component of the underlying vector that the view has; `None` if that depends on const
    /// generics in ways that are not followed.
    pub fn end(&self) -> Option<Dim> {
        if let [Axis { len, stride }] = self.axes.as_slice()
            && stride.is_one()
        {
            return self.start.checked_add(len);
        }
        let last = self.axes.iter().try_fold(self.start.value()?, |last, axis| {
            last.checked_add((axis.len.value()? - 1).checked_mul(axis.stride.value()?)?)
        });
        last?.checked_add(1).map(Dim::number)
    }

    /// This view of the view `inner`, as one view of the vector under `inner`. `None` if it is not a view, or not
    /// known to be one for all values of const generics.
    pub fn of(&self, inner: &View) -> Option<View> {
        let weights = inner.weights();
        // the digits of the first component along the inner axes
        let mut left = self.start.clone();
        let mut digits = Vec::new();
        for weight in &weights {
            let (digit, rest) = match (left.value(), weight.value()) {
                (Some(n), Some(w)) => (Dim::number(n / w), Dim::number(n % w)),
                (Some(0), None) => Default::default(),
                _ => (left.divide(weight)?, Dim::default()),
            };
            digits.push(digit);
            left = rest;
        }
        if left != Dim::default() {
            return None;
        }
        let start = inner.axes.iter().zip(&digits).try_fold(inner.start.clone(), |start, (axis, digit)| {
            start.checked_add(&axis.stride.checked_mul(digit)?)
        })?;
        // the largest digit along each inner axis so far
        let mut reach = digits;
        let mut axes = Vec::new();
        for axis in &self.axes {
            if axis.stride == Dim::default() {
                axes.push((axis.len.clone(), Dim::default()));
                continue;
            }
            let (b, step) =
                weights.iter().enumerate().find_map(|(b, weight)| axis.stride.divide(weight).map(|q| (b, q)))?;
            // an axis that runs through several inner axes becomes one axis for each of them
            let mut parts = Vec::new();
            let mut len = axis.len.clone();
            let mut at = b;
            while at > 0
                && step.is_one()
                && reach[at] == Dim::default()
                && len != inner.axes[at].len
                && let Some(outer) = len.divide(&inner.axes[at].len)
            {
                parts.push((at, inner.axes[at].len.clone()));
                len = outer;
                at -= 1;
            }
            parts.push((at, len));
            for (at, len) in parts.into_iter().rev() {
                let step = if at == b { step.clone() } else { Dim::number(1) };
                let limit = &inner.axes[at].len;
                let fits = match (reach[at].value(), step.value(), len.value(), limit.value()) {
                    (Some(reach), Some(step), Some(n), Some(limit)) => {
                        (n - 1).checked_mul(step)?.checked_add(reach)? < limit
                    }
                    (Some(0), Some(1), _, _) => len.at_most(limit) == Some(true),
                    _ => false,
                };
                if !fits {
                    return None;
                }
                reach[at] = match (reach[at].value(), step.value(), len.value()) {
                    (Some(reach), Some(step), Some(n)) => Dim::number(reach + (n - 1) * step),
                    // all of the inner axis may be used
                    _ => limit.clone(),
                };
                axes.push((len, step.checked_mul(&inner.axes[at].stride)?));
            }
        }
        Some(View::new(start, axes))
    }

    /// The inverse of a view that has every component of a vector of dimension `dim` once: the view of it that is
    /// this vector.
    pub fn inverse(&self, dim: &Dim) -> Option<View> {
        let mut order: Vec<(&Axis, Dim)> = self.axes.iter().zip(self.weights()).collect();
        order.sort_by_key(|(axis, _)| std::cmp::Reverse(axis.stride.magnitude()));
        let mut whole = Dim::number(1);
        for (axis, _) in order.iter().rev() {
            if axis.stride != whole {
                return None;
            }
            whole = whole.checked_mul(&axis.len)?;
        }
        let complete = whole == *dim && self.start == Dim::default();
        complete.then(|| View::new(Dim::default(), order.into_iter().map(|(axis, weight)| (axis.len.clone(), weight))))
    }
}

/// The product of two dimensions, which were checked to be far from overflow.
pub(crate) fn product(a: &Dim, b: &Dim) -> Dim {
    a.checked_mul(b).expect("dimensions are checked to stay far below 2^64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(start: u64, axes: &[(u64, u64)]) -> View {
        View::new(Dim::number(start), axes.iter().map(|&(len, stride)| (Dim::number(len), Dim::number(stride))))
    }

    /// The components of the underlying vector that a view has.
    fn components(view: &View) -> Vec<u64> {
        view.axes.iter().fold(vec![view.start.value().unwrap()], |list, axis| {
            let (len, stride) = (axis.len.value().unwrap(), axis.stride.value().unwrap());
            list.iter().flat_map(|first| (0..len).map(move |k| first + k * stride)).collect()
        })
    }

    #[test]
    fn a_view_of_a_view_is_what_its_components_are() {
        let inner = [
            view(0, &[(3, 1), (4, 3)]),
            view(2, &[(4, 5), (3, 1)]),
            view(0, &[(2, 0), (6, 1)]),
            view(1, &[(12, 2)]),
            view(0, &[(2, 1), (3, 2), (2, 6)]),
        ];
        let outer = [
            view(0, &[(12, 1)]),
            view(3, &[(6, 1)]),
            view(1, &[(4, 3)]),
            view(5, &[]),
            view(0, &[(4, 1), (3, 4)]),
            view(0, &[(3, 1), (4, 3)]),
            view(2, &[(5, 0), (2, 4)]),
            view(0, &[(6, 2)]),
            view(0, &[(2, 6), (6, 1)]),
        ];
        let mut joined = 0;
        for inner in &inner {
            let behind = components(inner);
            assert_eq!(behind.len(), 12);
            for outer in &outer {
                if let Some(both) = outer.of(inner) {
                    let expected: Vec<u64> = components(outer).iter().map(|&k| behind[k as usize]).collect();
                    assert_eq!(components(&both), expected, "{outer:?} of {inner:?}");
                    joined += 1;
                }
            }
        }
        assert!(joined > 25, "{joined} of 45 were joined");
    }

    #[test]
    fn an_inverse_leads_back() {
        for there in [view(0, &[(3, 1), (4, 3)]), view(0, &[(2, 1), (3, 2), (2, 6)]), view(0, &[(12, 1)])] {
            let back = there.inverse(&Dim::number(12)).unwrap();
            assert!(back.of(&there).is_none_or(|both| both.is_whole(&Dim::number(12))));
            let (there, back) = (components(&there), components(&back));
            assert!((0..12).all(|k| there[back[k] as usize] == k as u64), "{there:?} {back:?}");
        }
        assert_eq!(view(0, &[(6, 2)]).inverse(&Dim::number(12)), None);
        assert_eq!(view(0, &[(2, 0), (6, 1)]).inverse(&Dim::number(6)), None);
    }

    #[test]
    fn symbolic_views_join() {
        let d = Dim::symbol("D");
        let interleave = View::transpose(&Dim::number(2), &d);
        assert_eq!(View::every_second(0, d.clone()).of(&interleave), Some(View::part(Dim::default(), d.clone())));
        assert_eq!(View::every_second(1, d.clone()).of(&interleave), Some(View::part(d.clone(), d.clone())));
        let twice = product(&d, &Dim::number(2));
        assert_eq!(interleave.inverse(&twice), Some(View::transpose(&d, &Dim::number(2))));
    }
}
