//! `CROSS JOIN unnest(…) AS t(x)`, in both dialects (PostgreSQL 18, 7.2.1.4;
//! <https://trino.io/docs/current/sql/select.html#unnest>).
//!
//! The lists may come from the tables on the left. DataFusion plans that as a correlated subquery, which it cannot
//! run; here it is a projection of the left side with the lists beside it, and an unnesting of those. Before it is
//! planned, the joins up to each UNNEST are put in parentheses in the tree, so that it ends a relation of its own.

use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{
    Column, DFSchema, NullHandling, Result, ScalarValue, TableReference, UnnestOptions, plan_err,
};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_nested::expr_fn::{map_keys, map_values};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Join, JoinConstraint,
    JoinOperator, ObjectName, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, Value, visit_expressions,
};

use crate::error::Error;
use crate::functions::trino::{list_of, ordinality, type_name};
use crate::words;

/// UNNEST in one FROM: each is a level of the plan.
const UNNESTS_MAX: usize = 20;

/// Plans UNNEST alone, and joins in parentheses whose last is one, as a dialect names and takes apart what it gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LateralUnnest {
    /// As PostgreSQL: one column is named as its table is, and a structure stays one.
    Default,
    /// A structure is a column for each member.
    Trino,
}

impl RelationPlanner for LateralUnnest {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (plan, alias) = match relation {
            TableFactor::UNNEST { .. } => {
                let nothing = LogicalPlanBuilder::empty(true).build()?;
                (self.unnested(nothing, relation, true, context)?, None)
            }
            TableFactor::NestedJoin {
                mut table_with_joins,
                alias,
            } => match table_with_joins.joins.pop() {
                Some(last) if matches!(last.relation, TableFactor::UNNEST { .. }) => {
                    let left = if table_with_joins.joins.is_empty() {
                        table_with_joins.relation
                    } else {
                        TableFactor::NestedJoin {
                            table_with_joins,
                            alias: None,
                        }
                    };
                    let left = context.plan(left)?;
                    (self.joined(left, last, context)?, alias)
                }
                last => {
                    table_with_joins.joins.extend(last);
                    return Ok(RelationPlanning::Original(Box::new(
                        TableFactor::NestedJoin {
                            table_with_joins,
                            alias,
                        },
                    )));
                }
            },
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

impl LateralUnnest {
    fn joined(
        self,
        left: LogicalPlan,
        join: Join,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<LogicalPlan> {
        use JoinOperator::{CrossJoin, Inner, Join as Plain, Left, LeftOuter};
        match join.join_operator {
            CrossJoin(JoinConstraint::None) => self.unnested(left, join.relation, true, context),
            Left(constraint) | LeftOuter(constraint) if is_always(&constraint) => {
                self.unnested(left, join.relation, false, context)
            }
            Inner(JoinConstraint::On(condition)) | Plain(JoinConstraint::On(condition)) => {
                let plan = self.unnested(left, join.relation, true, context)?;
                let condition = context.sql_to_expr(condition, plan.schema())?;
                LogicalPlanBuilder::from(plan).filter(condition)?.build()
            }
            _ => plan_err!("UNNEST takes CROSS JOIN, INNER JOIN … ON, or LEFT JOIN … ON TRUE"),
        }
    }

    fn unnested(
        self,
        left: LogicalPlan,
        relation: TableFactor,
        drops_empty: bool,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<LogicalPlan> {
        let TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset,
            with_ordinality,
            ..
        } = relation
        else {
            return plan_err!("UNNEST is expected");
        };
        if with_offset {
            return plan_err!("UNNEST takes WITH ORDINALITY, not WITH OFFSET");
        }
        let schema = Arc::clone(left.schema());
        let mut lists = Vec::new();
        let mut outputs = Vec::new();
        for array in array_exprs {
            let array = context.sql_to_expr(array, &schema)?;
            if array.contains_outer() {
                return plan_err!("{}", self.outside_list());
            }
            self.expand(array, &schema, &mut lists, &mut outputs)?;
        }
        if lists.is_empty() {
            return plan_err!("UNNEST takes at least one array");
        }
        if with_ordinality {
            let counted = ScalarFunction::new_udf(ordinality(), lists.clone());
            let value = list(&mut lists, Expr::ScalarFunction(counted));
            outputs.push(Output {
                name: "ordinality".to_owned(),
                value,
            });
        }
        let table = self.name_outputs(alias, &mut outputs, context)?;

        let kept: Vec<Expr> = (schema.columns().into_iter()).map(Expr::Column).collect();
        let columns: Vec<Column> = (0..lists.len())
            .map(|index| Column::from_name(list_name(index)))
            .collect();
        let beside = lists.into_iter().zip(&columns);
        let beside = beside.map(|(list, column)| list.alias(column.name.clone()));
        let handling = if drops_empty {
            NullHandling::Drop
        } else {
            NullHandling::PreserveAndExpandEmpty
        };
        let given = outputs.into_iter();
        let given = given.map(|output| output.value.alias_qualified(table.clone(), output.name));
        LogicalPlanBuilder::from(left)
            .project(kept.iter().cloned().chain(beside))?
            .unnest_columns_with_options(
                columns,
                UnnestOptions::new().with_null_handling(handling),
            )?
            .project(kept.iter().cloned().chain(given))?
            .build()
    }

    /// An array gives a column, one of rows a column for each field; a map gives its keys and its values.
    fn expand(
        self,
        array: Expr,
        schema: &DFSchema,
        lists: &mut Vec<Expr>,
        outputs: &mut Vec<Output>,
    ) -> Result<()> {
        match array.get_type(schema)? {
            DataType::List(field)
            | DataType::LargeList(field)
            | DataType::FixedSizeList(field, _) => {
                let array = if matches!(field.data_type(), DataType::Null) {
                    Expr::Literal(ScalarValue::try_from(&list_of(DataType::Null))?, None)
                } else {
                    array
                };
                let element = list(lists, array);
                match field.data_type() {
                    DataType::Struct(fields) if matches!(self, Self::Trino) => {
                        outputs.extend(fields.iter().map(|field| Output {
                            name: field.name().clone(),
                            value: get_field(element.clone(), field.name().as_str()),
                        }))
                    }
                    _ => outputs.push(Output {
                        name: self.unnamed(outputs.len()),
                        value: element,
                    }),
                }
            }
            DataType::Map(..) => {
                for (name, parts) in [
                    ("key", map_keys(array.clone())),
                    ("value", map_values(array)),
                ] {
                    let value = list(lists, parts);
                    outputs.push(Output {
                        name: name.to_owned(),
                        value,
                    });
                }
            }
            DataType::Null => {
                let nothing = ScalarValue::try_from(&list_of(DataType::Null))?;
                let value = list(lists, Expr::Literal(nothing, None));
                outputs.push(Output {
                    name: self.unnamed(outputs.len()),
                    value,
                });
            }
            other => {
                return plan_err!("{}", self.no_list(&array, &other));
            }
        }
        Ok(())
    }

    /// Gives the columns the names of `AS t(a, b)`.
    fn name_outputs(
        self,
        alias: Option<TableAlias>,
        outputs: &mut [Output],
        context: &dyn RelationPlannerContext,
    ) -> Result<Option<TableReference>> {
        let Some(alias) = alias else {
            return Ok(None);
        };
        let table = context.normalize_ident(alias.name);
        if let (Self::Default, [output]) = (self, &mut *outputs) {
            output.name.clone_from(&table);
        }
        if !alias.columns.is_empty() {
            if alias.columns.len() != outputs.len() {
                return plan_err!(
                    "`{table}` has {} columns, and {} names for them",
                    outputs.len(),
                    alias.columns.len()
                );
            }
            for (output, column) in outputs.iter_mut().zip(alias.columns) {
                output.name = context.normalize_ident(column.name);
            }
        }
        Ok(Some(TableReference::bare(table)))
    }

    /// What the column is called that the query does not name.
    fn unnamed(self, index: usize) -> String {
        match (self, index) {
            (Self::Default, 0) => "unnest".to_owned(),
            (Self::Default, _) => format!("unnest_{index}"),
            (Self::Trino, _) => format!("_col{index}"),
        }
    }

    fn outside_list(self) -> &'static str {
        match self {
            Self::Default => {
                "a list of a row outside of the subquery is not expanded in it; write it outside: FROM m365_audit a \
                 CROSS JOIN unnest(json_get_array(a.folders)) AS t(f)"
            }
            Self::Trino => {
                "UNNEST of an array from outside of the subquery is not supported: join it there, or use any_match"
            }
        }
    }

