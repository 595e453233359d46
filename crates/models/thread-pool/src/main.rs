//! Contestant `thread-pool`.
fn main() {}
