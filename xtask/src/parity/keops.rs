//! What KeOps 2.3 has, under its own names: the list that docs/parity.md goes through.

/// Something that KeOps has.
pub(super) struct Entry {
    /// KeOps' name.
    pub(super) name: &'static str,
    /// Our name, where neither the operation table nor the reduction table has KeOps': what a test must mention.
    pub(super) ours: Option<&'static str>,
}

/// A section of KeOps' documentation.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) entries: &'static [Entry],
}

const fn same(name: &'static str) -> Entry {
    Entry { name, ours: None }
}

const fn ours(name: &'static str, ours: &'static str) -> Entry {
    Entry { name, ours: Some(ours) }
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Variables and constants",
        entries: &[
            ours("Vi", "Vi"),
            ours("Vj", "Vj"),
            ours("Pm", "Pm"),
            ours("Var", "Var"),
            same("IntCst"),
            same("RatCst"),
            same("IntInv"),
            same("Zero"),
        ],
    },
    Section {
        title: "Element-wise operations",
        entries: &[
            same("Add"),
            same("Subtract"),
            same("difference_matrix"),
            same("Mult"),
            same("Divide"),
            same("Minus"),
            same("Inv"),
            same("Exp"),
            same("Log"),
            same("Sin"),
            same("Cos"),
            same("Asin"),
            same("Acos"),
            same("Atan"),
            same("Atan2"),
            same("Square"),
            same("Sqrt"),
            same("Rsqrt"),
            same("Pow"),
            same("Powf"),
            same("XLogX"),
            same("SinXDivX"),
            same("Abs"),
            same("Sign"),
            same("Step"),
            same("Floor"),
            same("Round"),
            same("ReLU"),
            same("Clamp"),
            same("ClampInt"),
            same("IfElse"),
            same("Mod"),
            same("Equal"),
            same("NotEqual"),
            same("LessThan"),
            same("LessOrEqual"),
        ],
    },
    Section {
        title: "Vectors and tensors",
        entries: &[
            same("Sum"),
            same("SumT"),
            same("Scalprod"),
            same("SqNorm2"),
            same("Norm2"),
            same("Normalize"),
            same("SqDist"),
            same("WeightedSqNorm"),
            same("WeightedSqDist"),
            same("SqNormIso"),
            same("SqNormDiag"),
            same("SymSqNorm"),
            same("SymSqDist"),
            same("Max"),
            same("Min"),
            same("ArgMax"),
            same("ArgMin"),
            same("OneHot"),
            same("Elem"),
            same("ElemT"),
            same("Extract"),
            same("ExtractT"),
            same("Concat"),
            same("concatenate"),
            same("cat"),
            same("MatVecMult"),
            same("VecMatMult"),
            same("TensorProd"),
            same("TensorDot"),
            same("Kron"),
            same("BSpline"),
            same("SoftDTW_SqDist"),
            same("GradMatrix"),
            same("Factorize"),
            same("AutoFactorize"),
        ],
    },
    Section {
        title: "Complex numbers",
        entries: &[
            same("ComplexReal"),
            same("ComplexImag"),
            same("Real2Complex"),
            same("Imag2Complex"),
            same("Conj"),
            same("ComplexAdd"),
            same("ComplexSubtract"),
            same("ComplexMult"),
            same("ComplexDivide"),
            same("ComplexRealScal"),
            same("ComplexSquareAbs"),
            same("ComplexAbs"),
            same("ComplexAngle"),
            same("ComplexSum"),
            same("ComplexSumT"),
            same("ComplexExp"),
            same("ComplexExp1j"),
        ],
    },
    Section {
        title: "Derivatives inside a formula",
        entries: &[
            same("Grad"),
            same("Diff"),
            same("Divergence"),
            same("Laplacian"),
            same("TraceOperator"),
            same("AdjointOperator"),
            same("SumLinOperator"),
        ],
    },
];

/// KeOps' reductions.
pub(super) const REDUCTIONS: &[&str] = &[
    "Sum",
    "LogSumExp",
    "LogSumExpWeight",
    "SumSoftMaxWeight",
    "SoftMax",
    "Max_SumShiftExp",
    "Max_SumShiftExpWeight",
    "Min",
    "Max",
    "ArgMin",
    "ArgMax",
    "Min_ArgMin",
    "Max_ArgMax",
    "KMin",
    "ArgKMin",
    "KMin_ArgKMin",
    "Zero",
];
