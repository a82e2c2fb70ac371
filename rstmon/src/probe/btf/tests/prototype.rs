//! Parameters of functions and tracepoints.

use super::{
    super::{Parameter, Pointee, TypeRef},
    builder::{Builder, SIGNED, specimen, with_btf},
};

fn unnamed(type_ref: TypeRef<'_>) -> Parameter<'_> {
    Parameter { name: "", type_ref }
}

#[test]
fn tracepoint_parameters_come_without_the_leading_void_pointer() {
    with_btf(&specimen(), |btf| {
        assert_eq!(
            btf.tracepoint_parameters("happened"),
            Some(vec![
                unnamed(TypeRef::Pointer(Pointee::Aggregate("outer"))),
                unnamed(TypeRef::Enum { name: "state", size: 4 }),
                unnamed(TypeRef::Pointer(Pointee::Aggregate("declared"))),
            ])
        );
        assert_eq!(btf.tracepoint_parameters("absent"), None);
        assert_eq!(btf.tracepoint_parameters(""), None);
    });
}

#[test]
fn a_typedef_of_another_shape_is_no_tracepoint() {
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    let no_parameters = b.prototype(&[]);
    let no_void = b.prototype(&[("", int)]);
    for (name, prototype) in [("btf_trace_none", no_parameters), ("btf_trace_int", no_void), ("btf_trace_void", 0)] {
        let pointer = b.pointer(prototype);
        b.typedef(name, pointer);
    }
    b.typedef("btf_trace_direct", no_void);
    with_btf(&b, |btf| {
        for name in ["none", "int", "void", "direct"] {
            assert_eq!(btf.tracepoint_parameters(name), None, "{name}");
        }
    });
}

#[test]
fn parameters_are_told_by_kind_behind_qualifiers_and_typedefs() {
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    let bool_type = b.int("_Bool", 1, 4);
    let flag = b.typedef("bool", bool_type);
    let anonymous = b.structure("", 4, &[("counter", int, 0)]);
    let atomic = b.typedef("atomic_t", anonymous);
    let alias = b.typedef("atomic_alias_t", atomic);
    let sock = b.structure("sock", 8, &[]);
    let constant_sock = b.constant(sock);
    let constant_void = b.constant(0);
    let mode = b.enumeration("", false, &[("A", 0)]);
    let mode = b.typedef("mode_t", mode);
    let double = b.raw("double", 16, false, 0, 8, &[]);
    let [sock_pointer, text, nothing, alias_pointer] =
        [constant_sock, int, constant_void, alias].map(|to| b.pointer(to));
    let constant_pointer = b.constant(sock_pointer);
    let prototype = b.prototype(&[
        ("sk", constant_pointer),
        ("number", int),
        ("flag", flag),
        ("mode", mode),
        ("by_value", alias),
        ("by_reference", alias_pointer),
        ("text", text),
        ("nothing", nothing),
        ("ratio", double),
        ("", 0),
    ]);
    b.function("printk", prototype);
    let expected = [
        ("sk", TypeRef::Pointer(Pointee::Aggregate("sock"))),
        ("number", TypeRef::Integer { name: "int", size: 4, signed: true }),
        ("flag", TypeRef::Integer { name: "_Bool", size: 1, signed: false }),
        ("mode", TypeRef::Enum { name: "mode_t", size: 4 }),
        ("by_value", TypeRef::Aggregate { name: "atomic_t", size: 4 }),
        ("by_reference", TypeRef::Pointer(Pointee::Aggregate("atomic_t"))),
        ("text", TypeRef::Pointer(Pointee::Other)),
        ("nothing", TypeRef::Pointer(Pointee::Void)),
        ("ratio", TypeRef::Other),
        ("", TypeRef::Variadic),
    ]
    .map(|(name, type_ref)| Parameter { name, type_ref });
    with_btf(&b, |btf| assert_eq!(btf.function_parameters("printk"), Some(expected.to_vec())));
}

#[test]
fn a_function_without_a_prototype_yields_to_its_duplicate() {
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    b.function("twice", int);
    with_btf(&b, |btf| {
        assert!(btf.has_function("twice"));
        assert_eq!(btf.function_parameters("twice"), None);
    });
    let prototype = b.prototype(&[]);
    b.function("twice", prototype);
    with_btf(&b, |btf| assert_eq!(btf.function_parameters("twice"), Some(vec![])));
}
