//! The operations and options of KeOps 2.3, under its own names: the list that docs/parity.md goes through.

/// An operation of KeOps.
pub(super) struct Entry {
    /// KeOps' name.
    pub(super) name: &'static str,
    /// Our name, which a test must mention, where neither the operation table nor the reduction table has the name of KeOps.
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

/// A feature that is used beside formulas.
pub(super) struct Use {
    /// KeOps' name.
    pub(super) name: &'static str,
    /// The spelling of the feature here.
    pub(super) ours: &'static str,
    /// The words of the feature; a test must have all of them.
    pub(super) words: &'static [&'static str],
}

const fn used(name: &'static str, ours: &'static str, words: &'static [&'static str]) -> Use {
    Use { name, ours, words }
}

pub(super) const USES: &[(&str, &[Use])] = &[
    (
        "Options",
        &[
            used("dtype float32", "`f32` arguments", &["f32", "eval", "assert_rows"]),
            used("dtype float64", "`f64` arguments", &["f64", "eval", "assert_rows"]),
            used("dtype float16", "`f16` or `bf16` arguments, computed in `f32`", &["f16", "bf16"]),
            used("dtype_acc", "the same in `Genred`; `#[keops(sum = ..)]`", &["dtype_acc"]),
            used("use_double_acc", "the same in `Genred`; `#[keops(sum = compensated)]`", &["use_double_acc"]),
            used("sum_scheme direct_sum", "the same in `Genred`; `#[keops(sum = direct)]`", &["sum", "direct"]),
            used("sum_scheme block_sum", "the same in `Genred`; the default", &["block_sum"]),
            used(
                "sum_scheme kahan_scheme",
                "the same in `Genred`; `#[keops(sum = compensated)]`",
                &["sum", "compensated"],
            ),
            used("axis", "`Sum<j>`, `Sum<i>`", &["Sum", "i"]),
            used("opt_arg", "`KMin<K, j>`", &["KMin"]),
            used("formula2", "a pair of formulas, `(f, g)`", &["SumSoftMaxWeight"]),
            used(
                "enable_chunks, rec_multVar_highdim",
                "not needed: 1000 components are blocked by themselves",
                &["check_gauss", "1000"],
            ),
            used("use_fast_math", "the default on GPUs; `#[keops(precise)]`", &["precise"]),
            used("backend, device_id", "`.device(Device::Cpu)`, `Device::Cuda(n)`", &["device", "Cpu"]),
            used("ranges", "`.ranges(&ranges)`", &["ranges", "plain_gaussian"]),
            used("batch dimensions", "`batched(&x, [8, 2])`", &["batched", "plain_gaussian"]),
            used("ranges and batch dimensions (refused)", "both", &["batched", "ranges", "vjp"]),
            used("out", "`.into_rows(&mut rows)`", &["into_rows", "assert_rows"]),
        ],
    ),
    (
        "Calls, operators and helpers",
        &[
            used("Genred", "the same, and functions in `keops!`", &["Genred", "SqDist"]),
            used("autograd, torch.func.vjp", "`.vjp_x(&e)`, `.vjp(&e)`", &["vjp_x", "vjp", "slope_rows"]),
            used("torch.func.jvp", "`.jvp_x(&u)`", &["jvp_x", "assert_near"]),
            used("double backward", "`#[keops(order = 2)]`", &["vjp_x", "vjp_y", "slope"]),
            used("K @ v, matvec", "`.operator_b()?.apply(&v)`", &["operator_b", "apply"]),
            used("K.T, rmatvec", "`.apply_transpose(&w)`", &["operator_b", "apply_transpose"]),
            used("LinearOperator", "the trait `operator::LinearOperator`", &["LinearOperator"]),
            used("dense (not there)", "`.to_dense()`", &["to_dense"]),
            used("KernelSolve, solve", "`.solve_b(alpha)`", &["solve_b"]),
            used("KernelSolve, gradient", "`solution.vjp(&e)`", &["solve_b", "vjp", "alpha"]),
            used("KernelLinearSolver, preconditioner", "`.preconditioner(..)`", &["solve_b", "preconditioner"]),
            used("grid_cluster", "`cluster::grid_cluster`", &["grid_cluster"]),
            used("sort_clusters", "`cluster::sort_clusters`", &["sort_clusters"]),
            used("cluster_ranges", "`cluster::cluster_ranges`", &["cluster_ranges"]),
            used(
                "cluster_centroids",
                "`cluster::centroids`, `weighted_centroids`",
                &["centroids", "weighted_centroids"],
            ),
            used("cluster_ranges_centroids", "`cluster_ranges`, `centroids`, `radii`", &["centroids", "radii"]),
            used("from_matrix", "`Ranges::from_matrix`, `from_clusters`, `from_neighbours`", &["from_matrix"]),
            used("swap_axes", "`ranges.transpose()`", &["transpose", "plain_gaussian"]),
            used("masks (not there)", "`Ranges::lower_triangle`, `band`, `new`", &["lower_triangle", "band"]),
        ],
    ),
];
