//! Items that are right, or nearly so.
#![no_main]

use keops_fuzz::Items;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|items: Items| keops_fuzz::check(&items.0));
