//! What a file of generated cells says: how many, which, and how they lie. Everything has a default but the number of rows.

use serde::Serialize;

use super::fields::Fields;
use crate::error::Result;

/// What `format` must say, and the versions that are read. A change of what is generated is a new version.
const FORMAT: &str = "gigamapper-cells";
pub(super) const VERSION: u64 = 1;
/// Row numbers stay below this.
const MOST_ROWS: u64 = 1 << 48;
const MOST_COLUMNS: u64 = 4096;
const MOST_CLUSTERS: u64 = 4096;
const MOST_PLANTED: u64 = 1024;
const MOST_LATENT: u64 = 64;
/// Bytes of what all cells share.
const MOST_SHARED: u64 = 32 << 20;
/// JSON of JavaScript keeps whole numbers below 2⁵³ exactly.
const MOST_SEED: u64 = (1 << 53) - 1;

/// Generated cells. Lengths are those of the coordinates, which have no unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Parameters {
    /// Number of cells.
    pub(super) rows: u64,
    /// Which cells of an endless data set: row i of the store is row `first` + i · `stride` of that.
    pub(super) first: u64,
    pub(super) stride: u64,
    /// Seed of the cells.
    pub(super) seed: u64,
    /// Seed of what cells share, so that a query lies in the clusters of its reference.
    pub(super) atlas: u64,
    /// Coordinates of a cell.
    pub(super) columns: u64,
    pub(super) clusters: u64,
    /// Fewest and most dimensions of a cluster's manifold.
    pub(super) latent: [u64; 2],
    /// σ of the logarithm of a cluster's size.
    pub(super) skew: f64,
    /// σ of the centres on the first axis, which decays with the fourth root of the axis.
    pub(super) spread: f64,
    /// σ of a manifold on each axis.
    pub(super) extent: f64,
    /// σ of the noise on the first axis, and the power of the axis that it decays with.
    pub(super) noise_size: f64,
    pub(super) noise_decay: f64,
    /// Classes that are rare, and the share of the cells that each has.
    pub(super) rare_classes: u64,
    pub(super) rare_frequency: f64,
    /// Share of the cells that repeat a cell before them.
    pub(super) duplicates: f64,
    /// Share of the cells in clusters that only whoever says this share has, and how many clusters.
    pub(super) outside: f64,
    pub(super) outside_clusters: u64,
    /// Batches, and σ of the shift of each on every axis.
    pub(super) batches: u64,
    pub(super) batch_offset: f64,
}

impl Parameters {
    /// Reads a file's text. `GM_SCHEMA` names the field at fault.
    pub(super) fn parse(store: &str, text: &[u8]) -> Result<Self> {
        let mut fields = Fields::parse(store, text)?;
        match fields.text("format")? {
            Some(format) if format == FORMAT => {}
            found => return Err(fields.wrong("format", format!("is {found:?} and not {FORMAT:?}"))),
        }
        fields.whole("version", None, [1, VERSION])?;
        let preset = fields.text("preset")?;
        let (size, decay) = match preset.as_deref() {
            None | Some("lid10") => (0.4, 0.5),
            Some("lid20") => (2.8, 0.25),
            Some(other) => return Err(fields.wrong("preset", format!("is {other:?} and not lid10 or lid20"))),
        };
        let mut noise = fields.member("noise")?;
        let (noise_size, noise_decay) = (noise.number("size", size, 1e6)?, noise.number("decay", decay, 8.0)?);
        noise.end()?;
        let read = Self {
            rows: fields.whole("rows", None, [0, MOST_ROWS])?,
            first: fields.whole("first", Some(0), [0, MOST_ROWS])?,
            stride: fields.whole("stride", Some(1), [1, MOST_ROWS])?,
            seed: fields.whole("seed", Some(1), [0, MOST_SEED])?,
            atlas: fields.whole("atlas", Some(7), [0, MOST_SEED])?,
            columns: fields.whole("columns", Some(50), [1, MOST_COLUMNS])?,
            clusters: fields.whole("clusters", Some(120), [1, MOST_CLUSTERS])?,
            latent: fields.range("latent", [10, 12], MOST_LATENT)?,
            skew: fields.number("skew", 0.7, 4.0)?,
            spread: fields.number("spread", 4.0, 1e6)?,
            extent: fields.number("extent", 2.0, 1e6)?,
            noise_size,
            noise_decay,
            rare_classes: fields.whole("rareClasses", Some(5), [0, MOST_PLANTED])?,
            rare_frequency: fields.number("rareFrequency", 1e-5, 0.01)?,
            duplicates: fields.number("duplicates", 0.001, 0.5)?,
            outside: fields.number("outside", 0.0, 0.5)?,
            outside_clusters: fields.whole("outsideClusters", Some(3), [1, MOST_PLANTED])?,
            batches: fields.whole("batches", Some(4), [1, MOST_PLANTED])?,
            batch_offset: fields.number("batchOffset", 0.1, 1e6)?,
        };
        read.check(&fields)?;
        fields.end()?;
        Ok(read)
    }

    /// What fields may not be together.
    fn check(&self, fields: &Fields) -> Result<()> {
        let last = self.rows.saturating_sub(1).checked_mul(self.stride).and_then(|last| last.checked_add(self.first));
        if last.is_none_or(|last| last >= MOST_ROWS) {
            return Err(fields.wrong("stride", "leads to rows beyond 2^48"));
        }
        if self.rare_classes as f64 * self.rare_frequency > 0.25 {
            return Err(fields.wrong("rareFrequency", "makes more than a quarter of all cells rare"));
        }
        let frames = (self.clusters + self.outside_clusters) * (self.latent[1] + 1);
        let shared = 4 * self.columns * (frames + self.rare_classes + self.batches);
        if shared > MOST_SHARED {
            let reason =
                format!("make, with latent and columns, {shared} bytes that all cells share, more than 32 MiB");
            return Err(fields.wrong("clusters", reason));
        }
        Ok(())
    }
}
