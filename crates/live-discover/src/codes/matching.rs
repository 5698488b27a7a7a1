//! Patterns that texts are asked for: `LIKE`, `ILIKE` and regular expressions. DataFusion compiles the last two for each
//! batch, here it is done once a query.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, ByteView, MAX_INLINE_VIEW_LEN,
    RecordBatch, StringViewArray,
};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, LikeExpr, Literal};
use datafusion::physical_plan::PhysicalExpr;
use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder, bytes};

/// What a text is asked for.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: Text,
    pub(super) negated: bool,
    /// The operator, and what is behind it.
    words: String,
}

#[derive(Debug)]
pub(super) enum Text {
    /// That it has another one in it.
    Has(Part),
    Matches(Regex),
}

/// A text that is looked for in others.
#[derive(Debug)]
pub(super) enum Part {
    AsItIs(Box<Finder<'static>>),
    InAnyCase(bytes::Regex),
}

impl Pattern {
    /// The text and the pattern of a match with a constant one.
    pub(super) fn of(expr: &Arc<dyn PhysicalExpr>) -> Option<(&Arc<dyn PhysicalExpr>, Self)> {
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            let (pattern, ignores_case) = (literal(like.pattern())?, like.case_insensitive());
            let text = match contained(&pattern) {
                Some(part) => Text::Has(Part::of(part, ignores_case)?),
                None => {
                    let mut regex = RegexBuilder::new(&of_like(&pattern));
                    regex
                        .case_insensitive(ignores_case)
                        .dot_matches_new_line(true);
                    Text::Matches(regex.build().ok()?)
                }
            };
            let operator = if ignores_case { "ILIKE" } else { "LIKE" };
            let pattern = Self {
                text,
                negated: like.negated(),
                words: format!("{operator} {pattern:?}"),
            };
            return Some((like.expr(), pattern));
        }
        let binary = expr.downcast_ref::<BinaryExpr>()?;
        let (ignores_case, negated) = match binary.op() {
            Operator::RegexMatch => (false, false),
            Operator::RegexIMatch => (true, false),
            Operator::RegexNotMatch => (false, true),
            Operator::RegexNotIMatch => (true, true),
            _ => return None,
        };
        let pattern = literal(binary.right())?;
        let mut regex = RegexBuilder::new(&pattern);
        regex.case_insensitive(ignores_case);
        let pattern = Self {
            text: Text::Matches(regex.build().ok()?),
            negated,
            words: format!("{} {pattern:?}", binary.op()),
        };
        Some((binary.left(), pattern))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.words)
    }
}

impl Text {
    /// Whether a text of UTF-8 has it.
    ///
    /// # Errors
    ///
    /// Bytes that are no text.
    pub(super) fn is_in(&self, text: &[u8]) -> Result<bool> {
        Ok(match self {
            Self::Has(part) => part.find(text).is_some(),
            Self::Matches(regex) => {
                let text = std::str::from_utf8(text);
                regex.is_match(text.map_err(|error| DataFusionError::External(error.into()))?)
            }
        })
    }
}

impl Part {
    /// `None` if it is too long to be looked for in any case.
    fn of(part: &str, ignores_case: bool) -> Option<Self> {
        Some(match ignores_case {
            false => Self::AsItIs(Box::new(Finder::new(part).into_owned())),
            true => {
                let mut regex = bytes::RegexBuilder::new(&regex::escape(part));
                Self::InAnyCase(regex.case_insensitive(true).build().ok()?)
            }
        })
    }

    fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::AsItIs(part) => {
                let start = part.find(text)?;
                Some(start..start + part.needle().len())
            }
            Self::InAnyCase(part) => Some(part.find(text)?.range()),
        }
    }

    /// Which of the texts have it; nulls have not. Texts behind each other are searched as one, which spares what each
    /// search takes to begin.
    fn is_in_each(&self, texts: &StringViewArray) -> BooleanBuffer {
        let mut found = BooleanBufferBuilder::new(texts.len());
        found.append_n(texts.len(), false);
        let mut longs = Vec::new();
        for (row, view) in texts.views().iter().enumerate() {
            let view = ByteView::from(*view);
            if texts.is_null(row) {
                continue;
            }
            match view.length > MAX_INLINE_VIEW_LEN {
                true => longs.push(Long::of(view, row)),
                false => {
                    let is_in = self.find(texts.value(row).as_bytes()).is_some();
                    found.set_bit(row, is_in);
                }
            }
        }
        for behind_each_other in longs.chunk_by(Long::is_close) {
            let buffer = &texts.data_buffers()[behind_each_other[0].buffer];
            self.find_in(buffer, behind_each_other, &mut found);
        }
        found.finish()
    }

    /// Sets the bits of those of some texts that have it.
    fn find_in(&self, buffer: &[u8], mut texts: &[Long], found: &mut BooleanBufferBuilder) {
        let mut from = texts.first().map_or(0, |text| text.range.start);
        let end = texts.last().map_or(0, |text| text.range.end);
        while let Some(hit) = self.find(&buffer[from..end]) {
            let hit = from + hit.start..from + hit.end;
            texts = &texts[texts.partition_point(|text| text.range.end <= hit.start)..];
            let Some((text, others)) = texts.split_first() else {
                break;
            };
            let rest = hit.start.max(text.range.start)..text.range.end;
            let is_within = hit.start == rest.start && hit.end <= rest.end;
            // Where it begins before the text, or goes on behind it, there may be another one.
            let is_in = is_within || self.find(&buffer[rest]).is_some();
            found.set_bit(text.row, is_in);
            (texts, from) = (others, text.range.end);
        }
    }
}

