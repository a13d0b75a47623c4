//! A file that does not fit into memory: sums over all rows of a memory-mapped `.npy` file, and the nearest of them.
//!
//! ```text
//! cargo run --release --example memory_map [rows]
//! ```
//!
//! The program writes a file of 90 million points (unless told otherwise), 1.1 GB, as `numpy.save` would. It then starts itself again
//! with an address space of a tenth of the file, which cannot even map it as a whole, by the shell's `ulimit -v`. There `in_chunks`
//! goes over the file in windows of a few megabytes: while one is computed, the next one is mapped and read by another thread. Results
//! are compared with plain `f64` loops.
//!
//! Most of the points are 0, so that the file takes a few blocks of the disk; some thousands are not.

use std::{
    env, fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use keops::{in_chunks, prelude::*};
use memmap2::{Mmap, MmapOptions};

keops! {
    /// a_i = Σ_j exp(-|x_i - y_j|²)
    #[keops(order = 0)]
    pub fn density(x: Vi<3>, y: Vj<3>) -> Sum<j> { exp(-sqdist(x, y)) }
    /// The nearest of all y.
    #[keops(order = 0)]
    pub fn nearest(x: Vi<3>, y: Vj<3>) -> ArgMin<j> { sqdist(x, y) }
}

/// The rows of a window.
const WINDOW: u64 = 1 << 18;
/// The points at which densities are computed.
const TARGETS: [[f32; 3]; 2] = [[0.25, 0.5, 0.75], [2.0, 1.0, 1.5]];
/// From one point that is not 0 to the next there are this many rows.
const STEP: u64 = 30_011;

/// The point of a row.
fn point(row: u64) -> [f32; 3] {
    if row.is_multiple_of(STEP) { [1, 3, 7].map(|factor| (factor * row % 1009) as f32 / 500.0) } else { [0.0; 3] }
}

/// A `.npy` file of rows of three `f32`.
struct Npy {
    file: fs::File,
    /// Where the numbers begin.
    start: u64,
    rows: u64,
}

impl Npy {
    /// Writes a file of this many rows.
    fn write(path: &Path, rows: u64) -> Result<()> {
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 3), }}");
        while !(10 + header.len() + 1).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut file = fs::File::create(path)?;
        file.write_all(b"\x93NUMPY\x01\x00")?;
        file.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        let start = file.stream_position()?;
        file.set_len(start + rows * 12)?;
        for row in (0..rows).step_by(STEP as usize) {
            file.seek(SeekFrom::Start(start + row * 12))?;
            file.write_all(&point(row).map(f32::to_le_bytes).concat())?;
        }
        Ok(())
    }

    fn open(path: &Path) -> Result<Self> {
        let mut file = fs::File::open(path)?;
        let mut begin = [0; 10];
        file.read_exact(&mut begin)?;
        ensure!(begin.starts_with(b"\x93NUMPY\x01"), "no .npy file of version 1");
        let len = u16::from_le_bytes([begin[8], begin[9]]);
        let mut header = vec![0; len.into()];
        file.read_exact(&mut header)?;
        let header = String::from_utf8(header)?;
        ensure!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "no rows of f32: {header}");
        let (_, shape) = header.split_once("'shape': (").context("no shape")?;
        let (rows, rest) = shape.split_once(',').context("no rows")?;
        ensure!(rest.trim_start().starts_with("3)"), "no rows of three numbers: {header}");
        let (start, rows) = (10 + u64::from(len), rows.trim().parse()?);
        ensure!(file.metadata()?.len() >= start + rows * 12, "the file ends before its last row");
        Ok(Self { file, start, rows })
    }

    /// All rows, a window at a time.
    fn windows(&self) -> impl Iterator<Item = Result<Window>> {
        (0..self.rows).step_by(WINDOW as usize).map(|first| {
            let rows = WINDOW.min(self.rows - first);
            let mut options = MmapOptions::new();
            // read here, and not when the numbers are used
            options.offset(self.start + first * 12).len(usize::try_from(rows * 12)?).populate();
            // SAFETY: nobody writes to the file while the program runs.
            Ok(Window(unsafe { options.map(&self.file) }?))
        })
    }
}

