//! Which file goes where: the one list that the .deb, the .rpm and the archive are made from.

use super::{files, generated::Generated};
use crate::workspace::FileError;
use std::path::{Path, PathBuf};

/// How a file is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Copied.
    Plain,
    /// Copied and executable.
    Program,
    /// Copied; the administrator's once it is installed: an upgrade keeps what was changed.
    Config,
    /// Compressed; its name gets `.gz`.
    Compressed,
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is now.
    pub(super) source: PathBuf,
    /// Where it will be, from the root of the system or of the archive.
    pub(super) target: PathBuf,
    /// How it is treated.
    pub(super) kind: Kind,
}

/// All files of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// In no particular order.
    pub(super) entries: Vec<Entry>,
}

/// Where the files come from.
pub(super) struct Sources<'a> {
    /// The checkout.
    pub(super) root: &'a Path,
    /// The static binary.
    pub(super) binary: &'a Path,
    /// What was written for this release.
    pub(super) generated: &'a Generated,
}

/// Where distributions differ.
struct Places {
    zsh: &'static str,
    licences: &'static str,
}

const DEBIAN: Places = Places { zsh: "usr/share/zsh/vendor-completions", licences: "usr/share/doc/rstmon" };
const FEDORA: Places = Places { zsh: "usr/share/zsh/site-functions", licences: "usr/share/licenses/rstmon" };

const DOC: &str = "usr/share/doc/rstmon";
const UNITS: &str = "usr/lib/systemd/system";

impl Layout {
    /// The files of the .deb.
    pub(super) fn deb(sources: &Sources) -> Result<Self, FileError> {
        let mut layout = Self::installed(sources, &DEBIAN)?;
        let deb = sources.root.join("packaging/deb");
        layout.add(deb.join("copyright"), &format!("{DOC}/copyright"), Kind::Plain);
        layout.add(sources.generated.debian_changelog(), &format!("{DOC}/changelog"), Kind::Compressed);
        layout.add(deb.join("lintian-overrides"), "usr/share/lintian/overrides/rstmon", Kind::Plain);
        Ok(layout)
    }

