use std::os::unix::ffi::OsStringExt as _;

use super::*;
use crate::args::choice::Choice;
use crate::args::{Block, Workers};
use crate::client::Scenario;
use crate::idiom::IdiomOutcome;

fn contestant(event_driven: bool) -> Contestant {
    Contestant {
        name: "model",
        serve: |_, _| Ok(()),
        fetch: |_, _| Ok(Vec::new()),
        idiom: |_, _| Ok(IdiomOutcome::default()),
        event_driven,
    }
}

/// What a line, divided at its blanks, asks of an event-driven model.
fn asked(line: &str) -> Result<Asked, String> {
    parse(line.split_whitespace().map(OsString::from), &contestant(true))
}

fn serving(line: &str) -> ServeOptions {
    match asked(line) {
        Ok(Asked::Serve(options)) => options,
        other => panic!("{line}: {other:?}"),
    }
}

fn fetching(line: &str) -> FetchOptions {
    match asked(line) {
        Ok(Asked::Fetch(options)) => options,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn serve_has_its_defaults() {
    assert_eq!(serving("serve --service http"), ServeOptions::new(Protocol::Http));
    assert_eq!(serving("serve --service echo"), ServeOptions::new(Protocol::Echo));
}

#[test]
fn each_option_of_serve_is_taken_behind_a_blank_and_behind_an_equals_sign() {
    let blank = serving(
        "serve --listen 127.0.0.2:80 --service echo --workers 3 --blocking-threads 4 --block inline \
         --backlog 5 --processes 6 --burn 7 --head-timeout 8 --die-with-parent",
    );
    let equals = serving(
        "serve --listen=127.0.0.2:80 --service=echo --workers=3 --blocking-threads=4 --block=inline \
         --backlog=5 --processes=6 --burn=7 --head-timeout=8 --die-with-parent",
    );
    let count = |number| NonZero::new(number).unwrap();
    let expected = ServeOptions {
        listen: "127.0.0.2:80".parse().unwrap(),
        service: Protocol::Echo,
        workers: NonZero::new(3),
        blocking_threads: count(4),
        block: Block::Inline,
        backlog: 5,
        processes: count(6),
        burn: 7,
        head_timeout: 8,
        die_with_parent: true,
    };
    assert_eq!(blank, expected);
    assert_eq!(equals, expected);
    assert_eq!(blank.workers_or(Workers::Cpus), 3);
}

#[test]
fn the_bounds_themselves_are_within() {
    let most = serving(
        "serve --service http --workers 16000 --blocking-threads 16000 --backlog 2147483647 \
         --processes 256 --burn 10000000000 --head-timeout 86400000",
    );
    assert_eq!(most.workers_or(Workers::Cpus), MOST_THREADS);
    assert_eq!(most.processes.get(), MAX_PROCESSES);
    let least = serving("serve --service http --workers 1 --backlog 1 --burn 0 --head-timeout 0");
    assert_eq!((least.workers, least.backlog), (NonZero::new(1), 1));
}

#[test]
fn fetch_takes_urls_or_a_scenario() {
    let urls = fetching("fetch http://127.0.0.1:80/ --concurrency 3 echo://127.0.0.1:7/hi");
    let expected =
        ["http://127.0.0.1:80/", "echo://127.0.0.1:7/hi"].map(|url| url.parse().unwrap());
    assert_eq!(urls.what, Fetches::Urls(expected.to_vec()));
    assert_eq!(urls.concurrency.get(), 3);
    assert_eq!(fetching("fetch echo://127.0.0.1:7").concurrency.get(), 10);
    let scenario = fetching("fetch --scenario ten-slow-servers --server 127.0.0.1:80").what;
    let server = "127.0.0.1:80".parse().unwrap();
    assert_eq!(scenario, Fetches::Scenario(Scenario::TenSlowServers, server));
}

#[test]
fn idiom_takes_its_sleeps_before_and_behind_its_name() {
    for line in ["idiom timer --sleeps 40,0,60000", "idiom --sleeps=40,0,60000 timer"] {
        let expected = IdiomOptions { idiom: Idiom::Timer, sleeps: vec![40, 0, 60_000] };
        assert_eq!(asked(line).unwrap(), Asked::Idiom(expected), "{line}");
    }
}

#[test]
fn every_word_of_a_choice_is_taken() {
    for (idiom, word) in Idiom::WORDS {
        let expected = IdiomOptions { idiom: *idiom, sleeps: vec![1] };
        assert_eq!(asked(&format!("idiom {word} --sleeps 1")).unwrap(), Asked::Idiom(expected));
        assert_eq!(idiom.word(), Some(*word));
    }
    let what = |word: &str| fetching(&format!("fetch --scenario {word} --server [::1]:1")).what;
    for (scenario, word) in Scenario::WORDS {
        assert_eq!(what(word), Fetches::Scenario(*scenario, "[::1]:1".parse().unwrap()));
    }
    for (block, word) in Block::WORDS {
        assert_eq!(serving(&format!("serve --service http --block {word}")).block, *block);
    }
}

/// What is wrong, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    ("srve", "unknown command `srve`; did you mean `serve`?"),
    ("go", "unknown command `go`; choose `serve`, `fetch` or `idiom`"),
    ("--version", "unknown option `--version`; see `--help`"),
    ("help me", "unknown command `me`; choose `serve`, `fetch` or `idiom`"),
    ("help --all", "unknown option `--all`; see `--help`"),
    ("serve", "`--service` is missing; choose `echo` or `http`"),
    ("serve --service", "`--service` needs a value; see `serve --help`"),
    ("serve --service= http", "`--service` needs a value; see `serve --help`"),
    ("serve --service ftp", "`--service ftp`: must be `echo` or `http`"),
    ("serve --service http --service echo", "`--service` is given twice; leave one of them out"),
    ("serve http", "`http` is no option; see `serve --help`"),
    ("serve --servic http", "unknown option `--servic`; did you mean `--service`?"),
    ("serve --worker 3", "unknown option `--worker`; did you mean `--workers`?"),
    ("serve --concurrency 3", "unknown option `--concurrency`; see `serve --help`"),
    ("serve -w 3", "unknown option `-w`; see `serve --help`"),
    (
        "serve --listen http",
        "`--listen http`: must be an IP address and a port, such as `127.0.0.1:8080`",
    ),
    ("serve --workers 0", "`--workers 0`: must be at least 1"),
    ("serve --workers x", "`--workers x`: must be a whole number from 1 to 16000"),
    ("serve --workers 1.5", "`--workers 1.5`: must be a whole number from 1 to 16000"),
    ("serve --workers -1", "`--workers -1`: must be a whole number from 1 to 16000"),
    (
        "serve --workers 99999999",
        "`--workers 99999999`: must be at most 16000 (a thread takes 4 of the 65530 memory maps of a process)",
    ),
    (
        "serve --workers 99999999999999999999",
        "`--workers 99999999999999999999`: must be at most 16000 (a thread takes 4 of the 65530 memory maps of a process)",
    ),
    ("serve --blocking-threads 0", "`--blocking-threads 0`: must be at least 1"),
    (
        "serve --blocking-threads=16001",
        "`--blocking-threads 16001`: must be at most 16000 (a thread takes 4 of the 65530 memory maps of a process)",
    ),
    ("serve --block no", "`--block no`: must be `inline` or `offload`"),
    ("serve --backlog 0", "`--backlog 0`: must be at least 1"),
    ("serve --backlog -3000000000", "`--backlog -3000000000`: must be at least 1"),
    ("serve --backlog 2147483648", "`--backlog 2147483648`: must be at most 2147483647"),
    ("serve --processes 0", "`--processes 0`: must be at least 1"),
    ("serve --processes 257", "`--processes 257`: must be at most 256"),
    ("serve --burn 10000000001", "`--burn 10000000001`: must be at most 10000000000"),
    ("serve --head-timeout -1", "`--head-timeout -1`: must be a whole number from 0 to 86400000"),
    (
        "serve --head-timeout 86400001",
        "`--head-timeout 86400001`: must be at most 86400000 (a day)",
    ),
    ("serve --die-with-parent=yes", "`--die-with-parent` takes no value; leave `=yes` out"),
    ("fetch", "nothing to fetch; give a URL, or `--scenario` and `--server`"),
    ("fetch ftp://127.0.0.1/", "unknown scheme `ftp`; use http or echo"),
    ("fetch --concurrency 0", "`--concurrency 0`: must be at least 1"),
    ("fetch --concurrency 1000001", "`--concurrency 1000001`: must be at most 1000000"),
    (
        "fetch --scenario one",
        "`--scenario one`: must be `three-urls`, `ten-slow-servers` or `thousand-slow-servers`",
    ),
    ("fetch --scenario three-urls", "`--scenario` needs a server; add `--server ADDRESS`"),
    ("fetch --server 127.0.0.1:80", "`--server` is a scenario's; add `--scenario` or leave it out"),
    (
        "fetch --server 127.0.0.1:80 --scenario three-urls http://127.0.0.1/",
        "`--scenario` has URLs of its own; leave yours out",
    ),
    (
        "fetch --server three",
        "`--server three`: must be an IP address and a port, such as `127.0.0.1:8080`",
    ),
    ("fetch --servers 1", "unknown option `--servers`; did you mean `--server`?"),
    ("idiom", "no idiom; choose `sequential`, `parallel`, `chained` or `timer`"),
    ("idiom all", "`all`: must be `sequential`, `parallel`, `chained` or `timer`"),
    ("idiom timer", "no sleeps; add them in milliseconds, as in `--sleeps 40,30,20`"),
    ("idiom timer chained", "`chained` is one idiom too many; run one at a time"),
    ("idiom timer --sleeps", "`--sleeps` needs a value; see `idiom --help`"),
    ("idiom timer --sleeps 1,", "`--sleeps 1,`: each must be a whole number from 0 to 60000"),
    ("idiom timer --sleeps 1,60001", "`--sleeps 1,60001`: each must be at most 60000"),
    ("idiom timer --sleep 1", "unknown option `--sleep`; did you mean `--sleeps`?"),
];

#[test]
fn what_is_wrong_is_said_with_its_remedy() {
    for (line, message) in WRONG {
        assert_eq!(asked(line).unwrap_err(), *message, "{line}");
    }
}

#[test]
fn what_is_no_text_is_refused() {
    let odd = OsString::from_vec(b"caf\xe9".to_vec());
    let error = parse(["fetch".into(), odd], &contestant(true)).unwrap_err();
    assert_eq!(error, "`caf\u{fffd}` is not UTF-8; write it anew");
}

#[test]
fn only_an_event_driven_model_takes_more_than_one_process() {
    let line = |count: &str| ["serve", "--service=http", "--processes", count].map(OsString::from);
    let threads = contestant(false);
    assert_eq!(
        parse(line("2"), &threads).unwrap_err(),
        "`--processes 2`: `model` is not event-driven and has no loop to multiply; leave `--processes` out"
    );
    assert_eq!(
        parse(line("1"), &threads).unwrap(),
        Asked::Serve(ServeOptions::new(Protocol::Http))
    );
    assert_eq!(serving("serve --service http --processes 2").processes.get(), 2);
}

#[test]
fn help_is_printed_wherever_it_is_asked_for() {
    for (line, page) in [
        ("--help", PROGRAM),
        ("-h", PROGRAM),
        ("help", PROGRAM),
        ("help help", PROGRAM),
        ("serve --help", SERVE),
        ("serve --workers 3 -h", SERVE),
        ("help serve", SERVE),
        ("fetch --help", FETCH),
        ("help fetch", FETCH),
        ("idiom --help", IDIOM),
        ("help idiom", IDIOM),
    ] {
        assert_eq!(asked(line).unwrap(), Asked::Help(page.of("model")), "{line}");
    }
    assert_eq!(asked("").unwrap(), Asked::Nothing);
}

/// Name, whether it takes a value, and default of each option on a page.
fn described(page: Page) -> Vec<(String, bool, Option<String>)> {
    // Each option's description joined to its line.
    let text = page.of("model").replace("\n          ", " ");
    let lines = text.lines().filter_map(|line| line.strip_prefix("      --"));
    let describe = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap();
        let default =
            rest.split_once("[default: ").map(|(_, rest)| rest.split_once(']').unwrap().0);
        (name.to_owned(), rest.starts_with('<'), default.map(str::to_owned))
    };
    lines.map(describe).collect()
}

