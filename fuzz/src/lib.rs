//! What is fuzzed, one function a target: bytes in, a panic if anything is wrong.
//!
//! Each target says in its header what must hold besides "no panic". The functions are used twice: by libFuzzer
//! (`fuzz_targets/`, `cargo xtask fuzz`) with bytes that it makes up, and by `rstmon/tests/fuzz_corpus.rs`, an ordinary
//! test, with every seed and every corpus file of the repository.
//!
//! A further target is: a module here with `run`, its line in [`TARGETS`], `fuzz_targets/<name>.rs` with its `[[bin]]`
//! in Cargo.toml, and a directory of seeds. The test says what was forgotten.

pub mod btf;
pub mod config;
pub mod filter;
pub mod http;
mod memory;
pub mod record;
pub mod replay;
mod text;
pub mod web_config;

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("btf", btf::run),
    ("config", config::run),
    ("filter", filter::run),
    ("http", http::run),
    ("record", record::run),
    ("replay", replay::run),
    ("web_config", web_config::run),
];
