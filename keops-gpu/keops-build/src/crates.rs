//! The device crate: the formulas, an entry point for each kernel, and nothing else.

use std::{collections::HashSet, fmt::Write};

use keops_compiler::emit::device::{Device, Kernel};

/// An element type, the type that fast kernels compute with, and the type that precise kernels compute with.
pub type ElementType = (&'static str, &'static str, &'static str);

/// The element types that kernels exist for.
pub const ELEMENTS: [ElementType; 2] = [("f32", "::keops::Fast", "f32"), ("f64", "f64", "f64")];

/// The names and titles of all kernels. A name ends with the element type: `k0123456789abcdef_3_f32`.
pub fn names(devices: &[Device], elements: &[ElementType]) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for kernel in devices.iter().flat_map(|device| &device.kernels) {
        for (element, ..) in elements {
            let name = format!("{}_{element}", kernel.name);
            if !names.iter().any(|(other, _)| *other == name) {
                names.push((name, format!("{} {element}", kernel.title)));
            }
        }
    }
    names
}

/// The names of all entry points: each kernel, its merge kernel, and the total kernels.
pub fn entry_points(kernels: &[(String, String)], elements: &[ElementType]) -> Vec<String> {
    let of_kernels = kernels.iter().flat_map(|(name, _)| [name.clone(), format!("{name}_merge")]);
    of_kernels.chain(elements.iter().map(|(element, ..)| format!("keops_total_{element}"))).collect()
}

/// The name of the profile that kernels are compiled with, which no project's own configuration has.
pub(crate) const PROFILE: &str = "keops-kernels";

/// The `Cargo.toml` of the device crate. `device` is the folder of the crate keops-device; `core` is the folder of the keops-core
/// that came with it, so that host and device agree, whatever the registry has.
pub fn manifest(device: &str, core: &str) -> String {
    // The options that a release profile in the configuration of the user's project may set, for packages, too: this profile
    // inherits from it.
    const OPTIONS: &str = "opt-level = 3\ncodegen-units = 1\ndebug = false\ndebug-assertions = false\n\
                           overflow-checks = false\nincremental = false\n";
    format!(
        r#"[package]
name = "keops-kernels"
version = "0.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
keops = {{ package = "keops-device", path = {device:?} }}

[patch.crates-io]
keops-core = {{ path = {core:?} }}

[profile.{PROFILE}]
inherits = "release"
lto = "fat"
panic = "abort"
strip = "none"
{OPTIONS}
[profile.{PROFILE}.package."*"]
{OPTIONS}
[profile.{PROFILE}.package.keops-device]
{OPTIONS}
[profile.{PROFILE}.package.keops-core]
{OPTIONS}

[workspace]
"#
    )
}

/// The `src/lib.rs` of the device crate, with the kernels of [`names`] that are in `kernels`.
pub fn source(devices: &[Device], kernels: &[(String, String)], elements: &[ElementType]) -> String {
    let mut text = String::from(
        "#![no_std]\n#![feature(abi_ptx)]\n#![allow(warnings)]\nuse ::keops::__private as __p;\n\
         #[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }\n",
    );
    // each kernel once, since the same formula may stand in the sources twice
    let mut missing: HashSet<&str> = kernels.iter().map(|(name, _)| name.as_str()).collect();
    for (number, device) in devices.iter().enumerate() {
        let mut of_device = String::new();
        for kernel in &device.kernels {
            for element in elements {
                let name = format!("{}_{}", kernel.name, element.0);
                if missing.remove(name.as_str()) {
                    entries(&mut of_device, &name, number, device, kernel, element);
                }
            }
        }
        if !of_device.is_empty() {
            // writing to a String cannot fail
            let _ = writeln!(text, "mod item_{number} {{ {} }}\n{of_device}", device.module);
        }
    }
    for (element, ..) in elements {
        let _ = writeln!(
            text,
            "#[unsafe(no_mangle)] pub unsafe extern \"ptx-kernel\" fn keops_total_{element}(\
             values: *const {element}, to: *mut [f64; 2], rows: u32, width: u32) \
             {{ unsafe {{ ::keops::total(values, to, rows, width) }} }}"
        );
    }
    text
}

fn entries(
    text: &mut String,
    name: &str,
    number: usize,
    device: &Device,
    kernel: &Kernel,
    &(element, fast, precise): &ElementType,
) {
    let (marker, reduction) = (format!("item_{number}::{}", kernel.marker), &kernel.reduction);
    let [p, i, j] = kernel.widths;
    let unrolled = kernel.short;
    let lane = if device.precise { precise } else { fast };
    let _ = writeln!(
        text,
        "#[unsafe(no_mangle)] pub unsafe extern \"ptx-kernel\" fn {name}(\
         data: *const *const {element}, units: *const __p::Unit, ranges: *const __p::Range, \
         values: *mut {element}, indices: *mut u32, states: *mut {element}, targets: u32, parts: u32) \
         {{ unsafe {{ ::keops::pairs::<{lane}, {marker}, {reduction}, \
         {{ __p::rows_per_thread::<{element}, {marker}, {reduction}>() }}, \
         {{ __p::group_sources::<{element}, {marker}, {reduction}>() }}, \
         {{ __p::bundle_pairs::<{element}, {marker}, {reduction}>() }}, {p}, {i}, {j}, {unrolled}>(\
         ::keops::Arguments {{ data, units, ranges, values, indices, states, targets, parts }}) }} }}\n\
         #[unsafe(no_mangle)] pub unsafe extern \"ptx-kernel\" fn {name}_merge(\
         states: *mut {element}, values: *mut {element}, indices: *mut u32, targets: u32, parts: u32, apart: u32) \
         {{ unsafe {{ ::keops::merge::<{element}, {marker}, {reduction}>(\
         states, values, indices, targets, parts, apart) }} }}"
    );
}
