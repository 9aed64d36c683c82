//! An HDF5 file: its groups and arrays by path.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};

use super::array::H5Array;
use super::ask::{is_absent, translate};
use super::bounded::BoundedFile;
use super::element::type_name;
use super::heap::Heaps;
use super::table;
use crate::error::{Error, Result};
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::source::key::is_valid_path;
use crate::store::PositionedFile;

/// Bytes of one object header; a column list of a hundred thousand names takes less.
const LARGEST_HEADER: usize = 4 << 20;
/// The bytes that every HDF5 file has at its beginning, or behind a user block.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// User blocks are looked behind up to this size in bytes.
const LARGEST_USER_BLOCK: u64 = 1 << 20;

/// An open HDF5 file. Cloning shares it.
#[derive(Clone)]
pub struct H5File {
    shared: Arc<Shared>,
}

/// What all clones and arrays of a file share.
pub(super) struct Shared {
    name: String,
    pub(super) reader: Hdf5File,
    pub(super) file: Arc<BoundedFile>,
    pub(super) gate: Mutex<()>,
    pub(super) heaps: Mutex<Heaps>,
}

/// What lies at a path.
pub(super) enum Found {
    Group(hdf5_reader::group::Group),
    Array(Dataset),
    /// A compound dataset that stands for a group of columns.
    Table(Dataset),
    /// A column of one.
    Field(Dataset, String),
}

impl Container for H5File {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn format(&self) -> &'static str {
        "h5ad"
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let Some(found) = self.find(path)? else { return Ok(None) };
        let node = match &found {
            Found::Group(group) => {
                let attributes = self.ask(path, |_| group.attributes())?;
                Node { kind: NodeKind::Group, attributes: self.attributes(path, &attributes)? }
            }
            Found::Array(dataset) => {
                let attributes = self.ask(path, |_| Ok(dataset.attributes()))?;
                Node {
                    kind: declared(dataset.dtype(), dataset.shape()),
                    attributes: self.attributes(path, &attributes)?,
                }
            }
            Found::Table(dataset) => Node { kind: NodeKind::Group, attributes: table::attributes(dataset) },
            Found::Field(dataset, field) => {
                let (datatype, columns) = table::field(dataset, field);
                let shape: Vec<u64> = dataset.shape().iter().copied().chain(columns).collect();
                let kind = declared(datatype.unwrap_or(dataset.dtype()), &shape);
                Node { kind, attributes: table::field_attributes(self, path, dataset, field)? }
            }
        };
        Ok(Some(node))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names = match self.find(path)? {
            Some(Found::Group(group)) => {
                let (mut groups, arrays) = self.ask(path, |_| group.member_names())?;
                groups.extend(arrays);
                groups
            }
            Some(Found::Table(dataset)) => table::fields(&dataset),
            _ => Vec::new(),
        };
        // Whoever walks the file asks for the members by their names.
        names.retain(|name| !name.contains('/') && is_valid_path(name));
        names.sort();
        Ok(names)
    }

    fn array(&self, path: &str, missing: Missing) -> Result<Arc<dyn StoredArray>> {
        match self.find(path)? {
            Some(Found::Array(dataset)) => Ok(Arc::new(H5Array::open(self, path, &dataset, None, missing)?)),
            Some(Found::Field(dataset, field)) => {
                Ok(Arc::new(H5Array::open(self, path, &dataset, Some(&field), missing)?))
            }
            Some(_) => Err(Error::schema(self.name(), path, "node_type", "is a group where an array is expected")),
            None => Err(Error::NotFound {
                store: self.name().into(),
                kind: "array".into(),
                key: path.into(),
                available: Vec::new(),
            }),
        }
    }
}

fn declared(datatype: &Datatype, shape: &[u64]) -> NodeKind {
    NodeKind::Array(Declared { dtype: type_name(datatype), shape: shape.to_vec() })
}

impl fmt::Debug for H5File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("H5File").field(&self.name()).finish()
    }
}

impl H5File {
    /// Whether the file at `path` has the signature of HDF5.
    pub fn is_h5(path: &Path) -> bool {
        let Ok(file) = PositionedFile::open(path) else { return false };
        let places = std::iter::successors(Some(0), |&at| Some(if at == 0 { 512 } else { at * 2 }));
        places.take_while(|&at| at <= LARGEST_USER_BLOCK && at + 8 <= file.length()).any(|at| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, at).is_ok() && bytes == SIGNATURE
        })
    }

    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        if !path.exists() {
            return Err(Error::NotFound {
                store: name.clone(),
                kind: "store".into(),
                key: name,
                available: Vec::new(),
            });
        }
        let file = Arc::new(BoundedFile::new(PositionedFile::open(path)?));
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_object_header_bytes(LARGEST_HEADER)
            .with_max_chunk_bytes(0)
            .with_max_read_bytes(0);
        let reader =
            Hdf5File::from_storage_with_options(file.clone(), options).map_err(|error| translate(&name, "", error))?;
        let shared = Shared { name, reader, file, gate: Mutex::default(), heaps: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Where addresses of the file count from, in bytes.
    pub(super) fn base(&self) -> u64 {
        self.shared.reader.superblock().base_address
    }

    /// Looks at `path`, where columns of a table count as members of a group.
    pub(super) fn find(&self, path: &str) -> Result<Option<Found>> {
        if let Some(found) = self.object(path)? {
            return Ok(Some(match found {
                Found::Array(dataset) if table::is_table(path, &dataset) => Found::Table(dataset),
                other => other,
            }));
        }
        let Some((parent, field)) = path.rsplit_once('/') else { return Ok(None) };
        match self.object(parent)? {
            Some(Found::Array(dataset))
                if table::is_table(parent, &dataset) && table::field(&dataset, field).0.is_some() =>
            {
                Ok(Some(Found::Field(dataset, field.to_owned())))
            }
            _ => Ok(None),
        }
    }

    fn object(&self, path: &str) -> Result<Option<Found>> {
        if !path.is_empty() && !is_valid_path(path) {
            return Ok(None);
        }
        self.ask(path, |file| {
            let mut group = file.root_group()?;
            let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
            for part in parents.split('/').filter(|part| !part.is_empty()) {
                match group.group(part) {
                    Ok(found) => group = found,
                    Err(error) if is_absent(&error) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
            if last.is_empty() {
                return Ok(Some(Found::Group(group)));
            }
            match group.dataset(last) {
                Ok(dataset) => return Ok(Some(Found::Array(dataset))),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(error),
            }
            match group.group(last) {
                Ok(found) => Ok(Some(Found::Group(found))),
                Err(error) if is_absent(&error) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}
