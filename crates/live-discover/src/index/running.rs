//! What the index is asked while a query runs. A join knows the keys of its smaller side before it reads the other, and
//! DataFusion hands them on as a filter: the files of the other side are asked for rows that have one of them. A long
//! list is known before, but where the first rows are wanted it would be asked of files that are never read.

use std::sync::{Arc, OnceLock};

use audit_lake::Condition;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, Operator};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, Literal,
};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder};

use super::narrow::{Access, Asked, Indexes, sample};
use super::{condition, wants_first_rows};
use crate::rules::lists::IsListed;

/// The filters of a scan that files are asked by while it runs, and their indexes.
pub(crate) struct Running {
    filters: Vec<Arc<dyn PhysicalExpr>>,
    condition: OnceLock<Arc<Condition>>,
    indexes: Indexes,
    files_ruled_out: Count,
}

impl Running {
    /// `None` if there are no such filters, nothing follows from them, or there are no indexes to ask.
    ///
    /// # Errors
    ///
    /// What the runtime says of its store.
    pub(crate) fn of(
        filters: &[Arc<dyn PhysicalExpr>],
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
        partition: usize,
    ) -> Result<Option<Self>> {
        let lists = wants_first_rows(context.session_config());
        let filters = filters.iter();
        let filters: Vec<_> = filters
            .filter(|filter| becomes_known(filter) || (lists && is_long_list(filter)))
            .collect();
        let indexes = Indexes::of(context.session_config(), &context.runtime_env())?;
        let (false, Some(indexes)) = (filters.is_empty(), indexes) else {
            return Ok(None);
        };
        let condition = OnceLock::new();
        if !filters.iter().any(|filter| is_of_run(filter)) {
            let Some(known) = Condition::all(filters.iter().map(|filter| of_filter(filter))) else {
                return Ok(None);
            };
            condition.get_or_init(|| Arc::new(known));
        }
        Ok(Some(Self {
            filters: filters.into_iter().map(Arc::clone).collect(),
            condition,
            indexes,
            files_ruled_out: MetricBuilder::new(metrics).counter("files_ruled_out", partition),
        }))
    }

    /// Whether what is looked for is known by now, and the index rules out rows of some of the files; few of them are asked.
    pub(crate) async fn rules_out(&self, files: &[&PartitionedFile]) -> bool {
        let sample: Vec<Asked> = sample(files).map(|file| Asked::of_scan(file)).collect();
        let accesses = self.accesses(&sample).await;
        accesses.iter().any(|access| !access.is_whole())
    }

    /// The rows of a file that may have what is looked for, as far as that is known by now.
    pub(crate) async fn ask(&self, file: &PartitionedFile) -> Access {
        let access = self.accesses(&[Asked::of_scan(file)]).await.pop();
        if matches!(access, Some(Access::Nothing)) {
            self.files_ruled_out.add(1);
        }
        access.unwrap_or(Access::Whole)
    }

    /// Those of each of the files; none at all while nothing is known.
    async fn accesses(&self, files: &[Asked]) -> Vec<Access> {
        let Some(condition) = self.condition() else {
            return Vec::new();
        };
        self.indexes.ask(condition, files).await
    }

    fn condition(&self) -> Option<&Arc<Condition>> {
        match self.condition.get() {
            Some(condition) => Some(condition),
            None => {
                let condition = Arc::new(Condition::all(self.filters.iter().map(of_filter))?);
                Some(self.condition.get_or_init(|| condition))
            }
        }
    }
}

/// Whether a filter becomes known only while the query runs.
pub(crate) fn becomes_known(filter: &Arc<dyn PhysicalExpr>) -> bool {
    is_of_run(filter) || filter.is::<IsListed>()
}

/// Whether it leaves rows in that something above rules out: it is asked to read less.
pub(crate) fn is_of_run(filter: &Arc<dyn PhysicalExpr>) -> bool {
    filter.is::<DynamicFilterPhysicalExpr>()
}

/// Whether it is a list of which no file may have been asked before the query runs, see [`condition::is_long_list`].
fn is_long_list(filter: &Arc<dyn PhysicalExpr>) -> bool {
    let list = filter.downcast_ref::<InListExpr>();
    list.is_some_and(|list| list.list().len() >= condition::LONG_LIST)
}

/// What follows from what is known of a filter by now.
fn of_filter(filter: &Arc<dyn PhysicalExpr>) -> Option<Condition> {
    if let Some(dynamic) = filter.downcast_ref::<DynamicFilterPhysicalExpr>() {
        return of_filter(&dynamic.current().ok()?);
    }
    if let Some(listed) = filter.downcast_ref::<IsListed>() {
        let text = logical(listed.key())?;
        let values = listed.few()?.iter();
        let values = values.map(|value| Expr::Literal(value.clone(), None));
        return Condition::any(values.map(|value| condition::equals(&text, &value)));
    }
    if let Some(binary) = filter.downcast_ref::<BinaryExpr>() {
        let (left, right) = (binary.left(), binary.right());
        return match binary.op() {
            Operator::And => Condition::all([of_filter(left), of_filter(right)]),
            Operator::Or => Condition::any([of_filter(left), of_filter(right)]),
            Operator::Eq => condition::equals(&logical(left)?, &logical(right)?),
            _ => None,
        };
    }
    if let Some(list) = filter
        .downcast_ref::<InListExpr>()
        .filter(|list| !list.negated())
    {
        let text = logical(list.expr())?;
        let values = list.list().iter().filter(|value| !is_null(value));
        return Condition::any(values.map(|value| condition::equals(&text, &logical(value)?)));
    }
    // Of a join in parts, the keys of each part.
    let parts = filter.downcast_ref::<CaseExpr>()?;
    let is_otherwise_false = parts.else_expr().is_none_or(|otherwise| {
        let value = otherwise.downcast_ref::<Literal>().map(Literal::value);
        matches!(value, Some(ScalarValue::Boolean(Some(false) | None)))
    });
    let keys = parts
        .when_then_expr()
        .iter()
        .map(|(_, keys)| of_filter(keys));
    is_otherwise_false.then(|| Condition::any(keys)).flatten()
}

/// Nothing is equal to null.
fn is_null(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = expr.downcast_ref::<Literal>();
    literal.is_some_and(|literal| literal.value().is_null())
}

/// A column, as text or as it is, or a value.
fn logical(expr: &Arc<dyn PhysicalExpr>) -> Option<Expr> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some(Expr::Column(column.name().into()));
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return Some(Expr::Literal(literal.value().clone(), None));
    }
    let cast = expr.downcast_ref::<CastExpr>()?;
    logical(cast.expr()).filter(|_| condition::is_text(cast.cast_type()))
}
