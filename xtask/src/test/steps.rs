//! The steps of `cargo xtask test`, as data.

use crate::elevate::Privilege;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Environment variables of a step.
pub(super) type Env = Vec<(String, OsString)>;

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StepAction {
    /// `cargo xtask setup`.
    Setup,
    /// `cargo xtask lint`.
    Lint,
    /// `cargo xtask bpf --check`.
    CheckObject,
    /// Builds the static program of the packages.
    Program,
    /// `cargo xtask stress`.
    Stress,
    /// `cargo xtask vm`.
    KernelMatrix,
    /// `cargo xtask vm service`.
    ServiceVm,
    /// `cargo xtask dist --check`.
    Packages,
    /// Runs cargo with these arguments.
    Cargo { args: Vec<String>, env: Env },
    /// Runs cargo with these arguments; skipped tests are recorded in `skip_log`.
    EndToEnd { args: Vec<String>, env: Env, skip_log: PathBuf },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Its name in the announcement and the summary.
    pub(super) name: &'static str,
    pub(super) action: StepAction,
}

/// The inputs of the list of steps.
#[derive(Clone, Debug)]
pub(super) struct StepPlan {
    /// Whether to install missing packages.
    pub(super) setup: bool,
    /// The host's target triple.
    pub(super) host: String,
    /// Cargo's target directory.
    pub(super) target: PathBuf,
    /// The static program of the packages, which the end-to-end tests run.
    pub(super) program: PathBuf,
    /// rstmon with a rebuilt BPF object.
    pub(super) rebuilt_program: PathBuf,
    /// How the end-to-end tests become root.
    pub(super) privilege: Privilege,
}

impl StepPlan {
    /// Everything that CI runs, in order.
    pub(super) fn steps(&self) -> Vec<Step> {
        let setup = self.setup.then_some(Step { name: "setup", action: StepAction::Setup });
        let user_half = ["--workspace", "--exclude", "rstmon-ebpf"];
        let steps = [
            cargo("format", ["fmt", "--all", "--check"], []),
            Step { name: "lint", action: StepAction::Lint },
            cargo(
                "clippy, user half",
                ["clippy"].into_iter().chain(user_half).chain(["--all-targets", "--locked", "--", "-D", "warnings"]),
                [],
            ),
            self.clippy_kernel_half(),
            cargo(
                "unit tests",
                ["test"].into_iter().chain(user_half).chain(["--exclude", "rstmon-tests", "--locked"]),
                [],
            ),
            cargo(
                "documentation",
                ["doc", "--no-deps", "--locked", "--package", "rstmon", "--package", "rstmon-common"],
                [("RUSTDOCFLAGS", "-D warnings".into())],
            ),
            // Without the features that tests add, so that code which only they use is reported as unused.
            cargo("clippy, shipped program", ["clippy", "--package", "rstmon", "--locked", "--", "-D", "warnings"], []),
            Step { name: "committed BPF object", action: StepAction::CheckObject },
            Step { name: "release build", action: StepAction::Program },
            cargo(
                "program with test switches",
                ["build", "--package", "rstmon", "--features", "test-switches", "--locked"],
                [],
            ),
            self.end_to_end("end-to-end tests", &self.program),
            Step { name: "stress", action: StepAction::Stress },
            Step { name: "packages", action: StepAction::Packages },
            Step { name: "kernel matrix", action: StepAction::KernelMatrix },
            Step { name: "service in a virtual machine", action: StepAction::ServiceVm },
        ];
        setup.into_iter().chain(steps).collect()
    }

    /// Further steps, for a rebuilt object that differs from the committed one.
    pub(super) fn steps_with_object(&self, object: &Path) -> Vec<Step> {
        vec![
            cargo(
                "release build, rebuilt BPF object",
                ["build", "--release", "--package", "rstmon", "--locked"],
                [("RSTMON_BPF_OBJECT", object.into())],
            ),
            self.end_to_end("end-to-end tests, rebuilt BPF object", &self.rebuilt_program),
        ]
    }

    /// Checks the kernel half for the host's target, so that clippy needs no BPF toolchain. Without the `cfg` the build
    /// script of aya-ebpf would require a BPF target. The flags would cause the user half to be rebuilt, hence another
    /// target directory.
    fn clippy_kernel_half(&self) -> Step {
        let arch = self.host.split('-').next().unwrap_or_default();
        cargo(
            "clippy, kernel half",
            [
                "clippy",
                "--package",
                "rstmon-ebpf",
                "--bins",
                "--locked",
                "--target",
                &self.host,
                "--",
                "-D",
                "warnings",
            ],
            [
                ("RUSTFLAGS", format!("-Cpanic=abort --cfg bpf_target_arch=\"{arch}\"").into()),
                ("CARGO_TARGET_DIR", self.target.join("clippy-ebpf").into()),
            ],
        )
    }

    /// Runs one test at a time: all share this host's kernel and its counters. cargo runs as the current user and
    /// starts the compiled tests through sudo, so that no file in the target directory belongs to root.
    fn end_to_end(&self, name: &'static str, program: &Path) -> Step {
        let skip_log = self.target.join("rstmon-skipped-tests.log");
        let mut env = owned([
            ("RSTMON_BIN", program.into()),
            ("RSTMON_SWITCHES_BIN", self.target.join("debug/rstmon").into()),
            ("RSTMON_SKIP_LOG", skip_log.clone().into()),
        ]);
        if let Privilege::Sudo(sudo) = &self.privilege {
            let triple = self.host.to_uppercase().replace('-', "_");
            let mut runner = sudo.clone().into_os_string();
            runner.push(" -E");
            env.push((format!("CARGO_TARGET_{triple}_RUNNER"), runner));
        }
        let args = ["test", "--package", "rstmon-tests", "--locked", "--", "--test-threads=1"];
        Step { name, action: StepAction::EndToEnd { args: args.map(str::to_owned).to_vec(), env, skip_log } }
    }
}

