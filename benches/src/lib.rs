//! What the benches share: the floor, live servers that no bench leaves behind, runtimes, and the proof of work.
//!
//! The benches themselves are the flat files beside this folder, one question each. `cargo bench` runs them all and
//! `cargo bench -- switch` those whose names match; a server or a runtime is started only by a bench that is chosen.
//!
//! | bench | question | rows | warm-up and measurement of a row | s |
//! |---|---|---|---|---|
//! | `accept` | connect, ask once, leave | 22 contestants | 0.2 + 0.5 s | 16 |
//! | `callback_overhead` | ten steps in each style | 6 styles | 0.3 + 1 s | 8 |
//! | `echo_round_trip` | a message there and back | 22 contestants, 3 sizes | 0.3 + 1 s | 86 |
//! | `fan_out` | 100 waits of 1 ms together | 9 units, 2 places | 0.2 + 1 s | 22 |
//! | `floor` | a request on bare epoll | 3 numbers of connections | 3 + 5 s | 24 |
//! | `memory` | bytes of a unit that waits | 11 units | not timed | 10 |
//! | `parse` | a request without a socket | 4 shapes | 1 + 3 s | 16 |
//! | `spawn` | create a unit and wait for its end | 15 units, 1 and 1,000 of them, 2 places | 0.2 + 0.5 s | 48 |
//! | `switch` | to another unit and back | 15 units, 2 places | 0.2 + 0.5 s | 21 |
//! | `wake` | from the reason until the unit runs | 9 units, 3 reasons, 2 places | 0.1 + 0.4 s | 27 |
//!
//! In all about 278 s. criterion's warm-up doubles until its time is over, which adds up to 66 s, and a row that cannot
//! be had in its time (1,000 processes) takes what it needs, some 10 s more. For its charts criterion takes half a second
//! of CPU a row, of which there are 263, so 130 s at most: with its default of 100,000 resamples it took nine seconds
//! a row, which is why every bench asks for 10,000. So the whole stays within ten minutes on two CPUs, after the release
//! build. Who adds a row adds it here.
//!
//! Under `cargo test` every bench runs once, with few units, and counts its effects as it does when it is timed; before
//! that it is run with an effect taken away, and has to notice.

pub mod cli;
pub mod effects;
pub mod floor;
pub mod helper;
pub mod live;
pub mod place;
pub mod runtimes;
pub mod weight;
