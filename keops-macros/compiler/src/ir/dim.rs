//! Dimensions: polynomials in the const generics of the function, with non-negative integer coefficients.
//!
//! A dimension without const generics is a number while the macro runs. Another one is a number when the function is
//! instantiated only, so the macro compares polynomials.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote};

/// A product of const generics, sorted; empty for the constant term.
type Monomial = Vec<String>;

/// The largest number in a declared dimension. Sums of a few such numbers fit into any integer of the compiler.
pub(crate) const LARGEST: i64 = 1 << 24;
/// The most terms of a declared dimension, and the most factors of a term. More would be a mistake, and products of
/// such dimensions would take too long.
pub(crate) const TERMS: usize = 16;

/// A number of components, or an offset into them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Dim(BTreeMap<Monomial, u64>);

impl Dim {
    /// The dimension n.
    pub fn number(n: u64) -> Self {
        let mut terms = BTreeMap::new();
        if n > 0 {
            terms.insert(Vec::new(), n);
        }
        Dim(terms)
    }

    /// The dimension that is the const generic `name`.
    pub fn symbol(name: &str) -> Self {
        Dim(BTreeMap::from([(vec![name.to_owned()], 1)]))
    }

    /// Whether the numbers are at most [`LARGEST`] together, and there are at most [`TERMS`] terms with at most as
    /// many factors each.
    pub(crate) fn is_moderate(&self) -> bool {
        let sum = self.0.values().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        sum.is_some_and(|sum| sum <= LARGEST.unsigned_abs())
            && self.0.len() <= TERMS
            && self.0.keys().all(|monomial| monomial.len() <= TERMS)
    }

