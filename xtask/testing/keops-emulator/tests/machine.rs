//! Kernels: memory of all kinds, barriers, calls, predicates, loops.

mod support;

use keops_emulator::{Device, Grid, Options};
use support::{Bench, kernel, quiet};

#[test]
fn vector_sum() {
    let text = r"
    .visible .entry sum(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)
    .maxntid 64, 1, 1
    {
        .reg .pred %p<2>; .reg .b32 %r<6>; .reg .f32 %f<4>; .reg .b64 %rd<11>;
        ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b]; ld.param.u64 %rd3, [c]; ld.param.u32 %r2, [n];
        mov.u32 %r3, %ntid.x; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %tid.x;
        mad.lo.s32 %r1, %r4, %r3, %r5; // the index
        setp.ge.u32 %p1, %r1, %r2;
        @%p1 bra $L_end;
        cvta.to.global.u64 %rd4, %rd1;
        mul.wide.u32 %rd5, %r1, 4;
        add.s64 %rd6, %rd4, %rd5; add.s64 %rd7, %rd2, %rd5; add.s64 %rd8, %rd3, %rd5;
        ld.global.nc.f32 %f1, [%rd6]; ld.global.f32 %f2, [%rd7];
        add.rn.f32 %f3, %f1, %f2;
        st.global.f32 [%rd8], %f3;
    $L_end: /* nothing
               more */
        ret;
    }";
    let mut bench = Bench::new(text);
    let n = 100u32;
    let x: Vec<f32> = (0..n).map(|i| i as f32 * 0.5).collect();
    let (a, b, c) = (bench.floats(&x), bench.floats(&x), bench.floats(&x));
    let arguments: [&[u8]; 4] = [&a.to_le_bytes(), &b.to_le_bytes(), &c.to_le_bytes(), &n.to_le_bytes()];
    bench.run("sum", Grid::line(4, 32), &arguments).unwrap();
    assert_eq!(bench.get_floats(c, 100), (0..n).map(|i| i as f32).collect::<Vec<_>>());
    let large = bench.run("sum", Grid::line(1, 96), &arguments).unwrap_err();
    assert_eq!(large.code, 1);
    assert_eq!(bench.device.live_bytes(), 1200);
    bench.device.free(a).unwrap();
    assert_eq!(bench.device.live_bytes(), 800);
}

#[test]
fn shared_reversal_with_vectors() {
    let text = r"
    .extern .shared .align 16 .b8 pool[];
    .visible .entry back(.param .u64 a, .param .u64 b)
    {
        .reg .b32 %r<9>; .reg .f32 %f<9>; .reg .b64 %rd<9>;
        .shared .align 4 .b8 first[8];
        ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b];
        mov.u32 %r1, %tid.x; mov.u32 %r2, %ntid.x;
        mul.wide.u32 %rd3, %r1, 16;
        add.s64 %rd4, %rd1, %rd3;
        ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd4];
        mov.u64 %rd5, pool;
        cvt.u32.u64 %r3, %rd5;
        shl.b32 %r4, %r1, 4; add.s32 %r5, %r3, %r4;
        st.shared.v4.f32 [%r5], {%f1, %f2, %f3, %f4};
        bar.sync 0;
        sub.s32 %r6, %r2, %r1; add.s32 %r6, %r6, -1;
        shl.b32 %r6, %r6, 4; add.s32 %r7, %r3, %r6;
        ld.shared.v4.f32 {%f5, %f6, %f7, _}, [%r7];
        ld.shared.f32 %f8, [%r7+12];
        add.s64 %rd6, %rd2, %rd3;
        st.global.v4.f32 [%rd6], {%f8, %f7, %f6, %f5};
        st.shared.u32 [first], %r1;
        ret;
    }";
    // The write to `first` by all threads would be a race, so one thread runs that far.
    let text = text.replace("st.shared.u32 [first], %r1;", "setp.eq.u32 p, %r1, 0; @p st.shared.u32 [first+4], %r1;");
    let text = text.replace(".shared .align 4", ".reg .pred p; .shared .align 4");
    let mut bench = Bench::new(&text);
    let x: Vec<f32> = (0..32).map(|i| i as f32).collect();
    let (a, b) = (bench.floats(&x), bench.floats(&x));
    let grid = Grid { shared: 128, ..Grid::line(1, 8) };
    bench.run("back", grid, &[&a.to_le_bytes(), &b.to_le_bytes()]).unwrap();
    assert_eq!(bench.get_floats(b, 32), x.iter().rev().copied().collect::<Vec<_>>());
}

