//! The table of crates with floors.

/// A crate, and the floors of its rooms.
pub(super) struct Crate {
    /// The name of the crate in paths.
    pub(super) name: &'static str,
    /// The folder of its sources.
    pub(super) folder: &'static str,
    /// The rooms on each floor, from the ground up. Rooms are modules of the root, which is above them all. A crate without
    /// floors is one room.
    pub(super) floors: &'static [&'static [&'static str]],
    /// Other crates with floors, and the highest room of each that this crate may import from.
    pub(super) imports: &'static [(&'static str, &'static str)],
}

/// The crates with rules.
pub(super) const CRATES: &[Crate] = &[
    Crate { name: "keops_core", folder: "keops-core/src", floors: CORE, imports: &[] },
    // an engine takes a checked call, and knows no other engine
    Crate { name: "keops_gpu", folder: "keops-gpu/src", floors: &[], imports: &[("keops_core", "problem")] },
    // kernels have no standard library
    Crate {
        name: "keops_device",
        folder: "keops-gpu/keops-device/src",
        floors: &[],
        imports: &[("keops_core", "launch")],
    },
    Crate { name: "keops_compiler", folder: "keops-macros/compiler/src", floors: COMPILER, imports: &[] },
];

/// The floors of keops-core.
const CORE: &[&[&str]] = &[
    &["number"],
    &["formula"],
    &["reduction"],
    &["launch"],
    // from here up with the standard library
    &["bounds", "far", "lanes", "tree"],
    &["data"],
    &["arguments"],
    &["problem"],
    &["cpu"],
    &["call"],
    &["cluster", "operator"],
    &["solve"],
    &["interfaces"],
];

/// The floors of the compiler. Graphs are below the front end, which makes them and looks operations up in their table; the
/// lowering knows nothing of either end. `oracle` is for tests.
const COMPILER: &[&[&str]] = &[&["ir"], &["lower", "syntax"], &["calls", "oracle"], &["emit"]];

/// The floors of the crate of this name.
pub(super) fn floors(name: &str) -> &'static [&'static [&'static str]] {
    CRATES.iter().find(|rules| rules.name == name).map_or(&[], |rules| rules.floors)
}

/// The floor that a room stands on.
pub(super) fn floor(floors: &[&[&str]], room: &str) -> Option<usize> {
    floors.iter().position(|rooms| rooms.contains(&room))
}
