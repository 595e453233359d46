//! How a mechanism says what it found.

use record::claims::LabLine;

/// A measurement.
pub(crate) fn found<'a>(
    variant: &str,
    figures: impl IntoIterator<Item = (&'a str, f64)>,
) -> LabLine {
    let figures = figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    LabLine { variant: variant.into(), figures, ..LabLine::default() }
}

/// The same as a control: what must come out, and whether it did.
pub(crate) fn control(line: LabLine, must: &str, sound: bool) -> LabLine {
    LabLine { control: Some(must.into()), sound: Some(sound), ..line }
}

/// With words.
pub(crate) fn saying(line: LabLine, said: &str) -> LabLine {
    LabLine { said: Some(said.into()), ..line }
}

/// Nothing was measured.
pub(crate) fn not_run(why: &str) -> LabLine {
    saying(LabLine { variant: "not-run".into(), ..LabLine::default() }, why)
}

/// As figures have it: 1 for yes.
pub(crate) fn yes(fact: bool) -> f64 {
    f64::from(u8::from(fact))
}

/// A time in milliseconds.
pub(crate) fn ms(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
