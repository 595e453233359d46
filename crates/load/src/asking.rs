//! How HTTP is asked: one request again and again, or several in turn.

use crate::http::{Http, Known, RightAnswer};
use crate::life::Churn;
use crate::options::Load;
use crate::several::Several;

/// The protocol of a load over HTTP. The usual one request pays nothing for the others.
pub(crate) enum Asking {
    One(Http),
    Several(Several),
}

impl Asking {
    /// With what is known of the right answer to each request.
    pub(crate) fn new(load: &Load, host: &str, path: &str, right: Vec<Known>) -> Self {
        let requests = requests(load, host, path).into_iter().zip(right);
        let http = |((_, bytes), known): ((String, Vec<u8>), Known)| {
            Http::new(&bytes, RightAnswer::new(load, known))
        };
        let mut all: Vec<Http> = requests.map(http).collect();
        match (all.pop(), all.is_empty()) {
            (Some(only), true) => Self::One(only),
            (last, _) => Self::Several(Several::new(all.into_iter().chain(last).collect())),
        }
    }
}

/// What is sent, each with its path.
pub(crate) fn requests(load: &Load, host: &str, path: &str) -> Vec<(String, Vec<u8>)> {
    let mut request = load.request.clone();
    if load.churn == Some(Churn::Server) {
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
    }
    let others = load.alternatives.iter().map(|other| other.path.as_str());
    let paths = std::iter::once(path).chain(others);
    paths.map(|path| (path.to_owned(), request.bytes(host, path))).collect()
}
