//! How many connections wait in the server's accept queue, so that opening never overfills it.
//!
//! Over loopback a connect completes without the server: the kernel shakes hands and queues the connection for `accept`.
//! A full queue does not refuse, it drops the SYN, and the client tries again after 1, 3 and 7 s. The kernel tells a
//! listener's queue by `sock_diag`, see its manual page in section 7, which is what `ss -lt` asks; unlike /proc/net/tcp
//! it can be asked for the listeners of one port alone, so a million connections beside them cost nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// Types of messages, and the state of a listener, with the numbers of `linux/netlink.h`, `linux/sock_diag.h` and
/// `net/tcp_states.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const LISTEN: u8 = 10;
/// Families of addresses.
const INET: u8 = 2;
const INET6: u8 = 10;
/// `NLM_F_REQUEST | NLM_F_DUMP`: list all that match.
const LIST: u16 = 0x301;

/// Bytes of a message's header: length, type, flags, sequence, port.
const HEADER: usize = 16;
/// The kernel fills at most so much at a time.
const ANSWER_SIZE: usize = 32 * 1024;

/// The accept queue of a listener on this machine.
#[derive(Debug)]
pub(crate) struct AcceptQueue {
    kernel: OwnedFd,
    tables: Vec<Table>,
    buffer: Vec<u8>,
}

/// The listeners of one family on the server's port, and the local addresses that the server may have among them.
#[derive(Debug)]
struct Table {
    request: Vec<u8>,
    addresses: Vec<[u8; 16]>,
}

impl AcceptQueue {
    /// The queue of the listener at `address`, or `None` when this machine has none in sight.
    pub(crate) fn of(address: SocketAddr) -> Option<Self> {
        // A listener may have the very address, or all of them; one for IPv6 takes IPv4 as well.
        let any_v6 = padded(&Ipv6Addr::UNSPECIFIED.octets());
        let wanted = match address.ip() {
            IpAddr::V4(ip) => vec![
                (INET, vec![padded(&ip.octets()), padded(&Ipv4Addr::UNSPECIFIED.octets())]),
                (INET6, vec![padded(&ip.to_ipv6_mapped().octets()), any_v6]),
            ],
            IpAddr::V6(ip) => vec![(INET6, vec![padded(&ip.octets()), any_v6])],
        };
        let table =
            |(family, addresses)| Table { request: request(family, address.port()), addresses };
        let kernel = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        );
        let mut queue =
            Self { kernel: kernel.ok()?, tables: Vec::new(), buffer: vec![0; ANSWER_SIZE] };
        for table in wanted.into_iter().map(table) {
            if let Ok(Some(_)) = table.longest(&queue.kernel, &mut queue.buffer) {
                queue.tables.push(table);
            }
        }
        (!queue.tables.is_empty()).then_some(queue)
    }

    /// Connections that wait to be accepted, the longest queue when several listeners share the port; `None` when the
    /// listener is gone.
    pub(crate) fn length(&mut self) -> Option<u64> {
        let Self { kernel, tables, buffer } = self;
        tables.iter().filter_map(|table| table.longest(kernel, buffer).ok().flatten()).max()
    }
}

