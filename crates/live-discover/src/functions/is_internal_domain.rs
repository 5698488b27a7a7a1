//! `is_internal_domain`: whether a domain, the one of an e-mail address or of a URL is the customer's own.

use std::sync::Arc;

use audit_lake::InternalNetworks;
use datafusion::arrow::array::{ArrayRef, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::domain_of::domain_in;
use super::of_text::OfText;
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "is_internal_domain",
    arguments: "domain, e-mail address or URL",
    result: "boolean",
    meaning: "Whether the domain (as `domain_of` finds it) is one of the session's `internal_networks`, or below \
        one. A guest counts by the domain of their home. False for a text without a domain.",
    examples: &[
        ("is_internal_domain('ada@example.com')", "false"),
        ("is_internal_domain('Ada')", "false"),
        ("is_internal_domain(NULL)", "NULL"),
    ],
    make: Make::OfSession(make),
};

fn make(inside: Arc<InternalNetworks>) -> ScalarUDF {
    OfText::udf(FUNCTION.name, DataType::Boolean, inside, are_inside)
}

fn are_inside(inside: &Arc<InternalNetworks>, texts: &StringViewArray) -> ArrayRef {
    let is_inside = |text| domain_in(text).is_some_and(|domain| inside.has_domain(domain));
    let are_inside: BooleanArray = texts.iter().map(|text| text.map(is_inside)).collect();
    Arc::new(are_inside)
}
