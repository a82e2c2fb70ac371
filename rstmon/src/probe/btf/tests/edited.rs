//! A kernel that has renamed, removed or changed one field: in the layout exactly that field is absent, and every other
//! keeps its offset.

use super::builder::{Builder, MemberWords, with_btf};
use crate::probe::layout::{FIELDS, KernelField, KernelLayout};
use rstmon_common::limits::ABSENT_OFFSET;
use std::collections::BTreeMap;

/// How a field was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    Renamed,
    Removed,
    Wider,
    Narrower,
    BitField,
}

const EDITS: [Edit; 5] = [Edit::Renamed, Edit::Removed, Edit::Wider, Edit::Narrower, Edit::BitField];

/// Bytes from one field to the next, enough for the widest and for one that is twice as wide.
const STRIDE: u32 = 64;

/// A kernel that has all fields, each at its own offset, with one of them edited.
fn kernel(edited: Option<(&KernelField, Edit)>) -> Builder {
    let mut builder = Builder::new();
    let byte = builder.int("unsigned char", 1, 0);
    let mut aggregates: Vec<&str> = FIELDS.iter().map(|field| field.aggregate).collect();
    aggregates.sort_unstable();
    aggregates.dedup();
    for aggregate in aggregates {
        let mut members: Vec<MemberWords<'_>> = Vec::new();
        let mut inner_members: BTreeMap<&str, Vec<MemberWords<'_>>> = BTreeMap::new();
        for (number, field) in FIELDS.iter().filter(|field| field.aggregate == aggregate).enumerate() {
            let edit = edited.filter(|(other, _)| other.constant == field.constant).map(|(_, edit)| edit);
            let bits = u32::try_from(number).expect("few") * STRIDE * 8;
            let (outer, inner) = field.member.split_once('.').map_or((field.member, None), |(a, b)| (a, Some(b)));
            let name = if edit == Some(Edit::Renamed) { "renamed" } else { inner.unwrap_or(outer) };
            let bytes = match edit {
                Some(Edit::Wider) => field.bytes * 2,
                Some(Edit::Narrower) => field.bytes / 2,
                _ => field.bytes,
            };
            if edit == Some(Edit::Removed) {
                continue;
            }
            let of = builder.array(byte, bytes);
            let word = if edit == Some(Edit::BitField) { 3 << 24 } else { 0 };
            // An inner structure begins where the outer one does, so that it may have several of the fields.
            let into = if inner.is_some() { inner_members.entry(outer).or_default() } else { &mut members };
            into.push((name, of, bits | word));
        }
        let size = STRIDE * u32::try_from(FIELDS.len()).expect("few");
        for (outer, inner) in inner_members {
            let of = builder.flagged_structure("", size, &inner);
            members.push((outer, of, 0));
        }
        builder.flagged_structure(aggregate, size, &members);
    }
    builder
}

fn offsets(builder: &Builder) -> Vec<(&'static str, u32)> {
    with_btf(builder, |btf| KernelLayout::resolve(btf).offsets)
}

#[test]
fn an_unedited_kernel_has_every_field() {
    let absent: Vec<_> = offsets(&kernel(None)).into_iter().filter(|(_, offset)| *offset == ABSENT_OFFSET).collect();
    assert_eq!(absent, []);
}

#[test]
fn an_edited_field_is_absent_and_no_other_is_touched() {
    let before = offsets(&kernel(None));
    for edit in EDITS {
        // For a field without a width only the offset matters.
        let widths_matter = matches!(edit, Edit::Wider | Edit::Narrower | Edit::BitField);
        for field in FIELDS.iter().filter(|field| field.bytes > 0 || !widths_matter) {
            let after = offsets(&kernel(Some((field, edit))));
            for ((constant, offset), (_, was)) in after.iter().zip(&before) {
                let expected = if *constant == field.constant { ABSENT_OFFSET } else { *was };
                assert_eq!(*offset, expected, "{constant}, where {} was {edit:?}", field.constant);
            }
        }
    }
}

#[test]
fn a_required_field_that_was_edited_is_named() {
    let state = FIELDS.iter().find(|field| field.constant == "SKC_STATE").expect("it is read");
    for edit in EDITS {
        let missing = with_btf(&kernel(Some((state, edit))), |btf| KernelLayout::resolve(btf).missing_required());
        assert_eq!(missing.iter().map(|field| field.member).collect::<Vec<_>>(), ["skc_state"], "{edit:?}");
    }
}
