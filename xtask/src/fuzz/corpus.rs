//! Minimises what a run found: the fewest and smallest inputs that reach all code that is reached, besides the seeds.

use super::places::{FuzzPaths, files, make};
use crate::{process, workspace::FileError};
use std::{fs, path::Path, process::Command};

/// Larger inputs are not committed: the repository keeps every input for good.
const LARGEST_BYTES: u64 = 4096;

/// Replaces the target's corpus in the repository; returns the number of its inputs.
pub(super) fn keep(places: &FuzzPaths, target: &str) -> anyhow::Result<usize> {
    let (merged, corpus) = (places.target.join("merged").join(target), places.corpus(target));
    empty(&merged)?;
    // libFuzzer merges into a directory that has the seeds: code that the seeds reach needs no further input.
    for seed in files(&places.seeds(target))? {
        copy_into(&merged, &seed)?;
    }
    let small = places.target.join("small").join(target);
    empty(&small)?;
    for file in files(&corpus)?.into_iter().chain(files(&places.found(target))?) {
        if file.metadata().is_ok_and(|metadata| metadata.len() <= LARGEST_BYTES) {
            copy_into(&small, &file)?;
        }
    }
    let mut merge = Command::new(places.program(target));
    // Only code that is reached counts, not how often it is: that would keep four times as many inputs.
    merge.args(["-set_cover_merge=1", "-use_counters=0", "-use_cmp=0"]).arg(&merged).arg(&small);
    process::output(&mut merge)?;
    for seed in files(&places.seeds(target))? {
        if let Some(name) = seed.file_name() {
            let copy = merged.join(name);
            fs::remove_file(&copy).map_err(FileError::on("remove", &copy))?;
        }
    }
    empty(&corpus)?;
    let kept = files(&merged)?;
    for file in &kept {
        copy_into(&corpus, file)?;
    }
    Ok(kept.len())
}

fn empty(directory: &Path) -> Result<(), FileError> {
    make(directory)?;
    files(directory)?.iter().try_for_each(|file| fs::remove_file(file).map_err(FileError::on("remove", file)))
}

fn copy_into(directory: &Path, file: &Path) -> Result<(), FileError> {
    let name = file.file_name().unwrap_or_default();
    fs::copy(file, directory.join(name)).map(drop).map_err(FileError::on("copy", file))
}
