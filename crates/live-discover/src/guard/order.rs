//! What goes by an order of values that have none: bags, and lists of anything but plain values.
//!
//! DataFusion orders rows by any type, but compares values one by one only if they are plain. Where an aggregate or a
//! window does that, it ends in an internal error, a panic or an answer by chance.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, ExprSchemable, WindowFrameUnits};

use crate::error::{Error, Result};
use crate::words;

/// Refuses a call that compares values without an order. `schemas` are those of what its columns come from.
pub(super) fn check<'a>(
    expr: &Expr,
    schemas: impl Iterator<Item = &'a DFSchema> + Clone,
) -> Result<()> {
    let (name, compared) = compared(expr);
    for (expr, has_order) in compared {
        // What has no type is told by the planner.
        let mut types = (schemas.clone()).filter_map(|schema| expr.get_type(schema).ok());
        if let Some(data_type) = types.next().filter(|data_type| !has_order(data_type)) {
            return Err(without_order(name, &data_type));
        }
    }
    Ok(())
}

/// Whether values of a type can be compared one by one.
type HasOrder = fn(&DataType) -> bool;

/// The name of a call, and what it compares.
fn compared(expr: &Expr) -> (&str, Vec<(&Expr, HasOrder)>) {
    let (name, args, order_by, by_order): (&str, &[Expr], &[Sort], HasOrder) = match expr {
        Expr::AggregateFunction(call) => {
            let params = &call.params;
            (call.func.name(), &params.args, &params.order_by, is_ordered)
        }
        Expr::WindowFunction(call) => {
            let params = &call.params;
            // Frames of rows and groups are found in rows that are in order.
            let order_by: &[Sort] = match params.window_frame.units {
                WindowFrameUnits::Range => &params.order_by,
                WindowFrameUnits::Rows | WindowFrameUnits::Groups => &[],
            };
            (call.fun.name(), &params.args, order_by, is_ordered_in_range)
        }
        Expr::ScalarFunction(call) => (call.func.name(), &call.args, &[], is_ordered),
        _ => return ("", Vec::new()),
    };
    let by_args: Option<HasOrder> = match name {
        "min" | "max" => Some(is_ordered),
        "array_min" | "array_max" => Some(is_list_of_ordered),
        _ => None,
    };
    let args = args.iter().filter_map(|arg| Some((arg, by_args?)));
    let order_by = order_by.iter().map(|sort| (&sort.expr, by_order));
    (name, args.chain(order_by).collect())
}

fn is_ordered(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => false,
        DataType::Struct(members) => (members.iter()).all(|member| is_ordered(member.data_type())),
        data_type => item(data_type).is_none_or(|item| !item.is_nested()),
    }
}

fn is_ordered_in_range(data_type: &DataType) -> bool {
    is_ordered(data_type) && !matches!(data_type, DataType::Struct(_))
}

fn is_list_of_ordered(data_type: &DataType) -> bool {
    item(data_type).is_none_or(is_ordered)
}

fn item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

#[cold]
fn without_order(name: &str, data_type: &DataType) -> Error {
    let plain = |data_type: &DataType| words::with_plain_types(&data_type.to_string());
    let kind = match item(data_type) {
        Some(item) => format!("a list with {} in it", plain(item)),
        None => plain(data_type),
    };
    Error::invalid(words::with_help(format!(
        "`{name}` needs an order of values, and {kind} has none"
    )))
}
