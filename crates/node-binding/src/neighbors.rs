//! Graphs: what finding one would cost, and blocks of one that is stored.
//!
//! A block's arrays belong to JavaScript from the moment they arrive. They are made of Rust's own memory, or copied where external
//! memory is refused, as Electron does; nothing here keeps a pointer to them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gigamapper_core::graph::{GraphBlock, GraphStore, Ids};
use gigamapper_core::pipeline::{self, NeighborsRequest};
use napi::Env;
use napi::bindgen_prelude::{BigInt64Array, Either, Float32Array, Int32Array, PromiseRaw};
use napi_derive::napi;

use crate::{injected, job};

/// `NeighborsRequest` to `Plan`, both as JSON text. Writes nothing.
#[napi(catch_unwind)]
pub fn plan_neighbors(env: &Env, request: String) -> napi::Result<PromiseRaw<'_, String>> {
    job::text(env, move || pipeline::plan_neighbors(&job::request::<NeighborsRequest>(&request)?))
}

/// Neighbours of consecutive query rows: `indices` and `distances` are rows × k.
#[napi(object, object_from_js = false)]
pub struct NeighborRows {
    /// Number of the first query row.
    pub first_row: i64,
    /// Width of each row.
    pub k: i64,
    /// Reference rows, −1 where there is none.
    pub indices: Either<Int32Array, BigInt64Array>,
    /// Distances, NaN where there is none.
    pub distances: Float32Array,
}

/// Reads a stored graph, opened at the first call and kept open until it is closed.
#[napi]
pub struct GraphReader {
    path: String,
    open: Arc<Mutex<Option<GraphStore>>>,
}

#[napi]
impl GraphReader {
    /// A reader of the store at `path`, which is not touched yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(path: String) -> Self {
        injected::panic_at("new");
        Self { path, open: Arc::default() }
    }

    /// Resolves to a `GraphDescription` as JSON text.
    #[napi(catch_unwind)]
    pub fn describe<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        let (path, open) = (self.path.clone(), Arc::clone(&self.open));
        job::text(env, move || with(&open, &path, |graph| Ok(graph.description().clone())))
    }

    /// Resolves to the rows from `firstRow` on: `rows` of them, or as many as a block may have, or as there are.
    #[napi(catch_unwind)]
    pub fn read<'env>(
        &self,
        env: &'env Env,
        first_row: i64,
        rows: Option<i64>,
    ) -> napi::Result<PromiseRaw<'env, NeighborRows>> {
        let (path, open) = (self.path.clone(), Arc::clone(&self.open));
        let read = move || with(&open, &path, |graph| graph.read(u64::try_from(first_row).unwrap_or(u64::MAX), rows));
        job::promise(env, read, NeighborRows::from)
    }

    /// Lets go of the store. A read under way is not waited for, as this is JavaScript's thread: what it reads goes with it.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        injected::panic_at("call");
        if let Ok(mut open) = self.open.try_lock() {
            *open = None;
        }
    }
}

fn with<T>(
    open: &Mutex<Option<GraphStore>>,
    path: &str,
    read: impl FnOnce(&mut GraphStore) -> gigamapper_core::error::Result<T>,
) -> gigamapper_core::error::Result<T> {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    let graph = match &mut *open {
        Some(graph) => graph,
        none => none.insert(GraphStore::open(Path::new(path))?),
    };
    read(graph)
}

impl From<GraphBlock> for NeighborRows {
    fn from(block: GraphBlock) -> Self {
        let indices = match block.ids {
            Ids::Int32(ids) => Either::A(Int32Array::new(ids)),
            Ids::Int64(ids) => Either::B(BigInt64Array::new(ids)),
        };
        Self {
            first_row: block.first_row as i64,
            k: block.k as i64,
            indices,
            distances: Float32Array::new(block.distances),
        }
    }
}
