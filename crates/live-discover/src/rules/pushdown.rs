//! Handing filters on, kept from what DataFusion's rule gets wrong.
//!
//! Steps find the columns of a filter in their input by name. Behind a join two columns may share one: a filter over the one
//! became a filter over the other, and `a RIGHT JOIN b … WHERE a.id IS NULL` asked for rows of `b` without an id
//! (`FilterRemapper` and `ProjectionExec::collect_reverse_alias` in datafusion-physical-plan 55). And of a sort's keys, of
//! which one is computed of another (`ORDER BY coalesce(a, b), a LIMIT 10`), what is handed on changes its meaning where it
//! is rewritten (`remap_children` of dynamic filters): rows were missing, by chance.
//!
//! So there is a step for the time of the rule where columns share a name, which lets no filter over these through, and
//! below such sorts, which lets none through.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{HashMap, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, FilterDescription, FilterPushdownPhase,
};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, SendableRecordBatchStream,
};

use crate::node::{only_child, with_new_children};

/// DataFusion's rule, which sees plans with these steps.
#[derive(Debug)]
pub(crate) struct WithSieves(pub(crate) Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for WithSieves {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let may_need = |node: &Arc<dyn ExecutionPlan>| {
            Ok(node.children().len() > 1 || has_keys_in_keys(node)?)
        };
        if !plan.exists(may_need)? {
            return self.0.optimize(plan, config);
        }
        let plan = plan.transform_up(with_sieves).data()?;
        let plan = self.0.optimize(plan, config)?;
        let without = |node: Arc<dyn ExecutionPlan>| {
            Ok(match node.downcast_ref::<SieveExec>() {
                Some(sieve) => Transformed::yes(Arc::clone(&sieve.input)),
                None => Transformed::no(node),
            })
        };
        plan.transform_up(without).data()
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn with_sieves(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if has_keys_in_keys(&node)? {
        let inputs = node.children().into_iter();
        let inputs = inputs.map(|input| SieveExec::over(Arc::clone(input), HashSet::new()));
        let inputs = inputs.collect();
        return Ok(Transformed::yes(replace_children_if_necessary(
            node, inputs,
        )?));
    }
    let schema = node.schema();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for field in schema.fields() {
        *by_name.entry(field.name()).or_default() += 1;
    }
    if by_name.len() == schema.fields().len() {
        return Ok(Transformed::no(node));
    }
    let fields = schema.fields().iter().enumerate();
    let alone = fields.filter(|(_, field)| by_name[field.name().as_str()] == 1);
    let alone = alone.map(|(at, _)| at).collect();
    Ok(Transformed::yes(SieveExec::over(node, alone)))
}

/// Whether it is a sort of first rows of which one key is computed of another one.
fn has_keys_in_keys(node: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let Some(sort) = node.downcast_ref::<SortExec>() else {
        return Ok(false);
    };
    if sort.fetch().is_none() {
        return Ok(false);
    }
    let keys: Vec<_> = sort.expr().iter().map(|key| &key.expr).collect();
    let is_within = |inner: &Arc<dyn PhysicalExpr>, outer: &Arc<dyn PhysicalExpr>| {
        outer.exists(|part| Ok(part != outer && part == inner))
    };
    for outer in keys.iter().filter(|key| !key.is::<Column>()) {
        for inner in &keys {
            if is_within(inner, outer)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Gives what its input gives, and lets filters over some of its columns through.
#[derive(Debug)]
struct SieveExec {
    input: Arc<dyn ExecutionPlan>,
    columns: HashSet<usize>,
}

impl SieveExec {
    pub(crate) const NAME: &str = "SieveExec";

    fn over(input: Arc<dyn ExecutionPlan>, columns: HashSet<usize>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { input, columns })
    }
}

impl DisplayAs for SieveExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}

impl ExecutionPlan for SieveExec {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn gather_filters_for_pushdown(
        &self,
        _phase: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let child = ChildFilterDescription::from_child_with_allowed_indices(
            &parent_filters,
            self.columns.clone(),
            &self.input,
        )?;
        Ok(FilterDescription::new().with_child(child))
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = only_child(children, Self::NAME)?;
        Ok(Self::over(input, self.columns.clone()))
    }

    with_new_children!();

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::SessionStateBuilder;
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
    use datafusion::physical_plan::displayable;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::ask;

    async fn context(is_sieved: bool) -> SessionContext {
        let mut rules = PhysicalOptimizer::new().rules;
        if is_sieved {
            for rule in &mut rules {
                *rule = Arc::new(WithSieves(Arc::clone(rule)));
            }
        }
        let config = SessionConfig::new().with_target_partitions(1);
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_physical_optimizer_rules(rules)
            .build();
        let context = SessionContext::new_with_state(state);
        let table = "CREATE TABLE t AS SELECT value AS id, NULLIF(value % 10, 9) AS k, value % 3 AS n FROM generate_series(1, 60)";
        ask(&context, table).await;
        context
    }

    #[tokio::test]
    async fn filters_stay_above_columns_that_share_their_name() {
        const JOIN: &str = "SELECT b.id FROM (SELECT * FROM t WHERE n = 1 AND k < 4) a
            RIGHT JOIN (SELECT * FROM t WHERE n = 2) b ON a.k = b.k WHERE a.id IS NULL ORDER BY 1";
        const EXISTS: &str = "SELECT id FROM t b WHERE n = 2
            AND NOT EXISTS (SELECT 1 FROM t a WHERE a.n = 1 AND a.k < 4 AND a.k = b.k) ORDER BY 1";
        let with = context(true).await;
        let plan = ask(&with, &format!("EXPLAIN {JOIN}")).await;
        assert!(plan.contains("FilterExec: id@0 IS NULL"), "{plan}");
        assert!(!plan.contains(SieveExec::NAME), "{plan}");
        assert_eq!(ask(&with, JOIN).await, ask(&with, EXISTS).await);
        // As long as DataFusion does so.
        let without = context(false).await;
        let plan = ask(&without, &format!("EXPLAIN {JOIN}")).await;
        assert!(plan.contains("id@0 IS NULL AND n@2 = 2"), "{plan}");
    }

    #[tokio::test]
    async fn of_sorts_by_keys_of_keys_nothing_is_handed_on() {
        let cases = [
            ("ORDER BY coalesce(k, n), k LIMIT 3", true),
            ("ORDER BY id, id + k LIMIT 3", true),
            ("ORDER BY coalesce(k, n), id LIMIT 3", false),
            ("ORDER BY k + n LIMIT 3", false),
            ("ORDER BY k, n LIMIT 3", false),
            ("ORDER BY coalesce(k, n), k", false),
        ];
        let context = context(true).await;
        for (order, expected) in cases {
            let sql = format!("SELECT * FROM t {order}");
            let query = context.sql(&sql).await.unwrap();
            let plan = query.create_physical_plan().await.unwrap();
            let shown = displayable(plan.as_ref()).indent(false);
            assert_eq!(
                plan.exists(has_keys_in_keys).unwrap(),
                expected,
                "{order}\n{shown}"
            );
        }
    }
}
