//! A column or embedding of the reference in memory, and what its transfer stores for a piece of query rows.

use std::ops::Range;

use super::diffusion::{Diffused, Key};
use crate::error::{Error, Result};
use crate::kernel::CsrBlock;
use crate::operator::{
    Asked, Embedding, LabelStatus, LabelTree, LabelVotes, Labels, LevelVotes, NumberMeans, OTHER, transfer_embedding,
    transfer_numbers,
};
use crate::pipeline::inputs::library_size::LibrarySizeReader;
use crate::pipeline::inputs::{ColumnInput, expression};
use crate::pipeline::little_endian::{little_endian, little_endian_codes};
use crate::pipeline::outputs::{ColumnPaths, column_paths, embedding_path, level_paths, with_unknown};
use crate::pipeline::prepared::Prepared;
use crate::pipeline::request::LabelParameters;
use crate::progress::Progress;
use crate::sink::{UnitWriter, codes_dtype};
use crate::source::RowSource;
use crate::types::{DType, NeighborBlock, RowRange, Tile};

/// A reference column in memory, and where its results go.
pub(in crate::pipeline) enum Payload {
    Labels(Box<LabelPayload>),
    Levels(Box<LevelsPayload>),
    Numbers {
        numbers: Vec<f64>,
        paths: Box<ColumnPaths>,
    },
    Embedding {
        embedding: Embedding,
        path: String,
    },
    Expression {
        expression: expression::Matrix,
        path: String,
    },
    /// Numbers that were diffused, around their middle.
    DiffusedNumbers {
        middle: f64,
        lanes: Range<usize>,
        paths: Box<ColumnPaths>,
    },
    /// An embedding or expression that was diffused.
    DiffusedRows {
        lanes: Range<usize>,
        path: String,
        is_expression: bool,
    },
}

/// A piece of rows, and what is known of them.
pub(in crate::pipeline) struct Piece<'a> {
    pub(in crate::pipeline) neighbors: &'a NeighborBlock,
    /// Of one step.
    pub(in crate::pipeline) weights: &'a CsrBlock,
    /// What more than one gave.
    pub(in crate::pipeline) diffused: Option<&'a Diffused>,
}

impl Piece<'_> {
    fn diffused(&self) -> Result<&Diffused> {
        self.diffused.ok_or_else(|| Error::internal("nothing was diffused"))
    }
}

/// A column of labels, and what is told of each vote.
pub(in crate::pipeline) struct LabelPayload {
    labels: Labels,
    /// Where it was diffused, the lanes of the categories; `labels` has a row for each of them then.
    lanes: Option<Range<usize>>,
    asked: Asked,
    rejection: Rejection,
    paths: ColumnPaths,
    codes: DType,
    /// Type of the codes where one stands for `unknown`, and which.
    unknown: (DType, i32),
}

/// Labels of several levels.
pub(in crate::pipeline) struct LevelsPayload {
    tree: LabelTree,
    /// The code of each label of the tree, and the type of codes.
    codes: (Vec<i32>, DType),
    /// The type of the codes of levels.
    levels: DType,
    paths: [String; 3],
}

/// When a label is rejected.
struct Rejection {
    min_confidence: Option<f64>,
    max_distance: Option<f64>,
    /// Which neighbour's distance that is, counted from 0; the last one where there are fewer.
    slot: usize,
}

/// Buffers of one piece of rows.
#[derive(Default)]
pub(in crate::pipeline) struct Results {
    pub(in crate::pipeline) votes: LabelVotes,
    levels: LevelVotes,
    means: NumberMeans,
    embedding: Vec<f32>,
    bytes: Vec<u8>,
}

impl Payload {
    /// The labels, where these are some.
    pub(in crate::pipeline) fn labels(&self) -> Option<&Labels> {
        if let Self::Labels(payload) = self { Some(&payload.labels) } else { None }
    }

