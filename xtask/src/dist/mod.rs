//! `cargo xtask dist`: the release in `target/dist`: a static binary, a .deb, an .rpm, the sources, checksums.
//!
//! Contract: the same commit, built with the same toolchain, gives the same bytes. Every time in a file is the
//! commit's, owners are root, lists are sorted, and no path of the building machine gets into the binary.

mod archive;
mod binary;
mod check;
mod deb;
mod files;
mod generated;
mod layout;
mod manual;
mod notices;
mod release;
mod rpm;
mod stage;

use self::{generated::Generated, layout::PackageLayout, release::Release};
use crate::{
    say, setup,
    workspace::{self, FileError, Workspace},
};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Debian packages, with reasons, that are needed to make the .rpm.
const PACKAGES: [(&str, &str); 1] = [RPM];
const RPM: (&str, &str) = ("rpm", "cargo xtask dist: makes the .rpm, and installs it to try");

/// Flags of `cargo xtask dist`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are independent of each other")]
pub(crate) struct DistArguments {
    /// Only the .deb; allows uncommitted changes.
    #[arg(long, conflicts_with = "check")]
    deb_only: bool,
    /// Also test the packages: a second build has the same bytes; contents; lintian and rpmlint; install, upgrade,
    /// removal and purge in a temporary root.
    #[arg(long)]
    check: bool,
    /// With --check: accept the packages' contents and write them to packaging/*/contents.txt.
    #[arg(long, requires = "check")]
    accept_contents: bool,
    /// Package a working tree with uncommitted changes.
    #[arg(long)]
    allow_dirty: bool,
}

/// Makes the release, or what the arguments select of it.
pub(crate) fn dist(workspace: &Workspace, arguments: &DistArguments) -> anyhow::Result<()> {
    setup::ensure(match (arguments.deb_only, arguments.check) {
        (true, _) => &[],
        (false, false) => &PACKAGES,
        (false, true) => &check::PACKAGES,
    })?;
    let release = Release::discover(workspace, arguments.allow_dirty || arguments.deb_only)?;
    let binary = binary::build(workspace, &release)?;
    let output = workspace.target.join("dist");
    let work = workspace.target.join("dist-work");
    workspace::empty_dir(&output)?;
    let maker = Maker { workspace, release: &release, binary: &binary };
    let made = if arguments.deb_only { vec![maker.deb(&work, &output)?] } else { maker.everything(&work, &output)? };
    if arguments.check {
        check::check(&maker, &work, &output, arguments.accept_contents)?;
    }
    for path in made {
        say::line(format_args!("dist: {}", path.display()));
    }
    Ok(())
}

/// The path of the program that [`program`] builds.
pub(crate) fn program_path(workspace: &Workspace) -> PathBuf {
    binary::path(workspace)
}

/// Builds the static program of all packages from the working tree as it is.
pub(crate) fn program(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    binary::build(workspace, &Release::discover(workspace, true)?)
}

/// Makes the release from the working tree as it is, and tests it.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    dist(workspace, &DistArguments { deb_only: false, check: true, accept_contents: false, allow_dirty: true })
}

/// Makes a .deb of the working tree as it is, in `output`, with `work` for temporary files.
pub(crate) fn deb(workspace: &Workspace, work: &Path, output: &Path) -> anyhow::Result<PathBuf> {
    let release = Release::discover(workspace, true)?;
    let binary = binary::build(workspace, &release)?;
    workspace::empty_dir(output)?;
    Maker { workspace, release: &release, binary: &binary }.deb(work, output)
}

/// Builds the static binary from the working tree as it is.
pub(crate) fn static_binary(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    binary::build(workspace, &Release::discover(workspace, true)?)
}

/// The inputs of the packages.
struct Maker<'a> {
    workspace: &'a Workspace,
    release: &'a Release,
    binary: &'a Path,
}

impl Maker<'_> {
    /// Makes all files of the release in `output`.
    fn everything(&self, work: &Path, output: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let generated = self.generate(work)?;
        let mut made = vec![
            archive::binary(&self.layout(&generated, PackageLayout::archive)?, self.release, work, output)?,
            deb::build(&self.layout(&generated, PackageLayout::deb)?, self.workspace, self.release, work, output)?,
            rpm::build(&self.layout(&generated, PackageLayout::rpm)?, self.workspace, self.release, work, output)?,
        ];
        made.extend(archive::source(self.workspace, self.release, output)?);
        made.push(archive::sums(output)?);
        Ok(made)
    }

    /// Makes the .deb alone.
    fn deb(&self, work: &Path, output: &Path) -> anyhow::Result<PathBuf> {
        let generated = self.generate(work)?;
        deb::build(&self.layout(&generated, PackageLayout::deb)?, self.workspace, self.release, work, output)
    }

    fn generate(&self, work: &Path) -> anyhow::Result<Generated> {
        workspace::empty_dir(work)?;
        Generated::write(self.workspace, self.release, self.binary, &work.join("generated"))
            .context("cannot generate the files of the packages")
    }

    fn layout(
        &self,
        generated: &Generated,
        of: impl FnOnce(&layout::PackageSources) -> Result<PackageLayout, FileError>,
    ) -> Result<PackageLayout, FileError> {
        of(&layout::PackageSources { root: &self.workspace.root, binary: self.binary, generated })
    }
}
