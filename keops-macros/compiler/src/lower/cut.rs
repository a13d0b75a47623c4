//! Long bodies are cut into sections that are functions of their own.
//!
//! Everything in a body is inlined into one loop over pairs, and some of what an optimiser does for a function takes time
//! with the square of its length. A body up to [`SHORT`] stays whole. A longer one becomes sections of about [`SECTION`] each:
//! what a section hands to the code behind it goes through memory, as it would for want of registers, and a call is little
//! beside what a section computes. Compile time is then linear in the length of a formula.

use std::collections::HashMap;

use super::program::{Expr, Ix, Origin, Stmt};
use crate::ir::dim::Dim;

/// The weight of a body that is not cut: of some sixteen exponentials.
const SHORT: u32 = 16 * EXPONENTIAL;
/// The weight of a section.
const SECTION: u32 = 8 * EXPONENTIAL;
/// The weight of an exponential, in additions.
const EXPONENTIAL: u32 = 16;
/// The weight of a body whose exponentials are calls: of some 160 of them. Written out in each place they would be most of it.
const VERY_LONG: u32 = 160 * EXPONENTIAL;
/// How often a loop's body counts at most: longer loops are not written out by the optimiser.
const WRITTEN_OUT: u64 = 4;

/// Cuts a body whose temporaries, arrays and loops have numbers below `next`.
pub(super) fn cut(mut body: Vec<Stmt>, next: u32) -> Vec<Stmt> {
    let weight = weight(&body);
    if weight <= SHORT {
        return body;
    }
    if weight > VERY_LONG {
        body.iter_mut().for_each(|stmt| each_expr(stmt, &mut call_exponential));
    }
    Cutting { next, sections: HashMap::new() }.body(body)
}

struct Cutting {
    /// The next number of an array.
    next: u32,
    /// Where the temporaries are that a section left.
    sections: HashMap<u32, (u32, u64)>,
}

impl Cutting {
    fn body(&mut self, body: Vec<Stmt>) -> Vec<Stmt> {
        let ends = ends(&body);
        let last_reads = last_reads(&body);
        let (mut out, mut section, mut so_far) = (Vec::new(), Vec::new(), 0);
        let mut open_until = 0;
        for (at, mut stmt) in body.into_iter().enumerate() {
            self.rewrite(&mut stmt);
            if let Stmt::For(_, _, inner) = &mut stmt
                && weight(inner) > SHORT
            {
                *inner = self.body(std::mem::take(inner));
            }
            if let Stmt::Array(..) = stmt {
                // sections behind this one may use it too
                out.push(stmt);
                continue;
            }
            if let Stmt::Start(t, _) = stmt {
                open_until = open_until.max(ends[&t]);
            }
            so_far += of_stmt(&stmt);
            section.push(stmt);
            if so_far >= SECTION && at >= open_until {
                out.push(self.section(std::mem::take(&mut section), at, &last_reads));
                so_far = 0;
            }
        }
        // what is left is short, and often hands the result on: it stays where the registers of the reduction are
        out.extend(section);
        out
    }

    /// A section of the statements up to number `at`.
    fn section(&mut self, body: Vec<Stmt>, at: usize, last_reads: &HashMap<u32, usize>) -> Stmt {
        let array = self.next;
        self.next += 1;
        let mut left = Vec::new();
        for stmt in &body {
            if let Stmt::Let(t, _) | Stmt::Start(t, _) = stmt
                && last_reads.get(t).is_some_and(|&last| last > at)
            {
                self.sections.insert(*t, (array, left.len() as u64));
                left.push(*t);
            }
        }
        Stmt::Section { array, body, left }
    }

    /// Reads what sections left where they left it.
    fn rewrite(&self, stmt: &mut Stmt) {
        each_expr(stmt, &mut |value| {
            if let Expr::Temp(t) = value
                && let Some(&(array, place)) = self.sections.get(t)
            {
                *value = Expr::Read(Origin::Array(array), Ix::Number(Dim::number(place)));
            }
        });
    }
}

/// Makes a call of an exponential.
fn call_exponential(value: &mut Expr) {
    if let Expr::Call(name, _) = value {
        match *name {
            "exp2" => *name = "exp2_apart",
            "exp" => *name = "exp_apart",
            _ => {}
        }
    }
}

/// The number of the last statement that changes each temporary which is started.
fn ends(body: &[Stmt]) -> HashMap<u32, usize> {
    let mut ends = HashMap::new();
    for (at, stmt) in body.iter().enumerate() {
        each_stmt(stmt, &mut |stmt| {
            if let Stmt::Start(t, _) | Stmt::Accumulate(t, ..) | Stmt::Replace(t, _) = stmt {
                ends.insert(*t, at);
            }
        });
    }
    ends
}

