//! The rules of the architecture that a compiler does not check. Each rule is a function that lists what breaks it, and each is
//! shown a violation as well, so that it is known to see one.

mod circles;
mod names;

use std::path::{Path, PathBuf};

use names::{code, declared, named, words};

/// Stages in the order of the data flow: each imports only from those before it. `pipeline` sees them all.
const STAGES: [&str; 17] = [
    "error",
    "types",
    "budget",
    "progress",
    "store",
    "distance",
    "gpu",
    "source",
    "representation",
    "index",
    "join",
    "graph",
    "kernel",
    "operator",
    "portable",
    "sink",
    "pipeline",
];
/// Where `unsafe` may stand, below the core's sources.
const UNSAFE: [&str; 3] = ["distance/", "index/lists.rs", "gpu/"];
/// Names that say nothing of what is inside.
const VAGUE: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];
/// Longer files are split.
const MOST_LINES: usize = 450;

struct Source {
    /// Path below the folder that was listed, with `/`.
    path: String,
    text: String,
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name: Vec<_> =
                    path.strip_prefix(folder).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
                found.push(source(&name.join("/"), &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

/// Stages that the code names.
fn imported(source: &Source) -> Vec<String> {
    named(source).into_iter().filter_map(|path| path.into_iter().next()).collect()
}

/// Imports from a stage to the right, and modules that are no stage.
fn wrong_imports(sources: &[Source]) -> Vec<String> {
    let place = |stage: &str| STAGES.iter().position(|known| *known == stage);
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| source.path != "lib.rs") {
        let stage = source.path.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let Some(own) = place(stage) else {
            wrong.push(format!("{}: {stage} is no stage", source.path));
            continue;
        };
        for other in imported(source) {
            if place(&other).is_some_and(|other| other > own) {
                wrong.push(format!("{} imports from {other}", source.path));
            }
        }
    }
    wrong
}

/// Modules that `lib.rs` lists in another order than the data's.
fn wrong_order(lib: &str) -> Vec<String> {
    let modules = declared(lib);
    let place = |module: &String| STAGES.iter().position(|stage| stage == module);
    let unknown = modules.iter().filter(|module| place(module).is_none()).map(|module| format!("{module} is no stage"));
    let swapped = modules.windows(2).filter(|pair| place(&pair[0]) >= place(&pair[1]));
    unknown.chain(swapped.map(|pair| format!("{} stands before {}", pair[0], pair[1]))).collect()
}

/// `unsafe` outside its places, and blocks of it that do not say why they are sound.
fn wrong_unsafe(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let allowed = UNSAFE.iter().any(|place| source.path.starts_with(place));
        let lines: Vec<_> = source.text.lines().collect();
        for (number, line) in code(&source.text).lines().enumerate() {
            if !words(line).any(|word| word == "unsafe") {
                continue;
            }
            let before = &lines[number.saturating_sub(8)..=number];
            let explained = before.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
            // The trait and type of a function pointer are no blocks and promise nothing themselves.
            let block = line.contains("unsafe {") || line.contains("unsafe impl");
            if !allowed {
                wrong.push(format!("{}:{} is unsafe", source.path, number + 1));
            } else if block && !explained {
                wrong.push(format!("{}:{} does not say why it is safe", source.path, number + 1));
            }
        }
    }
    wrong
}

/// Files and folders whose names say nothing, and files that are too long.
fn wrong_files(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        if source.path.split('/').any(|part| VAGUE.contains(&part.trim_end_matches(".rs"))) {
            wrong.push(format!("{} has no telling name", source.path));
        }
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{} has {lines} lines", source.path));
        }
    }
    wrong
}

/// Names of the packages that a manifest depends on at run time.
fn dependencies(manifest: &str) -> Vec<&str> {
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    section.lines().skip(1).filter(|line| !line.starts_with('#')).filter_map(|line| words_of_key(line)).collect()
}

fn words_of_key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    Some(key.trim().split('.').next().unwrap_or_default())
}

/// Dependencies of the core on what only bindings know, and of a binding on what is logic.
fn wrong_dependencies(core: &str, binding: &str) -> Vec<String> {
    let foreign =
        |name: &&str| ["napi", "wasm", "js-sys", "web-sys", "neon"].iter().any(|known| name.starts_with(known));
    let bound =
        ["gigamapper-core", "wasm-bindgen", "napi", "napi-derive", "serde", "serde_json", "bitflags", "getrandom"];
    let core = dependencies(core).into_iter().filter(foreign).map(|name| format!("the core depends on {name}"));
    let binding = dependencies(binding).into_iter().filter(|name| !bound.contains(name));
    core.chain(binding.map(|name| format!("a binding depends on {name}"))).collect()
}

