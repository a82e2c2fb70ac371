//! The bytes of a recording, plain or gzip: which of both is found out from the first two bytes.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

/// The first bytes of a gzip member: RFC 1952, section 2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];

type Input = Box<dyn BufRead + Send>;
/// The input with the bytes in front that were read to tell what it is.
type WholeInput = Chain<Cursor<Vec<u8>>, Input>;

/// Where lines are read from. Inflating takes constant memory, whatever the file holds.
pub(super) enum RecordedInput {
    Plain(WholeInput),
    /// Any number of gzip members, one after the other.
    Gzip(Box<BufReader<MultiGzDecoder<WholeInput>>>),
}

impl RecordedInput {
    pub(super) fn new(mut input: Input) -> io::Result<Self> {
        let mut begin = Vec::new();
        (&mut input).take(GZIP.len() as u64).read_to_end(&mut begin)?;
        let is_gzip = begin == GZIP;
        let input = Cursor::new(begin).chain(input);
        Ok(if is_gzip { Self::Gzip(Box::new(BufReader::new(MultiGzDecoder::new(input)))) } else { Self::Plain(input) })
    }

    /// Reads up to the end of the line, or up to `most` bytes of it.
    pub(super) fn read_line(&mut self, most: u64, line: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.take(most).read_until(b'\n', line),
            Self::Gzip(input) => input.take(most).read_until(b'\n', line),
        }
    }

    /// Whether an error is about what the file holds, in contrast to reading it.
    pub(super) fn is_damage(&self, error: &io::Error) -> bool {
        matches!(self, Self::Gzip(_)) && error.raw_os_error().is_none()
    }
}
