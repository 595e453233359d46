//! What one more connection costs, by what carries it.

use record::Outcome;
use record::trial::{SetBy, StoppedBy};

use crate::fixture::{MODELS, run_of};
use crate::html::{page, part, text};
use crate::{quiet, three};

#[test]
fn what_a_thread_costs_stands_in_one_row() {
    let mut trials = three(|model, repeat| quiet("sweep", 100, model, repeat));
    trials.extend(three(|model, repeat| quiet("churn", 100, model, repeat)));
    for connections in [100, 1_000, 10_000] {
        trials.extend(three(|model, repeat| quiet("memory", connections, model, repeat)));
        let mut wall = quiet("wall", connections, &MODELS[1], 1);
        if connections == 10_000 {
            wall.outcome = Outcome::Limit;
            wall.stopped_by = Some(StoppedBy { set_by: SetBy::Machine, limit: "nofile".into() });
        }
        trials.push(wall);
    }
    let page = page(run_of(trials));
    let table = part(&page, "<table class=\"prices\"", "</table>");
    let row = |model: &str| {
        table
            .split("<tr")
            .find(|row| text(row).contains(model))
            .unwrap_or_else(|| panic!("{model}"))
    };
    let thread = text(row("thread-per-connection"));
    for said in
        ["one OS thread each", "9.70", "9.20", "10\u{202f}000 refused: nofile, set by the machine"]
    {
        assert!(thread.contains(said), "{said}: {thread}");
    }
    assert!(
        row("thread-per-connection")
            .contains("href=\"#w.wall.http.default.thread-per-connection\"")
    );
    for load in ["sweep", "churn"] {
        let cited = format!("href=\"#v.{load}.http.default.100.mio-loop.cpu\"");
        assert!(row("mio-loop").contains(&cited), "{load}");
    }
    assert!(text(row("mio-loop")).ends_with('–'), "nobody looked how far it goes");
    assert!(!text(table).contains("thread-pool"), "a thread of a pool carries many");
}

#[test]
fn nobody_has_a_price_where_nobody_was_weighed() {
    let page = page(run_of(three(|model, repeat| quiet("sweep", 100, model, repeat))));
    assert!(!page.contains("class=\"prices\""));
}
