//! The .deb, made by dpkg-deb from the control data in packaging/deb and the files of the layout.

use super::{
    files,
    layout::PackageLayout,
    notices,
    release::{DEB_ARCH, Release},
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

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Makes `rstmon_VERSION_amd64.deb` in `output`.
pub(super) fn build(
    layout: &PackageLayout,
    workspace: &Workspace,
    release: &Release,
    work: &Path,
    output: &Path,
) -> anyhow::Result<PathBuf> {
    let tree = work.join("deb");
    stage::fill(&tree, layout)?;
    let templates = workspace.root.join("packaging/deb");
    let meta = tree.join("DEBIAN");

    let built_using = notices::libc_version().map_or_else(String::new, |libc| format!("Built-Using: {libc}\n"));
    let control = workspace::read_text(&templates.join("control"))?
        .replace("@VERSION@", &release.package_version())
        .replace("@ARCHITECTURE@", DEB_ARCH)
        .replace("@INSTALLED_SIZE@", &installed_kib(&tree)?.to_string())
        .replace("@BUILT_USING@", &built_using);
    let sums = md5sums(&tree, layout)?;
    workspace::empty_dir(&meta)?;
    workspace::write(&meta.join("control"), control)?;
    workspace::write(&meta.join("md5sums"), sums)?;
    let conffiles: Vec<String> = layout.configuration().iter().map(|path| format!("{}\n", path.display())).collect();
    workspace::write(&meta.join("conffiles"), conffiles.concat())?;
    for name in SCRIPTS {
        let script = workspace::read_text(&templates.join(name))?.replace("@UNITS@", &layout.units().join(" "));
        workspace::write(&meta.join(name), script)?;
    }
    for file in files::below(&meta)? {
        let mode = if SCRIPTS.contains(&files::name(&file).as_str()) { 0o755 } else { 0o644 };
        stage::set_mode(&file, mode)?;
    }
    stage::settle(&tree, release.epoch)?;

    fs::create_dir_all(output).map_err(FileError::on("create", output))?;
    let deb = output.join(format!("rstmon_{}_{DEB_ARCH}.deb", release.package_version()));
    let mut command = Command::new("dpkg-deb");
    command.env("SOURCE_DATE_EPOCH", release.epoch.to_string());
    command.args(["--root-owner-group", "-Zxz", "--build"]).arg(&tree).arg(&deb);
    process::output(&mut command)?;
    Ok(deb)
}

/// The installed size as dpkg defines it: each file in whole KiB, and 1 KiB for a directory.
fn installed_kib(tree: &Path) -> Result<u64, FileError> {
    let mut total = 0;
    for path in files::all_below(tree)? {
        let meta = path.symlink_metadata().map_err(FileError::on("look at", &path))?;
        total += if meta.is_file() { meta.len().div_ceil(1024) } else { 1 };
    }
    Ok(total)
}

/// The list for `dpkg --verify`, without the configuration, which may be changed.
fn md5sums(tree: &Path, layout: &PackageLayout) -> anyhow::Result<String> {
    let configuration = layout.configuration();
    let mut names = Vec::new();
    for file in files::below(tree)? {
        let name = file.strip_prefix(tree).unwrap_or(&file).to_owned();
        if !configuration.contains(&Path::new("/").join(&name)) {
            names.push(name);
        }
    }
    let mut command = Command::new("md5sum");
    command.current_dir(tree).arg("--").args(names);
    Ok(process::output(&mut command)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_per_file() {
        let dir = tempfile::tempdir().expect("temporary directory");
        workspace::write(&dir.path().join("a/one"), vec![0; 1025]).expect("write");
        workspace::write(&dir.path().join("two"), "x").expect("write");
        assert_eq!(installed_kib(dir.path()).expect("size"), 2 + 1 + 1);
    }

    #[test]
    fn templates_have_no_unknown_placeholder() {
        let root = Workspace::discover().expect("a checkout").root.join("packaging");
        let known = ["@VERSION@", "@ARCHITECTURE@", "@INSTALLED_SIZE@", "@BUILT_USING@", "@UNITS@"];
        for file in ["deb/control", "deb/postinst", "deb/prerm", "deb/postrm"] {
            let mut text = workspace::read_text(&root.join(file)).expect(file);
            for placeholder in known {
                text = text.replace(placeholder, "");
            }
            let left = text.lines().find(|line| line.matches('@').count() > 1);
            assert_eq!(left, None, "in {file}");
        }
    }
}
