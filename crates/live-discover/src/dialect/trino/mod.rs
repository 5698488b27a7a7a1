//! Trino's SQL, for people and templates that come from Data Lake queries.
//!
//! The text is parsed with what Trino's grammar has beyond the default one (`parser`), what means something else or
//! has another form is rewritten in the tree (`rewrite`), and planned with Trino's types (`types`), lateral UNNEST
//! (`super::unnest`), casts (`casts`) and functions (`crate::functions::trino`). Nothing of it but UNNEST is in the
//! default dialect.

mod casts;
mod parser;
mod rewrite;
mod tables;
mod types;

use std::sync::Arc;

use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};

use super::unnest::LateralUnnest;
use crate::error::Result;
use crate::functions;

pub(crate) use parser::TrinoDialect;
pub(crate) use rewrite::rewrite;
pub(crate) use tables::is_of_data_lake;

/// The state in which queries of the dialect are planned, from that of the default one.
pub(crate) fn state(default: &SessionState) -> Result<SessionState> {
    let mut config = default.config().clone();
    let settings = config.options_mut();
    // Whichever way a sort goes: <https://trino.io/docs/current/sql/select.html#order-by-clause>
    settings.sql_parser.default_null_ordering = "nulls_last".to_owned();
    settings.execution.time_zone = Some("UTC".to_owned());
    let mut state = SessionStateBuilder::new_from_existing(default.clone())
        .with_config(config)
        .with_type_planner(Arc::new(types::TrinoTypes))
        .build();
    functions::trino::register(&mut state)?;
    state.register_relation_planner(Arc::new(LateralUnnest::Trino))?;
    state.register_function_rewrite(Arc::new(casts::TrinoCasts))?;
    Ok(state)
}
