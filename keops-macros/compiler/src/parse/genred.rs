//! The form of pykeops: `pub fn f = Genred("formula", ["x = Vi(3)", ...], reduction_op = "Sum", axis = 1);`
//!
//! The strings are lexed again with the span of their literal: a fault inside one points at the whole string, and its
//! message quotes the part.

use std::collections::BTreeMap;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use syn::{
    LitStr, Token, bracketed, parenthesized,
    parse::{ParseStream, Parser},
};

use super::{category, expr, integer, sums::Sums, unknown};
use crate::{
    ast::{Block, Expr, ExprKind, IntegerArg, Item, ReductionSpec, VariableDecl},
    error::Errors,
    graph::Category,
};

const OPTIONS: [&str; 7] = ["reduction_op", "axis", "opt_arg", "formula2", "sum_scheme", "dtype_acc", "use_double_acc"];
/// Options of pykeops that carry over in another way, or do not yet.
const ELSEWHERE: [(&str, &str); 6] = [
    ("dtype", "the element type is inferred from the arguments"),
    ("enable_chunks", "high dimensions need no option"),
    ("rec_multVar_highdim", "high dimensions need no option"),
    ("use_fast_math", "it is the default on GPUs; `#[keops(precise)]` turns it off"),
    ("opt_arg2", "write a weight as `formula2`"),
    ("cuda_type", "the element type is inferred from the arguments"),
];

/// Parses from the `=` on.
pub(super) fn item(
    input: ParseStream,
    attributes: Vec<syn::Attribute>,
    own: &super::Options,
    visibility: syn::Visibility,
    name: Ident,
) -> syn::Result<Item> {
    input.parse::<Token![=]>()?;
    let genred: Ident = input.parse()?;
    if genred != "Genred" {
        return Err(unknown("form", &genred, ["Genred"]));
    }
    let content;
    parenthesized!(content in input);
    input.parse::<Token![;]>()?;

    let formula: LitStr = content.parse()?;
    content.parse::<Token![,]>()?;
    let list;
    bracketed!(list in content);
    let aliases = list.parse_terminated(|input| input.parse::<LitStr>(), Token![,])?;
    let mut options = Options::default();
    while content.peek(Token![,]) {
        content.parse::<Token![,]>()?;
        if !content.is_empty() {
            options.parse(&content)?;
        }
    }
    if !content.is_empty() {
        return Err(content.error("expected `,`"));
    }

    let mut errors = Errors::default();
    let mut variables = Variables::default();
    for alias in &aliases {
        if let Err(e) = variables.alias(alias) {
            errors.append(e);
        }
    }
    let mut values = Vec::new();
    for text in std::iter::once(&formula).chain(&options.formula2) {
        match lex(text, "formula", expr::expression) {
            Ok(mut value) => {
                if let Err(e) = variables.raw(&mut value, text) {
                    errors.append(e);
                }
                values.push(value);
            }
            Err(e) => errors.append(e),
        }
    }
    errors.into_result()?;
    Ok(Item {
        attributes,
        order: own.order,
        scheme: options.sums.scheme(own.scheme)?,
        cuda: own.cuda(&[])?,
        visibility,
        variables: variables.in_order(name.span())?,
        name,
        generics: Vec::new(),
        reduction: ReductionSpec {
            name: options.reduction.unwrap_or_else(|| Ident::new("Sum", formula.span())),
            // axis 1 reduces over j; KeOps' default is 0
            over: if options.axis == Some(1) { Category::J } else { Category::I },
            k: options.k,
        },
        body: Block { lets: Vec::new(), values, span: formula.span() },
    })
}

#[derive(Default)]
struct Options {
    reduction: Option<Ident>,
    axis: Option<u8>,
    k: Option<IntegerArg>,
    formula2: Option<LitStr>,
    sums: Sums,
}

impl Options {
    fn parse(&mut self, input: ParseStream) -> syn::Result<()> {
        let key: Ident = input.parse()?;
        let twice = |old: bool| match old {
            true => Err(syn::Error::new(key.span(), format!("`{key}` is given twice"))),
            false => Ok(()),
        };
        if let Some((_, why)) = ELSEWHERE.iter().find(|(name, _)| key == name) {
            return Err(syn::Error::new(key.span(), format!("`{key}` is not an option here: {why}")));
        }
        input.parse::<Token![=]>()?;
        match key.to_string().as_str() {
            "reduction_op" => {
                let name: LitStr = input.parse()?;
                let ident = syn::parse_str::<Ident>(&name.value())
                    .map_err(|_| syn::Error::new(name.span(), format!("unknown reduction `{}`", name.value())))?;
                twice(self.reduction.replace(Ident::new(&ident.to_string(), name.span())).is_some())
            }
            "axis" => match integer(input)? {
                IntegerArg::Number(axis @ (0 | 1), _) => twice(self.axis.replace(axis as u8).is_some()),
                other => Err(syn::Error::new(other.span(), "`axis` is 1 (reduce over j) or 0 (reduce over i)")),
            },
            "opt_arg" => {
                let k = integer(input)?;
                twice(self.k.replace(k).is_some())
            }
            "formula2" => {
                let formula: LitStr = input.parse()?;
                twice(self.formula2.replace(formula).is_some())
            }
            "sum_scheme" | "dtype_acc" | "use_double_acc" => twice(self.sums.parse(&key, input)?),
            _ => Err(unknown("option", &key, OPTIONS)),
        }
    }
}

