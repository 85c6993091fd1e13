//! No file imports another one that imports it in turn, by however many others: whoever reads a file must not have to know
//! what is built upon it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, UseTree, Visibility};

/// A module's path from its crate's root.
type Module = Vec<String>;

/// What the files of a crate import, and what they hand on.
#[derive(Default)]
struct Crate {
    /// Each file's imports, as they are written, with the module in which they stand.
    imports: BTreeMap<Module, Vec<Module>>,
    /// Names that a module hands on from a file below it.
    handed_on: BTreeMap<(Module, String), Module>,
}

struct Imports<'a> {
    file: &'a Module,
    found: Vec<(bool, Module)>,
}

impl Visit<'_> for Imports<'_> {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        let tests = item
            .attrs
            .iter()
            .any(|attribute| attribute.path().is_ident("cfg"));
        if !tests {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        let absolute = paths
            .into_iter()
            .filter_map(|path| absolute(&path, self.file, public));
        self.found.extend(absolute.map(|path| (public, path)));
    }
}

/// Lists the paths of a tree of imports.
fn flatten(tree: &UseTree, before: &mut Module, paths: &mut Vec<Module>) {
    let mut with = |name: String| {
        let mut path = before.clone();
        path.extend((name != "self").then_some(name));
        paths.push(path);
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, paths);
            before.pop();
        }
        UseTree::Name(name) => with(name.ident.to_string()),
        UseTree::Rename(name) => with(name.ident.to_string()),
        UseTree::Glob(_) => paths.push(before.clone()),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, paths);
            }
        }
    }
}

/// Gives a path from the crate's root; none for those of other crates.
fn absolute(path: &[String], file: &Module, public: bool) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([file, rest].concat()),
        "super" => {
            let (_, above) = file.split_last()?;
            let above = above.to_vec();
            if rest.first().is_some_and(|next| next == "super") {
                return absolute(rest, &above, public);
            }
            Some([above, rest.to_vec()].concat())
        }
        // What a module hands on from its own parts.
        _ if public => Some([file.as_slice(), path].concat()),
        _ => None,
    }
}

impl Crate {
    fn read(source: &Path) -> Self {
        let mut found = Self::default();
        let pattern = format!("{}/**/*.rs", source.display());
        let mut handed_on = Vec::new();
        for file in glob::glob(&pattern).unwrap() {
            let file = file.unwrap();
            let inner = file.strip_prefix(source).unwrap().with_extension("");
            let mut module: Module = inner
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            let name = module.last().unwrap().as_str();
            if name == "tests" {
                continue;
            }
            if ["lib", "main", "mod"].contains(&name) {
                module.pop();
            }
            let parsed = syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let of_tests = |item: &Item| matches!(item, Item::Mod(item) if item.ident == "tests" && item.content.is_some());
            let mut imports = Imports {
                file: &module,
                found: Vec::new(),
            };
            for item in parsed.items.iter().filter(|item| !of_tests(item)) {
                imports.visit_item(item);
            }
            let found_here = imports.found;
            for (public, path) in &found_here {
                if *public && path.len() > module.len() + 1 && path.starts_with(&module) {
                    let name = path.last().unwrap().clone();
                    handed_on.push(((module.clone(), name), path.clone()));
                }
            }
            let all = found_here.into_iter().map(|(_, path)| path).collect();
            found.imports.insert(module, all);
        }
        found.handed_on = handed_on.into_iter().collect();
        found
    }

    /// Finds the file that defines what a path names.
    fn file(&self, path: &[String]) -> Option<Module> {
        for length in (0..=path.len()).rev() {
            let (module, rest) = path.split_at(length);
            if !self.imports.contains_key(module) {
                continue;
            }
            let key = rest.first().map(|name| (module.to_vec(), name.clone()));
            return match key.and_then(|key| self.handed_on.get(&key)) {
                Some(further) if further != path => self.file(further),
                Some(_) | None => Some(module.to_vec()),
            };
        }
        None
    }

    /// Tells which other files a file imports; a module and what lies below it are one.
    fn edges(&self, from: &Module) -> BTreeSet<Module> {
        let to = self.imports[from].iter().filter_map(|path| self.file(path));
        to.filter(|to| !to.is_empty() && !from.starts_with(to) && !to.starts_with(from))
            .collect()
    }

    /// Finds a way from a file back to itself.
    fn circle(&self) -> Option<Vec<String>> {
        let edges: BTreeMap<_, _> = self
            .imports
            .keys()
            .map(|from| (from.clone(), self.edges(from)))
            .collect();
        edges.keys().find_map(|start| {
            let mut ways = vec![vec![start.clone()]];
            let mut seen = BTreeSet::new();
            while let Some(way) = ways.pop() {
                for next in &edges[way.last().unwrap()] {
                    let mut further = way.clone();
                    further.push(next.clone());
                    if next == start {
                        return Some(further.iter().map(|module| module.join("::")).collect());
                    }
                    if seen.insert(next.clone()) {
                        ways.push(further);
                    }
                }
            }
            None
        })
    }
}

#[test]
fn no_file_imports_what_imports_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (source, least) in [(root.join("src"), 80), (root.join("../tasks/src"), 120)] {
        let found = Crate::read(&source);
        let edges: usize = found
            .imports
            .keys()
            .map(|from| found.edges(from).len())
            .sum();
        assert!(
            found.imports.len() > least && edges > 2 * least,
            "too little was read: {edges} imports"
        );
        let circle = found.circle();
        assert_eq!(
            circle.map(|circle| circle.join(" → ")),
            None,
            "in {}",
            source.display()
        );
    }
}

#[test]
fn a_circle_is_found_by_way_of_what_is_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod deep; pub use deep::Thing;"),
        ("a/deep.rs", "use crate::b::Other; pub struct Thing;"),
        ("b.rs", "use crate::a::{self, Thing}; pub struct Other;"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let circle = Crate::read(folder.path()).circle();
    assert_eq!(circle.unwrap(), ["a::deep", "b", "a::deep"]);
}
