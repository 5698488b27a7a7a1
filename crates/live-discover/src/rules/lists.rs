//! `IN (SELECT …)` as a filter: what the list has is found first, once, for all that ask.
//!
//! A join looks each row up, and what stands above it can't go by codes or by the index of texts. As a filter the list is
//! like one that was written out: it is asked once for each text of a dictionary, files are asked for rows that may have
//! one of its values, and the first rows by a time are found before other columns are read.
//!
//! ```text
//! HashJoinExec: RightSemi, on=[(a, b)]        ListsExec
//!   list with a                           ─►    list with a
//!   rows with b                                 FilterExec: b IN list 1
//!                                                 rows with b
//! ```
//!
//! The step that fills the lists stands above all others.

mod members;

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, NullEquality, Result, internal_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::scalar_subquery::ScalarSubqueryExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, InputDistributionRequirements,
    PhysicalExpr, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
    apply_expression_roots,
};
use futures::TryStreamExt;

pub(crate) use self::members::IsListed;
use self::members::Members;
use crate::codes::is_exact;
use crate::node::{Once, with_new_children};

/// Puts filters in the place of joins. It comes once the sides of joins are chosen and [`ASK_ONCE`] has made lists short, and
/// before filters are handed on.
///
/// [`ASK_ONCE`]: crate::rules::existence::ASK_ONCE
#[derive(Debug)]
pub(crate) struct Lists;

impl PhysicalOptimizerRule for Lists {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Those within a list come before it.
        let mut lists = Vec::new();
        let plan = plan.transform_up(|node| {
            let join = node.downcast_ref::<HashJoinExec>();
            let filter = join.map(|join| in_place_of(join, &mut lists)).transpose()?;
            Ok(match filter.flatten() {
                Some(filter) => Transformed::yes(Arc::new(filter) as _),
                None => Transformed::no(node),
            })
        });
        let plan = plan.data()?;
        if lists.is_empty() {
            return Ok(plan);
        }
        if plan.is::<AnalyzeExec>()
            && let [input] = plan.children()[..]
        {
            let filled = ListsExec::new(lists, Arc::clone(input));
            return replace_children_if_necessary(plan, vec![Arc::new(filled)]);
        }
        Ok(Arc::new(ListsExec::new(lists, plan)))
    }

    fn name(&self) -> &str {
        "lists"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// `None` for a join that does more than to ask whether one value is in a list.
fn in_place_of(join: &HashJoinExec, lists: &mut Vec<List>) -> Result<Option<FilterExec>> {
    let is_negated = match join.join_type() {
        JoinType::RightSemi => false,
        JoinType::RightAnti => true,
        _ => return Ok(None),
    };
    let [(value, key)] = join.on() else {
        return Ok(None);
    };
    let is_plain = join.filter().is_none()
        && !join.contains_projection()
        && join.fetch().is_none()
        && !join.null_aware
        && join.null_equality() == NullEquality::NullEqualsNothing;
    if !is_plain || waits(join.left())? {
        return Ok(None);
    }
    let of = value.data_type(&join.left().schema())?;
    if !is_exact(&of) || key.data_type(&join.right().schema())? != of {
        return Ok(None);
    }
    let members = Members::new(lists.len() + 1, of)?;
    let members = Arc::new(members);
    let is_listed = IsListed::new(Arc::clone(key), Arc::clone(&members), is_negated);
    lists.push(List {
        plan: Arc::clone(join.left()),
        value: Arc::clone(value),
        members,
    });
    FilterExec::try_new(Arc::new(is_listed), Arc::clone(join.right())).map(Some)
}

/// Whether a list needs the value of a subquery, which is found after it.
fn waits(list: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    list.exists(|step| {
        let mut waits = false;
        step.apply_expressions(&mut |expr| {
            waits |= expr.exists(|expr| Ok(expr.is::<ScalarSubqueryExpr>()))?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(waits)
    })
}

/// What a list is filled with.
#[derive(Debug, Clone)]
struct List {
    plan: Arc<dyn ExecutionPlan>,
    /// Over the plan's rows.
    value: Arc<dyn PhysicalExpr>,
    members: Arc<Members>,
}

/// Fills the lists, and then gives what its last input gives.
#[derive(Debug)]
pub(crate) struct ListsExec {
    lists: Vec<List>,
    input: Arc<dyn ExecutionPlan>,
    filled: Once,
}

impl ListsExec {
    pub(crate) const NAME: &str = "ListsExec";

    fn new(lists: Vec<List>, input: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            lists,
            input,
            filled: Once::default(),
        }
    }
}

impl List {
    async fn fill(&self, context: &Arc<TaskContext>) -> Result<()> {
        let memory = MemoryConsumer::new("list").register(context.memory_pool());
        let mut rows = self.plan.execute(0, Arc::clone(context))?;
        let mut filling = self.members.filling(memory);
        while let Some(batch) = rows.try_next().await? {
            filling.add(&self.value.evaluate(&batch)?.into_array(batch.num_rows())?)?;
        }
        filling.done()
    }
}

impl DisplayAs for ListsExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: lists={}", Self::NAME, self.lists.len())
    }
}

