//! A mapping that was asked for, resolved: defaults filled in, and what no store could make valid refused.

use super::backend::AskedBackend;
use super::joint::METHODS;
use super::labels::LabelParameters;
use super::layout::DEFAULT_LAYOUT;
use super::map::MapRequest;
use super::parameters::Parameters;
use super::resolved::{Representation, Resolved};
use super::search::Search;
use super::values::{
    check_codes, checked_components, checked_layout, checked_memory, checked_metric, checked_output, checked_seed,
    checked_threads, distinct, one_of, postfix, same_store,
};
use super::weighing::{
    check_bandwidth, checked_batch, checked_diffusion, checked_kernel, checked_library_size, checked_neighbors,
    checked_self_edges, checked_symmetrize, layer_path,
};
use crate::error::{Error, Result};
use crate::kernel::KernelMethod;
use crate::source::condition;

impl MapRequest {
    /// Fills in defaults and refuses values that no store could make valid. Touches no array.
    pub fn resolve(&self) -> Result<Resolved> {
        if self.query.is_empty() {
            return Err(Error::param("query", "", "name the query store"));
        }
        let (query, reference) = self.sides()?;
        let self_mapping = same_store(&query, &reference);
        let reference_where = if self_mapping { None } else { condition(&reference)? };
        let n_neighbors = checked_neighbors(self.n_neighbors, self_mapping)?;
        let kernel = checked_kernel(self.kernel_method.as_deref(), self_mapping)?;
        let symmetrize = checked_symmetrize(self.symmetrize.as_deref(), kernel, self_mapping)?;
        let diffusion = checked_diffusion(self, kernel, &symmetrize, self_mapping)?;
        let (labels, learnt_distance) = LabelParameters::resolve(self)?;
        let backend = AskedBackend::resolve(self.backend.as_deref())?;
        let metric = checked_metric(self.metric.as_deref())?;
        let search = Search::resolve(self)?;
        check_codes(search.is_coded(), metric)?;
        check_bandwidth(self.bandwidth, kernel)?;
        let seed = checked_seed(self.seed)?;
        let self_edges = checked_self_edges(self.self_edges, self_mapping, self.exclude_batch.is_some())?;
        let prediction_postfix = postfix("predictionPostfix", self.prediction_postfix.as_deref(), "pred")?;
        let confidence_postfix = postfix("confidencePostfix", self.confidence_postfix.as_deref(), "conf")?;
        if prediction_postfix == confidence_postfix {
            return Err(Error::param("confidencePostfix", confidence_postfix, "must differ from predictionPostfix"));
        }
        let obs_keys = distinct("obsKeys", self.obs_keys.as_deref())?;
        let obsm_keys = distinct("obsmKeys", self.obsm_keys.as_deref())?;
        let layer_key = layer_path("layerKey", self.layer_key.as_deref())?;
        let target_libsize = checked_library_size(self.target_libsize.as_deref(), layer_key.is_some())?;
        let genes = distinct("genes", self.genes.as_deref())?;
        if layer_key.is_none() && !genes.is_empty() {
            return Err(Error::param("genes", genes.join(","), "are of an expression: name it as layerKey"));
        }
        let transfers =
            !(obs_keys.is_empty() && obsm_keys.is_empty() && layer_key.is_none() && labels.levels.is_empty());
        if metric.is_product() && kernel.weighs_distances() && transfers {
            let reason =
                format!("is no distance, and {} weighs distances: take cosine, or find neighbors only", kernel.name());
            return Err(Error::param("metric", metric.name(), reason));
        }
        let query_where = condition(&query)?;
        Ok(Resolved {
            query,
            reference,
            bundled: self.bundle().is_some(),
            self_mapping,
            representation: self.representation(self_mapping, seed)?,
            output: checked_output(self.output.as_deref())?,
            parameters: Parameters {
                use_rep: self.use_rep.clone().unwrap_or_else(|| "X_pca".into()),
                query_where,
                reference_where,
                n_comps: checked_components(self.n_comps)?,
                obs_keys,
                obsm_keys,
                layer_key,
                genes,
                target_libsize,
                n_neighbors,
                kernel_method: kernel.name().into(),
                bandwidth: self.bandwidth,
                kernel_seed: (kernel == KernelMethod::Random).then_some(seed),
                symmetrize,
                self_edges,
                labels,
                diffusion,
                prediction_postfix,
                confidence_postfix,
                exclude_batch: checked_batch(self.exclude_batch.as_deref(), kernel)?,
                method: search.method.clone(),
                metric,
                ivf: None,
            },
            search,
            learnt_distance,
            imported: None,
            other_graphs: None,
            kept_graphs: Vec::new(),
            graph_only: false,
            memory: checked_memory(self.memory.as_deref())?,
            threads: checked_threads(self.threads)?,
            backend,
            resume: self.resume.unwrap_or(false),
            overwrite: self.overwrite.unwrap_or(false),
            layout: checked_layout(self.layout.unwrap_or(DEFAULT_LAYOUT))?,
            compact: one_of("profile", self.profile.as_deref(), &["fast", "compact"], &[])? == "compact",
        })
    }
}

