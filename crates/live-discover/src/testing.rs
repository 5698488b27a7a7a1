//! What tests of rules of the planner have in common: DataFusion, asked with a rule of ours and without.

use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::{SessionConfig, SessionContext};

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// A context with a rule for joins where the engine has it, and tables. Few rows go through a plan at a time.
pub(crate) async fn with_rule_for_joins(rule: Option<Rule>, tables: &[&str]) -> SessionContext {
    with_rule("FilterPushdown", rule, tables).await
}

/// A context with a rule before another one of DataFusion's, and tables.
pub(crate) async fn with_rule(before: &str, rule: Option<Rule>, tables: &[&str]) -> SessionContext {
    let mut rules = PhysicalOptimizer::new().rules;
    if let Some(rule) = rule {
        let at = rules.iter().position(|rule| rule.name() == before);
        rules.insert(at.unwrap(), rule);
    }
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_batch_size(16);
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_physical_optimizer_rules(rules)
        .build();
    let context = SessionContext::new_with_state(state);
    for table in tables {
        ask(&context, table).await;
    }
    context
}

/// The answer as text.
pub(crate) async fn ask(context: &SessionContext, sql: &str) -> String {
    let rows = context.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&rows).unwrap().to_string()
}

/// The lines of an answer without an order.
pub(crate) fn sorted(answer: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = answer.lines().collect();
    lines.sort_unstable();
    lines
}
