//! A table as a container: which column is what, and where it stands in the AnnData that is seen.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::Groups;
use super::arrow_file::ArrowFile;
use super::categories::Categories;
use super::column::{ColumnArray, Role};
use super::parquet_file::ParquetFile;
use super::values::{Kind, kind};
use crate::error::{Error, Result};
use crate::source::container::{Container, Declared, Missing, Node, NodeKind, StoredArray};
use crate::source::flat::RowNumbers;
use crate::source::key::is_valid_path;
use crate::store::PositionedFile;
use crate::types::DType;

/// What the column of names is called.
const INDEX_NAMES: [&str; 3] = ["index", "_index", "__index_level_0__"];
/// Suffixes of Arrow streams, which have no signature.
const STREAMS: [&str; 2] = ["arrows", "stream"];

/// An open table.
#[derive(Debug)]
pub(in crate::source) struct TableFile {
    table: Arc<Table>,
    /// Columns of `obs`, in their order.
    columns: Vec<(String, usize)>,
    /// Representations: columns and what their values are.
    vectors: BTreeMap<String, Vectors>,
    index: Option<usize>,
    categories: Mutex<HashMap<usize, Arc<Categories>>>,
}

/// What all arrays of a table share.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) format: &'static str,
    pub(super) groups: Box<dyn Groups>,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// Those of them that are in memory.
    held_bytes: u64,
}

impl Table {
    pub(super) fn rows(&self) -> u64 {
        self.groups.rows().iter().sum()
    }
}

/// A representation.
#[derive(Debug)]
struct Vectors {
    columns: Vec<usize>,
    dtype: DType,
    width: usize,
    /// Whether it is one column of lists.
    lists: bool,
}

impl TableFile {
    /// Whether a file is a table, by its first bytes or, for Arrow streams, its suffix.
    pub(in crate::source) fn is_table(path: &Path, head: &[u8]) -> bool {
        let stream =
            path.extension().and_then(|suffix| suffix.to_str()).is_some_and(|suffix| STREAMS.contains(&suffix));
        ArrowFile::is_arrow(head) || ParquetFile::is_parquet(head) || stream
    }

    /// Opens the table at `path`.
    pub(in crate::source) fn open(path: &Path) -> Result<Self> {
        Self::read(path.display().to_string(), PositionedFile::open(path)?)
    }

    /// Opens a table whose bytes are in memory, where they stay.
    pub(in crate::source) fn of_bytes(name: String, bytes: Vec<u8>) -> Result<Self> {
        let file = PositionedFile::of_bytes(name.as_ref(), bytes);
        Self::read(name, file)
    }

    fn read(name: String, file: PositionedFile) -> Result<Self> {
        let file = Arc::new(file);
        let (bytes, held_bytes) = (file.length(), file.held_bytes());
        let mut head = [0; 4];
        if bytes >= 4 {
            file.read_exact_at(&mut head, 0)?;
        }
        let (format, groups): (_, Box<dyn Groups>) = if ParquetFile::is_parquet(&head) {
            ("parquet", Box::new(ParquetFile::open(file, name.clone())?))
        } else {
            ("arrow", Box::new(ArrowFile::open(file, name.clone())?))
        };
        let rows = groups.rows().iter().try_fold(0u64, |sum, &rows| sum.checked_add(rows));
        if rows.is_none_or(|rows| rows > 1 << 48) {
            return Err(Error::schema(name, "", "rows", "are more than 2^48"));
        }
        Ok(Self::of(Table { name, format, groups, bytes, held_bytes }))
    }

    fn of(table: Table) -> Self {
        let mut columns = Vec::new();
        let mut vectors = BTreeMap::new();
        let mut index = None;
        for (number, field) in table.groups.schema().fields().iter().enumerate() {
            let name = field.name();
            if !is_valid_path(name) || name.contains('/') {
                continue;
            }
            match kind(field.data_type()) {
                Some(Kind::Plain(DType::String)) if index.is_none() && INDEX_NAMES.contains(&name.as_str()) => {
                    index = Some(number);
                }
                Some(Kind::Vectors(dtype, width)) => {
                    vectors.insert(name.clone(), Vectors { columns: vec![number], dtype, width, lists: true });
                }
                _ if name != "_index" => columns.push((name.clone(), number)),
                _ => {}
            }
        }
        for (key, numbered) in side_by_side(&table, &columns) {
            columns.retain(|(_, number)| !numbered.columns.contains(number));
            vectors.entry(key).or_insert(numbered);
        }
        Self { table: Arc::new(table), columns, vectors, index, categories: Mutex::default() }
    }

