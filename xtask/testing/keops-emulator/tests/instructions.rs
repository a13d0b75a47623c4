//! Families of instructions, one at a time, against the arithmetic of Rust.

mod support;

use support::apply;

fn same(name: &str, types: &[&str], arguments: &[u64], wanted: u64) {
    let found = apply(name, types, arguments);
    assert_eq!(found, wanted, "{name} {arguments:x?}: {found:#x} instead of {wanted:#x}");
}

fn bits(x: f32) -> u64 {
    u64::from(x.to_bits())
}

const R: [&str; 3] = ["b32", "b32", "b32"];
const L: [&str; 3] = ["b64", "b64", "b64"];
const H: [&str; 3] = ["b16", "b16", "b16"];
const M: u64 = 0xffff_ffff;

#[test]
fn integers() {
    same("add.s32", &R, &[M, 2], 1);
    same("sub.u32", &R, &[1, 2], M);
    same("add.u64", &L, &[u64::MAX, 3], 2);
    same("sub.s16", &H, &[0, 1], 0xffff);
    same("mul.lo.s32", &R, &[0x1_0001, 0x1_0001], 0x2_0001);
    same("mul.hi.u32", &R, &[M, M], 0xffff_fffe);
    same("mul.hi.s32", &R, &[M, M], 0);
    same("mul.hi.s32", &R, &[0x8000_0000, 2], M);
    same("mul.hi.u16", &H, &[0xffff, 0xffff], 0xfffe);
    same("mul.hi.u64", &L, &[u64::MAX, u64::MAX], u64::MAX - 1);
    same("mul.hi.s64", &L, &[u64::MAX, 5], u64::MAX);
    same("mul.wide.u32", &["b64", "b32", "b32"], &[M, M], M * M);
    same("mul.wide.s32", &["b64", "b32", "b32"], &[M, 7], -7i64 as u64);
    same("mul.wide.s16", &["b32", "b16", "b16"], &[0xffff, 7], -7i32 as u32 as u64);
    same("mad.lo.u32", &["b32", "b32", "b32", "b32"], &[3, 5, 7], 22);
    same("mad.hi.u32", &["b32", "b32", "b32", "b32"], &[M, M, 3], 1);
    same("mad.wide.s32", &["b64", "b32", "b32", "b64"], &[M, 5, 3], -2i64 as u64);
    same("div.s32", &R, &[-7i32 as u32 as u64, 2], -3i32 as u32 as u64);
    same("div.u32", &R, &[-7i32 as u32 as u64, 2], 0x7fff_fffc);
    same("div.u32", &R, &[5, 0], M);
    same("div.s64", &L, &[i64::MIN as u64, u64::MAX], i64::MIN as u64);
    same("rem.s32", &R, &[-7i32 as u32 as u64, 4], -3i32 as u32 as u64);
    same("min.s32", &R, &[M, 1], M);
    same("min.u32", &R, &[M, 1], 1);
    same("max.s64", &L, &[u64::MAX, 1], 1);
    same("abs.s32", &["b32", "b32"], &[-5i32 as u32 as u64], 5);
    same("neg.s64", &["b64", "b64"], &[5], -5i64 as u64);
    same("neg.s16", &["b16", "b16"], &[1], 0xffff);
    same("sad.u32", &["b32", "b32", "b32", "b32"], &[3, 10, 100], 107);
}

#[test]
fn logic_and_shifts() {
    same("and.b32", &R, &[0xff00, 0x0ff0], 0x0f00);
    same("or.b16", &H, &[0xf0, 0x0f], 0xff);
    same("xor.b64", &L, &[u64::MAX, 1], u64::MAX - 1);
    same("not.b32", &["b32", "b32"], &[0], M);
    same("not.b16", &["b16", "b16"], &[1], 0xfffe);
    same("cnot.b32", &["b32", "b32"], &[0], 1);
    same("not.pred", &["pred", "pred"], &[1], 0);
    same("and.pred", &["pred", "pred", "pred"], &[1, 1], 1);
    same("xor.pred", &["pred", "pred", "pred"], &[1, 1], 0);
    same("shl.b32", &R, &[1, 31], 0x8000_0000);
    same("shl.b32", &R, &[1, 32], 0);
    same("shl.b64", &["b64", "b64", "b32"], &[3, 63], 1 << 63);
    same("shr.s32", &R, &[0x8000_0000, 31], M);
    same("shr.s32", &R, &[0x8000_0000, 99], M);
    same("shr.u32", &R, &[0x8000_0000, 31], 1);
    same("shr.u64", &["b64", "b64", "b32"], &[u64::MAX, 64], 0);
    same("shr.s16", &["b16", "b16", "b32"], &[0x8000, 4], 0xf800);
    same("shf.l.wrap.b32", &["b32", "b32", "b32", "b32"], &[0x8000_0000, 1, 33], 3);
    same("shf.r.clamp.b32", &["b32", "b32", "b32", "b32"], &[7, 9, 40], 9);
    same("bfe.u32", &["b32", "b32", "b32", "b32"], &[0xabcd, 4, 8], 0xbc);
    same("bfe.s32", &["b32", "b32", "b32", "b32"], &[0xabcd, 4, 8], 0xffff_ffbc);
    same("bfe.s32", &["b32", "b32", "b32", "b32"], &[0x8000_0000, 28, 20], 0xffff_fff8);
    same("bfi.b32", &["b32", "b32", "b32", "b32", "b32"], &[0xff, 0, 4, 8], 0xff0);
    same("brev.b32", &["b32", "b32"], &[1], 0x8000_0000);
    same("clz.b64", &["b32", "b64"], &[1], 63);
    same("clz.b32", &["b32", "b32"], &[0], 32);
    same("popc.b64", &["b32", "b64"], &[u64::MAX], 64);
    same("bfind.u32", &["b32", "b32"], &[0], M);
    same("prmt.b32", &["b32", "b32", "b32", "b32"], &[0x3322_1100, 0x7766_5584, 0xc074], 0xff00_7784);
    same("lop3.b32", &["b32", "b32", "b32", "b32", "b32"], &[0xf0, 0xcc, 0xaa, 0x80], 0x80);
    same("selp.b32", &["b32", "b32", "b32", "pred"], &[4, 5, 0], 5);
    same("slct.b32.s32", &["b32", "b32", "b32", "b32"], &[4, 5, M], 5);
}

