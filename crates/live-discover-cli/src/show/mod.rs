//! Text for people: tables that fit, and a chart.

mod batches;
mod chart;
mod grid;

pub(crate) use batches::{asks_for_all_columns, grid, plans};
pub(crate) use chart::{Bar, chart};
pub(crate) use grid::{Column, Grid};
