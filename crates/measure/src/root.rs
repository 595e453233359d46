//! Reading small files below a root that tests can replace by a folder of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, accessat, statvfs};
use rustix::io::Errno;

/// Where /proc and /sys are looked for: `/`, or a test's folder.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    folder: PathBuf,
    /// A test's machine answers so for each of its files, since a folder cannot play a read-only mount.
    writing: Option<Writing>,
}

/// What would come of writing to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// It may be written.
    Allowed,
    /// It belongs to somebody else.
    Denied,
    /// Nobody may, not even root: so containers mount /proc/sys.
    ReadOnly,
    /// There is no such file, or its folder is closed.
    Absent,
}

impl Default for Root {
    fn default() -> Self {
        Self::machine()
    }
}

impl Root {
    /// The machine itself.
    pub(crate) fn machine() -> Self {
        Self { folder: PathBuf::from("/"), writing: None }
    }

    /// A folder that holds `proc/` and `sys/`.
    #[cfg(test)]
    pub(crate) fn fake(folder: &Path, writing: Writing) -> Self {
        Self { folder: folder.to_path_buf(), writing: Some(writing) }
    }

    /// The real place of an absolute path.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        self.folder.join(absolute.trim_start_matches('/'))
    }

    /// Whether a file may be written by the effective user: asked of the kernel, nothing is written.
    pub(crate) fn writing(&self, absolute: &str) -> Writing {
        self.writing.unwrap_or_else(|| {
            let path = self.path(absolute);
            // A user is told of the mode before the mount, so the mount is asked first.
            let sealed =
                statvfs(&path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY));
            match accessat(CWD, &path, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS) {
                _ if sealed => Writing::ReadOnly,
                Ok(()) => Writing::Allowed,
                Err(Errno::ROFS) => Writing::ReadOnly,
                Err(Errno::ACCESS | Errno::PERM) => Writing::Denied,
                Err(_) => Writing::Absent,
            }
        })
    }

    /// Whether there is no such file: one that may not be read is there.
    pub(crate) fn lacks(&self, absolute: &str) -> bool {
        self.read(absolute).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Why a file gave no value: it is not there, may not be read, or holds something else.
    pub(crate) fn why_not(&self, absolute: &str) -> String {
        match self.read(absolute) {
            Ok(text) => {
                let head: String = text.trim().chars().take(24).collect();
                format!("`{absolute}` begins with `{head}`, which is not understood")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("there is no `{absolute}`")
            }
            Err(error) => error.to_string(),
        }
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

    use super::{Root, Writing};
    use std::fs;
    use tempfile::TempDir;

    /// Holds the folder for as long as the test needs it.
    pub(crate) struct Machine {
        folder: TempDir,
        writing: Writing,
    }

    impl Machine {
        pub(crate) fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), writing: Writing::Allowed }
        }

        /// What comes of writing to any of its files.
        pub(crate) fn writing(self, writing: Writing) -> Self {
            Self { writing, ..self }
        }

        pub(crate) fn with(self, absolute: &str, text: &str) -> Self {
            let path = self.root().path(absolute);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            self
        }

        pub(crate) fn root(&self) -> Root {
            Root::fake(self.folder.path(), self.writing)
        }
    }
}
