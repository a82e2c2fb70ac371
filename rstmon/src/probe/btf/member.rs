//! Where a member of a struct lies: a dotted path, through anonymous and named members, to a byte offset and a size.
//!
//! Format: `struct btf_member` in include/uapi/linux/btf.h. With the struct's `kind_flag` the offset word holds a
//! bit-field's width (8 bits) and the bit offset (24 bits); without it the whole word is the bit offset, and a
//! bit-field is a member whose integer type has fewer bits than bytes (LLVM and pahole before 2019), see
//! `btf_int_check_member` in kernel/bpf/btf.c.

use super::{
    Btf, MAX_DEPTH, MAX_STEPS, Stripped,
    header::u32_at,
    record::{Kind, MEMBER, Record},
};

/// Where a member lies and how to load it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where to load from, in bytes from the start of the struct.
    pub offset: u32,
    /// How many bytes to load. For an array, all of it. For a bit-field, the smallest naturally aligned 1, 2, 4 or 8
    /// bytes that hold all of its bits, so that the load never leaves the field's storage.
    pub size: u32,
    /// Set where the member is only some of the loaded bits.
    pub bits: Option<BitField>,
}

/// Which of the loaded bits are a bit-field, counted from the least significant one of the value loaded in this
/// machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitField {
    /// How far to shift the loaded value right: 0..=63.
    pub shift: u32,
    /// How many bits are left to keep: 1..=64.
    pub width: u32,
}

impl BitField {
    /// The field's value out of the [`Member::size`] bytes loaded, zero-extended.
    #[must_use]
    pub fn extract(self, loaded: u64) -> u64 {
        loaded.checked_shr(self.shift).unwrap_or(0)
            & u64::MAX.checked_shr(64_u32.saturating_sub(self.width)).unwrap_or(0)
    }
}

/// A member found, before its type is measured.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// From the start of the struct the look-up began at.
    bit_offset: u64,
    type_id: u32,
    width: Width,
}

/// What the member's record says of its width in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// A whole number of bytes: the type's size.
    OfType,
    /// A bit-field.
    Bits(u32),
    /// The old encoding: its integer type tells.
    AskType,
}

impl Btf<'_> {
    /// The member of the struct or union `aggregate` that the dotted `path` leads to.
    ///
    /// Each element of the path may sit in anonymous structs and unions at any depth; a named embedded struct must be
    /// an element itself: `("tcp_sock", "inet_conn.icsk_inet.sk.sk_shutdown")`. Pointers are not followed and arrays
    /// not indexed.
    #[must_use]
    pub fn member(&self, aggregate: &str, path: &str) -> Option<Member> {
        let mut steps = MAX_STEPS;
        self.named(&self.aggregates, aggregate).find_map(|record| self.walk(record, path, &mut steps))
    }

    fn walk(&self, mut within: Record, path: &str, steps: &mut u32) -> Option<Member> {
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
    fn find(&self, within: &Record, name: &[u8], base: u64, depth: u32, steps: &mut u32) -> Option<Found> {
        let depth = depth.checked_sub(1)?;
        for n in 0..within.count as usize {
            *steps = steps.checked_sub(1)?;
            let at = within.body + n * MEMBER;
            let [member_name, type_id, word] = [0, 4, 8].map(|field| u32_at(self.sections.types, at + field));
            let (member_name, type_id, word) = (member_name?, type_id?, word?);
            let (offset, width) = match (within.flag, word >> 24) {
                (false, _) => (word, Width::AskType),
                (true, 0) => (word, Width::OfType),
                (true, bits) => (word & 0x00ff_ffff, Width::Bits(bits)),
            };
            let bit_offset = base.checked_add(offset.into())?;
            if self.is_name(member_name, b"") {
                // Unnamed bit-fields are padding: only structs and unions are entered.
                let inner = self.aggregate(type_id);
                if let Some(found) = inner.and_then(|inner| self.find(&inner, name, bit_offset, depth, steps)) {
                    return Some(found);
                }
            } else if self.is_name(member_name, name) {
                return Some(Found { bit_offset, type_id, width });
            }
        }
        None
    }

    fn aggregate(&self, id: u32) -> Option<Record> {
        match self.strip(id)? {
            Stripped::Type { record, .. } if record.kind.is_aggregate() => Some(record),
            _ => None,
        }
    }

    fn measure(&self, found: Found) -> Option<Member> {
        let size = self.size_of(found.type_id)?;
        let (bit_offset, width) = match found.width {
            Width::OfType => (found.bit_offset, None),
            Width::Bits(width) => (found.bit_offset, Some(width)),
            Width::AskType => self.old_bit_field(found, size)?,
        };
        match width {
            Some(width) if u64::from(width) <= u64::from(size) * 8 => bit_field(bit_offset, width),
            None if bit_offset % 8 == 0 => {
                Some(Member { offset: u32::try_from(bit_offset / 8).ok()?, size, bits: None })
            }
            // Wider than its type, or between two bytes and yet no bit-field: nothing that a compiler makes.
            _ => None,
        }
    }

    /// The old encoding: an integer type may be narrower than its bytes and begin some bits into them.
    fn old_bit_field(&self, found: Found, size: u32) -> Option<(u64, Option<u32>)> {
        let whole = (found.bit_offset, None);
        let Stripped::Type { record, .. } = self.strip(found.type_id)? else { return Some(whole) };
        if record.kind != Kind::Int {
            return Some(whole);
        }
        // `BTF_INT_OFFSET` and `BTF_INT_BITS`.
        let [_, offset, _, bits] = u32_at(self.sections.types, record.body)?.to_be_bytes().map(u32::from);
        let bit_offset = found.bit_offset.checked_add(offset.into())?;
        let is_whole = u64::from(bits) == u64::from(size) * 8 && bit_offset % 8 == 0;
        Some((bit_offset, (!is_whole).then_some(bits)))
    }
}

/// The smallest aligned load that holds `width` bits from bit `bit_offset` on; `None` where 8 bytes do not.
fn bit_field(bit_offset: u64, width: u32) -> Option<Member> {
    let end = bit_offset.checked_add(width.into())?;
    let (size, start) = [1_u32, 2, 4, 8].into_iter().find_map(|size| {
        let unit = u64::from(size) * 8;
        let start = bit_offset / unit * unit;
        (end <= start + unit).then_some((size, start))
    })?;
    let skipped = u32::try_from(bit_offset - start).ok()?;
    // Bits are numbered in the order of memory: from the least significant one on little-endian machines, from the most
    // significant one on big-endian ones.
    let shift = if cfg!(target_endian = "little") { skipped } else { size * 8 - skipped - width };
    let bits = (width > 0).then_some(BitField { shift, width })?;
    Some(Member { offset: u32::try_from(start / 8).ok()?, size, bits: Some(bits) })
}
