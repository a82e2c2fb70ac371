//! The blob's outline: the header and the sections that it points to, checked once for all later look-ups.
//!
//! Format: `struct btf_header` and `struct btf_layout` in the kernel's include/uapi/linux/btf.h; what is accepted
//! follows `btf_parse_hdr` and `btf_parse_str_sec` in kernel/bpf/btf.c.

use super::error::{BtfError, BtfSection};

const MAGIC: u16 = 0xeb9f;
/// The header up to and with `str_len`, as every kernel with BTF has it.
const MIN_HEADER: u32 = 24;
/// The header with `layout_off` and `layout_len` (Linux 7.1).
const LAYOUT_HEADER: u32 = 32;

/// The sections of a blob. `strings` is never empty and both begins and ends with NUL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sections<'a> {
    pub(super) types: &'a [u8],
    pub(super) strings: &'a [u8],
    /// One `struct btf_layout` for each kind; empty where the producer wrote none.
    pub(super) layout: &'a [u8],
}

impl<'a> Sections<'a> {
    pub(super) fn locate(data: &'a [u8]) -> Result<Self, BtfError> {
        let truncated = |needed| BtfError::HeaderTruncated { needed, available: data.len() };
        let (magic, rest) = data.split_first_chunk::<2>().ok_or_else(|| truncated(MIN_HEADER))?;
        match u16::from_ne_bytes(*magic) {
            MAGIC => {}
            swapped if swapped == MAGIC.swap_bytes() => return Err(BtfError::ForeignEndian),
            magic => return Err(BtfError::BadMagic { magic }),
        }
        let (&[version, flags], _) = rest.split_first_chunk::<2>().ok_or_else(|| truncated(MIN_HEADER))?;
        if version != 1 {
            return Err(BtfError::UnsupportedVersion { version });
        }
        if flags != 0 {
            return Err(BtfError::UnsupportedFlags { flags });
        }

        let field = |at| u32_at(data, at).ok_or_else(|| truncated(MIN_HEADER));
        let length = field(4)?;
        if length < MIN_HEADER {
            return Err(BtfError::HeaderTooShort { length, minimum: MIN_HEADER });
        }
        let body = data.get(length as usize..).ok_or_else(|| truncated(length))?;
        let slice = |section, offset: u32, length: u32| {
            let end = (offset as usize).checked_add(length as usize);
            end.and_then(|end| body.get(offset as usize..end)).ok_or(BtfError::SectionOutOfBounds {
                section,
                offset,
                length,
                available: body.len(),
            })
        };
        let types = slice(BtfSection::Types, field(8)?, field(12)?)?;
        let strings = slice(BtfSection::Strings, field(16)?, field(20)?)?;
        let layout = if length >= LAYOUT_HEADER {
            slice(BtfSection::Layout, field(24)?, field(28)?)?
        } else {
            Default::default()
        };
        if strings.first() != Some(&0) || strings.last() != Some(&0) {
            return Err(BtfError::StringsUnterminated);
        }
        Ok(Self { types, strings, layout })
    }
}

/// The word at byte `at`, or `None` where the bytes end before.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map(|word| u32::from_ne_bytes(*word))
}
