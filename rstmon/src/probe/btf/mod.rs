//! The running kernel's own description of its types (BTF), read for the few things rstmon must know of it: where a
//! field lies, what an enum's names mean, which parameters a tracepoint has, whether a function exists.
//!
//! Contract:
//! - **Absent is an answer, not an error.** Every look-up gives `None` for what this kernel does not have; nothing is
//!   guessed.
//! - **Total.** Damaged bytes make [`Btf::parse`] fail or look-ups give `None` or nonsense, but never panic, recurse
//!   or run without bound: references are followed [`MAX_DEPTH`] deep, as far as the kernel follows them itself;
//!   parsing and finding a name are linear in the blob; a member look-up visits at most [`MAX_STEPS`] members. A count
//!   is believed only once the bytes that it counts are there, so memory stays within a small multiple of the blob.
//! - **Cheap.** Names and records stay in the caller's bytes; kept are one `u32` a type and another for each type that
//!   can be looked up by name. For a kernel of 126,000 types (5.5 MB) that is below 1 MB.
//! - **Duplicates.** A kernel has several types of some names (drivers reuse them, compilation units see more or less
//!   of a type). Look-ups take the first, by type id, *that answers the question*: the first that has the member, the
//!   first with a size above 0, the first enum with variants.

mod error;
mod header;
mod kernel;
mod member;
mod prototype;
mod record;
#[cfg(test)]
mod tests;

pub use error::{BtfError, Section};
pub use kernel::{KERNEL_BTF, KernelBtfError, MAX_KERNEL_BTF_BYTES, read_kernel_btf};
pub use member::{BitField, Member};
pub use prototype::{Parameter, Pointee, TypeRef};

use header::{Sections, u32_at};
use record::{ENUM64, Kind, PAIR, Record};

/// How many references of a sort in a row (typedefs and qualifiers, arrays, anonymous members) are followed:
/// `MAX_RESOLVE_DEPTH` of the kernel's own reader (kernel/bpf/btf.c). Real chains are below 10.
pub const MAX_DEPTH: u32 = 32;

/// How many members one look-up visits at most. The largest structs of a kernel have some hundreds, the anonymous
/// structs inside them included.
pub const MAX_STEPS: u32 = 1 << 16;

/// The longest name that is given out: `KSYM_NAME_LEN`, past which the kernel has no symbols.
const MAX_NAME: usize = 512;

/// A BTF blob, checked for its outline; see the [module](self) for what holds.
#[derive(Debug)]
pub struct Btf<'a> {
    sections: Sections<'a>,
    /// Where type id n + 1 begins in the type section.
    offsets: Vec<u32>,
    aggregates: Vec<u32>,
    enums: Vec<u32>,
    typedefs: Vec<u32>,
    functions: Vec<u32>,
    pointer_size: u32,
}

