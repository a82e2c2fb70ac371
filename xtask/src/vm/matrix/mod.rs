//! `cargo xtask vm [KERNEL...]`: the end-to-end suite on real kernels. Each boots under QEMU with an initramfs only;
//! the guest's init (`tests/src/bin/kernel-vm`) runs the tests one by one and reports the result of each.

mod foreign;
mod guest;
mod initramfs;
mod modules;
mod outcome;
mod page;
mod select;
mod suite;
mod table;
mod tools;

use self::{
    guest::MatrixGuest,
    initramfs::GuestPrograms,
    outcome::GuestRecord,
    select::{Duty, NoKernel, Wanted},
    suite::Scope,
};
use super::{
    architecture::Architecture,
    archive::ArchiveError,
    cache::Cache,
    guest as programs,
    kernels::{self, GuestKernel, KernelError},
    qemu::Silence,
};
use crate::{
    dist,
    process::CommandError,
    say, setup, toolchain,
    workspace::{self, FileError, Workspace},
};
use anyhow::Context as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

/// The number of machines that run at a time, each with one processor.
const AT_ONCE: usize = 2;

/// Suffix of the names of kernels that are tested without trampolines.
const BARE: &str = "-bare";

/// The part of the initramfs that is the same for all kernels of an architecture.
type Common = BTreeMap<Architecture, PathBuf>;

