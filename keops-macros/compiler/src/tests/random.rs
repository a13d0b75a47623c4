//! Random formulas, for which the same must hold as for every operation alone.

use proptest::{prelude::*, test_runner::Config};

use super::{checked, sample};

/// The dimensions that formulas are drawn with: 1, D, D*D.
#[derive(Clone, Copy, PartialEq)]
enum Dim {
    Scalar,
    Vector,
    Matrix,
}

use Dim::{Matrix, Scalar, Vector};

/// Draws a formula by a list of choices, which proptest can shrink. When all choices are used, leaves end the
/// formula.
struct Formula<'a> {
    choices: std::slice::Iter<'a, u8>,
    /// Whether the dimension is the const generic D instead of the literal 3.
    symbolic: bool,
    /// The number of derivatives that may still be drawn: each multiplies the size of the formula.
    derivatives: u32,
}

impl Formula<'_> {
    fn choose(&mut self, n: usize) -> usize {
        self.choices.next().map_or(0, |&choice| usize::from(choice) % n)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.choose(from.len())]
    }

    fn leaf(&mut self, dim: Dim) -> String {
        match dim {
            Scalar => self.pick(&["p", "u", "v", "0.5", "2", "1", "0", "1.25"]),
            Vector => self.pick(&["x", "y", "q", "z"]),
            Matrix => self.pick(&["a", "b"]),
        }
        .to_owned()
    }

    /// Draws a formula of dimension 1 or of this dimension.
    fn narrow(&mut self, dim: Dim, depth: u32) -> String {
        let dim = if self.choose(2) == 0 { dim } else { Scalar };
        self.draw(dim, depth)
    }

    fn draw(&mut self, dim: Dim, depth: u32) -> String {
        if depth == 0 || self.choices.len() == 0 {
            return self.leaf(dim);
        }
        let depth = depth - 1;
        // a third are element-wise operations, a third leaves, and a third operations for the dimension
        match self.choose(6) {
            0 => self.leaf(dim),
            1 | 2 => self.element_wise(dim, depth),
            3 => self.arithmetic(dim, depth),
            _ => match dim {
                Scalar => self.scalar(depth),
                Vector => self.vector(depth),
                Matrix => {
                    let (f, g) = (self.draw(Vector, depth), self.draw(Vector, depth));
                    format!("outer({f}, {g})")
                }
            },
        }
    }

    fn arithmetic(&mut self, dim: Dim, depth: u32) -> String {
        let (f, g) = match self.choose(3) {
            0 => (self.draw(dim, depth), self.draw(dim, depth)),
            1 => (self.draw(dim, depth), self.draw(Scalar, depth)),
            _ => (self.draw(Scalar, depth), self.draw(dim, depth)),
        };
        let op = self.pick(&["*", "+", "-", "/"]);
        format!("({f} {op} {g})")
    }

    fn element_wise(&mut self, dim: Dim, depth: u32) -> String {
        let f = self.draw(dim, depth);
        match self.choose(12) {
            0 => format!("exp({f})"),
            1 => format!("(-{f})"),
            2 => {
                let n = self.pick(&["2", "3", "-1", "-2", "0.5", "1", "0", "1.5", "5"]);
                format!("({f})**{n}")
            }
            3 => {
                let name = self
                    .pick(&["sin", "cos", "abs", "relu", "square", "inv", "sign", "step", "atan", "sinxdivx", "floor"]);
                format!("{name}({f})")
            }
            4 => {
                let name = self.pick(&["sqrt", "log", "rsqrt", "xlogx"]);
                format!("({f}**2 + 0.5).{name}()")
            }
            5 => {
                let (g, h) = (self.narrow(dim, depth), self.narrow(dim, depth));
                format!("ifelse({f}, {g}, {h})")
            }
            6 => format!("({f}).clamp(-1, 0.5)"),
            7 => {
                let g = self.narrow(dim, depth);
                let op = self.pick(&["<", "<=", ">", ">=", "==", "!="]);
                format!("({f} {op} {g})")
            }
            8 => {
                let g = self.narrow(dim, depth);
                format!("(1 + {f}**2).pow({g})")
            }
            9 => {
                let g = self.narrow(dim, depth);
                format!("atan2(1 + {f}**2, {g})")
            }
            10 => {
                let g = self.narrow(dim, depth);
                format!("mod({f}, 1 + {g}**2)")
            }
            _ => format!("exp(-{f}**2)"),
        }
    }

    fn scalar(&mut self, depth: u32) -> String {
        let (f, g) = (self.draw(Vector, depth), self.draw(Vector, depth));
        let derivative = self.derivatives > 0;
        match self.choose(if derivative { 13 } else { 10 }) {
            0 => format!("sqdist({f}, {g})"),
            1 => format!("({f} | {g})"),
            2 => {
                let kernel = self.pick(&["gaussian", "cauchy", "laplacian", "inverse_multiquadric", "linear"]);
                format!("{kernel}({f}, {g})")
            }
            3 => {
                let metric = [Scalar, Vector, Matrix][self.choose(3)];
                let (kernel, metric) = (self.pick(&["gaussian", "cauchy", "linear"]), self.draw(metric, depth));
                format!("{kernel}({f}, {g}, {metric})")
            }
            4 => format!("norm2({f})"),
            5 => format!("sqnorm2({f})"),
            6 => format!("sum({f})"),
            7 if self.symbolic => format!("elem(concat(p, {f}), 0)"),
            7 => format!("elem({f}, {})", self.choose(3)),
            8 => format!("{}({f})", self.pick(&["max", "min"])),
            9 => format!("elem(complex_sum(complex_mult(exp1j({f}), real2complex({g}))), {})", self.choose(2)),
            10 => {
                self.derivatives -= 1;
                format!("divergence({f} * 1, {})", self.pick(&["x", "y", "q"]))
            }
            11 => {
                self.derivatives -= 1;
                format!("Laplacian(({f} | {g}), {})", self.pick(&["x", "y"]))
            }
            _ => {
                self.derivatives -= 1;
                format!("grad(({f} | {g}), {}, {})", self.pick(&["u", "v", "p"]), self.draw(Scalar, depth))
            }
        }
    }

    fn vector(&mut self, depth: u32) -> String {
        let derivative = self.derivatives > 0;
        match self.choose(if derivative { 13 } else { 10 }) {
            0 => format!("mat_vec({}, {})", self.draw(Matrix, depth), self.draw(Vector, depth)),
            1 => format!("vec_mat({}, {})", self.draw(Vector, depth), self.draw(Matrix, depth)),
            2 => format!("normalize({})", self.draw(Vector, depth)),
            3 => {
                let n = if self.symbolic { "D" } else { "3" };
                format!("broadcast({}, {n})", self.draw(Scalar, depth))
            }
            4 => {
                let (f, g) = (self.draw(Vector, depth), self.draw(Vector, depth));
                match (self.symbolic, self.choose(2)) {
                    (true, 0) => format!("extract(concat({f}, {g}), 0, D)"),
                    (true, _) => format!("extract(concat({f}, {g}), D, D)"),
                    (false, choice) => format!("extract(concat({f}, {g}), {}, 3)", choice + 1),
                }
            }
            // this part is inside D*D for D = 3, but not for every D
            5 if !self.symbolic => format!("extract({}, {}, 3)", self.draw(Matrix, depth), self.choose(7)),
            5 => self.leaf(Vector),
            6 => {
                let (f, g) = (self.draw(Vector, depth), self.draw(Vector, depth));
                let part = self.pick(&["real", "imag", "complex_square_abs"]);
                let operation = self.pick(&["complex_mult", "complex_add", "complex_real_scal"]);
                match operation {
                    "complex_real_scal" => format!("{part}(complex_real_scal({f}, exp1j({g})))"),
                    _ => format!("{part}({operation}(conj(exp1j({f})), imag2complex({g})))"),
                }
            }
            7 => {
                let (f, n) = (self.draw(Vector, depth), if self.symbolic { "D" } else { "3" });
                format!("one_hot(argmax({f}), {n})")
            }
            8 | 9 if !self.symbolic => {
                let (a, f) = (self.draw(Matrix, depth), self.draw(Vector, depth));
                let axis = self.choose(2);
                format!("tensordot({a}, {f}, [3, 3], [3], [{axis}], [0])")
            }
            8 | 9 => self.leaf(Vector),
            10 => {
                self.derivatives -= 1;
                format!(
                    "grad({}, {}, {})",
                    self.draw(Scalar, depth),
                    self.pick(&["x", "y", "q"]),
                    self.draw(Scalar, depth)
                )
            }
            11 => {
                self.derivatives -= 1;
                format!("grad({}, {}, {})", self.draw(Vector, depth), self.pick(&["x", "y"]), self.draw(Vector, depth))
            }
            _ => {
                self.derivatives -= 1;
                format!("diff({}, {}, {})", self.draw(Vector, depth), self.pick(&["x", "y"]), self.draw(Vector, depth))
            }
        }
    }
}

