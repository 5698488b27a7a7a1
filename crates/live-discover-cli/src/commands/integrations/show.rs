//! `integrations list` and `integrations show`.

use std::fmt::Write;

use super::super::collect::state_of;
use super::words;
use crate::failure::Failure;
use crate::library::{FeedHealth, Health, Integration, Integrations, TenantId};
use crate::output::{list_width, note, print, stdout_width};
use crate::show::{Column, Grid, wrap};
use crate::units;

pub(super) async fn list(integrations: &Integrations) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut unreadable = 0;
    for (tenant, integration) in integrations.list_each().await? {
        let health = integrations.health::<Health>(tenant).await;
        match integration.and_then(|integration| Ok((integration, health?))) {
            Ok((integration, health)) => rows.push(row(&integration, health.as_ref())),
            Err(error) => {
                unreadable += 1;
                let mut row = vec![Some(tenant.to_string()), None];
                row.extend([Some("unreadable".to_owned()), None, None]);
                row.push(Some(units::printable(&error.to_string()).into_owned()));
                rows.push(row);
            }
        }
    }
    if rows.is_empty() {
        note("no integrations; `integrations add` connects a tenant");
        return Ok(());
    }
    let grid = Grid {
        columns: vec![
            Column::text("tenant"),
            Column::text("name"),
            Column::text("state"),
            Column::text("last record"),
            Column::number("waiting"),
            Column::text("why"),
        ],
        rows,
    };
    print(&grid.without_empty_columns().draw_wrapped(list_width()))?;
    match unreadable {
        0 => Ok(()),
        some => Err(Failure::new(format!(
            "{} cannot be read",
            units::counted(some, "integration", "integrations")
        ))),
    }
}

fn row(integration: &Integration, health: Option<&Health>) -> Vec<Option<String>> {
    let shown = |text: &String| units::printable(text).into_owned();
    let last_record = health.and_then(last_record);
    vec![
        Some(integration.tenant().to_string()),
        integration.config.name.as_ref().map(shown),
        Some(words(integration)),
        last_record.map(minute),
        health.map(|health| units::count(health.backlog())),
        integration.state.reason.as_ref().map(shown),
    ]
}

/// A time without its seconds: several stand side by side.
fn minute(micros: i64) -> String {
    let text = units::time(micros);
    text.get(..16).unwrap_or(&text).to_owned()
}

fn last_record(health: &Health) -> Option<i64> {
    let feeds = health.content_types.values();
    feeds.filter_map(|feed| feed.last_record_micros).max()
}

pub(super) async fn show(integrations: &Integrations, tenant: TenantId) -> Result<(), Failure> {
    let integration = integrations.get(tenant).await?;
    let health: Option<Health> = integrations.health(tenant).await?;
    let mut text = described(&integration);
    let Some(health) = health else {
        text += "\nnothing was collected yet\n";
        return print(&text);
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\nas seen at {} UTC\n", units::time(health.at_micros));
    let feeds = health.content_types.iter();
    let grid = Grid {
        columns: vec![
            Column::text("content type"),
            Column::text("state"),
            Column::text("last listing"),
            Column::text("last blob"),
            Column::text("last record"),
            Column::number("waiting"),
            Column::number("lost"),
            Column::text("what is wrong"),
        ],
        rows: feeds
            .map(|(content_type, feed)| feed_row(content_type, &health, feed))
            .collect(),
    };
    let width = stdout_width();
    text += &grid.without_empty_columns().draw_wrapped(width);
    for (content_type, stop) in health.stops() {
        let (what, since) = (
            content_type.unwrap_or("everything"),
            units::time(stop.since_micros),
        );
        let message = format!(
            "{what}, since {since} UTC: {}",
            units::printable(&stop.message)
        );
        let _ = write!(text, "\n{}\n", wrap(&message, width));
    }
    print(&text)
}

fn described(integration: &Integration) -> String {
    let config = &integration.config;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<15}{}", units::printable(value));
    };
    line("tenant", &config.tenant.to_string());
    if let Some(name) = &config.name {
        line("name", name);
    }
    line("state", &words(integration));
    line(
        "since",
        &format!("{} UTC", units::time(integration.state.since_micros)),
    );
    if let Some(reason) = &integration.state.reason {
        line("why", reason);
    }
    line(
        "added",
        &format!("{} UTC", units::time(integration.added_micros)),
    );
    line("client id", &config.client_id.to_string());
    line("publisher id", &config.publisher_id.to_string());
    line("cloud", config.cloud.name());
    line("api", config.cloud.management_root().as_str());
    line("login", config.cloud.login_root().as_str());
    let content_types: Vec<&str> = (config.content_types.iter())
        .map(|content_type| content_type.as_str())
        .collect();
    line("content types", &content_types.join(", "));
    line("late hours", &config.late_hours.to_string());
    text
}

fn feed_row(content_type: &str, health: &Health, feed: &FeedHealth) -> Vec<Option<String>> {
    let (state, remark) = state_of(health, feed);
    vec![
        Some(content_type.to_owned()),
        Some(state.to_owned()),
        feed.last_listing_micros.map(minute),
        feed.last_blob_micros.map(minute),
        feed.last_record_micros.map(minute),
        Some(units::count(feed.backlog)),
        (feed.lost_blobs > 0).then(|| units::count(feed.lost_blobs)),
        remark.map(|remark| units::printable(&remark).into_owned()),
    ]
}
