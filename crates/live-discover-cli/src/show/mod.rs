//! Text for people: tables that fit, and a chart.

mod batches;
mod chart;
mod grid;
mod wrap;

pub(crate) use batches::{asks_for_all_columns, grid, plans};
pub(crate) use chart::{Bar, chart};
pub(crate) use grid::{Column, ColumnKind, Grid};
pub(crate) use wrap::wrap;
