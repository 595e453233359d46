//! Reading small files below a root that tests can replace by a folder of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where /proc and /sys are looked for: `/`, or a test's folder.
#[derive(Clone, Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// The machine itself.
    pub(crate) fn machine() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A folder that holds `proc/` and `sys/`.
    #[cfg(test)]
    pub(crate) fn fake(folder: &Path) -> Self {
        Self(folder.to_path_buf())
    }

    /// The real place of an absolute path.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        self.0.join(absolute.trim_start_matches('/'))
    }

    /// The whole file; the error names it.
    pub(crate) fn read(&self, absolute: &str) -> io::Result<String> {
        fs::read(self.path(absolute))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|error| about(absolute, &error))
    }

    /// The file without its last line end, if it is there and not empty.
    pub(crate) fn word(&self, absolute: &str) -> Option<String> {
        let text = self.read(absolute).ok()?;
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| trimmed.to_string())
    }

    /// The file as one number.
    pub(crate) fn number<T: FromStr>(&self, absolute: &str) -> Option<T> {
        self.word(absolute)?.parse().ok()
    }

    /// Names in a folder, sorted; none when it is not there.
    pub(crate) fn names(&self, absolute: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(absolute)) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// The same error, with the file that it is about.
pub(crate) fn about(path: impl AsRef<Path>, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read `{}`: {error}", path.as_ref().display()))
}

/// An integer as a float, for shares and rates: above 2^53 the last digits are rounded, which no share sees.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "shares need no more than 53 bits"
)]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
pub(crate) mod fake {
    //! A folder that looks like a machine.

    use super::Root;
    use std::fs;
    use tempfile::TempDir;

    /// Holds the folder for as long as the test needs it.
    pub(crate) struct Machine(TempDir);

    impl Machine {
        pub(crate) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(crate) fn with(self, absolute: &str, text: &str) -> Self {
            let path = self.root().path(absolute);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        pub(crate) fn root(&self) -> Root {
            Root::fake(self.0.path())
        }
    }
}
