//! Code that Rust, Python and MATLAB have and formulas do not have. It is read as far as its end can be told, so that
//! the rest is checked too, and becomes an expression with a message.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use syn::{
    Token,
    ext::IdentExt,
    parse::{ParseStream, discouraged::Speculative},
};

use super::{expr, path};
use crate::syntax::ast::{Expr, ExprKind, Foreign};

/// A fault, with the formulas in the code that has it.
pub(super) fn fault(span: Span, message: impl Into<String>, parts: Vec<Expr>) -> syn::Result<Expr> {
    expr::foreign(span, Foreign { message: message.into(), parts, names: Vec::new() })
}

/// A fault, with the tokens of the code that has it, which are not read as formulas.
pub(super) fn unread(span: Span, message: impl Into<String>, tokens: TokenStream) -> syn::Result<Expr> {
    let mut names = Vec::new();
    collect(tokens, &mut names);
    expr::foreign(span, Foreign { message: message.into(), parts: Vec::new(), names })
}

/// Collects the names in tokens: variables among them count as used.
pub(super) fn collect(tokens: TokenStream, names: &mut Vec<Ident>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => names.push(name),
            TokenTree::Group(group) => collect(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Reads all tokens up to a semicolon.
fn statement(input: ParseStream) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![;]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// Reads `|f|` or `||f||`; `None` if the bars are those of a closure.
fn bars(input: ParseStream, depth: usize) -> syn::Result<Option<Expr>> {
    let (span, ahead) = (input.span(), input.fork());
    let norm = ahead.peek(Token![||]);
    let bar = |ahead: ParseStream| match norm {
        true => ahead.parse::<Token![||]>().is_ok(),
        false => !ahead.peek(Token![||]) && ahead.parse::<Token![|]>().is_ok(),
    };
    if !bar(&ahead) {
        return Ok(None);
    }
    let Ok(inner) = expr::sum(&ahead, depth + 1) else { return Ok(None) };
    if !bar(&ahead) {
        return Ok(None);
    }
    // `|a| a * b`: a name alone, and a formula behind it
    let body = ahead.peek(Ident::peek_any)
        || ahead.peek(syn::Lit)
        || ahead.peek(syn::token::Paren)
        || ahead.peek(syn::token::Brace);
    if body && matches!(inner.kind, ExprKind::Name(_)) {
        return Ok(None);
    }
    input.advance_to(&ahead);
    let message = if norm {
        "`||f||` is `norm2(f)` here, and its square `sqnorm2(f)` or, of two points, `sqdist(x, y)`"
    } else {
        "`|f|` is `abs(f)` here, of each component; the length of a vector is `norm2(f)`"
    };
    fault(span, message, vec![inner]).map(Some)
}

/// Reads all tokens that are left.
fn rest(input: ParseStream) -> syn::Result<TokenStream> {
    input.parse()
}

/// Reads the tokens up to and with the first block, as in `match x { .. }`; without a block, all tokens that are
/// left.
fn to_block(input: ParseStream) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let block = matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        tokens.extend([token]);
        if block {
            break;
        }
    }
    Ok(tokens)
}

/// Whether the next token is this word, which may be a keyword.
fn word(input: ParseStream, word: &str) -> bool {
    input.cursor().ident().is_some_and(|(name, _)| name == word)
}

const CHOICE: &str = "a choice is `ifelse(f, g, h)`, which is g where f >= 0, else h; of a comparison it is `ifelse((x < y) - 0.5, g, h)`";

