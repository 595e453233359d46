//! Writes a page, for working on the page: `cargo run -p report --example fixture -- OUT.html [quick | RUN...]`.
//!
//! Without a run, that of an invented one.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use record::Run;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(out) = arguments.next() else {
        anyhow::bail!(
            "no file named; give the path of the page to write, outside `report/` and `results/`"
        );
    };
    let rest: Vec<_> = arguments.collect();
    let runs = match rest.as_slice() {
        [] => vec![fixture::run()],
        [which] if which == "quick" => vec![fixture::quick()],
        folders => folders.iter().map(|run| Run::read(run.as_ref())).collect::<Result<_, _>>()?,
    };
    report::write(&runs, None, &report::Extras::default(), out.as_ref())
}