#[test]
fn local_memory_and_generic_addresses() {
    let body = r"
        .local .align 8 .b8 depot[64];
        .reg .b64 %SP; .reg .b64 %SPL;
        mov.b64 %SPL, depot;
        cvta.local.u64 %SP, %SPL;
        ld.global.b64 %rd3, [%rd1];
        st.local.b64 [%SPL+8], %rd3;
        shl.b64 %rd4, %rd3, 3;
        add.s64 %rd5, %SP, %rd4;
        st.u64 [%rd5], 77;
        ld.local.u64 %rd6, [depot+8];
        ld.u64 %rd7, [%rd5];
        add.s64 %rd8, %rd6, %rd7;
        st.u64 [%rd2], %rd8;
        isspacep.local %p1, %rd5;
        isspacep.global %p2, %rd2;
        and.pred %p1, %p1, %p2;
        selp.u64 %rd9, 1, 0, %p1;
        st.global.u64 [%rd2+8], %rd9;";
    let mut bench = Bench::new(&kernel(body));
    let (a, b) = (bench.words(&[5]), bench.words(&[0, 0]));
    bench.run("k", Grid::line(1, 1), &[&a.to_le_bytes(), &b.to_le_bytes()]).unwrap();
    assert_eq!(bench.get_words(b, 2), [82, 1]);
}

#[test]
fn calls_scopes_and_loops() {
    let text = r"
    .func (.param .b64 out) power(.param .b64 base, .param .b32 n)
    {
        .reg .pred %p<2>; .reg .b32 %r<3>; .reg .b64 %rd<4>;
        ld.param.b64 %rd1, [base]; ld.param.b32 %r1, [n];
        mov.b64 %rd2, 1;
    top:
        setp.eq.s32 %p1, %r1, 0;
        @%p1 bra done;
        mul.lo.s64 %rd2, %rd2, %rd1;
        add.s32 %r1, %r1, -1;
        bra.uni top;
    done:
        st.param.b64 [out], %rd2;
        ret;
    }
    ";
    let body = r"
        ld.global.b64 %rd3, [%rd1];
        {
        .reg .b32 temporary;
        .param .b64 param0; .param .b32 param1; .param .b64 retval0;
        mov.b32 temporary, 5;
        st.param.b64 [param0], %rd3; st.param.b32 [param1], temporary;
        call.uni (retval0), power, (param0, param1);
        ld.param.b64 %rd4, [retval0];
        }
        {
        .param .b64 param0; .param .b32 param1; .param .b64 retval0;
        st.param.b64 [param0], %rd4; st.param.b32 [param1], 2;
        call.uni (retval0), power, (param0, param1);
        ld.param.b64 %rd4, [retval0];
        }
        st.global.b64 [%rd2], %rd4;";
    let mut bench = Bench::new(&format!("{text}{}", kernel(body)));
    let (a, b) = (bench.words(&[3]), bench.words(&[0]));
    bench.run("k", Grid::line(2, 3), &[&a.to_le_bytes(), &b.to_le_bytes()]).unwrap();
    assert_eq!(bench.get_words(b, 1), [59049]);
}

