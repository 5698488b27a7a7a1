//! The lake from outside: on a store in memory and on a folder.

mod commits;
mod lakes;
mod places;