/// Variables by position.
#[derive(Default)]
struct Variables {
    by_position: BTreeMap<u64, VariableDecl>,
    aliases: u64,
}

impl Variables {
    /// `"x = Vi(3)"`, `"x = Vi(0,3)"` or `"x = Var(0,3,0)"`. Without a position it is the number of the alias.
    fn alias(&mut self, text: &LitStr) -> syn::Result<()> {
        let (name, kind, args) = lex(text, "alias", |input| {
            let name: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            let kind: Ident = input.parse()?;
            let args;
            parenthesized!(args in input);
            let args = args.parse_terminated(integer, Token![,])?;
            Ok((name, kind, args.into_iter().collect::<Vec<_>>()))
        })?;
        let (position, dim, category) = match (kind == "Var", args.as_slice()) {
            (true, [position, dim, category]) => (Some(position), dim, raw_category(category)?),
            (false, [dim]) => (None, dim, category(&kind)?),
            (false, [position, dim]) => (Some(position), dim, category(&kind)?),
            _ => {
                let message = format!("\"{}\": expected `x = Vi(dim)` or `x = Vi(position, dim)`", text.value());
                return Err(syn::Error::new(text.span(), message));
            }
        };
        let position = match position {
            Some(position) => number(position)?,
            None => self.aliases,
        };
        self.aliases += 1;
        let dim = dim.clone();
        let decl = VariableDecl { name, category, dim, raw: false };
        if let Some(old) = self.by_position.insert(position, decl) {
            let message = format!("\"{}\": position {position} is that of `{}` already", text.value(), old.name);
            return Err(syn::Error::new(text.span(), message));
        }
        Ok(())
    }

    /// Replaces `Var(position, dim, category)` inside a formula by a name, declared if no alias has that position.
    fn raw(&mut self, value: &mut Expr, text: &LitStr) -> syn::Result<()> {
        match &mut value.kind {
            ExprKind::Name(_) | ExprKind::Integer(_) | ExprKind::Float(_) => Ok(()),
            ExprKind::Neg(inner) => self.raw(inner, text),
            ExprKind::Binary(_, a, b) => {
                self.raw(a, text)?;
                self.raw(b, text)
            }
            ExprKind::Call(name, args) if name == "Var" => {
                let numbers: Option<Vec<i64>> =
                    args.iter().map(|arg| if let ExprKind::Integer(n) = arg.kind { Some(n) } else { None }).collect();
                let Some([position, dim, category]) = numbers.as_deref() else {
                    return Err(syn::Error::new(text.span(), "expected `Var(position, dim, category)`"));
                };
                let span = text.span();
                let position = number(&IntegerArg::Number(*position, span))?;
                let category = raw_category(&IntegerArg::Number(*category, span))?;
                let decl = self.by_position.entry(position).or_insert_with(|| VariableDecl {
                    name: Ident::new(&format!("var{position}"), span),
                    category,
                    dim: IntegerArg::Number(*dim, span),
                    raw: true,
                });
                if decl.category != category || !matches!(decl.dim, IntegerArg::Number(n, _) if n == *dim) {
                    let message = format!("position {position} has two declarations that differ");
                    return Err(syn::Error::new(span, message));
                }
                value.kind = ExprKind::Name(decl.name.clone());
                Ok(())
            }
            ExprKind::List(args) | ExprKind::Call(_, args) => args.iter_mut().try_for_each(|arg| self.raw(arg, text)),
        }
    }

    /// The arguments of the function; positions must have no gap.
    fn in_order(self, span: Span) -> syn::Result<Vec<VariableDecl>> {
        for (expected, &position) in self.by_position.keys().enumerate() {
            if position != expected as u64 {
                let message = format!("no variable has position {expected}, but one has position {position}");
                return Err(syn::Error::new(span, message));
            }
        }
        Ok(self.by_position.into_values().collect())
    }
}

fn number(position: &IntegerArg) -> syn::Result<u64> {
    match position {
        IntegerArg::Number(n, _) if *n >= 0 => Ok(*n as u64),
        _ => Err(syn::Error::new(position.span(), "a position is an integer that is not negative")),
    }
}

fn raw_category(number: &IntegerArg) -> syn::Result<Category> {
    match number {
        IntegerArg::Number(0, _) => Ok(Category::I),
        IntegerArg::Number(1, _) => Ok(Category::J),
        IntegerArg::Number(2, _) => Ok(Category::P),
        other => Err(syn::Error::new(other.span(), "a category is 0 (Vi), 1 (Vj) or 2 (Pm)")),
    }
}

/// Parses the text of a string literal; all tokens get the span of the literal, and messages quote the text.
fn lex<T>(text: &LitStr, what: &str, parser: impl Fn(ParseStream) -> syn::Result<T>) -> syn::Result<T> {
    let fault =
        |message: String| syn::Error::new(text.span(), format!("in the {what} \"{}\": {message}", text.value()));
    let tokens: TokenStream = text
        .value()
        .parse()
        .map_err(|_| fault("brackets that do not match, or a character out of place".to_owned()))?;
    let whole = |input: ParseStream| {
        let value = parser(input)?;
        if input.is_empty() { Ok(value) } else { Err(expr::unexpected(input)) }
    };
    whole.parse2(respan(tokens, text.span())).map_err(|e| fault(e.to_string()))
}

fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                token = Group::new(group.delimiter(), respan(group.stream(), span)).into();
            }
            token.set_span(span);
            token
        })
        .collect()
}
