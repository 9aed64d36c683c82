//! Many stores as one: `a.zarr,b.zarr`, a pattern such as `atlas_*.zarr`, or the groups `dataset_0`, `dataset_1`, … of one store.
//!
//! They are seen as one AnnData, which is made of what each gives when it is read: rows one store behind the other, names as they are,
//! columns that all of them have, categories united by name, and a column that says which store a cell is from. Nothing is copied.
//! Not here: `X` and layers, whose columns are genes that each store may have in another order.

mod colors;
mod joined;
mod listed;
mod part;
mod paths;
#[cfg(test)]
mod tests;
mod united;
mod whole;

pub use paths::stores;

pub(super) use paths::parts;
pub(super) use whole::ManyStores;
