//! Why a BTF blob was refused. Offsets are bytes from the start of the blob unless a field says otherwise.

/// A part of the blob that the header points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BtfSection {
    /// The type records.
    Types,
    /// The NUL-terminated names.
    Strings,
    /// The record sizes of all kinds the producer knew (since Linux 7.1).
    Layout,
}

impl std::fmt::Display for BtfSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Types => "type",
            Self::Strings => "string",
            Self::Layout => "layout",
        })
    }
}

/// Why a blob is not BTF that this reader can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BtfError {
    /// The blob ends inside its header.
    #[error("BTF header needs {needed} bytes, there are {available}")]
    HeaderTruncated {
        /// Bytes that the header takes.
        needed: u32,
        /// Bytes that the blob has.
        available: usize,
    },
    /// The header's length is below that of the format's first version.
    #[error("BTF header length {length} is below the minimum of {minimum}")]
    HeaderTooShort {
        /// The length in the header.
        length: u32,
        /// The smallest length of any version.
        minimum: u32,
    },
    /// The first two bytes are not the BTF magic in either byte order.
    #[error("not BTF: magic is {magic:#06x}, expected 0xeb9f")]
    BadMagic {
        /// The first two bytes in this machine's byte order.
        magic: u16,
    },
    /// BTF of a machine with the other byte order, which cannot describe the running kernel.
    #[error("BTF has the other byte order than this machine: it does not belong to the running kernel")]
    ForeignEndian,
    /// A format version other than 1.
    #[error("BTF version {version} is not supported, only version 1 is")]
    UnsupportedVersion {
        /// The header's version.
        version: u8,
    },
    /// Header flags are set; this reader knows none.
    #[error("BTF header flags {flags:#04x} are not supported")]
    UnsupportedFlags {
        /// The header's flags.
        flags: u8,
    },
    /// A section lies, partly at least, outside the blob.
    #[error(
        "BTF {section} section ({length} bytes at {offset} after the header) is outside the blob of {available} bytes"
    )]
    SectionOutOfBounds {
        /// The section that is outside.
        section: BtfSection,
        /// Offset in the header, from the end of the header.
        offset: u32,
        /// Length in the header.
        length: u32,
        /// Bytes after the header.
        available: usize,
    },
    /// The string section does not begin with the empty name or does not end with a NUL.
    #[error("BTF string section does not begin and end with NUL")]
    StringsUnterminated,
    /// A type record runs past the end of the type section.
    #[error("BTF type {id} at offset {offset} runs past the end of the type section")]
    TypeTruncated {
        /// The record's type id.
        id: u32,
        /// Offset of the record, from the start of the type section.
        offset: usize,
    },
    /// A kind that this reader does not know and whose size is not in the blob, so that nothing after it can be read.
    #[error("BTF type {id} has unknown kind {kind} and the blob does not say how long it is")]
    UnknownKind {
        /// The record's type id.
        id: u32,
        /// The kind's number.
        kind: u8,
    },
}
