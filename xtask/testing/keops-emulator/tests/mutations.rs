//! Damaged text: it is refused, or runs to an end or a fault, and never breaks the emulator.

mod support;

use keops_emulator::{Device, Grid, Options};
use support::quiet;

#[test]
fn damaged_kernels() {
    let whole = include_str!("fixtures/rust.ptx");
    let count: u32 = std::env::var("KEOPS_EMULATOR_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let lines: Vec<&str> = whole.lines().collect();
    let mut loaded = 0;
    for _ in 0..count {
        let mut text = lines.clone();
        let damaged;
        match random(4) {
            0 => _ = text.remove(random(lines.len())),
            1 => text.insert(random(lines.len()), lines[random(lines.len())]),
            2 => text.swap(random(lines.len()), random(lines.len())),
            _ => {
                // One character of a line becomes another one of the text.
                let number = random(lines.len());
                let mut line: Vec<char> = text[number].chars().collect();
                if !line.is_empty() {
                    let place = random(line.len());
                    line[place] = char::from(whole.as_bytes()[random(whole.len())]);
                }
                damaged = line.into_iter().collect::<String>();
                text[number] = &damaged;
            }
        }
        let mut device = Device::new(Options { forgive: true, steps: 100_000, memory: 1 << 20, ..quiet() });
        let Ok(module) = device.load(&text.join("\n")) else { continue };
        loaded += 1;
        let memory = device.allocate(4096).unwrap();
        for name in ["gauss", "mix", "whole", "floats"] {
            let Ok(kernel) = device.kernel(module, name) else { continue };
            let sizes = device.parameters(kernel).unwrap();
            let values: Vec<Vec<u8>> = sizes
                .iter()
                .map(|size| match size {
                    8 => memory.to_le_bytes().to_vec(),
                    4 => 50u32.to_le_bytes().to_vec(),
                    size => vec![1; *size as usize],
                })
                .collect();
            let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            // Only that the call comes back matters.
            _ = device.launch(kernel, Grid { shared: 512, ..Grid::line(2, 32) }, &slices);
        }
    }
    assert!(loaded > count / 10, "{loaded}");
}
