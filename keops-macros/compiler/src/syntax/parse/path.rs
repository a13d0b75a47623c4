//! Constants: `PI`, `std::f64::consts::PI`, `f64::EPSILON`; and messages for other paths.

use std::f64::consts;

/// The constants of `std::f64::consts`, which `f32::consts` stands for, too: like literals, they are rounded to the
/// element type.
const CONSTANTS: [(&str, f64); 19] = [
    ("PI", consts::PI),
    ("TAU", consts::TAU),
    ("FRAC_PI_2", consts::FRAC_PI_2),
    ("FRAC_PI_3", consts::FRAC_PI_3),
    ("FRAC_PI_4", consts::FRAC_PI_4),
    ("FRAC_PI_6", consts::FRAC_PI_6),
    ("FRAC_PI_8", consts::FRAC_PI_8),
    ("FRAC_1_PI", consts::FRAC_1_PI),
    ("FRAC_2_PI", consts::FRAC_2_PI),
    ("FRAC_2_SQRT_PI", consts::FRAC_2_SQRT_PI),
    ("SQRT_2", consts::SQRT_2),
    ("FRAC_1_SQRT_2", consts::FRAC_1_SQRT_2),
    ("E", consts::E),
    ("LOG2_E", consts::LOG2_E),
    ("LOG2_10", consts::LOG2_10),
    ("LOG10_E", consts::LOG10_E),
    ("LOG10_2", consts::LOG10_2),
    ("LN_2", consts::LN_2),
    ("LN_10", consts::LN_10),
];

/// Constants of the types themselves, for `f32` and for `f64`.
const LIMITS: [(&str, f64, f64); 4] = [
    ("EPSILON", f32::EPSILON as f64, f64::EPSILON),
    ("MIN_POSITIVE", f32::MIN_POSITIVE as f64, f64::MIN_POSITIVE),
    ("MAX", f32::MAX as f64, f64::MAX),
    ("MIN", f32::MIN as f64, f64::MIN),
];

/// Names of numbers that are not finite.
const NOT_FINITE: [&str; 3] = ["INFINITY", "NEG_INFINITY", "NAN"];

/// The constant that a name without a path means. `E` is none, since a variable with this name may have been
/// forgotten, and must not become 2.718.
pub(crate) fn constant(name: &str) -> Option<f64> {
    CONSTANTS.iter().find(|(known, _)| *known == name && name != "E").map(|(_, value)| *value)
}

/// The number that a path means, or a message.
pub(super) fn value(path: &[String]) -> Result<f64, String> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let parts = match parts.as_slice() {
        ["std" | "core", rest @ ..] => rest,
        all => all,
    };
    let name = *parts.last().expect("a path has parts");
    let known = match parts {
        ["consts", _] | ["f32" | "f64", "consts", _] => {
            CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        }
        [kind @ ("f32" | "f64"), _] => {
            let limit = LIMITS.iter().find(|(known, ..)| *known == name);
            limit.map(|(_, single, double)| if *kind == "f32" { *single } else { *double })
        }
        _ => None,
    };
    known.ok_or_else(|| {
        if NOT_FINITE.contains(&name) {
            not_finite(&path.join("::"))
        } else if let ["consts", _] | ["f32" | "f64", ..] = parts {
            format!("unknown constant `{}`", path.join("::"))
        } else {
            format!("{OF_THE_SCOPE}, `{}: Pm<1>`", name.to_lowercase())
        }
    })
}

/// The message for a constant of the scope, which a formula cannot see.
const OF_THE_SCOPE: &str = "a formula cannot read constants around it: pass this one as an argument";

/// The message for a name that looks like a constant of the scope; `None` for other names.
pub(crate) fn of_the_scope(name: &str) -> Option<String> {
    let loud = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    (loud && name.chars().filter(char::is_ascii_uppercase).count() > 1)
        .then(|| format!("{OF_THE_SCOPE}, `{name}: Pm<1>`"))
}

/// The message for a number that is not finite.
pub(crate) fn not_finite(name: &str) -> String {
    format!("`{name}` is not finite, as all numbers of a formula are: write a large one, like `1e30`")
}
