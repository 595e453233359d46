//! What `--help` prints: a page for the program and one for each command.
//!
//! The pages are plain text, and tests hold them against the parser: it knows every option that stands here, and every
//! default is what the parser takes where the option is not given.

/// One page of help.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    command: &'static str,
    text: &'static str,
}

impl Page {
    /// The page of the model of that name.
    pub(crate) fn of(self, model: &str) -> String {
        self.text.replace("{model}", model)
    }

    /// The arguments that print it.
    pub(super) fn help(self) -> String {
        format!("{} --help", self.command).trim_start().to_owned()
    }

    /// The options that the page names, `--help` included.
    pub(super) fn options(self) -> impl Iterator<Item = &'static str> {
        let words = self.text.split(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
        words.filter(|word| word.starts_with("--"))
    }
}

pub(crate) const PROGRAM: Page = Page {
    command: "",
    text: "\
One concurrency model as a server and as a client

Usage: {model} <COMMAND>

Commands:
  serve  Serve until SIGTERM; prints `listening ADDRESS` and nothing else
  fetch  Fetch URLs; prints one JSON line per fetch, in order, and a summary line
  idiom  Run a scheduling idiom on this model's own timers; prints one JSON line
  help   Print this page, or that of a command

Options:
  -h, --help  Print help

Exit status: 0 done (serve: after SIGTERM), 1 failed, 2 called wrongly.
",
};

pub(super) const SERVE: Page = Page {
    command: "serve",
    text: "\
Serve until SIGTERM; prints `listening ADDRESS` and nothing else

Usage: {model} serve [OPTIONS] --service <SERVICE>

Options:
      --listen <ADDRESS>
          Address to listen on; port 0 lets the system choose [default: 127.0.0.1:0]
      --service <SERVICE>
          What to serve
          - echo: every byte comes back
          - http: HTTP/1.1: /, /bytes/N, /wait/MS, /block/MS, /compute/N, /panic
      --workers <N>
          Workers (threads, processes or loops); without it what the model's README says
      --blocking-threads <N>
          Most threads of the pool that blocking calls and computing are offloaded to
          [default: 128]
      --block <BLOCK>
          Where blocking calls and computing run; a model with a thread of its own for
          each connection has no choice [default: offload]
          - inline: on the thread that runs the connection, whoever else waits for it
          - offload: on the model's pool
      --backlog <N>
          Connections that the kernel completes ahead of accept; it caps this at
          net.core.somaxconn [default: 4096]
      --processes <N>
          Processes, forked before anything else starts, each with a listener of its own
          on the one port; event-driven models alone take more than one [default: 1]
      --burn <ITERATIONS>
          Calibration: iterations of extra work for each request, about a nanosecond each
          [default: 0]
      --head-timeout <MS>
          Milliseconds in which a request's head must be complete, from its first byte
          [default: 5000]
      --die-with-parent
          End at once when the parent process ends, so that a killed harness leaves no
          server behind
  -h, --help
          Print help

Example:
  c10k serve {model} --listen 127.0.0.1:8080 --service http --workers 2
",
};

pub(super) const FETCH: Page = Page {
    command: "fetch",
    text: "\
Fetch URLs; prints one JSON line per fetch, in order, and a summary line

Usage: {model} fetch [--concurrency <N>] <URL>...
       {model} fetch --scenario <SCENARIO> --server <ADDRESS>

Arguments:
  <URL>...
          `http://HOST:PORT/PATH` or `echo://HOST:PORT/TEXT`

Options:
      --concurrency <N>
          Most fetches at once; those of a scenario all are [default: 10]
      --scenario <SCENARIO>
          A named set of fetches, all at once
          - three-urls: three different pages, gathered
          - ten-slow-servers: ten answers that take 100 ms each
          - thousand-slow-servers: a thousand of them
      --server <ADDRESS>
          The server of a scenario, such as 127.0.0.1:8080
  -h, --help
          Print help

Examples:
  c10k fetch {model} --concurrency 10 http://127.0.0.1:8080/ echo://127.0.0.1:7/hello
  c10k fetch {model} --scenario ten-slow-servers --server 127.0.0.1:8080

Exit status 0 also when a fetch failed: its line says why, and the summary counts it.
Of a scenario 1 when one failed, since what times it from outside sees no lines.
",
};

pub(super) const IDIOM: Page = Page {
    command: "idiom",
    text: "\
Run a scheduling idiom on this model's own timers; prints one JSON line

Usage: {model} idiom --sleeps <MS,...> <IDIOM>

Arguments:
  <IDIOM>
          Which idiom
          - sequential: one unit of concurrency sleeps them all, one after the other
          - parallel: a unit for each; wait until all have ended
          - chained: a unit for each, each started by the end of the one before
          - timer: as parallel, beside a task that ticks every 10 ms until the last ends

Options:
      --sleeps <MS,...>
          Milliseconds to sleep, one number for each sleep, at most 60000
  -h, --help
          Print help

Example:
  c10k idiom {model} parallel --sleeps 40,30,20
",
};