    /// The number that the dimension is, if it has no const generics.
    pub fn value(&self) -> Option<u64> {
        match self.0.len() {
            0 => Some(0),
            1 => self.0.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// Whether the dimension is the number 1, that of a scalar.
    pub fn is_one(&self) -> bool {
        self.value() == Some(1)
    }

    /// The sum; `None` if a coefficient overflows.
    pub fn checked_add(&self, other: &Dim) -> Option<Dim> {
        let mut terms = self.0.clone();
        for (monomial, &n) in &other.0 {
            let sum = terms.entry(monomial.clone()).or_insert(0);
            *sum = sum.checked_add(n)?;
        }
        Some(Dim(terms))
    }

    /// The product; `None` if a coefficient overflows.
    pub fn checked_mul(&self, other: &Dim) -> Option<Dim> {
        let mut product = Dim::default();
        for (a, &m) in &self.0 {
            for (b, &n) in &other.0 {
                let mut monomial = [a.as_slice(), b.as_slice()].concat();
                monomial.sort();
                product = product.checked_add(&Dim(BTreeMap::from([(monomial, m.checked_mul(n)?)])))?;
            }
        }
        Some(product)
    }

    /// The quotient `self / divisor`, if it is a polynomial again. The divisor must have one term, which divides
    /// every term of `self`.
    pub fn divide(&self, divisor: &Dim) -> Option<Dim> {
        let (factors, &n) = divisor.0.first_key_value().filter(|_| divisor.0.len() == 1)?;
        let mut terms = BTreeMap::new();
        for (monomial, &m) in &self.0 {
            let mut rest = monomial.clone();
            for factor in factors {
                rest.remove(rest.iter().position(|f| f == factor)?);
            }
            terms.insert(rest, (m % n == 0).then_some(m / n)?);
        }
        Some(Dim(terms))
    }

    /// The difference `self - other`, if it has no negative coefficient.
    pub fn minus(&self, other: &Dim) -> Option<Dim> {
        let mut terms = self.0.clone();
        for (monomial, n) in &other.0 {
            let left = terms.get(monomial)?.checked_sub(*n)?;
            if left == 0 {
                terms.remove(monomial);
            } else {
                terms.insert(monomial.clone(), left);
            }
        }
        Some(Dim(terms))
    }

    /// The size of the dimension for large const generics. If one of two dimensions divides the other, the sizes tell
    /// which.
    pub(crate) fn magnitude(&self) -> u128 {
        let terms = self.0.iter().map(|(monomial, &n)| u128::from(n) << (10 * monomial.len()).min(60));
        terms.fold(0, u128::saturating_add)
    }

    /// Whether the dimension is at most `other` for all values of the const generics; `None` if that is not known
    /// without these values.
    pub fn at_most(&self, other: &Dim) -> Option<bool> {
        if self.0.iter().all(|(monomial, n)| other.0.get(monomial).is_some_and(|m| n <= m)) {
            return Some(true);
        }
        Some(self.value()? <= other.value()?)
    }

    /// The number that the dimension is for these values of the const generics.
    pub(crate) fn at(&self, value: impl Fn(&str) -> u64) -> u64 {
        self.0.iter().map(|(monomial, n)| n * monomial.iter().map(|symbol| value(symbol)).product::<u64>()).sum()
    }

    /// The dimension as an expression of type `usize`.
    pub fn tokens(&self) -> TokenStream {
        let terms: Vec<TokenStream> = self
            .0
            .iter()
            .map(|(monomial, &n)| {
                let number = (n != 1 || monomial.is_empty()).then(|| usize_literal(n).to_token_stream());
                let factors = number.into_iter().chain(monomial.iter().map(|s| const_generic(s).to_token_stream()));
                // `quote!` has no repetition with `*` as a separator
                factors.reduce(|a, b| quote!(#a * #b)).unwrap_or_default()
            })
            .collect();
        if terms.is_empty() { quote!(0usize) } else { quote!(#(#terms)+*) }
    }

    /// The dimension as an argument for a const generic of type `usize`, if it is a number or one const generic:
    /// stable Rust allows nothing else.
    pub fn const_argument(&self) -> Option<TokenStream> {
        if let Some(n) = self.value() {
            let n = usize_literal(n);
            return Some(quote!(#n));
        }
        let (monomial, &n) = self.0.first_key_value().filter(|_| self.0.len() == 1)?;
        let [symbol] = monomial.as_slice() else { return None };
        let symbol = const_generic(symbol);
        (n == 1).then(|| quote!(#symbol))
    }

    /// The type of storage for this many `element`s, of the types in `keops_core::formula`.
    pub fn storage(&self, element: &TokenStream) -> TokenStream {
        if let Some(argument) = self.const_argument() {
            return quote!([#element; #argument]);
        }
        let terms = self.0.iter().map(|(monomial, &n)| {
            let n_literal = usize_literal(n);
            let Some((first, others)) = monomial.split_first() else { return quote!([#element; #n_literal]) };
            let first = const_generic(first);
            let array = others.iter().fold(quote!([#element; #first]), |inner, symbol| {
                let symbol = const_generic(symbol);
                quote!(__p::Grid<#inner, #symbol>)
            });
            if n == 1 { array } else { quote!(__p::Grid<#array, #n_literal>) }
        });
        terms.reduce(|a, b| quote!(__p::Chain<#a, #b>)).unwrap_or_else(|| quote!([#element; 0usize]))
    }
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let terms: Vec<String> = self
            .0
            .iter()
            .map(|(monomial, n)| {
                let symbols = monomial.join("*");
                match (symbols.is_empty(), n) {
                    (true, _) => n.to_string(),
                    (false, 1) => symbols,
                    (false, _) => format!("{n}*{symbols}"),
                }
            })
            .collect();
        f.write_str(if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") }.as_str())
    }
}

/// The name under which the const generic `name` is printed. It is another one if the expansion might have a type
/// parameter or a local variable of that name; callers do not see the names of const generics.
pub(crate) fn const_generic(name: &str) -> Ident {
    let plain = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if plain && !matches!(name, "E" | "R" | "S" | "T") {
        Ident::new(name, Span::call_site())
    } else {
        Ident::new(&format!("__DIM_{}", name.trim_start_matches("r#")), Span::call_site())
    }
}

/// The literal `n` with the suffix `usize`. If it does not fit into the `usize` of the host, the suffix is `u64`, and
/// rustc reports a literal that is too large for the target.
fn usize_literal(n: u64) -> Literal {
    usize::try_from(n).map_or_else(|_| Literal::u64_suffixed(n), Literal::usize_suffixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_compare_and_divide() {
        let (d, e, three) = (Dim::symbol("D"), Dim::symbol("F"), Dim::number(3));
        let product = d.checked_mul(&e).unwrap().checked_mul(&three).unwrap();
        assert_eq!(product.divide(&d), e.checked_mul(&three));
        assert_eq!(product.divide(&Dim::number(2)), None);
        assert_eq!(d.checked_add(&three).unwrap().at_most(&d.checked_add(&Dim::number(5)).unwrap()), Some(true));
        assert_eq!(d.at_most(&three), None);
        assert_eq!(d.checked_add(&e).unwrap().const_argument().map(|t| t.to_string()), None);
        assert_eq!(product.to_string(), "3*D*F");
        assert_eq!(product.tokens().to_string(), "3usize * D * F");
        assert_eq!(d.checked_mul(&e).unwrap().tokens().to_string(), "D * F");
        // type parameters of the expansion have these names
        for name in ["E", "R", "S", "T"] {
            assert_eq!(Dim::symbol(name).tokens().to_string(), format!("__DIM_{name}"));
        }
    }
}
