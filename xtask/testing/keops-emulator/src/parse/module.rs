//! The grammar of a module: headers, variables, functions.
//!
//! Contract: debug information and performance hints are skipped; any other directive that is not known is an error.

use super::lexer::{Located, Token};
use super::statement::{Cursor, statement};
use super::syntax::{Function, Initial, Item, Module, Variable};
use crate::error::Error;
use crate::program::{Kind, Space, Type};
use crate::thread::FRAME;

/// The deepest nesting of `{ }`, far above what compilers write.
const DEEPEST: u32 = 64;

/// Reads a whole module.
pub(super) fn parse<'a>(tokens: &[Located<'a>]) -> Result<Module<'a>, Error> {
    let mut cursor = Cursor::new(tokens);
    let mut module = Module::default();
    let mut external = false;
    loop {
        let line = cursor.line();
        match cursor.next() {
            Token::End => return Ok(module),
            Token::Mark(';') => {}
            Token::Directive("version" | "target" | "address_size" | "file" | "loc") => cursor.skip_line(),
            Token::Directive("section") => section(&mut cursor)?,
            Token::Directive("extern") => external = true,
            Token::Directive("visible" | "weak" | "common" | "hidden") => {}
            Token::Directive(word @ ("entry" | "func")) => {
                module.functions.push(function(&mut cursor, line, word == "entry")?);
                external = false;
            }
            Token::Directive(word) => {
                let Some(space @ (Space::Global | Space::Constant | Space::Shared)) = space_of(word) else {
                    return Err(Error::ptx(line, format!("unknown directive .{word}")));
                };
                let mut variable = variable(&mut cursor, space)?;
                variable.external = external;
                external = false;
                cursor.expect(';')?;
                module.variables.push(variable);
            }
            // Debug information sets labels between its sections.
            Token::Word(_) if cursor.take(':') => {}
            token => return Err(Error::ptx(line, format!("a directive is wanted here, not {token:?}"))),
        }
    }
}

fn section(cursor: &mut Cursor<'_, '_>) -> Result<(), Error> {
    while !cursor.take('{') {
        if cursor.next() == Token::End {
            return cursor.fail("'{'");
        }
    }
    while !cursor.take('}') {
        if cursor.next() == Token::End {
            return cursor.fail("'}'");
        }
    }
    Ok(())
}

/// The state space of a directive, without `::cta` and the like.
pub(super) fn space_of(word: &str) -> Option<Space> {
    Some(match word {
        "global" => Space::Global,
        "const" => Space::Constant,
        "shared" | "shared::cta" => Space::Shared,
        "local" => Space::Local,
        "param" | "param::entry" | "param::func" => Space::Parameter,
        _ => return None,
    })
}

/// Reads a declaration from behind its state space up to (not with) its end.
fn variable<'a>(cursor: &mut Cursor<'a, '_>, space: Space) -> Result<Variable<'a>, Error> {
    let line = cursor.line();
    let (mut align, mut kind, mut lanes) = (None, None, 1u64);
    while let Token::Directive(word) = cursor.peek() {
        cursor.next();
        match word {
            "align" => align = Some(cursor.integer()?),
            "v2" => lanes = 2,
            "v4" => lanes = 4,
            // What a pointer points to, with its alignment, says nothing about the parameter itself.
            "ptr" => {
                while let Token::Directive(word) = cursor.peek() {
                    cursor.next();
                    if word == "align" {
                        cursor.integer()?;
                    }
                }
            }
            _ => match Type::named(word) {
                Some(found) => kind = Some(found),
                None => return Err(Error::ptx(line, format!("unknown directive .{word} in a declaration"))),
            },
        }
    }
    let Some(kind) = kind.filter(|kind| kind.kind != Kind::Predicate) else { return cursor.fail("a type") };
    let name = cursor.word()?;
    let element = kind.bytes();
    let mut size = element * lanes;
    let mut unsized_array = false;
    while cursor.take('[') {
        if cursor.take(']') {
            unsized_array = true;
            continue;
        }
        let length = cursor.integer()?;
        size = size.checked_mul(length).filter(|size| *size < 1 << 32).ok_or_else(|| Error::ptx(line, "too large"))?;
        cursor.expect(']')?;
    }
    let mut initial = Vec::new();
    if cursor.take('=') {
        let mut offset = 0;
        values(cursor, kind, &mut offset, &mut initial)?;
        if unsized_array {
            size = offset;
        }
    } else if unsized_array {
        size = 0;
    }
    let align = align.unwrap_or(element * lanes);
    if !align.is_power_of_two() || align > FRAME {
        return Err(Error::ptx(line, format!("alignment {align}")));
    }
    if initial.iter().any(|(offset, bytes, _)| offset + bytes > size) {
        return Err(Error::ptx(line, format!("more values than {name} has room for")));
    }
    Ok(Variable { line, name, space, size, align, external: false, initial })
}

