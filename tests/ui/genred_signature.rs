//! The arguments of `Genred`, and other forms of pykeops.

use keops::keops;

keops! {
    pub fn too_many = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], "Sum", 1, None, None, None, None, "auto", False, "auto", True, False, True, 1);
    pub fn order = Genred(axis = 1, "SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"]);
    pub fn twice = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], formula = "X");
    pub fn no_formula = Genred(aliases = ["X = Vi(3)"]);
    pub fn no_aliases = Genred("SqDist(X, Y)", axis = 1);
    pub fn variables = Genred(formula, aliases, axis = 1);
    pub fn element_type = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], dtype = "int8");
    pub fn truth = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], enable_chunks = true);
    #[keops(precise)]
    pub fn precise = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], use_fast_math = True);
    pub fn character = Genred('X', ["X = Vi(3)"]);
    pub fn solver = KernelSolve("SqDist(X, Y) * B", ["X = Vi(3)", "Y = Vj(3)", "B = Vj(1)"], "B", axis = 1);
    pub fn generic = generic_sum("SqDist(X, Y)", "A = Vi(1)", "X = Vi(3)", "Y = Vj(3)");
    pub fn raw = Genred("SqDist(Vi(0), Vj(1, 3))", []);
    conv = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], axis = 1);
    pub fn inside = Genred("np.exp(X) * SIGMA + X[4] * Y % 2", ["X = Vi(3)", "Y = Vj(3)"]);
    pub fn end = Genred("SqDist(X, Y)", ["X = Vi(3)", "Y = Vj(3)"], axis = 1)
}

fn main() {}
