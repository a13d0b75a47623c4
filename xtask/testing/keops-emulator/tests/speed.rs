//! How many instructions the interpreter runs in a second:
//! `cargo test --release --test speed -- --ignored --nocapture`.

mod support;

use std::time::Instant;

use keops_emulator::{Device, Grid, Options};
use support::Bench;

#[test]
#[ignore = "a measurement"]
fn instructions_a_second() {
    let mut device = Device::new(Options::default());
    let module = device.load(include_str!("fixtures/rust.ptx")).unwrap();
    let mut bench = Bench { device, module };
    let (m, n) = (2048u32, 2048u32);
    let values = vec![0.25f32; 3 * m as usize];
    let (px, py, pb, out) =
        (bench.floats(&values), bench.floats(&values), bench.floats(&values), bench.floats(&values));
    let grid = Grid { shared: 128 * 16, ..Grid::line(m / 128, 128) };
    let pointers = [px, py, pb, out].map(u64::to_le_bytes);
    let sizes = [m, n].map(u32::to_le_bytes);
    let arguments: Vec<&[u8]> = pointers.iter().map(|p| &p[..]).chain(sizes.iter().map(|s| &s[..])).collect();
    let start = Instant::now();
    let steps = bench.run("gauss", grid, &arguments).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("reduction in shared memory: {steps} instructions, {:.0} million a second", steps as f64 / seconds / 1e6);
    let count = 4096u64;
    let values = vec![0.25f64; count as usize];
    let indices = vec![0u8; 4 * count as usize];
    let (px, pi, out) = (bench.doubles(&values), bench.put(&indices), bench.doubles(&values));
    let arguments = [px, pi, out, count].map(u64::to_le_bytes);
    let start = Instant::now();
    let mut steps = 0;
    for _ in 0..10 {
        steps += bench.run("mix", Grid::line(32, 128), &arguments.each_ref().map(|a| &a[..])).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("local memory and calls: {steps} instructions, {:.0} million a second", steps as f64 / seconds / 1e6);
}
