//! The program that checks formulas, as text.

use std::fmt::Write;

use anyhow::Result;
use keops_compiler::{
    oracle::{Category, Formula},
    reduction::Reduction,
};

use crate::{draw::Drawn, scales::Units};

/// The text of `main.rs`.
///
/// # Errors
/// The compiler refuses a formula.
pub fn program(formulas: &[Drawn]) -> Result<String> {
    // kernels are built for the types of elements that stand in the sources
    let mut text = "//! Written by `cargo xtask random`.\npub type Elements = (f32, f64);\n\n".to_owned();
    let mut checks = String::new();
    for (k, drawn) in formulas.iter().enumerate() {
        writeln!(text, "mod formula_{k} {{\n{}}}\n", module(drawn)?)?;
        let seed = drawn.seed;
        writeln!(checks, "        ({seed}, formula_{k}::ITEM, check::<formula_{k}::Subject> as Check),")?;
    }
    writeln!(
        text,
        "fn main() -> std::process::ExitCode {{\n    use keops_random::{{Check, check, run}};\n    \
         run(&[\n{checks}    ])\n}}"
    )?;
    Ok(text)
}

/// The text of the module of a formula.
fn module(drawn: &Drawn) -> Result<String> {
    let Drawn { seed, item, order, units } = drawn;
    let formula = Formula::new(item)?;
    let variables: Vec<(&str, Category, usize)> = formula.variables().collect();
    let n = variables.len();
    let args: Vec<String> = (0..n).map(|k| format!("&rows[{k}]")).collect();
    let call = format!("f({})", args.join(", "));
    // the annotation has the type of the elements, and keeps a derivative in one expression
    let eval = |marker: &str, chain: &str, element: &str, then: &str| {
        format!(
            "{{ let call: f::Call<'_, {element}, f::{marker}> = {call}{chain}; \
             let result = call.device(device).eval()?; Ok({then}) }}"
        )
    };
    let outcome = match formula.reduction().reduction {
        Reduction::KMin { values: true, indices: true } => {
            "Outcome { values: result.0.into_flat(), indices: result.1.into_flat() }"
        }
        Reduction::KMin { values: false, .. } => "Outcome { values: vec![], indices: result.into_flat() }",
        _ => "Outcome { values: result.into_flat(), indices: vec![] }",
    };
    let value = eval("Value", "", "T", outcome);
    let views: Vec<String> = variables
        .iter()
        .enumerate()
        .map(|(k, (_, category, dim))| match category {
            Category::P => format!("View::parameter(&rows[{k}], {dim})"),
            _ => format!("View::from_flat(&rows[{k}], {dim})"),
        })
        .collect();
    let on = if matches!(formula.reduction().reduction, Reduction::KMin { indices: true, .. }) {
        "{ let _ = (rows, arch); Ok(None) }".to_owned()
    } else {
        format!("{{ on::<T, f::Value, <f::Value as OnePass>::Reduction>(arch, &[{}]).map(Some) }}", views.join(", "))
    };
    let (mut first, mut second, mut gradients) = (String::new(), String::new(), "Ok(vec![])".to_owned());
    for (k, (name, ..)) in variables.iter().enumerate() {
        let flat = "result.into_flat()";
        if *order > 0 {
            let vjp = eval(&format!("Vjp_{name}"), &format!(".vjp_{name}(&rows[{n}])"), "T", flat);
            let jvp = eval(&format!("Jvp_{name}"), &format!(".jvp_{name}(&rows[{}])", n + 1), "T", flat);
            writeln!(
                first,
                "                Derivative::Vjp({k}) => {vjp}\n                Derivative::Jvp({k}) => {jvp}"
            )?;
        }
        if *order > 1 {
            let chain = format!(".vjp_{name}(&rows[{n}]).jvp_{name}(&rows[{}])", n + 1);
            let of = eval(&format!("Vjp_{name}__Jvp_{name}"), &chain, "f64", flat);
            writeln!(second, "                Derivative::JvpOfVjp({k}) => {of}")?;
        }
    }
    if *order > 0 {
        let fields: Vec<String> = variables.iter().map(|(name, ..)| format!("result.{name}.into_flat()")).collect();
        gradients = eval("Vjp", &format!(".vjp(&rows[{n}])"), "f64", &format!("vec![{}]", fields.join(", ")));
    }
    let mut bounds = "within_bounds::<T, f::Value>(rng)?".to_owned();
    if *order > 0 && matches!(formula.reduction().reduction, Reduction::Sum) {
        for (name, ..) in &variables {
            write!(bounds, " + within_bounds::<T, f::Vjp_{name}>(rng)? + within_bounds::<T, f::Jvp_{name}>(rng)?")?;
        }
    }
    let units = match units {
        Some(Units { variables, parts, lengths }) => format!(
            "fn units() -> Option<Units> {{ Some(Units {{ variables: (&{variables:?}).into(), parts: (&{parts:?}).into(), \
             lengths: (&{lengths:?}).into() }}) }}"
        ),
        None => String::new(),
    };
    Ok(format!(
        "    #![allow(unused, clippy::all, reason = \"written by a program\")]
    use keops_random::prelude::*;

    keops! {{
{item}    }}

    pub const ITEM: &str = {item:?};
    pub struct Subject;
    impl keops_random::Subject for Subject {{
        const SEED: u64 = {seed};
        const ITEM: &'static str = ITEM;
        const ORDER: u32 = {order};
        {units}
        fn value<T: Element>(rows: &[Vec<T>], device: Device) -> Result<Outcome<T>, Error> {value}
        fn on<T: Element>(rows: &[Vec<T>], arch: Arch) -> Result<Option<Outcome<T>>, Error> {on}
        fn derivative<T: Element>(of: Derivative, rows: &[Vec<T>], device: Device) -> Result<Vec<T>, Error> {{
            match of {{
{first}                _ => unreachable!(\"{{of:?}}\"),
            }}
        }}
        fn second(of: Derivative, rows: &[Vec<f64>], device: Device) -> Result<Vec<f64>, Error> {{
            match of {{
{second}                _ => unreachable!(\"{{of:?}}\"),
            }}
        }}
        fn within_bounds<T: Element>(rng: &mut Rng) -> anyhow::Result<Bounded> {{ Ok({bounds}) }}
        fn gradients(rows: &[Vec<f64>], device: Device) -> Result<Vec<Vec<f64>>, Error> {{ {gradients} }}
    }}
"
    ))
}
