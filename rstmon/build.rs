//! Finds the BPF object to build in; see docs/architecture.md, "The BPF object".
//!
//! 1. `RSTMON_BPF_OBJECT=path`: that object (packagers, and CI's rebuilt one);
//! 2. the committed `bpf/rstmon.bpf.o`, so that a build needs stable Rust only. `cargo xtask bpf` rebuilds it.

#![allow(clippy::print_stdout, reason = "cargo reads a build script's standard output")]

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=RSTMON_BPF_OBJECT");
    let committed = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("bpf/rstmon.bpf.o");
    let object = env::var_os("RSTMON_BPF_OBJECT").map_or(committed, PathBuf::from);
    println!("cargo::rerun-if-changed={}", object.display());
    let target = PathBuf::from(env::var("OUT_DIR")?).join("rstmon.bpf.o");
    match fs::read(&object).and_then(|bytes| fs::write(target, bytes)) {
        Ok(()) => Ok(()),
        Err(error) => {
            println!(
                "cargo::error=no BPF object at {}: {error}; `cargo xtask bpf` builds it, or set RSTMON_BPF_OBJECT",
                object.display()
            );
            Err(error.into())
        }
    }
}
