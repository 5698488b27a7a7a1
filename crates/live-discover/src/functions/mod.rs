//! The functions that queries can call beyond DataFusion's: one a file, listed here.
//!
//! What the list says of a function is what is registered, documented in `docs/functions.md`, and tested.

pub(crate) mod any_text_matches;
mod as_inner;
mod cidr_contains;
mod date_bin;
mod date_cast;
mod date_part;
mod date_trunc;
mod docs;
mod domain_of;
mod in_micros;
mod ip_family;
mod is_internal_domain;
mod is_internal_ip;
mod meanings;
mod now;
mod of_text;
mod parse_json_text;
mod time_bucket;
pub(crate) mod trino;
mod user_agent_family;

use std::sync::Arc;

use audit_lake::InternalNetworks;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::Statement;

use self::date_cast::DatesByDivision;
use self::date_part::PartsByDivision;
pub use self::docs::functions_markdown;
use self::in_micros::CastsInMicros;
pub(crate) use self::in_micros::TypesInMicros;
use self::meanings::AsInPostgres;
pub use self::trino::trino_markdown;
use crate::dialect::{JsonIndexes, LateralUnnest};
use crate::error::Result;

/// A function that queries can call beyond DataFusion's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its arguments by name; optional ones in brackets.
    pub arguments: &'static str,
    /// The SQL type of its result.
    pub result: &'static str,
    /// What it gives, as Markdown.
    pub meaning: &'static str,
    /// Calls, and what they give as text.
    pub examples: &'static [(&'static str, &'static str)],
    make: Make,
}

#[derive(Debug, Clone, Copy)]
enum Make {
    Fixed(fn() -> ScalarUDF),
    /// One that means something else in each session.
    OfSession(fn(Arc<InternalNetworks>) -> ScalarUDF),
}

/// All of them, in the order of the documentation.
pub fn functions() -> &'static [Function] {
    FUNCTIONS
}

const FUNCTIONS: &[Function] = &[
    is_internal_ip::FUNCTION,
    is_internal_domain::FUNCTION,
    cidr_contains::FUNCTION,
    ip_family::FUNCTION,
    domain_of::FUNCTION,
    user_agent_family::FUNCTION,
    time_bucket::FUNCTION,
    any_text_matches::FUNCTION,
    parse_json_text::FUNCTION,
];

/// Registers what queries can call beyond what DataFusion brings.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    // Before the planner of the operators that it looks at.
    state.register_expr_planner(Arc::new(JsonIndexes))?;
    datafusion_functions_json::register_all(state)?;
    state.register_relation_planner(Arc::new(LateralUnnest::Default))?;
    let private_ranges = Arc::new(InternalNetworks::default());
    for function in FUNCTIONS {
        let made = match function.make {
            Make::Fixed(make) => make(),
            Make::OfSession(make) => make(Arc::clone(&private_ranges)),
        };
        state.register_udf(Arc::new(made))?;
    }
    state.register_udf(Arc::new(date_bin::udf()))?;
    state.register_udf(Arc::new(date_trunc::udf()))?;
    state.register_udf(Arc::new(in_micros::to_char()))?;
    state.register_udf(Arc::new(now::udf()))?;
    // Before those that put casts of their own into a query.
    state.register_function_rewrite(Arc::new(AsInPostgres))?;
    // Before those that look at what is cast.
    state.register_function_rewrite(Arc::new(CastsInMicros))?;
    state.register_function_rewrite(Arc::new(PartsByDivision::new()))?;
    state.register_function_rewrite(Arc::new(DatesByDivision::new()))?;
    state.register_function_rewrite(Arc::new(any_text_matches::OverRaw))?;
    Ok(())
}

/// Registers anew the functions that ask what is inside for a session.
pub(crate) fn register_for_session(
    state: &mut SessionState,
    inside: &Arc<InternalNetworks>,
) -> Result<()> {
    for function in FUNCTIONS {
        if let Make::OfSession(make) = function.make {
            state.register_udf(Arc::new(make(Arc::clone(inside))))?;
        }
    }
    Ok(())
}

/// Makes of a parsed query one whose calls know what they are about.
pub(crate) fn complete(statement: &mut Statement) {
    any_text_matches::name_records(statement);
}

/// Whether a query may search whole records. The name of a function stands in its text as it is, up to case.
pub(crate) fn may_search_records(sql: &str) -> bool {
    sql.to_ascii_lowercase().contains(any_text_matches::NAME)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionContext;

    use super::*;

    fn context() -> SessionContext {
        let mut state = SessionStateBuilder::new_with_default_features().build();
        register(&mut state).unwrap();
        SessionContext::new_with_state(state)
    }

    #[tokio::test]
    async fn examples_give_what_they_say() {
        let context = context();
        for function in FUNCTIONS {
            assert!(!function.examples.is_empty(), "{}", function.name);
            for (call, expected) in function.examples {
                assert!(call.starts_with(function.name), "{call}");
                let plan = context.sql(&format!("SELECT {call}")).await.unwrap();
                let batches = plan.collect().await.unwrap();
                let options = FormatOptions::default().with_null("NULL");
                let value = ArrayFormatter::try_new(batches[0].column(0), &options).unwrap();
                assert_eq!(value.value(0).to_string(), *expected, "{call}");
            }
        }
    }

    #[test]
    fn names_are_ours_alone() {
        let state = SessionStateBuilder::new_with_default_features().build();
        for function in FUNCTIONS {
            let name = function.name;
            assert_eq!(crate::names::in_sql(name), name, "a column has this name");
            assert!(!state.scalar_functions().contains_key(name), "{name}");
            assert!(!state.aggregate_functions().contains_key(name), "{name}");
            let made = match function.make {
                Make::Fixed(make) => make(),
                Make::OfSession(make) => make(Arc::default()),
            };
            assert_eq!(made.name(), name);
        }
    }
}
