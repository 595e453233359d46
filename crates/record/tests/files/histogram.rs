//! Histograms survive the record, merge to what recording together gives, and hostile ones are errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use proptest::prelude::*;
use record::stats::{decode, encode, merge, summary};

fn recorded(values: &[u64]) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    for value in values {
        histogram.record(*value).unwrap();
    }
    histogram
}

/// What a histogram holds. The crate's own equality also compares how many empty counters stand behind the last.
fn content(histogram: &Histogram<u64>) -> (Vec<(u64, u64)>, u64, u64, u64, u8) {
    let counts = histogram
        .iter_recorded()
        .map(|step| (step.value_iterated_to(), step.count_at_value()))
        .collect();
    (counts, histogram.len(), histogram.min(), histogram.max(), histogram.sigfig())
}

fn latencies() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![0_u64..100_000, 0_u64..60_000_000_000, any::<u64>()], 0..200)
}

/// A plain V2 histogram, header by hand.
fn plain(claimed_bytes: u32, digits: u32, low: u64, high: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x1c, 0x84, 0x93, 0x13];
    bytes.extend(claimed_bytes.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(digits.to_be_bytes());
    bytes.extend(low.to_be_bytes());
    bytes.extend(high.to_be_bytes());
    bytes.extend(1.0_f64.to_be_bytes());
    bytes.extend(payload);
    bytes
}

#[test]
fn an_empty_histogram_has_no_summary() {
    assert_eq!(summary(&recorded(&[])), None);
}

#[test]
fn a_summary_names_the_percentiles_of_what_was_recorded() {
    let values: Vec<u64> = (1..=1_000).collect();
    let summary = summary(&recorded(&values)).unwrap();
    assert_eq!(
        (summary.min, summary.p50, summary.p90, summary.p99, summary.p999, summary.max),
        (1, 500, 900, 990, 999, 1_000)
    );
    assert!((summary.mean - 500.5).abs() < 0.5, "{summary:?}");
}

#[test]
fn a_header_that_claims_gigabytes_is_refused_before_they_are_allocated() {
    let hostile = STANDARD.encode(plain(u32::MAX, 3, 1, 1_000_000, &[2, 2]));
    assert!(decode(&hostile).unwrap_err().to_string().contains("ends too early"));
}

#[test]
fn the_least_count_of_all_is_refused() {
    let hostile = STANDARD.encode(plain(9, 3, 1, 1_000_000, &[0xff; 9]));
    assert!(decode(&hostile).unwrap_err().to_string().contains("impossible count"));
}

#[test]
fn what_is_no_histogram_says_so() {
    assert!(decode("not base64!").unwrap_err().to_string().contains("not base64"));
    assert!(decode("").unwrap_err().to_string().contains("not HdrHistogram V2"));
    assert!(decode("AAAA").unwrap_err().to_string().contains("not HdrHistogram V2"));
}

proptest! {
    // A histogram of any u64 has tens of thousands of counters, and a debug build walks them all.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn encoding_and_decoding_is_identity(values in latencies()) {
        let histogram = recorded(&values);
        let decoded = decode(&encode(&histogram)).unwrap();
        prop_assert_eq!(content(&decoded), content(&histogram));
        prop_assert_eq!(summary(&decoded), summary(&histogram));
    }

    #[test]
    fn the_plain_form_is_read_too(values in latencies()) {
        let histogram = recorded(&values);
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
        prop_assert_eq!(content(&decode(&STANDARD.encode(bytes)).unwrap()), content(&histogram));
    }

    #[test]
    fn merging_equals_recording_together(parts in prop::collection::vec(latencies(), 0..6)) {
        let together = recorded(&parts.concat());
        let histograms: Vec<_> = parts.iter().map(|part| recorded(part)).collect();
        prop_assert_eq!(summary(&merge(&histograms)), summary(&together));
        prop_assert_eq!(content(&merge(&histograms)), content(&together));
    }

    #[test]
    fn damaged_histograms_are_errors_or_other_histograms_and_never_panics(
        values in latencies(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), deflated: bool
    ) {
        let histogram = recorded(&values);
        let mut bytes = Vec::new();
        if deflated {
            bytes = STANDARD.decode(encode(&histogram)).unwrap();
        } else {
            V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
        }
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(other) = decode(&STANDARD.encode(bytes)) {
            std::hint::black_box(summary(&other));
            std::hint::black_box(merge([&other, &histogram]));
        }
    }

    #[test]
    fn any_header_is_an_error_or_a_histogram(
        claimed: u32, digits in 0_u32..8, low in 0_u64..9, high: u64, payload in prop::collection::vec(any::<u8>(), 0..64)
    ) {
        let length = u32::try_from(payload.len()).unwrap();
        for claimed in [claimed, length] {
            if let Ok(other) = decode(&STANDARD.encode(plain(claimed, digits.min(4), low, high, &payload))) {
                std::hint::black_box(summary(&other));
                std::hint::black_box(merge([&other]));
            }
        }
    }
}
