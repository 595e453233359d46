//! Contestant `thread-per-connection`.
fn main() {}
