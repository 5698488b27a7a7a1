//! The small documents of a lake: whether the newest version of each can be read.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::Finding;
use crate::document::DocumentKind;
use crate::error::Result;
use crate::{Lake, TenantId};

/// Checks the networks of the lake, and integrations and watches of these tenants. What is in the latter others know; that
/// it is an object of JSON can be told here.
pub(super) async fn check(
    lake: &Lake,
    tenants: &[TenantId],
    findings: &mut Vec<Finding>,
) -> Result<()> {
    if let Err(error) = lake.internal_networks().await {
        findings.push(lake.finding(error).await?);
    }
    for &tenant in tenants {
        for kind in DocumentKind::ALL {
            let names = match lake.documents(tenant, kind).names().await {
                Ok(names) => names,
                Err(error) => {
                    findings.push(lake.finding(error).await?);
                    continue;
                }
            };
            for name in names {
                if let Err(error) = read(lake, tenant, kind, &name).await {
                    findings.push(lake.finding(error).await?);
                }
            }
        }
    }
    Ok(())
}

async fn read(lake: &Lake, tenant: TenantId, kind: DocumentKind, name: &str) -> Result<()> {
    let Some(document) = lake.documents(tenant, kind).latest(name).await? else {
        return Ok(());
    };
    let read: serde_json::Result<BTreeMap<String, IgnoredAny>> =
        serde_json::from_slice(&document.content);
    read.map(|_| ()).map_err(|error| document.corrupt(error))
}
