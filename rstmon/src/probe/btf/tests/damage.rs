//! Damaged and hostile blobs: errors and `None`, no panic, no unbounded work.

use super::{
    super::{Btf, MAX_DEPTH, read_kernel_btf},
    builder::{Builder, SIGNED, interrogate, specimen, with_btf},
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Marsaglia's xorshift64: the same sequence in every run.
struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// A value at an edge of its range more often than not.
    fn word(&mut self) -> u32 {
        let bit = u32::try_from(self.below(32)).expect("below 32");
        let any = u32::try_from(self.next() >> 32).expect("32 bits");
        match self.below(6) {
            0 => 0,
            1 => u32::MAX,
            2 => bit,
            3 => 1 << bit,
            4 => any % 256,
            _ => any,
        }
    }
}

/// Parse and, where that succeeds, do every look-up.
fn survive(blob: &[u8]) -> bool {
    Btf::parse(blob).map(|btf| interrogate(&btf)).is_ok()
}

#[test]
fn truncated_anywhere() {
    let blob = specimen().build();
    for length in 0..blob.len() {
        assert!(Btf::parse(&blob[..length]).is_err(), "{length} of {} bytes", blob.len());
    }
    assert!(survive(&blob));
}

/// Cut inside the type section, with a header that fits: every cut that is not between two records is an error.
#[test]
fn type_section_truncated_anywhere() {
    let mut b = Builder::new();
    b.int("int", 4, SIGNED);
    b.structure("s", 4, &[("a", 1, 0)]);
    let blob = b.build();
    for length in 0..=40_u32 {
        let mut cut = blob.clone();
        cut[12..16].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(Btf::parse(&cut).is_ok(), [0, 16, 40].contains(&length), "{length} bytes of types");
    }
}

#[test]
fn every_bit_flipped() {
    let blob = specimen().build();
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut damaged = blob.clone();
            damaged[at] ^= 1 << bit;
            survive(&damaged);
        }
    }
}

#[test]
fn every_word_at_its_extremes() {
    let blob = specimen().build();
    for at in 0..blob.len() - 4 {
        for value in [0, 1, 0x7fff_ffff, u32::MAX] {
            let mut damaged = blob.clone();
            damaged[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            survive(&damaged);
        }
    }
}

#[test]
fn thousands_of_random_mutations() {
    let blob = specimen().build();
    let mut random = XorShift(0x5eed_0123_4567_89ab);
    let mut parsed = 0;
    for _ in 0..20_000 {
        let mut damaged = blob.clone();
        for _ in 0..=random.below(6) {
            let at = random.below(damaged.len() - 4);
            damaged[at..at + 4].copy_from_slice(&random.word().to_ne_bytes());
        }
        if random.below(8) == 0 {
            damaged.truncate(random.below(blob.len()));
        }
        parsed += u32::from(survive(&damaged));
    }
    // Otherwise the look-ups would not have been tested.
    assert!(parsed > 1000, "only {parsed} mutations got past the parser");
}

#[test]
fn random_mutations_of_the_kernel_s_own() {
    let Ok(kernel) = read_kernel_btf() else { return };
    let mut random = XorShift(0x0dd_ba11);
    let mut damaged = kernel.clone();
    for _ in 0..200 {
        // Near the beginning, where the parser has read almost nothing yet.
        let at = random.below(4096);
        damaged[at..at + 4].copy_from_slice(&random.word().to_ne_bytes());
        if let Ok(btf) = Btf::parse(&damaged) {
            black_box(btf.member("tcp_sock", "inet_conn.icsk_inet.sk.sk_shutdown"));
            black_box(btf.tracepoint_arity("tcp_send_reset"));
        }
        damaged[..4100].copy_from_slice(&kernel[..4100]);
    }
}

#[test]
fn cycles_of_typedefs_and_arrays_end() {
    let mut b = Builder::new();
    let id = b.next_id();
    b.typedef("ouroboros", id);
    b.constant(id + 2);
    b.volatile(id + 1);
    b.array(id + 3, 2);
    b.structure("s", 8, &[("a", id, 0), ("b", id + 1, 0), ("c", id + 3, 0), ("", id, 0), ("", id + 1, 0)]);
    let pointer = b.pointer(id);
    b.typedef("btf_trace_loop", pointer);
    let prototype = b.prototype(&[("a", id + 1)]);
    let pointer = b.pointer(prototype);
    b.typedef("btf_trace_loop_inside", pointer);
    with_btf(&b, |btf| {
        for path in ["a", "b", "c", "a.a", "absent"] {
            assert_eq!(btf.member("s", path), None, "{path}");
        }
        assert_eq!(btf.tracepoint_arity("loop_inside"), None);
        assert_eq!(btf.tracepoint_arity("loop"), None);
    });
}

#[test]
fn a_chain_as_deep_as_the_kernel_follows_is_followed() {
    let chain = |length: u32| {
        let mut b = Builder::new();
        let mut id = b.int("int", 4, SIGNED);
        for _ in 0..length {
            id = b.constant(id);
        }
        b.structure("s", 4, &[("a", id, 0)]);
        with_btf(&b, |btf| btf.member("s", "a").is_some())
    };
    assert!(chain(MAX_DEPTH - 1));
    assert!(!chain(MAX_DEPTH));
}

/// A struct that holds itself, unnamed, many times over: depth alone would let 100 to the power of 32 visits happen.
#[test]
fn anonymous_recursion_is_bounded_in_time() {
    let mut b = Builder::new();
    let id = b.next_id();
    b.structure("hydra", 8, &[("", id, 0); 100]);
    for _ in 0..1000 {
        b.structure("hydra", 8, &[("", id, 0); 3]);
    }
    let begin = Instant::now();
    assert_eq!(with_btf(&b, |btf| btf.member("hydra", "head")), None);
    // Takes milliseconds even unoptimised; without a bound it would practically not end.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn embedded_recursion_ends_with_the_path_and_offsets_do_not_overflow() {
    let mut b = Builder::new();
    let id = b.next_id();
    b.structure("s", 8, &[("s", id, u32::MAX - 7)]);
    with_btf(&b, |btf| {
        let bytes = (u32::MAX - 7) / 8;
        assert_eq!(btf.member("s", "s").map(|member| member.offset), Some(bytes));
        assert_eq!(btf.member("s", "s.s").map(|member| member.offset), Some(bytes * 2));
        assert_eq!(btf.member("s", &["s"; 9].join(".")), None, "past a u32");
    });
}