fn cargo<'a>(
    name: &'static str,
    args: impl IntoIterator<Item = &'a str>,
    env: impl IntoIterator<Item = (&'static str, OsString)>,
) -> Step {
    Step { name, action: StepAction::Cargo { args: args.into_iter().map(str::to_owned).collect(), env: owned(env) } }
}

fn owned(env: impl IntoIterator<Item = (&'static str, OsString)>) -> Env {
    env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The last line: the steps that passed, with their durations.
pub(super) fn summary(passed: &[(&'static str, Duration)]) -> String {
    let total: Duration = passed.iter().map(|(_, duration)| *duration).sum();
    let steps: Vec<String> =
        passed.iter().map(|(name, duration)| format!("{name} {:.1} s", duration.as_secs_f64())).collect();
    format!("all {} steps passed in {:.0} s: {}", passed.len(), total.as_secs_f64(), steps.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(privilege: Privilege) -> StepPlan {
        StepPlan {
            setup: true,
            host: "x86_64-unknown-linux-gnu".into(),
            target: "/t".into(),
            program: "/t/static/rstmon".into(),
            rebuilt_program: "/t/release/rstmon".into(),
            privilege,
        }
    }

    fn names(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| step.name).collect()
    }

    /// Command line and environment of the step `name`.
    fn cargo_of<'a>(steps: &'a [Step], name: &str) -> (String, &'a Env) {
        let step = steps.iter().find(|step| step.name == name).expect("a step of that name");
        match &step.action {
            StepAction::Cargo { args, env } | StepAction::EndToEnd { args, env, .. } => (args.join(" "), env),
            other => panic!("expected cargo, found {other:?}"),
        }
    }

    fn value<'a>(env: &'a Env, name: &str) -> Option<&'a str> {
        env.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.to_str())
    }

    #[test]
    fn order_is_cheap_checks_first() {
        let expected = [
            "setup",
            "format",
            "lint",
            "clippy, user half",
            "clippy, kernel half",
            "unit tests",
            "documentation",
            "clippy, shipped program",
            "committed BPF object",
            "release build",
            "program with test switches",
            "end-to-end tests",
            "stress",
            "packages",
            "kernel matrix",
            "service in a virtual machine",
        ];
        assert_eq!(names(&plan(Privilege::Root).steps()), expected);
    }

    #[test]
    fn setup_can_be_left_out_and_nothing_else_changes() {
        let all = plan(Privilege::Root);
        let without = StepPlan { setup: false, ..all.clone() };
        assert_eq!(without.steps(), all.steps()[1..]);
    }

    #[test]
    fn nothing_may_change_the_lock_file() {
        for step in plan(Privilege::Root).steps() {
            let (StepAction::Cargo { args, .. } | StepAction::EndToEnd { args, .. }) = &step.action else { continue };
            let locked = args.iter().any(|arg| arg == "--locked") || args.first().is_some_and(|arg| arg == "fmt");
            assert!(locked, "`{}` lacks --locked: {args:?}", step.name);
        }
    }

    #[test]
    fn unit_tests_leave_out_what_needs_root_or_a_kernel() {
        let steps = plan(Privilege::Root).steps();
        let (args, _) = cargo_of(&steps, "unit tests");
        assert_eq!(args, "test --workspace --exclude rstmon-ebpf --exclude rstmon-tests --locked");
    }

    #[test]
    fn kernel_half_is_checked_apart_from_the_user_half() {
        let steps = plan(Privilege::Root).steps();
        let (_, env) = cargo_of(&steps, "clippy, kernel half");
        assert_eq!(value(env, "CARGO_TARGET_DIR"), Some("/t/clippy-ebpf"));
        assert_eq!(value(env, "RUSTFLAGS"), Some("-Cpanic=abort --cfg bpf_target_arch=\"x86_64\""));
    }

    #[test]
    fn end_to_end_tests_get_what_is_shipped_and_run_one_at_a_time() {
        let steps = plan(Privilege::Root).steps();
        let (args, env) = cargo_of(&steps, "end-to-end tests");
        assert!(args.ends_with("-- --test-threads=1"), "found `{args}`");
        assert_eq!(value(env, "RSTMON_BIN"), Some("/t/static/rstmon"));
        assert_eq!(value(env, "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"), None);
    }

    #[test]
    fn only_the_compiled_tests_become_root() {
        let steps = plan(Privilege::Sudo("/usr/bin/sudo".into())).steps();
        let (args, env) = cargo_of(&steps, "end-to-end tests");
        assert!(args.starts_with("test "), "found `{args}`");
        assert_eq!(value(env, "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"), Some("/usr/bin/sudo -E"));
    }

    #[test]
    fn a_rebuilt_object_is_built_in_and_tested() {
        let steps = plan(Privilege::Root).steps_with_object(Path::new("/t/bpf/rstmon.bpf.o"));
        let (_, env) = cargo_of(&steps, "release build, rebuilt BPF object");
        assert_eq!(value(env, "RSTMON_BPF_OBJECT"), Some("/t/bpf/rstmon.bpf.o"));
        let (_, env) = cargo_of(&steps, "end-to-end tests, rebuilt BPF object");
        assert_eq!(value(env, "RSTMON_BIN"), Some("/t/release/rstmon"));
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn summary_counts_and_times() {
        let passed = [("format", Duration::from_millis(500)), ("unit tests", Duration::from_millis(2500))];
        assert_eq!(summary(&passed), "all 2 steps passed in 3 s: format 0.5 s; unit tests 2.5 s");
    }
}
