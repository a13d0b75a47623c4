//! The macro `keops!`. Its compiler is the ordinary library `keops-compiler`, so that it can be tested; its users reach
//! it through the crate `keops`, where the macro is documented.

/// The macro turns each formula inside it into a function, and a module of the same name. The crate `keops` documents it.
#[proc_macro]
pub fn keops(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    // set by a build script that compiled the kernels for GPUs
    let kernels = std::env::var_os("KEOPS_PTX_DIR").map(std::path::PathBuf::from);
    keops_compiler::expand_with(input.into(), kernels.as_deref()).into()
}
