//! `creation_time::date`, quicker: for a time with a time zone the cast asks a calendar, value by value. In UTC a day is
//! a day.

use std::sync::Arc;

use audit_lake::DAY_MICROS;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, TimeUnit, TimestampMicrosecondType as Micros,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TryCast, Volatility,
};

/// Puts the division in the place of the cast.
#[derive(Debug)]
pub(crate) struct DatesByDivision {
    function: Arc<ScalarUDF>,
}

impl DatesByDivision {
    pub(crate) fn new() -> Self {
        Self {
            function: Arc::new(ScalarUDF::new_from_impl(DateOf {
                signature: Signature::exact(vec![in_utc()], Volatility::Immutable),
            })),
        }
    }
}

fn in_utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl FunctionRewrite for DatesByDivision {
    fn name(&self) -> &str {
        "dates_by_division"
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        _config: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let (Expr::Cast(Cast { expr: time, field }) | Expr::TryCast(TryCast { expr: time, field })) =
            &expr
        else {
            return Ok(Transformed::no(expr));
        };
        // What has another type, the planner tells.
        let is_date = *field.data_type() == DataType::Date32
            && time.get_type(schema).is_ok_and(|of| of == in_utc());
        Ok(match is_date {
            true => Transformed::yes(self.function.call(vec![time.as_ref().clone()])),
            false => Transformed::no(expr),
        })
    }
}

/// The day that a time in UTC is in.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateOf {
    signature: Signature,
}

impl ScalarUDFImpl for DateOf {
    fn name(&self) -> &str {
        "date_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [times] = arguments.args.as_slice() else {
            return internal_err!("a date of other than one time");
        };
        let is_scalar = matches!(times, ColumnarValue::Scalar(_));
        let times = times.to_array(1)?;
        let dates = times.as_primitive::<Micros>();
        // There are fewer days in 64 bits of microseconds than in 32 bits.
        let dates = dates.unary::<_, Date32Type>(|time| time.div_euclid(DAY_MICROS) as i32);
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&dates, 0)?),
            false => ColumnarValue::Array(Arc::new(dates)),
        })
    }

    fn output_ordering(&self, arguments: &[ExprProperties]) -> Result<SortProperties> {
        Ok(arguments
            .first()
            .map_or(SortProperties::Unordered, |of| of.sort_properties))
    }

    /// A comparison with a day is one with its times, by which files are pruned.
    fn preimage(
        &self,
        arguments: &[Expr],
        value: &Expr,
        _context: &SimplifyContext,
    ) -> Result<PreimageResult> {
        let ([time], Some(ScalarValue::Date32(Some(day)))) = (arguments, value.as_literal()) else {
            return Ok(PreimageResult::None);
        };
        let micros = |day: i64| day.checked_mul(DAY_MICROS);
        let (from, to) = (micros(i64::from(*day)), micros(i64::from(*day) + 1));
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(PreimageResult::None);
        };
        let bound = |micros| ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()));
        Ok(PreimageResult::Range {
            expr: time.clone(),
            interval: Box::new(Interval::try_new(bound(from), bound(to))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::{FunctionRegistry, SessionStateBuilder};
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::functions::date_part::PartsByDivision;
    use crate::testing::ask;

    const TABLE: &str = "CREATE TABLE r AS SELECT n, arrow_cast(t, 'Timestamp(Microsecond, Some(\"UTC\"))') AS t FROM
        (VALUES (1, '1969-12-31T23:59:59.999999'), (2, '1970-01-01T00:00:00'), (3, '2026-07-16T23:59:59.999999'),
            (4, '2026-07-17T00:00:00'), (5, '2026-07-17T12:30:00'), (6, '2026-07-18T00:00:00'), (7, NULL)) AS v(n, t)";

    const QUERIES: &[&str] = &[
        "SELECT n, t::date, CAST(t AS DATE) AS d, try_cast(t AS DATE) AS e FROM r ORDER BY n",
        "SELECT t::date, count(*) FROM r GROUP BY t::date ORDER BY 1",
        "SELECT t::date AS day, count(*) FROM r GROUP BY day HAVING t::date > '2026-01-01' ORDER BY day",
        "SELECT n FROM r WHERE t::date = '2026-07-17' ORDER BY n",
        "SELECT n FROM r WHERE t::date <> DATE '2026-07-17' ORDER BY n",
        "SELECT n FROM r WHERE t::date >= '2026-07-17' ORDER BY n",
        "SELECT n FROM r WHERE t::date < '2026-07-17' ORDER BY n",
        "SELECT n FROM r WHERE t::date BETWEEN '1970-01-01' AND '2026-07-17' ORDER BY n",
        "SELECT n FROM r WHERE t::date IN ('1969-12-31', '2026-07-18') ORDER BY n",
        "SELECT n FROM r WHERE t::date IS NULL",
        "SELECT n FROM r WHERE NOT (t::date = '2026-07-17') ORDER BY n",
        "SELECT max(t::date), arrow_typeof(max(t::date)) FROM r",
        "SELECT (max(t))::date AS m FROM r",
        "SELECT (TIMESTAMP '2026-07-17 05:00:00')::date AS x, now()::date > DATE '2026-01-01'",
        "SELECT n, extract(hour FROM t), extract(dow FROM t) AS w, date_part('minute', t), datepart('day', t) FROM r ORDER BY n",
        "SELECT extract(year FROM t), count(*) FROM r WHERE extract(year FROM t) = 2026 GROUP BY extract(year FROM t)",
    ];

    async fn answers(by_division: bool) -> Vec<String> {
        let mut state = SessionStateBuilder::new_with_default_features().build();
        if by_division {
            for rewrite in [
                Arc::new(DatesByDivision::new()) as Arc<dyn FunctionRewrite + Send + Sync>,
                Arc::new(PartsByDivision::new()),
            ] {
                state.register_function_rewrite(rewrite).unwrap();
            }
        }
        let context = SessionContext::new_with_state(state);
        ask(&context, TABLE).await;
        let mut answers = Vec::new();
        for sql in QUERIES {
            let answer = ask(&context, sql).await;
            answers.push(format!("{sql}\n{answer}"));
        }
        let explain =
            "EXPLAIN SELECT t::date, extract(hour FROM t) FROM r WHERE t::date = '2026-07-17'";
        let plan = ask(&context, explain).await;
        assert_eq!(plan.contains("date_of(r.t)"), by_division, "{plan}");
        // By which files are pruned, as they are not by the cast.
        assert_eq!(plan.contains("t@0 >= "), by_division, "{plan}");
        answers
    }

    #[tokio::test]
    async fn days_and_parts_are_those_of_datafusion() {
        let (ours, theirs) = (answers(true).await, answers(false).await);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
    }
}
