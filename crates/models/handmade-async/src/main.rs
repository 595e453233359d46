//! Contestant `handmade-async`: see its README.

mod client;
mod executor;
mod join;
mod net;
mod reactor;
mod server;
mod sync;
mod tasks;
mod timer;

fn main() -> std::process::ExitCode {
    contract::run(contract::Contestant {
        name: env!("CARGO_PKG_NAME"),
        serve: server::serve,
        fetch: client::fetch,
        idiom: client::idiom,
        event_driven: true,
    })
}
