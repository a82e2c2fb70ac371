//! The list of the files of the packages, from which the .deb, the .rpm and the archive are made.

use super::{files, generated::Generated};
use crate::workspace::FileError;
use std::path::{Path, PathBuf};

/// How a file is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Plain,
    /// Copied, with mode 0755.
    Program,
    /// Copied, and marked as configuration: an upgrade keeps the administrator's changes.
    Config,
    /// Compressed; its name gets the suffix `.gz`.
    Compressed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackageFile {
    /// Path of the file to package.
    pub(super) source: PathBuf,
    /// Path relative to the root of the system or of the archive.
    pub(super) target: PathBuf,
    pub(super) kind: FileKind,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PackageLayout {
    /// In no particular order.
    pub(super) entries: Vec<PackageFile>,
}

/// Where the files come from.
pub(super) struct PackageSources<'a> {
    pub(super) root: &'a Path,
    pub(super) binary: &'a Path,
    pub(super) generated: &'a Generated,
}

/// Paths that differ between distributions.
struct InstallPaths {
    zsh: &'static str,
    licences: &'static str,
}

const DEBIAN: InstallPaths = InstallPaths { zsh: "usr/share/zsh/vendor-completions", licences: "usr/share/doc/rstmon" };
const FEDORA: InstallPaths =
    InstallPaths { zsh: "usr/share/zsh/site-functions", licences: "usr/share/licenses/rstmon" };

const DOC: &str = "usr/share/doc/rstmon";
const UNITS: &str = "usr/lib/systemd/system";

impl PackageLayout {
    pub(super) fn deb(sources: &PackageSources) -> Result<Self, FileError> {
        let mut layout = Self::installed(sources, &DEBIAN)?;
        let deb = sources.root.join("packaging/deb");
        layout.add(deb.join("copyright"), &format!("{DOC}/copyright"), FileKind::Plain);
        layout.add(sources.generated.debian_changelog(), &format!("{DOC}/changelog"), FileKind::Compressed);
        layout.add(deb.join("lintian-overrides"), "usr/share/lintian/overrides/rstmon", FileKind::Plain);
        Ok(layout)
    }

    pub(super) fn rpm(sources: &PackageSources) -> Result<Self, FileError> {
        let mut layout = Self::installed(sources, &FEDORA)?;
        for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
            layout.add(sources.root.join(name), &format!("{}/{name}", FEDORA.licences), FileKind::Plain);
        }
        Ok(layout)
    }

    /// The files of the archive, in a layout that depends on no distribution.
    pub(super) fn archive(sources: &PackageSources) -> Result<Self, FileError> {
        let mut layout = Self::default();
        layout.add(sources.binary.to_owned(), "rstmon", FileKind::Program);
        for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            layout.add(sources.root.join(name), name, FileKind::Plain);
        }
        layout.licences(sources, "licences");
        layout.tree(&sources.generated.man(), "man", FileKind::Plain)?;
        layout.tree(&sources.generated.completions(), "completions", FileKind::Plain)?;
        layout.tree(&sources.root.join("docs"), "docs", FileKind::Plain)?;
        for (from, _) in service_files(sources.root)? {
            let name = files::name(&from);
            layout.add(from, &name, FileKind::Plain);
        }
        layout.add(sources.root.join("packaging/rstmon.toml"), "rstmon.toml", FileKind::Plain);
        layout.kit(sources.root, "")?;
        Ok(layout)
    }

    fn installed(sources: &PackageSources, places: &InstallPaths) -> Result<Self, FileError> {
        let (root, generated) = (sources.root, sources.generated);
        let mut layout = Self::default();
        layout.add(sources.binary.to_owned(), "usr/bin/rstmon", FileKind::Program);
        layout.add(root.join("packaging/rstmon.toml"), "etc/rstmon/rstmon.toml", FileKind::Config);
        for (from, to) in service_files(root)? {
            layout.add(from, &to, FileKind::Plain);
        }
        for page in files::below(&generated.man())? {
            let name = files::name(&page);
            let section = name.rsplit('.').next().unwrap_or("1");
            layout.add(page.clone(), &format!("usr/share/man/man{section}/{name}"), FileKind::Compressed);
        }
        let completions = generated.completions();
        for (name, target) in [
            ("rstmon.bash", "usr/share/bash-completion/completions/rstmon"),
            ("_rstmon", &format!("{}/_rstmon", places.zsh)),
            ("rstmon.fish", "usr/share/fish/vendor_completions.d/rstmon.fish"),
        ] {
            layout.add(completions.join(name), target, FileKind::Plain);
        }
        for name in ["README.md", "CHANGELOG.md"] {
            layout.add(root.join(name), &format!("{DOC}/{name}"), FileKind::Compressed);
        }
        layout.tree(&root.join("docs"), &format!("{DOC}/docs"), FileKind::Plain)?;
        layout.licences(sources, places.licences);
        layout.kit(root, "usr/share/rstmon/")?;
        Ok(layout)
    }

    /// The third-party notices and the texts that they refer to.
    fn licences(&mut self, sources: &PackageSources, directory: &str) {
        let generated = sources.generated;
        self.add(generated.notices(), &format!("{directory}/THIRD-PARTY-NOTICES.txt"), FileKind::Compressed);
        self.add(
            generated.standard_library(),
            &format!("{directory}/rust-standard-library.html"),
            FileKind::Compressed,
        );
        self.add(
            sources.root.join("rstmon-ebpf/LICENSE-GPL2"),
            &format!("{directory}/LICENSE-GPL2"),
            FileKind::Compressed,
        );
    }

    /// Rules for Prometheus and dashboards for Grafana, without their tests.
    fn kit(&mut self, root: &Path, prefix: &str) -> Result<(), FileError> {
        for folder in ["prometheus", "grafana"] {
            let from = root.join("packaging").join(folder);
            for file in files::below(&from)? {
                let inside = file.strip_prefix(&from).unwrap_or(&file).to_owned();
                if !inside.to_string_lossy().contains("test") {
                    self.entries.push(PackageFile {
                        source: file,
                        target: Path::new(prefix).join(folder).join(inside),
                        kind: FileKind::Plain,
                    });
                }
            }
        }
        Ok(())
    }

    fn tree(&mut self, from: &Path, to: &str, kind: FileKind) -> Result<(), FileError> {
        for file in files::below(from)? {
            let inside = file.strip_prefix(from).unwrap_or(&file).to_owned();
            self.entries.push(PackageFile { source: file, target: Path::new(to).join(inside), kind });
        }
        Ok(())
    }

    fn add(&mut self, source: PathBuf, target: &str, kind: FileKind) {
        self.entries.push(PackageFile { source, target: target.into(), kind });
    }

    /// The installed paths of the configuration files, absolute and sorted.
    pub(super) fn configuration(&self) -> Vec<PathBuf> {
        let configuration = self.entries.iter().filter(|entry| entry.kind == FileKind::Config);
        let mut paths: Vec<PathBuf> = configuration.map(|entry| Path::new("/").join(&entry.target)).collect();
        paths.sort();
        paths
    }

    /// The names of the systemd units, sorted: the service comes before its socket.
    pub(super) fn units(&self) -> Vec<String> {
        let units = self.entries.iter().filter(|entry| entry.target.starts_with(UNITS));
        let mut names: Vec<String> = units.map(|entry| files::name(&entry.target)).collect();
        names.sort();
        names
    }
}

