//! The dependencies of ARCHITECTURE.md: a folder of the core uses only folders below it, and files
//! have no cycles.

#[path = "common/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sources::sources;

/// Every folder with those that it may use, in addition to `error` and `tolerances`, which all may
/// use.
const MAY_NAME: [(&str, &[&str]); 14] = [
    ("random", &[]),
    ("parallel", &[]),
    ("kernels", &["parallel"]),
    ("covariance", &["kernels"]),
    ("design", &["kernels", "covariance"]),
    ("simulate", &["random", "kernels", "covariance", "design"]),
    ("factor", &["parallel", "kernels", "covariance", "design"]),
    ("iterative", &["random", "parallel", "kernels", "factor"]),
    (
        "derivatives",
        &["parallel", "kernels", "covariance", "factor"],
    ),
    ("optimize", &["kernels"]),
    (
        "coordinates",
        &[
            "random",
            "kernels",
            "covariance",
            "design",
            "factor",
            "derivatives",
            "optimize",
        ],
    ),
    (
        "judge",
        &[
            "kernels",
            "covariance",
            "derivatives",
            "coordinates",
            "optimize",
        ],
    ),
    (
        "lmm",
        &[
            "random",
            "parallel",
            "simulate",
            "kernels",
            "covariance",
            "design",
            "factor",
            "iterative",
            "derivatives",
            "optimize",
            "coordinates",
            "judge",
        ],
    ),
    (
        "glmm",
        &[
            "random",
            "parallel",
            "simulate",
            "kernels",
            "covariance",
            "design",
            "factor",
            "iterative",
            "derivatives",
            "optimize",
            "coordinates",
            "judge",
        ],
    ),
];
const BELOW_ALL: [&str; 4] = ["error", "tolerances", "Error", "Result"];

/// The code of a file without comments and without its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a readable source");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.is_some_and(|stem| stem == "tests" || stem.ends_with("_tests"))
}

/// The folders of the core that a piece of code uses.
fn named(code: &str) -> BTreeSet<String> {
    let names = code.match_indices("crate::").map(|(at, prefix)| {
        let rest = &code[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_string()
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn folders_name_only_those_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, &[&str]> = MAY_NAME.into_iter().collect();
    let mut wrong = Vec::new();
    for path in sources(&root).into_iter().filter(|path| !is_test(path)) {
        let inside = path.strip_prefix(&root).expect("a path below the root");
        let mut parts = inside
            .iter()
            .map(|part| part.to_string_lossy().into_owned());
        let (folder, is_nested) =
            (parts.next().unwrap_or_default(), parts.next().is_some());
        if !is_nested {
            continue;
        }
        let may = allowed.get(folder.as_str()).copied().unwrap_or_default();
        for name in named(&code(&path)) {
            let is_fine = name == folder || may.contains(&name.as_str());
            if !is_fine && !BELOW_ALL.contains(&name.as_str()) {
                wrong.push(format!("{} names {name}", inside.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that point up:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_order_has_no_circle() {
    for (place, (folder, may)) in MAY_NAME.iter().enumerate() {
        let before: Vec<&str> =
            MAY_NAME[..place].iter().map(|(name, _)| *name).collect();
        assert!(may.iter().all(|name| before.contains(name)), "{folder}");
    }
}

#[test]
fn every_folder_has_its_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folders = fs::read_dir(&root).expect("the sources are there");
    let names = folders.map(|entry| entry.expect("an entry of a folder"));
    let found: BTreeSet<String> = names
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !BELOW_ALL.contains(&name.as_str()))
        .collect();
    let known: BTreeSet<String> =
        MAY_NAME.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(found, known);
}

/// The modules of the library for R, each with those that it uses.
fn modules_for_r() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
    let module = |path: &Path| {
        let stem = path.file_stem().expect("a file has a name");
        let name = stem.to_string_lossy().into_owned();
        let used = named(&code(path));
        (name, used)
    };
    sources(&root).iter().map(|path| module(path)).collect()
}

#[test]
fn the_library_for_r_has_no_circle() {
    let mut left = modules_for_r();
    assert!(left.contains_key("lmm"));
    loop {
        let lowest: Vec<String> = left
            .iter()
            .filter(|(_, used)| {
                used.iter().all(|name| !left.contains_key(name))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if lowest.is_empty() {
            break;
        }
        for name in lowest {
            left.remove(&name);
        }
    }
    assert!(left.is_empty(), "modules in a circle: {:?}", left.keys());
}
