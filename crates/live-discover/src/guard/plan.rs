//! The third look, at the logical plan: how large it becomes once it is optimised, and what would make memory of it.
//!
//! The plan shares what the text names once. The optimiser does not: it copies a query in `WITH` to each place of its
//! use, and moves filters below the columns that they are about, with these columns' own expressions in place of
//! their names. Thirty lines of `SELECT x + x AS x FROM …` become a thousand million terms. So the sizes here are
//! those of the copies, found without making them.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{
    Expr, Join, JoinType, LogicalPlan, Operator, WindowFrameBound, WindowFrameUnits,
};

use super::order;
use crate::error::{Error, Result};
use crate::estimate::row_bytes;
use crate::limits::{LimitKind, ShapeLimits};

/// Regular expressions.
const PATTERNS_MAX: usize = 50;
/// `_` and inner `%` of all patterns of LIKE.
const WILDCARDS_MAX: usize = 10_000;
/// Plans deeper than the text nests: those of queries in `WITH` that build on each other.
const DEPTH_MAX: usize = 400;
/// Rows that an array or text collected over a window may be of.
const COLLECTED_ROWS_MAX: u64 = 100;

/// Refuses plans that would grow beyond the limits.
pub(crate) fn check(plan: &LogicalPlan, limits: &ShapeLimits) -> Result<()> {
    let mut sizes = Sizes {
        limits,
        known: HashMap::new(),
        patterns: 0,
        wildcards: 0,
    };
    sizes.of(plan, 0)?;
    Ok(())
}

/// What a step and all below it come to, with nothing shared.
#[derive(Debug, Clone)]
struct Size {
    steps: usize,
    terms: usize,
    /// Terms of each column of the result, down to what is stored.
    columns: Arc<[usize]>,
}

struct Sizes<'a> {
    limits: &'a ShapeLimits,
    /// By address: the plan is not moved while it is looked at.
    known: HashMap<usize, Size>,
    patterns: usize,
    wildcards: usize,
}

