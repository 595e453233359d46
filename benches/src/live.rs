//! Servers as processes of their own, for benches and tests: dropped is killed and reaped.

use std::path::Path;
use std::time::Duration;

use harness::contestant::{Contestant, Launch};

/// Starting is milliseconds; on a machine that also compiles it may be seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a server that announces its address as a contestant does, on these CPUs (none for all).
///
/// It ends with this process, also by Ctrl-C, which calls no destructor.
///
/// # Panics
/// When it does not start, with its last words.
#[must_use]
pub fn start(program: &Path, args: &[&str], cpus: &[usize]) -> Contestant {
    let launch = Launch {
        program: program.to_path_buf(),
        user: None,
        args: args.iter().chain(&["--die-with-parent"]).map(ToString::to_string).collect(),
        cpus: cpus.to_vec(),
        announce_within: PATIENCE,
        stop_within: PATIENCE,
    };
    let name = program.display();
    Contestant::start(&launch, || {}, || false).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// True when criterion only tries the benches out, as `cargo test` has it: then the parameters are small.
#[must_use]
pub fn smoke() -> bool {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    given("--test") || !given("--bench")
}
