//! Members: anonymous and embedded structs, sizes, duplicates, both encodings of bit-fields.

use super::{
    super::Member,
    builder::{Builder, SIGNED, specimen, with_btf},
};

/// `width` bits at bit `at`, as a member's offset word encodes it with `kind_flag`.
fn word(width: u32, at: u32) -> u32 {
    width << 24 | at
}

#[allow(clippy::unnecessary_wraps, reason = "look-ups return an Option")]
fn plain(offset: u32, size: u32) -> Option<Member> {
    Some(Member { offset, size })
}

#[test]
fn paths_lead_through_anonymous_and_embedded_structs() {
    with_btf(&specimen(), |btf| {
        assert_eq!(btf.member("outer", "embedded"), plain(8, 16));
        assert_eq!(btf.member("outer", "embedded.word"), plain(8, 8));
        assert_eq!(btf.member("outer", "embedded.half"), plain(8, 4));
        assert_eq!(btf.member("outer", "embedded.list"), plain(16, 12));
        assert_eq!(btf.member("outer", "half"), plain(40, 4));
        assert_eq!(btf.member("inner", "half"), plain(0, 4));
        assert_eq!(btf.member("outer", "next"), plain(32, 8));
    });
}

#[test]
fn an_absent_member_is_none() {
    with_btf(&specimen(), |btf| {
        for (aggregate, path) in [
            ("absent", "word"),
            ("outer", "absent"),
            ("outer", "list"),
            ("outer", "embedded.absent"),
            ("outer", "next.word"),
            ("outer", "flag.word"),
            ("outer", ""),
            ("outer", "embedded."),
            ("outer", ".word"),
            ("oute", "next"),
            ("outerr", "next"),
            ("outer", "nex"),
            ("outer", "next\0"),
            ("", "word"),
            ("state", "UP"),
        ] {
            assert_eq!(btf.member(aggregate, path), None, "{aggregate:?}, {path:?}");
        }
    });
}

#[test]
fn sizes_are_those_behind_typedefs_qualifiers_tags_and_arrays() {
    let mut b = Builder::new();
    let short = b.int("short", 2, SIGNED);
    let typedef = b.typedef("port_t", short);
    let tagged = b.type_tag("user", typedef);
    let volatile = b.volatile(tagged);
    let constant = b.constant(volatile);
    let row = b.array(constant, 5);
    let named_row = b.typedef("row_t", row);
    let matrix = b.array(named_row, 3);
    let flexible = b.array(short, 0);
    let unknown = b.forward("declared");
    b.structure(
        "s",
        64,
        &[("one", constant, 16), ("all", matrix, 32), ("rest", flexible, 512), ("what", unknown, 0), ("void", 0, 0)],
    );
    with_btf(&b, |btf| {
        assert_eq!(btf.member("s", "one"), plain(2, 2));
        assert_eq!(btf.member("s", "all"), plain(4, 30));
        assert_eq!(btf.member("s", "rest"), plain(64, 0));
        assert_eq!(btf.member("s", "what"), None);
        assert_eq!(btf.member("s", "void"), None);
    });
}

#[test]
fn an_array_larger_than_an_address_space_has_no_size() {
    let mut b = Builder::new();
    let long = b.int("long", 8, SIGNED);
    let row = b.array(long, 1 << 20);
    let matrix = b.array(row, 1 << 20);
    b.structure("s", 8, &[("matrix", matrix, 0)]);
    assert_eq!(with_btf(&b, |btf| btf.member("s", "matrix")), None);
}

#[test]
fn pointers_are_as_wide_as_a_long() {
    for size in [4, 8] {
        let mut b = Builder::new();
        b.int("long unsigned int", size, 0);
        let pointer = b.pointer(0);
        b.structure("s", 8, &[("p", pointer, 0)]);
        assert_eq!(with_btf(&b, |btf| btf.member("s", "p")), plain(0, size));
    }
}

#[test]
fn bit_fields_are_absent() {
    let mut b = Builder::new();
    let int = b.int("unsigned int", 4, 0);
    let long = b.int("u64", 8, 0);
    b.flagged_structure(
        "s",
        32,
        &[
            ("whole", int, word(0, 32)),
            ("bit", int, word(1, 69)),
            ("byte", int, word(8, 72)),
            ("all", long, word(64, 192)),
            ("unaligned", int, word(0, 33)),
        ],
    );
    with_btf(&b, |btf| {
        assert_eq!(btf.member("s", "whole"), plain(4, 4));
        for bits in ["bit", "byte", "all"] {
            assert_eq!(btf.member("s", bits), None, "{bits}");
        }
        assert_eq!(btf.member("s", "unaligned"), None, "no bit-field, yet not at a byte");
    });
}

#[test]
fn bit_fields_of_the_old_encoding_are_absent() {
    let mut b = Builder::new();
    let int = b.int("unsigned int", 4, 0);
    let three = b.partial_int("unsigned int", 4, 0, 0, 3);
    let shifted = b.partial_int("unsigned int", 4, 0, 5, 2);
    let named = b.typedef("three_t", three);
    let impossible = b.partial_int("unsigned int", 4, 0, 0, 33);
    let nothing = b.partial_int("unsigned int", 4, 0, 0, 0);
    b.structure(
        "s",
        16,
        &[
            ("whole", int, 32),
            ("three", three, 64),
            ("shifted", shifted, 64),
            ("named", named, 64),
            ("between", int, 66),
            ("impossible", impossible, 0),
            ("nothing", nothing, 0),
        ],
    );
    with_btf(&b, |btf| {
        assert_eq!(btf.member("s", "whole"), plain(4, 4));
        for bits in ["three", "shifted", "named", "between", "impossible", "nothing"] {
            assert_eq!(btf.member("s", bits), None, "{bits}");
        }
    });
}

#[test]
fn a_bit_field_in_an_anonymous_struct_is_absent_and_its_neighbour_is_not() {
    let mut b = Builder::new();
    let byte = b.int("unsigned char", 1, 0);
    let inner = b.flagged_structure("", 2, &[("whole", byte, word(0, 0)), ("flag", byte, word(1, 12))]);
    b.structure("outer", 32, &[("pad", byte, 0), ("", inner, 128)]);
    with_btf(&b, |btf| {
        assert_eq!(btf.member("outer", "whole"), plain(16, 1));
        assert_eq!(btf.member("outer", "flag"), None);
    });
}

#[test]
fn an_unnamed_member_of_a_named_struct_is_entered() {
    // `struct { struct base; }`: the kernel is built with -fms-extensions since 6.19.
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    let base = b.structure("base", 8, &[("value", int, 32)]);
    let constant = b.constant(base);
    b.structure("derived", 16, &[("", constant, 64)]);
    assert_eq!(with_btf(&b, |btf| btf.member("derived", "value")), plain(12, 4));
}

#[test]
fn the_first_duplicate_with_the_member_is_taken() {
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    b.forward("twice");
    b.structure("twice", 0, &[]);
    b.structure("twice", 8, &[("a", int, 32)]);
    b.structure("twice", 16, &[("a", int, 64), ("b", int, 96)]);
    with_btf(&b, |btf| {
        assert_eq!(btf.member("twice", "a"), plain(4, 4));
        assert_eq!(btf.member("twice", "b"), plain(12, 4));
    });
}
