//! The tokens with the values in the places of variables.

use std::collections::BTreeMap;

use audit_schema::ValueType;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::text::{Part, parts, string};
use super::{Binding, VALUES_BYTES_MAX, at, declaration, too_much, values};
use crate::dialect::Dialect;
use crate::error::Result;
use crate::variables::value::{self, Value};
use crate::words::shown;

const LIST_VALUES_MAX: usize = 100_000;

/// The tokens as they become.
pub(super) struct Output<'a> {
    binding: &'a Binding<'a>,
    tokens: Vec<TokenWithSpan>,
    /// Open parentheses, and which of them hold the values of an `IN`.
    open: Vec<bool>,
    missing: BTreeMap<String, Span>,
    /// Of values in their places: one may have many.
    bytes: usize,
}

impl<'a> Output<'a> {
    pub(super) fn new(binding: &'a Binding<'a>) -> Self {
        Self {
            binding,
            tokens: Vec::new(),
            open: Vec::new(),
            missing: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(super) fn within(&self, tokens_max: usize) -> Result<()> {
        if self.tokens.len() <= tokens_max.saturating_mul(2) && self.bytes <= VALUES_BYTES_MAX {
            return Ok(());
        }
        Err(too_much())
    }

    pub(super) fn take(&mut self, token: TokenWithSpan) -> Result<()> {
        match &token.token {
            Token::LParen => {
                let is_in = self
                    .last(1)
                    .is_some_and(|token| is_keyword(token, Keyword::IN));
                self.open.push(is_in);
            }
            Token::RParen => {
                self.open.pop();
            }
            Token::DollarQuotedString(text) if text.tag.is_none() => {
                let name = text.value.clone();
                return self.bare(&name, token.span);
            }
            other => {
                if let Some(text) = string(other)
                    && parts(text).any(|part| matches!(part, Part::Variable(_)))
                {
                    let text = self.inside(text, token.span)?;
                    self.push(Token::SingleQuotedString(text), token.span);
                    return Ok(());
                }
            }
        }
        self.tokens.push(token);
        Ok(())
    }

    fn push(&mut self, token: Token, span: Span) {
        self.tokens.push(TokenWithSpan { token, span });
    }

    /// The last token but `back - 1` that is no white space.
    fn last(&self, back: usize) -> Option<&Token> {
        let tokens = self.tokens.iter().rev().map(|token| &token.token);
        tokens
            .filter(|token| !matches!(token, Token::Whitespace(_)))
            .nth(back - 1)
    }

    /// A variable on its own: a literal, or those of a list.
    fn bare(&mut self, name: &str, span: Span) -> Result<()> {
        let is_list = declaration(self.binding.variables, name)
            .map_or_else(|| self.has_many(name), |variable| variable.is_list);
        let Some(values) = self.values(name, true, span)? else {
            // A value that is needed and missing is told at the end, with the others.
            self.push(Token::make_keyword("NULL"), span);
            return Ok(());
        };
        if !is_list {
            for value in values {
                self.literal(value, span);
            }
            return Ok(());
        }
        let follows_in = self
            .last(1)
            .is_some_and(|token| is_keyword(token, Keyword::IN));
        let (open, close) = if follows_in {
            (vec![Token::LParen], Some(Token::RParen))
        } else if self.open.last() == Some(&true) {
            (Vec::new(), None)
        } else {
            let open = vec![Token::make_keyword("ARRAY"), Token::LBracket];
            (open, Some(Token::RBracket))
        };
        for token in open {
            self.push(token, span);
        }
        for (number, value) in values.into_iter().enumerate() {
            if number > 0 {
                self.push(Token::Comma, span);
            }
            self.literal(value, span);
        }
        if let Some(close) = close {
            self.push(close, span);
        }
        Ok(())
    }

    fn has_many(&self, name: &str) -> bool {
        values(self.binding.variables, name).is_some_and(|values| values.len() > 1)
    }

    /// A string with the values in it.
    fn inside(&mut self, text: &str, span: Span) -> Result<String> {
        let mut bound = String::with_capacity(text.len());
        for part in parts(text) {
            let name = match part {
                Part::Text(text) => {
                    bound.push_str(text);
                    continue;
                }
                Part::Variable(name) => name,
            };
            match self.values(name, false, span)?.as_deref() {
                None => {}
                Some([Value::Time(micros)]) if self.follows_date() => {
                    let time = value::timestamp(*micros);
                    bound.push_str(time.split('T').next().unwrap_or_default());
                }
                Some([value]) => {
                    let text = value.to_text();
                    if bound.len().saturating_add(text.len()) > VALUES_BYTES_MAX {
                        return Err(too_much());
                    }
                    bound.push_str(&text);
                }
                Some(values) => {
                    return Err(at(
                        span,
                        format!(
                            "the variable `{name}` has {} values and stands inside a string, which takes one",
                            values.len()
                        ),
                    ));
                }
            }
        }
        self.bytes = self.bytes.saturating_add(bound.len());
        Ok(bound)
    }

    /// The checked values of a variable; `None` where there are none.
    fn values(&mut self, name: &str, is_bare: bool, span: Span) -> Result<Option<Vec<Value>>> {
        let variables = self.binding.variables;
        let Some(texts) = values(variables, name) else {
            self.missing.entry(name.to_owned()).or_insert(span);
            return Ok(None);
        };
        let wrong = |message: String| at(span, format!("the variable `{name}`: {message}"));
        if texts.len() > LIST_VALUES_MAX {
            return Err(wrong(format!(
                "{} values are more than {LIST_VALUES_MAX}; a lookup table takes them",
                texts.len()
            )));
        }
        let Some(variable) = declaration(variables, name) else {
            return Ok(Some(value::guess(texts, is_bare)));
        };
        if texts.len() > 1 && !variable.is_list {
            return Err(wrong(format!("{} values, and it takes one", texts.len())));
        }
        let is_pattern = !is_bare && self.follows_like();
        let check = |text: &String| {
            if !variable.allowed.is_empty() && !variable.allowed.contains(text) {
                return Err(wrong(format!(
                    "`{}` is not one of {}",
                    shown(text),
                    variable.allowed.join(", ")
                )));
            }
            // Whoever is asked for the value of a pattern may answer with one.
            if is_pattern && text.contains(['%', '_']) && is_text(variable.value_type) {
                return Ok(Value::Text(text.clone()));
            }
            value::parse(text, variable.value_type, self.binding.now_micros)
                .map_err(|what| wrong(format!("`{}` is {what}", shown(text))))
        };
        texts.iter().map(check).collect::<Result<_>>().map(Some)
    }

    /// `LIKE '…'` and `LIKE lower('…'`.
    fn follows_like(&self) -> bool {
        [1, 3].into_iter().any(|back| {
            self.last(back).is_some_and(|token| {
                is_keyword(token, Keyword::LIKE) || is_keyword(token, Keyword::ILIKE)
            })
        })
    }

    fn follows_date(&self) -> bool {
        self.last(1)
            .is_some_and(|token| is_keyword(token, Keyword::DATE))
    }

    fn literal(&mut self, value: Value, span: Span) {
        match value {
            Value::Text(text) => {
                self.bytes = self.bytes.saturating_add(text.len());
                self.push(Token::SingleQuotedString(text), span);
            }
            Value::Integer(number) => self.number(number.to_string(), span),
            // With a fraction, so that the type stays what it is.
            Value::Double(number) => self.number(format!("{number:?}"), span),
            Value::Boolean(value) => {
                let word = if value { "TRUE" } else { "FALSE" };
                self.push(Token::make_keyword(word), span);
            }
            // What templates of the Data Lake expect: `from_unixtime($$start$$)`.
            Value::Time(micros) if self.binding.dialect == Dialect::Trino => {
                self.number(micros.div_euclid(1_000_000).to_string(), span);
            }
            Value::Time(micros) => {
                self.push(Token::make_keyword("TIMESTAMP"), span);
                self.push(Token::SingleQuotedString(value::timestamp(micros)), span);
            }
        }
    }

    fn number(&mut self, digits: String, span: Span) {
        match digits.strip_prefix('-') {
            // In parentheses: two minus signs side by side would begin a comment to a reader.
            Some(digits) => {
                self.push(Token::LParen, span);
                self.push(Token::Minus, span);
                self.push(Token::Number(digits.to_owned(), false), span);
                self.push(Token::RParen, span);
            }
            None => self.push(Token::Number(digits, false), span),
        }
    }

    pub(super) fn finish(self) -> Result<Vec<TokenWithSpan>> {
        let mut missing = self.missing.into_iter();
        let Some((name, span)) = missing.next() else {
            return Ok(self.tokens);
        };
        let others: Vec<String> = missing.map(|(name, _)| format!("`{name}`")).collect();
        Err(at(
            span,
            if others.is_empty() {
                format!("the variable `{name}` has no value")
            } else {
                format!(
                    "the variables `{name}`, {} have no value",
                    others.join(", ")
                )
            },
        ))
    }
}

fn is_text(value_type: ValueType) -> bool {
    !matches!(
        value_type,
        ValueType::Integer | ValueType::Double | ValueType::Boolean | ValueType::DateTime
    )
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword)
}
