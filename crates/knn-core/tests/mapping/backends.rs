//! What compares cells: every combination that `capabilities` tells of is asked for, planned and where it can be run, and what it does is what is told.

use std::path::{Path, PathBuf};
use std::process::Command;

use gigamapper_core::error::Result;
use gigamapper_core::pipeline::{
    BackendState, Combination, IndexRequest, MapRequest, Plan, build_index, capabilities, describe_index, plan,
    plan_index,
};
use gigamapper_core::progress::Progress;

use super::cells::Cells;
use super::clusters::clustered;
use super::disk::listed;
use super::mapped::Mapped;
use super::sample::{Place, map, output};

const DIM: usize = 6;

struct Stores {
    place: Place,
    query: Cells,
    reference: Cells,
}

impl Stores {
    fn new() -> Self {
        let place = Place::new();
        let (query, reference) = (clustered(&place, "query", 70, DIM, 1), clustered(&place, "reference", 120, DIM, 2));
        Self { place, query, reference }
    }

    /// What a combination says, as a request.
    fn request(&self, one: &Combination) -> MapRequest {
        let within = one.mode == "self";
        let (list_dtype, rerank) = stored(one);
        MapRequest {
            backend: Some(one.backend.clone()),
            method: Some(one.method.clone()),
            list_dtype,
            rerank,
            metric: Some(one.metric.clone()),
            nlist: (one.method != "exact").then_some(4),
            nprobe: (one.method != "exact").then_some(3),
            n_neighbors: Some(5),
            overwrite: Some(true),
            layout: None,
            ..self.place.request(&self.query, (!within).then_some(&self.reference))
        }
    }
}

/// The options that say how lists store rows.
fn stored(one: &Combination) -> (Option<String>, Option<String>) {
    let rerank = if one.dtype == "f32" { "exact".into() } else { one.dtype.clone() };
    ((one.method == "ivf").then(|| one.dtype.clone()), (one.method == "ivfpq").then_some(rerank))
}

/// Whether a back end is there.
fn state(backends: &[BackendState], name: &str) -> BackendState {
    backends.iter().find(|backend| backend.name == name).unwrap().clone()
}

/// What is planned is what is told: on the back end that does it, refused as it is told, or refused because the machine has no device.
#[track_caller]
fn check(asked: &MapRequest, runs_on: Option<&str>, reason: Option<&str>, there: &BackendState) -> Option<Plan> {
    let planned: Result<Plan> = plan(asked);
    match (planned, runs_on) {
        (Err(refusal), None) => {
            assert!(matches!(refusal.code(), "GM_UNSUPPORTED" | "GM_PARAM"), "{refusal}");
            assert!(reason.is_none_or(|reason| refusal.to_string() == reason), "{refusal}");
            None
        }
        (Ok(planned), Some(name)) => {
            assert!(there.available, "{asked:?}");
            assert_eq!(planned.backend.name, name, "{asked:?}");
            assert_eq!(planned.backend.device.is_some(), name == "cuda", "{asked:?}");
            let warned = planned.warnings.iter().any(|warning| warning.contains(&planned.backend.reason));
            assert_eq!(warned, name != there.name, "{:?}", planned.warnings);
            assert!(name == there.name || reason.is_none_or(|reason| reason == planned.backend.reason));
            Some(planned)
        }
        (Err(missing), Some(_)) => {
            assert!(!there.available, "{missing}");
            assert_eq!(missing.code(), "GM_BACKEND", "{missing}");
            let (reason, remedy) = (there.reason.as_deref().unwrap(), there.remedy.clone());
            assert!(missing.to_string().contains(reason) && missing.hint() == remedy, "{missing}");
            // Where nothing but a device is missing, the CPU goes on, and says why.
            let auto = plan(&MapRequest { backend: None, ..asked.clone() }).unwrap();
            assert_eq!((auto.backend.name.as_str(), auto.backend.device), ("cpu", None));
            assert!(!auto.backend.reason.is_empty());
            None
        }
        (Ok(planned), None) => panic!("{asked:?} is told to be refused: {:?}", planned.backend),
    }
}

