//! Points in k-d order, kept between calls.

use crate::{
    arguments::{AsDynRows, AsRows},
    call::Element,
    data::{Error, MAX_ROWS, View, numbers},
    tree::Points,
};

/// Points that were sorted into a k-d tree, once for many calls.
///
/// A selection (`Min`, `ArgKMin` and their kind) sorts its points into boxes where it is faster by bounds of the formula on
/// boxes than by all pairs. A `Tree` is rows like any others, for every formula and every kind of call, but for selections it is
/// sorted already: then calls for a few rows are fast, too, and calls of any size leave out pairs. Results have the row numbers of
/// the points as they were given, and are the same as those of the points. The tree copies the points, and takes about three
/// times their memory.
///
/// Where the formula has further variables of the same index (weights, labels), a selection for some hundred to some thousand
/// rows takes the order of the tree, for which it looks at all points once; fewer rows take all pairs, and for more rows sorting
/// by all variables is faster. With [`ranges`](crate::data::Ranges), and shared out among several batches, the points are rows
/// like any others; one tree for all batches of the other variables stays a tree.
///
/// ```
/// use keops::{cluster::Tree, prelude::*};
///
/// keops! { pub fn nearest(x: Vi<3>, y: Vj<3>) -> ArgKMin<2, j> { sqdist(x, y) } }
///
/// # fn main() -> Result<(), Error> {
/// let points: Vec<[f32; 3]> = (0..10_000).map(|k| [0.618, 0.755, 0.570].map(|step| (k as f32 * step).fract())).collect();
/// let tree = Tree::new(&points)?;
/// assert_eq!((tree.len(), tree.rows()), (10_000, &points[..]));
/// for row in [[0.5; 3], [0.25; 3]] {
///     assert_eq!(nearest(&[row], &tree).eval()?, nearest(&[row], &points).eval()?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tree<T, const D: usize> {
    points: Points<T>,
}

impl<T: Element, const D: usize> Tree<T, D> {
    /// Sorts points, on all threads.
    ///
    /// # Errors
    /// [`Error::FlatLength`] for flat rows of a wrong length; [`Error::TooManyRows`] for 2^32 - 1 points and more; errors of a
    /// device that the points are copied from.
    ///
    /// ```
    /// use keops::cluster::Tree;
    ///
    /// let tree: Tree<f64, 2> = Tree::new(&[0.0, 1.0, 2.0, 3.0])?; // flat, row after row
    /// assert_eq!(tree.rows(), [[0.0, 1.0], [2.0, 3.0]]);
    /// assert!(Tree::<f64, 2>::new(&[0.0, 1.0, 2.0]).is_err());
    /// # Ok::<(), keops::Error>(())
    /// ```
    pub fn new<'a>(points: impl AsRows<'a, T, D>) -> Result<Self, Error> {
        let view = points.as_rows();
        let points = numbers(&view, "points")?;
        let rows = points.len() / D.max(1);
        if rows > MAX_ROWS {
            return Err(Error::TooManyRows { variable: "points", rows, limit: MAX_ROWS });
        }
        Ok(Self { points: Points::new(points.to_vec(), D) })
    }

    /// The points, in the order in which they were given.
    ///
    /// ```
    /// # use keops::cluster::Tree;
    /// assert_eq!(Tree::new(&[[0.0], [1.0]])?.rows(), [[0.0], [1.0]]);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn rows(&self) -> &[[T; D]] {
        self.points.numbers().as_chunks::<D>().0
    }

    /// The number of points.
    ///
    /// ```
    /// # use keops::cluster::Tree;
    /// assert_eq!(Tree::new(&[[0.0], [1.0]])?.len(), 2);
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows().len()
    }

    /// Whether there are no points.
    ///
    /// ```
    /// # use keops::cluster::Tree;
    /// let nothing: [[f32; 3]; 0] = [];
    /// assert!(Tree::new(&nothing)?.is_empty());
    /// # Ok::<(), keops::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Element, const D: usize> AsRows<'a, T, D> for &'a Tree<T, D> {
    fn as_rows(self) -> View<'a, T> {
        View::from_points(&self.points, D)
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T: Element, const D: usize> AsDynRows<'a, T> for &'a Tree<T, D> {
    fn as_dyn_rows(self, dim: usize) -> View<'a, T> {
        if dim == D { self.as_rows() } else { self.rows().as_dyn_rows(dim) }
    }
}
