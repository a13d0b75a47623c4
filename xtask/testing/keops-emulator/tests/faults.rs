//! Every kind of fault, with its number and its text.

mod support;

use keops_emulator::{Device, Error, Grid, Options};
use support::{Bench, HEAD, kernel, quiet};

/// Runs `k` with eight words in and out.
fn fault(options: Options, body: &str, threads: u32) -> Error {
    let mut bench = Bench::with(options, &kernel(body));
    let (a, b) = (bench.words(&[1; 8]), bench.words(&[0; 8]));
    let grid = Grid::line(1, threads);
    let error = bench.run("k", grid, &[&a.to_le_bytes(), &b.to_le_bytes()]).unwrap_err();
    assert_eq!(bench.device.last_error(), error.text);
    // The fault stays.
    assert_eq!(bench.device.allocate(8).unwrap_err(), error);
    error
}

fn expect(body: &str, threads: u32, code: u32, parts: &[&str]) {
    let error = fault(quiet(), body, threads);
    assert_eq!(error.code, code, "{error}");
    for part in parts {
        assert!(error.text.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn out_of_bounds() {
    let place = [
        "out of bounds: byte 64 of the 64 bytes",
        "kernel k",
        "block [0, 0, 0]",
        "thread [0, 0, 0]",
        "ld.global.b64 %rd3, [%rd1+64];",
    ];
    expect("ld.global.b64 %rd3, [%rd1+64];", 1, 700, &place);
    expect("st.global.b32 [%rd2+-4], 1;", 1, 700, &["byte -4 of the 64 bytes"]);
    expect("mov.b64 %rd3, 0; ld.u32 %r1, [%rd3];", 1, 700, &["no memory there"]);
    expect(".shared .align 4 .b8 s[16]; st.shared.u32 [s+16], 1;", 1, 700, &["of 16 bytes of shared memory"]);
    expect(".local .align 4 .b8 l[16]; st.local.u32 [l+16], 1;", 1, 700, &["local memory"]);
}

#[test]
fn use_after_free() {
    let mut bench = Bench::new(&kernel("ld.global.b64 %rd3, [%rd1+8];"));
    let (a, b) = (bench.words(&[1, 2]), bench.words(&[0]));
    bench.device.free(a).unwrap();
    let error = bench.run("k", Grid::line(1, 1), &[&a.to_le_bytes(), &b.to_le_bytes()]).unwrap_err();
    assert_eq!(error.code, 700);
    assert!(error.text.contains("use after free: byte 8 of the 16 bytes"), "{error}");
}

#[test]
fn misaligned() {
    expect("ld.global.b64 %rd3, [%rd1+4];", 1, 716, &["not a multiple of 8"]);
    expect("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1+8];", 1, 716, &["not a multiple of 16"]);
}

#[test]
fn unwritten_shared() {
    expect(
        ".shared .align 4 .b8 s[16]; st.shared.u16 [s], 1; ld.shared.u32 %r1, [s];",
        1,
        719,
        &["byte 0x2", "has not written"],
    );
}

#[test]
fn races() {
    let race = ".shared .align 4 .b8 s[16]; mov.u32 %r1, %tid.x; st.shared.u32 [s], %r1;";
    expect(race, 2, 719, &["data race", "thread 0 wrote", "thread 1 writes"]);
    let read = ".shared .align 4 .b8 s[16]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd3, %r1, 4; mov.u64 %rd4, s; \
                add.s64 %rd4, %rd4, %rd3; st.shared.u32 [%rd4], 1; bar.sync 0; ld.shared.u32 %r2, [s]; \
                setp.eq.u32 %p1, %r1, 2; @%p1 st.shared.u32 [s], 2;";
    expect(read, 3, 719, &["data race", "thread 0 read", "thread 2 writes"]);
    let fine = format!("{} bar.sync 0; @%p1 st.shared.u32 [s], 3;", read.replace("@%p1 st.shared.u32 [s], 2;", ""));
    let mut bench = Bench::new(&kernel(&fine));
    bench.run("k", Grid::line(4, 3), &[&[0; 8], &[0; 8]]).unwrap();
}

#[test]
fn divergence() {
    expect(
        "mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; @%p1 ret; bar.sync 0;",
        2,
        719,
        &["barrier divergence", "has ended"],
    );
    let two = "mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; @%p1 bra other; bar.sync 0; ret; other: bar.sync 0;";
    expect(two, 2, 719, &["barrier divergence", "waits at the barrier in line"]);
}

#[test]
fn traps_and_loops() {
    expect("trap;", 1, 719, &["trap", "PTX line"]);
    let options = Options { steps: 1000, ..quiet() };
    assert_eq!(fault(options, "again: bra again;", 1).code, 702);
    let text = format!(".func f() {{ call f; ret; }} {}", kernel("call f;"));
    let error = Bench::new(&text).run("k", Grid::line(1, 1), &[&[0; 8], &[0; 8]]).unwrap_err();
    assert_eq!(error.code, 719, "{error}");
}

#[test]
fn unwritten_registers() {
    let strict = Options { strict_registers: true, ..quiet() };
    let error = fault(strict.clone(), "add.s32 %r1, %r2, 1;", 1);
    assert_eq!(error.code, 719);
    let mut bench = Bench::with(strict, &kernel("mov.b32 %r2, %tid.x; add.s32 %r1, %r2, 1;"));
    bench.run("k", Grid::line(1, 2), &[&[0; 8], &[0; 8]]).unwrap();
    // Without the option the register is 0.
    Bench::new(&kernel("add.s32 %r1, %r2, 1;")).run("k", Grid::line(1, 1), &[&[0; 8], &[0; 8]]).unwrap();
}

#[test]
fn forgiven() {
    let mut bench = Bench::with(Options { forgive: true, ..quiet() }, &kernel("trap;"));
    assert_eq!(bench.run("k", Grid::line(1, 1), &[&[0; 8], &[0; 8]]).unwrap_err().code, 719);
    bench.device.allocate(8).unwrap();
}

#[test]
fn launches_that_are_refused() {
    let mut bench =
        Bench::new(&format!(".extern .shared .align 16 .b8 pool[];\n{}", kernel("st.shared.u32 [pool], 1;")));
    let kernel = bench.device.kernel(bench.module, "k").unwrap();
    let mut code = |grid: Grid, bytes: &[u8]| bench.device.launch(kernel, grid, &[bytes, bytes]).map_err(|e| e.code);
    let one = Grid { shared: 16, ..Grid::line(1, 1) };
    assert_eq!(code(Grid::line(0, 1), &[0; 8]), Err(1));
    assert_eq!(code(Grid::line(1, 1025), &[0; 8]), Err(1));
    assert_eq!(code(one, &[0; 4]), Err(1));
    assert_eq!(code(Grid { shared: 50_000, ..one }, &[0; 8]), Err(1));
    assert!(code(one, &[0; 8]).is_ok());
    bench.device.allow_shared(kernel, 100_000).unwrap();
    bench.device.launch(kernel, Grid { shared: 100_000, ..one }, &[&[0; 8], &[0; 8]]).unwrap();
    assert_eq!(bench.device.allow_shared(kernel, 300_000).unwrap_err().code, 1);
    assert_eq!(bench.device.kernel(bench.module, "other").unwrap_err().code, 500);
}

#[test]
fn malformed_text() {
    let bad = [
        "frobnicate.u32 %r1, %r2;",
        "add.rz.f32 %f1, %f2, %f3;",
        "shfl.sync.bfly.b32 %r1, %r2, 1, 31, -1;",
        "add.s32 %r1, %r2;",
        "add.s32 %r1, %r2, %r99;",
        "add.s32 %rd1, %r2, %r3;",
        "add.f32 %f1, %f2, 1;",
        "bra nowhere;",
        "call missing;",
        "ld.global.b64 %rd3, %rd1;",
        "cvt.f32.f64 %f1, %fd1;",
        "cvt.rn.f32.f64 %f1, %fd1",
        "mov.u32 %r1, %nothing;",
        "@%r1 ret;",
        "{ .reg .b32 x;",
        "$$$ ???",
    ];
    for body in bad {
        let text = format!("{HEAD}{}", kernel(body));
        let error = Device::new(quiet()).load(&text).expect_err(body);
        assert_eq!(error.code, 218, "{error}");
        assert!(error.text.starts_with("PTX line "), "{error}");
    }
    let error =
        Device::new(quiet()).load(&format!("{HEAD}{}", kernel("shfl.sync.bfly.b32 %r1, %r2, 1, 31, -1;"))).unwrap_err();
    assert_eq!(error.text, "PTX line 9: unknown instruction shfl.sync.bfly.b32 with 5 operands");
    // Any cut of good text is refused or read, without a panic.
    let whole = include_str!("fixtures/rust.ptx");
    for cut in (0..whole.len()).step_by(97) {
        _ = Device::new(quiet()).load(whole.get(..cut).unwrap_or(""));
    }
}

/// The memory of a kernel and of what it calls counts together, as the driver has it.
#[test]
fn too_much_local_memory() {
    let called = ".func f() { .local .align 8 .b8 own[300000]; .reg .b64 %rd<2>; ld.local.u64 %rd1, [own]; ret; }\n";
    let launched = |bytes: u32| {
        let body = format!(".local .align 8 .b8 l[{bytes}]; st.local.u32 [l], 1; call f, ();");
        let text = kernel(&body).replacen(".visible", &format!("{called}.visible"), 1);
        let mut bench = Bench::with(quiet(), &text);
        let (a, b) = (bench.words(&[1]), bench.words(&[0]));
        bench.run("k", Grid::line(1, 1), &[&a.to_le_bytes(), &b.to_le_bytes()])
    };
    launched(224_288).unwrap();
    let error = launched(224_296).unwrap_err();
    assert_eq!(error.code, 1);
    assert!(error.text.contains("524296 bytes of local memory for each thread, of at most 524288"), "{error}");
}
