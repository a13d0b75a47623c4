//! The form of pykeops: `pub fn f = Genred("formula", ["x = Vi(3)", ...], reduction_op = "Sum", axis = 1);`
//!
//! The strings are lexed again with the span of their literal: a fault inside one points at the whole string, and its
//! message quotes the part.

use std::{collections::BTreeMap, rc::Rc};

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use syn::{
    LitStr, Token, parenthesized,
    parse::{ParseStream, Parser},
};

use super::{category, dimension, expr, signature::Signature, unknown};
use crate::{
    ir::{graph::Category, reduction},
    syntax::{
        ast::{Body, Expr, ExprKind, Foreign, IntegerArg, Item, ReductionSpec, VariableDecl},
        error::Errors,
    },
};

/// Reads an item from the `=` on.
pub(super) fn item(
    input: ParseStream,
    attributes: Vec<syn::Attribute>,
    own: &super::Options,
    visibility: syn::Visibility,
    name: Ident,
    faults: Errors,
) -> syn::Result<Item> {
    input.parse::<Token![=]>()?;
    let genred: Ident = input.parse()?;
    form(&genred)?;
    let content;
    parenthesized!(content in input);
    let Signature { formula, aliases, formula2, reduction, axis, k, sums, fast_math } =
        Signature::parse(&content, genred.span())?;
    if !input.peek(Token![;]) {
        return Err(syn::Error::new(genred.span(), "expected `;` behind `Genred(..)`"));
    }
    input.parse::<Token![;]>()?;

    let mut errors = faults;
    let mut variables = Variables::default();
    for alias in &aliases {
        if let Err(e) = variables.alias(alias) {
            errors.append(e);
        }
    }
    let mut values = Vec::new();
    for text in std::iter::once(&formula).chain(&formula2) {
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
    if let Some(reduction) = &reduction
        && let Some(row) = reduction::find(&reduction.to_string()).filter(|row| row.weight == reduction::Weight::Radius)
    {
        let message = format!("KeOps has no `{0}`: write `fn {name}(..) -> {0}<j> {{ (formula, radius) }}`", row.name);
        errors.push(reduction.span(), message);
    }
    errors.into_result()?;
    let mut cuda = own.cuda(&[])?;
    if let Some((fast, span)) = fast_math {
        if fast && cuda.precise {
            return Err(syn::Error::new(span, "`#[keops(precise)]` says already that it is not"));
        }
        cuda.precise = !fast;
    }
    Ok(Item {
        attributes,
        order: own.order,
        scheme: sums.scheme(own.scheme)?,
        cuda,
        visibility,
        variables: variables.in_order(name.span())?,
        name,
        generics: Vec::new(),
        reduction: ReductionSpec {
            name: reduction.unwrap_or_else(|| Ident::new("Sum", formula.span())),
            // axis 1 reduces over j; KeOps' default is 0
            over: if axis == Some(1) { Category::J } else { Category::I },
            k,
        },
        body: Body { lets: Vec::new(), values, span: formula.span() },
        faults: None,
        names: Rc::default(),
    })
}

/// Whether a name is that of a form of pykeops, or like one.
pub(super) fn is_form(name: &Ident) -> bool {
    let text = name.to_string();
    ["KernelSolve", "LazyTensor", "Vi", "Vj", "Pm"].contains(&text.as_str())
        || text.starts_with("generic_")
        || text.to_lowercase().contains("genred")
}

/// Checks that the form is `Genred`, with messages for the other forms of pykeops.
fn form(name: &Ident) -> syn::Result<()> {
    let text = name.to_string();
    let advice = match text.as_str() {
        "Genred" => return Ok(()),
        "KernelSolve" => {
            "write `Genred` without the name of the unknown: the call of a sum that is linear in `b` has `.solve_b(alpha)`"
        }
        "LazyTensor" | "Vi" | "Vj" | "Pm" => "write a function, `fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { .. }`",
        _ if text.starts_with("generic_") => {
            let row = reduction::like(text.trim_start_matches("generic_"));
            let k = if row.is_some_and(|row| row.takes_k) { ", opt_arg = 10" } else { "" };
            let row = row.map_or("Sum", |row| row.name);
            &format!("write `Genred(formula, aliases, reduction_op = \"{row}\", axis = 1{k})`")
        }
        _ => return Err(unknown("form", name, ["Genred"])),
    };
    Err(syn::Error::new(name.span(), format!("`{name}` is not a form here: {advice}")))
}

/// The names of variables that are declared inside a formula.
const KINDS: [&str; 6] = ["Var", "Vi", "Vj", "Pm", "Vx", "Vy"];

/// The variables by their positions.
#[derive(Default)]
struct Variables {
    by_position: BTreeMap<u64, VariableDecl>,
    aliases: u64,
}

impl Variables {
    /// Reads an alias: `"x = Vi(3)"`, `"x = Vi(0,3)"` or `"x = Var(0,3,0)"`, or one of these without a name. An alias
    /// without a position has its number as its position.
    fn alias(&mut self, text: &LitStr) -> syn::Result<()> {
        let (name, kind, args) = lex(text, "alias", |input| {
            let mut name = None;
            if !(input.peek(syn::Ident) && input.peek2(syn::token::Paren)) {
                name = Some(input.parse::<Ident>()?);
                input.parse::<Token![=]>()?;
            }
            let kind: Ident = input.parse()?;
            let args;
            parenthesized!(args in input);
            let args = args.parse_terminated(dimension, Token![,])?;
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
        let name = name.unwrap_or_else(|| Ident::new(&format!("var{position}"), text.span()));
        let decl = VariableDecl { name, category, dim };
        if let Some(old) = self.by_position.insert(position, decl) {
            let message = format!("\"{}\": position {position} is that of `{}` already", text.value(), old.name);
            return Err(syn::Error::new(text.span(), message));
        }
        Ok(())
    }

    /// Replaces `Var(position, dim, category)` and `Vi(position, dim)` inside a formula by the name of the variable
    /// with this position, which is declared if no alias has it.
    fn raw(&mut self, value: &mut Expr, text: &LitStr) -> syn::Result<()> {
        match &mut value.kind {
            ExprKind::Name(_) | ExprKind::Integer(_) | ExprKind::Float(_) => Ok(()),
            ExprKind::Neg(inner) => self.raw(inner, text),
            ExprKind::Binary(_, a, b) => {
                self.raw(a, text)?;
                self.raw(b, text)
            }
            ExprKind::Call(name, args) if KINDS.iter().any(|kind| name == kind) => {
                let numbers: Option<Vec<i64>> =
                    args.iter().map(|arg| if let ExprKind::Integer(n) = arg.kind { Some(n) } else { None }).collect();
                let span = text.span();
                let (position, dim, category) = match numbers.as_deref() {
                    Some([position, dim, category]) if name == "Var" => {
                        (position, dim, raw_category(&IntegerArg::Number(*category, span))?)
                    }
                    Some([position, dim]) if name != "Var" => (position, dim, category(name)?),
                    _ if name == "Var" => return Err(syn::Error::new(span, "expected `Var(position, dim, category)`")),
                    _ => return Err(syn::Error::new(span, format!("expected `{name}(position, dim)`"))),
                };
                let position = number(&IntegerArg::Number(*position, span))?;
                let decl = self.by_position.entry(position).or_insert_with(|| VariableDecl {
                    name: Ident::new(&format!("var{position}"), span),
                    category,
                    dim: IntegerArg::Number(*dim, span),
                });
                if decl.category != category || decl.dim.number() != Some(*dim) {
                    let message = format!("position {position} has two declarations that differ");
                    return Err(syn::Error::new(span, message));
                }
                value.kind = ExprKind::Name(decl.name.clone());
                Ok(())
            }
            ExprKind::List(args) | ExprKind::Call(_, args) | ExprKind::Foreign(Foreign { parts: args, .. }) => {
                args.iter_mut().try_for_each(|arg| self.raw(arg, text))
            }
        }
    }

    /// The arguments of the function in their order. There must be no gap between positions.
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
