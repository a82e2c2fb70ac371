//! The .rpm, made by rpmbuild from packaging/rpm/rstmon.spec and the files of the layout.

use super::{
    files,
    layout::{FileKind, PackageLayout},
    release::{ARCH, Release},
    stage,
};
use crate::{
    lookup, process,
    workspace::{self, FileError, Workspace},
};
use anyhow::Context as _;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Macros for values that rpmbuild would otherwise take from the clock, the machine, or the distribution it runs on.
const MACROS: [&str; 9] = [
    "use_source_date_epoch_as_buildtime 1",
    "clamp_mtime_to_source_date_epoch 1",
    "source_date_epoch_from_changelog 0",
    "_buildhost localhost",
    "_binary_payload w19.zstdio",
    "debug_package %{nil}",
    "_build_id_links none",
    "__os_install_post %{nil}",
    "__brp_compress %{nil}",
];

/// Makes `rstmon-VERSION-1.x86_64.rpm` in `output`.
pub(super) fn build(
    layout: &PackageLayout,
    workspace: &Workspace,
    release: &Release,
    work: &Path,
    output: &Path,
) -> anyhow::Result<PathBuf> {
    let rpmbuild = lookup::find("rpmbuild").context("no rpmbuild: `apt-get install rpm`")?;
    let top = work.join("rpm");
    workspace::empty_dir(&top)?;
    let tree = top.join("tree");
    stage::fill(&tree, layout)?;
    stage::settle(&tree, release.epoch)?;

    let list = top.join("files");
    workspace::write(&list, file_list(&tree, layout)?)?;
    let sysusers = workspace::read_text(&workspace.root.join("packaging/rstmon.sysusers"))?;
    let spec = workspace::read_text(&workspace.root.join("packaging/rpm/rstmon.spec"))?
        .replace("@VERSION@", &release.package_version())
        .replace("@UNITS@", &layout.units().join(" "))
        .replace("@SYSUSERS@", sysusers.trim_end())
        .replace("@STAGE@", &tree.to_string_lossy())
        .replace("@FILES@", &list.to_string_lossy());
    let spec_path = top.join("rstmon.spec");
    workspace::write(&spec_path, spec)?;

    let mut command = Command::new(rpmbuild);
    // Its own home directory: ~/.rpmmacros must not affect a release.
    command.env("HOME", &top).env("SOURCE_DATE_EPOCH", release.epoch.to_string()).env("LC_ALL", "C");
    command.args(["-bb", "--quiet", "--target", &format!("{ARCH}-linux")]);
    command.arg("--define").arg(format!("_topdir {}", top.display()));
    for definition in MACROS {
        command.args(["--define", definition]);
    }
    process::output(command.arg(&spec_path))?;

    let name = format!("rstmon-{}-1.{ARCH}.rpm", release.package_version());
    fs::create_dir_all(output).map_err(FileError::on("create", output))?;
    let (made, rpm) = (top.join("RPMS").join(ARCH).join(&name), output.join(&name));
    fs::copy(&made, &rpm).map_err(FileError::on("copy", &made))?;
    Ok(rpm)
}

/// The list for `%files -f`: each file, and the directories that belong to the package.
fn file_list(tree: &Path, layout: &PackageLayout) -> Result<String, FileError> {
    let configuration = layout.configuration();
    let programs: BTreeSet<PathBuf> = layout
        .entries
        .iter()
        .filter(|entry| entry.kind == FileKind::Program)
        .map(|entry| Path::new("/").join(&entry.target))
        .collect();
    let mut lines = vec!["%defattr(0644,root,root,0755)".to_owned()];
    for path in files::all_below(tree)? {
        let installed = Path::new("/").join(path.strip_prefix(tree).unwrap_or(&path));
        let shown = installed.display();
        lines.push(if path.is_dir() {
            if !installed.components().any(|part| part.as_os_str() == "rstmon") {
                continue;
            }
            format!("%dir {shown}")
        } else if configuration.contains(&installed) {
            format!("%config(noreplace) {shown}")
        } else if programs.contains(&installed) {
            format!("%attr(0755,root,root) {shown}")
        } else if installed.starts_with("/usr/share/licenses") {
            format!("%license {shown}")
        } else if installed.starts_with("/usr/share/doc") || installed.starts_with("/usr/share/man") {
            format!("%doc {shown}")
        } else {
            shown.to_string()
        });
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::layout::PackageFile;

    #[test]
    fn each_file_has_its_directive() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut layout = PackageLayout::default();
        for (target, kind) in [
            ("usr/bin/rstmon", FileKind::Program),
            ("etc/rstmon/rstmon.toml", FileKind::Config),
            ("usr/share/licenses/rstmon/LICENSE", FileKind::Plain),
            ("usr/share/man/man1/rstmon.1.gz", FileKind::Plain),
        ] {
            workspace::write(&dir.path().join(target), "").expect("write");
            layout.entries.push(PackageFile { source: PathBuf::new(), target: target.into(), kind });
        }
        let expected = "%defattr(0644,root,root,0755)\n%dir /etc/rstmon\n\
                        %config(noreplace) /etc/rstmon/rstmon.toml\n%attr(0755,root,root) /usr/bin/rstmon\n\
                        %dir /usr/share/licenses/rstmon\n%license /usr/share/licenses/rstmon/LICENSE\n\
                        %doc /usr/share/man/man1/rstmon.1.gz\n";
        assert_eq!(file_list(dir.path(), &layout).expect("list"), expected);
    }
}
