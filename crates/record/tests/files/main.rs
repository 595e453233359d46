//! The record from outside: what is written comes back, and what was damaged is said.

// Each is marked as a test, so that its helpers may unwrap.
#[cfg(test)]
mod histogram;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod run;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod schema;
