//! The search for the formulas of a crate, which are the `keops! { .. }` invocations in its sources.

use std::{
    collections::{HashMap, HashSet},
    fs, mem,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use keops_compiler::emit::device::Device;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Finds all formulas in Rust files, in the order of the files, and returns the files too. A folder stands for the Rust files in and
/// below it.
///
/// # Errors
/// A file cannot be read or is not Rust, or a formula has a fault.
///
/// ```no_run
/// let (files, formulas) = keops_build::formulas::find(&["src".into()])?;
/// println!("{} formulas in {} files", formulas.len(), files.len());
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn find(sources: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<Device>)> {
    let mut files = Vec::new();
    for source in sources {
        collect(source, &mut files).with_context(|| source.display().to_string())?;
    }
    let mut devices = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        devices.extend(of_text(&text).with_context(|| file.display().to_string())?);
    }
    Ok((files, devices))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    Ok(())
}

/// Finds the formulas in the text of a Rust file.
///
/// # Errors
/// The text is not Rust, or a formula has a fault.
///
/// ```
/// use keops_build::formulas::of_text;
///
/// let formulas = of_text("keops! { pub fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x | y) } }")?;
/// assert_eq!(formulas[0].item, "product");
/// let fault = of_text("keops! { pub fn product(x: Vi<3>, y: Vj<2>) -> Sum<j> { (x | y) } }").err();
/// assert!(fault.is_some_and(|fault| fault.to_string().starts_with("line 1, column ")));
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn of_text(text: &str) -> Result<Vec<Device>> {
    let mut devices = Vec::new();
    for tokens in invocations(text)? {
        devices.extend(keops_compiler::device(tokens).map_err(placed)?);
    }
    Ok(devices)
}

/// The formulas of a crate that the macro compiles as well.
pub(crate) struct OfCrate {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) devices: Vec<Device>,
    /// The errors of files that could not be read, whose formulas are missing.
    pub(crate) unread: Vec<String>,
}

/// The formulas below a folder. Formulas with a fault are left out: the macro reports the fault if the file is compiled, which some
/// files are not.
///
/// # Errors
/// A folder cannot be read.
pub(crate) fn of_crate(folder: &Path) -> Result<OfCrate> {
    let mut found = OfCrate { files: Vec::new(), devices: Vec::new(), unread: Vec::new() };
    collect(folder, &mut found.files).with_context(|| folder.display().to_string())?;
    for file in &found.files {
        let text = fs::read(file).map_err(Into::into).and_then(|bytes| match String::from_utf8(bytes) {
            Err(error) if !error.as_bytes().windows(6).any(|window| window == b"keops!") => Ok(String::new()),
            text => text.context("it is no UTF-8"),
        });
        match text.and_then(|text| invocations(&text)) {
            Ok(invocations) => {
                found.devices.extend(invocations.into_iter().filter_map(|t| keops_compiler::device(t).ok()).flatten());
            }
            Err(error) => found.unread.push(format!("{}: {error:#}", file.display())),
        }
    }
    Ok(found)
}

/// An error with its place in the text, which the errors of a build script do not have otherwise.
fn placed(error: syn::Error) -> anyhow::Error {
    let start = error.span().start();
    anyhow!("line {}, column {}: {error}", start.line, start.column + 1)
}

/// The tokens in each `keops! { .. }` of a text.
fn invocations(text: &str) -> Result<Vec<TokenStream>> {
    struct Invocations(Vec<TokenStream>);
    impl<'ast> Visit<'ast> for Invocations {
        fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
            if invocation.path.segments.last().is_some_and(|segment| segment.ident == "keops") {
                self.0.push(invocation.tokens.clone());
            }
            visit::visit_macro(self, invocation);
        }
    }
    if !text.contains("keops!") {
        return Ok(Vec::new());
    }
    let mut invocations = Invocations(Vec::new());
    invocations.visit_file(&syn::parse_file(text).map_err(placed)?);
    Ok(invocations.0)
}

/// The name of the call of the value.
const VALUE: &str = "Value";

/// The calls in sources, from which the kernels that they need are known.
pub struct Calls {
    names: HashSet<String>,
    chains: Vec<Chain>,
}

/// The derivatives of one expression.
#[derive(Default)]
struct Chain {
    /// The first function that is called: a formula, or a function that makes a call of one.
    head: Option<String>,
    /// The methods in their order: `vjp_x` and `jvp_y` of `.vjp_x(e).jvp_y(u)`.
    derivatives: Vec<String>,
}

impl Calls {
    /// Finds the calls in Rust files.
    ///
    /// # Errors
    /// A file cannot be read or is not Rust.
    pub fn of(files: &[PathBuf]) -> Result<Self> {
        let mut calls = Calls { names: HashSet::new(), chains: Vec::new() };
        for file in files {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            calls.read(text.parse().map_err(|error| anyhow!("{}: {error}", file.display()))?);
        }
        Ok(calls)
    }

