//! Numbers of a tracepoint's parameters.

use super::builder::{Builder, SIGNED, specimen, with_btf};

#[test]
fn the_leading_void_pointer_is_not_counted() {
    with_btf(&specimen(), |btf| {
        assert_eq!(btf.tracepoint_arity("happened"), Some(3));
        assert_eq!(btf.tracepoint_arity("absent"), None);
        assert_eq!(btf.tracepoint_arity(""), None);
    });
}

#[test]
fn a_typedef_of_another_shape_is_no_tracepoint() {
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    let pointer = b.pointer(int);
    let no_parameters = b.prototype(&[]);
    let [no_pointer, no_void] = [int, pointer].map(|first| b.prototype(&[("", first)]));
    for (name, of) in [("none", no_parameters), ("int", no_pointer), ("int_pointer", no_void), ("void", 0)] {
        let pointer = b.pointer(of);
        b.typedef(&format!("btf_trace_{name}"), pointer);
    }
    b.typedef("btf_trace_direct", no_void);
    with_btf(&b, |btf| {
        for name in ["none", "int", "int_pointer", "void", "direct"] {
            assert_eq!(btf.tracepoint_arity(name), None, "{name}");
        }
    });
}

#[test]
fn qualifiers_of_the_leading_pointer_are_followed() {
    let mut b = Builder::new();
    let constant_void = b.constant(0);
    let pointer = b.pointer(constant_void);
    let constant_pointer = b.constant(pointer);
    let prototype = b.prototype(&[("", constant_pointer)]);
    let pointer = b.pointer(prototype);
    b.typedef("btf_trace_bare", pointer);
    with_btf(&b, |btf| assert_eq!(btf.tracepoint_arity("bare"), Some(0)));
}
