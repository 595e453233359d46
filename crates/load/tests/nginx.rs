//! The generator's count against nginx's own: nobody's arithmetic but the server's.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use load::{Event, Load, Stop, Target, Until};

/// A server of the test's own; ended and reaped when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn config(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
         events {{ worker_connections 4096; }}
         http {{
           access_log off; keepalive_requests 1000000000;
           client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
           uwsgi_temp_path {folder}; scgi_temp_path {folder};
           server {{
             listen {address} backlog=4096;
             location / {{ return 200 'hello from nginx'; }}
             location /status {{ stub_status; }}
           }}
         }}"
    )
}

fn start() -> Nginx {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Free a moment ago: nginx does not announce a port that it chose itself.
    let address =
        TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, config(folder.path(), address)).expect("a configuration");
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("nginx is not here; install it with apt-get install nginx");
    let child = Command::new(program)
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx starts");
    let nginx = Nginx { child, address, _folder: folder };
    let patience = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < patience, "nginx does not listen after ten seconds");
        std::thread::sleep(Duration::from_millis(10));
    }
    nginx
}

/// All requests that nginx has answered, this question included.
fn answered(address: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(address).expect("nginx listens");
    stream
        .write_all(b"GET /status HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .expect("nginx reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("nginx answers");
    let line = text.lines().skip_while(|line| !line.starts_with("server accepts")).nth(1);
    let counts = line.expect("the status has its counts").split_whitespace();
    counts.last().and_then(|count| count.parse().ok()).expect("the last count is that of requests")
}

#[test]
#[ignore = "needs nginx"]
fn nginx_has_answered_as_many_requests_as_the_generator_has_sent() {
    let nginx = start();
    for (connections, pipeline) in [(1, 1), (200, 1), (100, 4)] {
        let before = answered(nginx.address);
        let target = Target::parse(&format!("http://{}/", nginx.address)).expect("a target");
        let load = Load {
            until: Until::Duration(Duration::from_millis(500)),
            pipeline,
            ..Load::new(target, connections)
        };
        let outcome = load::run(&load, &mut |_: Event| {}, &Stop::new())
            .unwrap_or_else(|error| panic!("the load runs: {error}"));
        // The question counts itself.
        let counted = answered(nginx.address) - before - 1;
        assert_eq!(
            counted, outcome.requests_sent,
            "{connections} connections, pipeline {pipeline}"
        );
        assert!(outcome.requests > 0);
        assert_eq!(outcome.errors_total(), 0, "{:?}", outcome.errors);
    }
}
