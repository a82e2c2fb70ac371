//! The lines of a segment, plain or compressed, one at a time and with their offsets.
//!
//! Only whole lines come out. Of a compressed segment, the lines of a member come out only once its checksum was right,
//! or if the file ends within it: then the lines before the cut are what was written. Memory is bounded by
//! [`MAX_MEMBER`], whatever the file holds.

use super::{name::SegmentName, summary::Summary};
use flate2::bufread::GzDecoder;
use memchr::memchr;
use std::{
    io::{self, BufRead, Read as _},
    ops::Range,
};

/// Longest line of a plain segment, and longest member of a compressed one, uncompressed.
const MAX_MEMBER: u64 = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineForm {
    Plain,
    Gzip,
}

/// A line without its line end, and the offset of its first byte in the uncompressed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentLine<'a> {
    pub(crate) offset: u64,
    pub(crate) text: &'a [u8],
}

pub(crate) struct SegmentLines {
    reader: Box<dyn BufRead + Send>,
    form: LineForm,
    /// Lines that were read and not returned: from `at` on.
    block: Vec<u8>,
    at: usize,
    /// Offset of `block[at]` in the segment.
    offset: u64,
    /// Where the line that was returned last is in `block`.
    last: Range<usize>,
    is_at_end: bool,
    /// Length of the uncompressed segment according to its summary.
    expected: Option<u64>,
    damage: Option<String>,
    /// Bytes at the end that are no whole line.
    tail: Vec<u8>,
}

impl SegmentLines {
    #[must_use]
    pub(crate) fn plain(reader: Box<dyn BufRead + Send>) -> Self {
        Self::new(reader, LineForm::Plain)
    }

    #[must_use]
    pub(crate) fn gzip(reader: Box<dyn BufRead + Send>) -> Self {
        Self::new(reader, LineForm::Gzip)
    }

    /// The lines of a segment of this name.
    #[must_use]
    pub(crate) fn of(name: &SegmentName, reader: Box<dyn BufRead + Send>) -> Self {
        if name.is_plain() { Self::plain(reader) } else { Self::gzip(reader) }
    }

    fn new(reader: Box<dyn BufRead + Send>, form: LineForm) -> Self {
        let (block, tail) = (Vec::new(), Vec::new());
        Self { reader, form, block, at: 0, offset: 0, last: 0..0, is_at_end: false, expected: None, damage: None, tail }
    }

    /// The next line; `None` at the end, or where nothing more can be read.
    pub(crate) fn next_line(&mut self) -> Option<SegmentLine<'_>> {
        loop {
            if let Some(length) = memchr(b'\n', &self.block[self.at..]) {
                let (start, offset) = (self.at, self.offset);
                self.at += length + 1;
                self.offset += length as u64 + 1;
                self.last = start..start + length;
                return Some(SegmentLine { offset, text: &self.block[start..start + length] });
            }
            if self.at < self.block.len() {
                self.tail = self.block.split_off(self.at);
                self.is_at_end = true;
                let bytes = self.tail.len();
                self.damage.get_or_insert_with(|| format!("ends with {bytes} bytes that are no line"));
            }
            if self.is_at_end {
                return None;
            }
            self.fill();
        }
    }

    /// The line that [`next_line`](Self::next_line) returned last.
    #[must_use]
    pub(crate) fn last_line(&self) -> &[u8] {
        self.block.get(self.last.clone()).unwrap_or_default()
    }

    /// Why lines are missing, if any are: known once [`next_line`](Self::next_line) has returned `None`.
    #[must_use]
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// [`damage`](Self::damage), unless it is the end of a plain segment: a line that is being written, or is repaired
    /// at the next start.
    #[must_use]
    pub(crate) fn problem(&self) -> Option<&str> {
        self.damage().filter(|_| self.form == LineForm::Gzip)
    }

    /// Reads all lines.
    pub(super) fn summarise(&mut self) -> Summary {
        let mut summary = Summary::new();
        while let Some(line) = self.next_line() {
            summary.add(line.text);
        }
        summary
    }

    /// The bytes at the end that are no whole line: of an active segment, a line that is being written.
    #[must_use]
    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
    }

    fn fill(&mut self) {
        self.block.clear();
        self.at = 0;
        match self.form {
            LineForm::Plain => self.fill_plain(),
            LineForm::Gzip => self.fill_gzip(),
        }
    }

    fn fill_plain(&mut self) {
        match (&mut self.reader).take(MAX_MEMBER).read_until(b'\n', &mut self.block) {
            Ok(0) => self.is_at_end = true,
            Ok(_) => {}
            Err(error) => self.fail(&error),
        }
    }

    fn fill_gzip(&mut self) {
        match self.reader.fill_buf() {
            Ok([]) => {
                self.is_at_end = true;
                // A cut between two members leaves a valid file.
                if self.expected.is_some_and(|expected| expected != self.offset) {
                    self.damage = Some("ends before its last member".to_owned());
                }
                return;
            }
            Ok(_) => {}
            Err(error) => return self.fail(&error),
        }
        let mut member = GzDecoder::new(&mut self.reader);
        let mut limited = (&mut member).take(MAX_MEMBER);
        let result = limited.read_to_end(&mut self.block);
        let is_too_long = limited.limit() == 0;
        if self.offset == 0 {
            let summary = member.header().and_then(|header| Summary::from_extra(header.extra()?));
            self.expected = summary.map(|summary| summary.plain_bytes);
        }
        match result {
            Ok(_) if is_too_long => {
                self.block.clear();
                self.is_at_end = true;
                self.damage = Some("has a member that is too long".to_owned());
            }
            Ok(_) => {}
            // The file was cut: the bytes before the cut are right.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.is_at_end = true;
                self.damage = Some("ends within a member".to_owned());
                self.keep_whole_lines();
            }
            Err(error) => {
                self.block.clear();
                self.fail(&error);
            }
        }
    }

    fn keep_whole_lines(&mut self) {
        let end = memchr::memrchr(b'\n', &self.block).map_or(0, |end| end + 1);
        self.block.truncate(end);
    }

    fn fail(&mut self, error: &io::Error) {
        self.is_at_end = true;
        self.damage = Some(format!("cannot be read further: {error}"));
    }
}

