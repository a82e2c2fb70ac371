//! Closes a segment: its whole lines into gzip members, in a temporary file that takes the segment's place once it is
//! on the disk.

use super::{
    counts::Coarsener,
    directory::{StoreDirectory, io_error},
    error::StoreError,
    line::{self, CountsLine},
    lines::SegmentLines,
    name::{SegmentKind, SegmentName},
    retention::KeptSegment,
    summary::Summary,
};
use flate2::{Compression, GzBuilder};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Seek as _, SeekFrom, Write},
};

/// Lines of a member: enough to compress well, few enough to skip.
const MEMBER_LINES: usize = 256;
/// Uncompressed bytes after which a member ends, for long lines.
const MEMBER_BYTES: usize = 256 * 1024;
/// Bytes that are kept of the end of a segment that is no line.
const KEPT_TAIL: usize = 64 * 1024;

/// Writes lines as gzip members. The first member holds the first line only, and carries the extra field.
pub(crate) struct MemberWriter<W> {
    out: W,
    level: Compression,
    extra: Option<Vec<u8>>,
    member: Vec<u8>,
    lines: usize,
}

impl<W: Write> MemberWriter<W> {
    pub(crate) fn new(out: W, level: Compression, extra: Vec<u8>) -> Self {
        Self { out, level, extra: Some(extra), member: Vec::new(), lines: 0 }
    }

    pub(crate) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        self.member.extend_from_slice(line);
        self.member.push(b'\n');
        self.lines += 1;
        if self.extra.is_some() || self.lines >= MEMBER_LINES || self.member.len() >= MEMBER_BYTES {
            self.end_member()?;
        }
        Ok(())
    }

    fn end_member(&mut self) -> io::Result<()> {
        let builder = match self.extra.take() {
            Some(extra) => GzBuilder::new().extra(extra),
            None => GzBuilder::new(),
        };
        let mut encoder = builder.write(&mut self.out, self.level);
        encoder.write_all(&self.member)?;
        encoder.finish()?;
        self.member.clear();
        self.lines = 0;
        Ok(())
    }

    /// Ends the last member, and returns the output.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if self.lines > 0 || self.extra.is_some() {
            self.end_member()?;
        }
        Ok(self.out)
    }
}

/// Closes a plain segment. Returns `None` if it had no line, and is gone. What is at its end and is no whole line is
/// kept in a file of its own.
pub(super) fn close(
    directory: &StoreDirectory,
    plain: SegmentName,
    level: Compression,
) -> Result<Option<KeptSegment>, StoreError> {
    let name = plain.to_string();
    let (summary, tail) = summarise(directory, &name)?;
    if !tail.is_empty() {
        keep_tail(directory, &name, &tail)?;
    }
    if summary.plain_bytes == 0 {
        directory.remove(&name)?;
        return Ok(None);
    }
    let kept =
        pack(directory, &name, SegmentName::closed(plain.kind, plain.number, summary.span(), false), &summary, level)?;
    directory.remove(&name)?;
    Ok(Some(kept))
}

/// Adds the minutes of a closed segment of counts up to ten minutes, in a file that takes its place.
pub(super) fn coarsen(directory: &StoreDirectory, fine: SegmentName) -> Result<KeptSegment, StoreError> {
    let name = fine.to_string();
    let path = directory.path_of(&name);
    let scratch = StoreDirectory::temporary(&SegmentName::plain(fine.kind, fine.number).to_string());
    directory.remove(&scratch)?;
    let mut out = BufWriter::new(directory.create(&scratch)?);
    let mut lines = SegmentLines::gzip(Box::new(BufReader::new(directory.open_file(&name)?)));
    let (mut coarse, mut buffer) = (Coarsener::default(), Vec::new());
    while let Some(found) = lines.next_line() {
        buffer.clear();
        if let Ok(counts) = serde_json::from_slice::<CountsLine>(found.text) {
            coarse.push(counts).into_iter().for_each(|sum| line::push_counts(&mut buffer, sum));
        } else {
            // The header, and lines of a later version.
            coarse.finish().into_iter().for_each(|sum| line::push_counts(&mut buffer, sum));
            buffer.extend_from_slice(found.text);
            buffer.push(b'\n');
        }
        out.write_all(&buffer).map_err(io_error("write to", &path))?;
    }
    if let Some(damage) = lines.damage() {
        tracing::warn!(segment = name, damage, "a segment of counts is damaged: what could be read is kept");
    }
    buffer.clear();
    coarse.finish().into_iter().for_each(|sum| line::push_counts(&mut buffer, sum));
    out.write_all(&buffer).and_then(|()| out.flush()).map_err(io_error("write to", &path))?;
    drop(out);
    let (summary, _) = summarise(directory, &scratch)?;
    let kept = pack(
        directory,
        &scratch,
        SegmentName::closed(SegmentKind::Counts, fine.number, summary.span(), true),
        &summary,
        Compression::default(),
    )?;
    directory.remove(&scratch)?;
    directory.remove(&name)?;
    Ok(kept)
}

fn reading(file: File) -> SegmentLines {
    SegmentLines::plain(Box::new(BufReader::new(file)))
}

/// The summary of a plain file, and the bytes at its end that are no whole line.
fn summarise(directory: &StoreDirectory, name: &str) -> Result<(Summary, Vec<u8>), StoreError> {
    let mut lines = reading(directory.open_file(name)?);
    let summary = lines.summarise();
    Ok((summary, lines.tail().to_vec()))
}

/// Writes the lines of the plain file `from` into the closed segment `to`, which exists as a whole or not at all.
fn pack(
    directory: &StoreDirectory,
    from: &str,
    to: SegmentName,
    summary: &Summary,
    level: Compression,
) -> Result<KeptSegment, StoreError> {
    let closed = to.to_string();
    let temporary = StoreDirectory::temporary(&closed);
    let path = directory.path_of(&temporary);
    // The rest of an attempt that failed.
    directory.remove(&temporary)?;
    let written = (|| {
        let mut lines = reading(directory.open_file(from)?);
        let file = BufWriter::new(directory.create(&temporary)?);
        let mut writer = MemberWriter::new(file, level, summary.to_extra());
        let failed = || io_error("write to", &path);
        while let Some(line) = lines.next_line() {
            writer.push(line.text).map_err(failed())?;
        }
        let mut file = writer.finish().and_then(|out| out.into_inner().map_err(Into::into)).map_err(failed())?;
        file.sync_data().map_err(io_error("sync", &path))?;
        file.seek(SeekFrom::End(0)).map_err(failed())
    })();
    let bytes = match written {
        Ok(bytes) => bytes,
        Err(error) => {
            // The next attempt removes it otherwise.
            let _ = directory.remove(&temporary);
            return Err(error);
        }
    };
    directory.rename(&temporary, &closed)?;
    directory.sync()?;
    Ok(KeptSegment { name: to, bytes })
}

fn keep_tail(directory: &StoreDirectory, name: &str, tail: &[u8]) -> Result<(), StoreError> {
    let damaged = StoreDirectory::damaged(name);
    directory.remove(&damaged)?;
    let mut file = directory.create(&damaged)?;
    let path = directory.path_of(&damaged);
    file.write_all(&tail[..tail.len().min(KEPT_TAIL)]).map_err(io_error("write to", &path))?;
    file.sync_data().map_err(io_error("sync", &path))?;
    let bytes = tail.len();
    tracing::warn!(segment = name, bytes, kept = %path.display(), "the end of a segment is no whole line");
    Ok(())
}