/// Crates that a binding names, beyond those that carry values to and from the core.
fn wrong_binding(sources: &[Source]) -> Vec<String> {
    let known = ["crate", "std", "gigamapper_core", "wasm_bindgen", "napi", "napi_derive", "serde", "serde_json"];
    let uses = |text: &str| -> Vec<String> {
        let lines = code(text);
        let lines = lines.lines().filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("use "));
        lines.filter_map(|line| words(line).next().map(str::to_owned)).collect()
    };
    let mut wrong = Vec::new();
    for source in sources {
        let names = uses(&source.text).into_iter().filter(|name| !known.contains(&name.as_str()));
        wrong.extend(names.map(|name| format!("{} uses {name}", source.path)));
    }
    wrong
}

const NONE: [&str; 0] = [];

#[test]
fn stages_import_from_their_left_only() {
    let core = sources(&crates().join("knn-core/src"));
    assert_eq!(wrong_imports(&core), NONE);
    let seen: usize = core.iter().map(|source| imported(source).len()).sum();
    assert!(seen > 100, "{seen} imports");
    let violations = [
        ("store/os.rs", "use crate::sink::Uns;"),
        ("kernel/gauss.rs", "use crate::{error::{Error, Result}, operator};"),
        ("join/exact.rs", "fn f() -> crate::graph::StoredNeighbors { }"),
        ("join/exact.rs", "use super::super::graph::StoredNeighbors;"),
        ("budget.rs", "use super::progress::Progress;"),
        ("sink/unit.rs", "use crate::pipeline;"),
        ("helpers.rs", ""),
    ];
    for (path, text) in violations {
        assert_eq!(wrong_imports(&[source(path, text)]).len(), 1, "{path}: {text}");
    }
    let fine = "use super::slab::Slab; // use crate::sink::Uns;\nuse crate::{error::Result, types};\nconst A: &str = \"crate::sink\";";
    assert_eq!(wrong_imports(&[source("join/exact.rs", fine)]), NONE);
}

#[test]
fn the_crate_lists_its_stages_in_the_order_of_the_data() {
    assert_eq!(wrong_order(&std::fs::read_to_string(crates().join("knn-core/src/lib.rs")).unwrap()), NONE);
    assert_eq!(wrong_order("pub mod types;\npub mod error;").len(), 1);
    assert_eq!(wrong_order("pub mod error;\nmod extras;").len(), 2);
}

#[test]
fn unsafe_code_stays_in_its_places_and_is_explained() {
    let core = sources(&crates().join("knn-core/src"));
    assert_eq!(wrong_unsafe(&core), NONE);
    assert_eq!(wrong_unsafe(&sources(&crates().join("node-binding/src"))), NONE);
    assert_eq!(wrong_unsafe(&sources(&crates().join("wasm-binding/src"))), NONE);
    assert!(core.iter().any(|source| code(&source.text).contains("unsafe {")));
    let block = "fn f() { unsafe { g() } }";
    assert_eq!(wrong_unsafe(&[source("sink/unit.rs", block)]).len(), 1);
    assert_eq!(wrong_unsafe(&[source("distance/lane.rs", block)]).len(), 1);
    assert_eq!(wrong_unsafe(&[source("distance/lane.rs", &format!("// SAFETY: g is sound.\n{block}"))]), NONE);
    assert_eq!(wrong_unsafe(&[source("sink/unit.rs", "// unsafe { }\nfn unsafe_names() { \"unsafe\" }")]), NONE);
}

#[test]
fn files_are_short_and_named_by_what_is_in_them() {
    for folder in [
        "knn-core/src",
        "knn-core/tests",
        "knn-core/benches",
        "node-binding/src",
        "tile-lanes/src",
        "wasm-binding/src",
        "wasm-glue/src",
    ] {
        assert_eq!(wrong_files(&sources(&crates().join(folder))), NONE);
    }
    assert_eq!(wrong_files(&[source("sink/utils.rs", ""), source("common/zarr.rs", "")]).len(), 2);
    assert_eq!(wrong_files(&[source("sink/unit.rs", &"x\n".repeat(MOST_LINES + 1))]).len(), 1);
}

