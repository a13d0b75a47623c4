//! The dimensions that are written in an item, which become polynomials or faults.

use proc_macro2::Span;

use crate::{
    ir::dim::{Dim, LARGEST, TERMS},
    syntax::ast::{BinaryOp, IntegerArg},
};

/// The polynomial that is written for a dimension or an offset, or a fault with the token to point at.
///
/// A difference or a quotient is such a polynomial only if it comes out even: `2 * D - D`, `6 / 2`.
pub(crate) fn written(arg: &IntegerArg) -> Result<Dim, (Span, String)> {
    let (op, span, a, b) = match arg {
        IntegerArg::Number(n @ 0..=LARGEST, _) => return Ok(Dim::number(n.unsigned_abs())),
        IntegerArg::Number(n, span) => return Err((*span, out_of_range(*n))),
        IntegerArg::Symbol(name) => return Ok(Dim::symbol(&name.to_string())),
        IntegerArg::Operation(op, span, a, b) => (*op, *span, a, b),
    };
    let (x, y) = (written(a)?, written(b)?);
    let (made, what) = match op {
        BinaryOp::Add => (x.checked_add(&y), ""),
        BinaryOp::Mul => (x.checked_mul(&y), ""),
        BinaryOp::Sub => (x.minus(&y), "differences"),
        _ => (x.divide(&y), "quotients"),
    };
    match made {
        Some(dim) if dim.is_moderate() => Ok(dim),
        None if !what.is_empty() => {
            // there is no advice for two numbers, or for an operand of several terms
            let advice = match (&**a, &**b) {
                (IntegerArg::Symbol(_), IntegerArg::Number(1.., _) | IntegerArg::Symbol(_)) => {
                    let sign = if op == BinaryOp::Sub { "+" } else { "*" };
                    format!(": with a const generic `F` for `{arg}`, `{a}` is `F {sign} {b}`")
                }
                _ => String::new(),
            };
            Err((span, format!("dimensions are sums and products, not {what} like `{arg}`{advice}")))
        }
        _ => Err((
            span,
            format!(
                "the dimension `{arg}` is too large: its numbers are at most {LARGEST}, its terms and their factors {TERMS}"
            ),
        )),
    }
}

/// The message for a number that no dimension can be.
pub(crate) fn out_of_range(n: i64) -> String {
    format!("a dimension must be at least 1 and at most {LARGEST}, not {n}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_written_is_a_polynomial_or_a_fault() {
        let written = |text: &str| {
            let arg = syn::parse::Parser::parse_str(crate::syntax::parse::dimension, text).unwrap();
            super::written(&arg).map(|dim| dim.to_string()).map_err(|(_, message)| message)
        };
        for (text, dim) in [
            ("3*3", "9"),
            ("{ D * D }", "D*D"),
            ("(D + 1) * (D + 2)", "2 + 3*D + D*D"),
            ("E * D + 2 * (D * E)", "3*D*E"),
            ("2*D - D", "D"),
            ("8 / 2 + 5 - 1", "8"),
            ("D * E / D", "E"),
            ("D + 0", "D"),
            ("D * 0", "0"),
        ] {
            assert_eq!(written(text), Ok(dim.to_owned()), "{text}");
        }
        for (text, part) in [
            ("D - 1", "not differences like `D - 1`: with a const generic `F` for `D - 1`, `D` is `F + 1`"),
            ("D / 2", "not quotients like `D / 2`: with a const generic `F` for `D / 2`, `D` is `F * 2`"),
            ("2 - 3", "not differences like `2 - 3`"),
            ("7 / 2", "not quotients like `7 / 2`"),
            ("7 / 0", "not quotients like `7 / 0`"),
            ("3 * -2", "at least 1 and at most 16777216, not -2"),
            ("5000 * 5000", "too large"),
            ("D * 5000 * 5000", "too large"),
            ("16777216 + D", "too large"),
            ("D*D*D*D*D*D*D*D*D*D*D*D*D*D*D*D*D", "too large"),
            ("(D+E+F)*(D+E+F)*(D+E+F)*(D+E+F)*(D+E+F)", "too large"),
        ] {
            assert!(written(text).is_err_and(|message| message.contains(part)), "{text}: {:?}", written(text));
        }
    }
}
