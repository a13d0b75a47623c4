//! What f reads of a target and of a source.

use core::ops::Range;

use rayon::prelude::*;

use super::{FarFormula, evaluation::ROLES};
use crate::{
    bounds::{Bounds, PointScratch},
    cpu::prepare::Work,
    far::AXES,
    formula::{Role, width},
    lanes::Vectorized,
};

/// What some components of f read.
pub(super) struct Reads {
    /// The components of f.
    pub(super) block: Range<usize>,
    /// The components of a row that are positions.
    pub(super) positions: [Vec<usize>; 2],
    /// The variable that f is linear in: its number, and the components of the row.
    pub(super) linear: [Option<(usize, Range<usize>)>; 2],
    /// The number of components of a row.
    pub(super) widths: [usize; 2],
    /// Whether positions are read as differences only.
    pub(super) differences: bool,
    /// Whether f is a product of functions of one axis each.
    pub(super) separates: bool,
    /// Whether each component of f depends on one component of what f is linear in of a source.
    pub(super) diagonal: bool,
    /// A row of each side, with the factors for which bounds of f hold; positions and what f is linear in are not read.
    pub(super) reference: [Vec<f64>; 2],
    /// For each row, what its factors are more than those of the reference; empty if there are none. Of exponentials they are
    /// relative to the largest.
    pub(super) factors: [Vec<f64>; 2],
    /// Of exponentials, the logarithms to base 2 by which sums are to be multiplied: that of all, and those of targets, or none.
    most: f64,
    pub(super) exponents: Vec<f64>,
}

/// How many rows a thread takes at a time, at least.
const FEW: usize = 1024;

impl Reads {
    /// None if f cannot be interpolated.
    pub(super) fn new<T: Vectorized>(formula: &FarFormula, work: &Work<'_, T>, block: Range<usize>) -> Option<Self> {
        let (bounds, variables) = ((formula.bounds)(), work.layout.signature.variables);
        let dependence = bounds.dependence(variables, block.clone());
        let components = |number: usize| Bounds::<f64>::components_of(variables, number);
        let mut reads = Self {
            block: block.clone(),
            positions: [vec![], vec![]],
            linear: [None, None],
            widths: ROLES.map(|role| width(variables, role)),
            differences: false,
            separates: false,
            diagonal: false,
            reference: ROLES.map(|role| vec![0.0; width(variables, role)]),
            factors: [vec![], vec![]],
            most: 0.0,
            exponents: vec![],
        };
        let mut apart = [vec![], vec![]];
        for (side, role) in ROLES.into_iter().enumerate() {
            let of_role = |&number: &usize| variables[number].role == role;
            let linear = dependence.linear.iter().copied().filter(of_role).max_by_key(|&number| variables[number].dim);
            reads.linear[side] = linear.map(|number| (number, components(number)));
            let rest = dependence.linear.iter().copied().filter(|&number| Some(number) != linear);
            let others: Vec<usize> = dependence.other.iter().copied().chain(rest).filter(of_role).collect();
            let is_apart = |number: usize| match formula.exponents {
                Some((exponents, _)) => exponents().has_term(side, components(number)),
                None => bounds.has_factor(side, components(number), block.clone()),
            };
            let (factors, positions): (Vec<usize>, Vec<usize>) = others.iter().partition(|&&number| is_apart(number));
            // Where all variables are factors, they are positions.
            let (factors, positions) = if positions.is_empty() { (positions, factors) } else { (factors, positions) };
            apart[side] = factors;
            reads.positions[side] = positions.into_iter().flat_map(components).collect();
            reads.positions[side].sort_unstable();
            if !(1..=AXES).contains(&reads.positions[side].len()) {
                return None;
            }
        }
        let [targets, sources] = &reads.positions;
        if targets.len() == sources.len() {
            let pairs: Vec<_> = targets.iter().zip(sources).map(|(&target, &source)| [target, source]).collect();
            reads.differences = bounds.reads_differences(&pairs);
            reads.separates = bounds.separates(&pairs, block.clone());
        }
        let linear = reads.linear[1].as_ref();
        reads.diagonal = linear.is_some_and(|&(number, _)| bounds.is_diagonal(variables, number, block));
        if apart.iter().any(|numbers| !numbers.is_empty()) {
            let apart = apart.map(|numbers| numbers.into_iter().flat_map(components).collect());
            reads.find_factors(formula, work, apart)?;
        }
        Some(reads)
    }