impl Table {
    fn longest(&self, kernel: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<u64>> {
        send(kernel.as_raw_fd(), &self.request, MsgFlags::empty())?;
        let mut longest = None;
        loop {
            let length = recv(kernel.as_raw_fd(), buffer, MsgFlags::empty())?;
            match scan(&buffer[..length], &self.addresses, &mut longest) {
                Answer::Goes if length > 0 => {}
                Answer::Done => return Ok(longest),
                Answer::Goes | Answer::Refused => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }
}

/// `struct inet_diag_req_v2` of `linux/inet_diag.h`: the listeners of one family on one port.
fn request(family: u8, port: u16) -> Vec<u8> {
    const TCP: u8 = 6;
    const LENGTH: u8 = 16 + 56;
    let mut bytes = Vec::new();
    bytes.extend(u32::from(LENGTH).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(LIST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, 0, 0]);
    bytes.extend((1_u32 << LISTEN).to_ne_bytes());
    bytes.extend(port.to_be_bytes());
    // No other port, no address, no interface, no cookie is asked for.
    bytes.resize(LENGTH.into(), 0);
    bytes
}

/// What one piece of the kernel's answer says of the rest.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// There is more.
    Goes,
    /// That was all.
    Done,
    /// An error, or nothing that the kernel would say.
    Refused,
}

/// Reads the messages of one piece, each a `struct inet_diag_msg`, and keeps the longest queue of a listener at one of
/// `addresses`.
fn scan(mut piece: &[u8], addresses: &[[u8; 16]], longest: &mut Option<u64>) -> Answer {
    while !piece.is_empty() {
        let Some((kind, body, rest)) = message(piece) else { return Answer::Refused };
        match kind {
            DONE => return Answer::Done,
            ERROR => return Answer::Refused,
            SOCK_DIAG_BY_FAMILY => {
                // Family, state, timer, retransmissions; ports; local address; then, at 56, the queue.
                let Some((fixed, _)) = body.split_first_chunk::<60>() else {
                    return Answer::Refused;
                };
                let at_home = addresses.iter().any(|address| address[..] == fixed[8..24]);
                if fixed[1] == LISTEN && at_home {
                    let waiting = u32::from_ne_bytes([fixed[56], fixed[57], fixed[58], fixed[59]]);
                    *longest = (*longest).max(Some(u64::from(waiting)));
                }
            }
            _ => {}
        }
        piece = rest;
    }
    Answer::Goes
}

/// The first message of a piece: its type, its body, what follows it. Messages begin at multiples of four.
fn message(piece: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (header, _) = piece.split_first_chunk::<HEADER>()?;
    let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
    let length = usize::try_from(length).ok().filter(|length| *length >= HEADER)?;
    let body = piece.get(HEADER..length)?;
    let rest = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((u16::from_ne_bytes([header[4], header[5]]), body, rest))
}

/// An address as the kernel writes it: in the order of the network, and zeros behind a short one.
fn padded(octets: &[u8]) -> [u8; 16] {
    let mut padded = [0; 16];
    padded[..octets.len()].copy_from_slice(octets);
    padded
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
    fn connections_of_the_port_are_not_listeners_and_the_longest_of_several_queues_counts() {
        let text = [listener(LISTEN, 17), listener(LISTEN, 5), listener(ESTABLISHED, 4095)];
        let addresses = [padded(&[127, 0, 0, 1])];
        let mut longest = None;
        assert_eq!(scan(&text.concat(), &addresses, &mut longest), Answer::Goes);
        assert_eq!(longest, Some(17));
        assert_eq!(scan(&written(DONE, &[0; 4]), &addresses, &mut longest), Answer::Done);
        let elsewhere = [padded(&[127, 0, 0, 2])];
        let mut none = None;
        assert_eq!(scan(&text.concat(), &elsewhere, &mut none), Answer::Goes);
        assert_eq!(none, None);
    }

    #[test]
    fn an_answer_cut_anywhere_is_refused_and_never_read_beyond() {
        let whole = [listener(LISTEN, 17), written(DONE, &[0; 4])].concat();
        for length in 1..whole.len() {
            let mut longest = None;
            let answer = scan(&whole[..length], &[padded(&[127, 0, 0, 1])], &mut longest);
            assert_ne!(answer, Answer::Done, "{length} bytes");
        }
        assert_eq!(scan(&written(ERROR, &[0; 4]), &[], &mut None), Answer::Refused);
    }

    const ESTABLISHED: u8 = 1;

    fn written(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat()
    }

    /// As the kernel lists a socket of 127.0.0.1 that so many wait for.
    fn listener(state: u8, waiting: u32) -> Vec<u8> {
        let mut body = [0; 72];
        body[..2].copy_from_slice(&[2, state]);
        body[8..12].copy_from_slice(&[127, 0, 0, 1]);
        body[56..60].copy_from_slice(&waiting.to_ne_bytes());
        written(SOCK_DIAG_BY_FAMILY, &body)
    }
}
