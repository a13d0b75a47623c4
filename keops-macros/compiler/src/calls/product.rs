//! Derivatives of a product.
//!
//! The derivative of Π_j f_j is Σ_j o_j df_j, where o_j is the product of the other factors. There is no division by
//! a factor that is 0: a pass saves the product P of the factors that are not 0 and the number z of factors that are
//! 0, and o_j is
//!
//! - for f_j ≠ 0: P / f_j if z = 0, else 0;
//! - for f_j = 0: P if z = 1, else 0.
//!
//! The factors that are 0 have derivatives, too. As a function of these factors, the product is P e_z, and the
//! product without such a factor f_j is P e_(z-1), where e_k is their elementary symmetric polynomial of degree k. It
//! is 0 for k > 0, but its derivatives are not. Newton's identities make the polynomials of the power sums p_k = Σ
//! f_j^k over these factors, which are saved as well: rows of zeros, whose derivatives count. As many power sums are
//! needed as there are further derivatives.
//!
//! P is saved as a mantissa and an exponent, so that it stays within the range of the numbers. Only the mantissa is
//! differentiated: dP / P = Σ df_j / f_j over the factors that are not 0.

use crate::ir::{
    dim::Dim,
    graph::{Graph, Id},
    table::Fun,
};

/// Block number `block` of a row that was saved for a product of `f`: as many components as f has.
fn block(g: &mut Graph, f: Id, row: Id, block: u64) -> Id {
    let dim = g.dim(f).clone();
    let start = dim.checked_mul(&Dim::number(block)).expect("a part of a dimension that was counted");
    g.extract(row, start, dim)
}

/// `yes` for factors that are not 0, `no` for factors that are.
fn unless_zero(g: &mut Graph, f: Id, yes: Id, no: Id) -> Id {
    let (zero, half) = (g.constant(0.0), g.constant(0.5));
    let is_zero = g.fun(Fun::Equal, &[f, zero]);
    let is_not = g.sub(half, is_zero);
    let choice = g.fun(Fun::IfElse, &[is_not, yes, no]);
    g.broadcast(choice, &g.dim(f).clone())
}

/// The elementary symmetric polynomials of degrees 0, 1, .. of numbers with these power sums.
fn symmetric(g: &mut Graph, power_sums: &[Id]) -> Vec<Id> {
    let mut all = vec![g.constant(1.0)];
    for k in 1..=power_sums.len() {
        let terms = (1..=k).fold(g.constant(0.0), |sum, i| {
            let term = g.mul(all[k - i], power_sums[i - 1]);
            if i % 2 == 1 { g.add(sum, term) } else { g.sub(sum, term) }
        });
        let part = g.constant(1.0 / k as f64);
        all.push(g.mul(part, terms));
    }
    all
}

/// The polynomial of degree z - `less`, if it is one of `polynomials`, else 0.
fn of_degree(g: &mut Graph, polynomials: &[Id], z: Id, less: usize) -> Id {
    (0..).zip(polynomials).fold(g.constant(0.0), |sum, (degree, &polynomial)| {
        let wanted = g.constant(f64::from(degree) + less as f64);
        let is_degree = g.fun(Fun::Equal, &[z, wanted]);
        let part = g.mul(is_degree, polynomial);
        g.add(sum, part)
    })
}

/// The product of the factors besides f, times `by`.
pub(super) fn times_others(g: &mut Graph, f: Id, row: Id, sums: u64, by: Id) -> Id {
    let [mantissa, exponent, zeros] = [0, 1, 2].map(|k| block(g, f, row, k));
    let power_sums: Vec<Id> = (0..sums).map(|k| block(g, f, row, 3 + k)).collect();
    let without: Vec<Id> = (1..)
        .zip(&power_sums)
        .map(|(k, &sum)| {
            let own = g.powi(f, k);
            g.sub(sum, own)
        })
        .collect();
    let (all, without) = (symmetric(g, &power_sums), symmetric(g, &without));
    let one = g.constant(1.0);
    let mut side = |factor: Id, polynomials: &[Id], less: usize| {
        let others = g.fun(Fun::Others, &[factor, mantissa, exponent]);
        let degree = of_degree(g, polynomials, zeros, less);
        g.mul(others, degree)
    };
    let (of_number, of_zero) = (side(f, &all, 0), side(one, &without, 1));
    let others = unless_zero(g, f, of_number, of_zero);
    g.mul(others, by)
}

/// The term of a pair in the change of the saved row, for the change `df` of f.
pub(super) fn parts(g: &mut Graph, f: Id, row: Id, sums: u64, df: Id) -> Id {
    let (mantissa, dim) = (block(g, f, row, 0), g.dim(f).clone());
    let none = g.zero(dim);
    let quotient = g.div(df, f);
    let of_mantissa = g.mul(mantissa, quotient);
    let mut parts = vec![unless_zero(g, f, of_mantissa, none), none, none];
    for k in 1..=sums {
        let slope = power_slope(g, f, k);
        let change = g.mul(slope, df);
        parts.push(unless_zero(g, f, none, change));
    }
    g.concat(&parts).expect("the dimension of the row")
}

/// The cotangent of f, for the cotangent `e` of the saved row.
pub(super) fn parts_back(g: &mut Graph, f: Id, row: Id, sums: u64, e: Id) -> Id {
    let (mantissa, of_mantissa) = (block(g, f, row, 0), block(g, f, e, 0));
    let product = g.mul(mantissa, of_mantissa);
    let of_number = g.div(product, f);
    let of_zero = (1..=sums).fold(g.constant(0.0), |sum, k| {
        let (slope, e) = (power_slope(g, f, k), block(g, f, e, 2 + k));
        let part = g.mul(slope, e);
        g.add(sum, part)
    });
    unless_zero(g, f, of_number, of_zero)
}

/// k f^(k-1)
fn power_slope(g: &mut Graph, f: Id, k: u64) -> Id {
    let power = g.powi(f, i32::try_from(k - 1).expect("an order of derivatives"));
    let k = g.constant(k as f64);
    g.mul(k, power)
}
