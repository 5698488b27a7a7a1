//! Shared settings of the benchmarks.
