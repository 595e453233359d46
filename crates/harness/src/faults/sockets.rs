//! Sockets as the kernel lists them: who has the server's end of a connection, and how many wait to be accepted.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};

/// States of /proc/net/tcp, `include/net/tcp_states.h`.
const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// A line of /proc/net/tcp, as far as it is needed.
struct Line<'a> {
    local: &'a str,
    remote: &'a str,
    state: &'a str,
    /// Of a listener: connections that wait to be accepted.
    waiting: u64,
    inode: &'a str,
}

impl<'a> Line<'a> {
    /// Columns: number, local, remote, state, `tx_queue:rx_queue`, timer, retransmits, user, timeout, inode.
    fn of(text: &'a str) -> Option<Self> {
        let columns: Vec<&str> = text.split_ascii_whitespace().collect();
        let (_, waiting) = columns.get(4)?.split_once(':')?;
        Some(Self {
            local: columns.get(1)?,
            remote: columns.get(2)?,
            state: columns.get(3)?,
            waiting: u64::from_str_radix(waiting, 16).ok()?,
            inode: columns.get(9)?,
        })
    }
}

/// As the kernel writes it: the address as a word in the machine's byte order, then the port. Contestants of a trial
/// listen on IPv4.
fn hex(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

/// Connections that wait to be accepted, over all listeners at that address. The kernel lists listeners first: a machine
/// with a million connections is not read to its end.
pub(super) fn accept_queue(server: SocketAddr) -> Option<u64> {
    let (server, file) = (hex(server)?, File::open("/proc/net/tcp").ok()?);
    let mut waiting = 0;
    for line in BufReader::new(file).lines().skip(1) {
        let text = line.ok()?;
        let line = Line::of(&text)?;
        if line.state != LISTEN {
            break;
        }
        waiting += if line.local == server { line.waiting } else { 0 };
    }
    Some(waiting)
}

/// Which of these processes has the server's end of a connection.
pub(super) fn owner(server: SocketAddr, client: SocketAddr, pids: &[u32]) -> Option<u32> {
    let (server, client) = (hex(server)?, hex(client)?);
    let text = fs::read_to_string("/proc/net/tcp").ok()?;
    let mut lines = text.lines().skip(1).filter_map(Line::of);
    let line =
        lines.find(|it| it.state == ESTABLISHED && it.local == server && it.remote == client)?;
    let socket = format!("socket:[{}]", line.inode);
    pids.iter().copied().find(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        descriptors
            .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
            .any(|target| target.to_str() == Some(socket.as_str()))
    })
}

/// Open descriptors of a process whose number is below a limit: what was inherited from above it does not count.
pub(super) fn descriptors(pid: u32, limit: u64) -> Option<usize> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    Some(numbers.filter(|number| *number < limit).count())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_waits_in_the_accept_queue_until_it_is_accepted_and_then_has_an_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let client = TcpStream::connect(server).unwrap();
        assert_eq!(accept_queue(server), Some(1));
        let accepted = listener.accept().unwrap();
        assert_eq!(accept_queue(server), Some(0));
        let own = std::process::id();
        let local = client.local_addr().unwrap();
        assert_eq!(owner(server, local, &[1, own]), Some(own));
        assert_eq!(owner(server, local, &[]), None);
        drop(accepted);
        assert!(descriptors(own, u64::MAX).unwrap() > 2);
        assert!(descriptors(own, 1).unwrap() <= 1);
    }
}
