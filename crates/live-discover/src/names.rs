//! Names of columns and tables, whatever the case and underscores: `UserId`, `userid` and `user_id` are one.
//!
//! The query's words are renamed before it is parsed, all of them alike. So an alias, a column of a CTE and every
//! reference to them stay the same name, and a position in the text stays what it was. Strings are no words: the
//! keys of bags and the paths of JSON operators are the record's own. So is a key after a dot: `Parameters.Identity`
//! is `parameters['Identity']`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use audit_lake::TableName;
use audit_schema::{ColumnType, resolve_name};
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// What each name that we know is called in SQL, by the key under which its spellings meet.
static CANONICAL: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let columns = audit_schema::tables()
        .into_iter()
        .flat_map(|table| table.columns);
    let mut names: HashMap<String, &'static str> = HashMap::new();
    // Microsoft's names of the fields first: where one is also the name of a column, the column counts.
    // One that is a word of SQL, such as `Case`, stays that.
    for column in columns.clone() {
        for field in column.fields.iter().filter(|field| !is_keyword(field)) {
            names.entry(resolve_name(field)).or_insert(column.name);
        }
    }
    for column in columns {
        names.insert(resolve_name(column.name), column.name);
    }
    for table in table_names() {
        names.insert(resolve_name(table), table);
    }
    names
});

fn is_keyword(word: &str) -> bool {
    ALL_KEYWORDS
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// The tables and views that a query can name.
pub(crate) fn table_names() -> impl Iterator<Item = &'static str> {
    let tables = TableName::ALL.into_iter().map(TableName::as_str);
    let views = audit_schema::views().iter().map(|view| view.name);
    tables.chain(views).chain([crate::inside::TABLE])
}

/// Columns that are bags.
static BAGS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let tables = audit_schema::tables().into_iter();
    let columns = tables.flat_map(|table| table.columns);
    let bags = columns
        .filter(|column| matches!(column.column_type, ColumnType::Bag | ColumnType::Changes));
    bags.map(|column| column.name).collect()
});

/// Renames the words that name a column or table of ours, and leaves the keys of bags as they are written.
pub(crate) fn resolve(tokens: &mut [TokenWithSpan]) {
    let mut before = [None, None];
    for token in tokens {
        let token = &mut token.token;
        if let Token::Word(word) = token {
            if matches!(before, [Some(Before::Bag), Some(Before::Dot)]) {
                // Without quotes it would be taken in lower case.
                word.quote_style = Some('"');
            } else if let Some(&canonical) = CANONICAL.get(&resolve_name(&word.value))
                && word.value != canonical
            {
                word.value = canonical.to_owned();
            }
        }
        let is_bag = |word: &Word| BAGS.contains(word.value.as_str());
        before = [
            before[1],
            match token {
                Token::Word(word) if is_bag(word) => Some(Before::Bag),
                Token::Period => Some(Before::Dot),
                _ => None,
            },
        ];
    }
}

/// What makes a word the key of a bag.
#[derive(Clone, Copy)]
enum Before {
    Bag,
    Dot,
}

/// What a name is in SQL, where it is not quoted: ours if we know it, else in lower case and without odd characters.
pub(crate) fn in_sql(name: &str) -> String {
    if let Some(&canonical) = CANONICAL.get(&resolve_name(name)) {
        return canonical.to_owned();
    }
    let plain = |character: char| {
        if character.is_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.trim().chars().map(plain).collect()
}

/// Of `candidates` the one most like `name`, if one is like enough.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Below it, suggestions are noise.
    const SIMILARITY_MIN: f64 = 0.75;
    /// Shorter names are like too many.
    const LENGTH_MIN: usize = 3;
    let wanted = resolve_name(name);
    if wanted.len() < LENGTH_MIN {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&wanted, &resolve_name(candidate)),
                candidate,
            )
        })
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        // The first of equals, so that the answer is the same each time.
        .fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn resolved(text: &str) -> String {
        let mut tokens = Tokenizer::new(&crate::dialect::LakeDialect, text)
            .tokenize_with_location()
            .unwrap();
        resolve(&mut tokens);
        tokens.iter().map(|token| token.token.to_string()).collect()
    }

    #[test]
    fn words_are_renamed_and_strings_are_not() {
        for (text, expected) in [
            (
                "SELECT UserId, userid, USER_ID, \"UserId\"",
                "SELECT user_id, user_id, user_id, \"user_id\"",
            ),
            (
                "SELECT a.ClientIP AS ClientIp FROM M365_Audit a",
                "SELECT a.client_ip AS client_ip FROM m365_audit a",
            ),
            (
                "WITH x(UserId) AS (SELECT user_id FROM m365SignIns) SELECT x.UserID FROM x",
                "WITH x(user_id) AS (SELECT user_id FROM m365_signins) SELECT x.user_id FROM x",
            ),
            (
                "SELECT parameters['UserId'], extra->>'ClientIP'",
                "SELECT parameters['UserId'], extra->>'ClientIP'",
            ),
            (
                "SELECT modified_properties['UserId']['new_value']",
                "SELECT modified_properties['UserId']['new_value']",
            ),
            (
                "SELECT Parameters.UserId, a.Parameters.Identity, Parameters.\"Name\" FROM m365Audit a",
                "SELECT parameters.\"UserId\", a.parameters.\"Identity\", parameters.\"Name\" FROM m365_audit a",
            ),
            (
                "SELECT ModifiedProperties.UserId.new_value, Parameters, Item.UserId",
                "SELECT modified_properties.\"UserId\".new_value, parameters, item.user_id",
            ),
            ("SELECT 'UserId' -- UserId", "SELECT 'UserId' -- UserId"),
            (
                "SELECT count(*) AS Total, max(x) AS \"My Total\"",
                "SELECT count(*) AS Total, max(x) AS \"My Total\"",
            ),
        ] {
            assert_eq!(resolved(text), expected);
        }
    }

    #[test]
    fn no_keyword_is_taken_for_a_column() {
        for keyword in ALL_KEYWORDS {
            if let Some(canonical) = CANONICAL.get(&resolve_name(keyword)) {
                assert!(
                    canonical.eq_ignore_ascii_case(keyword),
                    "{keyword} would become {canonical}"
                );
            }
        }
    }

    #[test]
    fn no_function_is_taken_for_a_column() {
        let state = datafusion::execution::SessionStateBuilder::new_with_default_features().build();
        let names = (state.scalar_functions().keys())
            .chain(state.aggregate_functions().keys())
            .chain(state.window_functions().keys())
            .chain(state.table_functions().keys());
        for name in names {
            if let Some(canonical) = CANONICAL.get(&resolve_name(name)) {
                assert_eq!(canonical, name);
            }
        }
    }

    #[test]
    fn suggestions_are_close() {
        let columns = || {
            audit_schema::M365_AUDIT
                .columns
                .iter()
                .map(|column| column.name)
        };
        for (name, expected) in [
            ("userid2", Some("user_id")),
            ("operaton", Some("operation")),
            ("creationtme", Some("creation_time")),
            ("zzzzzzzz", None),
        ] {
            assert_eq!(closest(name, columns()), expected, "{name}");
        }
        assert_eq!(closest("m365_audits", table_names()), Some("m365_audit"));
    }
}
