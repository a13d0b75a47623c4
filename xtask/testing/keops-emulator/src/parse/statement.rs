//! The grammar of statements: guard, opcode with modifiers, operands.
//!
//! Contract: reads tokens only, knows no opcode; everything up to the semicolon is consumed or refused with its line.

use super::lexer::{Located, Token};
use super::syntax::{Operand, Statement};
use crate::error::Error;

/// A position in the tokens.
pub(super) struct Cursor<'a, 't> {
    tokens: &'t [Located<'a>],
    at: usize,
}

impl<'a, 't> Cursor<'a, 't> {
    pub(super) fn new(tokens: &'t [Located<'a>]) -> Self {
        Self { tokens, at: 0 }
    }

    /// The token `ahead` places further; the last token is `End` and is never passed.
    fn ahead(&self, ahead: usize) -> Located<'a> {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    pub(super) fn peek(&self) -> Token<'a> {
        self.ahead(0).token
    }

    pub(super) fn second(&self) -> Token<'a> {
        self.ahead(1).token
    }

    pub(super) fn line(&self) -> u32 {
        self.ahead(0).line
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// Takes the mark if it comes next.
    pub(super) fn take(&mut self, mark: char) -> bool {
        let found = self.peek() == Token::Mark(mark);
        self.at += usize::from(found);
        found
    }

    pub(super) fn fail<T>(&self, wanted: &str) -> Result<T, Error> {
        Err(Error::ptx(self.line(), format!("{wanted} is wanted here, not {:?}", self.peek())))
    }

    pub(super) fn expect(&mut self, mark: char) -> Result<(), Error> {
        if self.take(mark) { Ok(()) } else { self.fail(&format!("'{mark}'")) }
    }

    pub(super) fn word(&mut self) -> Result<&'a str, Error> {
        let Token::Word(word) = self.peek() else { return self.fail("a name") };
        self.at += 1;
        Ok(word)
    }

    pub(super) fn integer(&mut self) -> Result<u64, Error> {
        let Token::Integer(value) = self.peek() else { return self.fail("an integer") };
        self.at += 1;
        Ok(value)
    }

    /// Skips the rest of a line (`.loc`, `.file`: they end without a semicolon).
    pub(super) fn skip_line(&mut self) {
        let line = self.line();
        while self.line() == line && self.peek() != Token::End {
            self.at += 1;
        }
    }

    /// `+ 4`, `+ -4`, `- 4` or nothing.
    pub(super) fn offset(&mut self) -> Result<i64, Error> {
        let negative = if self.take('+') {
            self.take('-')
        } else if self.take('-') {
            true
        } else {
            return Ok(0);
        };
        let value = self.integer()? as i64;
        Ok(if negative { value.wrapping_neg() } else { value })
    }
}

/// Reads one instruction with its semicolon.
pub(super) fn statement<'a>(cursor: &mut Cursor<'a, '_>) -> Result<Statement<'a>, Error> {
    let line = cursor.line();
    let mut guard = None;
    if cursor.take('@') {
        let negate = cursor.take('!');
        guard = Some((cursor.word()?, negate));
    }
    let opcode = cursor.word()?;
    let mut modifiers = Vec::new();
    while let Token::Directive(name) = cursor.peek() {
        modifiers.push(name);
        cursor.next();
    }
    let mut operands = Vec::new();
    while !cursor.take(';') {
        if !operands.is_empty() {
            cursor.expect(',')?;
        }
        operands.push(operand(cursor)?);
    }
    Ok(Statement { line, guard, opcode, modifiers, operands })
}

fn list<'a>(cursor: &mut Cursor<'a, '_>, close: char) -> Result<Vec<Operand<'a>>, Error> {
    let mut parts = Vec::new();
    while !cursor.take(close) {
        if !parts.is_empty() {
            cursor.expect(',')?;
        }
        // A group within a group has no meaning in PTX; refusing it here also bounds the depth of the recursion.
        if matches!(cursor.peek(), Token::Mark('(' | '{' | '[')) {
            return cursor.fail("a plain operand");
        }
        parts.push(operand(cursor)?);
    }
    Ok(parts)
}

fn operand<'a>(cursor: &mut Cursor<'a, '_>) -> Result<Operand<'a>, Error> {
    match cursor.peek() {
        Token::Mark('[') => {
            cursor.next();
            if matches!(cursor.peek(), Token::Mark('(' | '{' | '[')) {
                return cursor.fail("an address");
            }
            let base = operand(cursor)?;
            let (base, first) = match base {
                Operand::Sum(name, offset) => (Operand::Name(name, None), offset),
                other => (other, 0),
            };
            let offset = cursor.offset()?.wrapping_add(first);
            cursor.expect(']')?;
            Ok(Operand::Address(Box::new(base), offset))
        }
        Token::Mark('{') => {
            cursor.next();
            list(cursor, '}').map(Operand::Vector)
        }
        Token::Mark('(') => {
            cursor.next();
            list(cursor, ')').map(Operand::Group)
        }
        Token::Mark('!') => {
            cursor.next();
            cursor.word().map(Operand::Not)
        }
        Token::Mark('-') => {
            cursor.next();
            match cursor.next() {
                Token::Integer(value) => Ok(Operand::Integer(value.wrapping_neg())),
                Token::Single(bits) => Ok(Operand::Single(bits ^ 1 << 31)),
                Token::Double(bits) => Ok(Operand::Double(bits ^ 1 << 63)),
                _ => cursor.fail("a number"),
            }
        }
        Token::Integer(value) => {
            cursor.next();
            Ok(Operand::Integer(value))
        }
        Token::Single(bits) => {
            cursor.next();
            Ok(Operand::Single(bits))
        }
        Token::Double(bits) => {
            cursor.next();
            Ok(Operand::Double(bits))
        }
        Token::Word(name) => {
            cursor.next();
            if let Token::Directive(part) = cursor.peek() {
                cursor.next();
                return Ok(Operand::Name(name, Some(part)));
            }
            if cursor.take('|') {
                return Ok(Operand::Pair(name, cursor.word()?));
            }
            match cursor.peek() {
                Token::Mark('+' | '-') => Ok(Operand::Sum(name, cursor.offset()?)),
                _ => Ok(Operand::Name(name, None)),
            }
        }
        _ => cursor.fail("an operand"),
    }
}
