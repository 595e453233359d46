//! From the words of a command line to what they ask for.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZero;
use std::ops::RangeInclusive;

use super::choice::{any_of, choice, within};
use super::help::{FETCH, IDIOM, PROGRAM, Page, SERVE};
use super::words::{Word, Words, nearest};
use super::{Asked, FetchOptions, Fetches, IdiomOptions, Protocol, ServeOptions};
use crate::fork::MAX_PROCESSES;
use crate::http::MOST_ITERATIONS;
use crate::idiom::Idiom;
use crate::run::Contestant;

/// A thread takes four memory maps, its stack and its signal stack with a guard each, and Linux gives a process 65,530.
/// These leave 1,530 for all else; with more, threads die at their birth.
const MOST_THREADS: usize = 16_000;
const MOST_THREADS_WHY: &str = " (a thread takes 4 of the 65530 memory maps of a process)";
/// A fetch has a descriptor, and `fs.nr_open` gives a process 1,048,576 of them.
const MOST_FETCHES: usize = 1_000_000;
/// A day: no client is slower, and every runtime's timers hold it (epoll's milliseconds end after 24 days).
const LONGEST_HEAD_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1_000;
/// A minute for each: an idiom shows an order, not patience.
const LONGEST_SLEEP_MS: u64 = 60_000;

/// What the words behind the program's name ask of this contestant.
///
/// # Errors
/// What is wrong with them, with the remedy last.
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    contestant: &Contestant,
) -> Result<Asked, String> {
    let model = contestant.name;
    let mut words = Words::new(args, PROGRAM);
    let command = match words.next()? {
        None => return Ok(Asked::Nothing),
        Some(Word::Help) => return Ok(Asked::Help(PROGRAM.of(model))),
        Some(Word::Option(name)) => return Err(words.unknown_option(&name)),
        Some(Word::Free(command)) => command,
    };
    match command.as_str() {
        "serve" => serve(words.of(SERVE), contestant),
        "fetch" => fetch(words.of(FETCH), model),
        "idiom" => idiom(words.of(IDIOM), model),
        "help" => help(words).map(|page| Asked::Help(page.of(model))),
        other => Err(unknown_command(other)),
    }
}

fn help(mut words: Words) -> Result<Page, String> {
    match words.next()? {
        None | Some(Word::Help) => Ok(PROGRAM),
        Some(Word::Option(name)) => Err(words.unknown_option(&name)),
        Some(Word::Free(command)) => match command.as_str() {
            "serve" => Ok(SERVE),
            "fetch" => Ok(FETCH),
            "idiom" => Ok(IDIOM),
            "help" => Ok(PROGRAM),
            other => Err(unknown_command(other)),
        },
    }
}

fn unknown_command(command: &str) -> String {
    let remedy = match nearest(command, ["serve", "fetch", "idiom", "help"].into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "choose `serve`, `fetch` or `idiom`".into(),
    };
    format!("unknown command `{command}`; {remedy}")
}

fn serve(mut words: Words, contestant: &Contestant) -> Result<Asked, String> {
    let mut service = None;
    let mut options = ServeOptions::new(Protocol::Http);
    while let Some(word) = words.next()? {
        let name = match word {
            Word::Help => return Ok(Asked::Help(SERVE.of(contestant.name))),
            Word::Free(word) => return Err(format!("`{word}` is no option; see `serve --help`")),
            Word::Option(name) => name,
        };
        match name.as_str() {
            "listen" => options.listen = words.value(address)?,
            "service" => service = Some(words.value(choice)?),
            "workers" => options.workers = Some(words.value(threads)?),
            "blocking-threads" => options.blocking_threads = words.value(threads)?,
            "block" => options.block = words.value(choice)?,
            "backlog" => options.backlog = words.value(|text| within(text, 1..=i32::MAX, ""))?,
            "processes" => {
                options.processes = words.value(|text| processes(text, contestant))?;
            }
            "burn" => options.burn = words.value(|text| within(text, 0..=MOST_ITERATIONS, ""))?,
            "head-timeout" => {
                let bounds = 0..=LONGEST_HEAD_TIMEOUT_MS;
                options.head_timeout = words.value(|text| within(text, bounds, " (a day)"))?;
            }
            "die-with-parent" => options.die_with_parent = true,
            _ => return Err(words.unknown_option(&name)),
        }
    }
    let missing = || format!("`--service` is missing; choose {}", any_of::<Protocol>());
    options.service = service.ok_or_else(missing)?;
    Ok(Asked::Serve(options))
}