/// Some rows of the file.
struct Window(Mmap);

impl Window {
    fn rows(&self) -> &[[f32; 3]] {
        // the header is a multiple of 64 bytes long, so numbers are where numbers of 4 bytes may be
        bytemuck::cast_slice(&self.0)
    }
}

/// Computes the densities and the nearest points, and prints them, in the process that has little memory.
fn compute(path: &Path) -> Result<()> {
    let file = Npy::open(path)?;
    let sums = in_chunks(|| file.windows(), |y, before| density(&TARGETS, y.rows()).partial_after(before))?;
    let rows = in_chunks(|| file.windows(), |y, before| nearest(&TARGETS, y.rows()).partial_after(before))?;
    for ([sum], [row]) in sums.iter().zip(rows.iter()) {
        println!("{sum} {row}");
    }
    Ok(())
}

/// What plain loops find of the points that [`Npy::write`] writes: sums, and the row numbers of the nearest.
fn expected(rows: u64) -> Vec<(f64, u64)> {
    let others = (0..rows).step_by(STEP as usize);
    let of_target = |target: &[f32; 3]| {
        let distance = |point: [f32; 3]| -> f64 {
            target.iter().zip(point).map(|(a, b)| (f64::from(*a) - f64::from(b)).powi(2)).sum()
        };
        let zeros = (rows - others.clone().count() as u64) as f64 * (-distance([0.0; 3])).exp();
        let sum = others.clone().map(|row| (-distance(point(row))).exp()).sum::<f64>() + zeros;
        let nearest = others.clone().chain([1]).min_by(|&a, &b| distance(point(a)).total_cmp(&distance(point(b))));
        (sum, nearest.unwrap_or(0))
    };
    TARGETS.iter().map(of_target).collect()
}

/// This program for a file, with so many kibibytes of address space.
fn limited(path: &Path, kibibytes: u64) -> Result<Command> {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v \"$1\" && shift && exec \"$@\"", "sh", &kibibytes.to_string()]);
    command.arg(env::current_exe()?).arg("--file").arg(path);
    // stacks and heaps of threads are address space, too
    command.env("RAYON_NUM_THREADS", "2").env("MALLOC_ARENA_MAX", "1");
    Ok(command)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [flag, path] = &arguments[..]
        && flag == "--file"
    {
        return compute(Path::new(path));
    }
    let rows = arguments.first().map_or(Ok(90_000_000), |rows| rows.parse())?;
    let path: PathBuf = env::temp_dir().join(format!("keops-memory-map-{}.npy", std::process::id()));
    Npy::write(&path, rows)?;
    let kibibytes = rows * 12 / 10 / 1024;
    let start = Instant::now();
    let output = limited(&path, kibibytes)?.output();
    let seconds = start.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    let output = output.context("the shell `sh` limits the memory")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let found = text.lines().map(|line| line.split_once(' ').context("a sum and a row number"));
    let found = found.collect::<Result<Vec<_>>>()?;
    ensure!(found.len() == TARGETS.len(), "a line for each target");
    for ((sum, row), (expected_sum, expected_row)) in found.iter().zip(expected(rows)) {
        let off = (sum.parse::<f64>()? - expected_sum).abs() / expected_sum;
        println!("density {sum}, nearest row {row}");
        ensure!(off < 1e-6 && row.parse::<u64>()? == expected_row, "expected {expected_sum} and {expected_row}");
    }
    let megabytes = rows * 12 / 1_000_000;
    println!("{megabytes} MB of points gone over twice in {seconds:.1} s, in {} MB of address space", kibibytes / 1000);
    Ok(())
}
