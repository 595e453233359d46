//! The rules of the tree that no compiler checks: what DESIGN and ARCHITECTURE promise, one test for each promise.
//!
//! A rule is a function over text or over the graph of packages, so that a bad sample can show that it fails.

#[cfg(test)]
mod graph;
#[cfg(test)]
mod licence;
#[cfg(test)]
mod links;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod models;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tree;

/// Fails with every complaint at once, a line each.
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
