//! Any text between the braces of `keops!`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| keops_fuzz::check(text));