/// The number of the last statement that reads each temporary.
fn last_reads(body: &[Stmt]) -> HashMap<u32, usize> {
    let mut last = HashMap::new();
    for (at, stmt) in body.iter().enumerate() {
        each_read(stmt, &mut |t| {
            last.insert(t, at);
        });
    }
    last
}

fn weight(body: &[Stmt]) -> u32 {
    body.iter().fold(0, |sum: u32, stmt| sum.saturating_add(of_stmt(stmt)))
}

fn of_stmt(stmt: &Stmt) -> u32 {
    match stmt {
        Stmt::For(_, dim, body) => {
            let times = dim.value().unwrap_or(WRITTEN_OUT).min(WRITTEN_OUT) as u32;
            weight(body).saturating_mul(times).saturating_add(1)
        }
        Stmt::Array(..) => 0,
        Stmt::Section { .. } => EXPONENTIAL / 2,
        Stmt::Let(_, a) | Stmt::Start(_, a) | Stmt::Replace(_, a) | Stmt::Store(_, _, a) | Stmt::Write(_, a) => {
            of_expr(a)
        }
        Stmt::Accumulate(_, a, b) | Stmt::Put(_, a, b) => 1 + of_expr(a) + b.as_ref().map_or(0, of_expr),
        Stmt::PutScaled { scale, .. } | Stmt::PutDifferences { scale, .. } => WRITTEN_OUT as u32 + of_expr(scale),
    }
}

fn of_expr(value: &Expr) -> u32 {
    match value {
        Expr::Temp(_) | Expr::Lit(_) | Expr::Integer(_) | Expr::Factor(_) | Expr::Index(_) => 0,
        Expr::Read(..) => 1,
        Expr::Call(name, args) => {
            let own = match *name {
                "add" | "sub" | "mul" | "neg" | "abs" => 1,
                "exp" | "exp2" | "exp_apart" | "exp2_apart" => EXPONENTIAL,
                "soft_min" => 4 * EXPONENTIAL,
                _ => EXPONENTIAL / 4,
            };
            args.iter().fold(own, |sum, arg| sum.saturating_add(of_expr(arg)))
        }
        Expr::Branch(_, _, yes, no) => [yes, no]
            .iter()
            .fold(1, |sum: u32, scope| sum.saturating_add(weight(&scope.body)).saturating_add(of_expr(&scope.value))),
    }
}

/// A statement, and those inside it.
fn each_stmt<'a>(stmt: &'a Stmt, action: &mut impl FnMut(&'a Stmt)) {
    action(stmt);
    if let Stmt::For(_, _, body) | Stmt::Section { body, .. } = stmt {
        body.iter().for_each(|stmt| each_stmt(stmt, action));
    }
}

/// The temporaries that a statement reads.
fn each_read(stmt: &Stmt, action: &mut impl FnMut(u32)) {
    // a copy, so that there is one walk for reading and writing
    each_expr(&mut stmt.clone(), &mut |value| {
        if let Expr::Temp(t) = value {
            action(*t);
        }
    });
}

/// All expressions of a statement, each after those inside it.
fn each_expr(stmt: &mut Stmt, action: &mut dyn FnMut(&mut Expr)) {
    match stmt {
        Stmt::Let(_, a) | Stmt::Start(_, a) | Stmt::Replace(_, a) | Stmt::Store(_, _, a) | Stmt::Write(_, a) => {
            inside(a, action);
        }
        Stmt::Accumulate(_, a, b) | Stmt::Put(_, a, b) => {
            inside(a, action);
            b.iter_mut().for_each(|b| inside(b, action));
        }
        Stmt::Array(..) => {}
        Stmt::For(_, _, body) | Stmt::Section { body, .. } => body.iter_mut().for_each(|stmt| each_expr(stmt, action)),
        Stmt::PutScaled { scale, .. } | Stmt::PutDifferences { scale, .. } => inside(scale, action),
    }
}

fn inside(value: &mut Expr, action: &mut dyn FnMut(&mut Expr)) {
    match value {
        Expr::Temp(_) | Expr::Lit(_) | Expr::Read(..) | Expr::Integer(_) | Expr::Factor(_) | Expr::Index(_) => {}
        Expr::Call(_, args) => args.iter_mut().for_each(|arg| inside(arg, action)),
        Expr::Branch(_, _, yes, no) => {
            for scope in [yes, no] {
                scope.body.iter_mut().for_each(|stmt| each_expr(stmt, action));
                inside(&mut scope.value, action);
            }
        }
    }
    action(value);
}
