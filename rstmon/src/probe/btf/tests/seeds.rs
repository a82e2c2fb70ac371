//! Writes the fuzzer's seeds (`fuzz/seeds/btf`): to be run after a change to the builder or the list of fields.

use super::{
    super::{
        super::layout::{FIELDS, KernelLayout},
        Btf,
    },
    builder::{Builder, SIGNED, specimen},
};
use std::{collections::BTreeMap, fs, path::Path};

/// Members of a structure: name, type, offset in bits.
type Members<'a> = Vec<(&'a str, u32, u32)>;

/// A small kernel: every field that the probe looks up, and nothing else.
fn kernel() -> Builder {
    let mut b = Builder::new();
    let byte = b.int("char", 1, SIGNED);
    let void = b.pointer(0);
    let mut structs: BTreeMap<&str, Members<'_>> = BTreeMap::new();
    let mut inner_structs: BTreeMap<(&str, &str), Members<'_>> = BTreeMap::new();
    let mut at = BTreeMap::new();
    for field in FIELDS {
        let bytes = field.bytes.max(8);
        let begin = at.entry(field.aggregate).or_insert(0);
        let integer = if bytes <= 8 { b.int("number", field.bytes.max(1), 0) } else { b.array(byte, bytes) };
        // An inner structure begins where the outer one does, so that it may have several of the fields.
        match field.member.split_once('.') {
            Some((outer, inner)) => {
                inner_structs.entry((field.aggregate, outer)).or_default().push((inner, integer, *begin * 8));
            }
            None => structs.entry(field.aggregate).or_default().push((field.member, integer, *begin * 8)),
        }
        *begin += bytes;
    }
    for ((aggregate, outer), members) in &inner_structs {
        let id = b.structure("", at[aggregate], members);
        structs.entry(aggregate).or_default().push((outer, id, 0));
    }
    for (name, members) in &structs {
        b.structure(name, at[name], members);
    }
    b.enumeration("sk_rst_reason", false, &[("SK_RST_REASON_NO_SOCKET", 1), ("SK_RST_REASON_TCP_STATE", 14)]);
    b.enumeration("cgroup_subsys_id", false, &[("memory_cgrp_id", 4), ("pids_cgrp_id", 11)]);
    let reason = b.int("reason", 4, 0);
    let prototype = b.prototype(&[("", void), ("sk", void), ("skb", void), ("reason", reason)]);
    let pointer = b.pointer(prototype);
    b.typedef("btf_trace_tcp_send_reset", pointer);
    b
}

#[test]
fn the_small_kernel_has_everything() {
    let blob = kernel().build();
    let layout = KernelLayout::resolve(&Btf::parse(&blob).expect("the builder makes valid BTF"));
    assert_eq!(layout.missing().map(|field| field.constant).collect::<Vec<_>>(), [""; 0]);
    assert!(layout.send_has_reason);
    assert_eq!(layout.cgroup_v1, Some((11, "pids")));
}

#[test]
#[ignore = "writes fuzz/seeds/btf"]
fn write_seeds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/btf");
    for (name, builder) in [("specimen.btf", specimen()), ("kernel.btf", kernel())] {
        fs::write(directory.join(name), builder.build()).expect("write a seed");
    }
}
