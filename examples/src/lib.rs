//! The programs are in this package's `examples/` folder.