    /// Transfers to one piece of rows and appends the results.
    pub(in crate::pipeline) fn apply<'c>(
        &self,
        piece: &Piece,
        (results, sizes): (&mut Results, &mut Option<LibrarySizeReader>),
        writer: &mut UnitWriter,
        counts: &mut impl Iterator<Item = &'c mut [u64; LabelStatus::NAMES.len()]>,
    ) -> Result<()> {
        let Results { votes, levels, means, embedding, bytes } = results;
        let Piece { neighbors, weights, .. } = *piece;
        match self {
            Self::Labels(payload) => {
                let shares = payload.lanes.as_ref().map(|lanes| Ok::<_, Error>(piece.diffused()?.votes(lanes)));
                let shares = shares.transpose()?;
                payload.labels.vote(shares.as_ref().unwrap_or(weights), payload.asked, votes);
                let counts = counts.next().ok_or_else(|| Error::internal("a label column without a count"))?;
                payload.append(neighbors, votes, bytes, writer, counts)
            }
            Self::Levels(payload) => {
                payload.tree.vote(weights, levels);
                payload.append(levels, bytes, writer)
            }
            Self::Numbers { numbers, paths } => {
                transfer_numbers(numbers, weights, means);
                writer.append(&paths.prediction, little_endian(&means.means, f64::to_le_bytes, bytes))?;
                writer.append(&paths.deviation, little_endian(&means.deviations, f64::to_le_bytes, bytes))
            }
            Self::DiffusedNumbers { middle, lanes, paths } => {
                piece.diffused()?.numbers(*middle, lanes, means);
                writer.append(&paths.prediction, little_endian(&means.means, f64::to_le_bytes, bytes))?;
                writer.append(&paths.deviation, little_endian(&means.deviations, f64::to_le_bytes, bytes))
            }
            Self::DiffusedRows { lanes, path, is_expression } => {
                piece.diffused()?.values(lanes, embedding);
                if let Some(sizes) = sizes.as_mut().filter(|_| *is_expression) {
                    sizes.scale(neighbors.first_row, lanes.len(), embedding)?;
                }
                writer.append(path, little_endian(embedding, f32::to_le_bytes, bytes))
            }
            Self::Expression { expression, path } => expression.apply(weights, embedding, |first, rows| {
                if let Some(sizes) = sizes {
                    sizes.scale(first, expression.genes(), rows)?;
                }
                writer.append(path, little_endian(rows, f32::to_le_bytes, bytes))
            }),
            Self::Embedding { embedding: reference, path } => {
                transfer_embedding(reference, weights, embedding);
                writer.append(path, little_endian(embedding, f32::to_le_bytes, bytes))
            }
        }
    }
}

impl LabelPayload {
    /// Appends what a vote gave, and counts what became of each cell.
    fn append(
        &self,
        neighbors: &NeighborBlock,
        votes: &LabelVotes,
        bytes: &mut Vec<u8>,
        writer: &mut UnitWriter,
        counts: &mut [u64; LabelStatus::NAMES.len()],
    ) -> Result<()> {
        let paths = &self.paths;
        let of = |row: usize| self.rejection.status(votes.codes[row], votes.confidence[row], neighbors.row(row).1);
        let statuses: Vec<u8> = (0..votes.codes.len()).map(|row| of(row) as u8).collect();
        for &status in &statuses {
            counts[usize::from(status)] += 1;
        }
        little_endian_codes(&votes.codes, self.codes, bytes);
        writer.append(&paths.prediction, bytes)?;
        writer.append(&paths.confidence, little_endian(&votes.confidence, f32::to_le_bytes, bytes))?;
        writer.append(&paths.status, &statuses)?;
        if let Some([second, margin, entropy]) = &paths.details {
            little_endian_codes(&votes.second, self.codes, bytes);
            writer.append(second, bytes)?;
            writer.append(margin, little_endian(&votes.margin, f32::to_le_bytes, bytes))?;
            writer.append(entropy, little_endian(&votes.entropy, f32::to_le_bytes, bytes))?;
        }
        if let Some(path) = &paths.label {
            let (dtype, unknown) = self.unknown;
            let labels = votes.codes.iter().zip(&statuses);
            let labels: Vec<_> =
                labels.map(|(&code, &status)| if status == LabelStatus::Ok as u8 { code } else { unknown }).collect();
            little_endian_codes(&labels, dtype, bytes);
            writer.append(path, bytes)?;
        }
        if let Some(path) = paths.probabilities.as_ref().filter(|_| self.labels.categories > 0) {
            writer.append(path, little_endian(&votes.probabilities, f32::to_le_bytes, bytes))?;
        }
        if let Some([codes, shares]) = &paths.top {
            little_endian_codes(&votes.top_codes, self.codes, bytes);
            writer.append(codes, bytes)?;
            writer.append(shares, little_endian(&votes.top_shares, f32::to_le_bytes, bytes))?;
        }
        Ok(())
    }
}

