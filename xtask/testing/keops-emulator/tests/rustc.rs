//! Kernels that rustc has compiled, against the same functions on the CPU. Their source is `fixtures/rust.rs`.

mod support;

use keops_emulator::{Device, Grid, Options};
use support::{Bench, quiet};

/// A device that also checks that registers are written before they are read.
fn bench() -> Bench {
    let mut device = Device::new(Options { strict_registers: true, ..quiet() });
    let module = device.load(include_str!("fixtures/rust.ptx")).unwrap_or_else(|error| panic!("{error}"));
    Bench { device, module }
}

/// Numbers that look random, in [0, 1).
fn numbers(count: usize) -> Vec<f64> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn gaussian_reduction() {
    let (m, n) = (70u32, 83u32);
    let x: Vec<f32> = numbers(3 * m as usize).iter().map(|v| *v as f32).collect();
    let y: Vec<f32> = numbers(3 * n as usize + 9).iter().skip(9).map(|v| *v as f32).collect();
    let b: Vec<f32> = numbers(n as usize + 5).iter().skip(5).map(|v| *v as f32 - 0.5).collect();
    let mut bench = bench();
    let (px, py, pb, out) =
        (bench.floats(&x), bench.floats(&y), bench.floats(&b), bench.floats(&vec![0.0; m as usize]));
    let grid = Grid { shared: 32 * 16, ..Grid::line(m.div_ceil(32), 32) };
    let pointers = [px, py, pb, out].map(u64::to_le_bytes);
    let sizes = [m, n].map(u32::to_le_bytes);
    let arguments: Vec<&[u8]> = pointers.iter().map(|p| &p[..]).chain(sizes.iter().map(|s| &s[..])).collect();
    bench.run("gauss", grid, &arguments).unwrap();
    for (i, found) in bench.get_floats(out, m as usize).into_iter().enumerate() {
        let mut wanted = 0f64;
        for j in 0..n as usize {
            let square: f64 = (0..3).map(|d| f64::from(x[3 * i + d] - y[3 * j + d]).powi(2)).sum();
            wanted += (-square).exp2() * f64::from(b[j]);
        }
        assert!((f64::from(found) - wanted).abs() < 1e-5, "{i}: {found} instead of {wanted}");
    }
    let needs = bench.device.kernel(bench.module, "gauss").and_then(|kernel| bench.device.needs(kernel)).unwrap();
    assert_eq!((needs.shared, needs.local, needs.threads), (0, 0, 1024));
}

#[test]
fn local_arrays() {
    fn helper(a: f64, b: &mut [f64; 8], k: usize) -> f64 {
        b[k & 7] += a;
        b[(k * 3) & 7] * 0.5
    }
    let n = 50usize;
    let x = numbers(n);
    let index: Vec<i32> = x.iter().map(|v| (v * 1e4) as i32 - 5000).collect();
    let mut bench = bench();
    let bytes: Vec<u8> = index.iter().flat_map(|v| v.to_le_bytes()).collect();
    let (px, pi, out) = (bench.doubles(&x), bench.put(&bytes), bench.doubles(&vec![0.0; n]));
    let arguments = [px, pi, out, n as u64].map(u64::to_le_bytes);
    bench.run("mix", Grid::line(2, 32), &arguments.each_ref().map(|a| &a[..])).unwrap();
    let found = bench.get_doubles(out, n);
    for i in 0..n {
        let mut a = [0f64; 8];
        let mut h = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for t in 0..20u32 {
            let k = index[i].rem_euclid(7) as usize + t as usize;
            h = h.rotate_left(13) ^ (k as u64);
            a[(h % 8) as usize] += x[i] * f64::from(t);
            let value = a[(k + 1) % 8];
            a[k % 8] = helper(value, &mut a, k);
        }
        let sum: f64 = a.iter().map(|v| if *v > 10.0 { v.max(1.0) } else { v.abs() }).sum();
        let wanted = sum + (h >> 40) as f64 + f64::from(h as i32 as f32);
        assert!((found[i] - wanted).abs() <= 1e-12 * wanted.abs(), "{i}: {} instead of {wanted}", found[i]);
    }
}