impl MapRequest {
    /// Which representation: one that is stored, or the usual one, which may have to be computed.
    fn representation(&self, self_mapping: bool, seed: u64) -> Result<Representation> {
        let fallback = self.fallback_representation.as_deref();
        let is_canonical = one_of("fallbackRepresentation", fallback, &METHODS, &[])? == METHODS[1];
        if is_canonical && self_mapping {
            let reason = "correlates two stores: in self-mapping it is joint_pca";
            return Err(Error::param("fallbackRepresentation", METHODS[1], reason));
        }
        Ok(if self.use_rep.is_some() { Representation::Stored } else { Representation::Usual { is_canonical, seed } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::request::layout::LayoutRequest;
    use crate::pipeline::request::parameters::DiffusionParameters;

    fn request() -> MapRequest {
        MapRequest { query: "q.zarr".into(), reference: Some("r.zarr".into()), ..MapRequest::default() }
    }

    #[test]
    fn defaults_are_cellmappers() {
        let resolved = request().resolve().unwrap();
        assert_eq!(resolved.parameters.n_neighbors, 30);
        assert_eq!(resolved.parameters.kernel_method, "gauss");
        assert!(!resolved.self_mapping && !resolved.parameters.self_edges);
        let own = MapRequest { reference: None, ..request() }.resolve().unwrap();
        assert!(own.self_mapping && own.parameters.self_edges);
        assert_eq!((own.parameters.kernel_method.as_str(), own.parameters.symmetrize.as_str()), ("umap", "union"));
        let gauss = MapRequest { reference: None, kernel_method: Some("gauss".into()), ..request() }.resolve().unwrap();
        assert_eq!((gauss.parameters.symmetrize.as_str(), resolved.parameters.symmetrize.as_str()), ("max", "none"));
    }

    #[test]
    fn cells_of_one_store_are_two_sides_unless_they_are_the_same() {
        let asked = |query: &str, reference: Option<&str>| {
            let resolved = MapRequest {
                reference: None,
                query_where: Some(query.into()),
                reference_where: reference.map(str::to_owned),
                ..request()
            };
            resolved.resolve().unwrap()
        };
        let own = asked("a==1", None);
        assert!(own.self_mapping && own.reference == own.query);
        assert_eq!((own.parameters.query_where.as_deref(), own.parameters.reference_where), (Some("a == 1"), None));
        assert!(asked("a == 1", Some("(a == 1.0)")).self_mapping);
        let across = asked("a == 1", Some("a != 1"));
        assert!(!across.self_mapping);
        assert_eq!(across.parameters.reference_where.as_deref(), Some("a != 1"));
        let error = MapRequest { reference_where: Some("a =".into()), ..request() }.resolve().unwrap_err();
        assert_eq!((error.code(), error.details()["name"].as_str()), ("GM_PARAM", Some("referenceWhere")));
    }

    #[test]
    fn an_unknown_kernel_is_a_parameter_error() {
        let code =
            |kernel: &str| MapRequest { kernel_method: Some(kernel.into()), ..request() }.resolve().unwrap_err().code();
        assert_eq!(code("umpa"), "GM_PARAM");
    }

    #[test]
    fn one_step_is_no_diffusion() {
        let steps = |t| MapRequest { t, reference: None, ..request() }.resolve().unwrap().parameters.diffusion;
        assert_eq!((steps(None), steps(Some(1))), (None, None));
        assert_eq!(steps(Some(3)), Some(DiffusionParameters { t: 3, method: "iterative".into() }));
        assert!(MapRequest { t: Some(1), ..request() }.resolve().is_ok());
        let across = MapRequest { t: Some(3), ..request() }.resolve().unwrap_err();
        assert!(across.to_string().contains("square"), "{across}");
    }

    #[test]
    fn both_spellings_are_read_and_unknown_fields_are_not() {
        let snake: MapRequest = serde_json::from_str(r#"{"query":"q","n_neighbors":5,"use_rep":"X"}"#).unwrap();
        assert_eq!((snake.n_neighbors, snake.use_rep.as_deref()), (Some(5), Some("X")));
        assert!(serde_json::from_str::<MapRequest>(r#"{"query":"q","neighbours":5}"#).is_err());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let wrong = vec![
            MapRequest { n_neighbors: Some(0), ..request() },
            MapRequest { n_neighbors: Some(1), reference: None, ..request() },
            MapRequest { bandwidth: Some(0.0), ..request() },
            MapRequest { bandwidth: Some(1.0), kernel_method: Some("equal".into()), ..request() },
            MapRequest { threads: Some(0), ..request() },
            MapRequest { self_edges: Some(true), ..request() },
            MapRequest { kernel_method: Some("umap".into()), ..request() },
            MapRequest { symmetrize: Some("mean".into()), ..request() },
            MapRequest { symmetrize: Some("union".into()), reference: None, ..request() },
            MapRequest {
                symmetrize: Some("max".into()),
                kernel_method: Some("hnoca_knn".into()),
                reference: None,
                ..request()
            },
            MapRequest { obs_keys: Some(vec!["a".into(), "a".into()]), ..request() },
            MapRequest { t: Some(0), reference: None, ..request() },
            MapRequest { t: Some(-2), reference: None, ..request() },
            MapRequest { t: Some(2), ..request() },
            MapRequest { diffusion_method: Some("fast".into()), ..request() },
            MapRequest { t: Some(2), reference: None, label_levels: Some(vec!["a".into(), "b".into()]), ..request() },
            MapRequest {
                diffusion_method: Some("spectral".into()),
                kernel_method: Some("gauss".into()),
                symmetrize: Some("none".into()),
                t: Some(2),
                reference: None,
                ..request()
            },
            MapRequest { exclude_batch: Some(String::new()), ..request() },
            MapRequest { prediction_postfix: Some("a/b".into()), ..request() },
            MapRequest { memory: Some("lots".into()), ..request() },
            MapRequest { metric: Some("inner_product".into()), obs_keys: Some(vec!["a".into()]), ..request() },
            MapRequest { layout: Some(LayoutRequest { inner_rows: 4, inner_per_unit: 2, part_rows: 9 }), ..request() },
        ];
        for request in wrong {
            assert_eq!(request.resolve().unwrap_err().code(), "GM_PARAM", "{request:?}");
        }
    }
}