impl Sizes<'_> {
    fn of(&mut self, plan: &LogicalPlan, depth: usize) -> Result<Size> {
        if depth > DEPTH_MAX {
            return Err(Error::exhausted(
                LimitKind::Nesting,
                format!("{DEPTH_MAX} queries that build on each other"),
            ));
        }
        let address = std::ptr::from_ref(plan).addr();
        if let Some(size) = self.known.get(&address) {
            return Ok(size.clone());
        }
        let mut steps = 1_usize;
        let mut terms = 0_usize;
        let mut inputs = Vec::new();
        for input in plan.inputs() {
            let size = self.of(input, depth + 1)?;
            steps = steps.saturating_add(size.steps);
            terms = terms.saturating_add(size.terms);
            inputs.push((input, size.columns));
        }
        let mut subqueries = Vec::new();
        let mut outcome = Ok(());
        let mut expressions = Vec::new();
        plan.apply_expressions(|expr| {
            outcome = std::mem::replace(&mut outcome, Ok(()))
                .and_then(|()| self.term(expr, &inputs, &mut subqueries))
                .map(|size| expressions.push(size));
            Ok(TreeNodeRecursion::Continue)
        })?;
        outcome?;
        for subquery in subqueries {
            let size = self.of(&subquery, depth + 1)?;
            steps = steps.saturating_add(size.steps);
            terms = terms.saturating_add(size.terms);
        }
        terms = expressions
            .iter()
            .fold(terms, |sum, size| sum.saturating_add(*size));
        self.within(steps, terms)?;
        let size = Size {
            steps,
            terms,
            columns: columns(plan, &expressions, &inputs).into(),
        };
        self.known.insert(address, size.clone());
        Ok(size)
    }

    fn within(&self, steps: usize, terms: usize) -> Result<()> {
        let (count, max, what) = if steps > self.limits.plan_steps {
            (steps, self.limits.plan_steps, "steps")
        } else if terms > self.limits.plan_terms {
            (terms, self.limits.plan_terms, "terms")
        } else {
            return Ok(());
        };
        Err(Error::exhausted(
            LimitKind::Shape,
            format!(
                "{max} {what} of its plan, it would have {count} with each query in WITH and each computed column \
                 in every place of its use; ask in several queries"
            ),
        ))
    }

    /// The terms of an expression.
    fn term(
        &mut self,
        expr: &Expr,
        inputs: &[(&LogicalPlan, Arc<[usize]>)],
        subqueries: &mut Vec<Arc<LogicalPlan>>,
    ) -> Result<usize> {
        let mut size = 0_usize;
        let mut outcome = Ok(());
        expr.apply(|part| {
            size = size.saturating_add(match part {
                Expr::Column(column) => terms_of(column, inputs),
                _ => 1,
            });
            match part {
                Expr::ScalarSubquery(subquery) => subqueries.push(Arc::clone(&subquery.subquery)),
                Expr::Exists(exists) => subqueries.push(Arc::clone(&exists.subquery.subquery)),
                Expr::InSubquery(within) => subqueries.push(Arc::clone(&within.subquery.subquery)),
                Expr::SetComparison(all) => subqueries.push(Arc::clone(&all.subquery.subquery)),
                _ => outcome = self.look_at(part, inputs),
            }
            Ok(if outcome.is_ok() {
                TreeNodeRecursion::Continue
            } else {
                TreeNodeRecursion::Stop
            })
        })?;
        outcome.map(|()| size)
    }

    fn look_at(&mut self, expr: &Expr, inputs: &[(&LogicalPlan, Arc<[usize]>)]) -> Result<()> {
        let schemas = inputs.iter().map(|(input, _)| input.schema().as_ref());
        order::check(expr, schemas)?;
        match expr {
            Expr::BinaryExpr(binary)
                if matches!(
                    binary.op,
                    Operator::RegexMatch
                        | Operator::RegexIMatch
                        | Operator::RegexNotMatch
                        | Operator::RegexNotIMatch
                ) =>
            {
                self.regular_expression()
            }
            Expr::SimilarTo(_) => self.regular_expression(),
            Expr::ScalarFunction(call) if call.func.name().starts_with("regexp_") => {
                self.regular_expression()
            }
            Expr::Like(like) => {
                let wildcards = text(&like.pattern).map_or(0, |pattern| {
                    let inner = pattern.trim_matches('%');
                    inner.matches(['_', '%']).count()
                });
                self.wildcards = self.wildcards.saturating_add(wildcards);
                if self.wildcards > WILDCARDS_MAX {
                    return Err(Error::exhausted(
                        LimitKind::Shape,
                        format!("{WILDCARDS_MAX} wildcards in patterns of LIKE"),
                    ));
                }
                Ok(())
            }
            Expr::WindowFunction(window) => collects_little(window),
            _ => Ok(()),
        }
    }

    /// Their sizes are looked at one by one (`patterns`); each is compiled for each batch.
    fn regular_expression(&mut self) -> Result<()> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(Error::exhausted(
                LimitKind::Shape,
                format!(
                    "{PATTERNS_MAX} regular expressions; one can have many alternatives: `a|b|c`"
                ),
            ));
        }
        Ok(())
    }
}

/// A literal text, also in another type of text.
fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => text(&cast.expr),
        Expr::Alias(alias) => text(&alias.expr),
        _ => None,
    }
}

fn terms_of(column: &Column, inputs: &[(&LogicalPlan, Arc<[usize]>)]) -> usize {
    let terms = inputs.iter().find_map(|(input, columns)| {
        let index = input.schema().maybe_index_of_column(column)?;
        columns.get(index).copied()
    });
    terms.unwrap_or(1)
}