#[test]
fn integers_of_all_widths() {
    let n = 200usize;
    let x: Vec<i64> = numbers(n).iter().map(|v| ((v - 0.5) * 1.8e19) as i64).collect();
    let table = [3i32, -70_000, 2_000_000_000, -1, 12345];
    let mut bench = bench();
    let px = bench.words(&x.iter().map(|v| *v as u64).collect::<Vec<_>>());
    let out = bench.words(&vec![0; n]);
    let table_bytes: Vec<u8> = table.iter().flat_map(|v| v.to_le_bytes()).collect();
    let arguments: [&[u8]; 4] = [&px.to_le_bytes(), &out.to_le_bytes(), &(n as u32).to_le_bytes(), &table_bytes];
    bench.run("whole", Grid::line(4, 64), &arguments).unwrap();
    let found = bench.get_words(out, n);
    for (i, v) in x.into_iter().enumerate() {
        let mut r = i128::from(v).wrapping_mul(0x1234_5678_9abc_def0_1122_3344).wrapping_add(i128::from(v) * 7) >> 37;
        r ^= ((v as u128) << 64 | 12345) as i128 - i128::from(v);
        let t = i64::from(table[(v as u64 % 5) as usize]);
        let s = match v as u8 % 11 {
            0 => t.wrapping_mul(3),
            1 => i64::from(v as i8),
            2 => i64::from((v as i16).wrapping_mul(v as i16 >> 3)),
            3 => i64::from((v as u32).leading_zeros() + v.count_ones()) + i64::from(v.trailing_zeros()) * 100,
            4 => i64::from((v as u32).rotate_left(v as u32 & 31)),
            5 => v.wrapping_div(t | 1).wrapping_add(v % 1013),
            6 => i64::from((v as i32).saturating_add(t as i32)),
            7 => (v as u64).swap_bytes() as i64,
            8 => i64::from((v as u32).reverse_bits()),
            9 => i64::from((v as i32).wrapping_abs() as u64 as f64 as u8),
            _ => (v >> (v & 63)) ^ (((v as u64) >> 3) << (v & 31)) as i64,
        };
        let wanted = r as i64 ^ (r >> 64) as i64 ^ s;
        assert_eq!(found[i] as i64, wanted, "{i}: {v:#x}, case {}", v as u8 % 11);
    }
}

#[test]
fn float_functions() {
    let n = 100usize;
    let y: Vec<f64> = numbers(n).iter().map(|v| (v - 0.5) * 700.0).collect();
    let x: Vec<f32> = y.iter().map(|v| (v * 0.037) as f32).collect();
    let mut bench = bench();
    let (px, py, out) = (bench.floats(&x), bench.doubles(&y), bench.doubles(&vec![0.0; n]));
    let arguments: [&[u8]; 4] = [&px.to_le_bytes(), &py.to_le_bytes(), &out.to_le_bytes(), &(n as u32).to_le_bytes()];
    bench.run("floats", Grid::line(1, 128), &arguments).unwrap();
    let found = bench.get_doubles(out, n);
    for i in 0..n {
        let (a, b) = (x[i], y[i]);
        let mut s = f64::from(a.abs().sqrt()) + b.abs().sqrt();
        s += f64::from(a.mul_add(a, 0.3));
        s += b.mul_add(b, f64::from(a));
        s += f64::from(a.floor() + a.ceil() + a.trunc() + a.round_ties_even());
        s += b.floor() * b.copysign(-2.0);
        s += f64::from(a as i32) + f64::from(b as u8) + (a as i64) as f64 * 0.5 + f64::from(b as i16);
        s += f64::from(a.max(0.5) / (1.0 + a * a)) + b / (2.0 + b * b);
        s += f64::from(i as u64 as f32) + f64::from(a.clamp(-1.0, 1.0)) + if a < b as f32 { 1.0 } else { -1.0 };
        s += f64::from(a % 0.75);
        assert!((found[i] - s).abs() <= 1e-9 * s.abs(), "{i}: {} instead of {s}", found[i]);
    }
}
