//! The engine from outside, over small lakes.

mod fixture;
mod guard;
mod limits;
mod names;
mod output;
mod pruning;
mod slt;
mod tenants;
