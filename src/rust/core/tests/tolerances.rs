//! All thresholds of the core are in `tolerances/`, whose tables have the values of the constants.

#[path = "common/sources.rs"]
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sources::sources;

/// Series and polynomials have cut-offs of their own.
const SPECIAL_FUNCTIONS: [&str; 4] =
    ["special.rs", "lanes.rs", "link.rs", "gauss_hermite.rs"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The folder of the thresholds.
fn home() -> PathBuf {
    root().join("tolerances")
}

fn is_test(name: &str) -> bool {
    name == "tests.rs" || name.ends_with("_tests.rs")
}

/// Numbers in a line of code with a negative exponent, which only thresholds have.
fn thresholds(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or("");
    let is_of_number = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let words = code.split(|c: char| !is_of_number(c));
    let is_small = |word: &&str| {
        let starts = word.starts_with(|c: char| c.is_ascii_digit());
        starts
            && word.contains("e-")
            && word.trim_end_matches("f64").parse::<f64>().is_ok()
    };
    words.filter(is_small).collect()
}

#[test]
fn a_threshold_is_found() {
    assert_eq!(thresholds("if x < 1e-3 * y {"), ["1e-3"]);
    assert_eq!(thresholds("const A: f64 = 2.5e-10; // 1e-3"), ["2.5e-10"]);
    assert!(thresholds("let sum = one - e1 - 2.0;").is_empty());
}

#[test]
fn thresholds_stand_in_one_folder() {
    let mut wrong = Vec::new();
    for path in sources(&root()) {
        let name = path.file_name().expect("a file").to_string_lossy();
        let is_special = SPECIAL_FUNCTIONS.contains(&name.as_ref());
        if is_special || is_test(&name) || path.starts_with(home()) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a readable source");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
        let found = code.lines().flat_map(thresholds);
        wrong.extend(
            found.map(|number| format!("{}: {number}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_say_what_the_constants_are() {
    let row = |line: &str| {
        let line = line.strip_prefix("//! | [`")?;
        let (name, rest) = line.split_once("`] | ")?;
        Some((name.to_string(), rest.split(" |").next()?.to_string()))
    };
    let constant = |line: &str| {
        let line = line.strip_prefix("pub(crate) const ")?;
        let (name, value) = line.split_once(": f64 = ")?;
        Some((name.to_string(), value.trim_end_matches(';').to_string()))
    };
    for path in sources(&home()) {
        let text = fs::read_to_string(&path).expect("a readable source");
        let rows: BTreeMap<_, _> = text.lines().filter_map(row).collect();
        let mut constants: BTreeMap<_, _> =
            text.lines().filter_map(constant).collect();
        if let Some(square) = constants.get_mut("SINGULAR_VARIANCE") {
            assert_eq!(square, "ZERO_SD * ZERO_SD");
            *square = "1e-6".into();
        }
        assert_eq!(rows, constants, "{}", path.display());
    }
}
