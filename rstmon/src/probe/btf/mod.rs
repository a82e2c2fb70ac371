//! Reads the running kernel's description of its types (BTF) for the few facts that rstmon needs: the offset of a
//! field, the names of an enum's values, how many parameters a tracepoint has, whether a function exists.
//!
//! Contract:
//! - **Absence is a result, not an error.** Every look-up returns `None` for what this kernel does not have; nothing is
//!   guessed.
//! - **Total.** Damaged bytes make [`Btf::parse`] fail or look-ups return `None` or nonsense, but never panic, recurse
//!   or run without bound: references are followed [`MAX_DEPTH`] deep, as far as the kernel follows them itself;
//!   parsing and finding a name are linear in the blob; a member look-up visits at most [`MAX_STEPS`] members. A count
//!   is used only after the bytes that it counts have been found, so memory stays within a small multiple of the blob.
//! - **Cheap.** Names and records stay in the caller's bytes; the reader stores one `u32` for each type and another for
//!   each type that can be looked up by name. For a kernel of 126,000 types (5.5 MB) that is below 1 MB.
//! - **Duplicates.** A kernel has several types of some names (drivers reuse them, compilation units see more or less
//!   of a type). Look-ups take the first, by type id, *that has the answer*: the first that has the member, the first
//!   enum with variants.

mod error;
mod excerpt;
mod header;
mod kernel;
mod member;
mod prototype;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use error::BtfError;
pub(crate) use kernel::{KernelBtfError, read_kernel_btf};
pub(crate) use member::Member;

use header::{Sections, u32_at};
use record::{ENUM64, PAIR, TypeKind, TypeRecord};

/// How many references of a sort in a row (typedefs and qualifiers, arrays, anonymous members) are followed:
/// `MAX_RESOLVE_DEPTH` of the kernel's own reader (kernel/bpf/btf.c). Real chains are below 10.
const MAX_DEPTH: u32 = 32;

/// How many members one look-up visits at most. The largest structs of a kernel have some hundreds, the anonymous
/// structs inside them included.
const MAX_STEPS: u32 = 1 << 16;

/// The longest name that is returned: `KSYM_NAME_LEN`, the limit of the kernel's symbols.
const MAX_NAME: usize = 512;

/// A BTF blob whose outline has been checked; see the [module](self) for what holds.
#[derive(Debug)]
pub(crate) struct Btf<'a> {
    sections: Sections<'a>,
    /// Offset in the type section at which type id n + 1 begins.
    offsets: Vec<u32>,
    aggregates: Vec<u32>,
    enums: Vec<u32>,
    typedefs: Vec<u32>,
    functions: Vec<u32>,
    pointer_size: u32,
}