    /// Finds the factors of all rows, which depend on these components of rows. None if there is no row from which they follow.
    fn find_factors<T: Vectorized>(
        &mut self,
        formula: &FarFormula,
        work: &Work<'_, T>,
        apart: [Vec<usize>; 2],
    ) -> Option<()> {
        /// How many rows are tried as references.
        const TRIED: usize = 8;
        /// How far components of f may be from having the same factors.
        const SAME: f64 = 1e-10;
        let bounds = formula.exponents.map_or_else(|| (formula.bounds)(), |(exponents, _)| exponents());
        let block = if formula.exponents.is_some() { 0..1 } else { self.block.clone() };
        let parameters: Vec<f64> = work.points(Role::Parameter, &[0]).iter().map(|x| x.as_f64()).collect();
        let parameters = bounds.parameters_at(&parameters);
        let counts = [work.shape.targets, work.shape.sources];
        let rows = [0, 1].map(|side| work.all_points(ROLES[side], counts[side]));
        let row = |side: usize, number: usize| -> Vec<f64> {
            let width = self.widths[side];
            let mut row: Vec<f64> = rows[side][number * width..][..width].iter().map(|x| x.as_f64()).collect();
            if let Some((_, range)) = &self.linear[side] {
                row[range.clone()].fill(1.0);
            }
            row
        };
        // For each component of f, the rows where it is largest.
        let mut scratch = PointScratch::default();
        let mut values = Vec::new();
        let mut references: Vec<([Vec<f64>; 2], f64)> = block.clone().map(|_| ([vec![], vec![]], 0.0)).collect();
        let tried = |side: usize| (0..TRIED).map(move |k| (2 * k + 1) * counts[side] / (2 * TRIED));
        let finite = |row: &[f64]| row.iter().all(|x| x.abs() < BEYOND);
        for target in tried(0).map(|number| row(0, number)).filter(|row| finite(row)) {
            for source in tried(1).map(|number| row(1, number)).filter(|row| finite(row)) {
                bounds.at_point(&parameters, [&target, &source], &mut scratch, &mut values);
                for (c, (reference, most)) in block.clone().zip(&mut references) {
                    // Any exponent is as good.
                    let size = if formula.exponents.is_some() && values[c].is_finite() { 1.0 } else { values[c].abs() };
                    if size.is_finite() && size > *most {
                        (*reference, *most) = ([target.clone(), source.clone()], size);
                    }
                }
            }
        }
        if references.iter().any(|(_, size)| *size < 1e-200) {
            return None;
        }
        // All components of f have the factors of the first one's reference.
        let first = references[0].0.clone();
        for side in 0..2 {
            for &component in &apart[side] {
                self.reference[side][component] = first[side][component];
                references.iter_mut().for_each(|(rows, _)| rows[side][component] = first[side][component]);
            }
        }
        let mut of_references = Vec::new();
        for (c, (rows, _)) in block.clone().zip(&references) {
            bounds.at_point(&parameters, [&rows[0], &rows[1]], &mut scratch, &mut values);
            if !values[c].is_finite() || formula.exponents.is_none() && values[c].abs() < 1e-200 {
                return None;
            }
            of_references.push(values[c]);
        }
        for side in (0..2).filter(|&side| !apart[side].is_empty()) {
            let width = self.widths[side];
            let of_row = |number: usize, (scratch, values, at): &mut (PointScratch, Vec<f64>, Vec<[Vec<f64>; 2]>)| {
                let row = &rows[side][number * width..][..width];
                let mut factor = f64::NAN;
                for ((c, at), of_reference) in block.clone().zip(at).zip(&of_references) {
                    for &component in &apart[side] {
                        let x = row[component].as_f64();
                        at[side][component] = if x.abs() < BEYOND || x == f64::NEG_INFINITY { x } else { f64::NAN };
                    }
                    bounds.at_point(&parameters, [&at[0], &at[1]], scratch, values);
                    if formula.exponents.is_some() {
                        return values[c] - of_reference;
                    }
                    let of_component = values[c] / of_reference;
                    if c > block.start && (of_component - factor).abs() > SAME * factor.abs() {
                        return f64::NAN;
                    }
                    factor = of_component;
                }
                factor
            };
            let at: Vec<[Vec<f64>; 2]> = references.iter().map(|(rows, _)| rows.clone()).collect();
            let mut factors = vec![0.0; counts[side]];
            let memory = || (PointScratch::default(), Vec::new(), at.clone());
            factors.par_iter_mut().enumerate().with_min_len(FEW).for_each_init(memory, |memory, (number, factor)| {
                *factor = of_row(number, memory);
            });
            self.factors[side] = factors;
        }
        if formula.exponents.is_some() {
            self.raise_exponents();
        }
        Some(())
    }

    /// Raises two to the exponents of sources, which become factors.
    fn raise_exponents(&mut self) {
        let [targets, sources] = &mut self.factors;
        self.exponents = core::mem::take(targets);
        let most = sources.iter().copied().filter(|x| x.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        self.most = if most.is_finite() { most } else { 0.0 };
        sources.iter_mut().for_each(|x| *x = (*x - self.most).exp2());
    }

    /// The logarithm to base 2 by which the sums of a target are to be multiplied.
    pub(super) fn exponent(&self, target: usize) -> f64 {
        self.most + self.exponents.get(target).copied().unwrap_or(0.0)
    }

    pub(super) fn dim(&self, side: usize) -> usize {
        self.positions[side].len()
    }

    /// How many components f is linear in: at least one, since a weight is as good.
    pub(super) fn components(&self, side: usize) -> usize {
        self.linear[side].as_ref().map_or(1, |(_, range)| range.len())
    }

    /// Whether bounds of f give its least sum: what f is linear in are numbers, or each component of f has its own.
    pub(super) fn has_least(&self) -> bool {
        self.components(0) == 1 && (self.components(1) == 1 || self.diagonal)
    }
}

/// Numbers of factors that are as large may be cut to the range of numbers.
pub(super) const BEYOND: f64 = 1e30;