#[test]
fn every_combination_is_what_a_plan_makes_of_it() {
    let stores = Stores::new();
    let found = capabilities();
    let (mut runs, mut refused, mut elsewhere) = (0, 0, 0);
    for one in &found.combinations {
        let there = state(&found.backends, &one.backend);
        let asked = stores.request(one);
        let planned = check(&asked, one.runs_on.as_deref(), one.reason.as_deref(), &there);
        if let Some(planned) = planned {
            let report = map(&asked).unwrap();
            assert_eq!(report.plan.backend, planned.backend);
            assert_eq!(report.warnings[..planned.warnings.len()], planned.warnings);
            let neighbors = Mapped::open(output(&asked)).neighbors();
            assert!(neighbors.ids.iter().all(|&id| id >= 0), "{one:?}");
            runs += 1;
            elsewhere += usize::from(planned.backend.name != one.backend);
        }
        refused += usize::from(one.runs_on.is_none());
        let batches = MapRequest { exclude_batch: Some("type".into()), ..asked.clone() };
        check(&batches, one.runs_on_with_exclude_batch.as_deref(), None, &there);
    }
    assert!(runs >= 40 && refused >= 12, "{runs} runs, {refused} refused");
    assert!(elsewhere > 0 || !state(&found.backends, "cuda").available);
}

#[test]
fn what_can_be_appended_to_and_read_in_shards_is_what_is_told() {
    let stores = Stores::new();
    let (place, found) = (&stores.place, capabilities());
    let shards = |name: &str| {
        let first = clustered(place, &format!("{name}-1"), 40, DIM, 3);
        let names: Vec<_> = (0..50).map(|cell| format!("other{cell}")).collect();
        format!("{},{}", first.path(), clustered(place, &format!("{name}-2"), 50, DIM, 4).names(&names).path())
    };
    let (queries, references) = (shards("query"), shards("reference"));
    for (number, one) in found.combinations.iter().filter(|one| one.backend == "cpu").enumerate() {
        let many = MapRequest {
            query: queries.clone(),
            reference: (one.mode == "cross").then(|| references.clone()),
            ..stores.request(one)
        };
        let planned = plan(&many).map(|planned| [planned.query.n_obs, planned.reference.n_obs]);
        assert_eq!(planned.is_ok_and(|cells| cells == [90, 90]), one.sharded, "{one:?}");
        if one.mode == "self" {
            continue;
        }
        let (list_dtype, rerank) = stored(one);
        let path = place.outputs().join(format!("{number}.gmx"));
        let reference = |n: usize| clustered(place, &format!("growing-{number}-{n}"), n, DIM, 5).path();
        let build = IndexRequest {
            reference: reference(80),
            output: Some(path.to_str().unwrap().to_owned()),
            method: Some(one.method.clone()),
            list_dtype,
            rerank,
            metric: Some(one.metric.clone()),
            nlist: Some(4),
            memory: Some("256MiB".into()),
            ..IndexRequest::default()
        };
        let grown = || -> Result<u64> {
            build_index(&build, &Progress::silent())?;
            // The same store with more cells.
            std::fs::remove_dir_all(&build.reference).unwrap();
            std::fs::rename(reference(100), &build.reference).unwrap();
            let appended = build_index(&IndexRequest { append: Some(true), ..build.clone() }, &Progress::silent())?;
            Ok(appended.rows)
        };
        let grown = grown();
        assert_eq!(grown.is_ok_and(|rows| rows == 100), one.append, "{one:?}");
        assert!(!one.append || describe_index(&path).unwrap().method == one.method);
    }
}

