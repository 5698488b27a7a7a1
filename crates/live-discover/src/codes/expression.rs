//! Expressions over the columns of a scan, and what keys have in its bags.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::{ScalarFunctionExpr, expressions};
use datafusion::physical_plan::PhysicalExpr;

use super::matching::Matching;

/// An expression over some of the columns of a scan.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    /// Over `schema`.
    expr: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    /// Which columns of the row group those of `schema` are.
    pub(super) columns: Vec<usize>,
}

/// What expressions are over, in the order of their coming.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    pub(super) columns: Vec<Wanted>,
}

/// A column of the scan's table, or what a key has in one of bags: that is a column of texts, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Which of the table's.
    pub(super) column: usize,
    pub(super) key: Option<Arc<str>>,
}

impl Used {
    /// The expression, which is over the table, over the used columns.
    pub(super) fn expression(
        &mut self,
        expr: &Arc<dyn PhysicalExpr>,
        table: &Schema,
    ) -> Result<Expression> {
        let (mut columns, mut fields): (Vec<usize>, Vec<FieldRef>) = (Vec::new(), Vec::new());
        let over_used = Arc::clone(expr).transform_down(|node| {
            let (wanted, field) = if let Some((column, key)) = bag_value(&node, table) {
                let name = format!("{}[{key:?}]", table.field(column).name());
                let field = Arc::new(Field::new(name, node.data_type(table)?, true));
                let key = Some(key);
                (Wanted { column, key }, field)
            } else if let Some(column) = node.downcast_ref::<expressions::Column>() {
                let column = column.index();
                let field = Arc::clone(&table.fields()[column]);
                (Wanted { column, key: None }, field)
            } else {
                return Ok(Transformed::no(node));
            };
            let used = self.place(wanted);
            let known = columns.iter().position(|column| *column == used);
            let at = known.unwrap_or(columns.len());
            let value = expressions::Column::new(field.name(), at);
            if known.is_none() {
                columns.push(used);
                fields.push(field);
            }
            let value = Arc::new(value);
            Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
        });
        let over_used = over_used.data()?;
        let schema = Arc::new(Schema::new(fields));
        let compiled = |node| match Matching::in_place_of(&node, &schema) {
            Some(matching) => Ok(Transformed::yes(Arc::new(matching) as _)),
            None => Ok(Transformed::no(node)),
        };
        Ok(Expression {
            expr: over_used.transform_up(compiled).data()?,
            schema,
            columns,
        })
    }

    fn place(&mut self, wanted: Wanted) -> usize {
        let known = self.columns.iter().position(|used| *used == wanted);
        known.unwrap_or_else(|| {
            self.columns.push(wanted);
            self.columns.len() - 1
        })
    }
}

impl Expression {
    pub(super) fn is_column(&self) -> bool {
        self.expr.is::<expressions::Column>()
    }

    /// Its value for each of `count` rows, of which `columns` has what it is over.
    pub(super) fn evaluate(&self, mut columns: Vec<ArrayRef>, count: usize) -> Result<ArrayRef> {
        for (column, field) in columns.iter_mut().zip(self.schema.fields()) {
            if column.data_type() != field.data_type() {
                *column = cast(column, field.data_type())?;
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        self.expr.evaluate(&batch)?.into_array(count)
    }
}

/// The column of bags and the key whose value an expression is.
fn bag_value(expr: &Arc<dyn PhysicalExpr>, table: &Schema) -> Option<(usize, Arc<str>)> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let [bag, key] = call.args() else {
        return None;
    };
    let column = bag.downcast_ref::<expressions::Column>()?.index();
    let key = key.downcast_ref::<expressions::Literal>()?.value();
    let key = key.try_as_str().flatten()?;
    (call.name() == "get_field" && is_bag(table.field(column).data_type()))
        .then(|| (column, Arc::from(key)))
}

/// Whether a type is that of texts by name.
fn is_bag(data_type: &DataType) -> bool {
    let DataType::Map(entries, _) = data_type else {
        return false;
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return false;
    };
    fields
        .iter()
        .all(|field| field.data_type() == &DataType::Utf8)
}
