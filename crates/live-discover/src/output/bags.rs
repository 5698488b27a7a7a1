//! Bags as JSON objects. A bag may have a name more than once and most readers of JSON keep one of such members, so
//! the values of a name that repeats are a list. A name without a value has `null`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use arrow::array::{Array, AsArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};

/// Encodes bags; all other values are encoded as by default.
#[derive(Debug)]
pub(super) struct Bags;

impl EncoderFactory for Bags {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let Some(bags) = array.as_map_opt() else {
            return Ok(None);
        };
        // Names of another type are no bag's of the lake.
        let Some(names) = bags.keys().as_string_opt::<i32>() else {
            return Ok(None);
        };
        let encoder = BagEncoder {
            offsets: bags.offsets(),
            names,
            name: make_encoder(field, bags.keys(), options)?,
            value: make_encoder(field, bags.values(), options)?,
            seen: HashSet::new(),
        };
        let nulls = bags.nulls().cloned();
        Ok(Some(NullableEncoder::new(Box::new(encoder), nulls)))
    }
}

struct BagEncoder<'a> {
    offsets: &'a OffsetBuffer<i32>,
    names: &'a StringArray,
    name: NullableEncoder<'a>,
    value: NullableEncoder<'a>,
    /// Names of one bag, kept for its memory.
    seen: HashSet<&'a str>,
}

impl Encoder for BagEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let pairs = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        let repeated = self.repeated(pairs.clone());
        let begin = out.len() + 1;
        out.push(b'{');
        for pair in pairs {
            let values = repeated.get(self.names.value(pair));
            // Written with the first of them.
            if values.is_some_and(|values| values.first() != Some(&pair)) {
                continue;
            }
            if out.len() > begin {
                out.push(b',');
            }
            self.name.encode(pair, out);
            out.push(b':');
            match values {
                Some(values) => self.list(values, out),
                None => self.one(pair, out),
            }
        }
        out.push(b'}');
    }
}

impl<'a> BagEncoder<'a> {
    /// The names that are there more than once, with the places of their values.
    fn repeated(&mut self, pairs: Range<usize>) -> HashMap<&'a str, Vec<usize>> {
        let names = self.names;
        self.seen.clear();
        let mut repeated: HashMap<&str, Vec<usize>> = (pairs.clone())
            .map(|pair| names.value(pair))
            .filter(|name| !self.seen.insert(name))
            .map(|name| (name, Vec::new()))
            .collect();
        if !repeated.is_empty() {
            for pair in pairs {
                if let Some(values) = repeated.get_mut(names.value(pair)) {
                    values.push(pair);
                }
            }
        }
        repeated
    }

    fn list(&mut self, values: &[usize], out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.one(*value, out);
        }
        out.push(b']');
    }

    /// A name without a value is there, too.
    fn one(&mut self, value: usize, out: &mut Vec<u8>) {
        match self.value.is_null(value) {
            true => out.extend_from_slice(b"null"),
            false => self.value.encode(value, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{MapBuilder, StringBuilder};
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn a_name_without_a_value_is_a_member() {
        let mut bags = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for bag in [
            &[("a", None), ("b", Some("1"))][..],
            &[("a", None), ("a", Some("1"))],
        ] {
            for (name, value) in bag {
                bags.keys().append_value(name);
                bags.values().append_option(*value);
            }
            bags.append(true).unwrap();
        }
        let bags = bags.finish();
        let field: FieldRef = Arc::new(Field::new("bag", bags.data_type().clone(), true));
        let options = EncoderOptions::default().with_encoder_factory(Arc::new(Bags));
        let mut encoder = make_encoder(&field, &bags, &options).unwrap();
        for (row, want) in [r#"{"a":null,"b":"1"}"#, r#"{"a":[null,"1"]}"#]
            .into_iter()
            .enumerate()
        {
            let mut text = Vec::new();
            encoder.encode(row, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), want);
        }
    }
}
