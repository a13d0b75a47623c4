//! The grammar of formulas, which is that of Python and of Rust at once. Operators, from the loosest to the tightest:
//!
//! ```text
//! comparison  ==  !=  <  >  <=  >=        (do not chain)
//! dot         |
//! sum         +  -
//! product     *  /
//! sign        -f
//! power       f ** g                      (to the right: -x**2 is -(x**2), 2**-n has a sign on the right)
//! method      f.name(args)  f[0]  f[1..3]
//! atom        name  name(args)  f64::consts::PI  3  0.5  (f)  [3, 4]     (lists only where an operation takes one)
//! ```
//!
//! Code of other languages that means one of these is read too, to give it a message: [`mod@foreign`].

use proc_macro2::Span;
use syn::{Ident, Token, bracketed, ext::IdentExt, parenthesized, parse::ParseStream};

use super::{foreign, index, keywords};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Foreign};

/// The deepest nesting of expressions, in brackets and in long sums: the parser and the checker are recursive.
const DEPTH: usize = 256;

/// Reads a whole expression.
pub(super) fn expression(input: ParseStream) -> syn::Result<Expr> {
    logic(input, 0)
}

fn deep(span: Span) -> syn::Error {
    syn::Error::new(span, format!("the formula nests more than {DEPTH} deep, name its parts with `let`"))
}

/// The fault of a token that follows a complete formula.
pub(super) fn unexpected(input: ParseStream) -> syn::Error {
    let comparison = input.peek(Token![==]) || input.peek(Token![!=]) || input.peek(Token![<]) || input.peek(Token![>]);
    let message = if comparison {
        "comparisons do not chain: that both hold is the product, `(x < y) * (y < 1)`".to_owned()
    } else if input.peek(Token![;]) {
        "the value of a formula stands last, without a semicolon".to_owned()
    } else if input.peek(Token![..]) {
        "a formula has no ranges: components are `x[1..3]`, rows those of i and j".to_owned()
    } else if input.peek(Token![=]) {
        "nothing is assigned here: a name is given by `let x = f;`".to_owned()
    } else if let Some((punct, _)) = input.cursor().punct() {
        format!("`{}` is no operator here", punct.as_char())
    } else {
        "expected an operator".to_owned()
    };
    input.error(message)
}

pub(super) fn leaf(kind: ExprKind, span: Span) -> Expr {
    Expr { kind, span, depth: 1 }
}

fn binary(op: BinaryOp, span: Span, a: Expr, b: Expr) -> syn::Result<Expr> {
    let depth = 1 + a.depth.max(b.depth);
    if depth > DEPTH {
        return Err(deep(span));
    }
    Ok(Expr { kind: ExprKind::Binary(op, Box::new(a), Box::new(b)), span, depth })
}

/// Code that is no part of the language, as an expression.
pub(super) fn foreign(span: Span, foreign: Foreign) -> syn::Result<Expr> {
    let depth = 1 + foreign.parts.iter().map(|part| part.depth).max().unwrap_or(0);
    if depth > DEPTH { Err(deep(span)) } else { Ok(Expr { kind: ExprKind::Foreign(foreign), span, depth }) }
}

pub(super) fn call(name: Ident, args: Vec<Expr>) -> syn::Result<Expr> {
    let (span, depth) = (name.span(), 1 + args.iter().map(|arg| arg.depth).max().unwrap_or(0));
    if depth > DEPTH { Err(deep(span)) } else { Ok(Expr { kind: ExprKind::Call(name, args), span, depth }) }
}

/// Reads an expression, also with operators that other languages have between truth values.
pub(super) fn logic(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let mut left = comparison(input, depth)?;
    loop {
        let span = input.span();
        let Some(message) = foreign::connective(input)? else { break };
        left = foreign::fault(span, message, vec![left, comparison(input, depth)?])?;
    }
    foreign::ternary(input, left, depth)
}

pub(super) fn comparison(input: ParseStream, depth: usize) -> syn::Result<Expr> {
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
    while input.peek(Token![|]) && !input.peek(Token![||]) {
        let bar: Token![|] = input.parse()?;
        left = binary(BinaryOp::Dot, bar.span, left, sum(input, depth)?)?;
    }
    Ok(left)
}

pub(super) fn sum(input: ParseStream, depth: usize) -> syn::Result<Expr> {
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
    let operand = |input: ParseStream| foreign::cast(input, sign(input, depth)?);
    let mut left = operand(input)?;
    loop {
        let span = input.span();
        let op = if input.peek(Token![*]) && !is_power(input) {
            input.parse::<Token![*]>()?;
            BinaryOp::Mul
        } else if input.peek(Token![/]) {
            input.parse::<Token![/]>()?;
            BinaryOp::Div
        } else if let Some(message) = foreign::product(input)? {
            left = foreign::fault(span, message, vec![left, operand(input)?])?;
            continue;
        } else {
            return Ok(left);
        };
        left = binary(op, span, left, operand(input)?)?;
    }
}

pub(super) fn sign(input: ParseStream, depth: usize) -> syn::Result<Expr> {
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
    let span = input.span();
    if foreign::caret(input)? {
        return foreign::fault(span, foreign::CARET, vec![base, sign(input, depth + 1)?]);
    }
    if !is_power(input) {
        return Ok(base);
    }
    let star: Token![*] = input.parse()?;
    input.parse::<Token![*]>()?;
    binary(BinaryOp::Power, star.span, base, sign(input, depth + 1)?)
}

