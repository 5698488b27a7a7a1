//! Tests of the schema's definitions as its users see them.

mod codes;
mod columns;
mod coverage;
mod decisions;
mod docs;
mod views;