/// Reads an initialiser: one value, or values between braces (nested ones are laid out in order).
fn values<'a>(
    cursor: &mut Cursor<'a, '_>,
    kind: Type,
    offset: &mut u64,
    into: &mut Vec<(u64, u64, Initial<'a>)>,
) -> Result<(), Error> {
    let mut depth = 0;
    loop {
        if cursor.take('{') {
            depth += 1;
            continue;
        }
        if depth > 0 && cursor.take('}') {
            depth -= 1;
        } else {
            into.push((*offset, kind.bytes(), value(cursor, kind)?));
            *offset += kind.bytes();
        }
        if depth == 0 {
            return Ok(());
        }
        cursor.take(',');
    }
}

fn value<'a>(cursor: &mut Cursor<'a, '_>, kind: Type) -> Result<Initial<'a>, Error> {
    let negative = cursor.take('-');
    match cursor.next() {
        Token::Integer(mask) if cursor.peek() == Token::Mark('(') => {
            cursor.expect('(')?;
            let inner = address(cursor, mask)?;
            cursor.expect(')')?;
            Ok(inner)
        }
        Token::Integer(value) => Ok(Initial::Number(if negative { value.wrapping_neg() } else { value })),
        Token::Single(bits) => Ok(Initial::Number(u64::from(bits ^ (u32::from(negative) << 31)))),
        Token::Double(bits) => {
            let x = f64::from_bits(bits ^ (u64::from(negative) << 63));
            Ok(Initial::Number(if kind.bits == 32 { u64::from((x as f32).to_bits()) } else { x.to_bits() }))
        }
        Token::Word("generic") => {
            cursor.expect('(')?;
            let symbol = cursor.word()?;
            cursor.expect(')')?;
            Ok(Initial::Address { symbol, addend: cursor.offset()?, mask: u64::MAX })
        }
        Token::Word(symbol) => Ok(Initial::Address { symbol, addend: cursor.offset()?, mask: u64::MAX }),
        _ => cursor.fail("a value"),
    }
}

fn address<'a>(cursor: &mut Cursor<'a, '_>, mask: u64) -> Result<Initial<'a>, Error> {
    let mut symbol = cursor.word()?;
    if symbol == "generic" && cursor.take('(') {
        symbol = cursor.word()?;
        cursor.expect(')')?;
    }
    Ok(Initial::Address { symbol, addend: cursor.offset()?, mask })
}

/// The formal parameters between parentheses.
fn formals<'a>(cursor: &mut Cursor<'a, '_>) -> Result<Vec<Variable<'a>>, Error> {
    let mut list = Vec::new();
    while !cursor.take(')') {
        if !list.is_empty() {
            cursor.expect(',')?;
        }
        match cursor.next() {
            Token::Directive("param") => list.push(variable(cursor, Space::Parameter)?),
            _ => return cursor.fail(".param"),
        }
    }
    Ok(list)
}

