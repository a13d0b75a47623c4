//! What the fuzz targets share: the promise that they test, and items that are nearly right.
//!
//! Whatever is written between the braces of `keops!`, the answer is Rust: an expansion, or `compile_error!`s. Never a
//! panic.

mod grammar;

pub use grammar::Items;

use proc_macro2::TokenStream;

/// More text than this only takes longer.
const LONGEST: usize = 4096;

/// Panics where the promise is broken.
pub fn check(text: &str) {
    if text.len() > LONGEST || has_high_order(text) {
        return;
    }
    // brackets that do not match are rejected by rustc itself
    let Ok(tokens) = text.parse::<TokenStream>() else { return };
    let expansion = keops_compiler::expand(tokens.clone());
    if let Err(error) = syn::parse2::<syn::File>(expansion.clone()) {
        panic!("{text}\nbecomes\n{expansion}\nwhich is no Rust: {error}");
    }
    // what build scripts ask for has the same faults
    let failed = expansion.to_string().contains("compile_error");
    let device = keops_compiler::device(tokens);
    assert_eq!(device.is_err(), failed, "{text}: the kernels for GPUs disagree");
}

/// Each order multiplies the code, as its error says: the fourth of a short formula takes half a minute, for nothing that
/// the second does not find.
fn has_high_order(text: &str) -> bool {
    text.split("order").skip(1).any(|rest| rest.trim_start_matches([' ', '=', '0']).starts_with(['3', '4']))
}

#[cfg(test)]
mod tests {
    use arbitrary::{Arbitrary, Unstructured};

    use super::*;

    /// Numbers from a counter, by splitmix64.
    fn bytes(seed: u64) -> Vec<u8> {
        let mix = |n: u64| {
            let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        (0..40).flat_map(|n| mix(seed * 1000 + n).to_le_bytes()).collect()
    }

    /// The targets without libFuzzer; and of the items some have a fault, and some have none.
    #[test]
    fn items_are_nearly_right() {
        let (mut right, mut wrong) = (0, 0);
        for seed in 0..2000 {
            let items = Items::arbitrary(&mut Unstructured::new(&bytes(seed))).unwrap();
            check(&items.0);
            let expansion = keops_compiler::expand(items.0.parse().unwrap()).to_string();
            if expansion.contains("compile_error") { wrong += 1 } else { right += 1 }
        }
        assert!(right > 20 && wrong > 20, "{right} inputs without a fault, {wrong} with one");
    }
}
