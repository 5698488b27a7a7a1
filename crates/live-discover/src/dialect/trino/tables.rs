//! Tables that published Data Lake templates name and this lake does not have.

/// Endpoint, firewall and detection data of the Sophos Data Lake, as published queries name it.
const OF_DATA_LAKE: &[&str] = &[
    "mdr_ioc_all",
    "mdr_data",
    "xdr_cloud_data",
    "xdr_data",
    "xdr_detection_data",
    "xdr_email_data",
    "xdr_ext_data",
    "xdr_ioc_view",
    "xdr_mobile_data",
    "xdr_ti_data",
    "xgfw_data",
];

/// Whether it is one of them.
pub(crate) fn is_of_data_lake(table: &str) -> bool {
    OF_DATA_LAKE
        .iter()
        .any(|known| known.eq_ignore_ascii_case(table))
}
