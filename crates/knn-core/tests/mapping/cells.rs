//! AnnData stores for tests, built key by key.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::zarr::{Element, Grid, array, group, strings};

/// An AnnData of `n` cells; every method adds one thing to it.
pub(crate) struct Cells {
    /// Where it is.
    pub(crate) root: PathBuf,
    n: usize,
    columns: Vec<String>,
}

impl Cells {
    /// Cells named `<name>0`, `<name>1`, … without columns or embeddings, in `folder/<name>.zarr`.
    pub(crate) fn new(folder: &Path, name: &str, n: usize) -> Self {
        let root = folder.join(format!("{name}.zarr"));
        group(&root, "", &json!({ "encoding-type": "anndata", "encoding-version": "0.1.0" }));
        for dict in ["obsm", "layers", "uns"] {
            group(&root, dict, &json!({ "encoding-type": "dict", "encoding-version": "0.1.0" }));
        }
        let cells = Self { root, n, columns: Vec::new() };
        cells.frame("var", &[]);
        strings(&cells.root, "var/_index", &["a gene"]);
        cells.frame("obs", &[]);
        let names: Vec<_> = (0..n).map(|cell| format!("{name}{cell}")).collect();
        cells.names(&names)
    }

    /// The store as requests name it.
    pub(crate) fn path(&self) -> String {
        self.root.to_str().unwrap().to_owned()
    }

    pub(crate) fn names<S: AsRef<str>>(self, names: &[S]) -> Self {
        assert_eq!(names.len(), self.n);
        strings(&self.root, "obs/_index", names);
        self
    }

    /// A dense array of `obsm`, in chunks of 64 whole rows.
    pub(crate) fn embedding<T: Element>(self, key: &str, dim: usize, values: &[T]) -> Self {
        self.embedding_in(key, dim, values, Grid::chunks(64, dim))
    }

    pub(crate) fn embedding_in<T: Element>(self, key: &str, dim: usize, values: &[T], grid: Grid) -> Self {
        assert_eq!(values.len(), self.n * dim);
        array(&self.root, &format!("obsm/{key}"), &[self.n, dim], values, grid);
        self
    }

    /// An array of `obsm` of one dimension.
    pub(crate) fn vector<T: Element>(self, key: &str, values: &[T]) -> Self {
        assert_eq!(values.len(), self.n);
        array(&self.root, &format!("obsm/{key}"), &[self.n], values, Grid::chunks(64, 1));
        self
    }

    /// Names of the genes.
    pub(crate) fn genes<S: AsRef<str>>(self, names: &[S]) -> Self {
        strings(&self.root, "var/_index", names);
        self
    }

    /// A column of booleans in `var`.
    pub(crate) fn gene_mask(self, key: &str, mask: &[bool]) -> Self {
        self.frame("var", &[key.to_owned()]);
        array(&self.root, &format!("var/{key}"), &[mask.len()], mask, Grid::chunks(50, 1));
        self
    }

    /// Expression at `X` or `layers/<name>`, as it is: cells × genes.
    pub(crate) fn dense(self, path: &str, values: &[f32]) -> Self {
        let genes = values.len() / self.n;
        array(&self.root, path, &[self.n, genes], values, Grid::chunks(20, genes));
        self
    }

    /// The same by its entries that are not 0, by rows or by columns; every row has its entries in descending order.
    pub(crate) fn sparse(self, path: &str, values: &[f32], by_rows: bool) -> Self {
        let genes = values.len() / self.n;
        let (major, minor) = if by_rows { (self.n, genes) } else { (genes, self.n) };
        let (mut indptr, mut indices, mut data) = (vec![0_i64], Vec::new(), Vec::new());
        for i in 0..major {
            for j in (0..minor).rev() {
                let value = if by_rows { values[i * genes + j] } else { values[j * genes + i] };
                if value != 0.0 {
                    indices.push(j as i32);
                    data.push(value);
                }
            }
            indptr.push(indices.len() as i64);
        }
        let encoding = if by_rows { "csr_matrix" } else { "csc_matrix" };
        let attributes = json!({ "encoding-type": encoding, "encoding-version": "0.1.0", "shape": [self.n, genes] });
        group(&self.root, path, &attributes);
        let count = indices.len();
        array(&self.root, &format!("{path}/indptr"), &[major + 1], &indptr, Grid::chunks(64, 1));
        array(&self.root, &format!("{path}/indices"), &[count], &indices, Grid::chunks(100, 1));
        array(&self.root, &format!("{path}/data"), &[count], &data, Grid::chunks(100, 1));
        self
    }

    /// Numbers, or booleans.
    pub(crate) fn column<T: Element>(mut self, key: &str, values: &[T]) -> Self {
        self.add(key);
        self.values(&format!("obs/{key}"), values);
        self
    }

    /// Codes into categories; −1 is missing.
    pub(crate) fn categorical(mut self, key: &str, codes: &[i8], categories: &[&str], ordered: bool) -> Self {
        self.add(key);
        let path = format!("obs/{key}");
        let attributes = json!({ "encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": ordered });
        group(&self.root, &path, &attributes);
        self.values(&format!("{path}/codes"), codes);
        strings(&self.root, &format!("{path}/categories"), categories);
        self
    }

    /// Integers of which some are missing.
    pub(crate) fn nullable(mut self, key: &str, values: &[i64], missing: &[bool]) -> Self {
        self.add(key);
        let path = format!("obs/{key}");
        group(&self.root, &path, &json!({ "encoding-type": "nullable-integer", "encoding-version": "0.1.0" }));
        self.values(&format!("{path}/values"), values);
        self.values(&format!("{path}/mask"), missing);
        self
    }

    /// Texts.
    pub(crate) fn texts(mut self, key: &str, texts: &[String]) -> Self {
        assert_eq!(texts.len(), self.n);
        self.add(key);
        strings(&self.root, &format!("obs/{key}"), texts);
        self
    }

    /// Texts of which some are missing.
    pub(crate) fn nullable_texts(mut self, key: &str, texts: &[String], missing: &[bool]) -> Self {
        assert_eq!(texts.len(), self.n);
        self.add(key);
        let path = format!("obs/{key}");
        group(&self.root, &path, &json!({ "encoding-type": "nullable-string-array", "encoding-version": "0.1.0" }));
        strings(&self.root, &format!("{path}/values"), texts);
        self.values(&format!("{path}/mask"), missing);
        self
    }

    pub(crate) fn colors(self, key: &str, colors: &[&str]) -> Self {
        strings(&self.root, &format!("uns/{key}_colors"), colors);
        self
    }

    fn values<T: Element>(&self, path: &str, values: &[T]) {
        assert_eq!(values.len(), self.n);
        array(&self.root, path, &[self.n], values, Grid::chunks(50, 1));
    }

    fn add(&mut self, key: &str) {
        self.columns.push(key.to_owned());
        self.frame("obs", &self.columns);
    }

    fn frame(&self, frame: &str, columns: &[String]) {
        let attributes = json!({
            "encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index", "column-order": columns
        });
        group(&self.root, frame, &attributes);
    }
}