/// Reads code whose first token begins no formula; `None` if there is none.
pub(super) fn prefix(input: ParseStream, depth: usize) -> syn::Result<Option<Expr>> {
    let span = input.span();
    let operand = |input: ParseStream, message: &str| {
        let operand = expr::sign(input, depth + 1)?;
        fault(span, message, vec![operand]).map(Some)
    };
    if input.peek(Token![&]) {
        input.parse::<Token![&]>()?;
        input.parse::<Option<Token![&]>>()?;
        input.parse::<Option<Token![mut]>>()?;
        return operand(input, "a formula has no references: leave out the `&`, arguments are borrowed by the call");
    }
    if input.peek(Token![!]) || input.peek(Token![~]) {
        input.parse::<TokenTree>()?;
        return operand(input, "a comparison is 1 or 0: its negation is `1 - f`");
    }
    if word(input, "not") && !input.peek2(syn::token::Paren) {
        input.call(Ident::parse_any)?;
        return operand(input, "a comparison is 1 or 0: its negation is `1 - f`");
    }
    if input.peek(Token![.]) && input.peek2(syn::LitInt) {
        return unread(span, "a number begins with a digit, like `0.5`", {
            input.parse::<Token![.]>()?;
            input.parse::<TokenTree>()?.into()
        })
        .map(Some);
    }
    if (input.peek(Token![|]) || input.peek(Token![||]))
        && let Some(fault) = bars(input, depth)?
    {
        return Ok(Some(fault));
    }
    let message = if input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move]) {
        "a formula has no closures: name its parts with `let`"
    } else if word(input, "lambda") && input.peek2(syn::Ident) {
        "a formula has no functions of its own: name its parts with `let`"
    } else if input.peek(Token![#]) {
        "a comment begins with `//`, and attributes belong to the function"
    } else {
        return block(input, span);
    };
    unread(span, message, statement(input)?).map(Some)
}

/// Reads an expression of Rust that ends with a block; `None` if there is none.
fn block(input: ParseStream, span: Span) -> syn::Result<Option<Expr>> {
    if input.peek(Token![if]) {
        let mut tokens = to_block(input)?;
        while input.peek(Token![else]) {
            tokens.extend(to_block(input)?);
        }
        return unread(span, CHOICE, tokens).map(Some);
    }
    let message = if input.peek(Token![match]) {
        CHOICE
    } else if input.peek(Token![for]) || input.peek(Token![while]) || input.peek(Token![loop]) {
        "a formula has no loops: sums over i or j are the reduction, those of components are `sum(f)`"
    } else if input.peek(syn::token::Brace) || input.peek(Token![unsafe]) || input.peek(Token![async]) {
        "a formula has no blocks inside: put each `let` before it"
    } else {
        return Ok(None);
    };
    unread(span, message, to_block(input)?).map(Some)
}

/// Reads an operator that formulas do not have and that binds as tightly as a product. Returns its message; `None` if
/// there is none.
pub(super) fn product(input: ParseStream) -> syn::Result<Option<&'static str>> {
    let message = if input.peek(Token![%]) {
        "`%` is no operator here: `mod(f, m)` is the remainder as in Python, with the sign of m"
    } else if input.peek(Token![@]) {
        "`@` is no operator here: K @ b is the reduction `-> Sum<j> { k * b }`, a matrix times a vector `mat_vec(a, x)`"
    } else {
        return Ok(None);
    };
    input.parse::<TokenTree>()?;
    Ok(Some(message))
}

/// Reads the operator `^`, a power in MATLAB, R and Julia. Returns whether there is one.
pub(super) fn caret(input: ParseStream) -> syn::Result<bool> {
    Ok(input.peek(Token![^]) && !input.peek(Token![^=]) && input.parse::<TokenTree>().is_ok())
}

pub(super) const CARET: &str = "`^` is no operator here, a power is `x ** 2`";

/// Reads an operator between truth values. Returns its message; `None` if there is none.
pub(super) fn connective(input: ParseStream) -> syn::Result<Option<&'static str>> {
    const AND: &str = "a comparison is 1 or 0: that both hold is the product, `(x < y) * (y < 1)`";
    const OR: &str = "a comparison is 1 or 0: that one holds is `(x < y) + (y < 1) > 0`";
    let message = if input.peek(Token![&&]) {
        input.parse::<Token![&&]>()?;
        AND
    } else if input.peek(Token![||]) {
        input.parse::<Token![||]>()?;
        OR
    } else if input.peek(Token![&]) {
        input.parse::<Token![&]>()?;
        AND
    } else if word(input, "and") {
        input.call(Ident::parse_any)?;
        AND
    } else if word(input, "or") {
        input.call(Ident::parse_any)?;
        OR
    } else {
        return Ok(None);
    };
    Ok(Some(message))
}

