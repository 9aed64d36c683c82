//! What this build can do, as data: made from the lists and checks that decide it, so that it says nothing else than they do.

use serde::{Deserialize, Serialize};

use super::combinations::{Combination, LIST_DTYPES, METHODS, PlatformCapability, RERANKS, combinations, platforms};
use super::doctor::{BackendState, Cpu, doctor};
use super::request::{IndexRequest, MapRequest};
use crate::distance::Metric;
use crate::kernel::KernelMethod;
use crate::source::FORMATS;
use crate::types::DType;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Version of gigamapper's core.
    pub version: String,
    /// Operating system and architecture that it was built for: `linux-x86_64`.
    pub platform: String,
    /// The processor, and what the distance tile uses of it.
    pub cpu: Cpu,
    /// Back ends, with the reason where one cannot be used.
    pub backends: Vec<BackendState>,
    /// Element types of representations that are read; all are compared as f32.
    pub dtypes: Vec<String>,
    /// How neighbours are sought, each with what it can be combined with.
    pub methods: Vec<MethodCapability>,
    /// What becomes of each combination of back end, method, numbers in lists, metric and mode.
    pub combinations: Vec<Combination>,
    /// Back ends that each platform can have.
    pub platforms: Vec<PlatformCapability>,
    /// How distances become weights.
    pub kernels: Vec<KernelCapability>,
    /// Formats that cells are read from.
    pub reads: Vec<FormatCapability>,
    /// Formats that are written.
    pub writes: Vec<FormatCapability>,
}

/// A method of search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct MethodCapability {
    /// `exact`, `ivf` or `ivfpq`.
    pub name: String,
    /// Metrics that it takes.
    pub metrics: Vec<String>,
    /// Numbers in its lists (`listDtype`); empty where there are none to choose.
    pub list_dtypes: Vec<String>,
    /// What decides among what codes select (`rerank`); empty without codes.
    pub reranks: Vec<String>,
    /// Whether an index can be built for it, to be used again.
    pub has_index: bool,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct KernelCapability {
    /// Its name in requests.
    pub name: String,
    /// Whether it weighs neighbours between two stores.
    pub between_stores: bool,
    /// Whether it does within one.
    pub within_store: bool,
    /// Whether its bandwidth can be pinned.
    pub has_bandwidth: bool,
}

/// A format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct FormatCapability {
    /// Its name.
    pub name: String,
    /// How such files or folders are called.
    pub endings: Vec<String>,
    /// What is read of it, or written.
    pub holds: String,
}

/// What this build can do on this machine.
pub fn capabilities() -> Capabilities {
    let machine = doctor();
    Capabilities {
        version: machine.version,
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        cpu: machine.cpu,
        backends: machine.backends,
        dtypes: DType::ALL
            .into_iter()
            .filter(|dtype| dtype.size().is_some())
            .map(|dtype| dtype.name().into())
            .collect(),
        methods: METHODS.map(|(name, _)| method(name)).into(),
        combinations: combinations(),
        platforms: platforms(),
        kernels: KernelMethod::ALL.map(kernel).into(),
        reads: FORMATS.iter().map(|format| listed(format.name, format.endings, format.holds)).collect(),
        writes: vec![
            listed("zarr", &[".zarr"], "AnnData 0.1.0 in zarr v3: mappings, graphs, scores, copies"),
            listed("gmx", &[".gmx"], "an index of a reference"),
            listed("parquet", &[".parquet"], "results of a mapping, by export"),
            listed("csv", &[".csv"], "the same as text"),
        ],
    }
}

fn listed(name: &str, endings: &[&str], holds: &str) -> FormatCapability {
    let endings = endings.iter().map(|&ending| ending.to_owned()).collect();
    FormatCapability { name: name.into(), endings, holds: holds.into() }
}

/// A request between two stores, or within one, that nothing but its options can make wrong.
fn request(within: bool) -> MapRequest {
    MapRequest { query: "query".into(), reference: (!within).then(|| "reference".into()), ..MapRequest::default() }
}

