//! Values of a column within a row group, decoded from its pages one at a time: plain values and those of a dictionary.
//!
//! The decoders of the `parquet` crate assert where values end early, so that a damaged page makes them panic, and the count
//! that a page claims is what they allocate. These give an error, and allocate what is there.

use bytes::{Buf, Bytes};
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

/// A value that is there.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(i64),
    Bytes(Bytes),
}

/// A column within a row group.
pub(super) struct Column<R: ChunkReader> {
    pages: SerializedPageReader<R>,
    kind: Type,
    /// The level of values that are there; those below it are nulls.
    most: i16,
    dictionary: Vec<Value>,
    page: Open,
}

/// What is left of a page.
struct Open {
    left: u32,
    /// None where no value can be null.
    levels: Option<Runs>,
    values: Encoded,
}

enum Encoded {
    Plain(Bytes),
    /// Places in the dictionary.
    Places(Runs),
}

impl<R: ChunkReader> Column<R> {
    pub(super) fn new(pages: SerializedPageReader<R>, kind: Type, most: i16) -> Self {
        let page = Open { left: 0, levels: None, values: Encoded::Plain(Bytes::new()) };
        Self { pages, kind, most, dictionary: Vec::new(), page }
    }

    /// The value of the next row; none if it is null.
    pub(super) fn next(&mut self) -> Result<Option<Value>> {
        while self.page.left == 0 {
            let page = self.pages.get_next_page()?.ok_or_else(|| early("fewer values than rows"))?;
            self.open(page)?;
        }
        let Self { page, dictionary, .. } = self;
        page.left -= 1;
        if let Some(levels) = &mut page.levels {
            let level = levels.next()?;
            if level > self.most as u32 {
                return Err(ParquetError::General(format!("the level {level}, of {}", self.most)));
            }
            if level < self.most as u32 {
                return Ok(None);
            }
        }
        match &mut page.values {
            Encoded::Plain(bytes) => plain(self.kind, bytes).map(Some),
            Encoded::Places(places) => {
                let place = places.next()? as usize;
                let value = dictionary.get(place).cloned();
                value.map(Some).ok_or_else(|| {
                    ParquetError::General(format!("value {place} of a dictionary of {}", dictionary.len()))
                })
            }
        }
    }

    fn open(&mut self, page: Page) -> Result<()> {
        let (left, encoding, levels, mut values) = match page {
            Page::DictionaryPage { mut buf, num_values, .. } => {
                self.dictionary.clear();
                for _ in 0..num_values {
                    self.dictionary.push(plain(self.kind, &mut buf)?);
                }
                return Ok(());
            }
            Page::DataPage { mut buf, num_values, encoding, def_level_encoding, .. } => {
                let mut levels = None;
                if self.most > 0 {
                    if def_level_encoding != Encoding::RLE {
                        return Err(not_read(def_level_encoding));
                    }
                    let n = take(&mut buf, 4)?.get_u32_le();
                    levels = Some(take(&mut buf, n as usize)?);
                }
                (num_values, encoding, levels, buf)
            }
            Page::DataPageV2 { mut buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                take(&mut buf, rep_levels_byte_len as usize)?;
                let levels = take(&mut buf, def_levels_byte_len as usize)?;
                (num_values, encoding, (self.most > 0).then_some(levels), buf)
            }
        };
        let values = match encoding {
            Encoding::PLAIN => Encoded::Plain(values),
            // Of a page of nulls there are no bytes.
            _ if is_dictionary(encoding) && values.is_empty() => Encoded::Plain(values),
            _ if is_dictionary(encoding) => {
                let width = values.get_u8();
                if width > 32 {
                    return Err(ParquetError::General(format!("places of {width} bits")));
                }
                Encoded::Places(Runs::new(values, width))
            }
            other => return Err(not_read(other)),
        };
        let width = (i16::BITS - self.most.leading_zeros()) as u8;
        self.page = Open { left, levels: levels.map(|levels| Runs::new(levels, width)), values };
        Ok(())
    }
}

fn is_dictionary(encoding: Encoding) -> bool {
    // Older writers call it plain.
    #[allow(deprecated, reason = "files have it")]
    let older = Encoding::PLAIN_DICTIONARY;
    encoding == Encoding::RLE_DICTIONARY || encoding == older
}

/// The next plain value.
fn plain(kind: Type, bytes: &mut Bytes) -> Result<Value> {
    Ok(match kind {
        Type::INT32 => Value::Int(take(bytes, 4)?.get_i32_le().into()),
        Type::INT64 => Value::Int(take(bytes, 8)?.get_i64_le()),
        _ => {
            let n = take(bytes, 4)?.get_u32_le();
            Value::Bytes(take(bytes, n as usize)?)
        }
    })
}

/// Numbers of a few bits each, as runs of equal ones and groups of eight.
struct Runs {
    bytes: Bytes,
    width: u8,
    run: Run,
}

enum Run {
    Same { value: u32, left: u64 },
    Packed { bytes: Bytes, bit: u64, left: u64 },
}

impl Runs {
    fn new(bytes: Bytes, width: u8) -> Self {
        Self { bytes, width, run: Run::Same { value: 0, left: 0 } }
    }

    fn next(&mut self) -> Result<u32> {
        loop {
            match &mut self.run {
                Run::Same { value, left: left @ 1.. } => {
                    *left -= 1;
                    return Ok(*value);
                }
                Run::Packed { bytes, bit, left: left @ 1.. } => {
                    *left -= 1;
                    // At most 7 bits before and 32 of the number: 5 bytes.
                    let from = bytes.iter().skip((*bit / 8) as usize).take(5).enumerate();
                    let word = from.fold(0_u64, |word, (i, byte)| word | u64::from(*byte) << (8 * i));
                    let value = word >> (*bit % 8) & ((1 << self.width) - 1);
                    *bit += u64::from(self.width);
                    return Ok(value as u32);
                }
                _ => self.run = self.open()?,
            }
        }
    }

    fn open(&mut self) -> Result<Run> {
        let header = varint(&mut self.bytes)?;
        let (n, width) = (header >> 1, u64::from(self.width));
        if header & 1 == 0 {
            let mut value = [0; 4];
            let stored = take(&mut self.bytes, width.div_ceil(8) as usize)?;
            value[..stored.len()].copy_from_slice(&stored);
            return Ok(Run::Same { value: u32::from_le_bytes(value), left: n });
        }
        // Some writers cut off what the last group does not need.
        let there = (n * width).min(self.bytes.len() as u64);
        let bytes = take(&mut self.bytes, there as usize)?;
        let left = (there * 8).checked_div(width).map_or(n * 8, |most| most.min(n * 8));
        Ok(Run::Packed { bytes, bit: 0, left })
    }
}

/// A number of at most 32 bits, seven in a byte.
fn varint(bytes: &mut Bytes) -> Result<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(early("a number without its end"))
}

fn take(bytes: &mut Bytes, n: usize) -> Result<Bytes> {
    if n > bytes.len() {
        return Err(early(&format!("{n} bytes, of {} left in the page", bytes.len())));
    }
    Ok(bytes.split_to(n))
}

fn early(what: &str) -> ParquetError {
    ParquetError::EOF(what.to_owned())
}

fn not_read(encoding: Encoding) -> ParquetError {
    ParquetError::NYI(format!("the encoding {encoding}, which is not read; write plain values, or with a dictionary"))
}
