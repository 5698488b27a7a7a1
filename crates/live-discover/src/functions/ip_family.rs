//! `ip_family`: 4 or 6.

use std::net::IpAddr;
use std::sync::Arc;

use audit_schema::parse_address;
use datafusion::arrow::array::{ArrayRef, Int64Array, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::of_text::OfText;
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "ip_family",
    arguments: "address",
    result: "bigint",
    meaning: "4 for an IPv4 address (also one written as IPv6), 6 for an IPv6 address, NULL for a text that is none.",
    examples: &[
        ("ip_family('203.0.113.7:443')", "4"),
        ("ip_family('::ffff:203.0.113.7')", "4"),
        ("ip_family('2001:db8::1')", "6"),
        ("ip_family('mail.example.com')", "NULL"),
    ],
    make: Make::Fixed(make),
};

fn make() -> ScalarUDF {
    OfText::udf(FUNCTION.name, DataType::Int64, (), families)
}

fn families(_: &(), texts: &StringViewArray) -> ArrayRef {
    let family = |text| match parse_address(text)? {
        (IpAddr::V4(_), _) => Some(4),
        (IpAddr::V6(_), _) => Some(6),
    };
    let families: Int64Array = texts.iter().map(|text| text.and_then(family)).collect();
    Arc::new(families)
}