fn method(name: &str) -> MethodCapability {
    let base = || MapRequest { method: Some(name.into()), ..request(false) };
    let takes = |request: &MapRequest| request.resolve().is_ok();
    let some = |names: &[&str], with: &dyn Fn(String) -> MapRequest| -> Vec<String> {
        names.iter().filter(|name| takes(&with((**name).to_owned()))).map(|&name| name.to_owned()).collect()
    };
    let index = IndexRequest { reference: "reference".into(), method: Some(name.into()), ..IndexRequest::default() };
    MethodCapability {
        name: name.into(),
        metrics: some(&Metric::ALL.map(Metric::name), &|metric| MapRequest { metric: Some(metric), ..base() }),
        list_dtypes: some(&LIST_DTYPES, &|dtype| MapRequest { list_dtype: Some(dtype), ..base() }),
        reranks: some(&RERANKS, &|rerank| MapRequest { rerank: Some(rerank), ..base() }),
        has_index: index.resolve().is_ok(),
    }
}

fn kernel(kernel: KernelMethod) -> KernelCapability {
    let takes = |within| MapRequest { kernel_method: Some(kernel.name().into()), ..request(within) }.resolve().is_ok();
    KernelCapability {
        name: kernel.name().into(),
        between_stores: takes(false),
        within_store: takes(true),
        has_bandwidth: kernel.has_bandwidth(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// The part that is the same on every machine, as the page of the documentation.
    fn page(found: &Capabilities) -> String {
        let mut page = String::from(
            "# Capabilities\n\nWhat this version can be asked for. `gigamapper capabilities` prints it with what it finds on the machine at hand, and\n`capabilities()` returns it as data. Written by a test of the core from its own lists: `UPDATE_TYPES=1 cargo test capabilities`.\n",
        );
        let names = |names: &[String]| if names.is_empty() { "–".to_owned() } else { names.join(", ") };
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        page += "\n## Search\n\n| method | metric | listDtype | rerank | index |\n|---|---|---|---|---|\n";
        for one in &found.methods {
            let (metrics, dtypes, reranks) = (names(&one.metrics), names(&one.list_dtypes), names(&one.reranks));
            writeln!(page, "| {} | {metrics} | {dtypes} | {reranks} | {} |", one.name, yes(one.has_index)).unwrap();
        }
        writeln!(page, "\nRepresentations may be stored as {}; they are compared as float32.", names(&found.dtypes))
            .unwrap();
        page += &back_ends(found);
        page += "\n## Kernels\n\n| kernel | between two stores | within one | bandwidth can be pinned |\n|---|---|---|---|\n";
        for one in &found.kernels {
            let [between, within, pinned] = [one.between_stores, one.within_store, one.has_bandwidth].map(yes);
            writeln!(page, "| {} | {between} | {within} | {pinned} |", one.name).unwrap();
        }
        for (title, formats) in [("Read", &found.reads), ("Written", &found.writes)] {
            write!(page, "\n## {title}\n\n| format | called | holds |\n|---|---|---|\n").unwrap();
            for one in formats {
                let endings: Vec<String> = one.endings.iter().map(|ending| format!("`{ending}`")).collect();
                writeln!(page, "| {} | {} | {} |", one.name, endings.join(", "), one.holds).unwrap();
            }
        }
        page
    }

    /// What each back end does, a row for each method and its numbers, and what each platform can have.
    fn back_ends(found: &Capabilities) -> String {
        let on = |runs_on: Option<&str>, asked: &str| match runs_on {
            None => "no",
            Some(name) if name == asked => "yes",
            Some("cpu") => "by the CPU",
            Some(_) => "by a GPU",
        };
        let both = |ways: [&str; 2]| {
            if ways[0] == ways[1] { ways[0].into() } else { format!("{}; within one store {}", ways[0], ways[1]) }
        };
        let metrics = Metric::ALL.map(Metric::name);
        let mut section = String::from(
            "\n## Back ends\n\nWhat compares cells where a back end is asked for and is there, between two stores and within one. Whether it is there is what `gigamapper doctor` says; `auto`\ntakes one for `exact`, because lists are searched as soon by the CPU. Every back end finds the same bits. Rows are f32, f16 in lists of half the bytes, or none where codes are all that is stored.\nLists are trained, cells added to them, and codes made by the CPU, so an index has the same bytes everywhere.\n\n",
        );
        writeln!(
            section,
            "| back end | method | rows | {} | with excludeBatch | added to on disk | many stores as one |",
            metrics.join(" | ")
        )
        .unwrap();
        writeln!(section, "|{}", "---|".repeat(6 + metrics.len())).unwrap();
        let mut rest = &found.combinations[..];
        while let Some(first) = rest.first() {
            let (row, behind) = rest.split_at(2 * metrics.len());
            rest = behind;
            let ways = |of: fn(&Combination) -> Option<&str>| {
                row.chunks(2)
                    .map(|pair| both([on(of(&pair[0]), &first.backend), on(of(&pair[1]), &first.backend)]))
                    .collect::<Vec<_>>()
            };
            let plain = ways(|one| one.runs_on.as_deref());
            let mut batches = ways(|one| one.runs_on_with_exclude_batch.as_deref());
            batches.retain(|way| way != "no");
            batches.dedup();
            let some = |is: fn(&Combination) -> bool| {
                if row.iter().filter(|one| one.runs_on.is_some()).all(is) { "yes" } else { "no" }
            };
            let columns =
                [plain.join(" | "), batches.join("; "), some(|one| one.append).into(), some(|one| one.sharded).into()];
            writeln!(section, "| {} | {} | {} | {} |", first.backend, first.method, first.dtype, columns.join(" | "))
                .unwrap();
        }
        let mut reasons: Vec<_> = found
            .combinations
            .iter()
            .filter_map(|one| one.reason.as_deref().map(|reason| (on(one.runs_on.as_deref(), &one.backend), reason)))
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        section += "\n";
        for (what, reason) in reasons {
            writeln!(section, "* {what}: {reason}").unwrap();
        }
        section += "\n| platform | back ends | |\n|---|---|---|\n";
        for one in &found.platforms {
            writeln!(
                section,
                "| {} | {} | {} |",
                one.name,
                one.backends.join(", "),
                one.reason.as_deref().unwrap_or_default()
            )
            .unwrap();
        }
        section += "\nWhich platforms have packages is said in [platforms.md](platforms.md).\n";
        section
    }

    #[test]
    fn the_page_of_the_documentation_says_the_same() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/capabilities.md");
        let page = page(&capabilities());
        if std::env::var_os("UPDATE_TYPES").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap() == page,
            "docs/capabilities.md: UPDATE_TYPES=1 cargo test capabilities"
        );
    }

    #[test]
    fn it_says_what_requests_are_refused_for() {
        let found = capabilities();
        let of = |name: &str| found.methods.iter().find(|method| method.name == name).unwrap();
        assert!(of("exact").list_dtypes.is_empty() && !of("exact").has_index && of("exact").metrics.len() == 4);
        assert_eq!(of("ivf").list_dtypes, LIST_DTYPES);
        assert!(of("ivf").reranks.is_empty() && of("ivf").has_index);
        assert_eq!(of("ivfpq").reranks, RERANKS);
        assert!(!of("ivfpq").metrics.contains(&"inner_product".to_owned()));
        let umap = found.kernels.iter().find(|kernel| kernel.name == "umap").unwrap();
        assert!(umap.within_store && !umap.between_stores);
        assert!(found.kernels.iter().all(|kernel| kernel.within_store || kernel.between_stores));
        let cuda = found.backends.iter().find(|backend| backend.name == "cuda").unwrap();
        assert!(cuda.available || (cuda.reason.is_some() && cuda.remedy.is_some()));
    }
}
