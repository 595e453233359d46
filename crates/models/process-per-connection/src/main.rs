//! Contestant `process-per-connection`.
fn main() {}
