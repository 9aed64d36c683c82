//! The thread of a device. It alone calls cuVS for it, with the device's context current, and holds all that is taken of it; what it is asked for
//! it does in order.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Instant;

use super::abi::{self, CEnum, DlDataType, DlDevice, DlManagedTensor, DlTensor, FLOAT, Filter, INT64};
use super::batch::{Batch, BatchSize};
use super::device::Device;
use super::library::Fault;
use super::resources::{DeviceBuffer, Index, Resources};
use super::spent::{Account, Spent};
use crate::distance::Metric;

/// Batches of a device: one that is searched, one that is filled meanwhile, and one that is read.
pub(super) const BATCHES: usize = 3;

/// What a device is asked for.
#[derive(Debug)]
pub(super) enum Job {
    /// Room for so many rows, in the place of those before.
    Room(usize),
    /// So many rows of this batch are copied behind as many others.
    Copy { batch: Batch, rows: usize, behind: usize },
    /// So many rows are all there, and are searched from now on.
    Build(usize),
    /// The nearest rows are found for the queries of a batch.
    Search(Batch),
    /// A batch is no longer needed.
    Free(Batch),
}

/// A batch that comes back.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) batch: Batch,
    /// Whether it is one of queries.
    pub(super) is_answer: bool,
    /// What this device failed with, now or before.
    pub(super) ended: Result<(), Fault>,
}

/// What is held of a device.
struct Worker {
    // In this order they are given back: an index refers to rows.
    index: Option<Index>,
    rows: Option<DeviceBuffer>,
    batch: DeviceBuffer,
    resources: Arc<Resources>,
    device: i32,
    metric: Metric,
    size: BatchSize,
    /// Rows that are searched.
    built: usize,
    account: Account,
    failed: Option<Fault>,
}

/// Takes what a search takes, tells of it with its batches, and works until nobody asks any more.
pub(super) fn work(
    device: &Device,
    (metric, size, account): (Metric, BatchSize, Account),
    begun: &Sender<Result<Vec<Batch>, Fault>>,
    jobs: &Receiver<Job>,
    done: &Sender<Done>,
) {
    let begin = || {
        if let Some(context) = &device.context {
            context.make_current()?;
        }
        let resources = Arc::new(Resources::of(device)?);
        let batch = DeviceBuffer::new(&resources, parts(size).into_iter().sum())?;
        let batches = (0..BATCHES).map(|_| Batch::new(&resources, size)).collect::<Result<Vec<_>, _>>()?;
        let device = device.id();
        let worker =
            Worker { index: None, rows: None, batch, resources, device, metric, size, built: 0, account, failed: None };
        Ok((worker, batches))
    };
    let (mut worker, batches) = match begin() {
        Ok(begun) => begun,
        Err(fault) => {
            let _ = begun.send(Err(fault));
            return;
        }
    };
    // Whoever asks waits for both, and gives back all batches in the end.
    let _ = begun.send(Ok(batches));
    for job in jobs {
        if let Some(returned) = worker.does(job) {
            let _ = done.send(returned);
        }
    }
}

