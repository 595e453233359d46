//! TCP counters of the network namespace: drops and retries that no client sees as an error.

use std::io;

use crate::root::Root;

/// Counters since the namespace was made; absent where the kernel does not have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// `TcpExt ListenOverflows`: an accept queue was full.
    pub listen_overflows: Option<u64>,
    /// `TcpExt ListenDrops`: a SYN or a finished handshake was dropped, for any reason.
    pub listen_drops: Option<u64>,
    /// `TcpExt TCPSynRetrans`: a SYN was sent again, after 1, 3, 7 s.
    pub syn_retransmits: Option<u64>,
    /// `TcpExt SyncookiesSent`: the SYN queue was full.
    pub syn_cookies_sent: Option<u64>,
    /// `TcpExt TCPTimeWaitOverflow`: `tcp_max_tw_buckets` was reached.
    pub time_wait_overflows: Option<u64>,
    /// `TcpExt TCPAbortOnMemory`: `tcp_mem` or `tcp_max_orphans` was reached.
    pub memory_aborts: Option<u64>,
    /// `Tcp RetransSegs`.
    pub retransmits: Option<u64>,
}

impl TcpCounters {
    /// Reads /proc/net/netstat and /proc/net/snmp.
    pub fn read() -> io::Result<Self> {
        Self::read_from(&Root::machine())
    }

    fn read_from(root: &Root) -> io::Result<Self> {
        let netstat = root.read("/proc/net/netstat")?;
        let snmp = root.read("/proc/net/snmp")?;
        Ok(Self {
            listen_overflows: counter(&netstat, "TcpExt:", "ListenOverflows"),
            listen_drops: counter(&netstat, "TcpExt:", "ListenDrops"),
            syn_retransmits: counter(&netstat, "TcpExt:", "TCPSynRetrans"),
            syn_cookies_sent: counter(&netstat, "TcpExt:", "SyncookiesSent"),
            time_wait_overflows: counter(&netstat, "TcpExt:", "TCPTimeWaitOverflow"),
            memory_aborts: counter(&netstat, "TcpExt:", "TCPAbortOnMemory"),
            retransmits: counter(&snmp, "Tcp:", "RetransSegs"),
        })
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn minus(&self, earlier: &Self) -> Self {
        let minus = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        Self {
            listen_overflows: minus(self.listen_overflows, earlier.listen_overflows),
            listen_drops: minus(self.listen_drops, earlier.listen_drops),
            syn_retransmits: minus(self.syn_retransmits, earlier.syn_retransmits),
            syn_cookies_sent: minus(self.syn_cookies_sent, earlier.syn_cookies_sent),
            time_wait_overflows: minus(self.time_wait_overflows, earlier.time_wait_overflows),
            memory_aborts: minus(self.memory_aborts, earlier.memory_aborts),
            retransmits: minus(self.retransmits, earlier.retransmits),
        }
    }
}

/// Sockets in `TIME_WAIT` now: each holds a port of its source address for a minute.
pub fn time_wait() -> io::Result<u64> {
    time_wait_from(&Root::machine())
}

pub(crate) fn time_wait_from(root: &Root) -> io::Result<u64> {
    let sockstat = root.read("/proc/net/sockstat")?;
    let line = sockstat.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let mut words = line.split_ascii_whitespace().skip_while(|word| *word != "tw").skip(1);
    words.next().and_then(|word| word.parse().ok()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "no `tw` in `/proc/net/sockstat`")
    })
}

/// A column found by its name: a line of names is followed by a line of values with the same first word.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.split_ascii_whitespace().next() == Some(group));
    let (names, values) = (lines.next()?, lines.next()?);
    let column = names.split_ascii_whitespace().position(|word| word == name)?;
    values.split_ascii_whitespace().nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: RtoAlgorithm MaxConn RetransSegs InErrs\n\
                        Tcp: 1 -1 42 0\nUdp: InDatagrams\nUdp: 7\n";

    fn machine(netstat: &str) -> Machine {
        Machine::new().with("/proc/net/netstat", netstat).with("/proc/net/snmp", SNMP)
    }

    #[test]
    fn counters_are_found_by_name_in_whatever_column() {
        let one = machine(
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 3\nIpExt: A\nIpExt: 9\n",
        );
        let counters = TcpCounters::read_from(&one.root()).unwrap();
        assert_eq!(counters.syn_cookies_sent, Some(1));
        assert_eq!(counters.listen_overflows, Some(2));
        assert_eq!(counters.listen_drops, Some(3));
        assert_eq!(counters.retransmits, Some(42));
        assert_eq!(counters.syn_retransmits, None, "this kernel does not have it");
    }

    #[test]
    fn the_difference_of_an_absent_counter_is_absent() {
        let earlier =
            TcpCounters { listen_drops: Some(3), retransmits: Some(1), ..TcpCounters::default() };
        let later = TcpCounters { listen_drops: Some(10), ..TcpCounters::default() };
        let delta = later.minus(&earlier);
        assert_eq!(delta.listen_drops, Some(7));
        assert_eq!(delta.retransmits, None);
    }

    #[test]
    fn sockets_in_time_wait_are_counted() {
        let line =
            "sockets: used 20\nTCP: inuse 3 orphan 0 tw 1234 alloc 5 mem 0\nUDP: inuse 0 mem 0\n";
        let one = Machine::new().with("/proc/net/sockstat", line);
        assert_eq!(time_wait_from(&one.root()).unwrap(), 1234);
        let none = Machine::new().with("/proc/net/sockstat", "sockets: used 20\n");
        assert!(time_wait_from(&none.root()).is_err());
    }

    #[test]
    fn this_machine_counts_listen_overflows() {
        let counters = TcpCounters::read().unwrap();
        assert!(
            counters.listen_overflows.is_some() && counters.retransmits.is_some(),
            "{counters:?}"
        );
        time_wait().unwrap();
    }
}
