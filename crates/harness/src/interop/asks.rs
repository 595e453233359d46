//! What a client is asked to fetch, and whether what it reports is right.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use contract::{Fetched, READ_SIZE};
use serde::Deserialize;

use super::Claim;
use super::failing::Failing;
use crate::client::{Job, Ran, run};
use crate::plan::Service;

/// One URL of the list, and what must come of it.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) url: String,
    claim: Claim,
    /// Status and length of the answer; none where the fetch must fail.
    answer: Option<(Option<u16>, u64)>,
}

/// Some URLs for each server, those of one beside each other, and the servers that fail in the midst of them.
///
/// No two URLs are the same, so a result belongs to one of them wherever it stands. The first of a server takes longer
/// than those behind it: whoever reports in the order of the ends reports in another order than was asked.
pub(super) fn list<'a>(
    service: Service,
    servers: impl Iterator<Item = (&'a str, SocketAddr)>,
    failing: &Failing,
) -> Vec<Ask> {
    let of_server = |(index, (model, address)): (usize, (&str, SocketAddr))| {
        let right = match service {
            Service::Http => pages(index, address),
            Service::Echo => echoes(index, address),
        };
        right.map(|(url, answer)| Ask {
            url,
            claim: Claim::Server(model.into()),
            answer: Some(answer),
        })
    };
    let mut asks: Vec<Ask> = servers.enumerate().flat_map(of_server).collect();
    let fails = |claim, address: SocketAddr| {
        let url = match service {
            Service::Http => format!("http://{address}/"),
            Service::Echo => format!("echo://{address}/hello"),
        };
        Ask { url, claim, answer: None }
    };
    let (third, two_thirds) = (asks.len() / 3, asks.len() - asks.len() / 3);
    asks.insert(two_thirds, fails(Claim::EndsEarly, failing.ends_early()));
    asks.insert(third, fails(Claim::Refuses, failing.refuses()));
    asks
}

type Right = [(String, (Option<u16>, u64)); 3];

/// The second page is longer than one read, and for each server of another length.
fn pages(index: usize, server: SocketAddr) -> Right {
    let page =
        |path: &str, length: usize| (format!("http://{server}{path}"), (Some(200), number(length)));
    let long = 3 * READ_SIZE + index;
    [
        page("/wait/30", "waited\n".len()),
        page(&format!("/bytes/{long}"), long),
        page("/", "hello, world\n".len()),
    ]
}

/// The client compares what comes back: the first text is longer than one read, and no two pieces of it look alike.
fn echoes(index: usize, server: SocketAddr) -> Right {
    let echo = |text: &str| (format!("echo://{server}/{text}"), (None, number(text.len())));
    [echo(&noise(READ_SIZE + 1000 + index)), echo("hello"), echo(&noise(100))]
}

fn noise(length: usize) -> String {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + state.to_le_bytes()[3] % 26)
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// For each claim why it does not hold, or nothing where it does.
pub(super) fn judge(asks: &[Ask], ran: Ran) -> Vec<(Claim, Option<String>)> {
    let printed = Printed::read(&ran.stdout);
    let mut claims: Vec<(Claim, Option<String>)> = Vec::new();
    for ask in asks {
        let failure = wrong(ask, &printed);
        match claims.iter_mut().find(|(claim, _)| *claim == ask.claim) {
            Some((_, first)) => *first = first.take().or(failure),
            None => claims.push((ask.claim.clone(), failure)),
        }
    }
    claims.push((Claim::Results, ran.trouble.or_else(|| out_of_order(asks, &printed))));
    claims
}

/// At once; fewer than the URLs, so that a fetch that fails must make room for the next.
const CONCURRENCY: &str = "8";

/// Fetches them all in one run of the client.
pub(super) fn fetch(program: &Path, asks: &[Ask], patience: Duration) -> Ran {
    let fixed = ["fetch", "--concurrency", CONCURRENCY].map(str::to_owned);
    let args = fixed.into_iter().chain(asks.iter().map(|ask| ask.url.clone())).collect();
    run(&Job { program, args, cpus: &[], patience })
}

/// What a client wrote: a line for each result, and a last one with their sum.
#[derive(Default)]
struct Printed {
    results: Vec<Fetched>,
    summary: Option<Summary>,
    /// A line that is neither.
    nonsense: Option<String>,
}

#[derive(Deserialize)]
struct SummaryLine {
    summary: Summary,
}

#[derive(Deserialize, PartialEq, Eq)]
struct Summary {
    fetched: usize,
    failed: usize,
}

impl Printed {
    fn read(stdout: &str) -> Self {
        let mut printed = Self::default();
        for line in stdout.lines() {
            if let Ok(result) = Fetched::from_line(line) {
                printed.results.push(result);
            } else if let Ok(SummaryLine { summary }) = serde_json::from_str(line) {
                printed.summary = Some(summary);
            } else {
                printed.nonsense.get_or_insert_with(|| line.into());
            }
        }
        printed
    }
}

