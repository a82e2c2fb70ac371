//! `cargo xtask bpf`: compiles the kernel half to an object file that is committed, so that building rstmon needs only
//! stable Rust. `cargo xtask bpf --check` checks that the committed object is what the sources compile to.
//!
//! | file | concern |
//! |---|---|
//! | `compile` | sources -> object, the same bytes in every checkout |
//! | `sources`, `lock`, `digest` | the hash of everything that determines the object |
//! | `record` | the file beside the object with the hashes and the versions of the tools |
//! | `shape` | what the loader sees in an object: programs, maps, globals |
//! | `verdict` | decides whether the object is acceptable, without effects |

mod compile;
mod digest;
mod lock;
mod record;
mod shape;
mod sources;
mod verdict;

use self::{compile::Variant, record::ObjectRecord, shape::Shape};
use crate::{
    say,
    toolchain::Toolchain,
    workspace::{self, Workspace},
};
use std::path::PathBuf;

/// Path of the committed object, relative to the workspace; its record is beside it.
const OBJECT: &str = "rstmon/bpf/rstmon.bpf.o";
const RECORD: &str = "rstmon/bpf/rstmon.bpf.json";

/// A check that found nothing wrong.
#[derive(Debug)]
pub(crate) enum ObjectCheck {
    /// Rebuilding gives the committed bytes.
    Identical,
    /// The toolchain has changed. The rebuilt object, at this path, has the same programs, maps and globals in other
    /// bytes: both objects have to pass the end-to-end tests.
    Rebuilt(PathBuf),
}

/// Builds the kernel half and puts it, with its record, where the user half embeds it.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<()> {
    let toolchain = Toolchain::find()?;
    // Hashed before compiling: if a file is changed meanwhile, the object is recognised as stale.
    let source_sha256 = sources::hash(&workspace.root)?;
    let built = compile::compile(workspace, &toolchain, Variant::Release)?;
    let object = workspace::read(&built)?;
    Shape::parse(&object)?;
    let record = ObjectRecord {
        source_sha256,
        object_sha256: digest::sha256(&object)?,
        flags: compile::FLAGS.map(str::to_owned).to_vec(),
        toolchain: toolchain.versions,
    };
    workspace::write(&workspace.root.join(OBJECT), &object)?;
    record.write(&workspace.root.join(RECORD))?;
    say::line(format_args!("bpf: wrote {OBJECT} ({} bytes) and {RECORD}; commit both", object.len()));
    Ok(())
}

/// Builds the kernel half with its log lines, beside the committed object.
pub(crate) fn build_debug(workspace: &Workspace) -> anyhow::Result<()> {
    let built = compile::compile(workspace, &Toolchain::find()?, Variant::Debug)?;
    say::line(format_args!(
        "bpf: wrote {0}; use it with `RSTMON_BPF_OBJECT={0} cargo build -p rstmon --features debug`",
        built.display()
    ));
    Ok(())
}

/// Checks that the committed object is fresh, unaltered, and what its sources compile to. Prints one line.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<ObjectCheck> {
    let committed = workspace::read(&workspace.root.join(OBJECT)).ok();
    let record = ObjectRecord::read(&workspace.root.join(RECORD))?;
    let (committed, record) = verdict::both(committed, record)?;
    // Cheap checks first: a stale object is refused without rebuilding it.
    verdict::unaltered(&record, &digest::sha256(&committed)?)?;
    verdict::fresh(&record, &sources::hash(&workspace.root)?)?;

    let toolchain = Toolchain::find()?;
    let built = compile::compile(workspace, &toolchain, Variant::Release)?;
    let rebuilt = workspace::read(&built)?;
    let drift = record.toolchain.differences(&toolchain.versions);
    let differences =
        if rebuilt == committed { vec![] } else { Shape::parse(&committed)?.differences(&Shape::parse(&rebuilt)?) };
    let verdict = verdict::judge(rebuilt == committed, drift, differences)?;
    say::line(format_args!("bpf: {verdict}"));
    Ok(if verdict.needs_tests() { ObjectCheck::Rebuilt(built) } else { ObjectCheck::Identical })
}
