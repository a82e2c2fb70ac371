//! Opens and reads files whose paths come from a user or from the configuration.
//!
//! Contract: no call waits for another process, and none reads more than its limit. A path may lead to anything: a FIFO
//! waits for a writer when it is opened, a terminal for a key when it is read, a device may act when it is opened, and
//! `/dev/zero` does not end. So only regular files are opened, as stat(2) reports before the open and fstat(2) after
//! it, and `O_NONBLOCK` holds for what replaces the file between the two. A file of procfs or tracefs that is regular
//! and still waits (`/proc/kmsg`, `trace_pipe`) returns `EAGAIN`.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

/// What the path leads to instead of a regular file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not a regular file")]
pub(crate) struct NotRegular(&'static str);

/// What is larger than a caller's limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is larger than {limit} bytes")]
pub(crate) struct TooLarge {
    pub(crate) limit: u64,
}

/// Opens a regular file to read it; a link is followed.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before the open: opening a device may already have an effect.
    check(&fs::metadata(path)?)?;
    open_checked(path)
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, TooLarge { limit });
    let claimed = file.metadata()?.len();
    if claimed > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(claimed).unwrap_or(0));
    // One byte past the limit reveals a file that is larger than its metadata says, such as one of procfs.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a regular file of at most `limit` bytes of UTF-8.
pub(crate) fn read_to_string(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

fn open_checked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let kind = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => return Err(io::Error::new(io::ErrorKind::IsADirectory, NotRegular("a directory"))),
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular(kind)))
}

#[cfg(test)]
mod tests {
    use super::{NotRegular, TooLarge, open, read, read_to_string};
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::{
        fs::{self, File},
        io::ErrorKind,
        os::unix::{fs::symlink, net::UnixListener},
        path::{Path, PathBuf},
        sync::mpsc,
        thread,
        time::Duration,
    };

    /// More than any of these calls needs on a machine under load.
    const DEADLINE: Duration = Duration::from_secs(10);

    /// The result of a call that must not wait.
    fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(call()));
        receiver.recv_timeout(DEADLINE).expect("the call returns without waiting for another process")
    }

    fn fifo(directory: &Path) -> PathBuf {
        let path = directory.join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
        path
    }

    #[test]
    fn only_regular_files_are_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let (fifo, socket, link) =
            (fifo(directory.path()), directory.path().join("socket"), directory.path().join("link"));
        let _listener = UnixListener::bind(&socket).expect("a socket");
        symlink(&fifo, &link).expect("a link");
        for path in [fifo, socket, link, directory.path().to_owned(), "/dev/zero".into(), "/dev/tty".into()] {
            let shown = path.display().to_string();
            let error = in_time(move || read(&path, 10).map(drop)).expect_err(&shown);
            let inner = error.get_ref().and_then(|error| error.downcast_ref::<NotRegular>());
            assert!(inner.is_some(), "{shown}: {error:?}");
        }
    }

    #[test]
    fn a_file_that_became_a_pipe_after_the_check_does_not_wait_either() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = fifo(directory.path());
        let result = in_time(move || super::open_checked(&path).map(drop));
        assert_eq!(result.expect_err("a FIFO").to_string(), "it is a pipe, not a regular file");
    }

    #[test]
    fn a_gibibyte_of_zeros_is_not_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("zeros");
        File::create(&path).and_then(|file| file.set_len(1 << 30)).expect("a sparse file");
        let error = read(&path, 1 << 20).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "it is larger than 1048576 bytes");
    }

    #[test]
    fn a_file_larger_than_it_claims_is_not_read_to_its_end() {
        // Files of procfs claim to be empty.
        let error = read(Path::new("/proc/self/status"), 16).expect_err("more than 16 bytes");
        let inner = error.get_ref().and_then(|error| error.downcast_ref::<TooLarge>());
        assert_eq!(inner, Some(&TooLarge { limit: 16 }));
        assert!(read(Path::new("/proc/self/status"), 1 << 16).is_ok_and(|bytes| bytes.len() > 16));
    }

    #[test]
    fn a_file_up_to_the_limit_is_read_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&path, "four").expect("a file");
        symlink(&path, &link).expect("a link");
        assert_eq!(read_to_string(&link, 4).expect("readable"), "four");
        assert!(read(&path, 3).is_err());
        assert_eq!(open(Path::new("/nonexistent")).expect_err("missing").kind(), ErrorKind::NotFound);
        fs::write(&path, [0xff]).expect("a file");
        assert_eq!(read_to_string(&path, 4).expect_err("not UTF-8").kind(), ErrorKind::InvalidData);
    }
}