fn method(input: ParseStream, depth: usize) -> syn::Result<Expr> {
    let mut receiver = atom(input, depth)?;
    loop {
        if input.peek(syn::token::Bracket) {
            receiver = index::index(input, receiver)?;
            continue;
        }
        if let ExprKind::Foreign(none) = &mut receiver.kind
            && input.peek(syn::token::Paren)
        {
            // a call of code that has its message already
            foreign::collect(input.parse::<proc_macro2::TokenTree>()?.into(), &mut none.names);
            continue;
        }
        if !input.peek(Token![.]) || input.peek(Token![..]) {
            return Ok(receiver);
        }
        input.parse::<Token![.]>()?;
        if input.peek(syn::LitInt) {
            let message = format!(
                "a component is `elem({receiver}, {0})` or `{receiver}[{0}]`",
                input.cursor().token_stream().into_iter().next().expect("a literal")
            );
            let span = input.span();
            input.parse::<syn::LitInt>()?;
            receiver = foreign::fault(span, message, vec![receiver])?;
            continue;
        }
        let name = input.call(Ident::parse_any)?;
        receiver = if input.peek(syn::token::Paren) {
            let (args, named) = arguments(input, depth)?;
            let mut all = vec![receiver];
            all.extend(args);
            keywords::method(name, all, named)?
        } else {
            foreign::field(receiver, &name, input.peek(Token![.]))?
        };
    }
}

/// Named arguments: `dim = 1`.
pub(super) type Named = Vec<(Ident, Expr)>;

/// Reads arguments in brackets: those without a name, and those with one.
pub(super) fn arguments(input: ParseStream, depth: usize) -> syn::Result<(Vec<Expr>, Named)> {
    let content;
    parenthesized!(content in input);
    let mut named = Vec::new();
    let items = items(&content, depth, &mut named)?;
    Ok((items, named))
}

/// Reads expressions with commas between them, to the end of the brackets.
fn items(content: ParseStream, depth: usize, named: &mut Named) -> syn::Result<Vec<Expr>> {
    let mut items = Vec::new();
    while !content.is_empty() {
        if content.peek(Ident::peek_any) && content.peek2(Token![=]) && !content.peek2(Token![==]) {
            let name = content.call(Ident::parse_any)?;
            content.parse::<Token![=]>()?;
            named.push((name, logic(content, depth + 1)?));
        } else {
            items.push(logic(content, depth + 1)?);
        }
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
        let inner = logic(&content, depth + 1)?;
        if content.parse::<Option<Token![,]>>()?.is_some() {
            // a tuple, which is a list in Python
            let mut tuple = vec![inner];
            while !content.is_empty() {
                tuple.push(logic(&content, depth + 1)?);
                if !content.is_empty() && content.parse::<Option<Token![,]>>()?.is_none() {
                    return Err(unexpected(&content));
                }
            }
            return Ok(list(tuple, span));
        }
        return if content.is_empty() { Ok(inner) } else { Err(unexpected(&content)) };
    }
    if input.peek(syn::token::Bracket) {
        let content;
        bracketed!(content in input);
        let mut named = Vec::new();
        let items = items(&content, depth, &mut named)?;
        if let Some((name, _)) = named.first() {
            return Err(syn::Error::new(name.span(), "a list has no names"));
        }
        return Ok(list(items, span));
    }
    if input.peek(syn::Lit) {
        return literal(input.parse()?, span);
    }
    if let Some(fault) = foreign::prefix(input, depth)? {
        return Ok(fault);
    }
    if input.peek(Token![::]) {
        return foreign::path(input, None, depth);
    }
    if input.peek(Ident::peek_any) {
        let name = input.call(Ident::parse_any)?;
        if input.peek(Token![::]) || input.peek(Token![!]) && !input.peek(Token![!=]) {
            return foreign::path(input, Some(name), depth);
        }
        if name == "LazyTensor" && input.peek(syn::token::Paren) {
            return foreign::unread(
                span,
                crate::syntax::words::DECLARED,
                input.parse::<proc_macro2::TokenTree>()?.into(),
            );
        }
        if !input.peek(syn::token::Paren) {
            return Ok(leaf(ExprKind::Name(name), span));
        }
        let (args, named) = arguments(input, depth)?;
        return keywords::call(name, args, named);
    }
    Err(input.error("expected a formula"))
}

fn list(items: Vec<Expr>, span: Span) -> Expr {
    let depth = 1 + items.iter().map(|item| item.depth).max().unwrap_or(0);
    Expr { kind: ExprKind::List(items), span, depth }
}

fn literal(literal: syn::Lit, span: Span) -> syn::Result<Expr> {
    let fault = |message: &str| foreign::fault(span, message, Vec::new());
    match literal {
        syn::Lit::Int(n) => match n.suffix() {
            "" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
                Ok(leaf(ExprKind::Integer(n.base10_parse()?), span))
            }
            "f16" | "f32" | "f64" => Ok(leaf(ExprKind::Float(n.base10_parse()?), span)),
            "j" | "i" => fault("a complex number has two components: `concat(0, 1)` is i"),
            suffix => fault(&format!("no number has the suffix `{suffix}`")),
        },
        syn::Lit::Float(x) if !matches!(x.suffix(), "" | "f16" | "f32" | "f64") => {
            fault(&format!("no number has the suffix `{}`", x.suffix()))
        }
        syn::Lit::Float(x) => {
            let value: f64 = x.base10_parse()?;
            if !value.is_finite() {
                return Err(syn::Error::new(span, "this number is too large for f64"));
            }
            Ok(leaf(ExprKind::Float(value), span))
        }
        syn::Lit::Bool(truth) => {
            fault(&format!("a formula has numbers only: `{}` is {}", truth.value, u8::from(truth.value)))
        }
        _ => fault("a formula has numbers only"),
    }
}
