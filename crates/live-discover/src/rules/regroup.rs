//! Aggregates in two steps, by finer groups first: `count(DISTINCT …)` beside others and beside each other, `ROLLUP`.
//!
//! DataFusion keeps a set of values for each group, unless all that is asked for is about one DISTINCT. Here rows are
//! brought together by the groups and the value first, which the steps by codes do quickest, and then by the groups:
//!
//! ```text
//! SELECT source_ip, count(DISTINCT user_id), count(*)         GROUP BY source_ip
//! SELECT source_ip, count(different),        sum(n)           GROUP BY source_ip of
//!     SELECT source_ip, user_id AS different, count(*) AS n   GROUP BY source_ip, user_id
//! ```
//!
//! With values of several kinds that is done for each, and the answers are joined by their groups. Of a `ROLLUP` all groups
//! are made of the finest, where each row would be made one row for each of its groups.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, NullEquality, Result};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, GroupingSet};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, JoinType, LogicalPlan, LogicalPlanBuilder, cast,
    ident, lit, when,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// Kinds of values up to which the rows are read for each.
const KINDS_MAX: usize = 16;
/// What one of the different values is called.
const DIFFERENT: &str = "different";

/// The rule that does so. It comes after filters have gone to where rows are read.
pub(crate) const REGROUP: AggregateRule = AggregateRule {
    name: "regroup",
    in_place_of: regrouped,
};

/// Puts something in the place of aggregates.
#[derive(Debug)]
pub(crate) struct AggregateRule {
    pub(crate) name: &'static str,
    /// What stands there, if there is something.
    pub(crate) in_place_of: fn(&Aggregate) -> Result<Option<LogicalPlan>>,
}

impl OptimizerRule for AggregateRule {
    fn name(&self) -> &str {
        self.name
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let in_place = match &plan {
            LogicalPlan::Aggregate(aggregate) => (self.in_place_of)(aggregate)?,
            _ => None,
        };
        Ok(match in_place {
            Some(in_place) => Transformed::yes(in_place),
            None => Transformed::no(plan),
        })
    }
}

/// What an aggregate gives, of columns of these names, called as it calls it.
pub(crate) fn as_before(
    aggregate: &Aggregate,
    plan: LogicalPlanBuilder,
    names: impl Iterator<Item = String>,
) -> Result<LogicalPlan> {
    let columns = names.zip(aggregate.schema.iter());
    let columns =
        columns.map(|(name, (of, field))| ident(name).alias_qualified(of.cloned(), field.name()));
    plan.project(columns)?.build()
}

/// What is called something, without that: where types were made alike, an aggregate is called as it was before.
pub(crate) fn unnamed(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unnamed(&alias.expr),
        expr => expr,
    }
}

/// What a value is called on the way there.
pub(crate) fn value_name(value: usize) -> String {
    format!("value_{value}")
}

/// What the count is called that an average is made of.
fn count_name(value: &str) -> String {
    format!("{value}_count")
}

/// `None` where one step will do, or where something can't be put together from parts.
fn regrouped(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let values = aggregate.aggr_expr.iter();
    let values = values.map(|expr| Value::of(expr, aggregate.input.schema()));
    let Some(values) = values.collect::<Result<Option<Vec<_>>>>()? else {
        return Ok(None);
    };
    let (plan, groups) = match aggregate.group_expr.as_slice() {
        [Expr::GroupingSet(set)] => match by_finest(aggregate, set, &values)? {
            Some(plan) => {
                let mut groups = group_names(set.distinct_expr().len(), 0);
                groups.push(Aggregate::INTERNAL_GROUPING_ID.to_owned());
                (plan, groups)
            }
            None => return Ok(None),
        },
        groups => match by_kinds(aggregate, &values)? {
            Some(plan) => (plan, group_names(groups.len(), 0)),
            None => return Ok(None),
        },
    };
    let names = groups.into_iter().chain((0..values.len()).map(value_name));
    Ok(Some(as_before(aggregate, plan, names)?))
}