#[test]
fn the_pages_describe_what_the_parser_takes() {
    let mut defaults = 0;
    for (page, line) in [
        (SERVE, "serve --service http"),
        (FETCH, "fetch http://127.0.0.1:80/"),
        (IDIOM, "idiom timer"),
    ] {
        let command = line.split(' ').next().unwrap();
        for (name, takes_value, default) in described(page) {
            if takes_value {
                let error = asked(&format!("{command} --{name}")).unwrap_err();
                assert_eq!(error, format!("`--{name}` needs a value; see `{command} --help`"));
            } else {
                assert_eq!(asked(&format!("{line} --{name}")).err(), None, "{name}");
            }
            if let Some(default) = default {
                assert_eq!(
                    asked(&format!("{line} --{name} {default}")).unwrap(),
                    asked(line).unwrap(),
                    "{name}"
                );
                defaults += 1;
            }
        }
    }
    assert_eq!(defaults, 8, "defaults found on the pages");
}

fn all<T: Choice>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(_, word)| *word).collect()
}

#[test]
fn the_pages_name_every_word_of_a_choice_and_the_model() {
    let words = |page: Page| -> Vec<String> {
        let text = page.of("a-model");
        assert!(text.contains("Usage: a-model "), "{text}");
        assert!(!text.contains('{'), "{text}");
        assert!(text.lines().all(|line| line.len() <= 90), "{text}");
        let items = text.lines().filter_map(|line| line.trim_start().strip_prefix("- "));
        items.map(|item| item.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(words(SERVE), [all::<Protocol>(), all::<Block>()].concat());
    assert_eq!(words(FETCH), all::<Scenario>());
    assert_eq!(words(IDIOM), all::<Idiom>());
    assert_eq!(words(PROGRAM), [""; 0]);
}
