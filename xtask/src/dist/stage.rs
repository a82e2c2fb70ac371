//! A directory with the files of a package as they are installed: modes set, documentation compressed, all times those
//! of the commit.

use super::{
    files,
    layout::{FileKind, PackageLayout},
};
use crate::{
    process,
    workspace::{self, FileError},
};
use std::{
    fs::{self, FileTimes},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

/// Empties `dir` and writes the files of `layout` into it. To be followed by [`settle`].
pub(super) fn fill(dir: &Path, layout: &PackageLayout) -> anyhow::Result<()> {
    workspace::empty_dir(dir)?;
    let mut compress = Vec::new();
    for entry in &layout.entries {
        let target = dir.join(&entry.target);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(FileError::on("create", parent))?;
        }
        fs::copy(&entry.source, &target).map_err(FileError::on("copy", &entry.source))?;
        set_mode(&target, if entry.kind == FileKind::Program { 0o755 } else { 0o644 })?;
        if entry.kind == FileKind::Compressed {
            compress.push(target);
        }
    }
    if !compress.is_empty() {
        // -n: the compressed file contains neither name nor time.
        process::run(Command::new("gzip").args(["-9", "-n", "--"]).args(compress))?;
    }
    Ok(())
}

/// Sets the mode of directories and the time of everything. Nothing may be written to `dir` afterwards.
pub(super) fn settle(dir: &Path, epoch: u64) -> Result<(), FileError> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    let mut paths: Vec<PathBuf> = files::all_below(dir)?;
    paths.push(dir.to_owned());
    for path in &paths {
        if path.is_dir() {
            set_mode(path, 0o755)?;
        }
        let times = FileTimes::new().set_accessed(time).set_modified(time);
        let set = fs::File::open(path).and_then(|file| file.set_times(times));
        set.map_err(FileError::on("set the time of", path))?;
    }
    Ok(())
}

pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), FileError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(FileError::on("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::layout::PackageFile;

    #[test]
    fn modes_times_and_compression_depend_on_the_layout_alone() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let source = dir.path().join("source");
        fs::write(&source, "text\n").expect("write");
        set_mode(&source, 0o600).expect("chmod");
        let entry = |target: &str, kind| PackageFile { source: source.clone(), target: target.into(), kind };
        let layout =
            PackageLayout { entries: vec![entry("usr/bin/x", FileKind::Program), entry("doc", FileKind::Compressed)] };
        let stage = dir.path().join("stage");
        fill(&stage, &layout).expect("fill");
        settle(&stage, 1000).expect("settle");
        let about = |path: &str| {
            let meta = stage.join(path).metadata().expect(path);
            let time = meta.modified().expect("time").duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
            (meta.permissions().mode() & 0o7777, time.as_secs())
        };
        assert_eq!(about("usr/bin/x"), (0o755, 1000));
        assert_eq!(about("usr/bin"), (0o755, 1000));
        assert_eq!(about("doc.gz"), (0o644, 1000));
    }
}
