//! Texts of variable length. They lie in global heap collections, which hold many each; the last ones are kept, because
//! texts that follow each other mostly lie together (HDF5 file format 3.0, III.E "Global Heap").

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use super::file::H5File;
use crate::error::Result;
use crate::source::StringBlock;

/// Bytes of a collection that are read at most. The HDF5 library makes none above 64 KiB, but for one longer text.
const LARGEST_COLLECTION: u64 = 1 << 20;
/// Bytes of collections that are kept.
const KEPT_BYTES: usize = 1 << 20;
/// Most bytes that reading texts from heaps takes: what is kept, what is read, and where the objects of both lie.
pub(super) const HEAP_BYTES: u64 = 4 * LARGEST_COLLECTION;
/// Signature, version and size.
const COLLECTION_HEADER: usize = 16;
/// Number, references and size of an object.
const OBJECT_HEADER: usize = 16;

/// The collections that were read last.
#[derive(Debug, Default)]
pub(super) struct Heaps {
    kept: VecDeque<(u64, Arc<Collection>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Collection {
    bytes: Vec<u8>,
    /// Number, first byte and length of every object, by number.
    objects: Vec<(u16, u32, u32)>,
}

impl H5File {
    /// Appends the text that a reference points to. The inner result is of reading, the outer one of what was read.
    pub(super) fn heap_text(&self, reference: &[u8], out: &mut StringBlock) -> Result<Result<()>, String> {
        let &[l0, l1, l2, l3, ref address @ .., n0, n1, n2, n3] = reference else { return Err("is cut short".into()) };
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let number = u32::from_le_bytes([n0, n1, n2, n3]);
        let address = address.iter().rev().fold(0u64, |address, &byte| address << 8 | u64::from(byte));
        if length == 0 || address == 0 || address == u64::MAX {
            out.push("");
            return Ok(Ok(()));
        }
        let collection = match self.collection(address)? {
            Ok(collection) => collection,
            Err(error) => return Ok(Err(error)),
        };
        let found = u16::try_from(number).ok().and_then(|number| {
            let at = collection.objects.binary_search_by_key(&number, |object| object.0).ok()?;
            Some(collection.objects[at])
        });
        let (_, first, stored) = found.ok_or_else(|| format!("its heap has no object {number}"))?;
        if length > stored as usize {
            return Err(format!("has {length} bytes where its heap has {stored}"));
        }
        let text = &collection.bytes[first as usize..first as usize + length];
        let text = &text[..text.iter().position(|&byte| byte == 0).unwrap_or(length)];
        out.push(std::str::from_utf8(text).map_err(|_| "is not UTF-8")?);
        Ok(Ok(()))
    }

    fn collection(&self, address: u64) -> Result<Result<Arc<Collection>>, String> {
        let mut heaps = self.shared().heaps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = heaps.kept.iter().rev().find(|(known, _)| *known == address) {
            return Ok(Ok(found.clone()));
        }
        let file = &self.shared().file.file;
        let outside = || format!("its heap at {address} ends behind the end of the file");
        let offset = address.checked_add(self.base()).filter(|&offset| offset < file.length()).ok_or_else(outside)?;
        let mut head = [0; COLLECTION_HEADER];
        if file.length() - offset < COLLECTION_HEADER as u64 {
            return Err(outside());
        }
        if let Err(error) = file.read_exact_at(&mut head, offset) {
            return Ok(Err(error));
        }
        let Some(size) =
            head.strip_prefix(b"GCOL\x01\0\0\0").and_then(|size| size.try_into().ok()).map(u64::from_le_bytes)
        else {
            return Err(format!("there is no heap at {address}"));
        };
        if size > LARGEST_COLLECTION || size < COLLECTION_HEADER as u64 {
            return Err(format!("its heap has {size} bytes, more than {LARGEST_COLLECTION} or too few"));
        }
        if size > file.length() - offset {
            return Err(outside());
        }
        let mut bytes = vec![0; size as usize];
        if let Err(error) = file.read_exact_at(&mut bytes, offset) {
            return Ok(Err(error));
        }
        let collection = Arc::new(Collection::parse(bytes)?);
        heaps.bytes += collection.size();
        heaps.kept.push_back((address, collection.clone()));
        while heaps.bytes > KEPT_BYTES {
            let Some((_, oldest)) = heaps.kept.pop_front() else { break };
            heaps.bytes -= oldest.size();
        }
        Ok(Ok(collection))
    }
}

impl Collection {
    fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let mut objects = Vec::new();
        let mut at = COLLECTION_HEADER;
        while let Some(head) = bytes.get(at..at + OBJECT_HEADER) {
            let number = u16::from_le_bytes([head[0], head[1]]);
            // Number 0 is the free space behind the last object.
            if number == 0 {
                break;
            }
            let size = head.last_chunk::<8>().map_or(0, |size| u64::from_le_bytes(*size));
            let first = at + OBJECT_HEADER;
            if size > (bytes.len() - first) as u64 {
                return Err(format!("object {number} of its heap ends outside of it"));
            }
            objects.push((number, first as u32, size as u32));
            at = first + (size as usize).next_multiple_of(8);
        }
        objects.sort_by_key(|object| object.0);
        Ok(Self { bytes, objects })
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.objects.len() * size_of::<(u16, u32, u32)>()
    }
}