#[test]
fn predicates_pairs_and_tables() {
    let body = r"
        ld.global.b32 %r1, [%rd1];
        setp.lt.s32 %p1|%p2, %r1, 2;
        mov.b32 %r2, 0;
        @%p1 add.s32 %r2, %r2, 1;
        @!%p1 add.s32 %r2, %r2, 2;
        @%p2 add.s32 %r2, %r2, 10;
        setp.gt.and.s32 %p3|%p4, %r1, 0, !%p1;
        @%p3 add.s32 %r2, %r2, 100;
        @%p4 add.s32 %r2, %r2, 1000;
    $L_targets: .branchtargets $L_0, $L_1, $L_2;
        brx.idx %r1, $L_targets;
    $L_0: add.s32 %r2, %r2, 10000; bra $L_end;
    $L_1: add.s32 %r2, %r2, 20000; bra $L_end;
    $L_2: add.s32 %r2, %r2, 30000;
    $L_end:
        cvt.u64.u32 %rd3, %r2;
        mov.b64 {%r3, %r4}, %rd3;
        mov.b64 %rd3, {%r4, %r3};
        st.global.b64 [%rd2], %rd3;
        mov.b32 {%rs1, %rs2}, %r2;
        mov.b64 %rd4, {%rs1, %rs2, %rs2, %rs1};
        st.global.b64 [%rd2+8], %rd4;";
    for (index, wanted) in [(0u64, 10001u64), (1, 20001), (2, 30112)] {
        let mut bench = Bench::new(&kernel(body));
        let (a, b) = (bench.words(&[index]), bench.words(&[0, 0]));
        bench.run("k", Grid::line(1, 1), &[&a.to_le_bytes(), &b.to_le_bytes()]).unwrap();
        assert_eq!(bench.get_words(b, 2), [wanted << 32, wanted | wanted << 48]);
    }
}

#[test]
fn variables_and_atomics() {
    let text = r#"
    .global .align 4 .b8 bytes[6] = {1, 2, 255};
    .const .align 8 .f64 half = 0d3FE0000000000000;
    .global .align 8 .u64 where[2] = {generic(bytes)+2, 7};
    .global .u32 counter;
    .visible .entry count(.param .u64 out)
    {
        .reg .b64 %rd<6>; .reg .b32 %r<4>; .reg .f64 %fd<3>;
        .pragma "nounroll";
        atom.global.add.u32 %r1, [counter], 1;
        red.global.add.u32 [counter], 1;
        atom.relaxed.gpu.global.cas.b32 %r2, [counter], 2, 20;
        ld.param.u64 %rd1, [out];
        ld.global.u64 %rd2, [where];
        ld.s8 %r3, [%rd2];
        ld.const.f64 %fd1, [half];
        cvt.rn.f64.s32 %fd2, %r3;
        add.f64 %fd1, %fd1, %fd2;
        st.global.f64 [%rd1], %fd1;
        ret;
    }
    .section .debug_str { .b8 1, 2, 3 }
    $L__sec_end0:
    "#;
    let mut bench = Bench::new(text);
    let out = bench.words(&[0]);
    bench.run("count", Grid::line(1, 3), &[&out.to_le_bytes()]).unwrap();
    assert_eq!(bench.get_doubles(out, 1), [-0.5]);
    let (counter, size) = bench.device.global(bench.module, "counter").unwrap();
    assert_eq!(size, 4);
    let mut bytes = [0; 4];
    bench.device.read(counter, &mut bytes).unwrap();
    assert_eq!(u32::from_le_bytes(bytes), 24);
}

#[test]
fn three_directions() {
    let body = r"
        mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z;
        mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y; mov.u32 %r6, %ctaid.z;
        mad.lo.u32 %r2, %r3, 3, %r2; mad.lo.u32 %r1, %r2, 2, %r1;
        mov.u32 %r7, %nctaid.y; mad.lo.u32 %r5, %r6, %r7, %r5;
        mov.u32 %r7, %nctaid.x; mad.lo.u32 %r4, %r5, %r7, %r4;
        mad.lo.u32 %r1, %r4, 12, %r1;
        mul.wide.u32 %rd3, %r1, 8; add.s64 %rd4, %rd2, %rd3;
        cvt.u64.u32 %rd5, %r1; st.global.u64 [%rd4], %rd5;";
    let mut bench = Bench::new(&kernel(body));
    let b = bench.words(&vec![0; 12 * 30]);
    let grid = Grid { blocks: [2, 3, 5], threads: [2, 3, 2], shared: 0 };
    bench.run("k", grid, &[&0u64.to_le_bytes(), &b.to_le_bytes()]).unwrap();
    assert_eq!(bench.get_words(b, 360), (0..360).collect::<Vec<u64>>());
}

#[test]
fn memory_runs_out() {
    let mut device = Device::new(Options { memory: 1000, ..quiet() });
    let a = device.allocate(600).unwrap();
    assert_eq!(device.allocate(600).unwrap_err().code, 2);
    device.free(a).unwrap();
    assert_eq!(device.free(a).unwrap_err().code, 1);
    device.allocate(1000).unwrap();
}
