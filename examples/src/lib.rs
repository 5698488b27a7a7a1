//! The programs are in this package's `examples/` folder.

/// The README's Rust, compiled and run with the other examples in documentation.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