/// The summary in the first header of a compressed segment; `None` if it has none.
pub(crate) fn summary_of(reader: impl BufRead) -> Option<Summary> {
    let mut decoder = GzDecoder::new(reader);
    // The header is complete once the first byte of the member was asked for.
    let _ = decoder.read(&mut [0]);
    Summary::from_extra(decoder.header()?.extra()?)
}

#[cfg(test)]
mod tests {
    use super::{MAX_MEMBER, SegmentLines};
    use crate::sink::store::compress::MemberWriter;
    use flate2::Compression;
    use std::io::Cursor;

    fn all(mut lines: SegmentLines) -> (Vec<(u64, String)>, Option<String>) {
        let mut found = Vec::new();
        while let Some(line) = lines.next_line() {
            found.push((line.offset, String::from_utf8_lossy(line.text).into_owned()));
        }
        (found, lines.damage().map(str::to_owned))
    }

    fn plain(bytes: &[u8]) -> SegmentLines {
        SegmentLines::plain(Box::new(Cursor::new(bytes.to_vec())))
    }

    fn gzip(bytes: &[u8]) -> SegmentLines {
        SegmentLines::gzip(Box::new(Cursor::new(bytes.to_vec())))
    }

    #[test]
    fn lines_have_the_same_offsets_in_both_forms() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let text = lines.join("\n") + "\n";
        let mut writer = MemberWriter::new(Vec::new(), Compression::fast(), Vec::new());
        for line in text.lines() {
            writer.push(line.as_bytes()).expect("memory");
        }
        let packed = writer.finish().expect("memory");
        assert_eq!(all(gzip(&packed)), all(plain(text.as_bytes())));
        assert_eq!(all(gzip(&packed)).0.len(), 1000);
    }

    #[test]
    fn what_is_no_line_is_reported_and_not_returned() {
        assert_eq!(
            all(plain(b"a\nbc")),
            (vec![(0, "a".to_owned())], Some("ends with 2 bytes that are no line".into()))
        );
        assert_eq!(all(plain(b"")), (vec![], None));
        let (lines, damage) = all(gzip(b"no gzip at all"));
        assert_eq!(lines, []);
        assert!(damage.is_some_and(|damage| damage.contains("cannot be read")));
    }

    #[test]
    fn a_line_without_end_and_a_member_without_end_are_bounded() {
        let long = vec![b'x'; usize::try_from(MAX_MEMBER).expect("it fits") + 10];
        let mut lines = plain(&long);
        assert_eq!(lines.next_line(), None);
        assert!(lines.damage().is_some());
        let mut writer = MemberWriter::new(Vec::new(), Compression::fast(), Vec::new());
        writer.push(&long).expect("memory");
        let (lines, damage) = all(gzip(&writer.finish().expect("memory")));
        assert_eq!((lines, damage), (vec![], Some("has a member that is too long".to_owned())));
    }

    #[test]
    fn a_member_with_a_wrong_byte_gives_no_line() {
        let mut writer = MemberWriter::new(Vec::new(), Compression::none(), Vec::new());
        writer.push(b"header").expect("memory");
        writer.push(b"{\"port\":80}").expect("memory");
        let packed = writer.finish().expect("memory");
        let at = packed.windows(2).position(|two| two == b"80").expect("stored as it is");
        let mut wrong = packed.clone();
        wrong[at] = b'9';
        assert_eq!(all(gzip(&packed)).0.len(), 2);
        let (lines, damage) = all(gzip(&wrong));
        assert_eq!(lines, [(0, "header".to_owned())]);
        assert!(damage.is_some());
    }
}
