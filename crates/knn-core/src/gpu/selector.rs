//! Rows on a device, and the search for what may be among the nearest of queries.
//!
//! Rows are centred by their middle and copied once; queries come in batches through pinned memory. While a device works on one batch the processor may read the
//! one before: a batch holds both what is asked and what was found.

use std::sync::Arc;

use rayon::prelude::*;

use super::abi::{self, CEnum, DlDataType, DlDevice, DlManagedTensor, DlTensor, FLOAT, Filter, INT64};
use super::bound::{Bound, LONGEST};
use super::device::Device;
use super::library::Fault;
use super::resources::{DeviceBuffer, Index, PinnedBuffer, Resources};
use crate::distance::Metric;

/// Rows that are too long for a device are compared with every query by the processor; with more of them a block is not fit for a device.
const MOST_LONG: usize = 32;
/// Rows that a thread centres at a time.
const CENTRED_ROWS: usize = 512;
/// Rows of which the middle of a block is taken, at most.
const SAMPLED_ROWS: usize = 64;
/// Of the memory of a device, the part that is for rows and batches: cuVS takes some for itself.
const SHARE: u64 = 2;

/// How much is asked of a device at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Columns of a row.
    pub dim: usize,
    /// Queries of a batch at most.
    pub queries: usize,
    /// Rows that are sought for each.
    pub sought: usize,
}

impl BatchSize {
    /// Bytes of pinned memory that a batch takes.
    pub fn bytes(self) -> u64 {
        self.queries as u64 * (self.dim as u64 * 4 + self.sought as u64 * 12 + 8)
    }

    /// Rows that a device of this memory holds beside a batch, at least one.
    pub fn most_rows(self, memory: u64) -> u64 {
        // Beside a row its norm.
        ((memory / SHARE).saturating_sub(self.bytes()) / (self.dim as u64 * 4 + 4)).clamp(1, u64::from(u32::MAX))
    }
}

/// Queries, and what was found for them.
#[derive(Debug)]
pub struct Batch {
    size: BatchSize,
    rows: PinnedBuffer<f32>,
    found: PinnedBuffer<i64>,
    values: PinnedBuffer<f32>,
    /// Length of each query, as the device has it; NaN where a coordinate is not finite, infinite where it is too long.
    norms: Vec<f64>,
    /// Rows that were found for each.
    width: usize,
}

impl Batch {
    /// Queries at hand.
    pub fn queries(&self) -> usize {
        self.norms.len()
    }

    /// What was found for one of them.
    pub fn of(&self, query: usize) -> Told<'_> {
        let slots = query * self.width..(query + 1) * self.width;
        Told { rows: &self.found.get()[slots.clone()], values: &self.values.get()[slots], norm: self.norms[query] }
    }
}

/// What a device found for a query.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    rows: &'a [i64],
    values: &'a [f32],
    /// The query's length, as the device has it; NaN where a coordinate is not finite, infinite where it is too long.
    pub norm: f64,
}

/// A block of rows on a device, as whoever reads what was found must know it.
#[derive(Debug, Default)]
pub struct Block {
    /// The row of each row of the device, where some were left out; otherwise they are the same.
    kept: Vec<u32>,
    /// Rows that were left out because they are too long.
    long: Vec<u32>,
    rows: usize,
    /// How far values may be off.
    pub bound: Bound,
}

impl Block {
    /// Rows that are no part of a search and may be near all the same.
    pub fn long(&self) -> &[u32] {
        &self.long
    }

