//! Contestant `mio-loop`.
fn main() {}