fn function<'a>(cursor: &mut Cursor<'a, '_>, line: u32, entry: bool) -> Result<Function<'a>, Error> {
    let results = if cursor.take('(') { formals(cursor)? } else { Vec::new() };
    let name = cursor.word()?;
    let parameters = if cursor.take('(') { formals(cursor)? } else { Vec::new() };
    let mut max_threads = None;
    loop {
        match cursor.next() {
            Token::Mark(';') => {
                return Ok(Function { line, name, entry, results, parameters, body: None, max_threads });
            }
            Token::Mark('{') => {
                let body = Some(body(cursor)?);
                return Ok(Function { line, name, entry, results, parameters, body, max_threads });
            }
            Token::Directive("noreturn") => {}
            Token::Directive("pragma") => {
                while !cursor.take(';') {
                    if cursor.next() == Token::End {
                        return cursor.fail("';'");
                    }
                }
            }
            Token::Directive(word @ ("maxntid" | "reqntid" | "minnctapersm" | "maxnreg" | "maxclusterrank")) => {
                let mut product = cursor.integer()?;
                while cursor.take(',') {
                    product = product.saturating_mul(cursor.integer()?);
                }
                if matches!(word, "maxntid" | "reqntid") {
                    max_threads = Some(product.min(1024) as u32);
                }
            }
            token => return Err(Error::ptx(cursor.line(), format!("{token:?} in the head of {name}"))),
        }
    }
}

fn body<'a>(cursor: &mut Cursor<'a, '_>) -> Result<Vec<Item<'a>>, Error> {
    let mut items = Vec::new();
    let mut depth = 0;
    loop {
        match cursor.peek() {
            Token::End => return cursor.fail("'}'"),
            Token::Mark(';') => {
                cursor.next();
            }
            Token::Mark('{') => {
                cursor.next();
                depth += 1;
                if depth > DEEPEST {
                    return cursor.fail("less nesting");
                }
                items.push(Item::Open);
            }
            Token::Mark('}') => {
                cursor.next();
                if depth == 0 {
                    return Ok(items);
                }
                depth -= 1;
                items.push(Item::Close);
            }
            Token::Directive("loc" | "file") => cursor.skip_line(),
            Token::Directive("pragma") => {
                while !cursor.take(';') {
                    if cursor.next() == Token::End {
                        return cursor.fail("';'");
                    }
                }
            }
            Token::Directive("reg") => {
                cursor.next();
                registers(cursor, &mut items)?;
            }
            Token::Directive(word) => {
                let line = cursor.line();
                cursor.next();
                let Some(space) = space_of(word) else {
                    return Err(Error::ptx(line, format!("unknown directive .{word}")));
                };
                items.push(Item::Variable(variable(cursor, space)?));
                cursor.expect(';')?;
            }
            Token::Word(label) if cursor.second() == Token::Mark(':') => {
                cursor.next();
                cursor.next();
                if cursor.peek() == Token::Directive("branchtargets") {
                    cursor.next();
                    let mut targets = vec![cursor.word()?];
                    while cursor.take(',') {
                        targets.push(cursor.word()?);
                    }
                    cursor.expect(';')?;
                    items.push(Item::Targets { label, targets });
                } else {
                    items.push(Item::Label(label));
                }
            }
            _ => items.push(Item::Statement(statement(cursor)?)),
        }
    }
}

fn registers<'a>(cursor: &mut Cursor<'a, '_>, items: &mut Vec<Item<'a>>) -> Result<(), Error> {
    let Token::Directive(word) = cursor.next() else { return cursor.fail("a type") };
    let Some(kind) = Type::named(word) else {
        return Err(Error::ptx(cursor.line(), format!("registers of the type .{word} are not supported")));
    };
    loop {
        let name = cursor.word()?;
        let mut count = None;
        if cursor.take('<') {
            let number = cursor.integer()?;
            cursor.expect('>')?;
            count = Some(
                u32::try_from(number)
                    .ok()
                    .filter(|n| *n <= 1 << 20)
                    .map_or_else(|| cursor.fail("fewer registers"), Ok)?,
            );
        }
        items.push(Item::Register { kind, name, count });
        if !cursor.take(',') {
            return cursor.expect(';');
        }
    }
}