/// The function of a drawn formula.
fn function(choices: &[u8], symbolic: bool, depth: u32) -> String {
    let mut draw = Formula { choices: choices.iter(), symbolic, derivatives: 2 };
    let dim = [Scalar, Vector, Matrix][draw.choose(3)];
    let formula = draw.draw(dim, depth);
    let (generics, d, dd) = if symbolic { ("<const D: usize>", "D", "3") } else { ("", "3", "9") };
    // with a const generic a matrix is not declared, but built
    let (a, b) = if symbolic {
        (format!("w: Pm<{dd}>, t: Vj<{dd}>, "), "let a = outer(q, x); let b = outer(y, z); let s = w + t;")
    } else {
        (format!("a: Pm<{dd}>, b: Vj<{dd}>, "), "")
    };
    format!(
        "fn f{generics}(p: Pm<1>, u: Vi<1>, v: Vj<1>, {a}q: Pm<{d}>, x: Vi<{d}>, y: Vj<{d}>, z: Vj<{d}>) -> Sum<j> \
         {{ {b} let all = p + u + v + q + x + y + z; let matrices = a + b; {formula} }}"
    )
}

proptest! {
    // PROPTEST_CASES asks for more cases
    #![proptest_config(Config { cases: 3 * Config::default().cases, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_formula_agrees_with_its_derivatives_and_its_programs(
        choices in prop::collection::vec(any::<u8>(), 0..60),
        symbolic in any::<bool>(),
        depth in 1..7_u32,
        seed in any::<u64>(),
    ) {
        let text = function(&choices, symbolic, depth);
        // a divergence that mixes components needs literal dimensions
        let checked = match super::item(&text).and_then(|item| crate::syntax::check::check(&item)) {
            Ok(checked) => checked,
            Err(e) if symbolic && e.to_string().contains("mixes components") => return Ok(()),
            Err(e) => panic!("{text}: {e}"),
        };
        sample::check(checked.graph, checked.values[0], (-1.5, 1.5), seed, &text);
    }
}

