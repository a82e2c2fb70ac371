//! A segment that is being written: plain lines, appended.

use super::{
    directory::{StoreDirectory, io_error},
    error::StoreError,
    name::SegmentName,
};
use std::{fs::File, io::Write as _, time::Instant};

/// What decides when a segment is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActiveSegment {
    pub(super) name: SegmentName,
    /// Length up to the last whole line.
    pub(super) bytes: u64,
    pub(super) opened: Instant,
    /// Whether there are lines besides those that every segment begins with.
    pub(super) has_content: bool,
}

/// The open file of a segment.
#[derive(Debug)]
pub(super) struct ActiveFile {
    pub(super) segment: ActiveSegment,
    file: File,
    /// Whether bytes were written since the last sync.
    is_dirty: bool,
    /// Whether bytes of a failed write are left at the end, so that nothing more may be appended.
    pub(super) is_torn: bool,
}

impl ActiveFile {
    /// Makes the file, with these first lines. Nothing is left of it if that fails.
    pub(super) fn create(
        directory: &StoreDirectory,
        name: SegmentName,
        first_lines: &[u8],
        now: Instant,
    ) -> Result<Self, StoreError> {
        let text = name.to_string();
        let file = directory.create(&text)?;
        let segment = ActiveSegment { name, bytes: 0, opened: now, has_content: false };
        let mut active = Self { segment, file, is_dirty: false, is_torn: false };
        match active.append(directory, first_lines) {
            Ok(()) => {
                active.segment.has_content = false;
                Ok(active)
            }
            Err(error) => {
                // If it cannot be removed either, the next start closes it.
                let _ = directory.remove(&text);
                Err(error)
            }
        }
    }

    /// Appends whole lines, all or none of them.
    pub(super) fn append(&mut self, directory: &StoreDirectory, lines: &[u8]) -> Result<(), StoreError> {
        let path = directory.path_of(&self.segment.name.to_string());
        if rustix::fs::fstat(&self.file).is_ok_and(|stat| stat.st_nlink == 0) {
            self.is_torn = true;
            return Err(io_error("write to", &path)(std::io::ErrorKind::NotFound.into()));
        }
        if let Err(error) = self.file.write_all(lines) {
            self.is_torn = self.file.set_len(self.segment.bytes).is_err();
            return Err(io_error("write to", &path)(error));
        }
        self.segment.bytes += lines.len() as u64;
        self.segment.has_content |= !lines.is_empty();
        self.is_dirty |= !lines.is_empty();
        Ok(())
    }

    /// Makes what was written survive a power loss.
    pub(super) fn sync(&mut self, directory: &StoreDirectory) -> Result<(), StoreError> {
        if self.is_dirty {
            let path = directory.path_of(&self.segment.name.to_string());
            self.file.sync_data().map_err(io_error("sync", &path))?;
            self.is_dirty = false;
        }
        Ok(())
    }
}
