//! keops as one side of `cargo xtask bench-keops`, see `bench/side.rs` for what is asked and answered.

use keops::{Element, cluster::Tree, prelude::*};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j.
    pub fn gaussian<const D: usize, const E: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<E>) -> Sum<j> {
        exp(-g * sqdist(x, y)) * b
    }

    /// a_i = Σ_j exp(-g |x_i - y_j|) b_j.
    pub fn exponential<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> {
        exp(-g * sqrt(sqdist(x, y))) * b
    }

    /// a_i = Σ_j (1 + g |x_i - y_j|) exp(-g |x_i - y_j|) b_j.
    pub fn matern<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> {
        let r = g * sqrt(sqdist(x, y));
        (1 + r) * exp(-r) * b
    }

    /// a_i = Σ_j b_j / (1 + g |x_i - y_j|²).
    pub fn rational<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { b / (1 + g * sqdist(x, y)) }

    /// a_i = log Σ_j exp(-g |x_i - y_j|²).
    pub fn soft_minimum<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>) -> LogSumExp<j> { -g * sqdist(x, y) }

    /// a_i = Σ_j exp(g (x_i|y_j)) b_j / Σ_j exp(g (x_i|y_j)).
    pub fn attention<const D: usize, const E: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<E>) -> SumSoftMaxWeight<j> {
        (g * (x | y), b)
    }

    /// The ten nearest y_j of each x_i.
    pub fn neighbours<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<10, j> { sqdist(x, y) }

    /// The ten nearest y_j of each x_i by their Manhattan distances.
    #[keops(order = 0)]
    pub fn neighbours_manhattan(x: Vi<3>, y: Vj<3>) -> ArgKMin<10, j> { sum(abs(x - y)) }

    /// The ten nearest y_j of each x_i on the earth, given latitudes and longitudes.
    #[keops(order = 0)]
    pub fn neighbours_haversine(x: Vi<2>, y: Vj<2>) -> ArgKMin<10, j> {
        let d = (x - y) / 2;
        sin(d[0]) ** 2 + cos(x[0]) * cos(y[0]) * sin(d[1]) ** 2
    }
}

type Failure = Box<dyn std::error::Error>;

/// Computes a loaded workload.
type Compute = Box<dyn Fn() -> Result<Vec<Numbers>, Failure>>;

/// A part of a result, row after row.
enum Numbers {
    Single(Vec<f32>),
    Double(Vec<f64>),
    Index(Vec<u32>),
}

/// A timer and the first instructions of a call are not what is to be measured, so short calls are repeated.
const SHORTEST: Duration = Duration::from_millis(10);

