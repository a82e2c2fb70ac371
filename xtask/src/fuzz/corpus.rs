//! Keeping what was found: the fewest and smallest inputs that reach what all of them reach, besides the seeds.

use super::places::{Places, files, make};
use crate::{process, workspace::FileError};
use std::{fs, path::Path, process::Command};

/// Larger inputs stay on this machine: the repository keeps them for good.
const LARGEST_BYTES: u64 = 4096;

/// Renews the target's corpus in the repository; gives the number of its inputs.
pub(super) fn keep(places: &Places, target: &str) -> anyhow::Result<usize> {
    let (merged, corpus) = (places.target.join("merged").join(target), places.corpus(target));
    empty(&merged)?;
    // Merging adds to what is there: what the seeds reach already needs no further input.
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
    // Code that is reached counts, not how often: that would keep four times as many.
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