/// The systemd files in packaging/ with the directories that systemd reads them from.
fn service_files(root: &Path) -> Result<Vec<(PathBuf, String)>, FileError> {
    let mut found = Vec::new();
    for file in files::below(&root.join("packaging"))? {
        if file.parent() != Some(&root.join("packaging")) {
            continue;
        }
        let name = files::name(&file);
        let target = match file.extension().and_then(|extension| extension.to_str()) {
            Some("service" | "socket" | "timer" | "path" | "target" | "slice") => format!("{UNITS}/{name}"),
            Some("sysusers") => "usr/lib/sysusers.d/rstmon.conf".to_owned(),
            Some("tmpfiles") => "usr/lib/tmpfiles.d/rstmon.conf".to_owned(),
            _ => continue,
        };
        found.push((file, target));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn layouts() -> [PackageLayout; 3] {
        let workspace = Workspace::discover().expect("a checkout");
        let generated = Generated::sample();
        let sources = PackageSources { root: &workspace.root, binary: Path::new("/b/rstmon"), generated: &generated };
        [PackageLayout::deb(&sources), PackageLayout::rpm(&sources), PackageLayout::archive(&sources)]
            .map(|layout| layout.expect("layout"))
    }

    #[test]
    fn no_two_files_share_a_place() {
        for layout in layouts() {
            let mut targets: Vec<_> = layout.entries.iter().map(|entry| &entry.target).collect();
            targets.sort();
            let count = targets.len();
            targets.dedup();
            assert_eq!(targets.len(), count, "in {targets:?}");
        }
    }

    #[test]
    fn packages_have_the_service_and_one_configuration_file() {
        for layout in &layouts()[..2] {
            let has = |path: &str| layout.entries.iter().any(|entry| entry.target == Path::new(path));
            assert!(has("usr/lib/systemd/system/rstmon.service") && has("usr/lib/sysusers.d/rstmon.conf"));
            assert_eq!(layout.units()[0], "rstmon.service");
            assert_eq!(layout.configuration(), [Path::new("/etc/rstmon/rstmon.toml")]);
        }
    }

    #[test]
    fn nothing_is_installed_outside_of_usr_and_etc() {
        for entry in layouts()[..2].iter().flat_map(|layout| &layout.entries) {
            let ok = entry.target.starts_with("usr") || entry.target.starts_with("etc");
            assert!(ok && !entry.target.starts_with("usr/local"), "found {entry:?}");
        }
    }

    #[test]
    fn the_programs_alone_are_executable() {
        for layout in layouts() {
            let programs: Vec<_> = layout.entries.iter().filter(|entry| entry.kind == FileKind::Program).collect();
            assert_eq!(programs.len(), 1, "found {programs:?}");
        }
    }
}
