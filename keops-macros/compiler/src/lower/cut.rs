//! Long stages are cut into sections, which are compiled as functions of their own.
//!
//! All statements of a stage are inlined into one loop over pairs, and some passes of an optimiser take time
//! quadratic in the length of a function. A body of weight up to [`SHORT`] stays whole. A longer one becomes sections
//! of weight [`SECTION`] or a little more: the values that later code reads of a section go through memory, where a
//! lack of registers would have put them anyway, and a call costs little beside the work of a section. Compile time
//! is then linear in the length of a formula.

use std::collections::HashMap;

use super::program::{Expr, Ix, Origin, Stmt};
use crate::ir::dim::Dim;

/// The largest weight of a body that is not cut: that of sixteen exponentials.
const SHORT: u32 = 16 * EXPONENTIAL;
/// The weight from which on a section ends.
const SECTION: u32 = 8 * EXPONENTIAL;
/// The weight of an exponential; an addition has weight 1.
const EXPONENTIAL: u32 = 16;
/// The largest weight of a body whose exponentials are inlined: that of 160 exponentials. In a longer one the inlined
/// exponentials would be most of the code, and are calls instead.
const VERY_LONG: u32 = 160 * EXPONENTIAL;
/// The most times that the body of a loop counts in a weight: the optimiser does not unroll longer loops.
const WRITTEN_OUT: u64 = 4;

/// Cuts a body into sections if it is long. The numbers of its temporaries, arrays and loops are below `next`.
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
    /// The number of the next array.
    next: u32,
    /// The temporaries that sections left: for each one the number of the section's array and the index in it.
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
                // an array is declared outside of sections, since later ones may use it too
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
        // the last statements are few, and often hand the result to the reduction: outside of a section they share
        // its registers
        out.extend(section);
        out
    }

    /// The section of these statements, of which the last has number `at` in the whole body.
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

    /// Replaces temporaries that earlier sections left by reads of the sections' arrays.
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

/// Replaces an inlined exponential by a call.
fn call_exponential(value: &mut Expr) {
    if let Expr::Call(name, _) = value {
        match *name {
            "exp2" => *name = "exp2_apart",
            "exp" => *name = "exp_apart",
            _ => {}
        }
    }
}

/// The number of the last statement that changes a temporary, for each temporary that changes.
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

/// The number of the last statement that reads a temporary, for each temporary.
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

/// Runs `action` for a statement and all statements inside it.
fn each_stmt<'a>(stmt: &'a Stmt, action: &mut impl FnMut(&'a Stmt)) {
    action(stmt);
    if let Stmt::For(_, _, body) | Stmt::Section { body, .. } = stmt {
        body.iter().for_each(|stmt| each_stmt(stmt, action));
    }
}

/// Runs `action` for each temporary that a statement reads.
fn each_read(stmt: &Stmt, action: &mut impl FnMut(u32)) {
    // the statement is copied, so that one function walks both to read and to write
    each_expr(&mut stmt.clone(), &mut |value| {
        if let Expr::Temp(t) = value {
            action(*t);
        }
    });
}

/// Runs `action` for all expressions of a statement, for each of them after the expressions inside it.
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