/// Why a kernel could not be tested.
#[derive(Debug, thiserror::Error)]
enum MatrixError {
    #[error("{}", .0.join("\n"))]
    NotGreen(Vec<String>),
    #[error("`{tool}`, which the guests need, is not installed: run `cargo xtask setup`")]
    NoTool { tool: &'static str },
    #[error("the Debian packages for the guests do not contain `{name}`")]
    NotPacked { name: String },
    #[error("{} is not an ELF program or library", .path.display())]
    NoProgram { path: PathBuf, source: object::read::Error },
    #[error("this kernel's archive has {found}, not {wanted}")]
    OtherVersion { found: String, wanted: String },
    #[error("the guest reported nothing after {after}")]
    Silence { after: String, source: Silence },
    #[error(transparent)]
    NoKernel(#[from] NoKernel),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Process(#[from] CommandError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// A kernel to be tested on, ready to boot.
#[derive(Debug)]
struct Candidate {
    /// Its name in the table.
    name: String,
    kernel: GuestKernel,
    architecture: Architecture,
    duty: Duty,
    trampolines: bool,
}

/// Runs the core of the suite, all of it, or some tests, on the kernels that the arguments name.
pub(super) fn test(workspace: &Workspace, words: &[String], only: &[String], full: bool) -> anyhow::Result<()> {
    run_on(workspace, words, &Scope { only: only.to_vec(), full }, false)
}

/// Runs the suite on every kernel and, if all is well, writes what each kernel shows into docs/kernels.md.
pub(super) fn document(workspace: &Workspace, full: bool) -> anyhow::Result<()> {
    run_on(workspace, &[], &Scope { only: Vec::new(), full }, true)
}

fn run_on(workspace: &Workspace, words: &[String], scope: &Scope, document: bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let wanted = select::select(words).map_err(MatrixError::from)?;
    let host = toolchain::host(workspace)?;
    let directory = workspace.target.join("vm/matrix");
    let architectures: BTreeSet<Architecture> = wanted.iter().map(Wanted::architecture).collect();
    for architecture in &architectures {
        setup::ensure(architecture.packages())?;
        setup::ensure_target(workspace, &architecture.target(&host).triple)?;
    }
    // Kernels are fetched while cargo builds.
    let (candidates, common) = thread::scope(|threads| {
        let candidates = threads.spawn(|| candidates(&wanted));
        let common = architectures
            .iter()
            .map(|&architecture| Ok((architecture, common(workspace, &host, architecture, &directory)?)))
            .collect::<anyhow::Result<Common>>();
        (candidates.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), common)
    });
    let (candidates, common) =
        (candidates.context("no kernel to boot")?, common.context("cannot make the guests' system")?);
    say::line(format_args!("vm: prepared in {:.1} s", started.elapsed().as_secs_f64()));
    let booted = Instant::now();
    let results = run_all(&candidates, &common, &directory, scope);
    let columns: Vec<(String, &GuestRecord)> =
        candidates.iter().zip(&results).map(|(candidate, result)| (candidate.name.clone(), &result.record)).collect();
    say::line(table::render(&columns));
    say::line(format_args!("vm: {} kernels, {:.0} s after power on", candidates.len(), booted.elapsed().as_secs_f64()));
    let faults: Vec<String> =
        candidates.iter().zip(&results).flat_map(|(candidate, result)| faults(candidate, result)).collect();
    if !faults.is_empty() {
        return Err(MatrixError::NotGreen(faults).into());
    }
    if document {
        let path = workspace.root.join("docs/kernels.md");
        workspace::write(&path, page::renewed(&workspace::read_text(&path)?, &columns)?)?;
    }
    Ok(())
}

fn candidates(wanted: &[Wanted]) -> Result<Vec<Candidate>, MatrixError> {
    let cache = Cache::of_user()?;
    wanted
        .iter()
        .map(|wanted| match wanted {
            Wanted::Image(path) => {
                let kernel = GuestKernel::given(path)?;
                let (architecture, name) = (wanted.architecture(), kernel.release.clone());
                Ok(Candidate { name, kernel, architecture, duty: Duty::Either, trampolines: true })
            }
            Wanted::Packaged { kernel: packaged, version } => {
                let &select::Packaged { suite, architecture, duty, trampolines, .. } = packaged;
                let kernel = kernels::newest(&cache, suite, architecture)?;
                if let Some(wanted) = version.as_ref().filter(|version| !select::is_of(&kernel.release, version)) {
                    return Err(MatrixError::OtherVersion { found: kernel.release, wanted: wanted.clone() });
                }
                let mut name = version_of(&kernel.release);
                if !trampolines {
                    name.push_str(BARE);
                }
                if architecture != Architecture::Amd64 {
                    name = format!("{name}-{}", architecture.debian());
                }
                Ok(Candidate { name, kernel, architecture, duty, trampolines })
            }
        })
        .collect()
}

/// `6.1` for `6.1.0-9-cloud-amd64`.
fn version_of(release: &str) -> String {
    release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// Makes the part of the initramfs that is the same for all kernels of an architecture.
fn common(workspace: &Workspace, host: &str, architecture: Architecture, directory: &Path) -> anyhow::Result<PathBuf> {
    let target = architecture.target(host);
    let tests = programs::build_tests(workspace, &target)?;
    let ours = programs::build(workspace, &target, &["kernel-vm", "actor"])?;
    let rstmon =
        if target.is_foreign() { programs::build_rstmon(workspace, &target)? } else { dist::static_binary(workspace)? };
    let directory = directory.join(format!("common-{}", architecture.debian()));
    let programs = GuestPrograms { tests: &tests, ours: &ours, rstmon: &rstmon };
    Ok(initramfs::common(&directory, &programs, |root| {
        if target.is_foreign() { foreign::copy(&Cache::of_user()?, architecture, root) } else { tools::copy(root) }
    })?)
}

/// The result of one kernel.
struct Run {
    record: GuestRecord,
    /// Why the guest ended early.
    error: Option<String>,
}

/// Runs the guest of every candidate, [`AT_ONCE`] at a time; the results are in the order of the candidates.
fn run_all(candidates: &[Candidate], common: &Common, directory: &Path, scope: &Scope) -> Vec<Run> {
    // The last kernels take longest, so they are started first.
    let queue = Mutex::new((0..candidates.len()).collect::<Vec<usize>>());
    let results = Mutex::new(Vec::new());
    thread::scope(|threads| {
        for _ in 0..AT_ONCE.min(candidates.len()) {
            threads.spawn(|| {
                loop {
                    let next = lock(&queue).pop();
                    let Some(index) = next else { break };
                    let run = run(&candidates[index], common, directory, scope);
                    lock(&results).push((index, run));
                }
            });
        }
    });
    let mut results = mem::take(&mut *lock(&results));
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, run)| run).collect()
}

/// Locks a mutex whose content is valid even if a thread panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(candidate: &Candidate, common: &Common, directory: &Path, scope: &Scope) -> Run {
    let mut record = GuestRecord::default();
    let &Candidate { ref name, ref kernel, architecture, duty: _, trampolines } = candidate;
    let directory = directory.join(name);
    let only = scope.parts(trampolines);
    let guest = MatrixGuest { name, kernel, architecture, trampolines, directory: &directory, only: &only };
    // `common` has an entry for the architecture of every candidate.
    let error = guest.run(&common[&architecture], &mut record).err().map(|error| {
        let error = anyhow::Error::from(error);
        format!("{error:#}; its console is in {}", guest.console().display())
    });
    Run { record, error }
}

