//! The table of reductions: names, arguments, and the type in `keops_core` that computes each.

/// How a reduction makes a result of the terms f of a target, and of their weights g if it takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Σ f
    Sum,
    /// Σ f divided by the number of terms
    Mean,
    /// Π f
    Prod,
    /// 0, whatever the terms are
    Zero,
    /// log Σ exp(f) for each component; with a weight log Σ exp(f) g
    LogSumExp,
    /// Σ exp(f) g / Σ exp(f)
    SumSoftMaxWeight,
    /// max f and Σ exp(f - max f); with a weight max f and Σ exp(f - max f) g
    MaxSumShiftExp,
    /// The least or the greatest value of each component.
    Min,
    /// The K least values of each component, or their row numbers, or both. K is 1 for `ArgMin` and `MinArgMin`, and
    /// for the greatest value.
    KMin {
        /// Whether the values are part of the result.
        values: bool,
        /// Whether the row numbers are part of the result.
        indices: bool,
    },
    /// The sources whose value is at most a radius: lists of their row numbers and values, or how many they are.
    Within {
        /// Whether the result is lists, and not only their lengths.
        lists: bool,
    },
}

/// Whether a reduction takes a second formula, the weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It takes none.
    None,
    /// It takes one or none.
    Optional,
    /// It takes one.
    Required,
    /// It takes a radius instead, which does not depend on the index that is reduced over.
    Radius,
}

/// A row of the table.
pub struct Row {
    /// The name.
    pub name: &'static str,
    /// KeOps' other names.
    pub aliases: &'static [&'static str],
    /// How the reduction makes its result.
    pub reduction: Reduction,
    /// Whether the reduction takes a second formula.
    pub weight: Weight,
    /// Whether the reduction takes a number K.
    pub takes_k: bool,
    /// The name of the type in `keops_core::reduction`, without `<K>`.
    pub path: &'static str,
}

impl Reduction {
    /// Whether the first formula is an exponent.
    pub fn is_exponential(self) -> bool {
        matches!(self, Reduction::LogSumExp | Reduction::SumSoftMaxWeight | Reduction::MaxSumShiftExp)
    }
}

impl Row {
    /// The reduction that gives the row numbers of the values which this one selects, as its derivatives need them.
    /// `None` if the result depends on all terms, or has no values.
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

/// The rows of the table.
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
    row("Within", &[], Reduction::Within { lists: true }, Weight::Radius, false, "Within"),
    row("Count", &[], Reduction::Within { lists: false }, Weight::Radius, false, "CountWithin"),
    row("Zero", &[], Reduction::Zero, Weight::None, false, "Zero"),
];

/// How a sum is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// One addition in the element type for each term.
    Direct,
    /// Runs of terms are summed in the element type and added to a compensated total. This is the default.
    Blocked,
    /// Every addition is compensated.
    Compensated,
}

impl Scheme {
    /// All schemes, with their names.
    pub const ALL: [(&'static str, Scheme); 3] =
        [("direct", Scheme::Direct), ("blocked", Scheme::Blocked), ("compensated", Scheme::Compensated)];

    /// The name of the type of a sum in `keops_core::reduction`.
    pub fn path(self) -> &'static str {
        match self {
            Scheme::Direct => "DirectSum",
            Scheme::Blocked => "Sum",
            Scheme::Compensated => "CompensatedSum",
        }
    }

    /// The name of the type of a mean in `keops_core::reduction`.
    pub fn mean_path(self) -> &'static str {
        match self {
            Scheme::Direct => "DirectMean",
            Scheme::Blocked => "Mean",
            Scheme::Compensated => "CompensatedMean",
        }
    }
}

/// The row with this name.
pub fn find(name: &str) -> Option<&'static Row> {
    REDUCTIONS.iter().find(|row| row.name == name || row.aliases.contains(&name))
}

/// The row that a name means in another spelling: `logsumexp`, `arg_kmin`, `sum_reduction`.
pub fn like(name: &str) -> Option<&'static Row> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let wanted = plain(name);
    let wanted = wanted.strip_suffix("reduction").unwrap_or(&wanted);
    REDUCTIONS.iter().find(|row| std::iter::once(&row.name).chain(row.aliases).any(|known| plain(known) == wanted))
}
