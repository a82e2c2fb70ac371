//! The archives of a release: the binary with its files, the sources; and the list of checksums.

use super::{
    files,
    layout::PackageLayout,
    release::{self, ARCH, Release},
    stage,
};
use crate::{
    process,
    workspace::{self, FileError, Workspace},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Makes `rstmon-VERSION-x86_64-linux.tar.gz`, which contains one directory of that name.
pub(super) fn binary(layout: &PackageLayout, release: &Release, work: &Path, output: &Path) -> anyhow::Result<PathBuf> {
    let name = format!("rstmon-{}-{ARCH}-linux", release.version);
    let parent = work.join("archive");
    workspace::empty_dir(&parent)?;
    let tree = parent.join(&name);
    stage::fill(&tree, layout)?;
    stage::settle(&tree, release.epoch)?;
    fs::create_dir_all(output).map_err(FileError::on("create", output))?;
    let tar = output.join(format!("{name}.tar"));
    let mut command = Command::new("tar");
    command.env("LC_ALL", "C").args(["--create", "--sort=name", "--format=ustar", "--numeric-owner"]);
    command.args(["--owner=0", "--group=0", "--file"]).arg(&tar).arg("--directory").arg(&parent).arg(&name);
    process::run(&mut command)?;
    compress(&tar)
}

/// Makes `rstmon-VERSION-source.tar.gz` of the commit; `None` outside a checkout, that is, in an unpacked source
/// archive.
pub(super) fn source(workspace: &Workspace, release: &Release, output: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(commit) = &release.commit else { return Ok(None) };
    let name = format!("rstmon-{}", release.version);
    let tar = output.join(format!("{name}-source.tar"));
    let mut command = release::git(workspace);
    command.args(["archive", "--format=tar", &format!("--prefix={name}/")]).arg(format!("--output={}", tar.display()));
    process::run(command.arg(commit))?;
    Ok(Some(compress(&tar)?))
}

/// Makes `SHA256SUMS` of all files in `output`, for `sha256sum --check`.
pub(super) fn sums(output: &Path) -> anyhow::Result<PathBuf> {
    let names: Vec<String> = files::below(output)?.iter().map(|path| files::name(path)).collect();
    let mut command = Command::new("sha256sum");
    let list = process::output(command.current_dir(output).arg("--").args(names))?;
    let path = output.join("SHA256SUMS");
    workspace::write(&path, list)?;
    Ok(path)
}

fn compress(tar: &Path) -> anyhow::Result<PathBuf> {
    process::run(Command::new("gzip").args(["-9", "-n", "--force", "--"]).arg(tar))?;
    Ok(tar.with_extension("tar.gz"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_can_be_checked_where_the_files_are() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("b"), "b").expect("write");
        fs::write(dir.path().join("a"), "a").expect("write");
        let list = fs::read_to_string(sums(dir.path()).expect("sums")).expect("list");
        let names: Vec<&str> = list.lines().filter_map(|line| line.split_once("  ")).map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b"]);
        let check =
            process::run(Command::new("sha256sum").current_dir(dir.path()).args(["--check", "--quiet", "SHA256SUMS"]));
        check.expect("the sums hold");
    }

    #[test]
    fn an_archive_has_the_same_bytes_at_another_time() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("file");
        let release = Release { version: "1.0.0".into(), epoch: 1000, commit: None };
        let entry = crate::dist::layout::PackageFile {
            source: file.clone(),
            target: "rstmon".into(),
            kind: crate::dist::layout::FileKind::Program,
        };
        let layout = PackageLayout { entries: vec![entry] };
        let build = |name: &str| {
            // A new file each time, with another modification time.
            fs::write(&file, "content").expect("write");
            let made = binary(&layout, &release, &dir.path().join("work"), &dir.path().join(name)).expect("archive");
            fs::read(made).expect("the archive")
        };
        assert_eq!(build("first"), build("second"));
    }
}
