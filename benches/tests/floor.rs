//! The floor's two binaries over real sockets.

use std::path::Path;
use std::process::Command;

use benches::live;
use harness::contestant::End;

/// What the floor's generator counts: requests, bytes, bytes of one answer.
fn load(address: std::net::SocketAddr, connections: u64, requests: u64) -> (u64, u64, u64) {
    let output = Command::new(env!("CARGO_BIN_EXE_floor-load"))
        .arg(address.to_string())
        .args(["--connections", &connections.to_string(), "--requests", &requests.to_string()])
        .output()
        .expect("it was built with this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("it prints one JSON line");
    let number = |field: &str| line[field].as_u64().expect("every field is a count");
    (number("requests"), number("bytes"), number("answer_bytes"))
}

fn server() -> harness::contestant::Contestant {
    live::start(Path::new(env!("CARGO_BIN_EXE_floor-server")), &[], &[])
}

#[test]
fn ten_thousand_connections_are_held_and_every_request_is_answered() {
    // On a machine that allows fewer descriptors, as many as it allows.
    let (_, hard) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let connections = hard.saturating_sub(64).min(10_000);
    let server = server();
    // Each connection sends once before any sends twice.
    let asked = connections + 5_000;
    let (requests, bytes, answer_bytes) = load(server.address(), connections, asked);
    assert_eq!(requests, asked);
    assert_eq!(bytes, asked * answer_bytes);
    let stopped = server.stop();
    assert_eq!(stopped.end, Some(End::Exited(0)), "{}", stopped.last_words);
    // The generator's first connection asks once, to learn how long an answer is.
    assert!(
        stopped.last_words.contains(&format!("requests {}", asked + 1)),
        "{}",
        stopped.last_words
    );
}

#[test]
fn the_generator_ends_when_the_server_does() {
    let server = server();
    let address = server.address();
    let mut load = benches::floor::load::Load::open(address, "/", 10).unwrap();
    let counted = load.run(benches::floor::load::Until::Requests(3)).unwrap();
    assert_eq!(counted.requests, 3, "fewer requests than connections");
    drop(server);
    assert!(load.run(benches::floor::load::Until::Requests(100)).is_err());
}