/// Why the result of one URL is wrong, wherever it stands.
fn wrong(ask: &Ask, printed: &Printed) -> Option<String> {
    let url = cut(&ask.url);
    let Some(result) = printed.results.iter().find(|result| result.url == ask.url) else {
        return Some(match printed.results.as_slice() {
            [] => "the client gave no result at all".into(),
            _ => format!("no result for `{url}`"),
        });
    };
    let got = (result.status, result.body_bytes);
    match (&result.error, ask.answer) {
        (None, Some(due)) if got == due => None,
        (None, Some(due)) => {
            Some(format!("`{url}` gave {}, where {} was due", words(got), words(due)))
        }
        (None, None) => Some(format!("`{url}` cannot be fetched, and was: {}", words(got))),
        (Some(error), Some(_)) => Some(format!("`{url}` failed: {error}")),
        (Some(_), None) => None,
    }
}

fn words((status, body_bytes): (Option<u16>, u64)) -> String {
    match status {
        Some(status) => format!("status {status} with {body_bytes} bytes"),
        None => format!("{body_bytes} bytes"),
    }
}

/// Why the results are not one for each URL, in their order, and then their sum.
fn out_of_order(asks: &[Ask], printed: &Printed) -> Option<String> {
    if let Some(line) = &printed.nonsense {
        return Some(format!("a line is no result: `{}`", cut(line)));
    }
    if printed.results.len() != asks.len() {
        return Some(format!("{} results for {} URLs", printed.results.len(), asks.len()));
    }
    let mut pairs = asks.iter().zip(&printed.results).enumerate();
    if let Some((place, (ask, result))) = pairs.find(|(_, (ask, result))| ask.url != result.url) {
        let (is, due) = (cut(&result.url), cut(&ask.url));
        return Some(format!("result {} is that of `{is}`, where `{due}` was due", place + 1));
    }
    let failed = printed.results.iter().filter(|result| result.error.is_some()).count();
    let due = Summary { fetched: printed.results.len() - failed, failed };
    match &printed.summary {
        Some(summary) if *summary == due => None,
        Some(Summary { fetched, failed }) => Some(format!(
            "its summary counts {fetched} fetched and {failed} failed, its results {} and {}",
            due.fetched, due.failed
        )),
        None => Some("the summary is missing".into()),
    }
}

/// An echo's text is long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "127.0.0.1:1";

    /// A list over one server, and what a client prints that is right about it.
    fn right() -> (Vec<Ask>, Vec<String>) {
        let servers = [("model", SERVER.parse().unwrap())];
        let asks = list(Service::Http, servers.into_iter(), &Failing::open().unwrap());
        let lines = asks.iter().map(|ask| {
            let mut result = Fetched { url: ask.url.clone(), ..Fetched::default() };
            match ask.answer {
                Some((status, body_bytes)) => {
                    (result.status, result.body_bytes) = (status, body_bytes);
                }
                None => result.error = Some("refused".into()),
            }
            result.to_line().unwrap()
        });
        let summary = r#"{"summary":{"fetched":3,"failed":2,"wall_us":1}}"#.to_owned();
        let lines = lines.chain([summary]).collect();
        (asks, lines)
    }

    /// Columns that fail, and why.
    fn failures(asks: &[Ask], lines: &[String]) -> Vec<(String, String)> {
        let ran = Ran { stdout: lines.join("\n"), trouble: None };
        let claims = judge(asks, ran).into_iter();
        claims.filter_map(|(claim, failure)| Some((claim.name().to_owned(), failure?))).collect()
    }

    #[test]
    fn what_is_right_is_right_in_every_column() {
        let (asks, lines) = right();
        assert_eq!(failures(&asks, &lines), []);
        let claims = judge(&asks, Ran { stdout: lines.join("\n"), trouble: None });
        let names: Vec<&str> = claims.iter().map(|(claim, _)| claim.name()).collect();
        assert_eq!(names, ["model", "refuses", "ends-early", "results"]);
    }

    #[test]
    fn the_failing_servers_stand_in_the_midst() {
        let (asks, _) = right();
        let fails: Vec<bool> = asks.iter().map(|ask| ask.answer.is_none()).collect();
        assert_eq!(fails, [false, true, false, true, false]);
    }

    #[test]
    fn a_result_out_of_its_place_fails_the_order_and_nothing_else() {
        let (asks, mut lines) = right();
        lines.swap(0, 4);
        let found = failures(&asks, &lines);
        let [(column, why)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(column, "results");
        assert!(why.starts_with("result 1 "), "{why}");
    }

    #[test]
    fn a_summary_that_is_missing_or_disagrees_is_found_and_so_is_nonsense() {
        let (asks, lines) = right();
        for (line, word) in [
            (None, "missing"),
            (Some(r#"{"summary":{"fetched":4,"failed":1}}"#), "counts 4 fetched"),
            (Some("hello"), "`hello`"),
        ] {
            let mut lines = lines[..5].to_vec();
            lines.extend(line.map(str::to_owned));
            let found = failures(&asks, &lines);
            let [(column, why)] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(column, "results");
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn trouble_at_the_end_counts_though_the_results_are_right() {
        let (asks, lines) = right();
        let ran = Ran { stdout: lines.join("\n"), trouble: Some("status 1".into()) };
        let failed: Vec<_> =
            judge(&asks, ran).into_iter().filter(|(_, failure)| failure.is_some()).collect();
        assert_eq!(failed, [(Claim::Results, Some("status 1".into()))]);
    }
}
