//! Another compiler than rustc's own back end takes its place: it is asked once for each device crate, what it gives becomes
//! the modules, and what it says goes to the caller.

use std::{
    cell::RefCell,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use keops_build::{
    Kernels, Options, build_with, compile_with,
    compiler::{DeviceCompiler, DeviceCrate},
};

/// A folder with one formula, in `src/lib.rs`, removed when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("keops-build-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("src")).unwrap();
        let formula = "keops! { #[keops(order = 0)] fn product(x: Vi<1>, y: Vj<1>) -> Sum<j> { x * y } }";
        fs::write(folder.join("src/lib.rs"), formula).unwrap();
        Self(folder)
    }

    fn options(&self, arch: &str) -> Options {
        Options {
            sources: vec![self.0.join("src")],
            work: self.0.join("work"),
            out: self.0.join("out"),
            arch: arch.to_owned(),
            precise: false,
            kernels: Kernels::All,
            cubins: Vec::new(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a compiler was asked for.
#[derive(Debug)]
struct Asked {
    manifest: String,
    source: String,
    arch: String,
    entry_points: Vec<String>,
}

/// Gives a PTX that does nothing, and writes down what it was asked for.
struct Recorder {
    version: &'static str,
    asked: RefCell<Vec<Asked>>,
    /// What its PTX has besides the entry points.
    more: &'static str,
    /// Forgets an entry point.
    forgets: bool,
}

impl Recorder {
    const fn new(version: &'static str) -> Self {
        Self { version, asked: RefCell::new(Vec::new()), more: "", forgets: false }
    }
}

impl DeviceCompiler for Recorder {
    fn version(&self) -> String {
        self.version.to_owned()
    }

    fn compile(&self, device: &DeviceCrate<'_>) -> Result<String> {
        let read = |name| fs::read_to_string(device.folder.join(name));
        assert!(device.folder.is_absolute());
        self.asked.borrow_mut().push(Asked {
            manifest: read("Cargo.toml")?,
            source: read("src/lib.rs")?,
            arch: device.arch.to_owned(),
            entry_points: device.entry_points.to_vec(),
        });
        let mut ptx = format!(".version 7.8\n.target {}\n.address_size 64\n{}", device.arch, self.more);
        for name in device.entry_points.iter().skip(usize::from(self.forgets)) {
            ptx += &format!("// of {}\n.visible .entry {name}()\n{{\n\tret;\n}}\n", self.version);
        }
        Ok(ptx)
    }
}

fn read(folder: &Path, module: &str) -> String {
    fs::read_to_string(folder.join(format!("{module}.ptx"))).unwrap()
}

#[test]
fn what_it_is_asked_for_and_what_becomes_of_it() {
    let folder = Folder::new("compiler");
    let compiler = Recorder::new("recorder 1.0");
    let built = build_with(&folder.options("sm_90"), &compiler).unwrap();
    let asked = compiler.asked.take();
    let [Asked { manifest, source, arch, entry_points }] = &asked[..] else { panic!("once: {asked:?}") };
    assert_eq!(arch, "sm_90");
    assert!(manifest.contains("crate-type = [\"cdylib\"]") && manifest.contains("keops-device"), "{manifest}");
    // two element types, each with the kernel, its merge kernel and a total kernel
    assert_eq!((entry_points.len(), &built.modules), (6, entry_points));
    for name in entry_points {
        assert!(source.contains(&format!("extern \"ptx-kernel\" fn {name}(")), "{name}");
        let module = read(&built.folder, name);
        assert_eq!(
            module,
            format!(".version 7.8\n.target sm_90\n.address_size 64\n.visible .entry {name}()\n{{\n\tret;\n}}\n")
        );
    }
    assert!(!built.fresh);
}

#[test]
fn it_is_not_asked_again_for_what_is_there() {
    let folder = Folder::new("again");
    let compiler = Recorder::new("recorder 1.0");
    let first = build_with(&folder.options("sm_80"), &compiler).unwrap();
    let second = build_with(&folder.options("sm_80"), &compiler).unwrap();
    assert!(second.fresh && second.folder == first.folder && compiler.asked.borrow().len() == 1);
    // another architecture, another version of it
    let other = build_with(&folder.options("sm_90"), &compiler).unwrap();
    assert!(!other.fresh && other.folder != first.folder && compiler.asked.borrow().len() == 2);
    let newer = Recorder::new("recorder 1.1");
    let built = build_with(&folder.options("sm_80"), &newer).unwrap();
    assert!(!built.fresh && built.folder != first.folder && newer.asked.borrow().len() == 1);
}

/// Compiles nothing.
struct Refusal;

impl DeviceCompiler for Refusal {
    fn version(&self) -> String {
        "refusal".to_owned()
    }

    fn compile(&self, device: &DeviceCrate<'_>) -> Result<String> {
        bail!("{} is too new", device.arch)
    }
}

#[test]
fn what_it_cannot_do_is_said() {
    let folder = Folder::new("faults");
    let options = folder.options("sm_100");
    let says = |compiler: &dyn DeviceCompiler| build_with(&options, compiler).unwrap_err().to_string();
    assert_eq!(says(&Refusal), "sm_100 is too new");
    let calls = Recorder { more: ".extern .func __nv_expf()\n;\n", ..Recorder::new("calls") };
    assert_eq!(says(&calls), "the PTX is not self-contained: it calls __nv_expf");
    let forgets = Recorder { forgets: true, ..Recorder::new("forgets") };
    let error = says(&forgets);
    assert_eq!(error, format!("the PTX has no kernel {}", forgets.asked.borrow()[0].entry_points[0]));
    // and nothing is left that would be taken for modules
    let built = build_with(&options, &Recorder::new("forgets")).unwrap();
    assert!(!built.fresh);
}

#[test]
fn a_crate_without_kernels_needs_no_compiler() {
    let folder = Folder::new("none");
    fs::write(folder.0.join("src/lib.rs"), "fn nothing() {}").unwrap();
    let built = build_with(&folder.options("sm_80"), &Refusal).unwrap();
    assert!(built.modules.is_empty());
}

/// Says that this process is a build script.
const SCRIPT: &str = "KEOPS_BUILD_TEST_SCRIPT";

/// Runs this test as a build script with that compiler; what it tells cargo.
fn script(folder: &Folder, compiler: &str) -> Vec<String> {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "in_a_build_script"])
        .envs([("CARGO_MANIFEST_DIR", &folder.0), ("OUT_DIR", &folder.0.join("out"))])
        .env(SCRIPT, compiler)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| line.starts_with("cargo:")).map(str::to_owned).collect()
}

#[test]
fn in_a_build_script() {
    match env::var(SCRIPT).as_deref() {
        Ok("refusal") => return compile_with(&Refusal, &[]),
        Ok(_) => return compile_with(&Recorder::new("recorder 1.0"), &[]),
        Err(_) => {}
    }
    let folder = Folder::new("script");
    let told = script(&folder, "recorder");
    let modules = told.iter().find_map(|line| line.strip_prefix("cargo:rustc-env=KEOPS_PTX_DIR=")).unwrap();
    let mut found: Vec<_> = fs::read_dir(modules).unwrap().map(|file| file.unwrap().path()).collect();
    found.sort();
    assert_eq!(found.len(), 6);
    assert!(fs::read_to_string(&found[0]).unwrap().contains(".target sm_80"));
    assert!(told.contains(&"cargo:rerun-if-changed=src".to_owned()));

    let told = script(&folder, "refusal");
    assert!(told.contains(&"cargo:warning=keops: built for the CPU only: sm_80 is too new".to_owned()), "{told:?}");
    assert!(!told.iter().any(|line| line.contains("KEOPS_PTX_DIR")));
}
