//! Rows in whose records a text stands, looked for in the pages of a large column as they are unpacked. To make values of
//! the texts first would take as long again as unpacking them: each is checked, copied and looked at alone.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::basic::Encoding;
use parquet::column::page::{Page as Unpacked, PageReader};

use super::column::{Place, Selection, corrupt};
use super::input::Input;
use super::matching::Pattern;
use super::page_rows::{Page, pages_of};
use super::pages::{self, Part, Wanted};
use super::read::{Opened, Reading};
use super::unpack::Unpacking;
use crate::memory::{Key, Part as Kept};
use crate::stop;

/// About so many bytes are unpacked between two times that the thread is handed on.
const PART_BYTES: u64 = 16 << 20;
/// Such parts that are fetched ahead.
const PARTS_AHEAD: usize = 2;

/// A filter that asks of the texts of a large column whether a pattern matches.
#[derive(Debug, Clone)]
pub(super) struct Search {
    column: FieldRef,
    pattern: Arc<Pattern>,
    /// What it looks for, as no other search says it.
    words: Arc<str>,
}

/// Those of some rows of a row group that all searches find. `by_index_alone`: whether other rows are left out for nothing else than
/// what indexes know of these searches.
///
/// # Errors
///
/// Those of the store, and bytes that are not what the file's footer says.
pub(super) async fn found(
    searches: &[Search],
    reading: &Reading,
    file: &Opened,
    group: usize,
    mut rows: Selection,
    by_index_alone: bool,
) -> Result<Selection> {
    let are_others_known = by_index_alone && searches.len() == 1;
    for search in searches {
        rows = search
            .found(reading, file, group, rows, are_others_known)
            .await?;
    }
    Ok(rows)
}

/// The rows of the pages that rows are in, where the first search looks at them.
///
/// # Errors
///
/// An index of pages that contradicts itself.
pub(super) fn pages(
    searches: &[Search],
    file: &Opened,
    group: usize,
    rows: &Selection,
) -> Result<Vec<Range<usize>>> {
    let Some(search) = searches.first() else {
        return Ok(Vec::new());
    };
    let pages = pages_of(&file.place(group, search.column.name()), &rows.numbers())?;
    Ok(pages.into_iter().map(|page| page.range).collect())
}

impl Search {
    /// `None` for a filter over other columns, or one that asks for something else.
    pub(super) fn in_place_of(filter: &Arc<dyn PhysicalExpr>, input: &Input) -> Option<Self> {
        let (text, pattern) = Pattern::of(filter)?;
        let column = text.downcast_ref::<Column>()?.index();
        let field = &input.table.fields()[column];
        let is_large = column < input.constant_from && !input.is_small_column(column);
        let is_text = field.data_type() == &DataType::Utf8View;
        (is_text && is_large && !pattern.negated).then(|| Self {
            column: Arc::clone(field),
            words: pattern.to_string().into(),
            pattern: Arc::new(pattern),
        })
    }

    /// Those of some rows of a row group that match. `are_others_known`: none of them does.
    async fn found(
        &self,
        reading: &Reading,
        file: &Opened,
        group: usize,
        rows: Selection,
        are_others_known: bool,
    ) -> Result<Selection> {
        let key = Key {
            path: file.object().location.clone(),
            part: Kept::Searched {
                group,
                name: self.column.name().as_str().into(),
                text: Arc::clone(&self.words),
            },
        };
        let place = file.place(group, self.column.name());
        let kept = reading.hot.as_ref().and_then(|hot| hot.searched(&key));
        let mut searched = kept.unwrap_or_else(|| Arc::new(Searched::none(place.rows())));
        let left = rows.clone().filter(|row| !searched.has(row));
        if left.count() > 0 {
            let found = self.looked_for(reading, file, &place, &left).await?;
            let known = Arc::make_mut(&mut searched);
            match are_others_known {
                true => known.add_all(),
                false => left.each(|row| known.add(row)),
            }
            found.into_iter().for_each(|row| known.add_match(row));
            if let Some(hot) = &reading.hot {
                hot.put_searched(key, Arc::clone(&searched));
            }
        }
        Ok(rows.filter(|row| searched.matches(row)))
    }

