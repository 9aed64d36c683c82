//! A representation to be computed of genes, as it is asked for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{DEFAULT_LAYOUT, LayoutRequest};
use super::values::{
    checked_components, checked_layout, checked_memory, checked_seed, checked_threads, distinct, one_of, same_store,
};
use super::weighing::layer_path;
use crate::error::{Error, Result};
use crate::source::filtered_path;

/// What a representation is made by, under CellMapper's names.
pub(super) const METHODS: [&str; 2] = ["joint_pca", "fast_cca"];

/// A request to compute a representation of one store or of two, of the genes that both have. Unknown fields are refused.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JointRequest {
    /// The query store. It is never written to.
    pub query: String,
    /// The reference store; none, or the query itself, is the components of one store.
    pub reference: Option<String>,
    /// Only the query cells for which a condition holds, as in `map`. Default all.
    #[serde(rename = "where")]
    pub query_where: Option<String>,
    /// Only the reference cells for which a condition holds, as in `map`.
    #[serde(alias = "reference_where")]
    pub reference_where: Option<String>,
    /// `joint_pca` (default): principal components of the cells of both stores together; or `fast_cca`: canonical correlations between two stores,
    /// of at most 8192 genes.
    pub method: Option<String>,
    /// Where the query's part goes: a new AnnData with names, columns and the representation; `GM_EXISTS` if something is there. A plan works
    /// without it.
    pub output: Option<String>,
    /// Where the reference's part goes.
    #[serde(alias = "reference_output")]
    pub reference_output: Option<String>,
    /// The matrix of cells × genes, in both stores: `X` (default), or the name of a layer. It is taken as it is: normalised and logarithmised
    /// before, as CellMapper wants it.
    pub layer: Option<String>,
    /// A column of booleans in `var` of both stores: genes are taken that both say yes to, such as `highly_variable`. Default all.
    #[serde(alias = "mask_var")]
    pub mask_var: Option<String>,
    /// Components, default 50, or one less than there are cells or genes where that is fewer.
    #[serde(alias = "n_comps")]
    #[cfg_attr(test, ts(type = "number", optional))]
    pub n_comps: Option<i64>,
    /// Key of the representation in `obsm`; default `X_pca` or `X_cca`.
    #[serde(alias = "key_added")]
    pub key_added: Option<String>,
    /// Columns of `obs` to copy into the new stores, where they are. Default: all that can be read.
    #[serde(alias = "obs_keys")]
    pub obs_keys: Option<Vec<String>>,
    /// How principal components are found. `gram`: all products of genes, which must fit into memory, in one pass over the cells; `passes`: block
    /// Lanczos in some passes, for any number of genes. `auto` (default): `gram` up to 4096 genes.
    pub solver: Option<String>,
    /// Seed of the block that the search for components begins with, 0 to 2^53 − 1, default 0.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub seed: Option<i64>,
    /// Anonymous memory of the whole process: bytes, or a size such as `4GiB`. Default: a quarter of the machine's or the
    /// cgroup's, at least 256 MiB. `GM_BUDGET` says what would do.
    pub memory: Option<String>,
    /// Worker threads; default all cores.
    #[cfg_attr(test, ts(type = "number", optional))]
    pub threads: Option<i64>,
    /// Continue an interrupted run of the same request; `GM_STALE` if inputs or parameters differ.
    pub resume: Option<bool>,
    /// Replace what an earlier run wrote there; anything else that is there stays `GM_EXISTS`.
    pub overwrite: Option<bool>,
    /// How matrices of the outputs are stored: `fast` (default) or `compact`, as in `map`.
    pub profile: Option<String>,
    /// Rows per inner chunk, shard and part; for tests of the layout.
    pub layout: Option<LayoutRequest>,
}

/// A request for a representation with paths and limits resolved.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent answers to what was asked")]
pub struct ResolvedJoint {
    /// The query store.
    pub query: PathBuf,
    /// The reference store; none within one store.
    pub reference: Option<PathBuf>,
    /// Whether canonical correlations are asked for.
    pub is_canonical: bool,
    /// Where the query's part goes; a plan needs no place.
    pub output: Option<PathBuf>,
    /// Where the reference's part goes.
    pub reference_output: Option<PathBuf>,
    /// `X` or `layers/<name>`.
    pub layer: String,
    /// The column that chooses genes.
    pub mask_var: Option<String>,
    /// Components, where that was said.
    pub n_comps: Option<u64>,
    /// Key of the representation.
    pub key_added: String,
    /// Columns, where that was said.
    pub obs_keys: Option<Vec<String>>,
    /// `auto`, `gram` or `passes`.
    pub solver: String,
    /// Seed of the first block.
    pub seed: u64,
    /// The budget, bytes.
    pub memory: u64,
    /// Worker threads.
    pub threads: usize,
    /// Continue an interrupted run.
    pub resume: bool,
    /// Replace an earlier store.
    pub overwrite: bool,
    /// Grid of the outputs.
    pub layout: LayoutRequest,
    /// Whether matrices of the outputs are compressed.
    pub compact: bool,
}

impl JointRequest {
    /// Fills in defaults and refuses values that no store could make valid. Touches no array.
    pub fn resolve(&self) -> Result<ResolvedJoint> {
        let resolved = self.resolve_plan()?;
        if resolved.output.is_none() {
            return Err(Error::param("output", "", "name the store to write"));
        }
        if resolved.reference.is_some() && resolved.reference_output.is_none() {
            return Err(Error::param("referenceOutput", "", "name the store to write for the reference"));
        }
        Ok(resolved)
    }

