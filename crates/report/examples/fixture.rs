//! Writes the page of an invented run, for working on the page: `cargo run -p report --example fixture -- OUT.html [quick]`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(out) = arguments.next() else {
        anyhow::bail!(
            "no file named; give the path of the page to write, outside `report/` and `results/`"
        );
    };
    let run = if arguments.next().is_some_and(|which| which == "quick") {
        fixture::quick()
    } else {
        fixture::run()
    };
    report::write(&[run], out.as_ref())
}
