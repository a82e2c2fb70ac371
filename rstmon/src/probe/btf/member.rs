//! Where a member of a struct lies: a dotted path, through anonymous and named members, to a byte offset and a size.
//! Bit-fields are absent: the kernel half reads whole fields only.
//!
//! Format: `struct btf_member` in include/uapi/linux/btf.h. With the struct's `kind_flag` the offset word holds a
//! bit-field's width (8 bits) and the bit offset (24 bits); without it the whole word is the bit offset, and a
//! bit-field is a member whose integer type has fewer bits than bytes (LLVM and pahole before 2019), see
//! `btf_int_check_member` in kernel/bpf/btf.c.

use super::{
    Btf, MAX_DEPTH, MAX_STEPS,
    header::u32_at,
    record::{MEMBER, TypeKind, TypeRecord},
};

/// Where a member lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Bytes from the start of the struct.
    pub(crate) offset: u32,
    /// Size in bytes; for an array, of all elements.
    pub(crate) size: u32,
}

/// A member found, before its type is measured.
#[derive(Clone, Copy, Debug)]
struct FoundMember {
    /// From the start of the struct at which the look-up began.
    bit_offset: u64,
    type_id: u32,
    width: MemberWidth,
}

/// Width of a member according to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MemberWidth {
    /// A whole number of bytes: the type's size.
    OfType,
    Bits,
    /// The old encoding: a bit-field if its integer type is narrower than its bytes.
    AskType,
}

impl Btf<'_> {
    /// The member of the struct or union `aggregate` that the dotted `path` leads to.
    ///
    /// Each element of the path may sit in anonymous structs and unions at any depth; a named embedded struct must be
    /// an element itself: `("tcp_sock", "inet_conn.icsk_inet.sk.sk_shutdown")`. Pointers are not followed and arrays
    /// not indexed.
    #[must_use]
    pub(crate) fn member(&self, aggregate: &str, path: &str) -> Option<Member> {
        let mut steps = MAX_STEPS;
        self.named(&self.aggregates, aggregate).find_map(|record| self.walk(record, path, &mut steps))
    }

    fn walk(&self, mut within: TypeRecord, path: &str, steps: &mut u32) -> Option<Member> {
        let mut elements = path.split('.').peekable();
        let mut base = 0;
        loop {
            let found = self.find(&within, elements.next()?.as_bytes(), base, MAX_DEPTH, steps)?;
            if elements.peek().is_none() {
                return self.measure(found);
            }
            within = self.aggregate(found.type_id)?;
            base = found.bit_offset;
        }
    }

    /// The member called `name` of `within`, anonymous members entered, in the order of the declaration.
    fn find(&self, within: &TypeRecord, name: &[u8], base: u64, depth: u32, steps: &mut u32) -> Option<FoundMember> {
        let depth = depth.checked_sub(1)?;
        for n in 0..within.count as usize {
            *steps = steps.checked_sub(1)?;
            let at = within.body + n * MEMBER;
            let [member_name, type_id, word] = [0, 4, 8].map(|field| u32_at(self.sections.types, at + field));
            let (member_name, type_id, word) = (member_name?, type_id?, word?);
            let (offset, width) = match (within.flag, word >> 24) {
                (false, _) => (word, MemberWidth::AskType),
                (true, 0) => (word, MemberWidth::OfType),
                (true, _) => (word & 0x00ff_ffff, MemberWidth::Bits),
            };
            let bit_offset = base.checked_add(offset.into())?;
            if self.is_name(member_name, b"") {
                // Unnamed bit-fields are padding: only structs and unions are entered.
                let inner = self.aggregate(type_id);
                if let Some(found) = inner.and_then(|inner| self.find(&inner, name, bit_offset, depth, steps)) {
                    return Some(found);
                }
            } else if self.is_name(member_name, name) {
                return Some(FoundMember { bit_offset, type_id, width });
            }
        }
        None
    }

    fn aggregate(&self, id: u32) -> Option<TypeRecord> {
        self.strip(id).filter(|record| record.kind.is_aggregate())
    }

    fn measure(&self, found: FoundMember) -> Option<Member> {
        let size = self.size_of(found.type_id)?;
        let is_bit_field = match found.width {
            MemberWidth::OfType => false,
            MemberWidth::Bits => true,
            MemberWidth::AskType => self.is_partial_integer(found.type_id, size)?,
        };
        // A member between two bytes that is no bit-field is nothing that a compiler makes.
        let is_whole = !is_bit_field && found.bit_offset.is_multiple_of(8);
        is_whole.then_some(Member { offset: u32::try_from(found.bit_offset / 8).ok()?, size })
    }

    /// The old encoding of bit-fields: an integer type of fewer bits than its bytes have, or one that begins some bits
    /// into them.
    fn is_partial_integer(&self, type_id: u32, size: u32) -> Option<bool> {
        let record = self.strip(type_id)?;
        if record.kind != TypeKind::Int {
            return Some(false);
        }
        // `BTF_INT_OFFSET` and `BTF_INT_BITS`.
        let [_, offset, _, bits] = u32_at(self.sections.types, record.body)?.to_be_bytes().map(u32::from);
        Some(offset != 0 || u64::from(bits) != u64::from(size) * 8)
    }
}
