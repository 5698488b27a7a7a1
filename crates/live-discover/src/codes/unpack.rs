//! Pages of a column, unpacked by what a thread keeps for it: Parquet's own reader makes two contexts of zstd for each
//! column of a row group that it reads, one of them to pack, which take longer to make than a page of few rows to unpack.

use std::cell::RefCell;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

use super::pages::Part;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The pages of a column of a row group.
pub(super) struct Unpacking {
    /// Of which those that zstd packed are given as they lie there.
    pages: SerializedPageReader<Part>,
    is_packed: bool,
    /// What all pages have at most, by the footer.
    bytes_max: usize,
}

impl Unpacking {
    /// `locations`: of all pages, if not all of them are in `part`.
    pub(super) fn new(
        part: Arc<Part>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        locations: Option<Vec<PageLocation>>,
    ) -> Result<Self> {
        let is_packed = matches!(chunk.compression(), Compression::ZSTD(_));
        let pages = match is_packed {
            true => {
                let chunk = chunk.clone().into_builder();
                let chunk = chunk.set_compression(Compression::UNCOMPRESSED).build()?;
                SerializedPageReader::new(part, &chunk, rows, locations)?
            }
            false => SerializedPageReader::new(part, chunk, rows, locations)?,
        };
        // The head of a page counts its bytes in as many bits.
        let bytes_max = chunk.uncompressed_size().min(i32::MAX.into());
        Ok(Self {
            pages,
            is_packed,
            bytes_max: usize::try_from(bytes_max)?,
        })
    }

    fn unpack(&self, page: &mut Page) -> Result<()> {
        let (bytes, levels) = match page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => (buf, 0),
            Page::DataPageV2 {
                is_compressed: false,
                ..
            } => return Ok(()),
            Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let levels = def_levels_byte_len.checked_add(*rep_levels_byte_len);
                (buf, usize::try_from(levels.unwrap_or(u32::MAX))?)
            }
        };
        *bytes = unpacked(bytes, levels, self.bytes_max)?;
        Ok(())
    }
}

impl PageReader for Unpacking {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else {
            return Ok(None);
        };
        if self.is_packed {
            self.unpack(&mut page)?;
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

impl Iterator for Unpacking {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// So many bytes as they are, and what those behind them unpack to, `bytes_max` at most.
fn unpacked(bytes: &Bytes, as_they_are: usize, bytes_max: usize) -> Result<Bytes> {
    let Some((levels, packed)) = bytes.split_at_checked(as_they_are) else {
        return Err(ParquetError::EOF("levels outside of their page".to_owned()));
    };
    // A page whose rows have no value may have nothing but levels.
    if packed.is_empty() {
        return Ok(bytes.clone());
    }
    // Writers that pack as they write don't say how much it is.
    let length = get_frame_content_size(packed).ok().flatten();
    let length = length.and_then(|length| usize::try_from(length).ok());
    if let Some(length) = length.filter(|length| *length <= bytes_max) {
        let mut unpacked = Vec::with_capacity(levels.len() + length);
        unpacked.extend_from_slice(levels);
        if at_once(packed, &mut unpacked).is_ok() {
            return Ok(unpacked.into());
        }
    }
    let mut unpacked = levels.to_vec();
    let frames = zstd::stream::read::Decoder::with_buffer(packed)?;
    let most = u64::try_from(bytes_max)?.saturating_add(1);
    match frames.take(most).read_to_end(&mut unpacked)? <= bytes_max {
        true => Ok(unpacked.into()),
        false => Err(ParquetError::General(
            "a page that is longer than its column".to_owned(),
        )),
    }
}

/// Appends what one frame unpacks to, for which there is room.
fn at_once(packed: &[u8], unpacked: &mut Vec<u8>) -> io::Result<usize> {
    let mut end = Cursor::new(unpacked);
    end.set_position(end.get_ref().len() as u64);
    DECOMPRESSOR.with_borrow_mut(|kept| match kept {
        Some(decompressor) => decompressor.decompress_to_buffer(packed, &mut end),
        None => kept
            .insert(Decompressor::new()?)
            .decompress_to_buffer(packed, &mut end),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"a page of text, a page of text, a page of text";

    fn packed() -> Vec<u8> {
        zstd::bulk::compress(TEXT, 1).unwrap()
    }

    /// As writers do that pack as they write: the frame doesn't say how much it holds.
    fn packed_in_parts() -> Vec<u8> {
        let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        packer.include_contentsize(false).unwrap();
        TEXT.chunks(7)
            .for_each(|part| packer.write_all(part).unwrap());
        packer.finish().unwrap()
    }

    #[test]
    fn a_page_is_unpacked_whoever_packed_it() {
        assert_eq!(get_frame_content_size(&packed_in_parts()).unwrap(), None);
        let cases = [
            (packed(), TEXT.to_vec()),
            (packed_in_parts(), TEXT.to_vec()),
            ([packed(), packed()].concat(), TEXT.repeat(2)),
            (zstd::bulk::compress(b"", 1).unwrap(), vec![]),
            (vec![], vec![]),
        ];
        for (packed, text) in cases {
            for levels in [&b""[..], b"levels"] {
                let bytes = [levels, &packed].concat().into();
                let found = unpacked(&bytes, levels.len(), text.len()).unwrap();
                assert_eq!(found, [levels, &text].concat());
            }
        }
    }

    #[test]
    fn a_page_that_is_not_what_its_footer_says_is_an_error() {
        let mut cut = packed();
        cut.pop();
        let cases = [
            (packed(), 0, TEXT.len() - 1),
            (packed_in_parts(), 0, TEXT.len() - 1),
            (packed(), packed().len() + 1, TEXT.len()),
            (cut, 0, TEXT.len()),
            (TEXT.to_vec(), 0, TEXT.len()),
        ];
        for (bytes, levels, most) in cases {
            assert!(unpacked(&bytes.into(), levels, most).is_err());
        }
    }
}
