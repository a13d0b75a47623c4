//! The grammar of formulas, that of Python and of Rust at once. From the loosest to the tightest:
//!
//! ```text
//! comparison  ==  !=  <  >  <=  >=        (do not chain)
//! dot         |
//! sum         +  -
//! product     *  /
//! sign        -f
//! power       f ** g                      (to the right: -x**2 is -(x**2), 2**-n has a sign on the right)
//! method      f.name(args)
//! atom        name  name(args)  3  0.5  (f)  [3, 4]     (lists only where an operation takes one)
//! ```

use proc_macro2::Span;
use syn::{Ident, Token, bracketed, ext::IdentExt, parenthesized, parse::ParseStream};

use crate::ast::{BinaryOp, Expr, ExprKind};

/// Expressions nest this deep at most, in brackets and in long sums: the parser and the checker are recursive.
const DEPTH: usize = 256;

/// A whole expression.
pub(super) fn expression(input: ParseStream) -> syn::Result<Expr> {
    comparison(input, 0)
}

fn deep(span: Span) -> syn::Error {
    syn::Error::new(span, format!("the formula nests more than {DEPTH} deep, name its parts with `let`"))
}

/// A message for what follows a formula that is over.
pub(super) fn unexpected(input: ParseStream) -> syn::Error {
    let comparison = input.peek(Token![==]) || input.peek(Token![!=]) || input.peek(Token![<]) || input.peek(Token![>]);
    let message = if comparison {
        "comparisons do not chain".to_owned()
    } else if input.peek(Token![;]) {
        "the value of a formula stands last, without a semicolon".to_owned()
    } else if input.peek(Token![^]) {
        "`^` is no operator here, a power is `x ** 2`".to_owned()
    } else if let Some((punct, _)) = input.cursor().punct() {
        format!("`{}` is no operator here", punct.as_char())
    } else {
        "expected an operator".to_owned()
    };
    input.error(message)
}

fn leaf(kind: ExprKind, span: Span) -> Expr {
    Expr { kind, span, depth: 1 }
}

fn binary(op: BinaryOp, span: Span, a: Expr, b: Expr) -> syn::Result<Expr> {
    let depth = 1 + a.depth.max(b.depth);
    if depth > DEPTH {
        return Err(deep(span));
    }
    Ok(Expr { kind: ExprKind::Binary(op, Box::new(a), Box::new(b)), span, depth })
}

fn call(name: Ident, args: Vec<Expr>) -> syn::Result<Expr> {
    let (span, depth) = (name.span(), 1 + args.iter().map(|arg| arg.depth).max().unwrap_or(0));
    if depth > DEPTH { Err(deep(span)) } else { Ok(Expr { kind: ExprKind::Call(name, args), span, depth }) }
}

fn comparison(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    if depth > DEPTH {
        return Err(deep(input.span()));
    }
    let left = dot(input, depth)?;
    let span = input.span();
    let op = if input.peek(Token![==]) {
        input.parse::<Token![==]>()?;
        BinaryOp::Equal
    } else if input.peek(Token![!=]) {
        input.parse::<Token![!=]>()?;
        BinaryOp::NotEqual
    } else if input.peek(Token![<=]) {
        input.parse::<Token![<=]>()?;
        BinaryOp::LessEqual
    } else if input.peek(Token![>=]) {
        input.parse::<Token![>=]>()?;
        BinaryOp::GreaterEqual
    } else if input.peek(Token![<]) {
        input.parse::<Token![<]>()?;
        BinaryOp::Less
    } else if input.peek(Token![>]) {
        input.parse::<Token![>]>()?;
        BinaryOp::Greater
    } else {
        return Ok(left);
    };
    binary(op, span, left, dot(input, depth)?)
}

fn dot(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let mut left = sum(input, depth)?;
    while input.peek(Token![|]) {
        let bar: Token![|] = input.parse()?;
        left = binary(BinaryOp::Dot, bar.span, left, sum(input, depth)?)?;
    }
    Ok(left)
}

