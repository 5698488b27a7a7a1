//! `is_internal_ip`: whether an address is the customer's own.

use std::sync::Arc;

use audit_lake::InternalNetworks;
use audit_schema::parse_address;
use datafusion::arrow::array::{ArrayRef, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::of_text::OfText;
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "is_internal_ip",
    arguments: "address",
    result: "boolean",
    meaning: "Whether the address is in one of the session's `internal_networks`, the private ranges among them. \
        A port, brackets and IPv4 written as IPv6 do not matter. False for a text that is no address.",
    examples: &[
        ("is_internal_ip('10.1.2.3')", "true"),
        ("is_internal_ip('[::ffff:192.168.0.9]:443')", "true"),
        ("is_internal_ip('203.0.113.7')", "false"),
        ("is_internal_ip('mail.example.com')", "false"),
        ("is_internal_ip(NULL)", "NULL"),
    ],
    make: Make::OfSession(make),
};

fn make(inside: Arc<InternalNetworks>) -> ScalarUDF {
    OfText::udf(FUNCTION.name, DataType::Boolean, inside, are_inside)
}

fn are_inside(inside: &Arc<InternalNetworks>, texts: &StringViewArray) -> ArrayRef {
    let is_inside =
        |text| parse_address(text).is_some_and(|(address, _port)| inside.has_address(address));
    let are_inside: BooleanArray = texts.iter().map(|text| text.map(is_inside)).collect();
    Arc::new(are_inside)
}
