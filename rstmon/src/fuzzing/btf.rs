//! A kernel's BTF blob, which may be damaged or malicious.
//!
//! Holds: parsing and all queries of the probe end soon, use memory of at most a small multiple of the blob's size, and
//! give the same answers twice; a refusal has a message of one line.

use super::{harmless::assert_harmless, memory::measured};
use crate::probe::{btf::Btf, layout::Layout};

/// Memory that even a blob of a few bytes may use: names of fields and reasons.
const FIXED_BYTES: usize = 64 * 1024;
/// Bytes of memory for each byte of the blob: one or two index entries for a type, and lists of variants and
/// parameters.
const BYTES_EACH: usize = 16;

/// Names in the blob of the test builder (`rstmon/src/probe/btf/tests/builder.rs`).
const AGGREGATES: [&str; 4] = ["outer", "inner", "absent", ""];
const PATHS: [&str; 11] =
    ["word", "half", "embedded.word", "embedded.list", "flag", "next", "embedded", "", ".", "a.b.c", "list"];

/// Parses the blob, resolves the whole layout, and runs further queries.
pub(crate) fn run(blob: &[u8]) {
    let (answers, most) = measured(|| interrogate(blob));
    let allowed = FIXED_BYTES + BYTES_EACH * blob.len();
    assert!(most <= allowed, "a blob of {} bytes took {most} bytes of memory, more than {allowed}", blob.len());
    assert_eq!(answers, interrogate(blob), "the same blob gives another answer");
}

/// Runs all queries on the blob; returns the number of answers.
fn interrogate(blob: &[u8]) -> usize {
    let btf = match Btf::parse(blob) {
        Ok(btf) => btf,
        Err(error) => {
            assert_harmless("the error", &error.to_string());
            return 0;
        }
    };
    // A record takes at least 12 bytes.
    assert!(btf.type_count() <= blob.len() / 12, "{} types in {} bytes", btf.type_count(), blob.len());
    let layout = Layout::resolve(&btf);
    let mut found = layout.offsets.iter().fold(0, |sum: usize, (_, offset)| sum.wrapping_add(*offset as usize));
    found += layout.missing_required().len();
    for aggregate in AGGREGATES {
        found += btf.struct_size(aggregate).unwrap_or(0) as usize;
        for path in PATHS {
            found += usize::from(btf.member(aggregate, path).is_some());
        }
    }
    for name in ["state", "wide", "sk_rst_reason"] {
        found += btf.enum_variants(name).map_or(0, |variants| variants.len());
    }
    found += btf.tracepoint_parameters("happened").map_or(0, |parameters| parameters.len());
    found += btf.function_parameters("do_it").map_or(0, |parameters| parameters.len());
    found + usize::from(btf.has_function("do_it"))
}
