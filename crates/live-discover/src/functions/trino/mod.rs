//! The functions of the Trino dialect, one file a family, and their list, from which they are registered and
//! `docs/trino.md` is written.

mod aggregate;
mod array;
mod attempt;
mod binary;
mod cast;
mod docs;
mod format;
mod json;
mod json_path;
mod math;
mod network;
mod null_aware;
mod regex;
mod scalar;
mod text;
mod time;
mod time_pattern;
mod transform;
mod types;
mod url;

use std::sync::Arc;

use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF};

use crate::error::Result;

pub(crate) use aggregate::ONLY_VALUE;
pub(crate) use array::ordinality;
pub(crate) use attempt::TRY;
pub(crate) use cast::{cast_function, cast_to};
pub use docs::trino_markdown;
pub(crate) use json_path::JsonPath;
pub(crate) use scalar::{IP_ADDRESS, JSON, TEXT, list_of, map_from};
pub(crate) use types::type_name;

/// A function as people call it.
pub(crate) struct Function {
    /// The page of Trino's documentation: `https://trino.io/docs/current/functions/PAGE.html`.
    pub(crate) page: &'static str,
    pub(crate) syntax: &'static str,
    pub(crate) meaning: &'static str,
    by: By,
}

/// What does the work.
enum By {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
    HigherOrder(Arc<HigherOrderUDF>),
    /// Other functions, which the query is rewritten to.
    Rewriting,
    /// The function of the default dialect.
    Default,
}

impl Function {
    fn scalar(
        page: &'static str,
        syntax: &'static str,
        meaning: &'static str,
        function: Arc<ScalarUDF>,
    ) -> Self {
        Self {
            page,
            syntax,
            meaning,
            by: By::Scalar(function),
        }
    }

    fn aggregate(
        page: &'static str,
        syntax: &'static str,
        meaning: &'static str,
        function: Arc<AggregateUDF>,
    ) -> Self {
        Self {
            page,
            syntax,
            meaning,
            by: By::Aggregate(function),
        }
    }

    fn higher_order(
        page: &'static str,
        syntax: &'static str,
        meaning: &'static str,
        function: Arc<HigherOrderUDF>,
    ) -> Self {
        Self {
            page,
            syntax,
            meaning,
            by: By::HigherOrder(function),
        }
    }

    fn rewritten(page: &'static str, syntax: &'static str, meaning: &'static str) -> Self {
        Self {
            page,
            syntax,
            meaning,
            by: By::Rewriting,
        }
    }

    fn same(page: &'static str, syntax: &'static str, meaning: &'static str) -> Self {
        Self {
            page,
            syntax,
            meaning,
            by: By::Default,
        }
    }

    /// As it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.syntax.split('(').next().unwrap_or_default()
    }

    #[cfg(test)]
    fn aliases(&self) -> &[String] {
        match &self.by {
            By::Scalar(function) => function.aliases(),
            By::Aggregate(function) => function.aliases(),
            By::HigherOrder(function) => function.aliases(),
            By::Rewriting | By::Default => &[],
        }
    }

    /// Whether it is another than the default dialect's of that name.
    pub(crate) fn is_own(&self) -> bool {
        !matches!(self.by, By::Default)
    }
}

/// All functions that the dialect documents.
pub(crate) fn functions() -> Vec<Function> {
    [
        json::functions(),
        time::functions(),
        text::functions(),
        regex::functions(),
        array::functions(),
        attempt::functions(),
        aggregate::functions(),
        math::functions(),
        binary::functions(),
        url::functions(),
        format::functions(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Registers the functions over those of the default dialect.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for function in functions() {
        match function.by {
            By::Scalar(function) => {
                // One that has the name as an alias would come back under it when a state is built anew.
                for name in function
                    .aliases()
                    .iter()
                    .map(String::as_str)
                    .chain([function.name()])
                {
                    let known = state.scalar_functions().get(name);
                    if let Some(known) = known.map(|known| known.name().to_owned()) {
                        state.deregister_udf(&known)?;
                    }
                }
                state.register_udf(function)?;
            }
            By::Aggregate(function) => {
                state.register_udaf(function)?;
            }
            By::HigherOrder(function) => {
                state.register_higher_order_function(function)?;
            }
            By::Rewriting | By::Default => {}
        }
    }
    Ok(())
}