/// A derivative that is 0 because numbers of size 10⁶ cancel, up to their rounding.
#[test]
fn roundings_of_what_cancels() {
    let text = "fn f(p: Pm<1>, u: Vi<1>, v: Vj<1>, a: Pm<9>, b: Vj<9>, q: Pm<3>, x: Vi<3>, y: Vj<3>, z: Vj<3>) -> Sum<j> { \
                let all = p + u + v + q + x + y + z; let matrices = a + b; \
                (1 + v**2).pow(sqdist(q, x) / sqdist(x, q) * ((1 + 2**2).pow(0))**1 * sqdist(exp(mat_vec(a, x)), x)) }";
    let checked = checked(text);
    sample::check(checked.graph, checked.values[0], (-1.5, 1.5), 4_961_341_034_029_913_029, text);
}

/// Most drawn formulas must test something: they are differentiated at a smooth point.
#[test]
fn drawn_formulas_are_smooth_often() {
    let mut draw = sample::Draw::new(1);
    let mut seen = [0; 2];
    for n in 0..100 {
        let choices: Vec<u8> = draw.row(60, (0.0, 256.0)).into_iter().map(|x| x as u8).collect();
        let text = function(&choices, false, 5);
        let checked = checked(&text);
        let s = sample::check(checked.graph, checked.values[0], (-1.5, 1.5), n, &text);
        seen[0] += usize::from(s.first);
        seen[1] += usize::from(s.second);
    }
    assert!(seen[0] > 60 && seen[1] > 50, "of 100 formulas, {seen:?} were differentiated once and twice");
}