/// The call of each family of `bench/workload.rs`, in the dimensions of its workloads.
fn compute<T: Element>(family: &str, dim: usize, columns: usize, inputs: Vec<Vec<T>>) -> Result<Compute, Failure>
where
    Numbers: From<Vec<T>>,
{
    // The formula, its method and the fields of its result, for the dimensions that are named.
    macro_rules! calls {
        ($([$name:literal, $d:literal, $e:literal]: |$($variable:ident),*| $call:expr => [$($result:tt)*];)*) => {
            match (family, dim, columns) {
                $(($name, $d, $e) => {
                    let [$($variable),*] = arrays(inputs)?;
                    Ok(Box::new(move || calls!(@result $call.eval()?, $($result)*)))
                })*
                _ => Err(format!("unknown workload {family:?} with D = {dim}, E = {columns}").into()),
            }
        };
        (@result $result:expr, flat) => { Ok(vec![$result.into_flat().into()]) };
        (@result $result:expr, $($field:ident)*) => {{
            let all = $result;
            Ok(vec![$(all.$field.into_flat().into()),*])
        }};
    }
    if family == "neighbours_one_by_one" {
        let [x, y] = arrays(inputs)?;
        let tree = Tree::new(rows::<T, 3>(&y))?;
        return Ok(Box::new(move || {
            let mut all = Vec::with_capacity(x.len() / 3 * 10);
            for row in rows::<T, 3>(&x) {
                all.extend_from_slice(neighbours(std::slice::from_ref(row), &tree).eval()?[..].as_flattened());
            }
            Ok(vec![all.into()])
        }));
    }
    calls! {
        ["gaussian", 1, 1]: |g, x, y, b| gaussian(&g, rows::<T, 1>(&x), rows(&y), rows::<T, 1>(&b)) => [flat];
        ["gaussian", 3, 1]: |g, x, y, b| gaussian(&g, rows::<T, 3>(&x), rows(&y), rows::<T, 1>(&b)) => [flat];
        ["gaussian", 10, 1]: |g, x, y, b| gaussian(&g, rows::<T, 10>(&x), rows(&y), rows::<T, 1>(&b)) => [flat];
        ["gaussian", 64, 1]: |g, x, y, b| gaussian(&g, rows::<T, 64>(&x), rows(&y), rows::<T, 1>(&b)) => [flat];
        ["gaussian", 100, 1]: |g, x, y, b| gaussian(&g, rows::<T, 100>(&x), rows(&y), rows::<T, 1>(&b)) => [flat];
        ["gaussian", 784, 1]: |g, x, y, b| gaussian(&g, rows::<T, 784>(&x), rows(&y), rows::<T, 1>(&b)) => [flat];
        ["gaussian", 3, 100]: |g, x, y, b| gaussian(&g, rows::<T, 3>(&x), rows(&y), rows::<T, 100>(&b)) => [flat];
        ["gaussian_batches", 3, 1]: |g, x, y, b| gaussian(
            &g,
            batched(rows::<T, 3>(&x), [1_000]),
            batched(rows(&y), [1_000]),
            batched(rows::<T, 1>(&b), [1_000])
        ) => [flat];
        ["gaussian_x", 3, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 3>(&x), rows(&y), rows::<T, 1>(&b)).vjp_x(&e) => [flat];
        ["gaussian_x", 10, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 10>(&x), rows(&y), rows::<T, 1>(&b)).vjp_x(&e) => [flat];
        ["gaussian_x", 64, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 64>(&x), rows(&y), rows::<T, 1>(&b)).vjp_x(&e) => [flat];
        ["gaussian_x", 784, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 784>(&x), rows(&y), rows::<T, 1>(&b)).vjp_x(&e) => [flat];
        ["gaussian_all", 3, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 3>(&x), rows(&y), rows::<T, 1>(&b)).vjp(&e) => [x y b g];
        ["gaussian_all", 10, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 10>(&x), rows(&y), rows::<T, 1>(&b)).vjp(&e) => [x y b g];
        ["gaussian_all", 64, 1]: |g, x, y, b, e|
            gaussian(&g, rows::<T, 64>(&x), rows(&y), rows::<T, 1>(&b)).vjp(&e) => [x y b g];
        ["laplacian", 3, 1]: |g, x, y, b| exponential(&g, rows::<T, 3>(&x), rows(&y), &b) => [flat];
        ["matern", 3, 1]: |g, x, y, b| matern(&g, rows::<T, 3>(&x), rows(&y), &b) => [flat];
        ["cauchy", 3, 1]: |g, x, y, b| rational(&g, rows::<T, 3>(&x), rows(&y), &b) => [flat];
        ["soft_minimum", 3, 1]: |g, x, y| soft_minimum(&g, rows::<T, 3>(&x), rows(&y)) => [flat];
        ["attention", 64, 64]: |g, x, y, b| attention(&g, rows::<T, 64>(&x), rows(&y), rows::<T, 64>(&b)) => [flat];
        ["neighbours", 3, 1]: |x, y| neighbours(rows::<T, 3>(&x), rows(&y)) => [flat];
        ["neighbours", 10, 1]: |x, y| neighbours(rows::<T, 10>(&x), rows(&y)) => [flat];
        ["neighbours", 64, 1]: |x, y| neighbours(rows::<T, 64>(&x), rows(&y)) => [flat];
        ["neighbours_manifold", 10, 1]: |x, y| neighbours(rows::<T, 10>(&x), rows(&y)) => [flat];
        ["neighbours_manhattan", 3, 1]: |x, y| neighbours_manhattan(rows::<T, 3>(&x), rows(&y)) => [flat];
        ["neighbours_haversine", 2, 1]: |x, y| neighbours_haversine(rows::<T, 2>(&x), rows(&y)) => [flat];
    }
}

