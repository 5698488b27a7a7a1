//! How large the rows of a step are, by rules of thumb: joins put the smaller side in memory by these, and sorts and
//! batches are cut to them.
//!
//! The log says how many rows a file has and nothing of most columns. DataFusion takes any filter to leave a fifth, and
//! what is named here is beside that.

use audit_lake::TableName;
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::common::Column;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::index;

/// Columns of texts that many records share.
const SHARED: [&str; 3] = ["operation", "workload", "result_status"];

/// What a row takes in memory.
pub(crate) fn row_bytes(schema: &Schema) -> usize {
    let of = |field: &FieldRef| match field.data_type() {
        _ if field.name() == "raw" => 1_536,
        DataType::Utf8View | DataType::Utf8 => 32,
        data_type if data_type.is_nested() => 128,
        _ => 8,
    };
    schema.fields().iter().map(of).sum()
}

/// Of how many of a million rows the filters may hold, by the one that holds of the fewest.
pub(crate) fn per_million(table: TableName, filters: &[Expr]) -> usize {
    let conjuncts = filters.iter().flat_map(split_conjunction);
    let each = conjuncts.map(|filter| of_filter(table, filter));
    each.min().unwrap_or(ALL)
}

const ALL: usize = 1_000_000;
/// A user, an address, a session, or any other text that few records share.
const VALUE: usize = 1_000;
/// A text that is looked for within others.
const NEEDLE: usize = 10_000;

fn of_filter(table: TableName, filter: &Expr) -> usize {
    if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter {
        let (left, right) = (|| of_filter(table, left), || of_filter(table, right));
        match op {
            Operator::And => return left().min(right()),
            Operator::Or => return left().saturating_add(right()).min(ALL),
            _ => {}
        }
    }
    let is_shared = |column: &Column| SHARED.contains(&column.name());
    if filter.column_refs().into_iter().any(is_shared) || !index::is_asked(table, filter) {
        return ALL;
    }
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            op: Operator::Eq, ..
        }) => VALUE,
        Expr::InList(list) => list.list.len().saturating_mul(VALUE).min(ALL),
        _ => NEEDLE,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn filters_hold_of_few_rows_where_they_name_what_few_records_share() {
        let user = || col("user_id").eq(lit("ada@contoso.com"));
        let cases = [
            (vec![], ALL),
            (vec![user()], VALUE),
            (vec![lit("ada@contoso.com").eq(col("user_id"))], VALUE),
            (
                vec![user().or(col("source_ip").eq(lit("192.0.2.1")))],
                2 * VALUE,
            ),
            (vec![user().or(col("record_type").eq(lit(15_i64)))], ALL),
            (vec![user().and(col("record_type").eq(lit(15_i64)))], VALUE),
            (vec![user(), col("raw").like(lit("%invoice%"))], VALUE),
            (vec![col("raw").like(lit("%invoice%"))], NEEDLE),
            (vec![col("user_id").not_like(lit("%invoice%"))], ALL),
            (vec![col("user_id").not_eq(lit("ada@contoso.com"))], ALL),
            (vec![col("operation").eq(lit("MailItemsAccessed"))], ALL),
            (
                vec![col("id").in_list(vec![lit("a-long-id"), lit("another-id")], false)],
                2 * VALUE,
            ),
            (
                vec![col("id").in_list(vec![lit("a-long-id"), lit("another-id")], true)],
                ALL,
            ),
            (
                vec![col("id").in_list(vec![lit("a-long-id"); 2_000], false)],
                ALL,
            ),
        ];
        for (filters, expected) in cases {
            let told = per_million(TableName::Audit, &filters);
            assert_eq!(told, expected, "{filters:?}");
        }
    }
}
