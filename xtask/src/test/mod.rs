//! `cargo xtask test`: everything that CI runs, in order. `steps` lists the steps, this module runs them, `skips`
//! evaluates the tests that did not run.

mod skips;
mod steps;

use self::steps::{Step, StepAction, StepPlan};
use crate::{
    bpf::{self, ObjectCheck},
    dist,
    elevate::Privilege,
    lint, process, say, setup, stress, toolchain, vm,
    workspace::{FileError, Workspace},
};
use anyhow::Context as _;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Runs all steps and stops at the first that fails.
pub(crate) fn test(workspace: &Workspace, with_setup: bool) -> anyhow::Result<()> {
    let plan = StepPlan {
        setup: with_setup,
        host: toolchain::host(workspace)?,
        target: workspace.target.clone(),
        program: dist::program_path(workspace),
        rebuilt_program: workspace.release_binary(),
        privilege: Privilege::detect()?,
    };
    let mut runner = Runner { workspace, rebuilt: None, passed: Vec::new() };
    runner.run(&plan.steps())?;
    if let Some(object) = runner.rebuilt.take() {
        runner.run(&plan.steps_with_object(&object))?;
    }
    say::line(steps::summary(&runner.passed));
    Ok(())
}

struct Runner<'a> {
    workspace: &'a Workspace,
    /// The rebuilt object, if the check of the committed object says that it has to be tested as well.
    rebuilt: Option<PathBuf>,
    passed: Vec<(&'static str, Duration)>,
}

impl Runner<'_> {
    fn run(&mut self, steps: &[Step]) -> anyhow::Result<()> {
        for step in steps {
            say::line(format_args!("==> {}", step.name));
            let start = Instant::now();
            let outcome = self.perform(&step.action);
            let duration = start.elapsed();
            let (name, seconds) = (step.name, duration.as_secs_f64());
            outcome.with_context(|| format!("step `{name}` failed after {seconds:.1} s"))?;
            say::line(format_args!("==> {name}: passed in {seconds:.1} s"));
            self.passed.push((name, duration));
        }
        Ok(())
    }

    fn perform(&mut self, action: &StepAction) -> anyhow::Result<()> {
        match action {
            StepAction::Setup => setup::setup(self.workspace)?,
            StepAction::Lint => lint::lint(self.workspace, &lint::LintArguments::default())?,
            StepAction::CheckObject => {
                if let ObjectCheck::Rebuilt(object) = bpf::check(self.workspace)? {
                    self.rebuilt = Some(object);
                }
            }
            StepAction::Program => drop(dist::program(self.workspace)?),
            StepAction::Packages => dist::check(self.workspace)?,
            StepAction::Stress => stress::step(self.workspace)?,
            StepAction::KernelMatrix => vm::matrix(self.workspace, &[], &[], false)?,
            StepAction::ServiceVm => vm::service(self.workspace, None)?,
            StepAction::Cargo { args, env } => {
                process::run(self.workspace.cargo().args(args).envs(env.iter().cloned()))?;
            }
            StepAction::EndToEnd { args, env, skip_log } => {
                remove_if_there(skip_log).map_err(FileError::on("remove", skip_log))?;
                process::run(self.workspace.cargo().args(args).envs(env.iter().cloned()))?;
                let log = fs::read_to_string(skip_log).or_else(none_if_absent);
                let log = log.map_err(FileError::on("read", skip_log))?;
                if let Some(report) = skips::judge(&log, is_ci())? {
                    say::line(report);
                }
            }
        }
        Ok(())
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn none_if_absent(error: io::Error) -> io::Result<String> {
    if error.kind() == io::ErrorKind::NotFound { Ok(String::new()) } else { Err(error) }
}

fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| value == "true")
}
