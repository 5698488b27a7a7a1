//! IP addresses: <https://trino.io/docs/current/functions/ipaddress.html>.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder,
    StringViewArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::ScalarUDF;
use ipnet::IpNet;

use super::scalar::{Call, Scalar, TEXT, Takes, at, gives_boolean};

/// Of an array and an element, or of a network and an address.
pub(super) fn contains() -> Arc<ScalarUDF> {
    Scalar::new(
        "contains",
        &[Takes::Any, Takes::Any],
        |planned| match planned.types.first() {
            Some(given) if given.is_list() || given.is_string() || given.is_null() => {
                gives_boolean(planned)
            }
            Some(given) => plan_err!(
                "contains takes an array or a network, not {}",
                super::type_name(given)
            ),
            None => plan_err!("contains takes 2 arguments"),
        },
        |call| {
            let given = call.any(0)?;
            match given.data_type() {
                DataType::Null => Ok(datafusion::arrow::array::new_null_array(
                    &DataType::Boolean,
                    call.rows,
                )),
                given_type if given_type.is_string() => in_network(call),
                DataType::List(_) => super::array::has(call.lists(0)?, call.any(1)?),
                other => {
                    let element = match other {
                        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                            field.data_type().clone()
                        }
                        _ => return exec_err!("contains takes an array or a network"),
                    };
                    let lists = cast(given, &super::scalar::list_of(element))?;
                    super::array::has(lists.as_list::<i32>(), call.any(1)?)
                }
            }
        },
    )
    .build()
}

fn in_network(call: &Call) -> Result<ArrayRef> {
    let networks = cast(call.any(0)?, &TEXT)?;
    let networks = networks.as_string_view();
    let addresses = addresses(call.any(1)?)?;
    let mut known: Option<(&str, IpNet)> = None;
    let found: BooleanArray = call.rows(|row| {
        let Some(text) = at(networks, row) else {
            return Ok(None);
        };
        let network = match known {
            Some((read, network)) if read == text => network,
            _ => match text.parse::<IpNet>() {
                Ok(network) => {
                    known = Some((text, network));
                    network
                }
                Err(_) => {
                    return exec_err!(
                        "contains: `{text}` is no network such as 10.0.0.0/8; for text in text use strpos or LIKE"
                    );
                }
            },
        };
        let address = addresses.get(row).copied().flatten();
        Ok(address.map(|address| network.contains(&address)))
    })?;
    Ok(Arc::new(found))
}

/// Text or IP addresses; text that is no address is NULL, as logs have ports and names there.
fn addresses(array: &ArrayRef) -> Result<Vec<Option<IpAddr>>> {
    if let Some(bytes) = array.as_fixed_size_binary_opt() {
        return Ok((0..bytes.len()).map(|row| address(bytes, row)).collect());
    }
    let text = cast(array, &TEXT)?;
    let text = text.as_string_view();
    Ok(text.iter().map(|text| text?.trim().parse().ok()).collect())
}

fn address(bytes: &FixedSizeBinaryArray, row: usize) -> Option<IpAddr> {
    let bytes: [u8; 16] = at(bytes, row)?.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).to_canonical())
}

/// `CAST(text AS ipaddress)`
pub(super) fn from_text(array: &ArrayRef, is_lenient: bool) -> Result<ArrayRef> {
    let text = cast(array, &TEXT)?;
    let text = text.as_string_view();
    let mut addresses = FixedSizeBinaryBuilder::with_capacity(text.len(), 16);
    for text in text {
        let address = text.map(|text| (text, text.trim().parse::<IpAddr>()));
        match address {
            None => addresses.append_null(),
            Some((_, Ok(IpAddr::V4(address)))) => {
                addresses.append_value(address.to_ipv6_mapped().octets())?;
            }
            Some((_, Ok(IpAddr::V6(address)))) => addresses.append_value(address.octets())?,
            Some(_) if is_lenient => addresses.append_null(),
            Some((text, Err(_))) => return exec_err!("`{text}` is no IP address"),
        }
    }
    Ok(Arc::new(addresses.finish()))
}

/// `CAST(address AS varchar)`
pub(super) fn to_text(array: &ArrayRef) -> Result<ArrayRef> {
    let Some(bytes) = array.as_fixed_size_binary_opt() else {
        return exec_err!("an IP address is needed");
    };
    let text: StringViewArray = (0..bytes.len())
        .map(|row| address(bytes, row).map(|address| address.to_string()))
        .collect();
    Ok(Arc::new(text))
}
