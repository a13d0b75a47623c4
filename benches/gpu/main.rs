//! Computes workloads on the first CUDA device on request, for `run.py` beside this file: one line of JSON for each
//! request and each answer, in the words of `cargo xtask bench-keops`.
//!
//! `open` runs another formula, so that the driver is ready; `load` reads the inputs; `time` computes and answers with
//! the seconds, which include copying the arguments there and the result back, unless these stay `on_device`; `save` writes the last result, row after
//! row; `versions` names what computes.

use anyhow::{Context, Result, bail};
use keops::{Element, prelude::*};
use serde::Deserialize;
use serde_json::json;
use std::{
    fs,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    time::Instant,
};

/// There is no other; a call that cannot run there must fail and not be timed on the processor.
const CUDA: Device = Device::Cuda(0);

keops! {
    /// a_i = Σ_j exp(-g |x_i - y_j|²) b_j
    #[keops(cuda(D = 3), cuda(D = 10), cuda(D = 64))]
    fn gaussian<const D: usize>(g: Pm<1>, x: Vi<D>, y: Vj<D>, b: Vj<1>) -> Sum<j> { exp(-g * sqdist(x, y)) * b }

    /// a_i = log Σ_j exp(-g |x_i - y_j|²)
    fn soft_minimum(g: Pm<1>, x: Vi<3>, y: Vj<3>) -> LogSumExp<j> { -g * sqdist(x, y) }

    /// The ten nearest y_j of each x_i.
    fn nearest(x: Vi<3>, y: Vj<3>) -> ArgKMin<10, j> { sqdist(x, y) }

    /// Next to nothing.
    fn product(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y }
}

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Open,
    Load {
        workload: String,
        dim: usize,
        element: String,
        files: Vec<PathBuf>,
    },
    Time {
        #[serde(default)]
        on_device: bool,
    },
    Save {
        path: PathBuf,
    },
    Versions,
}

/// Computes a loaded workload.
type Compute<R> = Box<dyn Fn() -> Result<R, Error>>;

/// A loaded workload.
struct Job {
    /// From memory of the host to memory of the host.
    copied: Compute<Output>,
    /// With arguments and the result on the device, for the workloads that are timed so.
    on_device: Option<Compute<()>>,
}

impl Job {
    fn copied(compute: impl Fn() -> Result<Output, Error> + 'static) -> Self {
        Self { copied: Box::new(compute), on_device: None }
    }
}

/// A result as a flat list.
enum Output {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U32(Vec<u32>),
}

impl Output {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Output::F32(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Output::F64(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Output::U32(numbers) => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        }
    }
}

/// An element type in files: little-endian.
trait Number: Element {
    fn read(bytes: &[u8]) -> Vec<Self>;
    fn output(numbers: Vec<Self>) -> Output;
}

impl Number for f32 {
    fn read(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect()
    }
    fn output(numbers: Vec<f32>) -> Output {
        Output::F32(numbers)
    }
}

impl Number for f64 {
    fn read(bytes: &[u8]) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|&number| f64::from_le_bytes(number)).collect()
    }
    fn output(numbers: Vec<f64>) -> Output {
        Output::F64(numbers)
    }
}

/// The files of a workload, which has `N` variables.
fn inputs<T: Number, const N: usize>(files: &[PathBuf]) -> Result<[Vec<T>; N]> {
    let read = |path: &PathBuf| Ok(T::read(&fs::read(path).with_context(|| path.display().to_string())?));
    let arrays = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    arrays.try_into().map_err(|arrays: Vec<_>| anyhow::anyhow!("{} files instead of {N}", arrays.len()))
}

fn gaussian_job<T: Number, const D: usize>(files: &[PathBuf]) -> Result<Job> {
    let [g, x, y, b] = inputs::<T, 4>(files)?;
    let (left_x, left_y): (DeviceRows<T, D>, DeviceRows<T, D>) = (CUDA.upload(&x)?, CUDA.upload(&y)?);
    let (left_g, left_b): (DeviceRows<T, 1>, DeviceRows<T, 1>) = (CUDA.upload(&g)?, CUDA.upload(&b)?);
    let on_device = move || gaussian::<D, _>(&left_g, &left_x, &left_y, &left_b).eval_on_device().map(drop);
    let copied = Job::copied(move || {
        let rows = gaussian::<D, _>(&g, &x, &y, &b).device(CUDA).eval()?;
        Ok(T::output(rows.into_flat()))
    });
    Ok(Job { on_device: Some(Box::new(on_device)), ..copied })
}

fn gradient_job<T: Number>(files: &[PathBuf]) -> Result<Job> {
    let [g, x, y, b, e] = inputs::<T, 5>(files)?;
    Ok(Job::copied(move || {
        let rows = gaussian::<3, _>(&g, &x, &y, &b).vjp_x(&e).device(CUDA).eval()?;
        Ok(T::output(rows.into_flat()))
    }))
}

fn job<T: Number>(workload: &str, dim: usize, files: &[PathBuf]) -> Result<Job> {
    match (workload, dim) {
        ("gaussian", 3) => gaussian_job::<T, 3>(files),
        ("gaussian", 10) => gaussian_job::<T, 10>(files),
        ("gaussian", 64) => gaussian_job::<T, 64>(files),
        ("gradient", 3) => gradient_job::<T>(files),
        ("soft_minimum", 3) => {
            let [g, x, y] = inputs::<T, 3>(files)?;
            Ok(Job::copied(move || Ok(T::output(soft_minimum(&g, &x, &y).device(CUDA).eval()?.into_flat()))))
        }
        ("nearest", 3) => {
            let [x, y] = inputs::<T, 2>(files)?;
            Ok(Job::copied(move || Ok(Output::U32(nearest(&x, &y).device(CUDA).eval()?.into_flat()))))
        }
        _ => bail!("no workload {workload} with D = {dim}"),
    }
}

/// What is kept from one request to the next.
#[derive(Default)]
struct Side {
    job: Option<Job>,
    result: Option<Output>,
}

impl Side {
    fn answer(&mut self, request: &str) -> Result<serde_json::Value> {
        match serde_json::from_str(request)? {
            Request::Open => {
                product(&[1.0_f32], &[1.0]).device(CUDA).eval()?;
            }
            Request::Load { workload, dim, element, files } => {
                self.result = None;
                self.job = Some(match element.as_str() {
                    "float32" => job::<f32>(&workload, dim, &files)?,
                    "float64" => job::<f64>(&workload, dim, &files)?,
                    _ => bail!("no element type {element}"),
                });
            }
            Request::Time { on_device } => {
                let job = self.job.as_ref().context("nothing is loaded")?;
                let start = Instant::now();
                if on_device {
                    let Some(compute) = &job.on_device else { return Ok(json!({ "seconds": null })) };
                    compute()?;
                } else {
                    self.result = Some((job.copied)()?);
                }
                return Ok(json!({ "seconds": start.elapsed().as_secs_f64() }));
            }
            Request::Save { path } => self.save(&path)?,
            Request::Versions => return Ok(json!({ "versions": concat!("keops ", env!("CARGO_PKG_VERSION")) })),
        }
        Ok(json!({}))
    }

    fn save(&self, path: &Path) -> Result<()> {
        let result = self.result.as_ref().context("nothing was computed")?;
        fs::write(path, result.bytes()).with_context(|| path.display().to_string())
    }
}

fn main() -> Result<()> {
    let (mut side, mut answers) = (Side::default(), io::stdout());
    for line in io::stdin().lock().lines() {
        let answer = side.answer(&line?).unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}
