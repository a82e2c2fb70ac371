//! Enums and names.

use super::{
    super::Btf,
    builder::{Builder, specimen, with_btf},
};

#[test]
fn variants_of_32_bits() {
    let mut b = Builder::new();
    b.enumeration("signed", true, &[("MINUS", -1), ("MIN", i32::MIN)]);
    b.enumeration("unsigned", false, &[("ZERO", 0), ("ALL", -1)]);
    with_btf(&b, |btf| {
        assert_eq!(btf.enum_variants("signed"), Some(vec![("MINUS", -1), ("MIN", i32::MIN.into())]));
        assert_eq!(btf.enum_variants("unsigned"), Some(vec![("ZERO", 0), ("ALL", 0xffff_ffff)]));
        assert_eq!(btf.enum_variants("absent"), None);
        assert_eq!(btf.enum_variants(""), None);
    });
}

#[test]
fn variants_of_64_bits() {
    let mut b = Builder::new();
    b.enumeration64("wide", false, &[("BIT40", 1 << 40), ("LOW", 7)]);
    b.enumeration64("signed", true, &[("MINUS", u64::MAX)]);
    with_btf(&b, |btf| {
        assert_eq!(btf.enum_variants("wide"), Some(vec![("BIT40", 1 << 40), ("LOW", 7)]));
        assert_eq!(btf.enum_variants("signed"), Some(vec![("MINUS", -1)]));
    });
}

#[test]
fn the_definition_of_an_enum_is_preferred_to_its_declaration() {
    let mut b = Builder::new();
    b.enumeration("twice", false, &[]);
    with_btf(&b, |btf| assert_eq!(btf.enum_variants("twice"), None));
    b.enumeration("twice", false, &[("A", 1)]);
    with_btf(&b, |btf| assert_eq!(btf.enum_variants("twice"), Some(vec![("A", 1)])));
}

#[test]
fn a_name_that_is_no_text_makes_only_its_enum_absent() {
    let mut b = Builder::new();
    b.enumeration("bad", false, &[("AXE", 1)]);
    b.enumeration("long", false, &[(&"L".repeat(512), 1)]);
    b.enumeration("fits", false, &[(&"F".repeat(511), 1)]);
    let mut blob = b.build();
    let at = blob.windows(3).position(|window| window == b"AXE").expect("present");
    blob[at] = 0xff;
    let btf = Btf::parse(&blob).expect("names are not read before they are looked up");
    assert_eq!(btf.enum_variants("bad"), None);
    assert_eq!(btf.enum_variants("long"), None, "longer than KSYM_NAME_LEN");
    assert!(btf.enum_variants("fits").is_some());
}

#[test]
fn functions_are_found_by_their_whole_name() {
    with_btf(&specimen(), |btf| {
        assert!(btf.has_function("do_it"));
        for name in ["do_i", "do_it2", "outer", "variable", "", "do_it\0"] {
            assert!(!btf.has_function(name), "{name:?}");
        }
    });
}