/// What differs from the required result on one kernel.
fn faults(candidate: &Candidate, run: &Run) -> Vec<String> {
    let Candidate { name, duty, .. } = candidate;
    let record = &run.record;
    let mut faults: Vec<String> = Vec::new();
    let failed: Vec<&str> = record
        .tests
        .iter()
        .filter(|test| test.verdict == outcome::TestVerdict::Failed)
        .map(|test| test.name.as_str())
        .collect();
    if !failed.is_empty() {
        faults.push(format!(
            "Linux {name}: {} of {} tests failed: {}",
            failed.len(),
            record.tests.len(),
            failed.join(", ")
        ));
    }
    match (&run.error, record.announced) {
        (Some(error), _) => faults.push(format!("Linux {name}: {error}")),
        (None, Some(announced)) if announced == record.tests.len() && announced > 0 => {}
        (None, announced) => faults.push(format!(
            "Linux {name}: {} tests ended, {} were announced",
            record.tests.len(),
            announced.unwrap_or_default()
        )),
    }
    match (duty, record.usable()) {
        (Duty::Either, Some(_)) | (Duty::Work, Some(true)) | (Duty::Refuse, Some(false)) => {}
        (_, None) => faults.push(format!("Linux {name}: rstmon doctor did not answer")),
        (Duty::Work, Some(false)) => faults.push(format!("Linux {name}: rstmon doctor says that it cannot work there")),
        (Duty::Refuse, Some(true)) => {
            faults.push(format!("Linux {name}: rstmon doctor says that it can work there, but it must refuse"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(duty: Duty) -> Candidate {
        let kernel = GuestKernel::of_test("6.1.0-1-x");
        Candidate {
            name: version_of(&kernel.release),
            kernel,
            architecture: Architecture::Amd64,
            duty,
            trampolines: true,
        }
    }

    fn run(lines: &[&str]) -> Run {
        Run { record: GuestRecord::said(lines), error: None }
    }

    const GOOD: [&str; 3] = ["doctor {\"usable\":true}", "passed 1 a::b", "end 1"];

    #[test]
    fn only_all_tests_passed_are_a_success() {
        assert_eq!(faults(&candidate(Duty::Work), &run(&GOOD)), Vec::<String>::new());
        for lines in [
            &["doctor {\"usable\":true}", "failed 1 a::b", "end 1"][..],
            &["doctor {\"usable\":true}", "passed 1 a::b", "end 2"],
            &["doctor {\"usable\":true}", "end 0"],
            &["doctor {\"usable\":true}", "passed 1 a::b"],
            &["passed 1 a::b", "end 1"],
        ] {
            assert_eq!(faults(&candidate(Duty::Work), &run(lines)).len(), 1, "{lines:?}");
        }
        let gone = Run { error: Some("gone".into()), ..run(&GOOD) };
        assert_eq!(faults(&candidate(Duty::Work), &gone), ["Linux 6.1: gone"]);
    }

    #[test]
    fn a_kernel_that_is_too_old_must_be_refused() {
        assert_eq!(faults(&candidate(Duty::Refuse), &run(&GOOD)).len(), 1);
        let refused = ["doctor {\"usable\":false}", "passed 1 refusal::run", "end 1"];
        assert!(faults(&candidate(Duty::Refuse), &run(&refused)).is_empty());
        assert!(faults(&candidate(Duty::Either), &run(&refused)).is_empty());
        assert_eq!(faults(&candidate(Duty::Work), &run(&refused)).len(), 1);
    }

    #[test]
    fn the_table_names_a_kernel_by_two_numbers() {
        assert_eq!(version_of("6.12.48+deb13-cloud-amd64"), "6.12");
        assert_eq!(version_of("7.2-rc1"), "7.2-rc1");
    }
}
