//! Contestant `may-green-threads`: see its README.

mod client;
mod green;
mod server;
mod stream;

fn main() -> std::process::ExitCode {
    contract::run(contract::Contestant {
        name: env!("CARGO_PKG_NAME"),
        serve: server::serve,
        fetch: client::fetch,
        idiom: client::idiom,
        event_driven: true,
    })
}
