//! live-discover