fn threads(text: &str) -> Result<NonZero<usize>, String> {
    within(text, up_to(MOST_THREADS), MOST_THREADS_WHY)
}

fn processes(text: &str, contestant: &Contestant) -> Result<NonZero<usize>, String> {
    let count = within(text, up_to(MAX_PROCESSES), "")?;
    if count.get() > 1 && !contestant.event_driven {
        return Err(format!(
            "`{}` is not event-driven and has no loop to multiply; leave `--processes` out",
            contestant.name
        ));
    }
    Ok(count)
}

/// From one on.
fn up_to(most: usize) -> RangeInclusive<NonZero<usize>> {
    NonZero::<usize>::MIN..=NonZero::new(most).unwrap_or(NonZero::<usize>::MIN)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as `127.0.0.1:8080`".into())
}

fn fetch(mut words: Words, model: &str) -> Result<Asked, String> {
    let mut concurrency = NonZero::new(10).unwrap_or(NonZero::<usize>::MIN);
    let (mut scenario, mut server, mut urls) = (None, None, Vec::new());
    while let Some(word) = words.next()? {
        let name = match word {
            Word::Help => return Ok(Asked::Help(FETCH.of(model))),
            Word::Free(url) => {
                urls.push(url.parse()?);
                continue;
            }
            Word::Option(name) => name,
        };
        match name.as_str() {
            "concurrency" => {
                concurrency = words.value(|text| within(text, up_to(MOST_FETCHES), ""))?;
            }
            "scenario" => scenario = Some(words.value(choice)?),
            "server" => server = Some(words.value(address)?),
            _ => return Err(words.unknown_option(&name)),
        }
    }
    let what = match (scenario, server, urls) {
        (Some(scenario), Some(server), urls) if urls.is_empty() => {
            Fetches::Scenario(scenario, server)
        }
        (Some(_), Some(_), _) => {
            return Err("`--scenario` has URLs of its own; leave yours out".into());
        }
        (Some(_), None, _) => {
            return Err("`--scenario` needs a server; add `--server ADDRESS`".into());
        }
        (None, Some(_), _) => {
            return Err("`--server` is a scenario's; add `--scenario` or leave it out".into());
        }
        (None, None, urls) if urls.is_empty() => {
            return Err("nothing to fetch; give a URL, or `--scenario` and `--server`".into());
        }
        (None, None, urls) => Fetches::Urls(urls),
    };
    Ok(Asked::Fetch(FetchOptions { concurrency, what }))
}

fn idiom(mut words: Words, model: &str) -> Result<Asked, String> {
    let (mut idiom, mut sleeps) = (None, None);
    while let Some(word) = words.next()? {
        match word {
            Word::Help => return Ok(Asked::Help(IDIOM.of(model))),
            Word::Free(word) if idiom.is_some() => {
                return Err(format!("`{word}` is one idiom too many; run one at a time"));
            }
            Word::Free(word) => {
                idiom = Some(choice(&word).map_err(|rule| format!("`{word}`: {rule}"))?);
            }
            Word::Option(name) if name == "sleeps" => sleeps = Some(words.value(list_of_sleeps)?),
            Word::Option(name) => return Err(words.unknown_option(&name)),
        }
    }
    let idiom = idiom.ok_or_else(|| format!("no idiom; choose {}", any_of::<Idiom>()))?;
    let sleeps = sleeps.ok_or("no sleeps; add them in milliseconds, as in `--sleeps 40,30,20`")?;
    Ok(Asked::Idiom(IdiomOptions { idiom, sleeps }))
}

fn list_of_sleeps(text: &str) -> Result<Vec<u64>, String> {
    text.split(',')
        .map(|one| within(one, 0..=LONGEST_SLEEP_MS, ""))
        .collect::<Result<_, _>>()
        .map_err(|rule| format!("each {rule}"))
}

#[cfg(test)]
mod tests;
