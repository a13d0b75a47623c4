fn main() {
    #[cfg(feature = "cuda")]
    keops_build::compile();
}
