//! CUDA's driver library: what devices there are, and a context for each, because cuVS' interface chooses none.
//!
//! cuVS calls CUDA's runtime, and a call of the runtime works in the context that the driver has made current for its thread. The primary
//! context of a device is the one that the runtime would use of its own accord, and counts who holds it.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::Arc;

use super::abi::CEnum;
use super::library::{Fault, load};
use super::table::DriverTable;

/// The name of the driver's library, which is installed with the driver and where the system's loader finds it.
pub(super) const NAME: &str = "libcuda.so.1";
/// Bytes of a device's name at most, with the zero at its end.
const MOST_NAME: usize = 128;

/// The driver, begun. It is never closed.
#[derive(Debug)]
pub(super) struct Driver {
    table: DriverTable,
}

impl Driver {
    /// Opens and begins it; none where it is missing, is too old or has no device: then cuVS says what is wrong.
    pub(super) fn find(path: &Path) -> Option<Arc<Self>> {
        let library = load(path).ok()?;
        let table = DriverTable::resolve(&library).ok()?;
        let driver = Self { table };
        // SAFETY: the function takes flags, of which there are none.
        driver.check("cuInit", unsafe { (table.init)(0) }).ok()?;
        Some(Arc::new(driver))
    }

    /// How many devices are visible.
    pub(super) fn devices(&self) -> Result<i32, Fault> {
        let mut count = 0;
        // SAFETY: the place for the number is ours.
        let returned = unsafe { (self.table.count)(&raw mut count) };
        self.check("cuDeviceGetCount", returned)?;
        Ok(count)
    }

    fn check(&self, call: &'static str, returned: CEnum) -> Result<(), Fault> {
        if returned == 0 {
            return Ok(());
        }
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: the place for the address is ours; a text that is given ends with zero and stays for ever.
        let told = unsafe {
            (self.table.error_text)(returned, &raw mut text);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        Err(Fault { call, text: told.unwrap_or_else(|| format!("error {returned} of CUDA")) })
    }
}

/// The primary context of a device, held until this is dropped.
#[derive(Debug)]
pub(super) struct Context {
    driver: Arc<Driver>,
    device: i32,
    place: *mut c_void,
}

// SAFETY: it is an address that is handed to the driver and never followed here, and a context belongs to no thread.
unsafe impl Send for Context {}
// SAFETY: as above; the driver's functions may be called by any thread.
unsafe impl Sync for Context {}

impl Context {
    /// Holds the context of a device, by its number among those that are visible.
    pub(super) fn hold(driver: &Arc<Driver>, number: i32) -> Result<Self, Fault> {
        let (mut device, mut place) = (-1, std::ptr::null_mut());
        // SAFETY: the place for the device is ours.
        driver.check("cuDeviceGet", unsafe { (driver.table.device)(&raw mut device, number) })?;
        // SAFETY: the device is the driver's, and the place for the address is ours.
        driver.check("cuDevicePrimaryCtxRetain", unsafe { (driver.table.retain)(&raw mut place, device) })?;
        Ok(Self { driver: Arc::clone(driver), device, place })
    }

    /// Lets whatever this thread calls work on the device.
    pub(super) fn make_current(&self) -> Result<(), Fault> {
        // SAFETY: the context is held.
        let returned = unsafe { (self.driver.table.make_current)(self.place) };
        self.driver.check("cuCtxSetCurrent", returned)
    }

    /// Bytes of the device's memory that are free. The context is current.
    pub(super) fn free_memory(&self) -> Result<u64, Fault> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: both places are ours.
        let returned = unsafe { (self.driver.table.memory)(&raw mut free, &raw mut total) };
        self.driver.check("cuMemGetInfo", returned)?;
        Ok(free.min(total) as u64)
    }

    /// What its maker calls the device.
    pub(super) fn name(&self) -> Result<String, Fault> {
        let mut name = [0u8; MOST_NAME];
        // SAFETY: the place is ours and as long as is said, less one byte, which stays zero.
        let returned = unsafe { (self.driver.table.name)(name.as_mut_ptr().cast(), MOST_NAME as i32 - 1, self.device) };
        self.driver.check("cuDeviceGetName", returned)?;
        let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(name.to_string_lossy().trim().to_owned())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was held once, and is let go once. CUDA's runtime holds it too, so that it stays as long as cuVS has something of it.
        unsafe { (self.driver.table.release)(self.device) };
    }
}