impl LevelsPayload {
    fn append(&self, votes: &LevelVotes, bytes: &mut Vec<u8>, writer: &mut UnitWriter) -> Result<()> {
        let [label, share, level] = &self.paths;
        let of_nodes = |of: &dyn Fn(usize) -> i32| -> Vec<i32> {
            votes.nodes.iter().map(|&node| usize::try_from(node).map_or(-1, of)).collect()
        };
        little_endian_codes(&of_nodes(&|node| self.codes.0[node]), self.codes.1, bytes);
        writer.append(label, bytes)?;
        writer.append(share, little_endian(&votes.shares, f32::to_le_bytes, bytes))?;
        little_endian_codes(&of_nodes(&|node| i32::from(self.tree.depths[node])), self.levels, bytes);
        writer.append(level, bytes)
    }
}

impl Rejection {
    fn of(parameters: &LabelParameters, k: u64) -> Self {
        let LabelParameters { min_confidence, max_distance, distance_of, .. } = *parameters;
        Self { min_confidence, max_distance, slot: distance_of.unwrap_or(k).saturating_sub(1) as usize }
    }

    fn status(&self, code: i32, confidence: f32, distances: &[f32]) -> LabelStatus {
        let is_far = |most: f64| {
            let last = distances.len().saturating_sub(1);
            distances.get(self.slot.min(last)).is_some_and(|&distance| f64::from(distance) > most)
        };
        if code < 0 {
            LabelStatus::Unlabelled
        } else if self.min_confidence.is_some_and(|least| f64::from(confidence) < least)
            || self.max_distance.is_some_and(is_far)
        {
            LabelStatus::Rejected
        } else {
            LabelStatus::Ok
        }
    }
}

