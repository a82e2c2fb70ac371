//! The fuzz targets, one function each: it takes bytes and panics if anything is wrong.
//!
//! Each target states in its header what must hold besides "no panic". The functions are used twice: by libFuzzer
//! (`fuzz/fuzz_targets/`, `cargo xtask fuzz`) with bytes that it generates, and by `rstmon/tests/fuzz_corpus.rs`, an
//! ordinary test, with every seed and every corpus file of the repository.
//!
//! A further target takes a module here with `run`, its line in [`TARGETS`], `fuzz/fuzz_targets/<name>.rs` with its
//! `[[bin]]` in `fuzz/Cargo.toml`, and a directory of seeds. The test names what is missing.

mod btf;
mod config;
mod cost;
mod filter;
mod harmless;
mod http;
mod memory;
mod record;
mod replay;
mod store;
mod time;
mod web_config;

/// The name and the function of a target.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// All targets, sorted by name.
pub const TARGETS: [FuzzTarget; 9] = [
    ("btf", btf::run),
    ("config", config::run),
    ("filter", filter::run),
    ("http", http::run),
    ("record", record::run),
    ("replay", replay::run),
    ("store", store::run),
    ("time", time::run),
    ("web_config", web_config::run),
];

/// Runs the target of this name.
///
/// # Panics
///
/// If the target finds anything wrong, or if there is no such target.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, run) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    run(bytes);
}
