//! The reduction table: names, arguments, and what can be done with each.

/// What is done with the terms of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Σ f
    Sum,
    /// Σ f over the number of terms
    Mean,
    /// Π f
    Prod,
    /// Nothing: 0.
    Zero,
    /// log Σ exp(f) for each component, or log Σ exp(f) g
    LogSumExp,
    /// Σ exp(f) g / Σ exp(f)
    SumSoftMaxWeight,
    /// max f, and Σ exp(f - max f) or Σ exp(f - max f) g
    MaxSumShiftExp,
    /// The least or the greatest value of each component.
    Min,
    /// The K least values and where they are; K = 1 for `ArgMin` and `MinArgMin`.
    KMin {
        /// The values are part of the result.
        values: bool,
        /// The row numbers are part of the result.
        indices: bool,
    },
}

/// Whether a reduction takes a second formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It does not.
    None,
    /// It may.
    Optional,
    /// It must.
    Required,
}

/// A row of the table.
pub struct Row {
    /// Our name.
    pub name: &'static str,
    /// KeOps' other names.
    pub aliases: &'static [&'static str],
    /// What it does.
    pub reduction: Reduction,
    /// Whether it takes a second formula.
    pub weight: Weight,
    /// Whether it takes a number K.
    pub takes_k: bool,
    /// The type in `keops_core::reduction`, without `<K>`.
    pub path: &'static str,
}

impl Reduction {
    /// Whether the first formula is an exponent.
    pub fn is_exponential(self) -> bool {
        matches!(self, Reduction::LogSumExp | Reduction::SumSoftMaxWeight | Reduction::MaxSumShiftExp)
    }
}

impl Row {
    /// The reduction that gives the row numbers of what this one selects: derivatives go through them. `None` if the
    /// result depends on all terms, or is row numbers.
    pub fn selection(&self) -> Option<&'static str> {
        match self.path {
            "Min" | "MinArgMin" => Some("ArgMin"),
            "Max" | "MaxArgMax" => Some("ArgMax"),
            "KMin" | "KMinArgKMin" => Some("ArgKMin"),
            _ => None,
        }
    }
}

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    reduction: Reduction,
    weight: Weight,
    takes_k: bool,
    path: &'static str,
) -> Row {
    Row { name, aliases, reduction, weight, takes_k, path }
}

const fn k_min(values: bool, indices: bool) -> Reduction {
    Reduction::KMin { values, indices }
}

/// All rows.
pub const REDUCTIONS: &[Row] = &[
    row("Sum", &[], Reduction::Sum, Weight::None, false, "Sum"),
    row("Mean", &[], Reduction::Mean, Weight::None, false, "Mean"),
    row("Prod", &[], Reduction::Prod, Weight::None, false, "Prod"),
    row("LogSumExp", &[], Reduction::LogSumExp, Weight::Optional, false, "LogSumExp"),
    row("LogSumExpWeight", &[], Reduction::LogSumExp, Weight::Required, false, "LogSumExp"),
    row("SumSoftMaxWeight", &["SoftMax"], Reduction::SumSoftMaxWeight, Weight::Required, false, "SumSoftMaxWeight"),
    row("MaxSumShiftExp", &["Max_SumShiftExp"], Reduction::MaxSumShiftExp, Weight::Optional, false, "MaxSumShiftExp"),
    row(
        "MaxSumShiftExpWeight",
        &["Max_SumShiftExpWeight"],
        Reduction::MaxSumShiftExp,
        Weight::Required,
        false,
        "MaxSumShiftExp",
    ),
    row("Min", &[], Reduction::Min, Weight::None, false, "Min"),
    row("ArgMin", &[], k_min(false, true), Weight::None, false, "ArgMin"),
    row("MinArgMin", &["Min_ArgMin"], k_min(true, true), Weight::None, false, "MinArgMin"),
    row("Max", &[], Reduction::Min, Weight::None, false, "Max"),
    row("ArgMax", &[], k_min(false, true), Weight::None, false, "ArgMax"),
    row("MaxArgMax", &["Max_ArgMax"], k_min(true, true), Weight::None, false, "MaxArgMax"),
    row("KMin", &[], k_min(true, false), Weight::None, true, "KMin"),
    row("ArgKMin", &[], k_min(false, true), Weight::None, true, "ArgKMin"),
    row("KMinArgKMin", &["KMin_ArgKMin"], k_min(true, true), Weight::None, true, "KMinArgKMin"),
    row("Zero", &[], Reduction::Zero, Weight::None, false, "Zero"),
];

/// How a sum is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// One addition in the element type for each term.
    Direct,
    /// Runs in the element type, added to a compensated total: the default.
    Blocked,
    /// Every addition compensated.
    Compensated,
}

impl Scheme {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Scheme); 3] =
        [("direct", Scheme::Direct), ("blocked", Scheme::Blocked), ("compensated", Scheme::Compensated)];

    /// The type in `keops_core::reduction`.
    pub fn path(self) -> &'static str {
        match self {
            Scheme::Direct => "DirectSum",
            Scheme::Blocked => "Sum",
            Scheme::Compensated => "CompensatedSum",
        }
    }

    /// The type in `keops_core::reduction` of a mean.
    pub fn mean_path(self) -> &'static str {
        match self {
            Scheme::Direct => "DirectMean",
            Scheme::Blocked => "Mean",
            Scheme::Compensated => "CompensatedMean",
        }
    }
}

/// The row of a name.
pub fn find(name: &str) -> Option<&'static Row> {
    REDUCTIONS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}

/// The row that a name means, however it is written: `logsumexp`, `arg_kmin`, `sum_reduction`.
pub fn like(name: &str) -> Option<&'static Row> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = plain(name);
    let wanted = wanted.strip_suffix("reduction").unwrap_or(&wanted);
    REDUCTIONS.iter().find(|row| std::iter::once(&row.name).chain(row.aliases).any(|known| plain(known) == wanted))
}
