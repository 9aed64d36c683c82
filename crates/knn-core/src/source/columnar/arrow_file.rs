//! Arrow IPC, as a file with a footer or as a stream: where the messages are is read here and checked against the file, so
//! that the library never sees a length that lies.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, Message, MessageHeader, MetadataVersion, RecordBatch, root_as_footer, root_as_message};
use arrow_schema::{Schema, SchemaRef};

use super::Groups;
use super::ask::{ask, damaged};
use crate::error::{Error, Result};
use crate::store::PositionedFile;

/// What a file begins and ends with.
const MAGIC: &[u8; 6] = b"ARROW1";
/// What stands before the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Bytes of a footer or of the metadata of one message.
const LARGEST_METADATA: u64 = 16 << 20;
/// Messages of a file.
const MOST_MESSAGES: usize = 1 << 18;
/// Bytes of one message with its buffers, and of the buffers decompressed.
const LARGEST_MESSAGE: u64 = 1 << 30;
/// What a compressed buffer becomes at most, for each of its bytes.
const DENSEST: u64 = 1 << 10;
/// Buffers that become no more than this may be denser.
const SMALL_BUFFER: u64 = 1 << 20;

/// Where a message lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    /// Bytes of prefix and metadata.
    metadata: u64,
    body: u64,
}

/// An Arrow IPC file or stream.
#[derive(Debug)]
pub(super) struct ArrowFile {
    file: Arc<PositionedFile>,
    name: String,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Place>,
    batches: Vec<Place>,
    rows: Vec<u64>,
    largest: u64,
}

impl ArrowFile {
    /// Whether the first bytes of a file are those of an Arrow file.
    pub(super) fn is_arrow(head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    /// Finds the messages of a file, or of a stream where it does not begin with the magic word.
    pub(super) fn open(file: Arc<PositionedFile>, name: String) -> Result<Self> {
        let mut head = [0; 8];
        let length = file.length();
        file.read_exact_at(&mut head[..length.min(8) as usize], 0)?;
        let mut found =
            if Self::is_arrow(&head) { Self::of_footer(file, name)? } else { Self::of_stream(&file, name)? };
        for number in 0..found.batches.len() {
            let (rows, bytes) = found.check_batch(found.batches[number], &format!("batch {number}"))?;
            found.rows.push(rows);
            found.largest = found.largest.max(bytes);
        }
        for number in 0..found.dictionaries.len() {
            let (_, bytes) = found.check_batch(found.dictionaries[number], &format!("dictionary {number}"))?;
            found.largest = found.largest.max(bytes);
        }
        Ok(found)
    }

    fn empty(file: Arc<PositionedFile>, name: String, schema: Schema, version: MetadataVersion) -> Self {
        let schema = Arc::new(schema);
        Self {
            file,
            name,
            schema,
            version,
            dictionaries: Vec::new(),
            batches: Vec::new(),
            rows: Vec::new(),
            largest: 0,
        }
    }

    fn of_footer(file: Arc<PositionedFile>, name: String) -> Result<Self> {
        let length = file.length();
        let mut tail = [0; 10];
        if length < 18 {
            return Err(damaged(&name, "footer", "is cut short"));
        }
        file.read_exact_at(&mut tail, length - 10)?;
        if &tail[4..] != MAGIC {
            return Err(damaged(&name, "footer", "is cut short"));
        }
        let size = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if size > LARGEST_METADATA || size > length - 18 {
            return Err(Error::schema(name, "", "footer", format!("{size} bytes are too many")));
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, length - 10 - size)?;
        ask(&name.clone(), "footer", || -> Result<Self, String> {
            let footer = root_as_footer(&bytes).map_err(|error| error.to_string())?;
            let schema = footer.schema().ok_or("has no schema")?;
            let schema = try_fb_to_schema(schema).map_err(|error| error.to_string())?;
            let mut found = Self::empty(file, name, schema, footer.version());
            let place = |block: &Block| -> Result<Place, String> {
                let sizes = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()].map(u64::try_from);
                let [Ok(offset), Ok(metadata), Ok(body)] = sizes else {
                    return Err("a block has a negative size".into());
                };
                let end = offset.checked_add(metadata).and_then(|end| end.checked_add(body));
                if end.is_none_or(|end| end > length)
                    || metadata + body > LARGEST_MESSAGE
                    || metadata > LARGEST_METADATA
                {
                    return Err(format!("a block of {metadata} + {body} bytes at {offset} is too long"));
                }
                Ok(Place { offset, metadata, body })
            };
            for (blocks, places) in
                [(footer.dictionaries(), &mut found.dictionaries), (footer.recordBatches(), &mut found.batches)]
            {
                for block in blocks.into_iter().flatten() {
                    places.push(place(block)?);
                }
                if places.len() > MOST_MESSAGES {
                    return Err(format!("more than {MOST_MESSAGES} messages"));
                }
            }
            Ok(found)
        })
    }

