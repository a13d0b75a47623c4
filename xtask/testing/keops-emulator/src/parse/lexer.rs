//! The tokens of PTX text.
//!
//! Contract: comments and white space are dropped, every token knows its line; a character or number that PTX does not
//! have is an error. Opcodes are not one token: `ld.shared.v4` is a word and two directives.

use crate::error::Error;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// An identifier, register, label or opcode: `%r1`, `$L_1`, `add`.
    Word(&'a str),
    /// A word after a dot, without the dot: `global`, `shared::cta`.
    Directive(&'a str),
    /// An integer literal, always without a sign.
    Integer(u64),
    /// `0f` and eight hexadecimal digits.
    Single(u32),
    /// `0d` and sixteen hexadecimal digits, or a decimal fraction.
    Double(u64),
    /// A string in double quotes, without them.
    Text(&'a str),
    /// Any other character.
    Mark(char),
    /// The end of the text.
    End,
}

/// A token and its line, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located<'a> {
    pub(super) token: Token<'a>,
    pub(super) line: u32,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%')
}

/// All tokens of the text, with an `End` at the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Located<'_>>, Error> {
    let bytes = text.as_bytes();
    let mut list = Vec::with_capacity(text.len() / 4);
    let (mut at, mut line) = (0, 1);
    // The end of the run of word characters that starts at `from`.
    let word_end = |from: usize| from + bytes[from..].iter().take_while(|b| is_word(**b)).count();
    while at < bytes.len() {
        let start = at;
        let token = match bytes[at] {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | 0 => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().take_while(|b| **b != b'\n').count();
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let Some(length) = text[at + 2..].find("*/") else {
                    return Err(Error::ptx(line, "a comment does not end"));
                };
                line += text[at..at + 2 + length].matches('\n').count() as u32;
                at += length + 4;
                continue;
            }
            b'"' => {
                let Some(length) = text[at + 1..].find('"') else {
                    return Err(Error::ptx(line, "a string does not end"));
                };
                at += length + 2;
                Token::Text(&text[start + 1..at - 1])
            }
            b'.' => {
                at = word_end(at + 1);
                while bytes[at..].starts_with(b"::") {
                    at = word_end(at + 2);
                }
                if at == start + 1 {
                    return Err(Error::ptx(line, "a dot without a word behind it"));
                }
                Token::Directive(&text[start + 1..at])
            }
            b'0'..=b'9' => {
                at = word_end(at);
                if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
                    at = word_end(at + 1);
                    if matches!(bytes[at - 1], b'e' | b'E') && matches!(bytes.get(at), Some(b'-' | b'+')) {
                        at = word_end(at + 1);
                    }
                }
                number(&text[start..at]).ok_or_else(|| Error::ptx(line, format!("bad number {}", &text[start..at])))?
            }
            byte if is_word(byte) => {
                at = word_end(at);
                Token::Word(&text[start..at])
            }
            byte if byte.is_ascii_graphic() => {
                at += 1;
                Token::Mark(byte as char)
            }
            byte => return Err(Error::ptx(line, format!("a character that PTX does not have: {byte:#04x}"))),
        };
        list.push(Located { token, line });
    }
    list.push(Located { token: Token::End, line });
    Ok(list)
}

fn number(text: &str) -> Option<Token<'static>> {
    if text.contains('.') {
        return text.parse::<f64>().ok().map(|x| Token::Double(x.to_bits()));
    }
    let prefix = text.get(..2).unwrap_or("");
    let rest = text.get(2..).unwrap_or("");
    match prefix {
        "0f" | "0F" if rest.len() == 8 => return u32::from_str_radix(rest, 16).ok().map(Token::Single),
        "0d" | "0D" if rest.len() == 16 => return u64::from_str_radix(rest, 16).ok().map(Token::Double),
        _ => {}
    }
    let digits = text.trim_end_matches(['U', 'u']);
    let body = digits.get(2..).unwrap_or("");
    let value = match prefix {
        "0x" | "0X" => u64::from_str_radix(body, 16),
        "0b" | "0B" => u64::from_str_radix(body, 2),
        _ if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8),
        _ => digits.parse(),
    };
    value.ok().map(Token::Integer)
}