#[test]
fn the_core_knows_no_binding_and_bindings_hold_no_logic() {
    let read = |name: &str| std::fs::read_to_string(crates().join(name).join("Cargo.toml")).unwrap();
    let (core, binding) = (read("knn-core"), read("node-binding"));
    assert_eq!(wrong_dependencies(&core, &binding), NONE);
    assert_eq!(wrong_dependencies(&core, &read("wasm-binding")), NONE);
    assert!(dependencies(&core).contains(&"rayon") && dependencies(&binding).contains(&"napi"));
    let with = |name: &str| {
        format!("[package]\n\n[dependencies]\n{name}.workspace = true\n\n[dev-dependencies]\nnapi = \"3\"\n")
    };
    assert_eq!(wrong_dependencies(&with("napi"), &with("zarrs")).len(), 2);
    assert_eq!(wrong_dependencies(&with("wasm-bindgen"), &with("rayon")).len(), 2);
    assert_eq!(wrong_binding(&sources(&crates().join("node-binding/src"))), NONE);
    assert_eq!(wrong_binding(&sources(&crates().join("wasm-binding/src"))), NONE);
    assert_eq!(wrong_binding(&[source("map.rs", "use rayon::prelude::*;\nuse napi::Env;")]).len(), 1);
}

/// Packages of a GPU among those that a lock file pins, directly or through others: cuVS is looked for when a run asks for it, and nothing else of it is known.
fn gpu_packages(lock: &str) -> Vec<String> {
    let known = ["cuda", "cudnn", "cuvs", "cublas", "nvidia", "nvml", "nvrtc", "rapids", "rocm"];
    let name = |line: &str| {
        let line = line.trim();
        let crate_name = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'));
        let package = line.strip_suffix("\": {").and_then(|rest| rest.rsplit("node_modules/").next());
        crate_name.or(package).map(|name| name.trim_start_matches('"').to_owned())
    };
    lock.lines().filter_map(name).filter(|name| known.iter().any(|word| name.contains(word))).collect()
}

#[test]
fn no_package_of_a_gpu_is_depended_upon() {
    for (lock, some) in [("Cargo.lock", "name = \"rayon\""), ("package-lock.json", "\"node_modules/commander\": {")] {
        let text = std::fs::read_to_string(crates().join("..").join(lock)).unwrap();
        assert!(text.contains(some), "{lock}");
        assert_eq!(gpu_packages(&text), NONE, "{lock}");
    }
    assert_eq!(gpu_packages("[[package]]\nname = \"cudarc\"\nversion = \"0.19.0\""), ["cudarc"]);
    assert_eq!(gpu_packages("\"node_modules/a/node_modules/@nvidia/cuda\": {"), ["@nvidia/cuda"]);
}

/// Names of tests in the rows of the tables behind a heading, and what these tables lack.
fn wrong_tests(document: &str, heading: &str, defined: &[Source]) -> (Vec<String>, usize) {
    let section = document.split_once(heading).map_or("", |(_, behind)| behind);
    let section = section.split("\n## ").next().unwrap_or_default();
    let is_defined = |name: &str| {
        let function = format!("fn {name}(");
        defined.iter().any(|source| source.text.contains(&function))
    };
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for row in
        section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |") && !line.contains("| test |"))
    {
        rows += 1;
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            wrong.push(format!("{row} names no test"));
        }
        wrong.extend(names.into_iter().filter(|name| !is_defined(name)).map(|name| format!("there is no test {name}")));
    }
    (wrong, rows)
}

#[test]
fn every_intended_difference_and_edge_case_names_its_test() {
    let heading = "## Differences from CellMapper, and edge cases";
    let path = crates().join("../docs/design/mapping.md");
    let document = std::fs::read_to_string(path).unwrap();
    let mut defined = sources(&crates().join("knn-core/tests"));
    defined.extend(sources(&crates().join("knn-core/src")));
    let (wrong, rows) = wrong_tests(&document, heading, &defined);
    assert_eq!(wrong, NONE);
    assert_eq!(rows, 13 + 18);
    for number in 1..=13 {
        assert!(document.contains(&format!("\n| {number} | ")), "difference {number}");
    }
    let made_up = format!("{heading}\n| 1 | a | `no_such_test_anywhere_at_all` |\n| 2 | b | |\n## Next\n| 3 | c | |");
    let (wrong, rows) = wrong_tests(&made_up, heading, &[source("a.rs", "")]);
    assert_eq!((wrong.len(), rows), (2, 2));
}
