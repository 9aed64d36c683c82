//! What is taken from cuVS and given back when it is dropped: a handle, memory of the device, pinned memory of the host, an index.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use super::abi::{self, BruteForceIndex};
use super::device::Device;
use super::driver::Context;
use super::library::{Cuvs, Fault};

/// A handle of cuVS: a stream of its own, and what its functions keep for the next call.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) cuvs: Arc<Cuvs>,
    /// What was current for the thread that took it, and is for every other that gives something back.
    context: Option<Arc<Context>>,
    pub(super) handle: abi::Resources,
}

impl Resources {
    pub(super) fn new(cuvs: &Arc<Cuvs>) -> Result<Self, Fault> {
        let mut handle = 0;
        // SAFETY: the function writes the handle to the place that it is given.
        let returned = unsafe { (cuvs.table.resources_create)(&raw mut handle) };
        cuvs.check("cuvsResourcesCreate", returned)?;
        Ok(Self { cuvs: Arc::clone(cuvs), context: None, handle })
    }

    /// One of a device, whose context is current.
    pub(super) fn of(device: &Device) -> Result<Self, Fault> {
        let mut resources = Self::new(&device.cuvs)?;
        resources.context.clone_from(&device.context);
        Ok(resources)
    }

    /// Waits until all that was asked of the stream is done.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        // SAFETY: the handle is that of `resources_create` until it is dropped.
        let returned = unsafe { (self.cuvs.table.stream_sync)(self.handle) };
        self.cuvs.check("cuvsStreamSync", returned)
    }

    /// The number of the device.
    pub(super) fn device_id(&self) -> Result<i32, Fault> {
        let mut id = -1;
        // SAFETY: the handle is good, and the place is ours.
        let returned = unsafe { (self.cuvs.table.device_id)(self.handle, &raw mut id) };
        self.cuvs.check("cuvsDeviceIdGet", returned)?;
        if id >= 0 { Ok(id) } else { Err(Fault { call: "cuvsDeviceIdGet", text: "no device".into() }) }
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        // SAFETY: the handle is dropped once, and whatever was taken with it holds it until it is given back.
        unsafe { (self.cuvs.table.resources_destroy)(self.handle) };
    }
}

/// Memory of the device.
#[derive(Debug)]
pub(super) struct DeviceBuffer {
    resources: Arc<Resources>,
    place: *mut c_void,
    bytes: usize,
}

impl DeviceBuffer {
    pub(super) fn new(resources: &Arc<Resources>, bytes: usize) -> Result<Self, Fault> {
        let mut place = std::ptr::null_mut();
        // SAFETY: the handle is good, and the place for the address is ours.
        let returned = unsafe { (resources.cuvs.table.alloc)(resources.handle, &raw mut place, bytes) };
        resources.cuvs.check("cuvsRMMAlloc", returned)?;
        Ok(Self { resources: Arc::clone(resources), place, bytes })
    }

    /// The address at this byte, which must not lie behind the end.
    pub(super) fn at(&self, byte: usize) -> *mut c_void {
        assert!(byte <= self.bytes);
        self.place.wrapping_byte_add(byte)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        // SAFETY: it was taken with this handle and as many bytes, and is given back once. The stream orders it behind what still uses it.
        unsafe { (self.resources.cuvs.table.free)(self.resources.handle, self.place, self.bytes) };
    }
}

/// Pinned memory of the host, which a device copies from and to without the processor: numbers of one type, zero at first.
#[derive(Debug)]
pub(super) struct PinnedBuffer<T> {
    cuvs: Arc<Cuvs>,
    context: Option<Arc<Context>>,
    place: NonNull<T>,
    len: usize,
    taken_by: ThreadId,
    numbers: PhantomData<T>,
}

// SAFETY: it owns plain numbers, as a vector does.
unsafe impl<T: bytemuck::Pod + Send> Send for PinnedBuffer<T> {}
// SAFETY: shared, it can only be read.
unsafe impl<T: bytemuck::Pod + Sync> Sync for PinnedBuffer<T> {}

