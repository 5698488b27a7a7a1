//! Bounds on the regular expressions of a query.
//!
//! Matching takes time linear in the text whatever the pattern says, but compiling one takes time and memory that
//! grow with its repetitions: `\w{1000}` is short and large. So a pattern is a constant that is checked before the
//! query runs, not one for each row.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use regex::RegexBuilder;

use crate::error::{Error, Result};
use crate::words::shown;

/// Of a pattern's text. A longer one is a list of words, for which there is `IN (…)` or a lookup table.
const PATTERN_BYTES_MAX: usize = 4096;
/// Of a compiled pattern in memory, as the library that matches has it: told before the query runs, and in words.
const COMPILED_BYTES_MAX: usize = 10 << 20;

/// Functions whose second argument is a pattern: all whose name begins so.
const FUNCTIONS_PREFIX: &str = "regexp_";

/// Refuses a plan with a regular expression out of bounds; the patterns of what it gives match what they say.
pub(crate) fn verified(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut is_misread = false;
    let verified = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Some(pattern) = pattern_of(expr) {
                    verify_pattern(pattern)?;
                    is_misread |= literal(pattern).is_some_and(may_be_misread);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    verified?;
    match is_misread {
        true => with_misread_ones_grouped(plan),
        false => Ok(plan),
    }
}

/// The optimiser makes `LIKE '%a\b%'` of the regular expression `a\\b`, where
/// the backslash is an escape: so `DOMAIN\\user` would be found nowhere. Of `.*` it makes `IS NOT NULL`, which is false for
/// NULL, and `NOT` of it true. A group is left as it is.
fn with_misread_ones_grouped(plan: LogicalPlan) -> Result<LogicalPlan> {
    let grouped = plan.transform_down_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let grouped = expr.transform_down(|expr| Ok(grouped(expr)))?;
            Ok(grouped.update_data(|expr| name.restore(expr)))
        })
    });
    Ok(grouped.data()?)
}

/// Only where it is asked whether texts match: groups may be numbered elsewhere.
fn grouped(mut expr: Expr) -> Transformed<Expr> {
    let pattern = match &mut expr {
        Expr::ScalarFunction(call) if call.func.name() == "regexp_like" => call.args.get_mut(1),
        Expr::BinaryExpr(binary) if is_match(binary.op) => Some(binary.right.as_mut()),
        _ => None,
    };
    if let Some(Expr::Literal(
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)),
        _,
    )) = pattern
        && may_be_misread(text)
    {
        *text = format!("({text})");
        return Transformed::yes(expr);
    }
    Transformed::no(expr)
}

/// Whether a pattern matches all texts, or may ask for a backslash: by an escape, or by its code.
fn may_be_misread(pattern: &str) -> bool {
    if pattern == ".*" {
        return true;
    }
    let spelled = [r"\\", r"\x", r"\u", r"\U"];
    spelled.iter().any(|spelled| pattern.contains(spelled))
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => text_of(value),
        _ => None,
    }
}

fn is_match(op: Operator) -> bool {
    matches!(
        op,
        Operator::RegexMatch
            | Operator::RegexIMatch
            | Operator::RegexNotMatch
            | Operator::RegexNotIMatch
    )
}

/// The pattern that an expression matches texts with.
fn pattern_of(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::BinaryExpr(binary) => is_match(binary.op).then_some(binary.right.as_ref()),
        Expr::SimilarTo(like) => Some(like.pattern.as_ref()),
        Expr::ScalarFunction(call) if call.func.name().starts_with(FUNCTIONS_PREFIX) => {
            call.args.get(1)
        }
        _ => None,
    }
}

fn verify_pattern(pattern: &Expr) -> Result<()> {
    match pattern {
        Expr::Literal(literal, _) => match text_of(literal) {
            Some(text) => verify_text(text),
            None => Ok(()),
        },
        Expr::Cast(cast) => verify_pattern(&cast.expr),
        // What is computed from constants is one pattern, too; the library that compiles it bounds its size.
        constant if is_constant(constant)? => Ok(()),
        _ => Err(Error::invalid(
            "the pattern of a regular expression has to be a constant: for texts of a column there are `LIKE`, \
             `strpos` and `any_text_matches`",
        )),
    }
}

