//! A client that does exactly what a case says, however impolite.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// Longest wait for an answer: generous on a loaded machine, and the end of a server that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection and the bytes read ahead of it.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    ahead: Vec<u8>,
}

/// An HTTP answer, as far as the battery looks.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }
}

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Self::open_within(address, PATIENCE)
    }

    /// With another patience, for opening as for each read and write.
    pub(crate) fn open_within(address: SocketAddr, patience: Duration) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience).context("failed to connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self { stream, ahead: Vec::new() })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        self.stream.write_all(bytes.as_ref()).context("failed to send")
    }

    /// A write for each byte, and time for the server to read it before the next.
    pub(crate) fn send_byte_by_byte(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        bytes.as_ref().chunks(1).try_for_each(|byte| {
            thread::sleep(Duration::from_millis(1));
            self.send(byte)
        })
    }

    pub(crate) fn end_sending(&self) -> anyhow::Result<()> {
        self.stream.shutdown(Shutdown::Write).context("failed to end sending")
    }

    /// One answer to a GET.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut answer = self.answer_head()?;
        let length = answer.field("content-length").context("the answer has no Content-Length")?;
        let length: usize = length.parse().context("Content-Length is no number")?;
        while self.ahead.len() < length {
            ensure!(self.read_more()? > 0, "the connection ended within a body of {length} bytes");
        }
        answer.body = self.ahead.drain(..length).collect();
        Ok(answer)
    }

    /// The head of an answer; its body stays to be read.
    pub(crate) fn answer_head(&mut self) -> anyhow::Result<Answer> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                let head = String::from_utf8(head).context("the head is no text")?;
                let status =
                    head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
                let Some(status) = status else { bail!("this is no HTTP/1.1 answer: {head:?}") };
                return Ok(Answer { status, head, body: Vec::new() });
            }
            let before = self.ahead.len();
            ensure!(
                self.read_more()? > 0,
                "the connection ended after {before} bytes of an answer"
            );
        }
    }

    /// Exactly so many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        while self.ahead.len() < count {
            let before = self.ahead.len();
            ensure!(self.read_more()? > 0, "the connection ended after {before} of {count} bytes");
        }
        Ok(self.ahead.drain(..count).collect())
    }

    /// The server ends the connection here, and sends nothing before that.
    pub(crate) fn expect_end(&mut self) -> anyhow::Result<()> {
        ensure!(
            self.ahead.is_empty(),
            "{} bytes too many: {:?}",
            self.ahead.len(),
            self.ahead_text()
        );
        ensure!(
            self.read_more()? == 0,
            "bytes where the connection should end: {:?}",
            self.ahead_text()
        );
        Ok(())
    }

    /// Asks for `/` and gets it: the connection is alive and served.
    pub(crate) fn expect_service(&mut self) -> anyhow::Result<()> {
        self.send(get("/"))?;
        let answer = self.answer()?;
        ensure!(
            answer.status == 200 && answer.body == b"hello, world\n",
            "`/` was answered with {answer:?}"
        );
        Ok(())
    }

    fn read_more(&mut self) -> anyhow::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).context("no answer")?;
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    fn ahead_text(&self) -> String {
        String::from_utf8_lossy(&self.ahead[..self.ahead.len().min(200)]).into_owned()
    }
}

/// A complete GET.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: battery\r\n\r\n")
}