/// Reads the reference's columns, band by band, and the matrices that stay in memory; those that were diffused are not looked at again.
pub(in crate::pipeline) fn payloads(
    prepared: &Prepared,
    diffused: Option<&[Key]>,
    progress: &Progress,
) -> Result<Vec<Payload>> {
    let (inputs, parameters) = (&prepared.inputs, &prepared.resolved.parameters);
    let n_ref = inputs.reference.n_obs();
    let mut payloads = Vec::new();
    let mut keys = diffused.unwrap_or_default().iter();
    for input in &inputs.columns {
        let column = &input.column;
        let paths = column_paths(column.key(), parameters);
        let key = keys.next();
        if let Some((categories, _)) = input.labels() {
            let (labels, lanes) = match key {
                Some(Key::Labels { codes, lanes }) => {
                    let (codes, missing_votes) = (codes.clone(), parameters.labels.missing == "category");
                    (Labels { codes, categories: categories.len(), missing_votes }, Some(lanes.clone()))
                }
                _ => (labels(input, &parameters.labels, n_ref, progress)?, None),
            };
            let asked = Asked {
                probabilities: paths.probabilities.is_some(),
                details: paths.details.is_some(),
                top: parameters.labels.top() as usize,
            };
            let (names, code) = with_unknown(categories);
            payloads.push(Payload::Labels(Box::new(LabelPayload {
                asked,
                rejection: Rejection::of(&parameters.labels, prepared.spec.k),
                paths,
                codes: codes_dtype(labels.categories),
                lanes,
                unknown: (codes_dtype(names.len()), code),
                labels,
            })));
        } else if let Some(Key::Numbers { middle, lanes }) = key {
            payloads.push(Payload::DiffusedNumbers { middle: *middle, lanes: lanes.clone(), paths: Box::new(paths) });
        } else {
            let (mut numbers, mut band) = (Vec::with_capacity(n_ref as usize), Vec::new());
            for rows in RowRange::new(0, n_ref).pieces(column.natural_tile_rows().max(1)) {
                column.read_numbers(rows, &mut band)?;
                numbers.extend_from_slice(&band);
                progress.check()?;
            }
            payloads.push(Payload::Numbers { numbers, paths: Box::new(paths) });
        }
    }
    if let Some(levels) = &inputs.levels {
        let (names, codes) = levels.distinct_names();
        payloads.push(Payload::Levels(Box::new(LevelsPayload {
            tree: levels.read(progress)?,
            codes: (codes, codes_dtype(names.len())),
            levels: codes_dtype(levels.levels.len()),
            paths: level_paths(levels.key(), parameters),
        })));
    }
    let passing = &prepared.sizes.after.passing;
    let stay = inputs.embeddings.iter().enumerate().filter(|(place, _)| !passing.embeddings.contains(place));
    for (_, (key, rows)) in stay {
        if let Some(Key::Rows { lanes }) = keys.next() {
            let (lanes, path) = (lanes.clone(), embedding_path(key, parameters));
            payloads.push(Payload::DiffusedRows { lanes, path, is_expression: false });
            continue;
        }
        let mut tile = Tile::default();
        rows.read(RowRange::new(0, n_ref), &mut tile)?;
        let embedding = Embedding { values: tile.values, dim: tile.dim };
        payloads.push(Payload::Embedding { embedding, path: embedding_path(key, parameters) });
    }
    if let Some(input) = inputs.expression.as_ref().filter(|_| !passing.expression) {
        let path = input.path.clone();
        payloads.push(match keys.next() {
            Some(Key::Rows { lanes }) => Payload::DiffusedRows { lanes: lanes.clone(), path, is_expression: true },
            _ => Payload::Expression { expression: input.read(progress)?, path },
        });
    }
    Ok(payloads)
}

/// The codes of a column, in which those that may not be predicted are others.
fn labels(input: &ColumnInput, parameters: &LabelParameters, n_ref: u64, progress: &Progress) -> Result<Labels> {
    let column = &input.column;
    let (mut codes, mut band) = (Vec::with_capacity(n_ref as usize), Vec::new());
    for rows in RowRange::new(0, n_ref).pieces(column.natural_tile_rows().max(1)) {
        column.read_codes(rows, &mut band)?;
        codes.extend_from_slice(&band);
        progress.check()?;
    }
    if let Some(predicted) = &input.predicted {
        for code in &mut codes {
            if usize::try_from(*code).is_ok_and(|code| !predicted[code]) {
                *code = OTHER;
            }
        }
    }
    let categories = column.categories().map_or(0, crate::source::Categories::len);
    Ok(Labels { codes, categories, missing_votes: parameters.missing == "category" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_rejected_by_confidence_and_by_the_distance_of_one_neighbour() {
        let rejection = Rejection { min_confidence: Some(0.5), max_distance: Some(2.0), slot: 1 };
        assert_eq!(rejection.status(-1, 0.0, &[]), LabelStatus::Unlabelled);
        assert_eq!(rejection.status(3, 0.5, &[1.0, 2.0, 9.0]), LabelStatus::Ok);
        assert_eq!(rejection.status(3, 0.49, &[1.0, 2.0, 9.0]), LabelStatus::Rejected);
        assert_eq!(rejection.status(3, 0.9, &[1.0, 2.1, 9.0]), LabelStatus::Rejected);
        assert_eq!(rejection.status(3, 0.9, &[2.1]), LabelStatus::Rejected);
        let none = Rejection { min_confidence: None, max_distance: None, slot: 0 };
        assert_eq!(none.status(0, 0.0, &[9.0]), LabelStatus::Ok);
    }
}