/// Sets of groups, made of the finest; `None` with a DISTINCT, whose values would be in many of them.
fn by_finest(
    aggregate: &Aggregate,
    set: &GroupingSet,
    values: &[Value],
) -> Result<Option<LogicalPlanBuilder>> {
    if values.iter().any(|value| value.different.is_some()) {
        return Ok(None);
    }
    let finest = set.distinct_expr();
    if are_groups(&aggregate.input, &finest) {
        return Ok(None);
    }
    let names = group_names(finest.len(), 0);
    let named = |exprs: &[Expr]| -> Vec<Expr> {
        let places = exprs
            .iter()
            .filter_map(|expr| finest.iter().position(|of| *of == expr));
        places.map(|place| ident(&names[place])).collect()
    };
    let coarser = match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(named(exprs)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(named(exprs)),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.iter().map(|exprs| named(exprs)).collect())
        }
    };
    let given = names.iter().map(ident);
    let given = given.chain([ident(Aggregate::INTERNAL_GROUPING_ID)]);
    let finest = finest
        .iter()
        .zip(&names)
        .map(|(group, name)| (*group).clone().alias(name));
    let steps = Steps::of(values.iter().enumerate(), given.collect())?;
    let plan = steps.over(
        aggregate,
        finest.collect(),
        vec![Expr::GroupingSet(coarser)],
    )?;
    Ok(Some(plan))
}

/// Whether each row of a step is a group of its own by these.
fn are_groups(plan: &LogicalPlan, by: &[&Expr]) -> bool {
    let LogicalPlan::Aggregate(aggregate) = plan else {
        return false;
    };
    let groups = aggregate.schema.columns().into_iter();
    let mut groups = groups.take(aggregate.group_expr.len()).map(Expr::Column);
    by.len() == aggregate.group_expr.len() && groups.all(|group| by.contains(&&group))
}

/// The groups with values of all kinds; `None` where no DISTINCT is asked for.
fn by_kinds(aggregate: &Aggregate, values: &[Value]) -> Result<Option<LogicalPlanBuilder>> {
    let groups = aggregate.group_expr.len();
    let mut kinds: Vec<&Expr> = Vec::new();
    for kind in values.iter().filter_map(|value| value.different.as_ref()) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.len() > 1 && (kinds.len() > KINDS_MAX || !can_be_read_again(&aggregate.input)?) {
        return Ok(None);
    }
    let mut joined: Option<LogicalPlanBuilder> = None;
    for (at, kind) in kinds.into_iter().enumerate() {
        // Values of all rows go with the first kind.
        let is_of = |value: &Value| match &value.different {
            Some(different) => different == kind,
            None => at == 0,
        };
        let of_kind = values.iter().enumerate().filter(|(_, value)| is_of(value));
        let part = of_one_kind(aggregate, kind, at, of_kind)?;
        joined = Some(match joined {
            None => part,
            Some(others) if groups == 0 => others.cross_join(part.build()?)?,
            Some(others) => {
                let on = (group_names(groups, 0), group_names(groups, at));
                let equality = NullEquality::NullEqualsNull;
                others.join_detailed(part.build()?, JoinType::Inner, on, None, equality)?
            }
        });
    }
    Ok(joined)
}

/// What groups are called in the part with this kind of values.
fn group_names(groups: usize, kind: usize) -> Vec<String> {
    let of = |group| format!("group_{kind}_{group}");
    (0..groups).map(of).collect()
}

/// The groups with values of one kind, given with their places.
fn of_one_kind<'a>(
    aggregate: &Aggregate,
    kind: &Expr,
    at: usize,
    values: impl Iterator<Item = (usize, &'a Value)>,
) -> Result<LogicalPlanBuilder> {
    let names = group_names(aggregate.group_expr.len(), at);
    let finer = aggregate.group_expr.iter().zip(&names);
    let finer = finer.map(|(group, name)| group.clone().alias(name));
    let finer = finer.chain([kind.clone().alias(DIFFERENT)]).collect();
    let groups: Vec<_> = names.iter().map(ident).collect();
    Steps::of(values, groups.clone())?.over(aggregate, finer, groups)
}

