//! `array_agg(… ORDER BY …)`, and `string_agg`: values are put in order when they are together.
//!
//! DataFusion sorts all rows by groups and keys for it, and each group keeps its values one by one, which takes twice to fifty
//! times as long, and none of it can go to disk:
//!
//! ```text
//! SELECT user_id, array_agg(DISTINCT source_ip ORDER BY source_ip)              GROUP BY user_id
//! SELECT user_id, array_sort(unordered, 'ASC', 'NULLS LAST')                    of
//!     SELECT user_id, array_agg(DISTINCT source_ip) AS unordered                GROUP BY user_id
//!
//! SELECT user_id, array_agg(operation ORDER BY creation_time)                   GROUP BY user_id
//! SELECT user_id, in_order(unordered)                                           of
//!     SELECT user_id, array_agg({value: operation, key_0: creation_time}) AS unordered GROUP BY user_id
//! ```

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::functions::core::named_struct;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_nested::array_has::array_has_udf;
use datafusion::functions_nested::sort::array_sort_udf;
use datafusion::functions_nested::string::array_to_string_udf;
use datafusion::logical_expr::expr::{AggregateFunction, Sort};
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast, lit, when,
};

use crate::rules::regroup::{AggregateRule, unnamed};

/// The rule that does so. It comes before those that divide aggregates, which know what to do with values that differ.
pub(crate) const SORTED_ARRAYS: AggregateRule = AggregateRule {
    name: "sorted_arrays",
    in_place_of: sorted,
};

/// `None` where no such array or text is asked for.
fn sorted(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let values = aggregate.aggr_expr.iter();
    let values = values.map(|value| Ordered::of(value, aggregate.input.schema()));
    let values: Vec<Option<Ordered<'_>>> = values.collect::<Result<_>>()?;
    if values.iter().all(Option::is_none) {
        return Ok(None);
    }
    let given = aggregate.aggr_expr.iter().zip(&values).enumerate();
    let given = given.map(|(place, (value, ordered))| match ordered {
        Some(ordered) => ordered.unordered().alias(format!("unordered {place}")),
        None => value.clone(),
    });
    let groups = aggregate.group_expr.clone();
    let unordered = Aggregate::try_new(Arc::clone(&aggregate.input), groups, given.collect())?;
    let groups = unordered.schema.fields().len() - values.len();
    let ordered_of = |at: usize| values.get(at.checked_sub(groups)?)?.as_ref();
    let columns = unordered.schema.columns().into_iter().enumerate();
    let columns = columns.map(|(at, column)| {
        let (qualifier, field) = aggregate.schema.qualified_field(at);
        Ok(match ordered_of(at) {
            None => Expr::Column(column),
            Some(ordered) => {
                let value = ordered.given(Expr::Column(column), field.data_type())?;
                value.alias_qualified(qualifier.cloned(), field.name())
            }
        })
    });
    let columns: Vec<Expr> = columns.collect::<Result<_>>()?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(unordered));
    Ok(Some(plan.project(columns)?.build()?))
}

/// An aggregate of values in an order.
struct Ordered<'a> {
    call: &'a AggregateFunction,
    of: DataType,
    order: Order<'a>,
    /// What stands between texts that become one.
    between: Option<&'a Expr>,
}

