//! Cases of echo: every byte comes back, in bounded memory.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Verdict;
use super::subject::{Subject, stop, tree};
use super::wire::Wire;

/// Bytes in which a swapped, lost or repeated piece shows: no two places 64 KiB apart look alike.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(count).collect()
}

pub(super) fn echo(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("echo", &[])?;
    let sent = noise(64 * 1024);
    let mut wire = Wire::open(contestant.address())?;
    wire.send(&sent)?;
    ensure!(wire.bytes(sent.len())? == sent, "what was sent at once came back different");
    // Written by another thread: the echoes fill the window long before the last byte is sent.
    let mut writer = wire.stream.try_clone()?;
    thread::scope(|scope| {
        let sending = scope.spawn(|| sent.chunks(1).try_for_each(|byte| writer.write_all(byte)));
        ensure!(wire.bytes(sent.len())? == sent, "what was sent byte by byte came back different");
        sending
            .join()
            .map_err(|_| anyhow::anyhow!("the sender panicked"))?
            .context("failed to send")
    })?;
    wire.end_sending()?;
    wire.expect_end()?;
    stop(contestant)?;
    Ok(Verdict::Pass)
}

/// What a server may hold beyond the kernel's socket buffers for a reader that does not read.
const MEMORY_LIMIT_BYTES: u64 = 2 * 1024 * 1024;

pub(super) fn slow_reader(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("echo", &[])?;
    let sent = noise(8 * 1024 * 1024);
    let mut wire = Wire::open(contestant.address())?;
    wire.send(b"x")?;
    wire.bytes(1)?;
    let memory = || -> anyhow::Result<u64> {
        tree(&contestant)?.pss_bytes().context("the kernel does not tell the server's memory")
    };
    let before = memory()?;
    let mut writer = wire.stream.try_clone()?;
    writer.set_write_timeout(None)?;
    let held = thread::scope(|scope| {
        let sending = scope.spawn(|| writer.write_all(&sent));
        // Nobody reads for a while: whatever the kernel does not take, the server must refuse to read.
        thread::sleep(Duration::from_millis(300));
        let held = memory()?.saturating_sub(before);
        let back = wire.bytes(sent.len());
        if back.is_err() {
            // Lets the sender end, or this scope would wait for it.
            drop(wire.stream.shutdown(Shutdown::Both));
        }
        ensure!(back? == sent, "what came back is not what was sent");
        sending
            .join()
            .map_err(|_| anyhow::anyhow!("the sender panicked"))?
            .context("failed to send")?;
        Ok(held)
    })?;
    ensure!(held < MEMORY_LIMIT_BYTES, "it held {held} bytes for a reader that did not read");
    stop(contestant)?;
    Ok(Verdict::Pass)
}