    fn no_list(self, array: &Expr, given: &DataType) -> String {
        match self {
            Self::Default => {
                let array = match array {
                    Expr::Column(column) => column.flat_name(),
                    _ => "…".to_owned(),
                };
                if given.is_string() || matches!(given, DataType::Union(..)) {
                    format!(
                        "unnest takes a list; the elements of a JSON list are unnest(json_get_array({array}))"
                    )
                } else {
                    let given = words::with_plain_types(&format!("{given:?}"));
                    format!("unnest takes a list or a bag, not {given}")
                }
            }
            Self::Trino => {
                let given = type_name(given);
                let help = match given == "json" {
                    true => ": CAST(… AS array(json)) makes one",
                    false => "",
                };
                format!("UNNEST takes an array or a map, not {given}{help}")
            }
        }
    }
}

/// What a column of the result is.
struct Output {
    name: String,
    value: Expr,
}

fn is_always(constraint: &JoinConstraint) -> bool {
    matches!(
        constraint,
        JoinConstraint::On(SqlExpr::Value(value)) if value.value == Value::Boolean(true)
    )
}

/// Long enough that no column of a query is called so.
fn list_name(index: usize) -> String {
    format!("__unnested_list_{index}")
}

/// Adds a list to those that are unnested; the expression is its element.
fn list(lists: &mut Vec<Expr>, list: Expr) -> Expr {
    let element = Expr::Column(Column::from_name(list_name(lists.len())));
    lists.push(list);
    element
}

/// `FROM a, UNNEST(a.x)` is `FROM a CROSS JOIN UNNEST(a.x)`, and each UNNEST ends a join in parentheses.
pub(super) fn lateral(from: &mut Vec<TableWithJoins>) -> Result<(), Error> {
    let cross = |relation| Join {
        relation,
        global: false,
        join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
    };
    let mut tables: Vec<TableWithJoins> = Vec::with_capacity(from.len());
    for mut table in mem::take(from) {
        read(&mut table.relation);
        let is_unnest = matches!(table.relation, TableFactor::UNNEST { .. });
        match tables.pop() {
            Some(mut last) if is_of(&table.relation, &last) => {
                last.joins.push(cross(table.relation));
                last.joins.extend(table.joins);
                tables.push(last);
            }
            Some(mut first) if is_unnest => {
                // All tables before it are its left side.
                for before in tables.drain(..).rev().collect::<Vec<_>>() {
                    let right = mem::replace(&mut first, before);
                    let right = if right.joins.is_empty() {
                        right.relation
                    } else {
                        in_parentheses(right.relation, right.joins)
                    };
                    first.joins.push(cross(right));
                }
                first.joins.push(cross(table.relation));
                first.joins.extend(table.joins);
                tables.push(first);
            }
            before => {
                tables.extend(before);
                tables.push(table);
            }
        }
    }
    for table in &mut tables {
        fold(table, false)?;
    }
    *from = tables;
    Ok(())
}

/// Whether the lists of an UNNEST are of one table by what they name: then the tables before that one are joined by what
/// WHERE says, and not as the product of all.
fn is_of(unnest: &TableFactor, table: &TableWithJoins) -> bool {
    let TableFactor::UNNEST { array_exprs, .. } = unnest else {
        return false;
    };
    let mut names = Vec::new();
    let mut columns = Vec::new();
    for factor in [&table.relation]
        .into_iter()
        .chain(table.joins.iter().map(|join| &join.relation))
    {
        let alias = match factor {
            TableFactor::Table { name, alias, .. } => {
                if alias.is_none() {
                    names.extend(name.0.last().and_then(|part| part.as_ident()));
                }
                alias
            }
            TableFactor::Derived { alias, .. } => alias,
            TableFactor::UNNEST { alias, .. } => {
                let given = alias.iter().flat_map(|alias| &alias.columns);
                columns.extend(given.map(|column| &column.name));
                alias
            }
            _ => return false,
        };
        names.extend(alias.iter().map(|alias| &alias.name));
    }
    let has = |names: &[&Ident], name: &Ident| {
        let mut names = names.iter();
        names.any(|known| known.value.eq_ignore_ascii_case(&name.value))
    };
    let looked_at = visit_expressions(array_exprs, |expr| {
        let is_of = match expr {
            SqlExpr::Identifier(name) => has(&columns, name),
            SqlExpr::CompoundIdentifier(parts) => {
                parts.first().is_some_and(|first| has(&names, first))
            }
            SqlExpr::Subquery(_) | SqlExpr::Exists { .. } | SqlExpr::InSubquery { .. } => false,
            _ => true,
        };
        match is_of {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    looked_at.is_continue()
}

/// The same within joins in parentheses.
pub(super) fn in_nested(factor: &mut TableFactor) -> Result<(), Error> {
    match factor {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => {
            read(&mut table_with_joins.relation);
            fold(table_with_joins, true)
        }
        _ => Ok(()),
    }
}

/// `LATERAL unnest(…)`, which the parser takes for a function that gives a table, and `LATERAL (SELECT unnest(…) AS x)`.
fn read(relation: &mut TableFactor) {
    let (lists, alias) = match relation {
        TableFactor::Function {
            lateral: true,
            name,
            args,
            alias,
            ..
        } if is_unnest(name) => (lists(args), alias.take()),
        TableFactor::Derived {
            lateral: true,
            subquery,
            alias,
            ..
        } => match selected(subquery) {
            Some((lists, column)) => (Some(lists), Some(named(alias.take(), column))),
            None => return,
        },
        _ => return,
    };
    if let Some(array_exprs) = lists {
        *relation = TableFactor::UNNEST {
            alias,
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: false,
        };
    }
}

fn is_unnest(name: &ObjectName) -> bool {
    matches!(
        name.0.as_slice(),
        [part] if part.as_ident().is_some_and(|name| name.value.eq_ignore_ascii_case("unnest"))
    )
}

fn lists(arguments: &[FunctionArg]) -> Option<Vec<SqlExpr>> {
    let list = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(list)) => Some(list.clone()),
        _ => None,
    };
    arguments.iter().map(list).collect()
}

/// The list and the name of its elements, of a query that is `SELECT unnest(…) AS x` and nothing else.
fn selected(query: &Query) -> Option<(Vec<SqlExpr>, Ident)> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    let [item] = select.projection.as_slice() else {
        return None;
    };
    let (expr, name) = match item {
        SelectItem::UnnamedExpr(expr) => (expr, Ident::new("unnest")),
        SelectItem::ExprWithAlias { expr, alias } => (expr, alias.clone()),
        _ => return None,
    };
    let SqlExpr::Function(function) = expr else {
        return None;
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let is_all = select.from.is_empty() && query.to_string() == format!("SELECT {item}");
    (is_all && is_unnest(&function.name) && list.args.len() == 1)
        .then(|| lists(&list.args))?
        .map(|lists| (lists, name))
}

/// The alias of a table with one column.
fn named(alias: Option<TableAlias>, column: Ident) -> TableAlias {
    let columns = |name| TableAliasColumnDef {
        name,
        data_type: None,
    };
    match alias {
        Some(alias) if !alias.columns.is_empty() => alias,
        Some(alias) => TableAlias {
            columns: vec![columns(column)],
            ..alias
        },
        None => TableAlias {
            explicit: true,
            name: column.clone(),
            columns: vec![columns(column)],
            at: None,
        },
    }
}

/// Puts the joins up to each UNNEST in parentheses; one at the very end may stay if it has them already.
fn fold(table: &mut TableWithJoins, keeps_last: bool) -> Result<(), Error> {
    let mut joins = mem::take(&mut table.joins);
    for join in &mut joins {
        read(&mut join.relation);
    }
    let last = joins.len().saturating_sub(1);
    let unnests = joins
        .iter()
        .filter(|join| matches!(join.relation, TableFactor::UNNEST { .. }))
        .count();
    if unnests > UNNESTS_MAX {
        return Err(Error::invalid(format!(
            "a FROM takes at most {UNNESTS_MAX} UNNEST"
        )));
    }
    for (index, join) in joins.into_iter().enumerate() {
        let is_unnest = matches!(join.relation, TableFactor::UNNEST { .. });
        table.joins.push(join);
        if is_unnest && !(keeps_last && index == last) {
            let joins = mem::take(&mut table.joins);
            let placeholder = TableFactor::UNNEST {
                alias: None,
                array_exprs: Vec::new(),
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: false,
            };
            let relation = mem::replace(&mut table.relation, placeholder);
            table.relation = in_parentheses(relation, joins);
        }
    }
    Ok(())
}

/// The parentheses that [`LateralUnnest`] plans.
fn in_parentheses(relation: TableFactor, joins: Vec<Join>) -> TableFactor {
    TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins { relation, joins }),
        alias: None,
    }
}