enum Order<'a> {
    OfValues(&'a Sort),
    /// Of others that stand beside them.
    OfKeys(&'a [Sort]),
}

impl<'a> Ordered<'a> {
    /// `None` for others.
    fn of(value: &'a Expr, input: &DFSchema) -> Result<Option<Self>> {
        let Expr::AggregateFunction(call) = unnamed(value) else {
            return Ok(None);
        };
        let params = &call.params;
        let (of, between) = match (call.func.name(), params.args.as_slice()) {
            ("array_agg", [of]) => (of, None),
            ("string_agg", [of, between @ Expr::Literal(text, _)]) if !text.is_null() => {
                (of, Some(between))
            }
            _ => return Ok(None),
        };
        if params.order_by.is_empty() || params.null_treatment.is_some() {
            return Ok(None);
        }
        let data_type = of.get_type(input)?;
        let order = match params.order_by.as_slice() {
            // What has parts is not put in order by the function for that.
            [sort] if sort.expr == *of && !data_type.is_nested() => Order::OfValues(sort),
            keys if !params.distinct => Order::OfKeys(keys),
            _ => return Ok(None),
        };
        if let Order::OfKeys(keys) = &order {
            let fields = keys.iter().map(|key| key.expr.get_type(input));
            let fields = fields.map(|of| of.map(SortField::new));
            if !RowConverter::supports_fields(&fields.collect::<Result<Vec<_>>>()?) {
                return Ok(None);
            }
        }
        Ok(Some(Self {
            call,
            of: data_type,
            order,
            between,
        }))
    }

    /// The values in any order, with their keys.
    fn unordered(&self) -> Expr {
        let mut call = self.call.clone();
        call.func = array_agg_udaf();
        call.params.order_by.clear();
        call.params.args.truncate(1);
        if let (Order::OfKeys(keys), Some(value)) = (&self.order, call.params.args.first_mut()) {
            let mut parts = vec![lit("value"), value.clone()];
            for (number, key) in keys.iter().enumerate() {
                parts.extend([lit(format!("key_{number}")), key.expr.clone()]);
            }
            *value = named_struct().call(parts);
        }
        Expr::AggregateFunction(call)
    }

    /// What is asked for, of the type that it has there.
    fn given(&self, unordered: Expr, data_type: &DataType) -> Result<Expr> {
        let sorted = match self.order {
            Order::OfValues(sort) => {
                let direction = if sort.asc { "ASC" } else { "DESC" };
                let nulls = match sort.nulls_first {
                    true => "NULLS FIRST",
                    false => "NULLS LAST",
                };
                array_sort_udf().call(vec![unordered, lit(direction), lit(nulls)])
            }
            Order::OfKeys(keys) => ScalarUDF::from(InOrder::by(keys)).call(vec![unordered]),
        };
        let Some(between) = self.between else {
            return Ok(sorted);
        };
        let text = array_to_string_udf().call(vec![sorted.clone(), between.clone()]);
        // Of nulls alone there is no text, where one is made of no values.
        let empty = ScalarValue::from("").cast_to(&self.of)?;
        let has_text = text
            .clone()
            .not_eq(lit(""))
            .or(array_has_udf().call(vec![sorted, lit(empty)]));
        Ok(cast(when(has_text, text).end()?, data_type.clone()))
    }
}

/// The values of arrays of values with their keys, in the order of these. No name that SQL has: queries don't call it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct InOrder {
    signature: Signature,
    keys: Vec<SortOptions>,
}

impl InOrder {
    fn by(keys: &[Sort]) -> Self {
        let options = |key: &Sort| SortOptions::new(!key.asc, key.nulls_first);
        Self {
            signature: Signature::any(1, Volatility::Immutable),
            keys: keys.iter().map(options).collect(),
        }
    }

    fn values(&self, lists: &ListArray) -> Result<ArrayRef> {
        let pairs = lists.values().as_struct();
        let Some((values, keys)) = pairs.columns().split_first() else {
            return internal_err!("values without keys");
        };
        let fields = keys.iter().zip(&self.keys);
        let fields = fields
            .map(|(key, options)| SortField::new_with_options(key.data_type().clone(), *options));
        let keys = RowConverter::new(fields.collect())?.convert_columns(keys)?;
        let offsets = lists.offsets();
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        for list in offsets.windows(2) {
            let list = &mut order[list[0] as usize..list[1] as usize];
            list.sort_by(|a, b| keys.row(*a as usize).cmp(&keys.row(*b as usize)));
        }
        let values = take(values, &UInt32Array::from(order), None)?;
        Ok(Arc::new(ListArray::try_new(
            Arc::new(Field::new_list_field(values.data_type().clone(), true)),
            OffsetBuffer::clone(offsets),
            values,
            lists.nulls().cloned(),
        )?))
    }
}