    fn of_stream(file: &Arc<PositionedFile>, name: String) -> Result<Self> {
        let mut at = 0;
        let mut found: Option<Self> = None;
        while let Some((place, message)) = next_message(file, &name, at)? {
            let block = format!("message at byte {at}");
            at = place.offset + place.metadata + place.body;
            let (kind, schema, version) = ask(&name, &block, || -> Result<_, String> {
                let message = root_as_message(&message).map_err(|error| error.to_string())?;
                let schema = message.header_as_schema().map(try_fb_to_schema).transpose();
                Ok((message.header_type(), schema.map_err(|error| error.to_string())?, message.version()))
            })?;
            match (&mut found, kind, schema) {
                (None, MessageHeader::Schema, Some(schema)) => {
                    found = Some(Self::empty(file.clone(), name.clone(), schema, version));
                }
                (Some(found), MessageHeader::DictionaryBatch, _) => found.dictionaries.push(place),
                (Some(found), MessageHeader::RecordBatch, _) => found.batches.push(place),
                _ => return Err(damaged(&name, &block, "is not what follows in a stream")),
            }
            if found.as_ref().is_some_and(|found| found.batches.len() + found.dictionaries.len() > MOST_MESSAGES) {
                return Err(Error::schema(name, "", "messages", format!("are more than {MOST_MESSAGES}")));
            }
        }
        found.ok_or_else(|| damaged(&name, "schema", "is missing"))
    }

    /// Rows of a batch, and the most bytes that decoding it takes.
    fn check_batch(&self, place: Place, block: &str) -> Result<(u64, u64)> {
        let mut bytes = vec![0; place.metadata as usize];
        self.file.read_exact_at(&mut bytes, place.offset)?;
        let start = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
        let metadata = bytes.get(start..).ok_or_else(|| damaged(&self.name, block, "is cut short"))?;
        ask(&self.name, block, || -> Result<_, String> {
            let message = root_as_message(metadata).map_err(|error| error.to_string())?;
            let batch = batch_of(&message).ok_or("is no record batch")?;
            let rows = u64::try_from(batch.length()).map_err(|_| "has a negative number of rows")?;
            let mut bytes = place.metadata + place.body;
            for buffer in batch.buffers().into_iter().flatten() {
                let sizes = (u64::try_from(buffer.offset()), u64::try_from(buffer.length()));
                let (Ok(offset), Ok(length)) = sizes else { return Err("a buffer has a negative size".into()) };
                if offset.checked_add(length).is_none_or(|end| end > place.body) {
                    return Err(format!("a buffer of {length} bytes at {offset} ends outside of the batch"));
                }
                if batch.compression().is_some() && length >= 8 {
                    let mut size = [0; 8];
                    let at = place.offset + place.metadata + offset;
                    self.file.read_exact_at(&mut size, at).map_err(|error| error.to_string())?;
                    // −1 says that the buffer is not compressed after all.
                    let size = i64::from_le_bytes(size);
                    let size = if size == -1 {
                        length
                    } else {
                        u64::try_from(size).map_err(|_| "a buffer of negative size")?
                    };
                    if size > SMALL_BUFFER.max(length.saturating_mul(DENSEST)) {
                        return Err(format!("a buffer of {length} bytes says that it becomes {size}"));
                    }
                    bytes = bytes.saturating_add(size);
                }
            }
            if bytes > LARGEST_MESSAGE {
                return Err(format!("{bytes} bytes are more than {LARGEST_MESSAGE}"));
            }
            Ok((rows, bytes))
        })
    }

