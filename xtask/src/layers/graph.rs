//! The imports between files, and those that are against the rules.

use super::{
    rules::{Crate, floor, floors},
    source::File,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

/// The imports of a crate.
pub(super) struct Graph {
    rules: &'static Crate,
    files: Vec<File>,
    /// For each file, the files of the crate that it imports from.
    imports: Vec<BTreeSet<usize>>,
    /// Imports from other rooms, of this crate or another one.
    arrows: BTreeSet<Arrow>,
}

/// An import of a file from another room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    file: PathBuf,
    /// The room of the file; the root has no name.
    from: String,
    /// The crate and the room that the file imports from.
    to: [String; 2],
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, from, to: [name, room] } = self;
        write!(f, "{}: {from} imports {name}::{room}", file.display())
    }
}

/// A fault against the rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// An import from a floor above its own, or from a floor of another crate above the highest that is allowed.
    Up(Arrow),
    /// Files of several rooms that import from each other, one from the next and the last from the first.
    Circle(Vec<PathBuf>),
    /// A room that stands on no floor.
    NoFloor(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(arrow) => write!(f, "up: {arrow}"),
            Self::Circle(files) => {
                write!(f, "circle of {} files:", files.len())?;
                files.iter().try_for_each(|file| write!(f, " {}", file.display()))
            }
            Self::NoFloor(room) => write!(f, "no floor: {room}"),
        }
    }
}

impl Graph {
    pub(super) fn new(rules: &'static Crate, files: Vec<File>) -> Self {
        let modules: BTreeMap<&[String], usize> = files
            .iter()
            .enumerate()
            .flat_map(|(n, file)| file.modules.iter().map(move |path| (&path[..], n)))
            .collect();
        // the file that has the longest part of a path that is a module
        let file_of = |path: &[String]| (0..=path.len()).rev().find_map(|len| modules.get(&path[..len]).copied());
        let mut imports = vec![BTreeSet::new(); files.len()];
        let mut arrows = BTreeSet::new();
        for (number, file) in files.iter().enumerate() {
            let from = room(&file.modules[0]);
            for path in &file.imports {
                let Some((name, path)) = path.split_first() else { continue };
                let to = room(path);
                if name == rules.name {
                    let Some(other) = file_of(path).filter(|&other| other != number) else { continue };
                    imports[number].insert(other);
                    // a path that is no module is a name of the root, on which nothing stands
                    if floor(rules.floors, &to).is_none() && !modules.contains_key(&path[..path.len().min(1)]) {
                        continue;
                    }
                }
                if *name != rules.name || to != from {
                    arrows.insert(Arrow { file: file.path.clone(), from: from.clone(), to: [name.clone(), to] });
                }
            }
        }
        Self { rules, files, imports, arrows }
    }

    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// The number of rooms besides the root.
    pub(super) fn rooms(&self) -> usize {
        self.files
            .iter()
            .map(|file| room(&file.modules[0]))
            .filter(|room| !room.is_empty())
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// The imports between rooms.
    pub(super) fn arrows(&self) -> impl Iterator<Item = &Arrow> {
        self.arrows.iter()
    }

    /// All faults against the rules.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.rules.floors.is_empty() {
            let rooms: BTreeSet<String> = self.files.iter().map(|file| room(&file.modules[0])).collect();
            let homeless =
                rooms.into_iter().filter(|room| !room.is_empty() && floor(self.rules.floors, room).is_none());
            faults.extend(homeless.map(Fault::NoFloor));
        }
        faults.extend(self.arrows.iter().filter(|arrow| self.goes_up(arrow)).cloned().map(Fault::Up));
        let circles = circles(&self.imports).into_iter().filter(|circle| {
            let rooms: BTreeSet<String> = circle.iter().map(|&file| room(&self.files[file].modules[0])).collect();
            !self.rules.floors.is_empty() && rooms.len() > 1
        });
        faults
            .extend(circles.map(|circle| Fault::Circle(circle.into_iter().map(|n| self.path(n).to_owned()).collect())));
        faults
    }

    fn path(&self, file: usize) -> &Path {
        &self.files[file].path
    }

    fn goes_up(&self, arrow: &Arrow) -> bool {
        let [name, room] = &arrow.to;
        let floors = floors_of(self.rules, name);
        let highest = if name == self.rules.name {
            floor(floors, &arrow.from)
        } else {
            let highest = self.rules.imports.iter().find(|(other, _)| other == name);
            highest.and_then(|(_, room)| floor(floors, room))
        };
        // the root may import from all rooms, and a name of another crate's root is in no room
        matches!((highest, floor(floors, room)), (Some(highest), Some(floor)) if floor > highest)
    }
}

/// The floors of another crate that a crate with these rules imports from.
fn floors_of(rules: &Crate, name: &str) -> &'static [&'static [&'static str]] {
    if name == rules.name { rules.floors } else { floors(name) }
}

/// The room of a module; the room of the root has no name.
fn room(module: &[String]) -> String {
    module.first().cloned().unwrap_or_default()
}

/// The largest sets of more than one file in which every file is reached from every other one, by Tarjan's algorithm.
fn circles(imports: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    struct Search<'i> {
        imports: &'i [BTreeSet<usize>],
        /// The number in the order of discovery, for each file.
        order: Vec<Option<usize>>,
        open: Vec<usize>,
        count: usize,
        circles: Vec<Vec<usize>>,
    }

    impl Search<'_> {
        fn visit(&mut self, file: usize) -> usize {
            let own = self.count;
            self.count += 1;
            self.order[file] = Some(own);
            self.open.push(file);
            let mut lowest = own;
            for &next in &self.imports[file] {
                match self.order[next] {
                    None => lowest = lowest.min(self.visit(next)),
                    Some(found) if self.open.contains(&next) => lowest = lowest.min(found),
                    Some(_) => {}
                }
            }
            if lowest == own {
                let start = self.open.iter().position(|&open| open == file).unwrap_or(self.open.len());
                let mut circle = self.open.split_off(start);
                circle.sort_unstable();
                if circle.len() > 1 {
                    self.circles.push(circle);
                }
            }
            lowest
        }
    }

    let order = vec![None; imports.len()];
    let mut search = Search { imports, order, open: Vec::new(), count: 0, circles: Vec::new() };
    for file in 0..imports.len() {
        if search.order[file].is_none() {
            search.visit(file);
        }
    }
    search.circles
}