fn sum(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let mut left = product(input, depth)?;
    loop {
        let span = input.span();
        let op = if input.peek(Token![+]) {
            input.parse::<Token![+]>()?;
            BinaryOp::Add
        } else if input.peek(Token![-]) {
            input.parse::<Token![-]>()?;
            BinaryOp::Sub
        } else {
            return Ok(left);
        };
        left = binary(op, span, left, product(input, depth)?)?;
    }
}

fn is_power(input: ParseStream) -> bool {
    input.peek(Token![*]) && input.peek2(Token![*])
}

fn product(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let mut left = sign(input, depth)?;
    loop {
        let span = input.span();
        let op = if input.peek(Token![*]) && !is_power(input) {
            input.parse::<Token![*]>()?;
            BinaryOp::Mul
        } else if input.peek(Token![/]) {
            input.parse::<Token![/]>()?;
            BinaryOp::Div
        } else {
            return Ok(left);
        };
        left = binary(op, span, left, sign(input, depth)?)?;
    }
}

fn sign(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    if depth > DEPTH {
        return Err(deep(input.span()));
    }
    if input.peek(Token![-]) {
        let minus: Token![-] = input.parse()?;
        let operand = sign(input, depth + 1)?;
        let depth = 1 + operand.depth;
        if depth > DEPTH {
            return Err(deep(minus.span));
        }
        return Ok(Expr { kind: ExprKind::Neg(Box::new(operand)), span: minus.span, depth });
    }
    if input.peek(Token![+]) {
        input.parse::<Token![+]>()?;
        return sign(input, depth + 1);
    }
    let base = method(input, depth)?;
    if !is_power(input) {
        return Ok(base);
    }
    let star: Token![*] = input.parse()?;
    input.parse::<Token![*]>()?;
    binary(BinaryOp::Power, star.span, base, sign(input, depth + 1)?)
}

fn method(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let mut receiver = atom(input, depth)?;
    while input.peek(Token![.]) {
        input.parse::<Token![.]>()?;
        let name = input.call(Ident::parse_any)?;
        if !input.peek(syn::token::Paren) {
            return Err(syn::Error::new(name.span(), format!("`{name}` needs brackets: what follows a dot is a call")));
        }
        let mut args = vec![receiver];
        args.extend(arguments(input, depth)?);
        receiver = call(name, args)?;
    }
    Ok(receiver)
}

fn arguments(input: ParseStream, depth: usize) -> syn::Result<Vec<Expr>> {
    let content;
    parenthesized!(content in input);
    items(&content, depth)
}

/// Expressions with commas between them, to the end of the brackets.
fn items(content: ParseStream, depth: usize) -> syn::Result<Vec<Expr>> {
    let mut items = Vec::new();
    while !content.is_empty() {
        items.push(comparison(content, depth + 1)?);
        if !content.is_empty() && content.parse::<Option<Token![,]>>()?.is_none() {
            return Err(unexpected(content));
        }
    }
    Ok(items)
}

fn atom(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let span = input.span();
    if input.peek(syn::token::Paren) {
        let content;
        parenthesized!(content in input);
        let inner = comparison(&content, depth + 1)?;
        return if content.is_empty() { Ok(inner) } else { Err(unexpected(&content)) };
    }
    if input.peek(syn::token::Bracket) {
        let content;
        bracketed!(content in input);
        let items = items(&content, depth)?;
        let depth = 1 + items.iter().map(|item| item.depth).max().unwrap_or(0);
        return Ok(Expr { kind: ExprKind::List(items), span, depth });
    }
    if input.peek(syn::Lit) {
        return match input.parse()? {
            syn::Lit::Int(n) => Ok(leaf(ExprKind::Integer(n.base10_parse()?), span)),
            syn::Lit::Float(x) => {
                let value: f64 = x.base10_parse()?;
                if !value.is_finite() {
                    return Err(syn::Error::new(span, "this number is too large for f64"));
                }
                Ok(leaf(ExprKind::Float(value), span))
            }
            other => Err(syn::Error::new_spanned(other, "a formula has numbers only")),
        };
    }
    if input.peek(Ident::peek_any) {
        let name = input.call(Ident::parse_any)?;
        return if input.peek(syn::token::Paren) {
            call(name, arguments(input, depth)?)
        } else {
            Ok(leaf(ExprKind::Name(name), span))
        };
    }
    Err(input.error("expected a formula"))
}