impl<T: bytemuck::Pod> PinnedBuffer<T> {
    pub(super) fn new(resources: &Resources, len: usize) -> Result<Self, Fault> {
        let place = host_alloc(&resources.cuvs, len * size_of::<T>())?;
        let place = NonNull::new(place.cast::<T>()).filter(|place| place.is_aligned());
        let place = place.ok_or_else(|| Fault { call: "cuvsRMMHostAlloc", text: "no memory".into() })?;
        // SAFETY: it is memory of this length that nobody else has, and aligned.
        unsafe { place.write_bytes(0, len) };
        let taken_by = thread::current().id();
        let (cuvs, context) = (Arc::clone(&resources.cuvs), resources.context.clone());
        Ok(Self { cuvs, context, place, len, taken_by, numbers: PhantomData })
    }

    /// The numbers.
    pub(super) fn get(&self) -> &[T] {
        // SAFETY: the memory is ours, has this length and was written throughout; whoever lets a device write to it holds it mutably until
        // the device is done.
        unsafe { std::slice::from_raw_parts(self.place.as_ptr(), self.len) }
    }

    /// The numbers, to be changed.
    pub(super) fn get_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else sees them.
        unsafe { std::slice::from_raw_parts_mut(self.place.as_ptr(), self.len) }
    }
}

impl<T> Drop for PinnedBuffer<T> {
    fn drop(&mut self) {
        let (place, bytes) = (self.place.as_ptr().expose_provenance(), self.len * size_of::<T>());
        let (cuvs, context) = (&self.cuvs, self.context.as_deref());
        if thread::current().id() == self.taken_by {
            free(cuvs, place, bytes);
            return;
        }
        // By a thread of its own: what is current for this one stays so. cuVS keeps what takes and frees pinned memory for each thread, and makes it
        // when the thread first takes some.
        thread::scope(|scope| {
            let give_back = move || {
                if context.is_none_or(|context| context.make_current().is_ok())
                    && let Ok(little) = host_alloc(cuvs, LITTLE)
                {
                    free(cuvs, place, bytes);
                    free(cuvs, little.expose_provenance(), LITTLE);
                }
            };
            // What no thread gives back is lost, and nothing else is.
            let _ = thread::Builder::new().spawn_scoped(scope, give_back);
        });
    }
}

/// Gives back what [`host_alloc`] gave at this address.
fn free(cuvs: &Cuvs, address: usize, bytes: usize) {
    // SAFETY: it was taken by `host_alloc` with as many bytes, and its owner gives it back once.
    unsafe { (cuvs.table.host_free)(std::ptr::with_exposed_provenance_mut(address), bytes) };
}

/// Bytes that a thread takes only so that it can free.
const LITTLE: usize = 64;

fn host_alloc(cuvs: &Cuvs, bytes: usize) -> Result<*mut c_void, Fault> {
    let mut place = std::ptr::null_mut();
    // SAFETY: the place for the address is ours.
    let returned = unsafe { (cuvs.table.host_alloc)(&raw mut place, bytes) };
    cuvs.check("cuvsRMMHostAlloc", returned)?;
    Ok(place)
}

/// An index of cuVS' brute force. It refers to the rows that it was built from, and does not copy them.
#[derive(Debug)]
pub(super) struct Index {
    resources: Arc<Resources>,
    pub(super) place: *mut BruteForceIndex,
}

impl Index {
    pub(super) fn new(resources: &Arc<Resources>) -> Result<Self, Fault> {
        let mut place = std::ptr::null_mut();
        // SAFETY: the place for the address is ours.
        let returned = unsafe { (resources.cuvs.table.index_create)(&raw mut place) };
        resources.cuvs.check("cuvsBruteForceIndexCreate", returned)?;
        Ok(Self { resources: Arc::clone(resources), place })
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: it was made by `index_create`, and is destroyed once; one that was never built is empty.
        unsafe { (self.resources.cuvs.table.index_destroy)(self.place) };
    }
}