#[test]
fn what_compares_cells_is_no_part_of_a_run() {
    let stores = Stores::new();
    let found = capabilities();
    let asked = MapRequest { n_neighbors: Some(5), ..stores.place.request(&stores.query, Some(&stores.reference)) };
    let auto = plan(&asked).unwrap();
    let named = ["auto", "cpu"].map(|name| plan(&MapRequest { backend: Some(name.into()), ..asked.clone() }).unwrap());
    assert_eq!(named[0], auto);
    assert_eq!(named[1].run, auto.run);
    assert_eq!(named[1].backend.reason, "it was asked for");
    assert_eq!(auto.backend.name == "cuda", state(&found.backends, "cuda").available);
    assert_eq!(plan(&MapRequest { backend: Some("gpu".into()), ..asked.clone() }).unwrap_err().code(), "GM_PARAM");
    if state(&found.backends, "cuda").available {
        assert_eq!(plan(&MapRequest { backend: Some("cuda".into()), ..asked.clone() }).unwrap().run, auto.run);
    }
}

#[test]
fn the_graph_of_an_index_is_found_by_the_back_end_that_is_asked_for() {
    let stores = Stores::new();
    let cuda = state(&capabilities().backends, "cuda");
    let path = stores.place.outputs().join("index.gmx");
    let asked = |backend: Option<&str>, keep_graph| IndexRequest {
        reference: stores.reference.path(),
        output: Some(path.to_str().unwrap().to_owned()),
        nlist: Some(4),
        keep_graph,
        backend: backend.map(str::to_owned),
        memory: Some("256MiB".into()),
        ..IndexRequest::default()
    };
    assert_eq!(plan_index(&asked(None, None)).unwrap().backend, None);
    let without = plan_index(&asked(Some("cuda"), None)).unwrap_err();
    assert_eq!((without.code(), without.details()["name"].as_str()), ("GM_PARAM", Some("backend")));
    let planned = plan_index(&asked(Some("cpu"), Some(4))).unwrap();
    assert_eq!(planned.backend.as_ref().unwrap().name, "cpu");
    assert_eq!(planned.run, plan_index(&asked(None, Some(4))).unwrap().run);
    let by_gpu = build_index(&asked(Some("cuda"), Some(4)), &Progress::silent());
    match by_gpu {
        Ok(built) => assert!(cuda.available && built.plan.backend.unwrap().name == "cuda"),
        Err(error) => {
            assert_eq!((error.code(), cuda.available), ("GM_BACKEND", false), "{error}");
            assert_eq!(listed(Path::new(&stores.place.outputs())), Vec::<String>::new());
        }
    }
}

/// The mock of cuVS, which `tests/gpu/mock.c` is, as a library of its own.
fn mock(folder: &Path) -> PathBuf {
    let (here, library) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu"), folder.join("libcuvs_c.so"));
    let mut compile = Command::new("cc");
    compile.args(["-std=c11", "-O2", "-shared", "-fPIC", "-pthread", "-I"]).arg(here.join("include"));
    compile.arg(here.join("mock.c")).arg("-o").arg(&library).arg("-lm");
    let output = compile.output().expect("the tests of the GPU need a C compiler: install gcc, so that `cc` is found");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// What a process opens it keeps, so the same tests run once more in another one, which is told where the mock is.
#[test]
fn with_a_device_all_of_this_holds_too() {
    let program = std::env::current_exe().unwrap();
    // A library can be opened where a program can, which temporary folders may forbid.
    let folder = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
    let names = [
        "every_combination_is_what_a_plan_makes_of_it",
        "what_compares_cells_is_no_part_of_a_run",
        "the_graph_of_an_index_is_found_by_the_back_end_that_is_asked_for",
        "what_is_open_counts_as_memory",
    ];
    let mut again = Command::new(program);
    again
        .arg("--exact")
        .args(names.map(|name| format!("backends::{name}")))
        .env("GIGAMAPPER_CUVS", mock(folder.path()));
    let output = again.env("GIGAMAPPER_TEST_DEVICE", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("4 passed"), "{told}");
}

#[test]
fn what_is_open_counts_as_memory() {
    let stores = Stores::new();
    let cuda = state(&capabilities().backends, "cuda");
    assert!(cuda.available || std::env::var_os("GIGAMAPPER_TEST_DEVICE").is_none(), "{cuda:?}");
    let planned = plan(&stores.place.request(&stores.query, Some(&stores.reference))).unwrap();
    let library = planned.memory.parts.get("GPU library").copied();
    assert!(library.is_some_and(|bytes| bytes > 0) || !cuda.available);
}