impl ScalarUDFImpl for InOrder {
    fn name(&self) -> &str {
        "in_order"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [DataType::List(pairs)] => match pairs.data_type() {
                DataType::Struct(parts) if !parts.is_empty() => {
                    let values = parts[0].data_type().clone();
                    Ok(DataType::List(Arc::new(Field::new_list_field(
                        values, true,
                    ))))
                }
                other => internal_err!("values with their keys, and not {other}"),
            },
            other => internal_err!("arrays of values with their keys, and not {other:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        match arrays.as_slice() {
            [lists] => match lists.as_list_opt() {
                Some(lists) => Ok(ColumnarValue::Array(self.values(lists)?)),
                None => internal_err!("arrays, and not {}", lists.data_type()),
            },
            _ => internal_err!("arrays of one kind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::SessionStateBuilder;
    use datafusion::optimizer::Optimizer;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::testing::{self, ask};

    const TABLE: &str = "CREATE TABLE t AS SELECT g, n, s, NULLIF(s, 'x') AS r, [n] AS l FROM (VALUES
        ('a', 1, 'x'), ('a', 3, 'y'), ('a', 2, 'x'), ('a', 1, ''), ('b', 1, NULL), ('b', NULL, NULL),
        (NULL, 3, 'x'), (NULL, 3, ''), ('c', NULL, '')
    ) AS v(g, n, s)";

    /// Queries, and whether something is put in order at the end.
    const QUERIES: &[(&str, bool)] = &[
        ("SELECT g, array_agg(DISTINCT s ORDER BY s) FROM t GROUP BY g", true),
        ("SELECT g, array_agg(DISTINCT n ORDER BY n DESC) AS a, count(*) FROM t GROUP BY g", true),
        (
            "SELECT g, n, array_agg(DISTINCT s ORDER BY s DESC NULLS LAST), array_length(array_agg(DISTINCT s)), sum(n)
                FROM t GROUP BY g, n",
            true,
        ),
        ("SELECT array_agg(DISTINCT s ORDER BY s) FILTER (WHERE n = 1) FROM t", true),
        ("SELECT array_agg(DISTINCT n ORDER BY n) FROM t WHERE g = 'no such'", true),
        ("SELECT array_agg(DISTINCT s || n ORDER BY s || n), max(n) FROM t", true),
        ("SELECT g, array_agg(DISTINCT n ORDER BY n) FROM t GROUP BY ROLLUP (g)", true),
        ("SELECT g, string_agg(DISTINCT s, '; ' ORDER BY s DESC) FROM t GROUP BY g", true),
        ("SELECT g, string_agg(DISTINCT r, '' ORDER BY r) FROM t GROUP BY g", true),
        ("SELECT string_agg(DISTINCT s, ',' ORDER BY s) FROM t WHERE g = 'no such'", true),
        (
            "SELECT g FROM t GROUP BY g HAVING array_length(array_agg(DISTINCT s ORDER BY s)) > 1",
            true,
        ),
        ("SELECT g, array_agg(s ORDER BY s) FROM t GROUP BY g", true),
        ("SELECT g, array_agg(DISTINCT l ORDER BY l) FROM t WHERE n > 1 GROUP BY g", false),
        ("SELECT g, string_agg(s, ',' ORDER BY s) FROM t GROUP BY g", true),
        ("SELECT g, array_agg(s ORDER BY n DESC NULLS FIRST, s) FROM t GROUP BY g", true),
        ("SELECT g, array_agg(l ORDER BY s, n DESC) FILTER (WHERE n > 1) FROM t GROUP BY g", true),
        ("SELECT g, array_agg(n ORDER BY l, s) FROM t GROUP BY g", true),
        ("SELECT array_agg(s ORDER BY n, s) FROM t WHERE g = 'no such'", true),
        ("SELECT g, string_agg(r, '' ORDER BY n, s DESC), count(*) FROM t GROUP BY g", true),
        ("SELECT g, array_agg(s) FROM (SELECT * FROM t WHERE n = 2) GROUP BY g", false),
        ("SELECT g, array_length(array_agg(DISTINCT s)) FROM t GROUP BY g", false),
        ("SELECT g, count(DISTINCT s) FROM t GROUP BY g", false),
    ];

    async fn context(rules: Optimizer) -> SessionContext {
        let config = SessionConfig::new().with_target_partitions(2);
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_optimizer_rules(rules.rules)
            .build();
        let context = SessionContext::new_with_state(state);
        ask(&context, TABLE).await;
        context
    }

    #[tokio::test]
    async fn answers_are_those_of_datafusion() {
        let theirs = context(Optimizer::new()).await;
        let mut rules = Optimizer::new();
        let at = rules
            .rules
            .iter()
            .position(|rule| rule.name().starts_with("single_"));
        rules.rules.insert(at.unwrap(), Arc::new(SORTED_ARRAYS));
        let ours = context(rules).await;
        let is_put_in_order = |plan: &str| plan.contains("array_sort") || plan.contains("in_order");
        for (sql, is_sorted) in QUERIES {
            let plan = ask(&ours, &format!("EXPLAIN {sql}")).await;
            assert_eq!(is_put_in_order(&plan), *is_sorted, "{sql}\n{plan}");
            let expected = ask(&theirs, sql).await;
            assert_eq!(
                testing::sorted(&ask(&ours, sql).await),
                testing::sorted(&expected),
                "{sql}"
            );
        }
        // DataFusion gives both in the order of the first.
        let two = "SELECT array_to_string(array_agg(DISTINCT n ORDER BY n), ' ') AS up,
            array_to_string(array_agg(DISTINCT n ORDER BY n DESC), ' ') AS down FROM t";
        let two = ask(&ours, two).await;
        assert!(two.contains("| 1 2 3 | 3 2 1 |"), "{two}");
    }
}
