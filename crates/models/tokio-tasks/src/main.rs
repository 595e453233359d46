//! Contestant `tokio-tasks`.
fn main() {}