impl ExecutionPlan for ListsExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        let lists = self.lists.iter().map(|list| &list.plan);
        lists.chain([&self.input]).collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let lists = self.lists.iter().map(|_| Distribution::SinglePartition);
        let input = std::iter::once(Distribution::UnspecifiedDistribution);
        InputDistributionRequirements::new(lists.chain(input).collect())
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        let lists = self.lists.iter().map(|_| false);
        lists.chain([true]).collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.lists.len() + 1]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.lists.iter().map(|list| &list.value), f)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(input), true) = (children.pop(), children.len() + 1 == self.children().len())
        else {
            return internal_err!("a step with other than its lists and its input");
        };
        let lists = self.lists.iter().zip(children);
        let lists = lists.map(|(list, plan)| List {
            plan,
            ..list.clone()
        });
        Ok(Arc::new(Self::new(lists.collect(), input)))
    }

    with_new_children!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (lists, input) = (self.lists.clone(), Arc::clone(&self.input));
        let filled = self.filled.clone();
        let rows = async move {
            let fill = async {
                for list in &lists {
                    list.fill(&context).await?;
                }
                Ok(())
            };
            filled.done(fill).await?;
            input.execute(partition, context)
        };
        let rows = futures::stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_plan::collect;

    use super::*;
    use crate::testing::{ask, sorted, with_rule_for_joins};

    /// With nulls on both sides, and values that are there more than once.
    const TABLES: [&str; 2] = [
        "CREATE TABLE t AS SELECT NULLIF(value % 50, 8) AS k, value % 7 AS n, 't' || NULLIF(value % 11, 4) AS s
            FROM generate_series(1, 2000)",
        "CREATE TABLE u AS SELECT NULLIF(value % 30, 3) * 2 AS k, value % 5 AS n, 't' || NULLIF(value % 3, 2) AS s
            FROM generate_series(1, 300)",
    ];

    /// Queries, and how many lists they ask.
    const QUERIES: &[(&str, usize)] = &[
        ("SELECT count(*) FROM t WHERE k IN (SELECT k FROM u)", 1),
        ("SELECT * FROM t WHERE s IN (SELECT s FROM u) AND n = 3", 1),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
            1,
        ),
        (
            "SELECT count(*), count(k) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
            1,
        ),
        (
            "SELECT count(*) FROM t WHERE k + 1 IN (SELECT k * 2 FROM u) OR n = 9",
            0,
        ),
        (
            "SELECT count(*) FROM t WHERE k + 1 IN (SELECT k * 2 + 1 FROM u)",
            1,
        ),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT k FROM u WHERE s IN (SELECT s FROM u WHERE n = 1))",
            2,
        ),
        (
            "SELECT n, count(*) FROM t WHERE k IN (SELECT k FROM u) AND s IN (SELECT s FROM u) GROUP BY n",
            2,
        ),
        (
            "SELECT t.n, u.n FROM t JOIN u ON u.k = t.k WHERE t.s IN (SELECT s FROM u WHERE n = 2) AND t.n = 1",
            1,
        ),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT k FROM u WHERE false)",
            0,
        ),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT k FROM u WHERE n > 20)",
            1,
        ),
        (
            "SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND n > 20)",
            1,
        ),
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT max(k) FROM u GROUP BY n)",
            1,
        ),
        (
            "SELECT count(*) FROM t WHERE k > (SELECT min(k) FROM u WHERE s IN (SELECT s FROM u WHERE n = 2))",
            1,
        ),
        // What a list waits for, two keys, a condition beside, doubles.
        (
            "SELECT count(*) FROM t WHERE k IN (SELECT k FROM u WHERE n > (SELECT min(n) FROM u))",
            0,
        ),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.s = t.s)",
            0,
        ),
        (
            "SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.n > t.n)",
            0,
        ),
        (
            "SELECT count(*) FROM t WHERE k / 2.0 IN (SELECT k / 2.0 FROM u)",
            0,
        ),
        ("SELECT count(*) FROM t JOIN u ON u.k = t.k", 0),
    ];

    #[tokio::test]
    async fn answers_are_those_of_joins() {
        let theirs = with_rule_for_joins(None, &TABLES).await;
        let ours = with_rule_for_joins(Some(Arc::new(Lists)), &TABLES).await;
        for (sql, lists) in QUERIES {
            let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
            let shown = plan.matches(" list ").count();
            assert_eq!(shown, *lists, "{sql}\n{plan}");
            let (answer, expected) = (ask(&ours, sql).await, ask(&theirs, sql).await);
            assert_eq!(sorted(&answer), sorted(&expected), "{sql}");
            let analyzed = ask(&ours, &format!("EXPLAIN ANALYZE {sql}")).await;
            assert_eq!(
                analyzed.contains(ListsExec::NAME),
                *lists > 0,
                "{sql}\n{analyzed}"
            );
        }
    }

    /// All partitions wait for the list, and steps below it can't be run twice.
    #[tokio::test]
    async fn a_list_without_room_is_an_error() {
        let context = with_rule_for_joins(Some(Arc::new(Lists)), &TABLES).await;
        let sql = "SELECT n FROM t WHERE s IN (SELECT concat(s, k) FROM u)";
        let plan = context.sql(sql).await.unwrap();
        let plan = plan.create_physical_plan().await.unwrap();
        let no_room = RuntimeEnvBuilder::new().with_memory_limit(64, 1.0);
        let task = TaskContext::default().with_runtime(no_room.build_arc().unwrap());
        let error = collect(plan, Arc::new(task)).await.unwrap_err();
        assert!(error.to_string().contains("Resources exhausted"), "{error}");
    }
}
