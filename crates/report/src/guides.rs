//! What each experiment asks and how its figures are read. One that is not listed has its section all the same.

/// An experiment in words.
pub(crate) struct Guide {
    /// As the record spells it.
    name: &'static str,
    /// Of headings.
    pub(crate) title: &'static str,
    /// How to read it.
    pub(crate) reading: &'static str,
}

/// In the order of their sections.
static GUIDES: [Guide; 15] = [
    Guide {
        name: "sweep",
        title: "every connection busy",
        reading: "Each connection asks again as soon as it is answered, so the rate is the ceiling and the latency is mostly the queue \
                  that the generator builds. Compare CPU per request and switches first, and look where a model bends as connections grow.",
    },
    Guide {
        name: "idle-mass",
        title: "many idle, few active",
        reading: "The shape of the C10k problem: all connections are open and only some of them ask. Look at memory per connection, \
                  and at whether CPU per request grows with connections that do nothing.",
    },
    Guide {
        name: "storm",
        title: "all connect at once",
        reading: "What counts is the time until all had an answer. What the accept queue does not hold is dropped by the kernel and tried \
                  again after 1, 3 and 7 s, so times come in steps; overflows and repeated SYNs say which step.",
    },
    Guide {
        name: "rate",
        title: "at an offered rate",
        reading: "Requests are sent by a schedule, whatever the server does, and latency counts from when each was due. Read the curve from \
                  the left: flat while the server keeps up, then a bend, then a wall of waiting. Each request burns some CPU, as the load \
                  says, so that the server is at its end before the generator is. The capacity is the highest offered rate \
                  with a p99 of 10 ms or less, and a ≥ says that no rate that was offered was too high: then the bend lies beyond. A rate \
                  that was not achieved has no honest latency.",
    },
    Guide {
        name: "churn",
        title: "a connection for each request",
        reading: "Accepting, starting and ending a connection are part of every request here: this is where starting a process or a thread \
                  is paid for. Compare it with the same model's busy sweep.",
    },
    Guide {
        name: "wall",
        title: "how far it goes",
        reading: "Connections grow until something stops them. The last count at which all that asked were served is the wall; what stopped the \
                  next one stands beside it in words, and who set that limit. The suite: the generator or the plan ended first, and the \
                  model may go further. The machine: the kernel or the hardware, whoever serves here; the words say how to lift it. \
                  The model: what carries its connections. Models driven by events are started as several processes on one port where one cannot have the descriptors; those that \
                  give a connection a process or a thread are one server, and meet its limits. Not every count was asked for, and a trial that would need more than the machine \
                  has, memory by an estimate for each connection, is refused before it begins.",
    },
    Guide {
        name: "memory",
        title: "what a connection weighs",
        reading: "The slope of memory over connections is what one more connection costs; what the program needs before the first one \
                  is the intercept and does not mix in. The kernel's part (socket buffers, stacks, page tables) stands beside it. Every \
                  connection here has had an answer. Memory per connection in other tables is the whole growth, shared out: at few \
                  connections what they have in common weighs on each, and one that has never asked has not touched the pages that \
                  an answer needs.",
    },
    Guide {
        name: "blocking",
        title: "handlers that block",
        reading: "Some requests call something that blocks its thread. Inline is the mistake: on a loop everybody waits. Offloaded it runs \
                  on the model's pool. Look at p99, not at the rate, and compare the variants of one model.",
    },
    Guide {
        name: "compute",
        title: "handlers that compute",
        reading: "No model makes a CPU faster: rates meet where the work is the same. What differs is who waits meanwhile, so look at p99 \
                  and at fairness.",
    },
    Guide {
        name: "slow-clients",
        title: "slow clients beside quick ones",
        reading: "Slow readers and writers hold whatever a model gives each connection. Look at who is served beside them, and at p99: whether a stall \
                  fell into a trial decides it, so read the range before the median, which of two trials is their mean.",
    },
    Guide {
        name: "fan-out",
        title: "a client of many servers",
        reading: "The model's client fetches from many slow servers at once. Wall time begins with the first fetch, CPU with the process; \
                  wall time hardly tells the models apart, CPU, memory and switches do. In variant one-fails the second of three servers refuses: it counts as failed, and the two others must come back \
                  right and in their places.",
    },
    Guide {
        name: "idioms",
        title: "waiting in sequence and together",
        reading: "Sleeps in sequence add up, sleeps together take as long as the longest. Look for those that miss the sum or the maximum. \
                  The timer ticks every 10 ms beside sleeps, loaded beside a thousand units of which one wakes up each millisecond: drift is how \
                  far its last tick was behind, jitter how much the ticks' distances vary.",
    },
    Guide {
        name: "faults",
        title: "when something goes wrong",
        reading: "One fault in the middle of the window: a handler panics, the child that serves a witness is killed, or 200 clients come \
                  to a server that has 64 descriptors (64 processes, where those carry a connection) and leave after half a second. \
                  Six witnesses ask beside the load, four over a connection that they keep and two over a new one each time. What is lost is \
                  counted without the one that made the handler panic; how fast it recovers is the time from the end of the fault to the \
                  next right answer, and until each witness is served again, no finer than the 2 and 5 ms between a witness’s requests. \
                  Variant none is the control, without a fault: its times are what the witnesses can tell apart. A model that ended has no such \
                  time; a fault that was not seen to happen makes its trial inconsistent.",
    },
    Guide {
        name: "drivers",
        title: "real databases behind",
        reading: "Queries through each model's own driver to a real server: with overlap, many queries take as long as one.",
    },
    Guide {
        name: "calibration",
        title: "does the method see what is there",
        reading: "The method's own test, not the models': a known amount of work is added to each request of one model, and it must show; \
                  the same model is entered twice, and no difference may show. Where that fails, believe no small difference on this page.",
    },
];

/// The guide of an experiment; `None` of one that nobody has written about.
pub(crate) fn guide(experiment: &str) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name == experiment)
}

/// Where an experiment's section stands; the unknown come last.
pub(crate) fn place(experiment: &str) -> usize {
    GUIDES.iter().position(|guide| guide.name == experiment).unwrap_or(GUIDES.len())
}
