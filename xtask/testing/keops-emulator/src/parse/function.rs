//! Functions and variables of a module, decoded.
//!
//! Contract: parameters, local variables and the variables of call sequences get their offsets here; a function that is
//! declared but nowhere defined is an error where it is called.

use super::builder::{Builder, Globals, Symbol};
use super::instruction;
use super::syntax::{self, Initial, Item, Module};
use crate::device::LOCAL_MOST;
use crate::error::Error;
use crate::program::{self, Formal, Function, Program, Space};

/// Decodes a whole module.
pub(super) fn decode(text: &str, module: &Module<'_>, strict: bool) -> Result<Program, Error> {
    let mut globals = Globals::default();
    for variable in &module.variables {
        let number = add_variable(&mut globals, variable)?;
        if globals.names.insert(variable.name, number).is_some() {
            return Err(Error::ptx(variable.line, format!("{} is declared twice", variable.name)));
        }
    }
    for variable in &module.variables {
        let number = globals.names[variable.name] as usize;
        globals.variables[number].initial = initial(&globals, variable)?;
    }
    let defined: Vec<_> = module.functions.iter().filter(|function| function.body.is_some()).collect();
    let mut heads = Vec::new();
    for function in &defined {
        if globals.functions.insert(function.name, heads.len() as u32).is_some() {
            return Err(Error::ptx(function.line, format!("{} is defined twice", function.name)));
        }
        let head = head(function)?;
        globals.formals.push((head.results.clone(), head.parameters.clone()));
        heads.push(head);
    }
    let mut program = Program { text: text.lines().map(str::to_owned).collect(), ..Program::default() };
    for (source, head) in defined.iter().zip(heads) {
        program.names.insert(source.name.to_owned(), program.functions.len() as u32);
        let mut function = body(&mut globals, source, head)?;
        if strict {
            let slots = |op: &program::Op| {
                let (reads, writes) = op.slots();
                (reads.into(), writes.into())
            };
            function.touched = function.code.iter().map(|instruction| slots(&instruction.op)).collect();
        }
        program.functions.push(function);
    }
    program.variables = globals.variables;
    Ok(program)
}

fn add_variable<'a>(globals: &mut Globals<'a>, variable: &syntax::Variable<'a>) -> Result<u32, Error> {
    let dynamic = variable.space == Space::Shared && variable.external;
    if variable.external && !dynamic {
        return Err(Error::ptx(variable.line, format!("{} is defined nowhere", variable.name)));
    }
    if variable.space == Space::Shared && !variable.initial.is_empty() {
        return Err(Error::ptx(variable.line, "shared memory with values"));
    }
    globals.variables.push(program::Variable {
        name: variable.name.to_owned(),
        space: variable.space,
        size: variable.size,
        align: variable.align,
        dynamic,
        initial: Vec::new(),
    });
    Ok(globals.variables.len() as u32 - 1)
}

fn initial(globals: &Globals<'_>, variable: &syntax::Variable<'_>) -> Result<Vec<(u64, u64, program::Initial)>, Error> {
    let bind = |&(offset, size, value): &(u64, u64, Initial<'_>)| {
        let value = match value {
            Initial::Number(number) => program::Initial::Number(number),
            Initial::Address { symbol, addend, mask } => match globals.names.get(symbol) {
                Some(&variable) => program::Initial::Address { variable, addend, mask },
                None => return Err(Error::ptx(variable.line, format!("unknown name {symbol} in values"))),
            },
        };
        Ok((offset, size, value))
    };
    variable.initial.iter().map(bind).collect()
}

/// The place of a parameter after the parameters before it, which end at `end`.
fn place(end: &mut u64, variable: &syntax::Variable<'_>) -> Result<Formal, Error> {
    let offset = end.next_multiple_of(variable.align);
    *end = offset + variable.size;
    if *end > 1 << 16 {
        return Err(Error::ptx(variable.line, "parameters are too large"));
    }
    Ok(Formal { offset, size: variable.size })
}

/// The function without its code. Its parameters are laid out first, as the driver passes them, then its results.
fn head(source: &syntax::Function<'_>) -> Result<Function, Error> {
    let mut end = 0;
    let mut all =
        |list: &[syntax::Variable<'_>]| list.iter().map(|v| place(&mut end, v)).collect::<Result<Vec<_>, _>>();
    let parameters = all(&source.parameters)?;
    let results = all(&source.results)?;
    Ok(Function {
        name: source.name.to_owned(),
        entry: source.entry,
        parameters,
        results,
        parameter_bytes: end,
        max_threads: source.max_threads,
        ..Function::default()
    })
}

fn body<'a>(globals: &mut Globals<'a>, source: &syntax::Function<'a>, head: Function) -> Result<Function, Error> {
    let formals: Vec<Formal> = head.parameters.iter().chain(&head.results).copied().collect();
    let mut builder = Builder::new(globals, head);
    builder.line = source.line;
    for (variable, formal) in source.parameters.iter().chain(&source.results).zip(formals) {
        builder.declare(variable.name, Symbol::Parameter(formal))?;
    }
    let items = source.body.as_deref().unwrap_or(&[]);
    for item in items {
        match item {
            Item::Open => builder.open(),
            Item::Close => builder.close(),
            Item::Register { kind, name, count: Some(count) } => {
                let first = builder.slots(*count);
                builder.declare(name, Symbol::Range(first, *count, *kind))?;
            }
            Item::Register { kind, name, count: None } => {
                let slot = builder.slots(1);
                builder.declare(name, Symbol::Register(slot, *kind))?;
            }
            Item::Variable(variable) => {
                builder.line = variable.line;
                let symbol = match variable.space {
                    Space::Parameter => {
                        let mut end = builder.function.parameter_bytes;
                        let formal = place(&mut end, variable)?;
                        builder.function.parameter_bytes = end;
                        Symbol::Parameter(formal)
                    }
                    Space::Local => {
                        let offset = builder.function.local_bytes.next_multiple_of(variable.align);
                        builder.function.local_bytes = offset + variable.size;
                        if builder.function.local_bytes > LOCAL_MOST {
                            return builder.fail("more than 512 KiB of local memory");
                        }
                        Symbol::Local(offset)
                    }
                    _ => {
                        let number = add_variable(builder.globals, variable)?;
                        let values = initial(builder.globals, variable)?;
                        builder.globals.variables[number as usize].initial = values;
                        Symbol::Variable(number)
                    }
                };
                builder.declare(variable.name, symbol)?;
            }
            Item::Label(name) => builder.label(name)?,
            Item::Targets { label, targets } => builder.targets(label, targets),
            Item::Statement(statement) => instruction::decode(&mut builder, statement)?,
        }
    }
    builder.finish()
}
