//! An excerpt of the kernel's BTF for a reader that keeps every record and name in memory.
//!
//! aya needs the ids of some twenty types, and reads a whole blob for that: 18 MB for a kernel with 126,000 types. In
//! the excerpt each wanted type has its id, kind and name and nothing else. The types before it, which its id counts,
//! are records of the smallest size.

use super::{
    Btf,
    record::{TypeKind, TypeRecord},
};
use std::collections::BTreeSet;

/// `struct btf_header`: magic, version and flags, then lengths and offsets as in [`super::header`].
const HEADER_BYTES: u32 = 24;
const MAGIC_AND_VERSION: u32 = 0x0001_eb9f;

/// `BTF_KIND_FWD`: a record without a body, for any type that is not wanted.
const FWD: u32 = 7;

impl Btf<'_> {
    /// A BTF blob in which the functions, variables, structs and typedefs of these names have the ids that they have
    /// here. Structs have no members.
    pub(crate) fn excerpt(&self, wanted: &BTreeSet<String>) -> Vec<u8> {
        let (mut types, mut strings) = (Vec::new(), vec![0]);
        let mut end = 0;
        for &offset in &self.offsets {
            let wanted = TypeRecord::at(self.sections.types, offset as usize).and_then(|record| {
                let name = self.name(record.name).filter(|name| wanted.contains(*name))?;
                Some((name, number(record.kind)?, record))
            });
            let Some((name, kind, record)) = wanted else {
                push(&mut types, [0, FWD << 24, 0]);
                continue;
            };
            // The string section of a kernel is shorter than 4 GiB, and this one is a part of it.
            let at = u32::try_from(strings.len()).unwrap_or(0);
            strings.extend_from_slice(name.as_bytes());
            strings.push(0);
            let size = if record.kind == TypeKind::Struct { record.size_or_type } else { 0 };
            push(&mut types, [at, kind << 24, size]);
            if record.kind == TypeKind::Var {
                // Its linkage.
                push(&mut types, [1]);
            }
            end = types.len();
        }
        types.truncate(end);

        let [types_bytes, strings_bytes] =
            [types.len(), strings.len()].map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let mut blob = Vec::with_capacity(HEADER_BYTES as usize + types.len() + strings.len());
        push(&mut blob, [MAGIC_AND_VERSION, HEADER_BYTES, 0, types_bytes, types_bytes, strings_bytes]);
        blob.extend_from_slice(&types);
        blob.extend_from_slice(&strings);
        blob
    }
}

/// The kernel's number of a kind that an excerpt can have.
fn number(kind: TypeKind) -> Option<u32> {
    match kind {
        TypeKind::Struct => Some(4),
        TypeKind::Typedef => Some(8),
        TypeKind::Func => Some(12),
        TypeKind::Var => Some(14),
        _ => None,
    }
}

fn push<const N: usize>(bytes: &mut Vec<u8>, words: [u32; N]) {
    for word in words {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
}