    /// The rows that were found, with their values: smaller is nearer. None where a device gives what cannot be: a row that is not, or one twice, or
    /// no number. `order` is scratch.
    pub fn read<'t>(
        &'t self,
        told: Told<'t>,
        order: &mut Vec<i64>,
    ) -> Option<impl Iterator<Item = (u32, f64)> + Clone + 't> {
        order.clear();
        order.extend_from_slice(told.rows);
        order.sort_unstable();
        let are_rows = order.first().is_none_or(|first| *first >= 0)
            && order.last().is_none_or(|last| *last < self.rows as i64)
            && order.is_sorted_by(|one, next| one < next)
            && told.values.iter().all(|value| value.is_finite());
        let sign = if self.bound.metric.is_product() { -1.0 } else { 1.0 };
        let number = |row: i64| if self.kept.is_empty() { row as u32 } else { self.kept[row as usize] };
        are_rows.then(|| {
            told.rows.iter().zip(told.values).map(move |(&row, &value)| (number(row), sign * f64::from(value)))
        })
    }

    /// No row that was not found has a smaller value; infinite where all were.
    pub fn least_other(&self, told: Told) -> f64 {
        if told.rows.len() >= self.rows {
            return f64::INFINITY;
        }
        let sign = if self.bound.metric.is_product() { -1.0 } else { 1.0 };
        told.values.iter().map(|value| sign * f64::from(*value)).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The search on a device.
#[derive(Debug)]
pub struct Selector {
    // In this order they are given back: an index refers to rows.
    index: Option<Index>,
    rows: Option<DeviceBuffer>,
    batch: DeviceBuffer,
    resources: Arc<Resources>,
    device: i32,
    metric: Metric,
    size: BatchSize,
    most_rows: usize,
    /// What the rows at hand are centred by.
    centre: Vec<f32>,
    block: Arc<Block>,
}

impl Selector {
    /// Takes what a batch takes on the device.
    pub fn new(device: &Device, metric: Metric, size: BatchSize) -> Result<Self, Fault> {
        let resources = Arc::new(Resources::new(&device.cuvs)?);
        let batch = DeviceBuffer::new(&resources, parts(size).into_iter().sum())?;
        let centre = vec![0.0; size.dim];
        let most_rows = size.most_rows(device.memory()) as usize;
        let (device, block) = (device.id(), Arc::default());
        Ok(Self { index: None, rows: None, batch, resources, device, metric, size, most_rows, centre, block })
    }

    /// Pinned memory for a batch.
    pub fn batch(&self) -> Result<Batch, Fault> {
        let (cuvs, BatchSize { dim, queries, sought }) = (&self.resources.cuvs, self.size);
        Ok(Batch {
            size: self.size,
            rows: PinnedBuffer::new(cuvs, queries * dim)?,
            found: PinnedBuffer::new(cuvs, queries * sought)?,
            values: PinnedBuffer::new(cuvs, queries * sought)?,
            norms: Vec::with_capacity(queries),
            width: 0,
        })
    }

    /// The block that was loaded.
    pub fn block(&self) -> Arc<Block> {
        Arc::clone(&self.block)
    }

    /// The size of a batch.
    pub fn size(&self) -> BatchSize {
        self.size
    }

    /// Copies rows (row-major, prepared for the metric) to the device, in the place of those before. False where they are not fit for one: too many
    /// are too long, none can be compared, or there are more than it holds. `through` is two batches whose queries are used up.
    pub fn load(&mut self, rows: &[f32], through: &mut [Batch; 2]) -> Result<bool, Fault> {
        let dim = self.size.dim;
        self.index = None;
        if !self.metric.is_product() {
            middle(rows, &mut self.centre);
        }
        let lengths: Vec<f64> = rows.par_chunks_exact(dim).map(|row| length(row, &self.centre)).collect();
        let mut block = Block::default();
        let all = 0..lengths.len() as u32;
        block.long = all.clone().filter(|&row| lengths[row as usize] > LONGEST).collect();
        block.kept = all.filter(|&row| lengths[row as usize] <= LONGEST).collect();
        block.rows = block.kept.len();
        let longest = block.kept.iter().map(|&row| lengths[row as usize]).fold(0.0, f64::max);
        block.bound = Bound { metric: self.metric, dim, longest };
        let is_whole = block.rows == lengths.len();
        drop(lengths);
        if block.rows == 0 || block.rows > self.most_rows || block.long.len() > MOST_LONG {
            return Ok(false);
        }
        if self.rows.as_ref().is_none_or(|buffer| buffer.bytes() < block.rows * dim * 4) {
            // The others are given back first.
            self.rows = None;
            self.rows = Some(DeviceBuffer::new(&self.resources, block.rows * dim * 4)?);
        }
        let device_rows = self.rows.as_ref().map_or(std::ptr::null_mut(), |buffer| buffer.at(0));
        let piece = through[0].size.queries.min(through[1].size.queries);
        for (number, kept) in block.kept.chunks(piece).enumerate() {
            // One half is filled while the other is on its way.
            let half = &mut through[number % 2].rows;
            let staged = &mut half.get_mut()[..kept.len() * dim];
            let places = staged.par_chunks_mut(CENTRED_ROWS * dim).zip(kept.par_chunks(CENTRED_ROWS));
            places.for_each(|(staged, kept)| {
                for (place, &row) in staged.chunks_exact_mut(dim).zip(kept) {
                    centre(&rows[row as usize * dim..(row as usize + 1) * dim], &self.centre, place);
                }
            });
            self.resources.sync()?;
            let to = device_rows.wrapping_byte_add(number * piece * dim * 4);
            self.copy(staged.as_mut_ptr().cast(), to, FLOAT, [kept.len(), dim], Towards::Device)?;
        }
        self.resources.sync()?;
        if is_whole {
            block.kept = Vec::new();
        }
        self.block = Arc::new(block);
        self.build(device_rows)?;
        Ok(true)
    }

    fn build(&mut self, device_rows: *mut std::ffi::c_void) -> Result<(), Fault> {
        let index = Index::new(&self.resources)?;
        let mut shape = [self.block.rows as i64, self.size.dim as i64];
        let mut rows = self.on_device(device_rows, FLOAT, &mut shape);
        let cuvs = &self.resources.cuvs;
        let metric = if self.metric.is_product() { abi::INNER_PRODUCT } else { abi::L2_EXPANDED };
        // SAFETY: the handle and the index are good, and the rows are as many as the shape says, in memory of the device that stays as long as the
        // index; the shape lives until the call has returned.
        let returned = unsafe { (cuvs.table.build)(self.resources.handle, &raw mut rows, metric, 0.0, index.place) };
        cuvs.check("cuvsBruteForceBuild", returned)?;
        self.resources.sync()?;
        self.index = Some(index);
        Ok(())
    }

    /// Finds the nearest of the rows that were loaded, as many as are sought or as there are, for queries (prepared, one after another), and waits
    /// for them.
    pub fn search<'q>(&mut self, queries: impl Iterator<Item = &'q [f32]>, batch: &mut Batch) -> Result<(), Fault> {
        let (dim, block) = (self.size.dim, Arc::clone(&self.block));
        batch.norms.clear();
        for (query, place) in queries.zip(batch.rows.get_mut().chunks_exact_mut(dim)) {
            let length = length(query, &self.centre);
            let fits = length <= LONGEST;
            if fits {
                centre(query, &self.centre, place);
            } else {
                place.fill(0.0);
            }
            batch.norms.push(if fits || length.is_nan() { length } else { f64::INFINITY });
        }
        let (count, width) = (batch.norms.len(), self.size.sought.min(block.rows));
        batch.width = width;
        let Some(index) = self.index.as_ref().filter(|_| count > 0 && width > 0) else { return Ok(()) };
        let [of_rows, of_found, _] = parts(self.size);
        let [rows, found, values] = [0, of_rows, of_rows + of_found].map(|byte| self.batch.at(byte));
        self.copy(batch.rows.get_mut().as_mut_ptr().cast(), rows, FLOAT, [count, dim], Towards::Device)?;
        let mut shapes = [[count as i64, dim as i64], [count as i64, width as i64]];
        let [shape, found_shape] = &mut shapes;
        let mut asked = self.on_device(rows, FLOAT, shape);
        let mut neighbors = self.on_device(found, INT64, found_shape);
        let mut distances = self.on_device(values, FLOAT, found_shape);
        let cuvs = &self.resources.cuvs;
        // SAFETY: the handle and the index are good, the index' rows are there, and the three matrices are memory of the device as large as their
        // shapes, which live until the call has returned; cuVS changes no shape.
        let returned = unsafe {
            (cuvs.table.search)(
                self.resources.handle,
                index.place,
                &raw mut asked,
                &raw mut neighbors,
                &raw mut distances,
                Filter::NONE,
            )
        };
        cuvs.check("cuvsBruteForceSearch", returned)?;
        self.copy(batch.found.get_mut().as_mut_ptr().cast(), found, INT64, [count, width], Towards::Host)?;
        self.copy(batch.values.get_mut().as_mut_ptr().cast(), values, FLOAT, [count, width], Towards::Host)?;
        self.resources.sync()
    }

    /// Asks the stream to copy a matrix between pinned memory and the device.
    fn copy(
        &self,
        host: *mut std::ffi::c_void,
        device: *mut std::ffi::c_void,
        dtype: DlDataType,
        shape: [usize; 2],
        towards: Towards,
    ) -> Result<(), Fault> {
        let mut shape = shape.map(|extent| extent as i64);
        let mut shape_too = shape;
        let mut host = matrix(host, DlDevice { kind: abi::CUDA_HOST, id: 0 }, dtype, &mut shape);
        let mut device = self.on_device(device, dtype, &mut shape_too);
        let (from, to) = match towards {
            Towards::Device => (&raw mut host, &raw mut device),
            Towards::Host => (&raw mut device, &raw mut host),
        };
        let cuvs = &self.resources.cuvs;
        // SAFETY: both matrices are memory as large as the shape, of batches and buffers that are held until the stream was waited for.
        let returned = unsafe { (cuvs.table.copy)(self.resources.handle, from, to) };
        cuvs.check("cuvsMatrixCopy", returned)
    }

    fn on_device(&self, place: *mut std::ffi::c_void, dtype: DlDataType, shape: &mut [i64; 2]) -> DlManagedTensor {
        matrix(place, DlDevice { kind: abi::CUDA, id: self.device }, dtype, shape)
    }
}