impl Worker {
    /// Does what is asked, nothing once it has failed, and gives the batch back.
    fn does(&mut self, job: Job) -> Option<Done> {
        let began = Instant::now();
        let (batch, is_answer, ended) = match job {
            Job::Room(rows) => (None, false, self.unless_failed(|worker| worker.room(rows))),
            Job::Copy { mut batch, rows, behind } => {
                let ended = self.unless_failed(|worker| worker.copy_rows(&mut batch, rows, behind));
                (Some(batch), false, ended)
            }
            Job::Build(rows) => (None, false, self.unless_failed(|worker| worker.build(rows))),
            Job::Search(mut batch) => {
                let ended = self.unless_failed(|worker| worker.search(&mut batch));
                (Some(batch), true, ended)
            }
            Job::Free(batch) => {
                drop(batch);
                return None;
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        self.account.add(match &batch {
            Some(batch) if is_answer => {
                let pairs = if ended.is_ok() { (batch.queries() * self.built) as u64 } else { 0 };
                Spent { searching: seconds, pairs, ..Spent::default() }
            }
            _ => Spent { loading: seconds, ..Spent::default() },
        });
        batch.map(|batch| Done { batch, is_answer, ended })
    }

    fn unless_failed(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let ended = work(self);
        if let Err(fault) = &ended {
            self.failed = Some(fault.clone());
            // Copies that the fault left on their way must not meet a batch that is given back.
            let _ = self.resources.sync();
        }
        ended
    }

    fn room(&mut self, rows: usize) -> Result<(), Fault> {
        self.index = None;
        let bytes = rows * self.size.dim * 4;
        if self.rows.as_ref().is_none_or(|buffer| buffer.bytes() < bytes) {
            // The others are given back first.
            self.rows = None;
            self.rows = Some(DeviceBuffer::new(&self.resources, bytes)?);
        }
        Ok(())
    }

    /// Where the rows lie on the device, behind so many of them.
    fn rows_behind(&self, rows: usize) -> *mut c_void {
        self.rows.as_ref().map_or(std::ptr::null_mut(), |buffer| buffer.at(rows * self.size.dim * 4))
    }

    fn copy_rows(&self, batch: &mut Batch, rows: usize, behind: usize) -> Result<(), Fault> {
        let staged = &mut batch.rows.get_mut()[..rows * self.size.dim];
        let to = self.rows_behind(behind);
        self.copy(staged.as_mut_ptr().cast(), to, FLOAT, [rows, self.size.dim], Towards::Device)?;
        self.resources.sync()
    }

    fn build(&mut self, rows: usize) -> Result<(), Fault> {
        let index = Index::new(&self.resources)?;
        let mut shape = [rows as i64, self.size.dim as i64];
        let mut matrix = self.on_device(self.rows_behind(0), FLOAT, &mut shape);
        assert!(self.rows.as_ref().is_some_and(|buffer| rows * self.size.dim * 4 <= buffer.bytes()));
        let cuvs = &self.resources.cuvs;
        let metric = if self.metric.is_product() { abi::INNER_PRODUCT } else { abi::L2_EXPANDED };
        // SAFETY: the handle and the index are good, and the rows are as many as the shape says, in memory of the device that stays as long as the
        // index; the shape lives until the call has returned.
        let returned = unsafe { (cuvs.table.build)(self.resources.handle, &raw mut matrix, metric, 0.0, index.place) };
        cuvs.check("cuvsBruteForceBuild", returned)?;
        self.resources.sync()?;
        self.index = Some(index);
        self.built = rows;
        Ok(())
    }

    /// Finds the nearest of the rows at hand, and waits for them.
    fn search(&self, batch: &mut Batch) -> Result<(), Fault> {
        let (dim, count, width) = (self.size.dim, batch.queries(), batch.width);
        let Some(index) = self.index.as_ref().filter(|_| count > 0 && width > 0) else { return Ok(()) };
        let [of_rows, of_found, _] = parts(self.size);
        let [rows, found, values] = [0, of_rows, of_rows + of_found].map(|byte| self.batch.at(byte));
        self.copy(batch.rows.get_mut()[..count * dim].as_mut_ptr().cast(), rows, FLOAT, [count, dim], Towards::Device)?;
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
        let slots = ..count * width;
        let (on_host, shape) = (&mut batch.found.get_mut()[slots], [count, width]);
        self.copy(on_host.as_mut_ptr().cast(), found, INT64, shape, Towards::Host)?;
        let on_host = &mut batch.values.get_mut()[slots];
        self.copy(on_host.as_mut_ptr().cast(), values, FLOAT, shape, Towards::Host)?;
        self.resources.sync()
    }

    /// Asks the stream to copy a matrix between pinned memory and the device.
    fn copy(
        &self,
        host: *mut c_void,
        device: *mut c_void,
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

    fn on_device(&self, place: *mut c_void, dtype: DlDataType, shape: &mut [i64; 2]) -> DlManagedTensor {
        matrix(place, DlDevice { kind: abi::CUDA, id: self.device }, dtype, shape)
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
fn matrix(place: *mut c_void, device: DlDevice, dtype: DlDataType, shape: &mut [i64; 2]) -> DlManagedTensor {
    let ndim: CEnum = 2;
    let strides = std::ptr::null_mut();
    let tensor = DlTensor { data: place, device, ndim, dtype, shape: shape.as_mut_ptr(), strides, byte_offset: 0 };
    DlManagedTensor { tensor, context: std::ptr::null_mut(), deleter: std::ptr::null_mut() }
}