    fn categories(&self, column: usize) -> Result<Arc<Categories>> {
        let mut known = self.categories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&column) {
            return Ok(found.clone());
        }
        let found = Arc::new(Categories::read(self.table.groups.as_ref(), column, &self.table.name)?);
        known.insert(column, found.clone());
        Ok(found)
    }

    /// The column of `obs` at a path, and the member of it that the path goes on to.
    fn column<'a>(&self, path: &'a str) -> Option<(usize, &'a str)> {
        let rest = path.strip_prefix("obs/")?;
        let (name, member) = rest.split_once('/').unwrap_or((rest, ""));
        let found = self.columns.iter().find(|(known, _)| known == name)?;
        Some((found.1, member))
    }

    fn kind_of(&self, column: usize) -> (Option<Kind>, bool, String) {
        let field = self.table.groups.schema().field(column);
        (kind(field.data_type()), field.is_nullable(), field.data_type().to_string())
    }

    /// The encoding of a column that is a group; `None` for one that is an array.
    fn group_encoding(&self, column: usize) -> Option<&'static str> {
        match self.kind_of(column) {
            (Some(Kind::Categorical), ..) => Some("categorical"),
            (Some(Kind::Plain(DType::String)), true, _) => Some("nullable-string-array"),
            (Some(Kind::Plain(DType::Bool)), true, _) => Some("nullable-boolean"),
            (Some(Kind::Plain(DType::Float16 | DType::Float32 | DType::Float64)) | None, ..) => None,
            (Some(Kind::Plain(_)), true, _) => Some("nullable-integer"),
            _ => None,
        }
    }

    fn not_found(&self, path: &str) -> Error {
        let available = self.columns.iter().map(|(name, _)| format!("obs/{name}"));
        let available = available.chain(self.vectors.keys().map(|key| format!("obsm/{key}"))).collect();
        Error::NotFound { store: self.table.name.clone(), kind: "array".into(), key: path.into(), available }
    }
}

/// Columns `name0 … namen` or `name_0 … name_n` of floats of one type, at least two and none left out, by their name.
fn side_by_side(table: &Table, columns: &[(String, usize)]) -> Vec<(String, Vectors)> {
    let mut found: BTreeMap<&str, BTreeMap<usize, usize>> = BTreeMap::new();
    for (name, column) in columns {
        let stem = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let Ok(number) = name[stem.len()..].parse() else { continue };
        let float = matches!(
            kind(table.groups.schema().field(*column).data_type()),
            Some(Kind::Plain(DType::Float16 | DType::Float32 | DType::Float64))
        );
        if float {
            found.entry(stem).or_default().insert(number, *column);
        }
    }
    let dtype = |column: usize| match kind(table.groups.schema().field(column).data_type()) {
        Some(Kind::Plain(dtype)) => Some(dtype),
        _ => None,
    };
    let whole = found.into_iter().filter_map(|(stem, numbered)| {
        let first = *numbered.keys().next()?;
        let columns: Vec<usize> = numbered.values().copied().collect();
        let of = dtype(columns[0])?;
        let consecutive = numbered.keys().copied().eq(first..first + columns.len());
        let alike = columns.iter().all(|&column| dtype(column) == Some(of));
        let key = stem.trim_end_matches(['_', '.', '-']);
        let key = if key.is_empty() { "X" } else { key };
        let width = columns.len();
        let wanted = first <= 1 && consecutive && alike && width > 1;
        wanted.then(|| (key.to_owned(), Vectors { columns, dtype: of, width, lists: false }))
    });
    whole.collect()
}

impl Container for TableFile {
    fn name(&self) -> &str {
        &self.table.name
    }

