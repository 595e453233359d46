//! A contestant that gets on with all others, but for the one fault that its program's name says: as a server
//! (`another-page`, `another-length`, ...) or as a client (`as-they-end`, `loses-a-failure`, ...).
//!
//! For each way in which interoperation can fail there is a fault that it must catch, and blame on this contestant
//! alone. Everything that the fault does not touch is right: a thread for each connection, and one for each fetch.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitCode, exit};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use contract::{
    ClientStep, Contestant, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, ServeOptions,
    Service, Step, drain,
};

static FAULT: LazyLock<String> = LazyLock::new(|| {
    let program = std::env::args().next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
});

fn fault(name: &str) -> bool {
    *FAULT == name
}

fn main() -> ExitCode {
    contract::run(Contestant { name: "wrong-peer", serve, fetch, idiom, event_driven: false })
}

fn idiom(_: Idiom, _: &[Duration]) -> io::Result<IdiomOutcome> {
    Err(io::ErrorKind::Unsupported.into())
}

fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    contract::announce()?;
    while let Ok((stream, _)) = listener.accept() {
        if fault("dies") {
            exit(7);
        }
        let options = *options;
        thread::spawn(move || answer(stream, &options));
    }
    drain().for_each(thread::sleep);
    if fault("ends-badly") { Err(io::Error::other("out of ideas")) } else { Ok(()) }
}

fn answer(mut stream: TcpStream, options: &ServeOptions) -> io::Result<()> {
    let mut service = Service::new(options);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match service.step() {
            Step::Read { .. } => {
                let count = stream.read(&mut buffer)?;
                service.received(&tampered(&buffer[..count]));
            }
            Step::Write => {
                let mut output = service.output().to_vec();
                service.wrote(output.len());
                if fault("another-text") {
                    output[0] ^= 1;
                }
                if fault("half-an-answer") {
                    return stream.write_all(&output[..output.len() / 2]);
                }
                stream.write_all(&output)?;
            }
            Step::Wait(time) | Step::Block(time) => {
                thread::sleep(time);
                service.waited();
            }
            Step::Compute(work) => service.computed(work.run()),
            Step::Shutdown => stream.shutdown(Shutdown::Write)?,
            Step::Close => return Ok(()),
        }
    }
}

/// Requests, as a server with the fault understands them.
fn tampered(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    match FAULT.as_str() {
        "another-page" => text.replace("/bytes/", "/nosuch/").into_bytes(),
        "another-length" => text.replace("/bytes/", "/bytes/1").into_bytes(),
        _ => bytes.to_vec(),
    }
}

fn fetch(exchanges: Vec<Exchange>, concurrency: NonZero<usize>) -> io::Result<Vec<Fetched>> {
    if fault("leaves-a-process") {
        drop(Command::new("sleep").arg("60").spawn());
    }
    if fault("hangs") {
        thread::sleep(Duration::from_mins(1));
    }
    let mut fetched = download_all(exchanges, concurrency);
    if !fault("as-they-end") {
        fetched.sort_by_key(|(place, _)| *place);
    }
    let mut fetched: Vec<Fetched> = fetched.into_iter().map(|(_, one)| one).collect();
    if fault("loses-a-failure") {
        fetched.retain(|one| one.error.is_none());
    }
    if fault("hides-a-failure") {
        for one in &mut fetched {
            one.error = None;
        }
    }
    if fault("mixes-them-up") {
        let (first, second) = (fetched[0].body_bytes, fetched[1].body_bytes);
        (fetched[0].body_bytes, fetched[1].body_bytes) = (second, first);
    }
    if fault("says-it-twice") {
        fetched.insert(1, fetched[0].clone());
    }
    if fault("stops-at-a-failure") && fetched.iter().any(|one| one.error.is_some()) {
        return Err(io::Error::other("one has failed"));
    }
    Ok(fetched)
}

/// In the order in which they end, with their places in the list.
fn download_all(exchanges: Vec<Exchange>, concurrency: NonZero<usize>) -> Vec<(usize, Fetched)> {
    let total = exchanges.len();
    let (end, ends) = mpsc::channel();
    let mut fetched = Vec::with_capacity(total);
    for (place, exchange) in exchanges.into_iter().enumerate() {
        if place >= concurrency.get() {
            fetched.extend(ends.recv());
        }
        let end = end.clone();
        thread::spawn(move || end.send((place, download(exchange))));
    }
    drop(end);
    fetched.extend(ends);
    fetched
}

fn download(mut exchange: Exchange) -> Fetched {
    let result = converse(&mut exchange);
    exchange.finish(result)
}

fn converse(exchange: &mut Exchange) -> io::Result<()> {
    let mut stream = TcpStream::connect(exchange.connect_to())?;
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match exchange.step() {
            ClientStep::Write => {
                let count = stream.write(exchange.output())?;
                exchange.wrote(count);
            }
            ClientStep::Read => {
                let count = stream.read(&mut buffer)?;
                exchange.received(&buffer[..count]);
            }
            ClientStep::Done => return Ok(()),
        }
    }
}