fn is_constant(expr: &Expr) -> Result<bool> {
    let has_variable = expr.exists(|expr| {
        Ok(expr.is_volatile_node()
            || matches!(
                expr,
                Expr::Column(_)
                    | Expr::OuterReferenceColumn(..)
                    | Expr::LambdaVariable(_)
                    | Expr::ScalarSubquery(_)
                    | Expr::AggregateFunction(_)
                    | Expr::WindowFunction(_)
            ))
    })?;
    Ok(!has_variable)
}

fn text_of(literal: &ScalarValue) -> Option<&str> {
    literal.try_as_str().flatten()
}

fn verify_text(pattern: &str) -> Result<()> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::invalid(format!(
            "the regular expression has {} bytes, at most {PATTERN_BYTES_MAX} are possible: a list of values goes \
             into `IN (…)` or a lookup table",
            pattern.len()
        )));
    }
    let compiled = RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .build();
    match compiled {
        Ok(_) => Ok(()),
        Err(regex::Error::CompiledTooBig(_)) => Err(Error::invalid(format!(
            "the regular expression `{}` takes more than {} MiB: repeat less, or classes of ASCII instead of \
             Unicode, such as `[0-9]` for `\\d`",
            shown(pattern),
            COMPILED_BYTES_MAX >> 20
        ))),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            Err(Error::invalid(format!(
                "the regular expression `{}` cannot be used: {}",
                shown(pattern),
                reason.trim_start_matches("error: ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateBuilder;
    use datafusion::prelude::SessionContext;

    use super::*;

    async fn verified(expression: &str) -> Result<()> {
        let state = SessionStateBuilder::new_with_default_features().build();
        let context = SessionContext::new_with_state(state);
        let sql = format!("SELECT {expression} AS x FROM (VALUES ('a', 'b')) AS t(a, b)");
        let plan = context.state().create_logical_plan(&sql).await.unwrap();
        super::verified(plan).map(drop)
    }

    #[tokio::test]
    async fn patterns_of_common_size_pass() {
        for expression in [
            "a ~ '^a+$'",
            "a !~* '(evil|bad)\\.example'",
            "a SIMILAR TO '(a|b)%'",
            "regexp_like(a, '\\w{1,64}@\\w{1,64}', 'i')",
            "regexp_replace(a, 'a' || 'b', b)",
            "regexp_count(a, NULL)",
            "a LIKE b",
        ] {
            let verified = verified(expression).await;
            assert!(verified.is_ok(), "{expression}: {verified:?}");
        }
    }

    #[tokio::test]
    async fn those_out_of_bounds_are_told() {
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        let is_long = "the regular expression has 4097 bytes, at most 4096 are possible: a list of values goes into \
                       `IN (…)` or a lookup table";
        let is_large = "the regular expression `\\w{1000}{1000}` takes more than 10 MiB: repeat less, or classes of \
                        ASCII instead of Unicode, such as `[0-9]` for `\\d`";
        let no_constant = "the pattern of a regular expression has to be a constant: for texts of a column there are \
                           `LIKE`, `strpos` and `any_text_matches`";
        for (expression, expected) in [
            (format!("a ~ '{long}'"), is_long),
            (format!("a SIMILAR TO '{long}'"), is_long),
            (format!("regexp_match(a, '{long}')"), is_long),
            ("a !~ '\\w{1000}{1000}'".to_owned(), is_large),
            ("regexp_like(a, '\\w{1000}{1000}')".to_owned(), is_large),
            (
                "CASE WHEN EXISTS (SELECT 1 WHERE 'a' ~ '\\w{1000}{1000}') THEN 1 END".to_owned(),
                is_large,
            ),
            ("a ~ b".to_owned(), no_constant),
            ("regexp_like(a, b || 'x')".to_owned(), no_constant),
            ("regexp_like(a, (SELECT max('x')))".to_owned(), no_constant),
            (
                "a ~ '('".to_owned(),
                "the regular expression `(` cannot be used: unclosed group",
            ),
        ] {
            let error = verified(&expression).await.unwrap_err();
            assert_eq!(error.to_string(), expected, "{expression}");
        }
    }
}