    /// The same of a request that may not say where its outputs go.
    pub fn resolve_plan(&self) -> Result<ResolvedJoint> {
        let path = |given: Option<&String>| given.filter(|given| !given.is_empty()).map(PathBuf::from);
        if self.query.is_empty() {
            return Err(Error::param("query", "", "name the query store"));
        }
        let query = filtered_path(Path::new(&self.query), "where", self.query_where.as_deref())?;
        let chosen = self.reference_where.as_deref();
        let reference = path(self.reference.as_ref().or(chosen.map(|_| &self.query)));
        let reference = reference
            .map(|path| filtered_path(&path, "referenceWhere", chosen))
            .transpose()?
            .filter(|reference| !same_store(&query, reference));
        let output = path(self.output.as_ref());
        let reference_output = path(self.reference_output.as_ref());
        match (&reference, &reference_output) {
            (None, Some(given)) => {
                return Err(Error::param("referenceOutput", given.display(), "there is no reference beside the query"));
            }
            (Some(_), Some(given)) if Some(given) == output.as_ref() => {
                return Err(Error::param("referenceOutput", given.display(), "must differ from output"));
            }
            _ => {}
        }
        let is_canonical = one_of("method", self.method.as_deref(), &METHODS, &[])? == METHODS[1];
        if is_canonical && reference.is_none() {
            return Err(Error::param("method", METHODS[1], "correlates two stores: within one take joint_pca"));
        }
        let solver = one_of("solver", self.solver.as_deref(), &["auto", "gram", "passes"], &[])?;
        if is_canonical && solver == "passes" {
            return Err(Error::param("solver", solver, "canonical correlations need gram"));
        }
        let key_added = self.key_added.clone().unwrap_or_else(|| key(is_canonical).into());
        crate::sink::check_name(&key_added)?;
        Ok(ResolvedJoint {
            query,
            reference,
            is_canonical,
            output,
            reference_output,
            layer: layer_path("layer", self.layer.as_deref())?.unwrap_or_else(|| "X".into()),
            mask_var: self.mask_var.clone(),
            n_comps: checked_components(self.n_comps)?,
            key_added,
            obs_keys: self.obs_keys.as_deref().map(|keys| distinct("obsKeys", Some(keys))).transpose()?,
            solver,
            seed: checked_seed(self.seed)?,
            memory: checked_memory(self.memory.as_deref())?,
            threads: checked_threads(self.threads)?,
            resume: self.resume.unwrap_or(false),
            overwrite: self.overwrite.unwrap_or(false),
            layout: checked_layout(self.layout.unwrap_or(DEFAULT_LAYOUT))?,
            compact: one_of("profile", self.profile.as_deref(), &["fast", "compact"], &[])? == "compact",
        })
    }
}

/// The default key.
pub(in crate::pipeline) fn key(is_canonical: bool) -> &'static str {
    if is_canonical { "X_cca" } else { "X_pca" }
}

impl ResolvedJoint {
    /// CellMapper's name of the method.
    pub fn method(&self) -> &'static str {
        METHODS[usize::from(self.is_canonical)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_name() {
        let request = || JointRequest {
            query: "q".into(),
            reference: Some("r".into()),
            output: Some("a.zarr".into()),
            reference_output: Some("b.zarr".into()),
            ..JointRequest::default()
        };
        let cca = || Some("fast_cca".to_owned());
        let wrong = [
            ("query", JointRequest { query: String::new(), ..request() }),
            ("output", JointRequest { output: None, ..request() }),
            ("referenceOutput", JointRequest { reference_output: None, ..request() }),
            ("referenceOutput", JointRequest { reference: None, ..request() }),
            ("referenceOutput", JointRequest { reference_output: Some("a.zarr".into()), ..request() }),
            ("method", JointRequest { method: Some("svd".into()), ..request() }),
            ("method", JointRequest { method: cca(), reference: None, reference_output: None, ..request() }),
            ("solver", JointRequest { method: cca(), solver: Some("passes".into()), ..request() }),
            ("solver", JointRequest { solver: Some("fast".into()), ..request() }),
            ("layer", JointRequest { layer: Some(String::new()), ..request() }),
            ("nComps", JointRequest { n_comps: Some(0), ..request() }),
            ("nComps", JointRequest { n_comps: Some(-1), ..request() }),
            ("key", JointRequest { key_added: Some("a/b".into()), ..request() }),
            ("obsKeys", JointRequest { obs_keys: Some(vec!["a".into(), "a".into()]), ..request() }),
        ];
        for (name, request) in wrong {
            let error = request.resolve().unwrap_err();
            assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some(name)), "{request:?}");
        }
        let resolved = request().resolve().unwrap();
        assert_eq!(
            (resolved.key_added.as_str(), resolved.layer.as_str(), resolved.method()),
            ("X_pca", "X", "joint_pca")
        );
        let resolved = JointRequest { method: cca(), layer: Some("counts".into()), ..request() }.resolve().unwrap();
        assert_eq!((resolved.key_added.as_str(), resolved.layer.as_str()), ("X_cca", "layers/counts"));
    }
}
