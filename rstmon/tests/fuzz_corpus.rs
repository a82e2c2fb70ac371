//! Runs every seed and corpus file of the fuzzer through its target, as an ordinary test: a mistake that fuzzing has
//! found stays fixed, without a fuzzer in CI.

use rstmon::fuzzing::TARGETS;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
/// For one input, unoptimised. The largest takes a hundredth of it; what takes longer does not end soon.
const PATIENCE: Duration = Duration::from_secs(10);

/// The files of a target: its seeds, and what fuzzing found worth keeping.
fn inputs(target: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for kind in ["seeds", "corpus"] {
        let directory = Path::new(FUZZ).join(kind).join(target);
        let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let found: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
        assert!(!found.is_empty(), "{} is empty", directory.display());
        files.extend(found);
    }
    files
}

/// Runs a target on its files. A panic inside is the finding; the file it is about is said before.
fn check(target: &str) {
    let run = TARGETS.iter().find(|(name, _)| *name == target).expect("a target").1;
    for file in inputs(target) {
        let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let begin = Instant::now();
        let outcome = std::panic::catch_unwind(|| run(&bytes));
        assert!(outcome.is_ok(), "the target {target} fails on {}", file.display());
        assert!(begin.elapsed() < PATIENCE, "{} took {:?}", file.display(), begin.elapsed());
    }
}

macro_rules! replays {
    ($($target:ident),+ $(,)?) => {
        $(#[test] fn $target() { check(stringify!($target)); })+

        #[test]
        fn every_target_is_replayed_and_fuzzed() {
            let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
            let here = names(&[$(stringify!($target)),+]);
            assert_eq!(here, names(&TARGETS.map(|(name, _)| name)));
            let programs = fs::read_dir(Path::new(FUZZ).join("fuzz_targets")).expect("fuzz/fuzz_targets");
            let programs = programs.map(|entry| entry.expect("a directory entry").path());
            let programs: BTreeSet<_> =
                programs.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
            assert_eq!(here, programs, "files in fuzz/fuzz_targets");
        }
    };
}

replays!(btf, config, filter, http, record, replay, store, time, web_config);

/// One record for each of some real situations, and one that no kernel half would write.
#[test]
#[ignore = "writes fuzz/seeds/record, after a change to the record's layout"]
fn write_record_seeds() {
    use rstmon_common::{ResetRecord, evidence as bit};
    use zerocopy::IntoBytes as _;

    let mut record = ResetRecord::BLANK;
    record.key.comm[..4].copy_from_slice(b"java");
    (record.key.family, record.key.socket, record.key.provenance) = (4, 1, 1);
    (record.key.service_port, record.local_port, record.remote_port) = (8080, 8080, 40000);
    record.local = *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01";
    record.remote = record.local;
    (record.tgid, record.netns, record.uid) = (4711, 4_026_531_833, 1000);
    (record.time_ns, record.evidence.established_ns) = (5_000_000_000, 2_000_000_000);

    let mut unread = record;
    (unread.key.reason, unread.key.state) = (10, 1);
    unread.key.evidence = bit::ACTIVE | bit::UNREAD | bit::SHUT_RECEIVE | bit::SHUT_SEND;
    unread.evidence.unread_bytes = 3;

    let mut late = record;
    (late.key.reason, late.key.state, late.key.socket, late.key.provenance) = (15, 6, 2, 7);
    late.key.evidence =
        bit::with_phase(bit::SEGMENT_ACK | bit::SEGMENT_DATA | bit::TOMBSTONE | bit::CLOSED_HERE, bit::phase::IDLE);
    (late.evidence.closed_ns, late.evidence.idle_before_close_ms, late.evidence.segment_bytes) =
        (4_900_000_000, 2000, 312);

    // The other end of `unread`, on the same host: joined with it.
    let mut received = record;
    (received.key.direction, received.key.reason, received.key.state) = (1, 63, 1);
    (received.local_port, received.remote_port) = (record.remote_port, record.local_port);
    received.key.evidence = bit::UNACKED;
    received.evidence.unacked_bytes = 100;

    let mut hostile = record;
    hostile.key.comm = *b"a\"\n\x1b[31m\xff\\}\xe2\x80\xae\0\0";
    let mut reversed = record;
    reversed.key.comm = *b"\xe2\x80\xae\xe2\x80\x8bgnp.exe\0\0\0";

    let mut garbage = ResetRecord::BLANK;
    garbage.as_mut_bytes().fill(0xff);

    let directory = Path::new(FUZZ).join("seeds/record");
    let seeds: [(&str, &[ResetRecord]); 6] = [
        ("closed_unread", &[unread]),
        ("keepalive_race", &[late]),
        ("both_ends", &[received, unread]),
        ("hostile_comms", &[hostile, reversed]),
        ("garbage", &[garbage]),
        ("many", &[record, unread, late, received, hostile, garbage]),
    ];
    for (name, records) in seeds {
        let bytes: Vec<u8> = records.iter().flat_map(|record| record.as_bytes().to_vec()).collect();
        fs::write(directory.join(name), bytes).expect("write a seed");
    }
}
