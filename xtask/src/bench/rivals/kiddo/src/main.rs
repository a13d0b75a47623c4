//! kiddo as one side of `cargo xtask bench-keops`, see `bench/side.rs` for what is asked and answered: its immutable k-d tree, with
//! batches of queries on all threads. Building the tree is part of a search, except for the queries that come one by one.

use std::{
    fs,
    io::{BufRead, Write},
    num::NonZero,
    path::PathBuf,
    time::{Duration, Instant},
};

use kiddo::{ImmutableKdTree, Manhattan, SquaredEuclidean};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn std::error::Error>;
type Row = [u32; COUNT];
type Compute = Box<dyn Fn() -> Result<Vec<Row>, Failure>>;

/// The number of neighbours.
const COUNT: usize = 10;
/// Short calls are repeated.
const SHORTEST: Duration = Duration::from_millis(10);

#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Load { family: String, dim: usize, element: Type, files: Vec<File> },
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

/// The search of a family of `bench/workload.rs`, in the dimensions of its workloads.
fn search(family: &str, dim: usize, element: &Type, files: &[File]) -> Result<Compute, Failure> {
    let count = NonZero::new(COUNT).ok_or("no neighbours")?;
    let [x, y] = files else { return Err("two arrays are needed".into()) };
    let [x, y] = [fs::read(&x.path)?, fs::read(&y.path)?];
    macro_rules! search {
        ($($type:ident, $number:ident, $d:literal;)*) => {
            match (element, dim) {
                $((Type::$type, $d) => {
                    let points = |bytes: &[u8]| {
                        let numbers: Vec<$number> = bytes.as_chunks().0.iter().map(|&b| $number::from_le_bytes(b)).collect();
                        numbers.as_chunks::<$d>().0.to_vec()
                    };
                    let (x, y) = (points(&x), points(&y));
                    let tree = |y: &[[$number; $d]]| ImmutableKdTree::<$number, $d>::new_from_slice(y);
                    macro_rules! all {
                        ($metric:ident) => {
                            Ok(Box::new(move || {
                                let tree = tree(&y)?;
                                let found = tree.query_batch(&x).nearest_n::<$metric<$number>>(count).execute();
                                Ok(found.iter().map(|found| row(found.iter().map(|near| near.item as u32))).collect())
                            }))
                        };
                    }
                    match family {
                        "neighbours_one_by_one" => {
                            let tree = tree(&y)?;
                            Ok(Box::new(move || {
                                let nearest = |x| tree.query(x).nearest_n::<SquaredEuclidean<$number>>(count).execute();
                                Ok(x.iter().map(|x| row(nearest(x).iter().map(|near| near.item as u32))).collect())
                            }))
                        }
                        "neighbours_manhattan" => all!(Manhattan),
                        _ => all!(SquaredEuclidean),
                    }
                })*
                _ => Err(format!("no tree for D = {dim}").into()),
            }
        };
    }
    search! {
        Float32, f32, 3;
        Float32, f32, 10;
        Float32, f32, 64;
        Float64, f64, 3;
        Float64, f64, 10;
        Float64, f64, 64;
    }
}

/// The numbers of the neighbours of a point.
fn row(found: impl Iterator<Item = u32>) -> Row {
    let mut row = [u32::MAX; COUNT];
    row.iter_mut().zip(found).for_each(|(to, number)| *to = number);
    row
}

/// What is loaded.
#[derive(Default)]
struct State {
    compute: Option<Compute>,
    result: Vec<Row>,
}

impl State {
    fn answer(&mut self, request: Request) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        match request {
            Request::Load { family, dim, element, files } => {
                *self = Self::default();
                let compute = search(&family, dim, &element, &files)?;
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
                let numbers = self.result.as_flattened().iter();
                fs::write(path, numbers.flat_map(|&row| f64::from(row).to_le_bytes()).collect::<Vec<u8>>())?;
            }
            Request::Versions => answer.versions = Some(vec!["kiddo 6.3.0".to_owned()]),
        }
        Ok(answer)
    }
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