/// A text that lies in one of an array's buffers.
struct Long {
    buffer: usize,
    range: Range<usize>,
    row: usize,
}

impl Long {
    fn of(view: ByteView, row: usize) -> Self {
        let start = view.offset as usize;
        Self {
            buffer: view.buffer_index as usize,
            range: start..start + view.length as usize,
            row,
        }
    }

    /// Whether another one follows with not much between: lengths, and short texts, which views hold themselves.
    fn is_close(&self, next: &Self) -> bool {
        const BETWEEN_MAX: usize = 64;
        let between = next.range.start.checked_sub(self.range.end);
        self.buffer == next.buffer && between.is_some_and(|between| between <= BETWEEN_MAX)
    }
}

/// Whether a text matches, or doesn't.
#[derive(Debug)]
pub(super) struct Matching {
    text: Arc<dyn PhysicalExpr>,
    pattern: Arc<Pattern>,
    /// The expression in whose place it stands.
    of: Arc<dyn PhysicalExpr>,
}

impl Matching {
    /// `None` for what is no match of texts with a constant pattern, or one that DataFusion does as well: a LIKE whose
    /// pattern is not that of a part.
    pub(super) fn in_place_of(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        let (text, pattern) = Pattern::of(expr)?;
        let like = expr.downcast_ref::<LikeExpr>();
        let is_plain = like.is_some_and(|like| !like.case_insensitive());
        if is_plain && matches!(pattern.text, Text::Matches(_)) {
            return None;
        }
        let is_text = text.data_type(schema).ok()? == DataType::Utf8View;
        is_text.then(|| Self {
            text: Arc::clone(text),
            pattern: Arc::new(pattern),
            of: Arc::clone(expr),
        })
    }

    fn matches(&self, texts: &ArrayRef) -> Result<BooleanArray> {
        let Some(texts) = texts.as_string_view_opt() else {
            return internal_err!("texts have the type {}", texts.data_type());
        };
        let matches = match &self.pattern.text {
            Text::Has(part) => part.is_in_each(texts),
            Text::Matches(regex) => {
                let texts = texts.iter();
                texts
                    .map(|text| text.is_some_and(|text| regex.is_match(text)))
                    .collect()
            }
        };
        let matches = if self.pattern.negated {
            !&matches
        } else {
            matches
        };
        Ok(BooleanArray::new(matches, texts.nulls().cloned()))
    }
}

/// The text that a pattern of LIKE asks for anywhere, if it asks for nothing else.
fn contained(pattern: &str) -> Option<&str> {
    let text = pattern.strip_prefix('%')?.strip_suffix('%')?;
    (!text.contains(['%', '_', '\\'])).then_some(text)
}

fn literal(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    let value = expr.downcast_ref::<Literal>()?.value();
    Some(value.try_as_str().flatten()?.to_owned())
}

/// The regular expression of a pattern of LIKE: `%` is any text, `_` any character, and `\` takes the meaning off the one
/// behind it.
fn of_like(pattern: &str) -> String {
    let mut regex = String::from("^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            _ => {
                let plain = match character {
                    '\\' => characters.next().unwrap_or(character),
                    _ => character,
                };
                regex.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4])));
            }
        }
    }
    regex.push('$');
    // Where any text may stand at an end, nothing is looked for there.
    let regex = regex.strip_prefix("^.*").unwrap_or(&regex);
    regex.strip_suffix(".*$").unwrap_or(regex).to_owned()
}

impl PartialEq for Matching {
    fn eq(&self, other: &Self) -> bool {
        self.of.eq(&other.of)
    }
}

impl Eq for Matching {}

impl Hash for Matching {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.of.hash(state);
    }
}

impl fmt::Display for Matching {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt(formatter)
    }
}