impl<'a> Btf<'a> {
    /// Read the outline of `data`, a raw `.BTF` section such as `/sys/kernel/btf/vmlinux`.
    ///
    /// # Errors
    /// When `data` is no BTF, is cut short, has the other byte order, or has a kind whose length is unknown.
    pub(crate) fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
        let sections = Sections::locate(data)?;
        let types = sections.types;
        let mut btf = Self {
            sections,
            // A kernel's records take 25 bytes on average.
            offsets: Vec::with_capacity(types.len() / 24),
            aggregates: Vec::new(),
            enums: Vec::new(),
            typedefs: Vec::new(),
            functions: Vec::new(),
            pointer_size: u32::try_from(size_of::<usize>()).unwrap_or(8),
        };
        let (mut id, mut offset) = (1_u32, 0_u32);
        while (offset as usize) < types.len() {
            let truncated = || BtfError::TypeTruncated { id, offset: offset as usize };
            let record = TypeRecord::at(types, offset as usize).ok_or_else(truncated)?;
            let body = record.body_length(sections.layout).ok_or(match record.kind {
                TypeKind::Unknown(kind) => BtfError::UnknownKind { id, kind },
                _ => truncated(),
            })?;
            let end = record.body.checked_add(body).filter(|end| *end <= types.len());
            // The section's own length is a u32, so every offset in it is.
            let next = end.and_then(|end| u32::try_from(end).ok()).ok_or_else(truncated)?;
            btf.offsets.push(offset);
            btf.index(id, &record);
            (id, offset) = (id + 1, next);
        }
        Ok(btf)
    }

    /// Add a record to the list in which its name is looked up.
    fn index(&mut self, id: u32, record: &TypeRecord) {
        match record.kind {
            TypeKind::Struct | TypeKind::Union => self.aggregates.push(id),
            TypeKind::Enum | TypeKind::Enum64 => self.enums.push(id),
            TypeKind::Typedef => self.typedefs.push(id),
            TypeKind::Func => self.functions.push(id),
            // A `long` is as wide as a pointer in every Linux ABI; compilers spell it in two ways. libbpf does the
            // same.
            TypeKind::Int
                if matches!(record.size_or_type, 4 | 8)
                    && (self.is_named(record, b"long unsigned int") || self.is_named(record, b"unsigned long")) =>
            {
                self.pointer_size = record.size_or_type;
            }
            _ => {}
        }
    }

    /// The number of types, void not counted.
    #[must_use]
    pub(crate) fn type_count(&self) -> usize {
        self.offsets.len()
    }

    /// The names and values of `enum name`, in the order of its declaration.
    ///
    /// Values of an unsigned 64-bit enum above `i64::MAX` come out negative. pahole before 1.24 did not record
    /// signedness: there, a negative variant comes out as its unsigned 32-bit pattern.
    #[must_use]
    pub(crate) fn enum_variants(&self, name: &str) -> Option<Vec<(&'a str, i64)>> {
        let found = self.named(&self.enums, name).find(|record| record.count > 0)?;
        let value = |at: usize| -> Option<i64> {
            let low = u32_at(self.sections.types, at + 4)?;
            Some(match (found.kind, found.flag) {
                (TypeKind::Enum64, _) => {
                    let high = u32_at(self.sections.types, at + 8)?;
                    (u64::from(high) << 32 | u64::from(low)).cast_signed()
                }
                (_, true) => low.cast_signed().into(),
                (_, false) => low.into(),
            })
        };
        let width = if found.kind == TypeKind::Enum64 { ENUM64 } else { PAIR };
        (0..found.count as usize)
            .map(|n| found.body + n * width)
            .map(|at| Some((self.name(u32_at(self.sections.types, at)?)?, value(at)?)))
            .collect()
    }

    /// The record of a type id; `None` for void and for an id that does not exist.
    fn record(&self, id: u32) -> Option<TypeRecord> {
        let offset = self.offsets.get(id.checked_sub(1)? as usize)?;
        TypeRecord::at(self.sections.types, *offset as usize)
    }

    /// The records among `ids` that are called `name`; none for the empty name.
    fn named<'s>(&'s self, ids: &'s [u32], name: &'s str) -> impl Iterator<Item = TypeRecord> + 's {
        let ids = if name.is_empty() { &[] } else { ids };
        ids.iter().filter_map(|id| self.record(*id)).filter(move |record| self.is_named(record, name.as_bytes()))
    }

    fn is_named(&self, record: &TypeRecord, name: &[u8]) -> bool {
        self.is_name(record.name, name)
    }

    /// Whether the string at `at` is `name`, compared in place: most differ in their first byte.
    fn is_name(&self, at: u32, name: &[u8]) -> bool {
        let rest = self.sections.strings.get(at as usize..).unwrap_or_default();
        rest.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0)) && !name.contains(&0)
    }

    /// The string at `at`; `None` where it is not text, is longer than any kernel symbol, or does not exist.
    fn name(&self, at: u32) -> Option<&'a str> {
        let rest = self.sections.strings.get(at as usize..)?;
        let length = rest.iter().take(MAX_NAME).position(|byte| *byte == 0)?;
        std::str::from_utf8(rest.get(..length)?).ok()
    }

    /// Follow typedefs, qualifiers and tags to the type that they stand for; `None` for void.
    fn strip(&self, mut id: u32) -> Option<TypeRecord> {
        for _ in 0..MAX_DEPTH {
            let record = self.record(id)?;
            if !record.kind.is_modifier() {
                return Some(record);
            }
            id = record.size_or_type;
        }
        None
    }

    /// Whether `id` is void, behind qualifiers or not.
    fn is_void(&self, mut id: u32) -> bool {
        for _ in 0..MAX_DEPTH {
            match self.record(id) {
                Some(record) if record.kind.is_modifier() => id = record.size_or_type,
                _ => break,
            }
        }
        id == 0
    }

    /// The size in bytes of type `id`; `None` for what has none (void, functions, forward declarations) or none that
    /// fits a `u32`.
    fn size_of(&self, mut id: u32) -> Option<u32> {
        let mut elements = 1_u32;
        for _ in 0..MAX_DEPTH {
            let record = self.strip(id)?;
            let size = match record.kind {
                TypeKind::Int
                | TypeKind::Enum
                | TypeKind::Enum64
                | TypeKind::Struct
                | TypeKind::Union
                | TypeKind::Float => record.size_or_type,
                TypeKind::Ptr => self.pointer_size,
                TypeKind::Array => {
                    // `struct btf_array { u32 type; u32 index_type; u32 nelems; }`
                    id = u32_at(self.sections.types, record.body)?;
                    elements = elements.checked_mul(u32_at(self.sections.types, record.body + 8)?)?;
                    continue;
                }
                _ => return None,
            };
            return elements.checked_mul(size);
        }
        None
    }
}
