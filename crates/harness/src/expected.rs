//! What a right answer is, from the service itself and not from the contestant under test.

use contract::{Protocol, ServeOptions, Service, Step};

/// Larger bodies are left for the generator to learn.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The body of a right answer to `GET path`; absent where the route computes, panics or is very long.
#[must_use]
pub fn body(path: &str) -> Option<Vec<u8>> {
    if path.starts_with("/panic") {
        return None;
    }
    let mut service = Service::new(&ServeOptions::new(Protocol::Http));
    service.received(
        format!("GET {path} HTTP/1.1\r\nhost: c10k\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    let mut answer = Vec::new();
    loop {
        match service.step() {
            Step::Write => {
                answer.extend_from_slice(service.output());
                let written = service.output().len();
                service.wrote(written);
            }
            Step::Wait(_) | Step::Block(_) => service.waited(),
            Step::Read { .. } | Step::Shutdown | Step::Close => break,
            Step::Compute(_) => return None,
        }
        if answer.len() > BODY_BYTES_MAX {
            return None;
        }
    }
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    answer.starts_with(b"HTTP/1.1 200 ").then(|| answer.split_off(head + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_those_of_the_service() {
        assert!(!body("/").unwrap().is_empty());
        assert_eq!(body("/bytes/200000").unwrap().len(), 200_000);
        assert!(!body("/wait/100").unwrap().is_empty());
    }

    #[test]
    fn no_body_is_expected_where_the_service_gives_none() {
        for path in ["/compute/5", "/panic", "/nosuch"] {
            assert_eq!(body(path), None, "{path}");
        }
    }
}