#[test]
fn comparisons() {
    let nan = bits(f32::NAN);
    let p = ["pred", "b32", "b32"];
    let f = ["pred", "f32", "f32"];
    same("setp.lt.s32", &p, &[M, 0], 1);
    same("setp.lt.u32", &p, &[M, 0], 0);
    same("setp.hs.u32", &p, &[M, 0], 1);
    for (name, with_nan) in
        [("eq", 0), ("ne", 0), ("lt", 0), ("ge", 0), ("equ", 1), ("neu", 1), ("ltu", 1), ("nan", 1), ("num", 0)]
    {
        same(&format!("setp.{name}.f32"), &f, &[nan, bits(1.0)], with_nan);
    }
    same("setp.ne.f32", &f, &[bits(2.0), bits(1.0)], 1);
    same("setp.le.f64", &["pred", "f64", "f64"], &[1f64.to_bits(), 1f64.to_bits()], 1);
    same("setp.eq.ftz.f32", &f, &[1, 0], 1);
    same("setp.eq.f32", &f, &[1, 0], 0);
    same("setp.lt.and.s32", &["pred", "b32", "b32", "pred"], &[1, 2, 0], 0);
    same("setp.lt.xor.s32", &["pred", "b32", "b32", "pred"], &[1, 2, 0], 1);
    same("set.lt.u32.s32", &R, &[1, 2], M);
    same("set.lt.f32.s32", &["f32", "b32", "b32"], &[1, 2], bits(1.0));
    same("testp.infinite.f32", &["pred", "f32"], &[bits(f32::INFINITY)], 1);
}

#[test]
fn floats() {
    let f = ["f32", "f32", "f32"];
    let d = ["f64", "f64", "f64"];
    let tiny = 1u64;
    same("add.f32", &f, &[bits(1.0), bits(2e-8)], bits(1.0 + 2e-8));
    same("add.rn.ftz.f32", &f, &[tiny, 0], 0);
    same("add.rn.f32", &f, &[tiny, 0], tiny);
    same("mul.rn.ftz.f32", &f, &[bits(-1e-30), bits(1e-10)], bits(-0.0));
    same("sub.rn.f64", &d, &[1f64.to_bits(), 0.75f64.to_bits()], 0.25f64.to_bits());
    same("add.sat.f32", &f, &[bits(1.0), bits(2.0)], bits(1.0));
    let (a, b, c) = (1.000_000_1f32, 1.000_000_1f32, -1.000_000_2f32);
    same("fma.rn.f32", &["f32", "f32", "f32", "f32"], &[bits(a), bits(b), bits(c)], bits(a.mul_add(b, c)));
    assert_ne!(a.mul_add(b, c), a * b + c);
    same(
        "mad.rn.f64",
        &["f64", "f64", "f64", "f64"],
        &[0x3ff0_0000_0000_0001, 0x3ff0_0000_0000_0001, 1f64.to_bits()],
        0x4000_0000_0000_0001,
    );
    for name in ["div.rn.f32", "div.full.f32", "div.approx.ftz.f32"] {
        same(name, &f, &[bits(1.0), bits(3.0)], bits(1.0 / 3.0));
    }
    same("min.f32", &f, &[bits(f32::NAN), bits(1.0)], bits(1.0));
    same("max.f32", &f, &[bits(-0.0), bits(0.0)], bits(0.0));
    same("min.f64", &d, &[0f64.to_bits(), (-0f64).to_bits()], (-0f64).to_bits());
    assert!(f32::from_bits(apply("max.NaN.f32", &f, &[bits(f32::NAN), bits(1.0)]) as u32).is_nan());
    same("abs.f32", &["f32", "f32"], &[bits(-1.5)], bits(1.5));
    same("neg.f64", &["f64", "f64"], &[1f64.to_bits()], (-1f64).to_bits());
    same("copysign.f32", &f, &[bits(-1.0), bits(3.0)], bits(-3.0));
    same("rsqrt.approx.f32", &["f32", "f32"], &[bits(-0.0)], bits(f32::NEG_INFINITY));
    same("rcp.approx.ftz.f32", &["f32", "f32"], &[tiny], bits(f32::INFINITY));
}

