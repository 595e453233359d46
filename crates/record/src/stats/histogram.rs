//! Latency histograms: their summary, and their form in the record.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::trial::Latency;

/// First four bytes of the plain V2 form; its header is 40 bytes, the length of the payload in the second four.
const PLAIN: [u8; 4] = [0x1c, 0x84, 0x93, 0x13];
const PLAIN_HEADER_BYTES: usize = 40;
/// First four bytes of the deflated V2 form; a length follows, then zlib.
const DEFLATED: [u8; 4] = [0x1c, 0x84, 0x93, 0x14];
const DEFLATED_HEADER_BYTES: usize = 8;
/// The widest histogram (five digits, all of u64) has about six million counters, of nine bytes each at most.
const MAX_PLAIN_BYTES: u64 = 64 * 1024 * 1024;

/// Minimum, mean and percentiles; `None` of an empty histogram, since nothing measured is not zero.
#[must_use]
pub fn summary(histogram: &Histogram<u64>) -> Option<Latency> {
    (!histogram.is_empty()).then(|| Latency {
        min: histogram.min(),
        mean: histogram.mean(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    })
}

/// All histograms as one, for curves; threads and processes of one trial, or the trials of a cell.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "the proofs below hold for every histogram")]
pub fn merge<'a>(histograms: impl IntoIterator<Item = &'a Histogram<u64>>) -> Histogram<u64> {
    let mut all = Histogram::new(3).expect("three digits are within what the crate supports");
    for histogram in histograms {
        all.add(histogram).expect("a histogram that resizes itself holds any value");
    }
    all
}

/// HdrHistogram V2, deflated, base64: what the HdrHistogram tools of other languages read.
///
/// # Panics
/// Where one counter exceeds 2^63 - 1, which the format cannot hold: three centuries at a count a nanosecond.
#[must_use]
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .expect("a vector takes every byte, and a counter takes centuries to outgrow the format");
    STANDARD.encode(bytes)
}

/// The histogram that [`encode`] wrote; the plain V2 form is read as well.
pub fn decode(text: &str) -> Result<Histogram<u64>> {
    let bytes = STANDARD.decode(text.trim()).context("the histogram is not base64")?;
    let plain = inflate(bytes)?;
    check(&plain)?;
    let mut histogram = Deserializer::new()
        .deserialize(&mut plain.as_slice())
        .context("the histogram cannot be decoded")?;
    Histogram::auto(&mut histogram, true);
    Ok(histogram)
}

/// The plain form of either form, bounded: a few bytes can inflate to gigabytes.
fn inflate(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.get(..4) != Some(&DEFLATED) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let deflated = bytes.get(DEFLATED_HEADER_BYTES..).unwrap_or_default();
    ZlibDecoder::new(deflated)
        .take(MAX_PLAIN_BYTES)
        .read_to_end(&mut plain)
        .context("the histogram cannot be inflated")?;
    Ok(plain)
}

/// What the crate takes on trust: it allocates the length that the header claims, and negates the least i64.
fn check(plain: &[u8]) -> Result<()> {
    ensure!(plain.get(..4) == Some(&PLAIN), "the histogram is not HdrHistogram V2");
    let Some((header, payload)) = plain.split_at_checked(PLAIN_HEADER_BYTES) else {
        bail!("the histogram ends inside its header");
    };
    let claimed = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    ensure!(
        usize::try_from(claimed).is_ok_and(|claimed| claimed <= payload.len()),
        "the histogram ends too early"
    );
    // Nine such bytes are the least i64; a count that the format allows never has them.
    ensure!(
        !payload.windows(9).any(|bytes| bytes == [0xff; 9]),
        "the histogram holds an impossible count"
    );
    Ok(())
}
