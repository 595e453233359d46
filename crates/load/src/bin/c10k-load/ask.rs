//! The part of the command line that says what is asked over HTTP, and what a right answer is.

use std::path::Path;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use load::{Alternative, Body, Expect, Load, Request};

#[derive(Debug, Args)]
#[command(next_help_heading = "HTTP")]
pub(crate) struct Ask {
    /// Another path, asked for in turn with the URL's and verified against an answer of its own; may be repeated.
    /// Answers that differ show their order, which with --pipeline may be wrong
    #[arg(long = "path", value_name = "/PATH")]
    paths: Vec<String>,

    /// Method of the request; answers to HEAD have no body
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    method: String,

    /// A header field of the request, such as 'Accept: text/plain'; may be repeated
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = field)]
    headers: Vec<(String, String)>,

    /// Body of the request, or @FILE
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,

    /// What a right answer is: status, type and body of the first one, or the status alone
    #[arg(long, value_enum, default_value_t = Verify::Body)]
    verify: Verify,

    /// Status of a right answer; its body may then be any [default: that of the first answer, 200 to 299]
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(200..=999))]
    expect_status: Option<u16>,

    /// A header field that a right answer has, such as 'Cache-Control: no-store'; may be repeated
    #[arg(long = "expect-header", value_name = "FIELD", value_parser = field)]
    expect_headers: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Verify {
    Body,
    Status,
}

impl Ask {
    /// Adds what is asked to a load.
    pub(crate) fn apply(&self, load: &mut Load) -> anyhow::Result<()> {
        load.request = Request {
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: self.body.as_deref().map(body).transpose()?.unwrap_or_default(),
        };
        let any_body = self.verify == Verify::Status || self.expect_status.is_some();
        load.expect = any_body.then_some(Expect { status: self.expect_status, body: Body::Any });
        load.expect_headers.clone_from(&self.expect_headers);
        let expect = &load.expect;
        let other = |path: &String| Alternative { path: path.clone(), expect: expect.clone() };
        load.alternatives = self.paths.iter().map(other).collect();
        Ok(())
    }
}

fn body(text: &str) -> anyhow::Result<Vec<u8>> {
    let Some(file) = text.strip_prefix('@') else { return Ok(text.into()) };
    std::fs::read(Path::new(file))
        .with_context(|| format!("failed to read `{file}`; give a file that can be read"))
}

fn field(text: &str) -> Result<(String, String), String> {
    let wrong = || "give a name and a value, such as 'Accept: text/plain'".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    if name.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), value.trim().to_owned())) }
}