/// The values of both steps, and what is given in the end.
struct Steps {
    parts: Vec<Expr>,
    wholes: Vec<Expr>,
    given: Vec<Expr>,
}

impl Steps {
    /// Of values with their places, to be given behind the groups.
    fn of<'a>(values: impl Iterator<Item = (usize, &'a Value)>, groups: Vec<Expr>) -> Result<Self> {
        let mut steps = Self {
            parts: Vec::new(),
            wholes: Vec::new(),
            given: groups,
        };
        for (place, value) in values {
            let name = value_name(place);
            if let Some(part) = value.part() {
                steps.parts.push(part.alias(&name));
            }
            steps.wholes.push(value.whole(&name).alias(&name));
            if value.is_average() {
                let count = count_name(&name);
                steps.parts.push(value.called(count_udaf()).alias(&count));
                steps.wholes.push(sum(ident(&count)).alias(&count));
            }
            steps.given.push(value.given(&name)?);
        }
        Ok(steps)
    }

    fn over(
        self,
        aggregate: &Aggregate,
        finer: Vec<Expr>,
        groups: Vec<Expr>,
    ) -> Result<LogicalPlanBuilder> {
        LogicalPlanBuilder::from(aggregate.input.as_ref().clone())
            .aggregate(finer, self.parts)?
            .aggregate(groups, self.wholes)?
            .project(self.given)
    }
}

/// What one aggregate is made of.
struct Value {
    call: AggregateFunction,
    /// What it takes different values of; all rows otherwise.
    different: Option<Expr>,
}

impl Value {
    /// `None` for one that can't be put together.
    fn of(expr: &Expr, input: &DFSchema) -> Result<Option<Self>> {
        let Expr::AggregateFunction(call) = unnamed(expr) else {
            return Ok(None);
        };
        let AggregateFunctionParams {
            args,
            distinct,
            filter,
            order_by,
            null_treatment,
        } = &call.params;
        let (Some((of, others)), None) = (args.split_first(), null_treatment) else {
            return Ok(None);
        };
        let name = call.func.name();
        // The least of all is the least of the different ones.
        let different = if *distinct && !matches!(name, "min" | "max") {
            let is_understood = others
                .iter()
                .all(|other| matches!(other, Expr::Literal(..)))
                && order_by.iter().all(|sort| sort.expr == *of);
            let different = match filter {
                None => of.clone(),
                // It doesn't count nulls.
                Some(filter) if name == "count" => {
                    when(filter.as_ref().clone(), of.clone()).end()?
                }
                Some(_) => return Ok(None),
            };
            is_understood.then_some(Some(different))
        } else {
            let is_understood = match name {
                "count" | "min" | "max" | "bool_and" | "bool_or" => true,
                "sum" => {
                    let of = of.get_type(input)?;
                    of.is_integer() || of == DataType::Float64
                }
                "avg" => of.get_type(input)? == DataType::Float64,
                _ => false,
            };
            (is_understood && order_by.is_empty() && others.is_empty()).then_some(None)
        };
        Ok(different.map(|different| Self {
            call: call.clone(),
            different,
        }))
    }

    /// The value of the rows of a group that have one of the different values; those themselves need none.
    fn part(&self) -> Option<Expr> {
        let function = match self.is_average() {
            true => sum_udaf(),
            false => Arc::clone(&self.call.func),
        };
        (self.different.is_none()).then(|| self.called(function))
    }

    /// What another function makes of the same.
    fn called(&self, function: Arc<AggregateUDF>) -> Expr {
        let mut call = self.call.clone();
        call.func = function;
        call.params.distinct = false;
        Expr::AggregateFunction(call)
    }

