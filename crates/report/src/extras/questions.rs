//! What each bench asks. One that is not listed has its table all the same.

/// By the name of a group, without where it ran: what one element is, and what a number in a row's name counts.
static QUESTIONS: [(&str, &str); 11] = [
    ("accept", "A client connects, asks once and leaves, one at a time, through a live server."),
    (
        "callback_overhead",
        "Ten steps that could each go on at once: as plain calls, as awaits, as continuations. Boxed is how both are kept where \
         their types are not known.",
    ),
    (
        "echo_round_trip",
        "One message of so many bytes through a live server and back, on one connection with nothing else going on: mostly two \
         wake-ups across CPUs, which no model can avoid.",
    ),
    (
        "fan_out",
        "One of a hundred waits of a millisecond that are started together and all waited for. Timers of tokio and monoio count \
         whole milliseconds and round up.",
    ),
    (
        "floor",
        "A request on bare epoll with so many connections, one thread on each side: the least that epoll costs here.",
    ),
    (
        "parse",
        "One request's bytes in, the service's steps, its answer out, without a socket: every model pays this.",
    ),
    (
        "spawn",
        "One unit that does next to nothing, created and waited for: one at a time, or a thousand at once.",
    ),
    (
        "switch",
        "Giving way to another unit and getting the word back: a round trip, so two switches.",
    ),
    ("wake-channel", "From a send by an ordinary thread until the unit runs that waited for it."),
    ("wake-socket", "From a write by an ordinary thread until the unit has read it."),
    ("wake-timer", "What a sleep of a millisecond takes beyond the millisecond."),
];

/// What a group asks, and where it ran; empty of one that nobody wrote about.
pub(super) fn question(group: &str) -> String {
    let (name, placement) =
        [("-pinned", " Pinned to one CPU."), ("-unpinned", " Free to use all CPUs.")]
            .into_iter()
            .find_map(|(suffix, said)| Some((group.strip_suffix(suffix)?, said)))
            .unwrap_or((group, ""));
    let asked = QUESTIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, asked)| asked);
    format!("{asked}{placement}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_what_it_asks_and_where_it_ran() {
        assert!(question("spawn-pinned").starts_with("One unit"));
        assert!(question("spawn-pinned").ends_with("Pinned to one CPU."));
        assert!(question("wake-timer-unpinned").ends_with("Free to use all CPUs."));
        assert_eq!(question("nobody-knows-it"), "");
    }
}
