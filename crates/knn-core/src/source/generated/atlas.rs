//! What all cells share: centres and manifolds of the clusters, their sizes, noise, and the shifts of rare classes and batches. All of it
//! follows from the seed of the atlas, each piece from counters of its own, so that asking for more of one thing changes nothing else.

use super::normal::Normal;
use super::parameters::Parameters;
use super::philox::{GROUP, Philox, Stream};

/// What a counter of the atlas counts, in its upper bits.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Cluster = 0,
    Outside = 1,
    Rare = 2,
    Batch = 3,
    Shares = 4,
}

/// A cluster: its centre, and the axes of its manifold one after the other.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) centre: Vec<f32>,
    pub(super) axes: Vec<f32>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Atlas {
    pub(super) frames: Vec<Frame>,
    /// Clusters behind those that a reference has.
    pub(super) outside: Vec<Frame>,
    /// The largest number of 32 bits that belongs to each cluster, ascending.
    pub(super) last: Vec<u32>,
    /// Cluster beside which each rare class lies, and its shift.
    pub(super) rare: Vec<(usize, Vec<f32>)>,
    pub(super) batches: Vec<Vec<f32>>,
    /// σ of the noise on every axis.
    pub(super) noise: Vec<f32>,
}

impl Atlas {
    pub(super) fn new(parameters: &Parameters, normal: &Normal) -> Self {
        let source = Source { philox: Philox::new(parameters.atlas), normal };
        let columns = parameters.columns as usize;
        let power = |exponent: f64| move |axis: usize| libm::pow((axis + 1) as f64, exponent);
        let decays = |scale: f64, exponent: f64| -> Vec<f32> {
            (0..columns).map(|axis| (scale * power(-exponent)(axis)) as f32).collect()
        };
        let centres = decays(parameters.spread, 0.25);
        let shifts = decays(parameters.extent, 0.5);
        let scaled = |piece: Piece, number: u64, scales: &[f32]| -> Vec<f32> {
            source.normals(piece, number, 0, columns).iter().zip(scales).map(|(value, scale)| value * scale).collect()
        };
        let [least, most] = parameters.latent;
        let extent = (parameters.extent / libm::sqrt(most as f64)) as f32;
        let frame = |piece: Piece, number: u64| {
            let [word, ..] = source.philox.block(Stream::Atlas, counter(piece, number), u32::MAX);
            let latent = least + ((u64::from(word) * (most - least + 1)) >> 32);
            let axes = source.normals(piece, number, columns, latent as usize * columns);
            Frame { centre: scaled(piece, number, &centres), axes: axes.iter().map(|value| value * extent).collect() }
        };
        let shares = source.normals(Piece::Shares, 0, 0, parameters.clusters as usize);
        let shares: Vec<f64> = shares.iter().map(|&value| libm::exp(parameters.skew * f64::from(value))).collect();
        let mut common: Vec<usize> = (0..shares.len()).collect();
        common.sort_by(|&left, &right| shares[right].total_cmp(&shares[left]).then(left.cmp(&right)));
        let flat = vec![parameters.batch_offset as f32; columns];
        Self {
            frames: (0..parameters.clusters).map(|number| frame(Piece::Cluster, number)).collect(),
            outside: (0..parameters.outside_clusters).map(|number| frame(Piece::Outside, number)).collect(),
            last: last_of_each(&shares),
            rare: (0..parameters.rare_classes)
                .map(|number| (common[number as usize % common.len()], scaled(Piece::Rare, number, &shifts)))
                .collect(),
            batches: (0..parameters.batches).map(|number| scaled(Piece::Batch, number, &flat)).collect(),
            noise: decays(parameters.noise_size, parameters.noise_decay),
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let frames = self.frames.iter().chain(&self.outside).map(|frame| frame.centre.len() + frame.axes.len());
        let shifts = self.rare.iter().map(|(_, shift)| shift).chain(&self.batches).map(Vec::len);
        4 * frames.chain(shifts).chain([self.last.len(), self.noise.len()]).sum::<usize>() as u64
    }
}

/// Cumulated shares as numbers of 32 bits; the last one is the largest there is.
fn last_of_each(shares: &[f64]) -> Vec<u32> {
    let whole: f64 = shares.iter().sum();
    let mut sum = 0.0;
    let mut last: Vec<u32> = shares
        .iter()
        .map(|share| {
            sum += share / whole;
            libm::round(sum * 4_294_967_296.0).clamp(1.0, 4_294_967_296.0) as u64 as u32
        })
        .map(|end| end.wrapping_sub(1))
        .collect();
    if let Some(end) = last.last_mut() {
        *end = u32::MAX;
    }
    last
}

fn counter(piece: Piece, number: u64) -> u64 {
    (piece as u64) << 32 | number
}

/// Normal numbers of the atlas.
struct Source<'n> {
    philox: Philox,
    normal: &'n Normal,
}

impl Source<'_> {
    /// Numbers `first` to `first + count` of a piece.
    fn normals(&self, piece: Piece, number: u64, first: usize, count: usize) -> Vec<f32> {
        let mut words = [0; GROUP];
        let mut group = None;
        (first..first + count)
            .map(|at| {
                let wanted = at / GROUP;
                if group != Some(wanted) {
                    self.philox.group(Stream::Atlas, counter(piece, number), wanted as u32, &mut words);
                    group = Some(wanted);
                }
                self.normal.of(words[at % GROUP])
            })
            .collect()
    }
}