    /// Those of some rows of a row group that match, looked for in their pages.
    async fn looked_for(
        &self,
        reading: &Reading,
        file: &Opened,
        place: &Place<'_>,
        rows: &Selection,
    ) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        if !place.leaves.is_empty() {
            let rows = rows.numbers();
            let fetched = futures::stream::iter(Pages::of(place, &rows)?).map(|pages| async {
                let fetched = reading.bytes(file, pages.wanted.ranges().collect()).await?;
                Ok::<_, DataFusionError>((pages, fetched))
            });
            let mut fetched = std::pin::pin!(fetched.buffered(PARTS_AHEAD));
            while let Some((pages, bytes)) = fetched.try_next().await? {
                found.extend(self.matching(place, &pages, &rows, &bytes)?);
                stop::hand_on().await;
            }
        }
        Ok(found)
    }

    /// Those of the `rows` of some pages that match.
    fn matching(
        &self,
        place: &Place<'_>,
        pages: &Pages,
        rows: &[u32],
        bytes: &[Bytes],
    ) -> Result<Vec<u32>> {
        let mut parts = pages.wanted.parts(&mut bytes.iter().cloned());
        let Some(part) = parts.pop() else {
            return Err(corrupt("a column without bytes"));
        };
        let is_plain = place
            .chunk(place.leaves.start)
            .dictionary_page_offset()
            .is_none();
        let found = match is_plain {
            true => self.of_plain_pages(place, &pages.pages, rows, &part)?,
            false => None,
        };
        match found {
            Some(found) => Ok(found),
            None => self.of_values(place, &pages.pages, rows, part),
        }
    }

    /// `None` if a page lies in another form.
    fn of_plain_pages(
        &self,
        place: &Place<'_>,
        pages: &[Page],
        rows: &[u32],
        part: &Part,
    ) -> Result<Option<Vec<u32>>> {
        let chunk = place.chunk(place.leaves.start);
        let is_optional = chunk.column_descr().max_def_level() == 1;
        let (bytes, locations) = (Arc::new(part.clone()), part.locations());
        let mut reader = Unpacking::new(bytes, chunk, place.rows(), locations)?;
        let mut found = Vec::new();
        let mut at = 0;
        for page in pages {
            while at < page.number {
                reader.skip_next_page()?;
                at += 1;
            }
            let Some(unpacked) = reader.get_next_page()? else {
                return Err(corrupt("a page that is not there"));
            };
            at += 1;
            match plain(&unpacked, page.range.len(), is_optional) {
                Some(bytes) => self.of_plain(bytes, page, rows, &mut found)?,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Texts behind their lengths.
    fn of_plain(
        &self,
        bytes: &[u8],
        page: &Page,
        rows: &[u32],
        found: &mut Vec<u32>,
    ) -> Result<()> {
        let (mut row, mut start) = (page.range.start, 0);
        for wanted in &rows[page.wanted.clone()] {
            while row < *wanted as usize {
                start += LENGTH_BYTES + text_at(bytes, start)?.len();
                row += 1;
            }
            if self.pattern.text.is_in(text_at(bytes, start)?)? {
                found.push(*wanted);
            }
        }
        Ok(())
    }

    /// Texts of pages in any form.
    fn of_values(
        &self,
        place: &Place<'_>,
        pages: &[Page],
        rows: &[u32],
        part: Part,
    ) -> Result<Vec<u32>> {
        let of_pages = rows_of(place, pages);
        let count = of_pages.row_count();
        let hint = Field::clone(&self.column).with_nullable(true);
        let mut batches = pages::read(place, vec![part], hint, Some(of_pages), count)?;
        let batch = batches.next().transpose()?;
        let texts = batch.as_ref();
        let texts = texts.and_then(|batch| batch.column(0).as_string_view_opt());
        let Some(texts) = texts.filter(|texts| texts.len() == count) else {
            return Err(corrupt("a column with fewer rows than its row group"));
        };
        let (mut found, mut start) = (Vec::new(), 0);
        for page in pages {
            for row in &rows[page.wanted.clone()] {
                let at = start + (*row as usize - page.range.start);
                let is_match = texts.is_valid(at) && {
                    let text = texts.value(at).as_bytes();
                    self.pattern.text.is_in(text)?
                };
                found.extend(is_match.then_some(*row));
            }
            start += page.range.len();
        }
        Ok(found)
    }
}

const LENGTH_BYTES: usize = size_of::<u32>();

/// The text whose length is there.
fn text_at(bytes: &[u8], start: usize) -> Result<&[u8]> {
    let text = (bytes.get(start..)).and_then(|bytes| {
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)
    });
    text.ok_or_else(|| corrupt("a text that ends outside of its page"))
}

/// The texts of a page that has so many, and each of them, behind their lengths.
fn plain(page: &Unpacked, rows: usize, is_optional: bool) -> Option<&[u8]> {
    let Unpacked::DataPage {
        buf,
        num_values,
        encoding: Encoding::PLAIN,
        def_level_encoding: Encoding::RLE,
        ..
    } = page
    else {
        return None;
    };
    if usize::try_from(*num_values).ok()? != rows {
        return None;
    }
    if !is_optional {
        return Some(buf);
    }
    // One run of as many rows, and what it says of them: that they have a value. The first bit of its length is of its kind.
    let (length, rest) = buf.split_first_chunk::<LENGTH_BYTES>()?;
    let (levels, texts) =
        rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let (level, mut run) = levels.split_last()?;
    let mut length = 0;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = run.split_first()?;
        length |= u64::from(byte & 0x7f) << shift;
        run = rest;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (run.is_empty() && *level == 1 && length == (rows as u64) << 1).then_some(texts)
}

/// The rows of whole pages.
fn rows_of(place: &Place<'_>, pages: &[Page]) -> RowSelection {
    let ranges = pages.iter().map(|page| page.range.clone());
    RowSelection::from_consecutive_ranges(ranges, place.rows())
}

/// What is known of a row group's rows by a search: for each 64 of them, which were looked at and which of these match.
#[derive(Debug, Clone)]
pub(super) struct Searched(Vec<[u64; 2]>);

impl Searched {
    fn none(rows: usize) -> Self {
        Self(vec![[0; 2]; rows.div_ceil(64)])
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        size_of_val(self.0.as_slice())
    }

    fn has(&self, row: u32) -> bool {
        self.0[row as usize / 64][0] >> (row % 64) & 1 == 1
    }

    fn matches(&self, row: u32) -> bool {
        self.0[row as usize / 64][1] >> (row % 64) & 1 == 1
    }

    fn add(&mut self, row: u32) {
        self.0[row as usize / 64][0] |= 1 << (row % 64);
    }

    fn add_all(&mut self) {
        self.0.iter_mut().for_each(|[known, _]| *known = u64::MAX);
    }

    fn add_match(&mut self, row: u32) {
        self.0[row as usize / 64][1] |= 1 << (row % 64);
    }
}

/// Pages that are fetched at once, and the rows of them that are looked at.
struct Pages {
    pages: Vec<Page>,
    wanted: Wanted,
}

impl Pages {
    /// The pages of rows, so many at a time that not much is unpacked for them.
    fn of(place: &Place<'_>, rows: &[u32]) -> Result<Vec<Self>> {
        let pages = pages_of(place, rows)?;
        let at_once = usize::try_from(PART_BYTES / place.page_bytes().max(1)).unwrap_or(usize::MAX);
        let mut parts = Vec::new();
        let mut pages = pages.into_iter().peekable();
        while pages.peek().is_some() {
            let pages: Vec<Page> = pages.by_ref().take(at_once.max(1)).collect();
            let wanted = Wanted::of(place, &rows_of(place, &pages));
            parts.push(Self { pages, wanted });
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{ArrayRef, RecordBatch, StringViewArray};
    use datafusion::arrow::datatypes::Schema;
    use datafusion::physical_expr::expressions::{LikeExpr, lit};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
    use parquet::file::properties::{WriterProperties, WriterVersion};

    use super::*;

    const ROWS: usize = 3_000;

    /// Every third has the text, in all places; one has most of it at its end, and the next one the rest.
    fn text(row: usize) -> String {
        let filler = "x".repeat(row % 50);
        match row % 6 {
            0 => format!("needle{filler}"),
            1 => format!("{filler}need"),
            2 => "le".to_owned(),
            3 => format!("{filler}\u{e9}needleneedle"),
            4 => String::new(),
            _ => format!("{filler}Needle"),
        }
    }

    fn search(pattern: &str, ignores_case: bool) -> Search {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new("raw", 0));
        let like: Arc<dyn PhysicalExpr> =
            Arc::new(LikeExpr::new(false, ignores_case, column, lit(pattern)));
        let (_, pattern) = Pattern::of(&like).unwrap();
        Search {
            column: Arc::new(Field::new("raw", DataType::Utf8View, true)),
            words: pattern.to_string().into(),
            pattern: Arc::new(pattern),
        }
    }

    /// The rows that are found, and whether without making values of the texts.
    fn found(file: &Bytes, search: &Search, rows: &Selection) -> (Vec<u32>, bool) {
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = Arc::new(reader.parse_and_finish(file).unwrap());
        let place = Place {
            metadata: &metadata,
            group: 0,
            leaves: 0..1,
        };
        let (mut found, mut is_plain) = (Vec::new(), true);
        let rows = rows.numbers();
        for pages in Pages::of(&place, &rows).unwrap() {
            let ranges = pages.wanted.ranges();
            let bytes = ranges.map(|range| file.slice(range.start as usize..range.end as usize));
            let bytes: Vec<Bytes> = bytes.collect();
            found.extend(search.matching(&place, &pages, &rows, &bytes).unwrap());
            let [part] = <[_; 1]>::try_from(pages.wanted.parts(&mut bytes.into_iter())).unwrap();
            let of_plain = search.of_plain_pages(&place, &pages.pages, &rows, &part);
            is_plain &= of_plain.is_ok_and(|found| found.is_some());
        }
        (found, is_plain)
    }

    /// However a column lies in its file, with nulls or without, of all rows and of some.
    #[test]
    fn rows_that_have_the_text_are_found() {
        let form = || WriterProperties::builder().set_data_page_row_count_limit(500);
        let forms = [
            ("plain", form().set_dictionary_enabled(false)),
            ("dictionary", form().set_dictionary_enabled(true)),
            (
                "lengths apart",
                form()
                    .set_dictionary_enabled(false)
                    .set_encoding(Encoding::DELTA_LENGTH_BYTE_ARRAY),
            ),
            (
                "pages of the second version",
                form()
                    .set_dictionary_enabled(false)
                    .set_writer_version(WriterVersion::PARQUET_2_0)
                    .set_encoding(Encoding::PLAIN),
            ),
        ];
        let some = (0..ROWS as u32).filter(|row| row % 7 == 3 || (1_200..1_300).contains(row));
        let selections = [
            Selection::Range(0..ROWS),
            Selection::Rows(some.collect()),
            Selection::Rows(vec![2_999]),
            Selection::Rows(vec![]),
        ];
        let searches = [
            ("%needle%", false),
            ("%NEEDLE%", true),
            ("need%", false),
            ("%le", false),
            ("%e%d%", false),
            ("%%", false),
        ];
        for (name, form) in forms {
            let form = form.set_write_batch_size(100).build();
            for nulls_from in [0, 1_000, ROWS] {
                for nullable in [true, false] {
                    if !nullable && nulls_from < ROWS {
                        continue;
                    }
                    let is_null = |row: usize| row >= nulls_from && row.is_multiple_of(5);
                    let texts = (0..ROWS).map(|row| (!is_null(row)).then(|| text(row)));
                    let texts: StringViewArray = texts.collect();
                    let field = Field::new("raw", DataType::Utf8View, nullable);
                    let schema = Arc::new(Schema::new(vec![field]));
                    let columns: Vec<ArrayRef> = vec![Arc::new(texts)];
                    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
                    let mut file = Vec::new();
                    let mut writer =
                        ArrowWriter::try_new(&mut file, schema, Some(form.clone())).unwrap();
                    writer.write(&batch).unwrap();
                    writer.close().unwrap();
                    let file = Bytes::from(file);
                    for (pattern, ignores_case) in searches {
                        let search = search(pattern, ignores_case);
                        for rows in &selections {
                            let mut expected = Vec::new();
                            rows.each(|row| {
                                let text = text(row as usize);
                                let is_in = search.pattern.text.is_in(text.as_bytes()).unwrap();
                                expected.extend((!is_null(row as usize) && is_in).then_some(row));
                            });
                            let case = format!(
                                "{name}, nulls from {nulls_from}, {nullable}, {}",
                                search.words
                            );
                            let (found, is_plain) = found(&file, &search, rows);
                            assert_eq!(found, expected, "{case}");
                            if name == "plain" && nulls_from == ROWS {
                                assert!(is_plain, "{case}");
                            }
                        }
                    }
                }
            }
        }
    }

    /// Pages whose lengths lie outside of them are an error.
    #[test]
    fn texts_outside_of_their_page_are_told() {
        let page = Page {
            number: 0,
            range: 0..2,
            wanted: 0..2,
        };
        let search = search("%a%", false);
        let mut found = Vec::new();
        for bytes in [
            &b""[..],
            b"\x01\0\0",
            b"\x02\0\0\0a",
            b"\x01\0\0\0a",
            b"\xff\xff\xff\xffa",
        ] {
            assert!(
                search.of_plain(bytes, &page, &[0, 1], &mut found).is_err(),
                "{bytes:?}"
            );
        }
    }
}