impl Drop for Selector {
    fn drop(&mut self) {
        // Copies that a fault left on their way must not meet memory that is given back.
        let _ = self.resources.sync();
    }
}

/// Bytes of queries, of what is found and of its values on the device, each a multiple of what every kernel wants as its alignment.
fn parts(BatchSize { dim, queries, sought }: BatchSize) -> [usize; 3] {
    [dim * 4, sought * 8, sought * 4].map(|row| (queries * row).next_multiple_of(256))
}

/// Which way a matrix is copied.
#[derive(Debug, Clone, Copy)]
enum Towards {
    Device,
    Host,
}

/// A matrix in rows as cuVS is told of it. It refers to `shape` and to the memory, and is good as long as both.
fn matrix(place: *mut std::ffi::c_void, device: DlDevice, dtype: DlDataType, shape: &mut [i64; 2]) -> DlManagedTensor {
    let ndim: CEnum = 2;
    let strides = std::ptr::null_mut();
    let tensor = DlTensor { data: place, device, ndim, dtype, shape: shape.as_mut_ptr(), strides, byte_offset: 0 };
    DlManagedTensor { tensor, context: std::ptr::null_mut(), deleter: std::ptr::null_mut() }
}

/// The median of each coordinate over some of the rows, all of whose coordinates are finite; zero where there are none. A few rows far out do not move
/// it. Any centre gives the same neighbours; near the rows it makes values and what they are off by small.
fn middle(rows: &[f32], centre: &mut [f32]) {
    let (dim, step) = (centre.len(), (rows.len() / centre.len()).div_ceil(SAMPLED_ROWS).max(1));
    let some = rows.chunks_exact(dim).step_by(step).filter(|row| row.iter().all(|value| value.is_finite()));
    let sample: Vec<&[f32]> = some.collect();
    let mut column = Vec::with_capacity(sample.len());
    for (coordinate, place) in centre.iter_mut().enumerate() {
        column.clear();
        column.extend(sample.iter().map(|row| row[coordinate]));
        let half = column.len() / 2;
        *place = if column.is_empty() { 0.0 } else { *column.select_nth_unstable_by(half, f32::total_cmp).1 };
    }
}

/// Writes the row less the centre.
fn centre(row: &[f32], centre: &[f32], place: &mut [f32]) {
    for ((place, value), mean) in place.iter_mut().zip(row).zip(centre) {
        *place = value - mean;
    }
}

/// Length of the row less the centre, NaN if a coordinate is not finite.
fn length(row: &[f32], centre: &[f32]) -> f64 {
    let (mut sum, mut flaw) = (0f64, 0f32);
    for (value, mean) in row.iter().zip(centre) {
        let centred = f64::from(value - mean);
        sum += centred * centred;
        // Zero for finite numbers, NaN for others.
        flaw += value * 0.0;
    }
    if flaw == 0.0 { sum.sqrt() } else { f64::NAN }
}