#[test]
fn float_functions() {
    type Reference = fn(f64) -> f64;
    let functions: [(&str, Reference); 9] = [
        ("sqrt.rn.f32", f64::sqrt),
        ("rcp.rn.f32", f64::recip),
        ("rsqrt.approx.ftz.f32", |x| 1.0 / x.sqrt()),
        ("ex2.approx.f32", f64::exp2),
        ("lg2.approx.ftz.f32", f64::log2),
        ("sin.approx.f32", f64::sin),
        ("cos.approx.f32", f64::cos),
        ("tanh.approx.f32", f64::tanh),
        ("sqrt.approx.f32", f64::sqrt),
    ];
    for (name, function) in functions {
        for x in [0.3f32, 1.0, 2.5, 17.0] {
            same(name, &["f32", "f32"], &[bits(x)], bits(function(f64::from(x)) as f32));
        }
    }
    same("sqrt.rn.f64", &["f64", "f64"], &[2f64.to_bits()], 2f64.sqrt().to_bits());
    same("rcp.rn.f64", &["f64", "f64"], &[3f64.to_bits()], (1f64 / 3.0).to_bits());
    same("ex2.approx.ftz.f32", &["f32", "f32"], &[bits(-140.0)], 0);
}

#[test]
fn conversions() {
    let s = ["b32", "f32"];
    for (name, x, wanted) in [
        ("cvt.rni.s32.f32", 2.5f32, 2i32),
        ("cvt.rni.s32.f32", 3.5, 4),
        ("cvt.rzi.s32.f32", -2.7, -2),
        ("cvt.rmi.s32.f32", -2.1, -3),
        ("cvt.rpi.s32.f32", 2.1, 3),
        ("cvt.rzi.s32.f32", 1e20, i32::MAX),
        ("cvt.rzi.s32.f32", f32::NAN, 0),
        ("cvt.rzi.u32.f32", -3.0, 0),
    ] {
        same(name, &s, &[bits(x)], u64::from(wanted as u32));
    }
    same("cvt.rzi.s64.f64", &["b64", "f64"], &[f64::NAN.to_bits()], i64::MIN as u64);
    same("cvt.rni.f32.f32", &["f32", "f32"], &[bits(2.5)], bits(2.0));
    same("cvt.rmi.f64.f64", &["f64", "f64"], &[(-0.5f64).to_bits()], (-1f64).to_bits());
    same("cvt.sat.f32.f32", &["f32", "f32"], &[bits(-3.0)], bits(0.0));
    same("cvt.f64.f32", &["f64", "f32"], &[bits(0.1)], f64::from(0.1f32).to_bits());
    same("cvt.rn.f32.f64", &["f32", "f64"], &[0.1f64.to_bits()], bits(0.1));
    let between = (f64::from(1f32) + 1e-9).to_bits();
    same("cvt.rz.f32.f64", &["f32", "f64"], &[between], bits(1.0));
    same("cvt.rp.f32.f64", &["f32", "f64"], &[between], bits(1f32.next_up()));
    same("cvt.rn.f32.u32", &["f32", "b32"], &[M], bits(u32::MAX as f32));
    same("cvt.rz.f32.u32", &["f32", "b32"], &[M], bits((u32::MAX as f32).next_down()));
    same("cvt.rn.f32.u64", &["f32", "b64"], &[u64::MAX], bits(u64::MAX as f32));
    same("cvt.rn.f64.s64", &["f64", "b64"], &[-5i64 as u64], (-5f64).to_bits());
    same("cvt.s64.s32", &["b64", "b32"], &[M], u64::MAX);
    same("cvt.u64.u32", &["b64", "b32"], &[M], M);
    same("cvt.u32.u64", &["b32", "b64"], &[u64::MAX], M);
    same("cvt.u16.u32", &["b16", "b32"], &[0x1_2345], 0x2345);
    same("cvt.s32.s8", &["b32", "b32"], &[0x1ff], M);
    same("cvt.u32.u8", &["b32", "b16"], &[0xffff], 0xff);
    same("cvt.s8.s32", &["b32", "b32"], &[0x80], 0xffff_ff80);
    same("cvt.sat.s8.s32", &["b32", "b32"], &[1000], 127);
    same("cvt.rzi.u16.f64", &["b16", "f64"], &[70000f64.to_bits()], 0xffff);
}
