//! Rules that change plans, and the steps that they put there: what DataFusion answers otherwise, or takes longer for.
//!
//! In which order they come the engine says.

pub(crate) mod existence;
pub(crate) mod extremes;
pub(crate) mod first_of_each;
pub(crate) mod first_pass;
pub(crate) mod group_parts;
pub(crate) mod grouping_sets;
pub(crate) mod growth;
pub(crate) mod intervals;
pub(crate) mod lists;
pub(crate) mod membership;
pub(crate) mod pushdown;
pub(crate) mod range_count;
pub(crate) mod range_join;
pub(crate) mod regroup;
pub(crate) mod sorted_arrays;
pub(crate) mod times;
pub(crate) mod truth;
