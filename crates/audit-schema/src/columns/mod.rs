//! The columns of `m365_audit`, one file an area, and the tables of content and rejects.

mod added;
mod apps;
mod common;
mod compliance;
mod content;
mod entra;
mod exchange;
mod power;
mod protection;
mod rejects;
mod sharepoint;
mod teams;
mod threats;

use crate::column::{Column, ColumnType};
use crate::table::Table;

const SCHEMA_PAGE: &str = "office-365-management-activity-api-schema";
const COPILOT_PAGE: &str = "copilot-schema";
const OBSERVED: &str = "observed";

/// The areas in the order of the table, with the heading that the reference gives them.
pub(crate) const AREAS: &[(&str, &[Column])] = &[
    ("Place in the lake", added::LEADING),
    ("Common", common::COLUMNS),
    ("Exchange: mailboxes and administration", exchange::COLUMNS),
    ("SharePoint and OneDrive", sharepoint::COLUMNS),
    ("Entra: directory and sign-ins", entra::COLUMNS),
    ("Teams", teams::COLUMNS),
    (
        "Data loss prevention, endpoints and labels",
        protection::COLUMNS,
    ),
    (
        "Alerts, mail threats, investigations and quarantine",
        threats::COLUMNS,
    ),
    ("Security & Compliance and eDiscovery", compliance::COLUMNS),
    ("Power BI, Power Platform and Dynamics", power::COLUMNS),
    ("Copilot, Forms, Viva Engage and Planner", apps::COLUMNS),
    (
        "Added: derived values, origin and whole record",
        added::TRAILING,
    ),
];

const fn count(areas: &[(&str, &[Column])]) -> usize {
    let (mut total, mut area) = (0, 0);
    while area < areas.len() {
        total += areas[area].1.len();
        area += 1;
    }
    total
}

const fn concat<const N: usize>(areas: &[(&str, &[Column])]) -> [Column; N] {
    let mut columns = [Column::added("", ColumnType::Text, ""); N];
    let (mut next, mut area) = (0, 0);
    while area < areas.len() {
        let mut column = 0;
        while column < areas[area].1.len() {
            columns[next] = areas[area].1[column];
            next += 1;
            column += 1;
        }
        area += 1;
    }
    columns
}

static AUDIT_COLUMNS: [Column; count(AREAS)] = concat(AREAS);

/// The audit records, one row each.
pub static M365_AUDIT: Table = Table {
    name: "m365_audit",
    description: "Every record of the Microsoft 365 unified audit log, whatever its workload. The typed columns and `extra` together hold the whole record but for the annotations that Microsoft Graph adds to it (`@odata.type`); `raw` holds it byte for byte.",
    columns: &AUDIT_COLUMNS,
    partition_by: Some("event_date"),
};

/// The coverage ledger.
pub static M365_CONTENT: Table = Table {
    name: "m365_content",
    description: "The coverage ledger: one row for each state that a content blob or export file reached. For each stored input, `held` is `records` + `duplicates` + `rejects`.",
    columns: content::COLUMNS,
    partition_by: None,
};

/// What could not become a record.
pub static M365_REJECTS: Table = Table {
    name: "m365_rejects",
    description: "Input that is no record, kept with its bytes and the reason.",
    columns: rejects::COLUMNS,
    partition_by: None,
};

/// The three tables of a tenant.
pub fn tables() -> [&'static Table; 3] {
    [&M365_AUDIT, &M365_CONTENT, &M365_REJECTS]
}