/// Reads `if f else g` after an operand, as Python has it.
pub(super) fn ternary(input: ParseStream, left: Expr, depth: usize) -> syn::Result<Expr> {
    if !input.peek(Token![if]) {
        return Ok(left);
    }
    let (span, mut parts) = (input.span(), vec![left]);
    input.parse::<Token![if]>()?;
    parts.push(expr::comparison(input, depth + 1)?);
    if input.peek(Token![else]) {
        input.parse::<Token![else]>()?;
        parts.push(expr::logic(input, depth + 1)?);
    }
    fault(span, CHOICE, parts)
}

/// Reads `as f64` after an operand.
pub(super) fn cast(input: ParseStream, operand: Expr) -> syn::Result<Expr> {
    if !input.peek(Token![as]) {
        return Ok(operand);
    }
    let span = input.span();
    input.parse::<Token![as]>()?;
    input.parse::<syn::Type>()?;
    fault(span, "a formula has no casts: all its numbers have the element type of the arguments", vec![operand])
}

/// Modules whose functions are operations here.
pub(crate) const MODULES: [&str; 11] =
    ["np", "numpy", "torch", "math", "jnp", "jax", "tf", "scipy", "cmath", "special", FUNCTIONAL];
/// A short name of PyTorch's `torch.nn.functional`, which may be that of an argument as well.
pub(crate) const FUNCTIONAL: &str = "F";

/// The fault of a field: a name after a dot without brackets. A module keeps the name of its function for the call
/// that follows, if one does: `path` says that another dot follows.
pub(super) fn field(receiver: Expr, name: &Ident, path: bool) -> syn::Result<Expr> {
    let module = matches!(&receiver.kind, ExprKind::Name(module)
        if module != FUNCTIONAL && MODULES.iter().any(|known| module == known));
    let text = name.to_string();
    let message = match text.as_str() {
        "pi" if module => format!("`{receiver}.pi` is `PI` here"),
        "tau" if module => format!("`{receiver}.tau` is `TAU` here"),
        "e" if module => format!("`{receiver}.e` is `consts::E` here"),
        "inf" | "nan" | "infty" if module => path::not_finite(&format!("{receiver}.{name}")),
        // the path of a function may have more modules
        _ if module && path => return Ok(receiver),
        "T" | "mT" | "H" => "there is no transpose: `vec_mat(x, a)` is the product with a transposed matrix".to_owned(),
        "x" | "y" | "z" | "w" | "r" | "g" | "b" => {
            format!("a component has a number, from 0: `elem({receiver}, 0)`")
        }
        _ => format!("`{name}` needs brackets: what follows a dot is a call"),
    };
    fault(name.span(), message, vec![receiver])
}

/// Reads a path or a macro: code in which `::` or `!` follows the name `first`, or that begins with `::`.
pub(super) fn path(input: ParseStream, first: Option<Ident>, depth: usize) -> syn::Result<Expr> {
    let span = first.as_ref().map_or_else(|| input.span(), Ident::span);
    let (mut parts, mut last) = (Vec::new(), span);
    parts.extend(first.map(|name| name.to_string()));
    while input.peek(Token![::]) {
        input.parse::<Token![::]>()?;
        if !input.peek(Ident::peek_any) {
            return unread(span, "a formula has no types: leave out what is behind `::`", rest(input)?);
        }
        let name = input.call(Ident::parse_any)?;
        last = name.span();
        parts.push(name.to_string());
    }
    let name = parts.last().cloned().unwrap_or_default();
    if input.peek(Token![!]) && !input.peek(Token![!=]) {
        let message = format!("`{name}!`: a formula has no macros");
        input.parse::<Token![!]>()?;
        return unread(last, message, input.parse::<TokenTree>()?.into());
    }
    if input.peek(syn::token::Paren) {
        let (args, _) = expr::arguments(input, depth)?;
        let path = parts.join("::");
        let types = matches!(parts[0].as_str(), "f32" | "f64" | "std" | "core" | "libm");
        let message = match crate::ir::table::find(&name) {
            Some(_) if types => format!("`{path}` is `{name}` here"),
            _ if types => crate::syntax::words::operation(&name),
            _ => format!("`{path}`: {}", crate::syntax::words::CALLS),
        };
        return fault(last, message, args);
    }
    match path::value(&parts) {
        Ok(value) => Ok(expr::leaf(ExprKind::Float(value), last)),
        Err(message) => fault(last, message, Vec::new()),
    }
}
