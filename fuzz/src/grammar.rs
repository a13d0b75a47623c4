//! Items by the grammar of the language, drawn by the bytes of the fuzzer: most check, some have a fault.

use arbitrary::{Arbitrary, Result, Unstructured};
use keops_compiler::{
    reduction::{REDUCTIONS, Weight},
    table::{self, Kind},
};

/// How deep formulas nest.
const DEEPEST: usize = 6;

/// The text of one to three items.
#[derive(Debug)]
pub struct Items(pub String);

impl<'a> Arbitrary<'a> for Items {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        for number in 0..u.int_in_range(1..=3)? {
            text += &item(u, number)?;
        }
        Ok(Items(text))
    }
}

/// What a formula may name.
struct Scope {
    variables: Vec<&'static str>,
    /// Variables, bindings, numbers and const generics; and names that are unknown.
    leaves: Vec<&'static str>,
    dims: Vec<&'static str>,
}

impl Scope {
    fn dim(&self, u: &mut Unstructured<'_>) -> Result<&'static str> {
        if u.ratio(1, 60)? {
            return u.choose(&["0", "16777216", "16777217", "-1", "F"]).copied();
        }
        u.choose(&self.dims).copied()
    }
}

fn item(u: &mut Unstructured<'_>, number: usize) -> Result<String> {
    let generics = u.choose(&["", "", "<const D: usize>", "<const D: usize, const E: usize>"])?;
    let mut scope =
        Scope { variables: vec![], leaves: vec!["1", "2", "0.5", "-1", "0"], dims: vec!["1", "1", "3", "3"] };
    for name in ["D", "E"] {
        scope.dims.extend(generics.contains(name).then_some(name));
    }
    // all variables of one dimension, or of any
    let common = if u.ratio(2, 3)? { Some(scope.dim(u)?) } else { None };
    let mut declarations = Vec::new();
    for name in ["x", "y", "b", "g"].into_iter().take(u.int_in_range(2..=4)?) {
        let category = u.choose(&["Vi", "Vj", "Pm"])?;
        let dim = match common {
            Some(dim) => dim,
            None => scope.dim(u)?,
        };
        declarations.push(format!("{name}: {category}<{dim}>"));
        scope.variables.push(name);
        scope.leaves.extend([name; 3]);
    }
    let names: Vec<&str> = REDUCTIONS.iter().map(|row| row.name).collect();
    let reduction = if u.ratio(2, 3)? { "Sum" } else { *u.choose(&names)? };
    let row = REDUCTIONS.iter().find(|row| row.name == reduction);
    let k = if row.is_some_and(|row| row.takes_k) { format!("{}, ", scope.dim(u)?) } else { String::new() };
    let order = u.choose(&["", "", "#[keops(order = 0)] ", "#[keops(order = 2)] ", "#[keops(cuda(D = 3, E = 1))] "])?;
    let index = u.choose(&["i", "j"])?;
    let mut body = String::new();
    for binding in ["d", "e"].into_iter().take(u.int_in_range(0..=2)?) {
        body += &format!("let {binding} = {}; ", formula(u, &scope, 2)?);
        scope.leaves.push(binding);
    }
    let value = formula(u, &scope, DEEPEST)?;
    let tuple = row.is_some_and(|row| row.weight != Weight::None) || u.ratio(1, 30)?;
    body += &if tuple { format!("({value}, {})", formula(u, &scope, 2)?) } else { value };
    let declarations = declarations.join(", ");
    Ok(format!("{order}fn f{number}{generics}({declarations}) -> {reduction}<{k}{index}> {{ {body} }}\n"))
}

fn formula(u: &mut Unstructured<'_>, scope: &Scope, depth: usize) -> Result<String> {
    if depth == 0 || u.is_empty() || u.ratio(1, 4)? {
        let unknown = u.ratio(1, 100)?;
        return Ok(if unknown { "zz".to_owned() } else { (*u.choose(&scope.leaves)?).to_owned() });
    }
    let depth = depth - 1;
    match u.int_in_range(0..=4)? {
        0 | 1 => {
            let operator = u.choose(&["+", "-", "*", "/", "|", "**", "<", "==", ">="])?;
            Ok(format!("({} {operator} {})", formula(u, scope, depth)?, formula(u, scope, depth)?))
        }
        2 => Ok(format!("-{}", formula(u, scope, depth)?)),
        _ => call(u, scope, depth),
    }
}

/// An operation of the table, mostly with as many arguments as it takes, of the right kind.
fn call(u: &mut Unstructured<'_>, scope: &Scope, depth: usize) -> Result<String> {
    let rows: Vec<_> = table::operations().collect();
    let row = rows[u.choose_index(rows.len())?];
    let names: Vec<&str> = std::iter::once(&row.name).chain(row.aliases).copied().collect();
    let name = u.choose(&names)?;
    let mut arguments = Vec::new();
    for kind in row.args {
        arguments.push(match kind {
            _ if u.ratio(1, 30)? => formula(u, scope, 0)?,
            Kind::Formula => formula(u, scope, depth)?,
            Kind::Integer => (*u.choose(&["0", "1", "1", "2", "3", "9", "-1", "2147483648"])?).to_owned(),
            Kind::List => list(u)?,
            Kind::Variable => (*u.choose(&scope.variables)?).to_owned(),
        });
    }
    let left_out = if row.optional > 0 { u.int_in_range(0..=row.optional)? } else { 0 };
    arguments.truncate(arguments.len() - left_out);
    if u.ratio(1, 40)? {
        arguments.pop();
    }
    if u.ratio(1, 4)? && !arguments.is_empty() {
        return Ok(format!("({}).{name}({})", arguments[0], arguments[1..].join(", ")));
    }
    Ok(format!("{name}({})", arguments.join(", ")))
}

fn list(u: &mut Unstructured<'_>) -> Result<String> {
    let mut numbers = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        numbers.push(*u.choose(&["0", "1", "2", "3", "4", "D", "-1"])?);
    }
    Ok(format!("[{}]", numbers.join(", ")))
}
