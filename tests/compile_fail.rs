//! Every diagnostic of the formula compiler, as the user sees it: a program with one kind of fault, and what rustc
//! prints.
//!
//! `TRYBUILD=overwrite cargo test --test compile_fail` writes the `.stderr` files again.

#[test]
fn faults_are_reported_at_their_tokens() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