    /// The value of a group, of what its parts have.
    fn whole(&self, part: &str) -> Expr {
        let mut whole = self.call.clone();
        let of = match &self.different {
            Some(_) => ident(DIFFERENT),
            None => ident(part),
        };
        for sort in &mut whole.params.order_by {
            sort.expr = of.clone();
        }
        if let Some(first) = whole.params.args.first_mut() {
            *first = of;
        }
        whole.params.distinct = false;
        whole.params.filter = None;
        if self.is_of_counts() || self.is_average() {
            whole.func = sum_udaf();
        }
        Expr::AggregateFunction(whole)
    }

    /// The value of a group that is called so.
    fn given(&self, name: &str) -> Result<Expr> {
        if self.is_average() {
            let count = ident(count_name(name));
            let average = ident(name) / cast(count.clone(), DataType::Float64);
            return Ok(when(count.gt(lit(0_i64)), average).end()?.alias(name));
        }
        Ok(match self.is_of_counts() {
            // Of no rows there is no sum. For `coalesce` it's too late here.
            true => when(ident(name).is_not_null(), ident(name))
                .otherwise(lit(0_i64))?
                .alias(name),
            false => ident(name),
        })
    }

    /// Which is put together of sums and counts.
    fn is_average(&self) -> bool {
        self.different.is_none() && self.call.func.name() == "avg"
    }

    fn is_of_counts(&self) -> bool {
        self.different.is_none() && self.call.func.name() == "count"
    }
}