    /// Reads the calls in tokens, and not in expressions, since most calls of a test stand in macros.
    fn read(&mut self, tokens: TokenStream) {
        let mut chain = Chain::default();
        // the name of a method, whose arguments come next
        let mut method = None;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    self.names.insert(name.to_string());
                    method = Some(name.to_string());
                    continue;
                }
                TokenTree::Literal(number) => {
                    // `1.0_f32`
                    let text = number.to_string();
                    self.names.insert(text.trim_start_matches(|c: char| !c.is_alphabetic()).to_owned());
                    self.chains.push(mem::take(&mut chain));
                }
                TokenTree::Group(group) => {
                    self.read(group.stream());
                    match method.take() {
                        Some(name) if name.starts_with("vjp") || name.starts_with("jvp") => {
                            chain.derivatives.push(name)
                        }
                        Some(name) => {
                            // the transpose of an operator is a derivative
                            chain.derivatives.extend(name.strip_prefix("operator_").map(|v| format!("vjp_{v}")));
                            if chain.derivatives.is_empty() {
                                chain.head.get_or_insert(name);
                            }
                        }
                        None => {}
                    }
                    continue;
                }
                TokenTree::Punct(dot) if dot.as_char() == '.' => {}
                TokenTree::Punct(_) => self.chains.push(mem::take(&mut chain)),
            }
            method = None;
        }
        self.chains.push(chain);
        self.chains.retain(|chain| !chain.derivatives.is_empty());
    }

    /// Whether the sources contain an identifier.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Keeps only the kernels that a call in the sources needs. A derivative needs a call of its methods in one expression:
    /// `Vjp_x__Vjp` needs a `.vjp_x(..).vjp(..)`. Methods that follow the call of another formula do not count.
    pub fn keep(&self, devices: &mut [Device]) {
        let formulas: HashSet<_> = devices.iter().map(|device| device.item.clone()).collect();
        for device in devices {
            let of_others = |head: &String| formulas.contains(head) && *head != device.item;
            let chains = self.chains.iter().filter(|chain| !chain.head.as_ref().is_some_and(of_others));
            let called: HashSet<&str> =
                chains.filter_map(|chain| Self::called(&device.methods, &chain.derivatives)).collect();
            let needed = |name: &String| name == VALUE || called.contains(name.as_str());
            device.kernels.retain(|kernel| kernel.needed_by.iter().any(needed));
        }
    }

    /// The call that these derivatives of the value give.
    fn called<'a>(methods: &'a HashMap<(String, String), String>, derivatives: &[String]) -> Option<&'a str> {
        let mut call = VALUE;
        for method in derivatives {
            call = methods.get(&(call.to_owned(), method.clone()))?;
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        mod inner {
            keops! {
                /// A sum.
                pub fn product(x: Vi<3>, y: Vj<3>) -> Sum<j> { (x | y) }
            }
        }
        fn f() {
            keops::keops! {
                #[keops(order = 0, cuda(D = 2), cuda(D = 5))]
                fn wide<const D: usize>(x: Vi<D>, y: Vj<D>) -> ArgKMin<4, j> { sqdist(x, y) }
                #[keops(order = 0)]
                fn none<const D: usize>(x: Vi<D>, y: Vj<D>) -> Sum<j> { x * y }
            }
        }
    "#;

    #[test]
    fn formulas_are_found_wherever_they_are() {
        let devices = of_text(TEXT).unwrap();
        let titles: Vec<Vec<String>> =
            devices.iter().map(|device| device.kernels.iter().map(|kernel| kernel.title.clone()).collect()).collect();
        assert_eq!(
            titles[0],
            [
                "product: Value",
                "product: Vjp_x",
                "product: Jvp_x",
                "product: Vjp_y",
                "product: Jvp_y",
                "product: VjpI",
                "product: VjpJ"
            ]
        );
        assert_eq!(titles[1], ["wide: Value<2>", "wide: Value<5>"]);
        assert!(titles[2].is_empty());
        assert_eq!(devices[1].kernels[1].widths, [0, 5, 5]);
    }

    #[test]
    fn names_do_not_depend_on_spaces_or_comments() {
        let other = TEXT.replace("(x | y)", "( x|y ) /* dot */").replace("/// A sum.", "/// The sum.");
        let names = |text: &str| -> Vec<String> {
            of_text(text).unwrap().iter().flat_map(|device| device.kernels.iter().map(|k| k.name.clone())).collect()
        };
        assert_eq!(names(TEXT), names(&other));
        let changed = TEXT.replace("(x | y)", "2 * (x | y)");
        assert_ne!(names(TEXT)[0], names(&changed)[0]);
        assert_eq!(names(TEXT)[7..], names(&changed)[7..]);
    }

    #[test]
    fn derivatives_that_are_not_called_are_left_out() {
        let left = |calls: &str| -> Vec<String> {
            let mut called = Calls { names: HashSet::new(), chains: Vec::new() };
            called.read(calls.parse().unwrap());
            let mut devices = of_text(TEXT).unwrap();
            called.keep(&mut devices);
            devices[0].kernels.iter().map(|kernel| kernel.marker.to_string()).collect()
        };
        assert_eq!(left("product(&x, &y).eval()"), ["Value"]);
        assert_eq!(left("let call = || product(&x, &y); check(call().vjp(&e).eval()?)"), ["Value", "VjpI", "VjpJ"]);
        assert_eq!(left("product(&x, &y).operator_y()?.apply_transpose(&w)?"), ["Value", "Vjp_y"]);
        assert_eq!(left("check!(product(&x, &y).jvp_x(e(1)).device(CUDA).eval())"), ["Value", "Jvp_x"]);
        assert_eq!(left("wide(&x, &y).ranges(&r).vjp_x(&e).eval()"), ["Value"], "of another formula");
        assert_eq!(left("let call = wide(&x, &y); check(call.vjp_x(&e))"), ["Value", "Vjp_x"], "of any formula");
        assert_eq!(left("m::wide(&x, &y).eval()?; product(f(&x), &y).ranges(&r).vjp_x(&e)"), ["Value", "Vjp_x"]);
        let twice = "keops! { #[keops(order = 2)] fn f(X: Vi<1>, y: Vj<1>) -> Sum<j> { exp(X * y) } }";
        let mut devices = of_text(twice).unwrap();
        let mut called = Calls { names: HashSet::new(), chains: Vec::new() };
        called.read("f(&x, &y).vjp_X(&e).jvp_y(&u).eval(); f(&x, &y).vjp_y(1.0_f32)".parse().unwrap());
        called.keep(&mut devices);
        let kept: Vec<String> = devices[0].kernels.iter().map(|kernel| kernel.marker.to_string()).collect();
        assert_eq!(kept, ["Value", "Vjp_y", "Vjp_X__Jvp_y"]);
        assert!(called.has("f32") && !called.has("f64"));
        // what a derivative saves first is that of its calls
        let saved = "keops! { #[keops(order = 2)] fn f(x: Vi<1>, y: Vj<1>) -> LogSumExp<j> { exp(x * y) } \
                     fn g(x: Vi<1>, y: Vj<1>) -> Min<j> { x * y } }";
        let kept = |calls: &str, item: usize| -> Vec<String> {
            let mut called = Calls { names: HashSet::new(), chains: Vec::new() };
            called.read(calls.parse().unwrap());
            let mut devices = of_text(saved).unwrap();
            called.keep(&mut devices);
            devices[item].kernels.iter().map(|kernel| kernel.marker.to_string()).collect()
        };
        assert_eq!(kept("f(&x, &y).eval()", 0), ["Value"]);
        assert_eq!(kept("f(&x, &y).vjp_x(&e).eval()", 0), ["Saved", "Value", "Vjp_x"]);
        assert_eq!(kept("f(&x, &y).jvp_x(&e).jvp_y(&u).eval()", 0).len(), 4);
        assert_eq!(kept("g(&x, &y).eval()", 1), ["Value"]);
        assert_eq!(kept("g(&x, &y).vjp(&e).eval()", 1), ["Selection", "Value"]);
    }

    #[test]
    fn a_file_that_is_not_rust_leaves_the_others() {
        let folder = std::env::temp_dir().join(format!("keops-build-files-{}", std::process::id()));
        fs::create_dir_all(folder.join("inner")).unwrap();
        let good = "keops! { fn f(x: Vi<3>, y: Vj<3>) -> Sum<j> { x + y } }";
        let files: [(&str, &[u8]); 6] = [
            ("a.rs", good.as_bytes()),
            ("b.rs", b"keops! { fn f( }"),
            ("c.rs", b"not Rust at all (, but without a formula"),
            ("d.rs", b"keops! { fn g(x: Vi<3>, y: Vj<2>) -> Sum<j> { x + y } } // a fault"),
            ("e.rs", b"// \xff keops!"),
            ("inner/f.rs", b"// \xff"),
        ];
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let found = of_crate(&folder).unwrap();
        assert_eq!(found.files.len(), files.len());
        assert_eq!(found.devices.iter().map(|device| &*device.item).collect::<Vec<_>>(), ["f"]);
        let unread: Vec<_> = found.unread.iter().map(|text| text.split(&['/', '\\']).next_back().unwrap()).collect();
        assert!(unread[0].starts_with("b.rs: line 1, column ") && unread[1].starts_with("e.rs: it is no UTF-8"));
        assert_eq!(unread.len(), 2);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn faults_have_a_place() {
        let error = of_text("keops! { fn f(x: Vi<3>, y: Vj<2>) -> Sum<j> { x + y } }").err().unwrap().to_string();
        assert_eq!(error, "line 1, column 49: `x` has dimension 3, `y` has dimension 2");
    }
}