impl<'a> Btf<'a> {
    /// Read the outline of `data`, a raw `.BTF` section such as [`KERNEL_BTF`] is.
    ///
    /// # Errors
    /// When `data` is no BTF, is cut short, has the other byte order, or has a kind whose length nobody knows.
    pub fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
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
            let record = Record::at(types, offset as usize).ok_or_else(truncated)?;
            let body = record.body_length(sections.layout).ok_or(match record.kind {
                Kind::Unknown(kind) => BtfError::UnknownKind { id, kind },
                _ => truncated(),
            })?;
            let end = record.body.checked_add(body).filter(|end| *end <= types.len());
            // The section's own length is a u32, so every offset in it is.
            let next = end.and_then(|end| u32::try_from(end).ok()).ok_or_else(truncated)?;
            btf.offsets.push(offset);
            btf.note(id, &record);
            (id, offset) = (id + 1, next);
        }
        Ok(btf)
    }

    /// File a record where its name will be looked for.
    fn note(&mut self, id: u32, record: &Record) {
        match record.kind {
            Kind::Struct | Kind::Union => self.aggregates.push(id),
            Kind::Enum | Kind::Enum64 => self.enums.push(id),
            Kind::Typedef => self.typedefs.push(id),
            Kind::Func => self.functions.push(id),
            // A `long` is as wide as a pointer in every Linux ABI; the compilers spell it in two ways. libbpf does the
            // same.
            Kind::Int
                if matches!(record.size_or_type, 4 | 8)
                    && (self.is_named(record, b"long unsigned int") || self.is_named(record, b"unsigned long")) =>
            {
                self.pointer_size = record.size_or_type;
            }
            _ => {}
        }
    }

    /// How many types there are, void not counted.
    #[must_use]
    pub fn type_count(&self) -> usize {
        self.offsets.len()
    }

    /// The size in bytes of the struct or union `name`: of the first that is not empty where there are several.
    #[must_use]
    pub fn struct_size(&self, name: &str) -> Option<u32> {
        let mut sizes = self.named(&self.aggregates, name).map(|record| record.size_or_type);
        let first = sizes.next()?;
        Some(if first == 0 { sizes.find(|size| *size > 0).unwrap_or(0) } else { first })
    }

    /// The names and values of `enum name`, in the order of its declaration.
    ///
    /// Values of an unsigned 64-bit enum above `i64::MAX` come out negative. pahole before 1.24 did not record
    /// signedness: there, a negative variant comes out as its unsigned 32-bit pattern.
    #[must_use]
    pub fn enum_variants(&self, name: &str) -> Option<Vec<(&'a str, i64)>> {
        let found = self.named(&self.enums, name).find(|record| record.count > 0)?;
        let value = |at: usize| -> Option<i64> {
            let low = u32_at(self.sections.types, at + 4)?;
            Some(match (found.kind, found.flag) {
                (Kind::Enum64, _) => {
                    let high = u32_at(self.sections.types, at + 8)?;
                    (u64::from(high) << 32 | u64::from(low)).cast_signed()
                }
                (_, true) => low.cast_signed().into(),
                (_, false) => low.into(),
            })
        };
        let width = if found.kind == Kind::Enum64 { ENUM64 } else { PAIR };
        (0..found.count as usize)
            .map(|n| found.body + n * width)
            .map(|at| Some((self.name(u32_at(self.sections.types, at)?)?, value(at)?)))
            .collect()
    }

    /// The record of a type id; `None` for void and for an id that does not exist.
    fn record(&self, id: u32) -> Option<Record> {
        let offset = self.offsets.get(id.checked_sub(1)? as usize)?;
        Record::at(self.sections.types, *offset as usize)
    }

    /// The records among `ids` that are called `name`. Nothing is called the empty name.
    fn named<'s>(&'s self, ids: &'s [u32], name: &'s str) -> impl Iterator<Item = Record> + 's {
        let ids = if name.is_empty() { &[] } else { ids };
        ids.iter().filter_map(|id| self.record(*id)).filter(move |record| self.is_named(record, name.as_bytes()))
    }

    fn is_named(&self, record: &Record, name: &[u8]) -> bool {
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

    /// Follow typedefs, qualifiers and tags to the type that they stand for.
    fn strip(&self, mut id: u32) -> Option<Stripped> {
        let mut alias = 0;
        for _ in 0..MAX_DEPTH {
            if id == 0 {
                return Some(Stripped::Void);
            }
            let record = self.record(id)?;
            if !record.kind.is_modifier() {
                return Some(Stripped::Type { record, alias });
            }
            if record.kind == Kind::Typedef {
                alias = record.name;
            }
            id = record.size_or_type;
        }
        None
    }

    /// The size in bytes of type `id`; `None` for what has none (void, functions, forward declarations) or none that
    /// fits a `u32`.
    fn size_of(&self, mut id: u32) -> Option<u32> {
        let mut elements = 1_u32;
        for _ in 0..MAX_DEPTH {
            let Stripped::Type { record, .. } = self.strip(id)? else { return None };
            let size = match record.kind {
                Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Struct | Kind::Union | Kind::Float => record.size_or_type,
                Kind::Ptr => self.pointer_size,
                Kind::Array => {
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

/// What is left of a type without its typedefs, qualifiers and tags.
#[derive(Clone, Copy, Debug)]
enum Stripped {
    Void,
    /// `alias` is where the name of the innermost typedef passed is, for types that have no name of their own; 0 for
    /// none.
    Type {
        record: Record,
        alias: u32,
    },
}
