//! One cell from its number: what it is, and where it lies.

use super::atlas::Atlas;
use super::normal::Normal;
use super::parameters::Parameters;
use super::philox::{GROUP, Philox, Stream};

/// How wide a rare class is, for its cluster's width. Were it as wide, its few cells would have others between them, and no search could find it.
const RARE_WIDTH: f32 = 0.25;

/// Which class a cell is of, counted from 0 within its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Cluster(usize),
    Rare(usize),
    Outside(usize),
}

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// The row whose cell this is: its own, or that of the cell that it repeats.
    pub(super) origin: u64,
    pub(super) class: Class,
    pub(super) batch: usize,
}

/// The cells of an endless data set.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) parameters: Parameters,
    philox: Philox,
    normal: Normal,
    atlas: Atlas,
    /// Of 2³² numbers, those that make a cell one of a rare class, of each, one outside, and one that repeats another.
    rare: u64,
    outside: u64,
    duplicates: u64,
}

impl Cells {
    pub(super) fn new(parameters: Parameters) -> Self {
        let normal = Normal::new();
        let atlas = Atlas::new(&parameters, &normal);
        let of_all = |share: f64| libm::round(share * 4_294_967_296.0) as u64;
        Self {
            philox: Philox::new(parameters.seed),
            normal,
            atlas,
            rare: of_all(parameters.rare_frequency),
            outside: of_all(parameters.outside),
            duplicates: of_all(parameters.duplicates),
            parameters,
        }
    }

    /// Bytes of what all cells share, and of the table.
    pub(super) fn bytes(&self) -> u64 {
        self.atlas.bytes() + size_of_val(&self.normal) as u64 + 8 * 1024
    }

    /// Number of a row of the store in the endless data set.
    pub(super) fn number(&self, row: u64) -> u64 {
        self.parameters.first + row * self.parameters.stride
    }

    /// Names of the classes: clusters, rare ones, and those outside where there are any.
    pub(super) fn classes(&self) -> Vec<String> {
        let Parameters { clusters, rare_classes, outside_clusters, .. } = self.parameters;
        let outside = if self.outside > 0 { outside_clusters } else { 0 };
        let clusters = (0..clusters).map(|number| format!("type {number:03}"));
        let rare = (0..rare_classes).map(|number| format!("rare {number:02}"));
        clusters.chain(rare).chain((0..outside).map(|number| format!("outside {number:02}"))).collect()
    }

    /// The place of a class among their names.
    pub(super) fn code(&self, class: Class) -> i16 {
        let (clusters, rare) = (self.parameters.clusters as usize, self.parameters.rare_classes as usize);
        (match class {
            Class::Cluster(number) => number,
            Class::Rare(number) => clusters + number,
            Class::Outside(number) => clusters + rare + number,
        }) as i16
    }

    /// What the cell of a number is. One that repeats another is what that would be if it repeated none.
    pub(super) fn kind(&self, number: u64) -> Kind {
        let words = self.philox.block(Stream::Kind, number, 0);
        if u64::from(words[3]) >= self.duplicates || number == 0 {
            return self.own_kind(number, words);
        }
        let [low, high, ..] = self.philox.block(Stream::Kind, number, 1);
        let origin = (u128::from(u64::from(high) << 32 | u64::from(low)) * u128::from(number)) >> 64;
        self.own_kind(origin as u64, self.philox.block(Stream::Kind, origin as u64, 0))
    }

    fn own_kind(&self, origin: u64, [cluster, planted, batch, _]: [u32; 4]) -> Kind {
        let (planted, rare) = (u64::from(planted), self.rare * self.parameters.rare_classes);
        let class = if planted < rare {
            Class::Rare((planted / self.rare) as usize)
        } else if planted - rare < self.outside {
            Class::Outside(((planted - rare) * self.parameters.outside_clusters / self.outside) as usize)
        } else {
            Class::Cluster(self.atlas.last.partition_point(|&last| last < cluster))
        };
        Kind { origin, class, batch: ((u64::from(batch) * self.parameters.batches) >> 32) as usize }
    }

    /// The coordinates of a cell of this kind, into a row of as many. Sums are in one order: centre, noise, manifold axis by axis, shifts.
    pub(super) fn place(&self, kind: Kind, scratch: &mut Scratch, row: &mut [f32]) {
        let (frame, width, shift) = match kind.class {
            Class::Cluster(number) => (&self.atlas.frames[number], 1.0, None),
            Class::Outside(number) => (&self.atlas.outside[number], 1.0, None),
            Class::Rare(number) => {
                let (host, shift) = &self.atlas.rare[number];
                (&self.atlas.frames[*host], RARE_WIDTH, Some(shift))
            }
        };
        let columns = row.len();
        let latent = frame.axes.len() / columns;
        scratch.draw(self, kind.origin, columns + latent, width);
        let (noise, latent) = scratch.normals.split_at(columns);
        for (((value, centre), size), drawn) in row.iter_mut().zip(&frame.centre).zip(&self.atlas.noise).zip(noise) {
            *value = centre + size * drawn;
        }
        for (axis, along) in frame.axes.chunks_exact(columns).zip(latent) {
            for (value, step) in row.iter_mut().zip(axis) {
                *value += along * step;
            }
        }
        for shift in shift.into_iter().chain([&self.atlas.batches[kind.batch]]) {
            for (value, step) in row.iter_mut().zip(shift) {
                *value += step;
            }
        }
    }
}

/// Numbers of the cell that is being placed, kept for the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    normals: Vec<f32>,
}

impl Scratch {
    /// Draws the numbers of a cell, each times `width`.
    fn draw(&mut self, cells: &Cells, number: u64, count: usize, width: f32) {
        let groups = count.div_ceil(GROUP);
        self.normals.resize(groups * GROUP, 0.0);
        let mut words = [0; GROUP];
        for (group, normals) in self.normals.chunks_exact_mut(GROUP).enumerate() {
            cells.philox.group(Stream::Place, number, group as u32, &mut words);
            for (normal, word) in normals.iter_mut().zip(words) {
                *normal = width * cells.normal.of(word);
            }
        }
    }
}