/// The terms of each column of a step's result.
fn columns(
    plan: &LogicalPlan,
    expressions: &[usize],
    inputs: &[(&LogicalPlan, Arc<[usize]>)],
) -> Vec<usize> {
    let width = plan.schema().fields().len();
    let passed = |number: usize| inputs.get(number).map_or(&[][..], |(_, columns)| columns);
    let mut columns = match plan {
        LogicalPlan::Projection(_) => expressions.to_vec(),
        // A filter on a grouped column moves below; what is aggregated stays.
        LogicalPlan::Aggregate(aggregate) => expressions
            .iter()
            .take(aggregate.group_expr.len())
            .copied()
            .collect(),
        LogicalPlan::Join(Join { join_type, .. }) => match join_type {
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => passed(1).to_vec(),
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => passed(0).to_vec(),
            _ => [passed(0), passed(1)].concat(),
        },
        LogicalPlan::Union(_) => (0..width)
            .map(|index| {
                let of_branches = inputs.iter().filter_map(|(_, columns)| columns.get(index));
                of_branches.max().copied().unwrap_or(1)
            })
            .collect(),
        LogicalPlan::TableScan(_) | LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
            Vec::new()
        }
        _ => passed(0).to_vec(),
    };
    columns.resize(width, 1);
    columns
}

/// An array over a window holds the rows of the window, for every row: that is a square where nothing bounds it.
fn collects_little(window: &WindowFunction) -> Result<()> {
    let name = window.fun.name();
    if !["array_agg", "string_agg"].contains(&name) {
        return Ok(());
    }
    let frame = &window.params.window_frame;
    let rows = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(ScalarValue::UInt64(rows))
        | WindowFrameBound::Following(ScalarValue::UInt64(rows)) => *rows,
        _ => None,
    };
    let is_small = frame.units == WindowFrameUnits::Rows
        && [&frame.start_bound, &frame.end_bound]
            .into_iter()
            .all(|bound| rows(bound).is_some_and(|rows| rows <= COLLECTED_ROWS_MAX));
    if is_small {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{name}` over a window needs one of few rows: ROWS BETWEEN 10 PRECEDING AND CURRENT ROW, \
         at most {COLLECTED_ROWS_MAX}; or group, and join the groups"
    )))
}

/// What one row costs beyond what it reads: texts that stand in the query are copied to each row.
#[derive(Debug, Default)]
struct Cost {
    literal_bytes: usize,
    calls: usize,
    /// A row of the widest step.
    row_bytes: usize,
}

/// Rows that go through an optimised plan at a time: fewer where each has large constants or many computed values, and where
/// they are wide.
pub(crate) fn batch_rows(plan: &LogicalPlan, rows_max: usize) -> Result<usize> {
    /// Of all constants of the rows of a batch.
    const CONSTANT_BYTES_MAX: usize = 64 << 20;
    /// Up to which the usual size will do.
    const CALLS: usize = 64;
    /// Shorter ones are in every query.
    const LONG_BYTES: usize = 64;
    /// Of a batch: each step has one or two of them at hand, and so has who reads the answer. A sort has to hold some of them,
    /// and to write them to disk where it cannot.
    const BYTES_MAX: usize = 4 << 20;
    let mut cost = Cost::default();
    plan.apply_with_subqueries(|step| {
        cost.row_bytes = cost.row_bytes.max(row_bytes(step.schema().as_arrow()));
        step.apply_expressions(|expr| {
            expr.apply(|part| {
                match part {
                    // Compared with, not copied.
                    Expr::InList(_) => return Ok(TreeNodeRecursion::Jump),
                    Expr::Literal(value, _) => {
                        let bytes = value.size();
                        if bytes > LONG_BYTES + size_of::<ScalarValue>() {
                            cost.literal_bytes = cost.literal_bytes.saturating_add(bytes);
                        }
                    }
                    Expr::ScalarFunction(_) | Expr::HigherOrderFunction(_) | Expr::Case(_) => {
                        cost.calls += 1;
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    let by_constants = CONSTANT_BYTES_MAX / cost.literal_bytes.max(1);
    let by_calls = rows_max.saturating_mul(CALLS) / cost.calls.max(1);
    let by_width = BYTES_MAX / cost.row_bytes.max(1);
    let rows = by_constants.min(by_calls).min(by_width);
    Ok(rows.clamp(1, rows_max))
}