    fn message(&self, place: Place) -> Result<(Block, Buffer)> {
        let mut bytes = vec![0; (place.metadata + place.body) as usize];
        self.file.read_exact_at(&mut bytes, place.offset)?;
        Ok((Block::new(0, place.metadata as i32, place.body as i64), Buffer::from_vec(bytes)))
    }
}

fn batch_of<'a>(message: &Message<'a>) -> Option<RecordBatch<'a>> {
    message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data())
}

/// The message of a stream at byte `at`; `None` at its end.
fn next_message(file: &PositionedFile, name: &str, at: u64) -> Result<Option<(Place, Vec<u8>)>> {
    let left = file.length() - at;
    if left < 8 {
        return Ok(None);
    }
    let mut head = [0; 8];
    file.read_exact_at(&mut head, at)?;
    let block = format!("message at byte {at}");
    let [c0, c1, c2, c3, l0, l1, l2, l3] = head;
    if [c0, c1, c2, c3] != CONTINUATION {
        return Err(Error::schema(name, "", "signature", "is neither an Arrow file nor a stream of its messages"));
    }
    let metadata = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    if metadata == 0 {
        return Ok(None);
    }
    if metadata > LARGEST_METADATA || metadata > left - 8 {
        return Err(damaged(name, &block, format!("{metadata} bytes of metadata are too many")));
    }
    let mut bytes = vec![0; metadata as usize];
    file.read_exact_at(&mut bytes, at + 8)?;
    let body = ask(name, &block, || root_as_message(&bytes).map(|message| message.bodyLength()))?;
    let body = u64::try_from(body).ok().filter(|&body| body <= left - 8 - metadata && body <= LARGEST_MESSAGE);
    let body = body.ok_or_else(|| damaged(name, &block, "has a body that ends behind the end of the file"))?;
    Ok(Some((Place { offset: at, metadata: metadata + 8, body }, bytes)))
}

impl Groups for ArrowFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn rows(&self) -> &[u64] {
        &self.rows
    }

    fn largest_bytes(&self) -> u64 {
        let dictionaries: u64 = self.dictionaries.iter().map(|place| place.metadata + place.body).sum();
        self.largest.saturating_mul(2).saturating_add(dictionaries)
    }

    fn read(&self, group: usize, column: usize) -> Result<ArrayRef> {
        let messages: Vec<_> = self.dictionaries.iter().map(|place| self.message(*place)).collect::<Result<_>>()?;
        let (block, buffer) = self.message(self.batches[group])?;
        ask(&self.name, &format!("batch {group}"), || -> Result<ArrayRef, String> {
            let mut decoder = FileDecoder::new(self.schema.clone(), self.version).with_projection(vec![column]);
            for (block, buffer) in &messages {
                decoder.read_dictionary(block, buffer).map_err(|error| error.to_string())?;
            }
            let batch = decoder.read_record_batch(&block, &buffer).map_err(|error| error.to_string())?;
            let array = batch.ok_or("is no record batch")?.columns().first().cloned().ok_or("has no columns")?;
            if array.len() as u64 == self.rows[group] { Ok(array) } else { Err("has another number of rows".into()) }
        })
    }
}
