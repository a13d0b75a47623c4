//! The formula of an item of `keops!`, which can be evaluated at the rows of one pair.

pub use crate::ir::graph::Category;
use crate::{
    ir::{
        differentiate::{diff, grads},
        graph::{Graph, Id, VarId},
        reduction::Row,
    },
    oracle::{Slope, evaluate, evaluate_rounded, exact::Certain, size, slopes::slopes},
    syntax::{
        check::{Checked, check},
        parse::Input,
    },
};

/// A checked item.
pub struct Formula {
    checked: Checked,
    over: Category,
}

/// The value of a formula at one pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// The components of f.
    pub value: Vec<f64>,
    /// The components of the weight; empty if there is none.
    pub weight: Vec<f64>,
    /// The side of each kink and singularity on which the point lies; 0 on one.
    pub sides: Vec<i8>,
    /// The distance to the nearest kink or singularity, among those for which rounding could decide the side.
    pub distance: f64,
    /// Whether every engine has a component without a rounding, for each component of f and of the weight.
    pub exact: [Vec<bool>; 2],
}

impl Formula {
    /// Reads and checks the only item of this text.
    ///
    /// # Errors
    /// The faults that the macro would report.
    pub fn new(text: &str) -> syn::Result<Self> {
        let mut items = syn::parse_str::<Input>(text)?.0;
        let (Some(item), true) = (items.pop(), items.is_empty()) else {
            return Err(syn::Error::new(proc_macro2::Span::call_site(), "there must be one item"));
        };
        let item = &item?;
        Ok(Formula { checked: check(item)?, over: item.reduction.over })
    }

    /// Name, category and dimension of each variable.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Category, usize)> {
        self.checked.graph.variables.iter().map(|v| (v.name.as_str(), v.category, size(&v.dim)))
    }

    /// The dimensions of f and of the weight if there is one.
    pub fn dims(&self) -> Vec<usize> {
        self.checked.values.iter().map(|&value| size(self.checked.graph.dim(value))).collect()
    }

    /// The row of the reduction.
    pub fn reduction(&self) -> &'static Row {
        self.checked.reduction
    }

    /// The number K of a K-min; 1 for an arg-min.
    pub fn k(&self) -> usize {
        size(&self.checked.k)
    }

    /// The index that is reduced over.
    pub fn over(&self) -> Category {
        self.over
    }

    /// The number of operations of the formula.
    pub fn size(&self) -> usize {
        self.checked.graph.reachable(&self.checked.values).len()
    }

    /// The value at a row of each variable.
    pub fn term(&self, rows: &[Vec<f64>]) -> Term {
        let Checked { graph, values, .. } = &self.checked;
        let evaluation = evaluate(graph, values, rows);
        let [value, weight] = [0, 1].map(|k| values.get(k).map_or(Vec::new(), |&id| evaluation.get(id).to_vec()));
        let exact = |id: &Id| evaluation.certain[id].iter().map(|&of| of == Certain::Exact).collect();
        let exact = [0, 1].map(|k| values.get(k).map_or(Vec::new(), exact));
        Term { value, weight, sides: evaluation.sides, distance: evaluation.distance, exact }
    }

    /// The first and the second derivatives of f and of the weight along a tangent of each variable, by the
    /// conventions of the language where there are none. `noise` gives the relative error of each operation: 0, or
    /// random numbers, which show how far off the derivatives are if all operations are rounded.
    pub fn slopes(&self, rows: &[Vec<f64>], tangents: &[Vec<f64>], mut noise: impl FnMut() -> f64) -> [Vec<Slope>; 2] {
        let Checked { graph, values, .. } = &self.checked;
        let evaluation = evaluate_rounded(graph, values, rows, |x, roundings| match roundings {
            0.0 => x,
            _ => x * (1.0 + noise() * roundings),
        });
        let slopes = slopes(graph, values, &evaluation, tangents, noise);
        [0, 1].map(|k| values.get(k).map_or(Vec::new(), |id| slopes[id].clone()))
    }

    /// The components of [`Self::term`], with every component of every operation rounded to `f32`. The difference
    /// from the term shows what rounding does to the formula.
    pub fn rounded(&self, rows: &[Vec<f64>]) -> [Vec<f64>; 2] {
        let Checked { graph, values, .. } = &self.checked;
        let evaluation = evaluate_rounded(graph, values, rows, |x, _| f64::from(x as f32));
        [0, 1].map(|k| values.get(k).map_or(Vec::new(), |&id| evaluation.get(id).to_vec()))
    }
}

/// The derivatives of f and of the weight as the compiler makes them, evaluated without being lowered.
pub struct Rules {
    graph: Graph,
    /// The gradient in each variable, its change along the tangent, and the changes of f and of the weight.
    by: Vec<[Vec<Id>; 3]>,
}

/// The derivatives by a variable at a pair.
#[derive(Clone, Debug)]
pub struct Derivatives {
    /// The gradient for a cotangent of f and one of the weight.
    pub gradient: Vec<f64>,
    /// The change of the gradient along the tangent.
    pub second: Vec<f64>,
    /// The changes of f and of the weight along the tangent.
    pub changes: Vec<Vec<f64>>,
}

impl Rules {
    /// Derives the rules of a formula.
    pub fn new(Formula { checked, .. }: &Formula) -> Self {
        let (mut graph, values) = (checked.graph.clone(), &checked.values);
        let variables: Vec<VarId> = graph.variable_ids().collect();
        let g = &mut graph;
        let cotangents = values.iter().map(|&value| {
            let dim = g.dim(value).clone();
            let e = g.push_variable("cotangent".to_owned(), Category::P, dim);
            (value, g.var(e))
        });
        let cotangents: Vec<(Id, Id)> = cotangents.collect();
        let derive = |&v: &VarId| {
            let dim = g.variable(v).dim.clone();
            let u = g.push_variable("tangent".to_owned(), Category::P, dim);
            let (u, gradient) = (g.var(u), grads(g, &cotangents, &[v]));
            let second = diff(g, gradient[0], v, u);
            [gradient, vec![second], values.iter().map(|&value| diff(g, value, v, u)).collect()]
        };
        let by = variables.iter().map(derive).collect();
        Self { graph, by }
    }

    /// Evaluates the derivatives by variable k. `rows` are the rows of the variables, the cotangents of f and of the
    /// weight, and a tangent of each variable.
    pub fn by(&self, k: usize, rows: &[Vec<f64>]) -> Derivatives {
        let roots = self.by[k].concat();
        let evaluation = evaluate(&self.graph, &roots, rows);
        let [gradient, second, changes] = &self.by[k];
        let of = |id: &Id| evaluation.get(*id).to_vec();
        Derivatives { gradient: of(&gradient[0]), second: of(&second[0]), changes: changes.iter().map(of).collect() }
    }
}
