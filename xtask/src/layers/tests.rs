use super::{graph::Fault, rules::Crate, *};
use std::{env, fs, path::PathBuf, process};

const HOUSE: &Crate = &Crate {
    name: "house",
    folder: "src",
    floors: &[&["cellar"], &["hall"], &["east", "west"], &["attic"]],
    imports: &[("keops_core", "launch")],
};

/// The faults of a crate of these files, and how many imports there are between its rooms.
fn faults(test: &str, files: &[(&str, &str)]) -> (Vec<String>, usize) {
    let folder: PathBuf = env::temp_dir().join(format!("keops-layers-{test}-{}", process::id()));
    for (name, text) in files {
        let file = folder.join("src").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let graph = read(HOUSE, &folder).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let name = |file: &Path| file.strip_prefix(folder.join("src")).unwrap().display().to_string();
    let faults = graph.faults().into_iter().map(|fault| match fault {
        Fault::Circle(files) => format!("circle {}", files.iter().map(|file| name(file)).collect::<Vec<_>>().join(" ")),
        other => other.to_string().replace(&format!("{}/src/", folder.display()), ""),
    });
    (faults.collect(), graph.arrows().count())
}

const ROOT: (&str, &str) =
    ("lib.rs", "pub mod cellar; pub mod hall; pub mod east; pub mod west; pub mod attic; pub use attic::A;");

#[test]
fn a_house_that_stands() {
    let files = [
        ROOT,
        ("cellar.rs", "mod coal; pub use coal::Coal; /// [`crate::attic::A`]\npub fn f() {} use core::ops::Range;"),
        ("cellar/coal.rs", "pub struct Coal; use super::f; fn g() { self::h(); crate::cellar::f() } fn h() {}"),
        ("hall/mod.rs", "use crate::{cellar::{self, Coal}}; use keops_core::launch::THREADS;"),
        ("east.rs", "use crate::hall; #[cfg(test)] mod tests { use crate::attic::A; } #[cfg(test)] use crate::attic;"),
        ("west.rs", "use super::{east::x, hall}; #[cfg(test)] mod tests;"),
        ("attic.rs", "pub struct A; impl From<crate::cellar::Coal> for A { }"),
    ];
    // hall, east, west twice, attic, and the root; and the other crate
    assert_eq!(faults("stands", &files), (vec![], 7));
}

#[test]
fn imports_go_down_only() {
    let up = |place: &str, text: &str| {
        let files = [ROOT, ("cellar.rs", ""), ("hall.rs", ""), ("east.rs", ""), ("west.rs", ""), ("attic.rs", "")];
        let files = files.map(|(name, old)| (name, if name == place { text } else { old }));
        faults("up", &files).0
    };
    let expected = ["up: cellar.rs: cellar imports house::attic"];
    for text in [
        "use crate::attic::A;",
        "use super::attic;",
        "use crate::{hall::{}, attic::*};",
        "pub(crate) use crate::attic::A as B;",
        "fn f(_: &crate::attic::A) {}",
        "fn f() -> usize { let x = <crate::attic::A as Default>::default(); x.0 }",
        "fn f() { use crate::{attic::A}; }",
        "macro_rules! m { ($x:ident) => { impl T for $x { type A = crate::attic::A; } } }",
        "macro_rules! m { () => { $crate::attic::A } }",
        "m! { crate::attic::A; }",
        "mod inside { use super::super::attic::A; }",
        "mod inside { mod of { type B = super::super::super::attic::A; } }",
        "#[cfg(feature = \"std\")] use crate::attic::A;",
    ] {
        assert_eq!(up("cellar.rs", text), expected, "{text}");
    }
    assert_eq!(up("hall.rs", "use keops_core::problem::Problem;"), ["up: hall.rs: hall imports keops_core::problem"]);
    assert_eq!(up("attic.rs", "use crate::{cellar, hall, east, west};"), [""; 0]);
}

#[test]
fn rooms_of_a_floor_make_no_circle() {
    let files = [
        ROOT,
        ("cellar.rs", ""),
        ("hall.rs", ""),
        ("east.rs", "pub mod door; mod stair;"),
        ("east/door.rs", "use super::stair::Stair;"),
        ("east/stair.rs", "pub struct Stair; use crate::west;"),
        ("west.rs", "use crate::east::door;"),
        ("attic.rs", ""),
    ];
    assert_eq!(faults("circle", &files).0, ["circle east/door.rs east/stair.rs west.rs"]);
    // files of one room may
    let files = files.map(|(name, text)| (name, if name == "west.rs" { "" } else { text }));
    let files =
        files.map(|(name, text)| if name == "east/stair.rs" { (name, "use super::door;") } else { (name, text) });
    assert_eq!(faults("room", &files).0, [""; 0]);
}

#[test]
fn a_room_without_a_floor() {
    let files = [("lib.rs", "mod cellar; mod shed;"), ("cellar.rs", ""), ("shed.rs", "use crate::cellar;")];
    assert_eq!(faults("shed", &files).0, ["no floor: shed"]);
}