    /// The files of the .rpm.
    pub(super) fn rpm(sources: &Sources) -> Result<Self, FileError> {
        let mut layout = Self::installed(sources, &FEDORA)?;
        for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
            layout.add(sources.root.join(name), &format!("{}/{name}", FEDORA.licences), Kind::Plain);
        }
        Ok(layout)
    }

    /// The files of the archive: whoever unpacks it decides where they go.
    pub(super) fn archive(sources: &Sources) -> Result<Self, FileError> {
        let mut layout = Self::default();
        layout.add(sources.binary.to_owned(), "rstmon", Kind::Program);
        for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            layout.add(sources.root.join(name), name, Kind::Plain);
        }
        layout.licences(sources, "licences");
        layout.tree(&sources.generated.man(), "man", Kind::Plain)?;
        layout.tree(&sources.generated.completions(), "completions", Kind::Plain)?;
        layout.tree(&sources.root.join("docs"), "docs", Kind::Plain)?;
        for (from, _) in service_files(sources.root)? {
            let name = files::name(&from);
            layout.add(from, &name, Kind::Plain);
        }
        layout.add(sources.root.join("packaging/rstmon.toml"), "rstmon.toml", Kind::Plain);
        layout.kit(sources.root, "")?;
        Ok(layout)
    }

    fn installed(sources: &Sources, places: &Places) -> Result<Self, FileError> {
        let (root, generated) = (sources.root, sources.generated);
        let mut layout = Self::default();
        layout.add(sources.binary.to_owned(), "usr/bin/rstmon", Kind::Program);
        layout.add(root.join("packaging/rstmon.toml"), "etc/rstmon/rstmon.toml", Kind::Config);
        for (from, to) in service_files(root)? {
            layout.add(from, &to, Kind::Plain);
        }
        for page in files::below(&generated.man())? {
            let name = files::name(&page);
            let section = name.rsplit('.').next().unwrap_or("1");
            layout.add(page.clone(), &format!("usr/share/man/man{section}/{name}"), Kind::Compressed);
        }
        let completions = generated.completions();
        for (name, target) in [
            ("rstmon.bash", "usr/share/bash-completion/completions/rstmon"),
            ("_rstmon", &format!("{}/_rstmon", places.zsh)),
            ("rstmon.fish", "usr/share/fish/vendor_completions.d/rstmon.fish"),
        ] {
            layout.add(completions.join(name), target, Kind::Plain);
        }
        for name in ["README.md", "CHANGELOG.md"] {
            layout.add(root.join(name), &format!("{DOC}/{name}"), Kind::Compressed);
        }
        layout.tree(&root.join("docs"), &format!("{DOC}/docs"), Kind::Plain)?;
        layout.licences(sources, places.licences);
        layout.kit(root, "usr/share/rstmon/")?;
        Ok(layout)
    }

    /// Third-party notices, and the texts that they refer to.
    fn licences(&mut self, sources: &Sources, directory: &str) {
        let generated = sources.generated;
        self.add(generated.notices(), &format!("{directory}/THIRD-PARTY-NOTICES.txt"), Kind::Compressed);
        self.add(generated.standard_library(), &format!("{directory}/rust-standard-library.html"), Kind::Compressed);
        self.add(sources.root.join("rstmon-ebpf/LICENSE-GPL2"), &format!("{directory}/LICENSE-GPL2"), Kind::Compressed);
    }

    /// What others load: rules for Prometheus, dashboards for Grafana. Their tests stay at home.
    fn kit(&mut self, root: &Path, prefix: &str) -> Result<(), FileError> {
        for folder in ["prometheus", "grafana"] {
            let from = root.join("packaging").join(folder);
            for file in files::below(&from)? {
                let inside = file.strip_prefix(&from).unwrap_or(&file).to_owned();
                if !inside.to_string_lossy().contains("test") {
                    self.entries.push(Entry {
                        source: file,
                        target: Path::new(prefix).join(folder).join(inside),
                        kind: Kind::Plain,
                    });
                }
            }
        }
        Ok(())
    }

    fn tree(&mut self, from: &Path, to: &str, kind: Kind) -> Result<(), FileError> {
        for file in files::below(from)? {
            let inside = file.strip_prefix(from).unwrap_or(&file).to_owned();
            self.entries.push(Entry { source: file, target: Path::new(to).join(inside), kind });
        }
        Ok(())
    }

    fn add(&mut self, source: PathBuf, target: &str, kind: Kind) {
        self.entries.push(Entry { source, target: target.into(), kind });
    }

    /// Where the configuration files will be, as absolute paths, sorted.
    pub(super) fn configuration(&self) -> Vec<PathBuf> {
        let configuration = self.entries.iter().filter(|entry| entry.kind == Kind::Config);
        let mut paths: Vec<PathBuf> = configuration.map(|entry| Path::new("/").join(&entry.target)).collect();
        paths.sort();
        paths
    }

    /// The names of systemd's units, sorted: the service comes before its socket.
    pub(super) fn units(&self) -> Vec<String> {
        let units = self.entries.iter().filter(|entry| entry.target.starts_with(UNITS));
        let mut names: Vec<String> = units.map(|entry| files::name(&entry.target)).collect();
        names.sort();
        names
    }
}

/// systemd's files in packaging/, whichever there are, and where systemd looks for them.
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

    fn layouts() -> [Layout; 3] {
        let workspace = Workspace::discover().expect("a checkout");
        let generated = Generated::sample();
        let sources = Sources { root: &workspace.root, binary: Path::new("/b/rstmon"), generated: &generated };
        [Layout::deb(&sources), Layout::rpm(&sources), Layout::archive(&sources)].map(|layout| layout.expect("layout"))
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
            let programs: Vec<_> = layout.entries.iter().filter(|entry| entry.kind == Kind::Program).collect();
            assert_eq!(programs.len(), 1, "found {programs:?}");
        }
    }
}
