//! One type record: the fixed part (`struct btf_type`) decoded, and how many bytes follow it.

use super::header::u32_at;

/// Size of `struct btf_type`.
pub(super) const FIXED: usize = 12;
/// Size of `struct btf_member`.
pub(super) const MEMBER: usize = 12;
/// Size of `struct btf_param` and of `struct btf_enum`.
pub(super) const PAIR: usize = 8;
/// Size of `struct btf_enum64`.
pub(super) const ENUM64: usize = 12;

/// The kernel's `BTF_KIND_*` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeKind {
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    /// A kind newer than this reader.
    Unknown(u8),
}

impl TypeKind {
    /// A kind's index in this table is its number minus one (0 is void and has no record).
    const KNOWN: [Self; 19] = [
        Self::Int,
        Self::Ptr,
        Self::Array,
        Self::Struct,
        Self::Union,
        Self::Enum,
        Self::Fwd,
        Self::Typedef,
        Self::Volatile,
        Self::Const,
        Self::Restrict,
        Self::Func,
        Self::FuncProto,
        Self::Var,
        Self::Datasec,
        Self::Float,
        Self::DeclTag,
        Self::TypeTag,
        Self::Enum64,
    ];

    fn of(number: u8) -> Self {
        let known = number.checked_sub(1).and_then(|at| Self::KNOWN.get(usize::from(at)));
        known.copied().unwrap_or(Self::Unknown(number))
    }

    /// A qualifier, tag or typedef: the type that it refers to has the size and the shape.
    pub(super) fn is_modifier(self) -> bool {
        matches!(self, Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag)
    }

    pub(super) fn is_aggregate(self) -> bool {
        matches!(self, Self::Struct | Self::Union)
    }
}

/// The fixed part of a type record.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeRecord {
    /// Offset of its name in the string section; the name there is empty for an anonymous type.
    pub(super) name: u32,
    pub(super) kind: TypeKind,
    /// Number of members, variants or parameters.
    pub(super) count: u32,
    /// `kind_flag`: what it means depends on the kind.
    pub(super) flag: bool,
    /// The size in bytes, or the id of the referenced type, depending on the kind.
    pub(super) size_or_type: u32,
    /// Offset in the type section of the bytes after the fixed part.
    pub(super) body: usize,
}

impl TypeRecord {
    /// Decode the record at byte `at` of the type section.
    pub(super) fn at(types: &[u8], at: usize) -> Option<Self> {
        let info = u32_at(types, at + 4)?;
        // Linux up to 7.0 defined 16 bits of count and 5 of kind and required the bits between to be 0
        // (`btf_check_meta`); since 7.1 they belong to the two.
        let [head, ..] = info.to_be_bytes();
        Some(Self {
            name: u32_at(types, at)?,
            kind: TypeKind::of(head & 0x7f),
            count: info & 0x00ff_ffff,
            flag: head & 0x80 != 0,
            size_or_type: u32_at(types, at + 8)?,
            body: at + FIXED,
        })
    }

    /// Number of bytes after the fixed part; `None` for an unknown kind that is not in `layout`.
    pub(super) fn body_length(&self, layout: &[u8]) -> Option<usize> {
        let count = self.count as usize;
        Some(match self.kind {
            TypeKind::Ptr
            | TypeKind::Fwd
            | TypeKind::Typedef
            | TypeKind::Volatile
            | TypeKind::Const
            | TypeKind::Restrict
            | TypeKind::Func
            | TypeKind::Float
            | TypeKind::TypeTag => 0,
            TypeKind::Int | TypeKind::Var | TypeKind::DeclTag => 4,
            TypeKind::Array => 12,
            TypeKind::Struct | TypeKind::Union => count * MEMBER,
            TypeKind::Enum | TypeKind::FuncProto => count * PAIR,
            TypeKind::Datasec => count * 12,
            TypeKind::Enum64 => count * ENUM64,
            TypeKind::Unknown(number) => {
                // `struct btf_layout { u8 info_sz; u8 elem_sz; u16 flags; }`, one a kind, indexed by the kind's number.
                let at = usize::from(number) * 4;
                let &[info, element] = layout.get(at..at + 4)?.first_chunk()?;
                usize::from(info) + count * usize::from(element)
            }
        })
    }
}
