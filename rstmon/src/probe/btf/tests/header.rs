//! Refused blobs and their errors; unknown kinds.

use super::{
    super::{Btf, BtfError, error::BtfSection},
    builder::{Builder, specimen},
};

/// The specimen with `bytes` written over it at `at`.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut blob = specimen().build();
    blob[at..at + bytes.len()].copy_from_slice(bytes);
    blob
}

fn error_of(blob: &[u8]) -> BtfError {
    Btf::parse(blob).expect_err("damaged")
}

#[test]
fn an_empty_type_section_is_valid() {
    let blob = Builder::new().build();
    let btf = Btf::parse(&blob).expect("valid");
    assert_eq!(btf.type_count(), 0);
    assert_eq!(btf.member("sock", "sk_state"), None);
}

#[test]
fn counts_the_types() {
    let blob = specimen().build();
    let count = Btf::parse(&blob).expect("valid").type_count();
    assert_eq!(u32::try_from(count), Ok(specimen().next_id() - 1));
}

#[test]
fn foreign_endian_is_distinguished_from_garbage() {
    assert_eq!(error_of(&patched(0, &0x9feb_u16.to_ne_bytes())), BtfError::ForeignEndian);
    assert_eq!(error_of(&patched(0, b"\x7fE")), BtfError::BadMagic { magic: u16::from_ne_bytes(*b"\x7fE") });
}

#[test]
fn unknown_versions_and_flags_are_refused() {
    assert_eq!(error_of(&patched(2, &[2])), BtfError::UnsupportedVersion { version: 2 });
    assert_eq!(error_of(&patched(3, &[4])), BtfError::UnsupportedFlags { flags: 4 });
}

#[test]
fn headers_of_the_wrong_length_are_refused() {
    assert_eq!(error_of(&[]), BtfError::HeaderTruncated { needed: 24, available: 0 });
    assert_eq!(error_of(&patched(4, &20_u32.to_ne_bytes())), BtfError::HeaderTooShort { length: 20, minimum: 24 });
    let blob = patched(4, &u32::MAX.to_ne_bytes());
    assert_eq!(error_of(&blob), BtfError::HeaderTruncated { needed: u32::MAX, available: blob.len() });
}

#[test]
fn sections_must_lie_inside_the_blob() {
    for (field, section) in
        [(8, BtfSection::Types), (12, BtfSection::Types), (16, BtfSection::Strings), (20, BtfSection::Strings)]
    {
        for value in [u32::MAX, 100_000] {
            let error = error_of(&patched(field, &value.to_ne_bytes()));
            assert!(
                matches!(error, BtfError::SectionOutOfBounds { section: found, .. } if found == section),
                "header field {field} = {value}: {error}"
            );
        }
    }
}

#[test]
fn strings_must_begin_and_end_with_nul() {
    let mut blob = specimen().build();
    *blob.last_mut().expect("not empty") = b'x';
    assert_eq!(error_of(&blob), BtfError::StringsUnterminated);
    assert_eq!(error_of(&patched(20, &0_u32.to_ne_bytes())), BtfError::StringsUnterminated);
}

#[test]
fn a_record_past_the_end_is_refused() {
    let mut b = Builder::new();
    b.int("int", 4, 0);
    b.raw("liar", 4, false, 1000, 8, &[]);
    assert_eq!(error_of(&b.build()), BtfError::TypeTruncated { id: 2, offset: 16 });
}

#[test]
fn an_unknown_kind_is_refused_unless_the_layout_has_its_length() {
    let mut b = Builder::new();
    b.raw("new", 21, false, 2, 0, &[7, 8, 9]);
    let int = b.int("int", 4, 0);
    b.structure("after", 24, &[("member", int, 64)]);
    assert_eq!(error_of(&b.build()), BtfError::UnknownKind { id: 1, kind: 21 });

    let mut entries = [(0, 0); 22];
    entries[21] = (4, 4);
    b.layout(&entries);
    let blob = b.build();
    assert_eq!(
        Btf::parse(&blob).expect("the layout has it").member("after", "member").map(|member| member.offset),
        Some(8)
    );

    b.layout(&entries[..21]);
    assert_eq!(error_of(&b.build()), BtfError::UnknownKind { id: 1, kind: 21 });
}

#[test]
fn a_count_of_more_than_16_bits_is_read() {
    let mut b = Builder::new();
    let int = b.int("int", 4, 0);
    let body = [0, int, 0].repeat(70_000);
    b.raw("huge", 4, false, 70_000, 8, &body);
    b.structure("after", 8, &[("member", int, 32)]);
    let blob = b.build();
    let member = Btf::parse(&blob).expect("valid").member("after", "member");
    assert_eq!(member.map(|member| member.offset), Some(4));
}
