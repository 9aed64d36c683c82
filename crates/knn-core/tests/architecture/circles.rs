//! The order of the modules within `pipeline/`: each imports only from those that the `mod.rs` of their folder lists above it.

use super::names::{declared, module, named};
use super::{NONE, Source, crates, source, sources};

/// Imports of a module of `pipeline/` from one that does not stand above it in the `mod.rs` of their folder, so that none are in circles; a folder
/// counts as one module among its neighbours. Its `mod.rs` sees all of it, so nothing within imports what is defined there. Tests may see all.
fn circles(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for folder in
        sources.iter().filter(|source| source.path.starts_with("pipeline/") && source.path.ends_with("/mod.rs"))
    {
        let (above, modules) = (module(folder), declared(&folder.text));
        let place = |name: &String| modules.iter().position(|module| module == name);
        for source in sources {
            let path = module(source);
            let Some(own) = path.strip_prefix(above.as_slice()).and_then(|below| place(below.first()?)) else {
                continue;
            };
            let text = source.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for name in named(&self::source(&source.path, text)) {
                let Some(other) = name.strip_prefix(above.as_slice()).and_then(|below| below.first()) else { continue };
                if place(other).is_none_or(|other| other > own) {
                    wrong.push(format!("{} imports {}", source.path, name.join("::")));
                }
            }
        }
    }
    wrong
}

#[test]
fn modules_of_the_pipeline_do_not_import_in_circles() {
    let core = sources(&crates().join("knn-core/src"));
    assert_eq!(circles(&core), NONE);
    let within: usize = core.iter().filter(|source| source.path.starts_with("pipeline/")).map(|s| named(s).len()).sum();
    assert!(within > 1000, "{within} imports");
    let of = |path: &str, text: &str| {
        let folders = [
            source(
                "pipeline/mod.rs",
                "mod request;\nmod memory;\nmod plan;\n#[cfg(test)]\nmod typescript;\npub use plan::plan;",
            ),
            source("pipeline/memory/mod.rs", "pub(super) mod sizes;\npub(super) mod runs;\nuse self::runs::Runs;"),
        ];
        circles(&folders.into_iter().chain([source(path, text)]).collect::<Vec<_>>())
    };
    let violations = [
        ("pipeline/request.rs", "use super::plan::Prepared;"),
        ("pipeline/request.rs", "fn f() -> super::memory::Sizes { }"),
        ("pipeline/request/map.rs", "use crate::pipeline::{memory::{self, sizes::Sizes}};\nuse super::layout::Layout;"),
        ("pipeline/memory/sizes.rs", "use super::runs::Runs;"),
        ("pipeline/memory/sizes.rs", "use crate::pipeline::plan;"),
        ("pipeline/memory/runs.rs", "use super::share;"),
        ("pipeline/plan.rs", "use super::{request::Resolved, Plan};"),
    ];
    for (path, text) in violations {
        assert!(!of(path, text).is_empty(), "{path}: {text}");
    }
    let fine = "use super::sizes::Sizes;\nuse crate::pipeline::request::{Resolved, map::MapRequest};\n// use super::share;\n#[cfg(test)]\nmod tests {\n    use crate::pipeline::MapRequest;\n}";
    assert_eq!(of("pipeline/memory/runs.rs", fine), NONE);
    assert_eq!(of("pipeline/typescript.rs", "use super::{Plan, plan};"), NONE);
}
