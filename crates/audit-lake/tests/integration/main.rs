//! The lake from outside: on a store in memory and on a folder.

mod append;
mod commits;
mod faults;
mod lakes;
mod places;
mod records;