/// Whether a step is made of scans and what costs little beside them, and gives the same again.
fn can_be_read_again(plan: &LogicalPlan) -> Result<bool> {
    let is_other = |node: &LogicalPlan| {
        let is_cheap = matches!(
            node,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::TableScan(_)
        );
        Ok(!is_cheap || node.expressions().iter().any(Expr::is_volatile))
    };
    Ok(!plan.exists(is_other)?)
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateBuilder;
    use datafusion::optimizer::Optimizer;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::ask;

    const TABLE: &str = "CREATE TABLE t AS SELECT * FROM (VALUES
        ('a', 1, 'x', 1.5, 10), ('a', 1, 'y', 2.5, 20), ('a', 2, 'x', NULL, 30), ('b', 1, NULL, 0.5, NULL),
        ('b', NULL, NULL, 4.0, 40), (NULL, 3, 'x', 8.0, 50), (NULL, 3, 'x', NULL, NULL), ('c', NULL, NULL, NULL, 1)
    ) AS v(g, n, s, f, i)";

    async fn context(rules: Optimizer) -> SessionContext {
        let mut config = SessionConfig::new().with_target_partitions(2);
        config.options_mut().optimizer.max_passes = 1;
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_optimizer_rules(rules.rules)
            .build();
        let context = SessionContext::new_with_state(state);
        ask(&context, TABLE).await;
        context
    }

    /// Queries, and whether they have two steps.
    const QUERIES: &[(&str, bool)] = &[
        ("SELECT count(DISTINCT n) FROM t", true),
        ("SELECT count(DISTINCT n) FROM t WHERE g = 'no such'", true),
        (
            "SELECT count(DISTINCT n), count(*), count(s), sum(i), min(s), max(f) FROM t WHERE g = 'no such'",
            true,
        ),
        (
            "SELECT g, count(DISTINCT n), count(*), count(s), sum(i), sum(f), min(s), max(f) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        (
            "SELECT g, count(DISTINCT n), count(DISTINCT s), count(DISTINCT f), count(*) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        (
            "SELECT count(DISTINCT n), count(DISTINCT s), max(i), count(DISTINCT upper(s)) FROM t",
            true,
        ),
        (
            "SELECT g, n, count(DISTINCT s) AS x, sum(DISTINCT i) AS y FROM t GROUP BY g, n ORDER BY g, n",
            true,
        ),
        (
            "SELECT upper(g) AS u, count(DISTINCT s), count(*) FROM t GROUP BY upper(g) HAVING count(*) > 1 ORDER BY u",
            true,
        ),
        (
            "SELECT g, count(DISTINCT s) FILTER (WHERE n = 1), count(*) FILTER (WHERE n = 1) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        (
            "SELECT g, string_agg(DISTINCT s, '; ' ORDER BY s DESC), count(n) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        (
            "SELECT g, array_agg(DISTINCT n ORDER BY n) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        // Whose types are made alike, under the name that it had.
        (
            "SELECT g, count(DISTINCT s || n), count(*) FROM t GROUP BY g HAVING count(DISTINCT s || n) > 0 ORDER BY g",
            true,
        ),
        (
            "SELECT g, avg(DISTINCT i), min(DISTINCT i), max(DISTINCT n) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        (
            "SELECT count(DISTINCT x), max(c) FROM (SELECT g AS x, count(DISTINCT s) AS c FROM t GROUP BY g)",
            true,
        ),
        (
            "SELECT a.g, count(DISTINCT a.s), count(*) FROM t a JOIN t b ON a.n = b.n GROUP BY a.g ORDER BY a.g",
            true,
        ),
        (
            "SELECT g, count(DISTINCT s) FROM t GROUP BY g UNION ALL SELECT s, count(DISTINCT g) FROM t GROUP BY s ORDER BY 1, 2",
            true,
        ),
        (
            "SELECT g, count(*), min(DISTINCT s) FROM t GROUP BY g ORDER BY g",
            false,
        ),
        (
            "SELECT g, count(DISTINCT s), avg(i), avg(f), avg(i) FILTER (WHERE n = 1), avg(n + i) FROM t GROUP BY g ORDER BY g",
            true,
        ),
        (
            "SELECT count(DISTINCT s), avg(i) FROM t WHERE g = 'no such'",
            true,
        ),
        (
            "SELECT g, count(DISTINCT s), stddev(i) FROM t GROUP BY g ORDER BY g",
            false,
        ),
        (
            "SELECT g, n, count(DISTINCT s), count(*) FROM t GROUP BY CUBE (g, n) ORDER BY g, n, 3, 4",
            false,
        ),
        (
            "SELECT g, n, count(*), sum(i), min(s), max(f), count(s) FILTER (WHERE n = 1) FROM t
                GROUP BY ROLLUP (g, n) ORDER BY g, n, 3, 4",
            true,
        ),
        (
            "SELECT g, n, s, count(*), grouping(g) FROM t GROUP BY CUBE (g, n, s) ORDER BY g, n, s, 4, 5",
            true,
        ),
        (
            "SELECT upper(g) AS u, n, count(*) FROM t GROUP BY GROUPING SETS ((upper(g)), (n), (upper(g), n), ()) ORDER BY 1, 2, 3",
            true,
        ),
        (
            "SELECT g, n, count(*) FROM t WHERE g = 'no such' GROUP BY ROLLUP (g, n) ORDER BY g, n",
            true,
        ),
        // A join would be made for each.
        (
            "SELECT count(DISTINCT a.s), count(DISTINCT b.g) FROM t a JOIN t b ON a.n = b.n",
            false,
        ),
        (
            "SELECT count(DISTINCT x), count(DISTINCT s) FROM (SELECT random() AS x, s FROM t) WHERE x > 2",
            false,
        ),
        (
            "SELECT string_agg(DISTINCT s, ',' ORDER BY s), sum(DISTINCT i) FILTER (WHERE n = 1) FROM t",
            false,
        ),
    ];

    #[tokio::test]
    async fn answers_are_those_of_datafusion() {
        let theirs = context(Optimizer::new()).await;
        let mut rules = Optimizer::new();
        let first =
            |rule: &Arc<dyn OptimizerRule + Send + Sync>| rule.name().starts_with("single_");
        let at = rules.rules.iter().position(first).unwrap();
        rules.rules.insert(at, Arc::new(REGROUP));
        let ours = context(rules).await;
        for (sql, is_regrouped) in QUERIES {
            let expected = ask(&theirs, sql).await;
            assert_eq!(ask(&ours, sql).await, expected, "{sql}");
            let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
            assert_eq!(plan.contains("AS value_0"), *is_regrouped, "{sql}\n{plan}");
        }
    }
}