fn arrays<T, const N: usize>(inputs: Vec<Vec<T>>) -> Result<[Vec<T>; N], Failure> {
    inputs.try_into().map_err(|inputs: Vec<_>| format!("{} arrays instead of {N}", inputs.len()).into())
}

/// Numbers as rows of `D`.
fn rows<T, const D: usize>(numbers: &[T]) -> &[[T; D]] {
    numbers.as_chunks().0
}

impl From<Vec<f32>> for Numbers {
    fn from(numbers: Vec<f32>) -> Self {
        Numbers::Single(numbers)
    }
}

impl From<Vec<f64>> for Numbers {
    fn from(numbers: Vec<f64>) -> Self {
        Numbers::Double(numbers)
    }
}

impl From<Vec<u32>> for Numbers {
    fn from(numbers: Vec<u32>) -> Self {
        Numbers::Index(numbers)
    }
}

impl Numbers {
    /// As `f64`, in bytes.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Numbers::Single(numbers) => numbers.iter().flat_map(|&number| f64::from(number).to_le_bytes()).collect(),
            Numbers::Double(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Numbers::Index(numbers) => numbers.iter().flat_map(|&number| f64::from(number).to_le_bytes()).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Load { family: String, dim: usize, columns: usize, element: Type, files: Vec<File> },
    Time,
    Save { path: PathBuf },
    Versions,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Float32,
    Float64,
}

#[derive(Deserialize)]
struct File {
    path: PathBuf,
}

#[derive(Serialize, Default)]
struct Answer {
    seconds: Option<f64>,
    versions: Option<Vec<String>>,
    error: Option<String>,
}

/// What is loaded.
#[derive(Default)]
struct State {
    compute: Option<Compute>,
    result: Vec<Numbers>,
}

impl State {
    fn answer(&mut self, request: Request) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        match request {
            Request::Load { family, dim, columns, element, files } => {
                *self = State::default();
                let compute = match element {
                    Type::Float32 => compute::<f32>(&family, dim, columns, read(&files, f32::from_le_bytes)?)?,
                    Type::Float64 => compute::<f64>(&family, dim, columns, read(&files, f64::from_le_bytes)?)?,
                };
                self.result = compute()?;
                self.compute = Some(compute);
            }
            Request::Time => {
                let compute = self.compute.as_ref().ok_or("nothing is loaded")?;
                let (mut calls, start) = (0, Instant::now());
                let passed = loop {
                    self.result = compute()?;
                    calls += 1;
                    let passed = start.elapsed();
                    if passed >= SHORTEST {
                        break passed;
                    }
                };
                answer.seconds = Some(passed.as_secs_f64() / f64::from(calls));
            }
            Request::Save { path } => {
                let bytes: Vec<u8> = self.result.iter().flat_map(Numbers::bytes).collect();
                fs::write(path, bytes)?;
            }
            Request::Versions => answer.versions = Some(vec![format!("keops {}", env!("CARGO_PKG_VERSION"))]),
        }
        Ok(answer)
    }
}

fn read<T, const BYTES: usize>(files: &[File], number: fn([u8; BYTES]) -> T) -> Result<Vec<Vec<T>>, Failure> {
    let read = |file: &File| Ok(fs::read(&file.path)?.as_chunks().0.iter().map(|&bytes| number(bytes)).collect());
    files.iter().map(read).collect()
}

fn main() -> Result<(), Failure> {
    let mut state = State::default();
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?).map_err(Failure::from).and_then(|request| state.answer(request));
        let answer = answer.unwrap_or_else(|error| Answer { error: Some(error.to_string()), ..Answer::default() });
        let mut output = std::io::stdout().lock();
        writeln!(output, "{}", serde_json::to_string(&answer)?)?;
        output.flush()?;
    }
    Ok(())
}
