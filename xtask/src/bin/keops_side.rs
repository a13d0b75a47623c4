//! keops as one side of `cargo xtask bench-keops`, see `bench/side.rs` for what is asked and answered.

use keops::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead, Write},
    path::PathBuf,
    time::Instant,
};

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j.
    pub fn gaussian<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }
}

type Failure = Box<dyn std::error::Error>;

/// Computes a loaded workload: the result, row after row.
type Compute = Box<dyn Fn() -> Result<Vec<f32>, Failure>>;

/// The function of each workload of `bench/workload.rs`.
fn compute(name: &str, inputs: Vec<Vec<f32>>) -> Result<Compute, Failure> {
    match name {
        "gaussian_d3_f32" => {
            let [g, x, y, b] = arrays(inputs)?;
            Ok(Box::new(move || Ok(gaussian(g[0], rows::<3>(&x), rows::<3>(&y), &b).eval()?.into_flat())))
        }
        _ => Err(format!("unknown workload {name:?}").into()),
    }
}

fn arrays<const N: usize>(inputs: Vec<Vec<f32>>) -> Result<[Vec<f32>; N], Failure> {
    inputs.try_into().map_err(|inputs: Vec<_>| format!("{} arrays instead of {N}", inputs.len()).into())
}

/// Numbers as rows of `D`.
fn rows<const D: usize>(numbers: &[f32]) -> &[[f32; D]] {
    numbers.as_chunks().0
}

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Load { name: String, files: Vec<File> },
    Time,
    Save { path: PathBuf },
    Versions,
}

#[derive(Deserialize)]
struct File {
    path: PathBuf,
}

#[derive(Serialize, Default)]
struct Answer {
    seconds: Option<f64>,
    versions: Option<String>,
    error: Option<String>,
}

/// What is loaded.
#[derive(Default)]
struct State {
    compute: Option<Compute>,
    result: Vec<f32>,
}

impl State {
    fn answer(&mut self, request: Request) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        match request {
            Request::Load { name, files } => {
                let inputs = files.iter().map(read).collect::<Result<_, _>>()?;
                let compute = compute(&name, inputs)?;
                self.result = compute()?;
                self.compute = Some(compute);
            }
            Request::Time => {
                let compute = self.compute.as_ref().ok_or("nothing is loaded")?;
                let start = Instant::now();
                self.result = compute()?;
                answer.seconds = Some(start.elapsed().as_secs_f64());
            }
            Request::Save { path } => {
                let bytes: Vec<u8> = self.result.iter().flat_map(|value| value.to_le_bytes()).collect();
                fs::write(path, bytes)?;
            }
            Request::Versions => answer.versions = Some(format!("keops {}", env!("CARGO_PKG_VERSION"))),
        }
        Ok(answer)
    }
}

fn read(file: &File) -> Result<Vec<f32>, Failure> {
    let bytes = fs::read(&file.path)?;
    Ok(bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect())
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
