//! How many connections wait in the server's accept queue, so that opening never overfills it.
//!
//! Over loopback a connect completes without the server: the kernel shakes hands and queues the connection for `accept`.
//! A full queue does not refuse, it drops the SYN, and the client tries again after 1, 3 and 7 s. The kernel lists
//! listening sockets first in /proc/net/tcp, so its first lines have the length of the queue.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;

/// Room for the usual handful of listeners; doubled as long as it holds nothing else.
const READ_SIZE: usize = 1024;
/// Where the doubling ends: some 1,700 listeners.
const READ_SIZE_MAX: usize = 256 * 1024;

/// The accept queue of a listener on this machine.
#[derive(Debug)]
pub(crate) struct AcceptQueue {
    tables: Vec<Table>,
    buffer: Vec<u8>,
}

/// One of the kernel's lists, and the local addresses in it that the server may have.
#[derive(Debug)]
struct Table {
    file: File,
    addresses: Vec<String>,
}

impl AcceptQueue {
    /// The queue of the listener at `address`, or `None` when this machine has none in sight.
    pub(crate) fn of(address: SocketAddr) -> Option<Self> {
        let port = address.port();
        let v6 = |ip: Ipv6Addr| hex(&ip.octets(), port);
        let v4 = |ip: Ipv4Addr| hex(&ip.octets(), port);
        let wild_v6 = v6(Ipv6Addr::UNSPECIFIED);
        // A listener may have the very address, or all of them; one for IPv6 takes IPv4 as well.
        let wanted = match address.ip() {
            IpAddr::V4(ip) => vec![
                ("/proc/net/tcp", vec![v4(ip), v4(Ipv4Addr::UNSPECIFIED)]),
                ("/proc/net/tcp6", vec![v6(ip.to_ipv6_mapped()), wild_v6]),
            ],
            IpAddr::V6(ip) => vec![("/proc/net/tcp6", vec![v6(ip), wild_v6])],
        };
        let open = |(path, addresses)| Some(Table { file: File::open(path).ok()?, addresses });
        let mut queue = Self {
            tables: wanted.into_iter().filter_map(open).collect(),
            buffer: vec![0; READ_SIZE],
        };
        queue.tables.retain(|table| matches!(table.longest(&mut queue.buffer), Ok(Some(_))));
        (!queue.tables.is_empty()).then_some(queue)
    }

    /// Connections that wait to be accepted, the longest queue when several listeners share the port; `None` when the
    /// listener is gone.
    pub(crate) fn length(&mut self) -> Option<u64> {
        let Self { tables, buffer } = self;
        tables.iter().filter_map(|table| table.longest(buffer).ok().flatten()).max()
    }
}

impl Table {
    fn longest(&self, buffer: &mut Vec<u8>) -> io::Result<Option<u64>> {
        loop {
            let length = read_from_start(&self.file, buffer)?;
            let (longest, only_listeners) = scan(&buffer[..length], &self.addresses);
            if longest.is_some()
                || !only_listeners
                || length < buffer.len()
                || length >= READ_SIZE_MAX
            {
                return Ok(longest);
            }
            buffer.resize(buffer.len() * 2, 0);
        }
    }
}

/// Fills `buffer` as far as the file goes: the kernel gives a page at a time.
fn read_from_start(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read_at(&mut buffer[length..], u64::try_from(length).unwrap_or(u64::MAX))? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// The longest queue of a listener at one of `addresses`, and whether all whole lines were listeners.
fn scan(text: &[u8], addresses: &[String]) -> (Option<u64>, bool) {
    let mut longest = None;
    let whole_lines =
        text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    // The first line names the columns: number, local address, remote address, state, tx_queue:rx_queue.
    for line in whole_lines.skip(1) {
        let mut columns =
            line.split(|byte| *byte == b' ').filter(|column| !column.is_empty()).skip(1);
        let (local, state, queues) = (columns.next(), columns.nth(1), columns.next());
        if state != Some(b"0A") {
            return (longest, false);
        }
        if local.is_some_and(|local| addresses.iter().any(|address| address.as_bytes() == local)) {
            let waiting =
                queues.and_then(|queues| std::str::from_utf8(queues).ok()?.split_once(':'));
            longest =
                longest.max(waiting.and_then(|(_, waiting)| u64::from_str_radix(waiting, 16).ok()));
        }
    }
    (longest, true)
}

/// As the kernel writes it: 32-bit words in the machine's byte order, then the port.
fn hex(octets: &[u8], port: u16) -> String {
    let mut address = String::new();
    for four in octets.chunks_exact(4) {
        let word = u32::from_ne_bytes([four[0], four[1], four[2], four[3]]);
        let _always = write!(address, "{word:08X}");
    }
    format!("{address}:{port:04X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn fill_and_accept(address: &str) {
        let listener = TcpListener::bind(address).unwrap();
        let local = listener.local_addr().unwrap();
        let target = if local.ip().is_unspecified() {
            SocketAddr::from(([127, 0, 0, 1], local.port()))
        } else {
            local
        };
        let mut queue = AcceptQueue::of(target).unwrap();
        assert_eq!(queue.length(), Some(0));
        let _clients: Vec<_> = (0..5).map(|_| TcpStream::connect(target).unwrap()).collect();
        assert_eq!(queue.length(), Some(5));
        let _accepted = [listener.accept().unwrap(), listener.accept().unwrap()];
        assert_eq!(queue.length(), Some(3));
        drop(listener);
        assert_eq!(queue.length(), None);
    }

    #[test]
    fn the_queue_of_a_listener_is_counted() {
        fill_and_accept("127.0.0.1:0");
    }

    #[test]
    fn a_listener_on_all_addresses_is_found() {
        fill_and_accept("0.0.0.0:0");
    }

    #[test]
    fn a_listener_on_ipv6_is_found_by_both_families() {
        fill_and_accept("[::1]:0");
        fill_and_accept("[::]:0");
    }

    #[test]
    fn nobody_listening_here_is_no_queue() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(AcceptQueue::of(SocketAddr::from(([127, 0, 0, 1], port))).is_none());
        assert!(AcceptQueue::of("192.0.2.1:80".parse().unwrap()).is_none());
    }

    #[test]
    fn established_connections_of_the_port_are_not_listeners() {
        let text = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000011 00:00000000 00000000     0\n   \
            1: 0100007F:1F90 0100007F:9C40 01 00000000:00000FFF 00:00000000 00000000     0\n   \
            2: 0100007F:1F90 0000";
        let addresses = [hex(&[127, 0, 0, 1], 8080)];
        assert_eq!(scan(text, &addresses), (Some(0x11), false));
        assert_eq!(scan(&text[..170], &addresses), (Some(0x11), true));
    }
}
