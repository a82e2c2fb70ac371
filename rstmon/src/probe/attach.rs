//! Attaches the programs of the hooks, and records which are not attached.

use super::{
    error::ProbeError,
    netns::NetnsTasks,
    plan::{FILE_ITERATOR, HOOKS, Hook, HookKind, HookOutcome, HookStatus, NAMESPACES, TASK_ITERATOR, left_out},
    sys,
};
use aya::{
    Ebpf,
    programs::{BtfTracePoint, FEntry, FExit, Iter, Program, ProgramError},
};
use std::{
    collections::BTreeSet,
    io::{self, Read as _},
    os::fd::AsFd as _,
};

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, ProbeError> {
    ebpf.program_mut(name).ok_or_else(|| ProbeError::Object { reason: format!("it has no program {name}") })
}

/// Attaches every hook that is needed. `fires_always`: the tracepoint of sent resets fires for each of them, even where
/// there is no full socket.
pub(super) fn attach_all(
    ebpf: &mut Ebpf,
    existing: &BTreeSet<&str>,
    kernel_types: &aya::Btf,
    fires_always: bool,
    follow_writers: bool,
) -> Result<Vec<HookStatus>, ProbeError> {
    // The counting programs are the longest to verify: both are loaded before one is attached, so that they begin at
    // the same moment. An error is reported when the hook is attached below, where loading is tried again.
    for hook in HOOKS.iter().filter(|hook| hook.required && existing.contains(hook.name)) {
        if let Err(error) = load_tracepoint(program(ebpf, hook.name)?, hook.name, kernel_types) {
            tracing::debug!(hook = hook.name, %error, "not loaded");
        }
    }
    let trampolines_off = sys::trampolines_off();
    let mut statuses: Vec<HookStatus> = Vec::with_capacity(HOOKS.len());
    for hook in HOOKS {
        let outcome = if let Some(outcome) = left_out(hook, &statuses, fires_always, follow_writers) {
            outcome
        } else if !existing.contains(hook.name) {
            HookOutcome::Absent
        } else if trampolines_off && hook.kind.is_trampoline() {
            // Attaching would succeed, but the kernel would never call the program.
            HookOutcome::Refused {
                errno: None,
                reason: "trampolines are off: sysctl kernel.ftrace_enabled is 0".into(),
            }
        } else {
            attach(ebpf, hook, kernel_types)?
        };
        if hook.required && outcome != HookOutcome::Attached {
            let reason = match outcome {
                HookOutcome::Refused { reason, .. } => reason,
                _ => "this kernel does not have it".into(),
            };
            return Err(ProbeError::RequiredHook { hook: hook.name, reason, hides: hook.hides });
        }
        tracing::debug!(hook = hook.name, ?outcome, "hook");
        statuses.push(HookStatus { hook: *hook, outcome });
    }
    Ok(statuses)
}

/// Loads and attaches one program. A wrong object is an error; a refusal by the kernel is an outcome.
fn attach(ebpf: &mut Ebpf, hook: &Hook, kernel_types: &aya::Btf) -> Result<HookOutcome, ProbeError> {
    let program = program(ebpf, hook.name)?;
    let result = match hook.kind {
        HookKind::Tracepoint => attach_tracepoint(program, hook.name, kernel_types),
        HookKind::FunctionEntry => attach_function_entry(program, hook.name, kernel_types),
        HookKind::FunctionExit => attach_function_exit(program, hook.name, kernel_types),
        HookKind::FileIterator => run_iterator(program, kernel_types),
        HookKind::TaskIterator => load_task_iterator(program, kernel_types),
    };
    Ok(match result {
        Ok(()) => HookOutcome::Attached,
        Err(error) => refused(&error),
    })
}

fn attach_tracepoint(program: &mut Program, name: &str, kernel_types: &aya::Btf) -> Result<(), ProgramError> {
    load_tracepoint(program, name, kernel_types)?.attach().map(drop)
}

/// Loads a program, unless it is loaded already.
fn load_tracepoint<'a>(
    program: &'a mut Program,
    name: &str,
    kernel_types: &aya::Btf,
) -> Result<&'a mut BtfTracePoint, ProgramError> {
    let program: &mut BtfTracePoint = program.try_into()?;
    match program.load(name, kernel_types) {
        Ok(()) | Err(ProgramError::AlreadyLoaded) => Ok(program),
        Err(error) => Err(error),
    }
}

fn attach_function_entry(program: &mut Program, name: &str, kernel_types: &aya::Btf) -> Result<(), ProgramError> {
    let program: &mut FEntry = program.try_into()?;
    program.load(name, kernel_types)?;
    program.attach().map(drop)
}

fn attach_function_exit(program: &mut Program, name: &str, kernel_types: &aya::Btf) -> Result<(), ProgramError> {
    let program: &mut FExit = program.try_into()?;
    program.load(name, kernel_types)?;
    program.attach().map(drop)
}

/// Runs the iterator to its end: reading its file drives it. The link goes with the file.
fn run_iterator(program: &mut Program, kernel_types: &aya::Btf) -> Result<(), ProgramError> {
    let program: &mut Iter = program.try_into()?;
    program.load(FILE_ITERATOR, kernel_types)?;
    let link = program.attach()?;
    let link = program.take_link(link)?;
    let read = link.into_file().map_err(io::Error::other).and_then(|mut file| file.read_to_end(&mut Vec::new()));
    read.map_err(|io_error| aya::sys::SyscallError { call: "read(iter/task_file)", io_error })?;
    program.unload()
}

fn load_task_iterator(program: &mut Program, kernel_types: &aya::Btf) -> Result<(), ProgramError> {
    let program: &mut Iter = program.try_into()?;
    program.load(TASK_ITERATOR, kernel_types)
}

/// The iterator that lists the network namespace of each task, ready to be run. Where it is not, its status gets the
/// reason.
pub(super) fn task_iterator(ebpf: &mut Ebpf, hooks: &mut [HookStatus]) -> Result<NetnsTasks, ProbeError> {
    let Some(status) = hooks.iter_mut().find(|status| status.hook.name == NAMESPACES.name) else {
        return Ok(NetnsTasks::default());
    };
    if status.outcome != HookOutcome::Attached {
        return Ok(NetnsTasks::default());
    }
    let program: &Iter = (&*program(ebpf, NAMESPACES.name)?)
        .try_into()
        .map_err(|error: ProgramError| ProbeError::Object { reason: error.to_string() })?;
    let fd = program.fd().map_err(|error| ProbeError::Load { reason: error.to_string() })?;
    match NetnsTasks::link(fd.as_fd()) {
        Ok(tasks) => Ok(tasks),
        Err(error) => {
            status.outcome = HookOutcome::Refused { errno: error.raw_os_error(), reason: error.to_string() };
            Ok(NetnsTasks::default())
        }
    }
}

fn refused(error: &ProgramError) -> HookOutcome {
    let errno = io_error(error).and_then(io::Error::raw_os_error);
    if let ProgramError::LoadError { verifier_log, .. } = error {
        tracing::debug!(%verifier_log, "verifier");
    }
    let reason = match errno {
        Some(libc::EPERM) => "not permitted: kernel lockdown or a missing capability".into(),
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.to_string(),
    };
    HookOutcome::Refused { errno, reason }
}

pub(super) fn io_error(error: &ProgramError) -> Option<&io::Error> {
    match error {
        ProgramError::LoadError { io_error, .. } => Some(io_error),
        ProgramError::SyscallError(error) => Some(&error.io_error),
        _ => None,
    }
}