impl PhysicalExpr for Matching {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.text.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let texts = self.text.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(Arc::new(self.matches(&texts)?)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.text]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let Ok([text]) = <[_; 1]>::try_from(children) else {
            return internal_err!("one text is matched");
        };
        Ok(Arc::new(Self {
            text,
            pattern: Arc::clone(&self.pattern),
            of: Arc::clone(&self.of),
        }))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt_sql(formatter)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{StringArray, UInt32Array};
    use datafusion::arrow::compute::{cast, take};
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::ScalarValue;
    use datafusion::physical_expr::expressions::{Column, binary, lit};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However texts lie in buffers, a part is found in each that has it, and not where one ends and the next begins.
        #[test]
        fn parts_are_found_in_texts_behind_each_other(
            texts in prop::collection::vec(prop::option::of("[abAB\u{212a}k]{0,20}"), 0..60),
            rows in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
            part in "[abk]{0,4}",
            ignores_case: bool,
        ) {
            let part = Part::of(&part, ignores_case).unwrap();
            let behind_each_other = cast(&StringArray::from(texts.clone()), &DataType::Utf8View).unwrap();
            let rows: Vec<u32> = rows.iter().filter(|_| !texts.is_empty()).map(|row| row.index(texts.len()) as u32).collect();
            let picked = take(&behind_each_other, &UInt32Array::from(rows), None).unwrap();
            let built: StringViewArray = texts.iter().map(Option::as_deref).collect();
            let sliced = built.slice(texts.len() / 3, texts.len() / 2);
            for texts in [behind_each_other.as_string_view(), picked.as_string_view(), &built, &sliced] {
                let alone: Vec<bool> = texts.iter().map(|text| text.is_some_and(|text| part.find(text.as_bytes()).is_some())).collect();
                let found: Vec<bool> = part.is_in_each(texts).iter().collect();
                prop_assert_eq!(found, alone);
            }
        }
    }

    /// Each pattern of each kind says the same of each text as the expression in whose place it stands.
    #[test]
    fn matches_are_those_of_the_expression() {
        let schema = Schema::new(vec![Field::new("text", DataType::Utf8View, true)]);
        let texts = [
            "", "a", "A", "abc", "xABCx", "a.c", "a\nb", "ÄÖ", "äöü", "50%", "5_0", "\\", "a\\b",
            "K", "\u{212a}", "straße", "STRASSE", ".*", "a*", "ab ab",
        ];
        let texts = texts.iter().map(|text| Some(*text)).chain([None]);
        let texts: StringViewArray = texts.collect();
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![Arc::new(texts)]).unwrap();
        let text: Arc<dyn PhysicalExpr> = Arc::new(Column::new("text", 0));
        let patterns = [
            "", "%", "%%", "_", "a%", "%a", "%a%", "%b%b%", "a_b", "a.c", "%äö%", "%ÄÖ", "\\%",
            "%\\%", "5\\_0", "\\\\", "a\\", "k", "%k%", "straSSe", ".*", "a*", "_*", "%.%",
        ];
        let regexes = ["", "a", "^a$", "A.C", "k", "[äö]+", "a|b", "\\s", "(?i)abc"];
        let likes = patterns.iter().flat_map(|pattern| {
            [(false, false), (true, false), (false, true), (true, true)].map(
                |(negated, ignores_case)| {
                    let like = LikeExpr::new(
                        negated,
                        ignores_case,
                        Arc::clone(&text),
                        lit(ScalarValue::Utf8View(Some((*pattern).into()))),
                    );
                    Arc::new(like) as Arc<dyn PhysicalExpr>
                },
            )
        });
        let operators = [
            Operator::RegexMatch,
            Operator::RegexIMatch,
            Operator::RegexNotMatch,
            Operator::RegexNotIMatch,
        ];
        let regexes = regexes.iter().flat_map(|pattern| {
            operators.map(|operator| {
                let pattern = lit(ScalarValue::Utf8View(Some((*pattern).into())));
                binary(Arc::clone(&text), operator, pattern, &schema).unwrap()
            })
        });
        for expr in likes.chain(regexes) {
            let values = |expr: &dyn PhysicalExpr| {
                let values = expr.evaluate(&batch).unwrap().into_array(batch.num_rows());
                values.unwrap().as_boolean().clone()
            };
            let expected = values(expr.as_ref());
            let (_, pattern) = Pattern::of(&expr).unwrap();
            let texts = batch.column(0).as_string_view().iter();
            let matches = texts.map(|text| {
                let is_in = pattern.text.is_in(text?.as_bytes()).unwrap();
                Some(is_in != pattern.negated)
            });
            assert_eq!(
                matches.collect::<BooleanArray>(),
                expected,
                "{expr}: {pattern:?}"
            );
            let like = expr.downcast_ref::<LikeExpr>();
            let matching = Matching::in_place_of(&expr, &schema);
            // DataFusion's own is as good.
            let is_plain = like.is_some_and(|like| !like.case_insensitive());
            let is_of_part = matches!(pattern.text, Text::Has(_));
            assert_eq!(matching.is_none(), is_plain && !is_of_part, "{expr}");
            if let Some(matching) = matching {
                assert_eq!(values(&matching), expected, "{expr}: {pattern:?}");
            }
        }
    }
}