    fn format(&self) -> &'static str {
        self.table.format
    }

    fn held_bytes(&self) -> u64 {
        self.table.held_bytes
    }

    fn node(&self, path: &str) -> Result<Option<Node>> {
        let rows = self.table.rows();
        let group = |attributes: Value| Node {
            kind: NodeKind::Group,
            attributes: attributes.as_object().cloned().unwrap_or_default(),
        };
        let array = |dtype: &str, shape: Vec<u64>| Node {
            kind: NodeKind::Array(Declared { dtype: dtype.into(), shape }),
            attributes: Map::new(),
        };
        Ok(Some(match path {
            "" => group(json!({"encoding-type": "anndata", "encoding-version": "0.1.0"})),
            "obs" => {
                let columns: Vec<&String> = self.columns.iter().map(|(name, _)| name).collect();
                group(json!({
                    "encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index",
                    "column-order": columns,
                }))
            }
            "obs/_index" => array(if self.index.is_some() { "string" } else { "uint64" }, vec![rows]),
            "obsm" => group(json!({"encoding-type": "dict", "encoding-version": "0.1.0"})),
            _ => {
                if let Some(found) = path.strip_prefix("obsm/").and_then(|key| self.vectors.get(key)) {
                    return Ok(Some(array(found.dtype.name(), vec![rows, found.width as u64])));
                }
                let Some((column, member)) = self.column(path) else { return Ok(None) };
                let (kind, _, foreign) = self.kind_of(column);
                match (self.group_encoding(column), member) {
                    (Some(encoding), "") => {
                        let field = self.table.groups.schema().field(column);
                        let ordered = field.dict_is_ordered().unwrap_or(false);
                        group(json!({"encoding-type": encoding, "encoding-version": "0.2.0", "ordered": ordered}))
                    }
                    (Some("categorical"), "codes") => array("int32", vec![rows]),
                    (Some("categorical"), "categories") => {
                        array("string", vec![self.categories(column)?.names.len() as u64])
                    }
                    (Some(encoding), "mask") if encoding != "categorical" => array("bool", vec![rows]),
                    (Some(encoding), "values") if encoding != "categorical" => match kind {
                        Some(Kind::Plain(dtype)) => array(dtype.name(), vec![rows]),
                        _ => return Ok(None),
                    },
                    (None, "") => match kind {
                        Some(Kind::Plain(dtype)) => array(dtype.name(), vec![rows]),
                        Some(Kind::Times(declared)) => array(declared, vec![rows]),
                        _ => array(&foreign, vec![rows]),
                    },
                    _ => return Ok(None),
                }
            }
        }))
    }

    fn children(&self, path: &str) -> Result<Vec<String>> {
        let mut names: Vec<String> = match path {
            "" => vec!["obs".into(), "obsm".into()],
            "obs" => self.columns.iter().map(|(name, _)| name.clone()).chain(["_index".to_owned()]).collect(),
            "obsm" => self.vectors.keys().cloned().collect(),
            _ => match self.column(path) {
                Some((column, "")) => match self.group_encoding(column) {
                    Some("categorical") => vec!["categories".into(), "codes".into()],
                    Some(_) => vec!["mask".into(), "values".into()],
                    None => Vec::new(),
                },
                _ => Vec::new(),
            },
        };
        names.sort();
        Ok(names)
    }

    fn array(&self, path: &str, _: Missing) -> Result<Arc<dyn StoredArray>> {
        let open = |columns: Vec<usize>, role: Role, width: Option<usize>| -> Result<Arc<dyn StoredArray>> {
            Ok(Arc::new(ColumnArray::new(self.table.clone(), path, columns, role, width)))
        };
        if path == "obs/_index" {
            return match self.index {
                Some(column) => open(vec![column], Role::Values(DType::String), None),
                None => Ok(Arc::new(RowNumbers::new(self.table.name.clone(), self.table.rows()))),
            };
        }
        if let Some(found) = path.strip_prefix("obsm/").and_then(|key| self.vectors.get(key)) {
            let role = if found.lists { Role::Vectors(found.dtype) } else { Role::Columns(found.dtype) };
            return open(found.columns.clone(), role, Some(found.width));
        }
        let Some((column, member)) = self.column(path) else { return Err(self.not_found(path)) };
        let (kind, _, foreign) = self.kind_of(column);
        match (self.group_encoding(column), member, kind) {
            (Some("categorical"), "codes", _) => open(vec![column], Role::Codes(self.categories(column)?), None),
            (Some("categorical"), "categories", _) => {
                open(vec![column], Role::Categories(self.categories(column)?), None)
            }
            (Some(encoding), "mask", _) if encoding != "categorical" => open(vec![column], Role::Mask, None),
            (Some(_), "values", Some(Kind::Plain(dtype))) | (None, "", Some(Kind::Plain(dtype))) => {
                open(vec![column], Role::Values(dtype), None)
            }
            (None, "", Some(Kind::Times(_))) => open(vec![column], Role::Times, None),
            (None, "", _) => Err(Error::Unsupported {
                what: format!("{}/{path}: the type {foreign}", self.table.name),
                remedy: "store it as numbers, texts, flags or a dictionary of texts".into(),
            }),
            (Some(_), "", _) => {
                Err(Error::schema(self.table.name.as_str(), path, "node_type", "is a group where an array is expected"))
            }
            _ => Err(self.not_found(path)),
        }
    }
}
