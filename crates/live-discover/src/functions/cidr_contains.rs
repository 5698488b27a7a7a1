//! `cidr_contains`: whether a network holds an address.

use std::sync::Arc;

use audit_lake::parse_network;
use audit_schema::parse_address;
use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use ipnet::IpNet;

use super::of_text::{of_each, text_type, views};
use super::{Function, Make};

pub(super) const FUNCTION: Function = Function {
    name: "cidr_contains",
    arguments: "network, address",
    result: "boolean",
    meaning: "Whether the network, such as `203.0.113.0/24` or an address alone, holds the address. False for a \
        text that is no address. A constant that is no network is an error; one from a column holds nothing.",
    examples: &[
        ("cidr_contains('203.0.113.0/24', '203.0.113.7')", "true"),
        ("cidr_contains('203.0.113.0/24', '203.0.114.7')", "false"),
        (
            "cidr_contains('2001:db8::/32', '[2001:db8::1]:443')",
            "true",
        ),
        ("cidr_contains('203.0.113.7', '::ffff:203.0.113.7')", "true"),
    ],
    make: Make::Fixed(make),
};

fn make() -> ScalarUDF {
    ScalarUDF::from(CidrContains {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CidrContains {
    signature: Signature,
}

impl ScalarUDFImpl for CidrContains {
    fn name(&self) -> &str {
        FUNCTION.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [_, _] = arguments else {
            return plan_err!("`cidr_contains` takes a network and an address");
        };
        let text_type = |given| text_type(FUNCTION.name, given);
        arguments.iter().map(text_type).collect()
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [ColumnarValue::Scalar(network), addresses] => match network.try_as_str().flatten() {
                None => Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None))),
                Some(text) => match parse_network(text) {
                    Some(network) => of_each(addresses, |texts| held_by_one(&network, texts)),
                    None => {
                        exec_err!("`{text}` is no network such as 192.0.2.0/24")
                    }
                },
            },
            [networks, addresses] => {
                let rows = arguments.number_rows;
                let networks = views(&networks.to_array(rows)?)?;
                let addresses = views(&addresses.to_array(rows)?)?;
                Ok(ColumnarValue::Array(held(
                    networks.as_string_view(),
                    addresses.as_string_view(),
                )))
            }
            _ => plan_err!("`cidr_contains` takes a network and an address"),
        }
    }
}

fn held_by_one(network: &IpNet, addresses: &StringViewArray) -> ArrayRef {
    let is_held = |text| holds(network, text);
    let held: BooleanArray = addresses.iter().map(|text| text.map(is_held)).collect();
    Arc::new(held)
}

fn held(networks: &StringViewArray, addresses: &StringViewArray) -> ArrayRef {
    // A join repeats each network for many addresses.
    let mut last: Option<(&str, Option<IpNet>)> = None;
    let mut is_held = |text, address| {
        let network = match last {
            Some((known, network)) if known == text => network,
            _ => parse_network(text),
        };
        last = Some((text, network));
        network.is_some_and(|network| holds(&network, address))
    };
    let rows = networks.iter().zip(addresses);
    let held: BooleanArray = rows
        .map(|(network, address)| Some(is_held(network?, address?)))
        .collect();
    Arc::new(held)
}

fn holds(network: &IpNet, address: &str) -> bool {
    parse_address(address).is_some_and(|(address, _port)| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_addresses() {
        let rows = [
            (Some("203.0.113.0/24"), Some("203.0.113.0"), Some(true)),
            (
                Some("203.0.113.0/24"),
                Some("203.0.113.255:443"),
                Some(true),
            ),
            (Some("203.0.113.0/24"), Some("203.0.114.0"), Some(false)),
            (Some("203.0.113.9/24"), Some("203.0.113.7"), Some(true)),
            (Some("203.0.113.7"), Some("::ffff:203.0.113.7"), Some(true)),
            (
                Some("::ffff:203.0.113.0/120"),
                Some("203.0.113.7"),
                Some(true),
            ),
            (Some("0.0.0.0/0"), Some("2001:db8::1"), Some(false)),
            (Some("::/0"), Some("203.0.113.7"), Some(false)),
            (Some("::/0"), Some("[2001:db8::1]:25"), Some(true)),
            (Some("2001:db8::/33"), Some("2001:db8:8000::"), Some(false)),
            (Some("no network"), Some("203.0.113.7"), Some(false)),
            (Some("203.0.113.0/24"), Some("no address"), Some(false)),
            (Some("203.0.113.0/24"), None, None),
            (None, Some("203.0.113.7"), None),
        ];
        let networks: StringViewArray = rows.iter().map(|(network, ..)| *network).collect();
        let addresses: StringViewArray = rows.iter().map(|(_, address, _)| *address).collect();
        let expected: BooleanArray = rows.iter().map(|(.., expected)| *expected).collect();
        assert_eq!(held(&networks, &addresses).as_boolean(), &expected);
        for (network, address, expected) in rows {
            if let (Some(network), Some(expected)) = (network.and_then(parse_network), expected) {
                let addresses = StringViewArray::from_iter([address]);
                let held = held_by_one(&network, &addresses);
                assert_eq!(
                    held.as_boolean().value(0),
                    expected,
                    "{network} {address:?}"
                );
            }
        }
    }
}
