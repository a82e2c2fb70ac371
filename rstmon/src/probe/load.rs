//! Loads the kernel half: patches the constants in, attaches the programs, and records which hooks are not attached.

use super::{
    Options,
    btf::Btf,
    counts::{CountReader, GenerationTally, SlotPod, possible_cpus},
    error::ProbeError,
    front::FrontReader,
    kfuncs,
    layout::KernelLayout,
    listeners::ListenerTimes,
    netns::{self, NetnsTasks},
    object,
    plan::{
        FILE_ITERATOR, HOOKS, Hook, HookKind, HookOutcome, HookStatus, NAMESPACES, TASK_ITERATOR, exists, left_out,
    },
    sys,
};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, MapData, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, FEntry, FExit, Iter, Program, ProgramError, RawTracePoint},
};
use aya_obj::btf::BtfKind;
use rstmon_common::{
    hooks::SETTLE,
    kfunc::{KFUNCS, RDONLY_CAST},
    limits::ABSENT_OFFSET,
    maps::{
        COUNTS_0, COUNTS_1, EVENTS, FRONT, GENERATION, GONE_LISTENERS, LISTENERS, LOST, NETNS_SENT, NEWEST, OVERFLOW,
        TOMBSTONES, UNTIL_WAKE,
    },
};
use std::{
    collections::BTreeSet,
    io::{self, Read as _},
    os::fd::{AsFd, OwnedFd},
};

/// Programs, maps and the outcome of attaching each hook.
pub(super) struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) hooks: Vec<HookStatus>,
    pub(super) counts: CountReader,
    pub(super) ring: RingBuf<MapData>,
    pub(super) until_wake: MapData,
    pub(super) settle: OwnedFd,
    pub(super) netns_tasks: NetnsTasks,
    pub(super) listener_times: ListenerTimes,
}

/// What loading needs of the kernel's BTF.
pub(super) struct KernelTypes {
    /// A BTF blob with the types whose ids are looked up.
    excerpt: Vec<u8>,
    /// Names of the hooks that this kernel has.
    hooks: BTreeSet<&'static str>,
}

impl KernelTypes {
    pub(super) fn of(btf: &Btf<'_>) -> Self {
        let hooks = HOOKS.iter().filter(|hook| exists(hook, btf)).map(|hook| hook.name).collect();
        Self { excerpt: btf.excerpt(&looked_up()), hooks }
    }
}

/// The names of all types whose ids are looked up here, or by aya when it loads a program.
fn looked_up() -> BTreeSet<String> {
    let attached_to = HOOKS.iter().map(|hook| match hook.kind {
        HookKind::Tracepoint => format!("btf_trace_{}", hook.name),
        HookKind::FunctionEntry | HookKind::FunctionExit => hook.name.to_owned(),
        HookKind::FileIterator => format!("bpf_iter_{FILE_ITERATOR}"),
        HookKind::TaskIterator => format!("bpf_iter_{TASK_ITERATOR}"),
    });
    let others = KFUNCS.iter().map(|kfunc| kfunc.name).chain(kfuncs::VARIABLES).chain(CastTypes::NAMES);
    attached_to.chain(others.map(str::to_owned)).collect()
}

/// Loads and attaches everything that this kernel allows.
pub(super) fn load(options: &Options, layout: &KernelLayout, types: KernelTypes) -> Result<Loaded, ProbeError> {
    let mut object = object::read(options)?;
    let KernelTypes { excerpt, hooks: existing } = types;
    let kernel_types = aya::Btf::parse(&excerpt, aya::Endianness::default())
        .map_err(|error| ProbeError::Load { reason: error.to_string() })?;
    drop(excerpt);
    let id = |name: &str, kind| kernel_types.id_by_type_name_kind(name, kind).ok();
    let preempted = kfuncs::tracepoints_are_preempted(|name| id(name, BtfKind::Var).is_some());
    let cast = id(RDONLY_CAST.name, BtfKind::Func);
    let bound = kfuncs::bind(&mut object, &KFUNCS, |name| match name {
        name if name == RDONLY_CAST.name => cast,
        name if preempted => id(name, BtfKind::Func),
        _ => None,
    });
    tracing::debug!(bound, preempted, "calls to the kernel's own functions");
    let types = cast.and_then(|_| CastTypes::resolve(&kernel_types)).unwrap_or_default();
    tracing::debug!(?types, "casts");
    let mut ebpf = load_object(options, layout, &object, &kernel_types, types)?;
    #[cfg(feature = "debug")]
    log_from_kernel(&mut ebpf);
    let settle = load_settle(&mut ebpf)?;
    let mut hooks = attach_all(&mut ebpf, &existing, &kernel_types, layout.send_has_reason, options.follow_writers)?;
    drop(kernel_types);
    let netns_tasks = task_iterator(&mut ebpf, &mut hooks)?;
    let (counts, ring, until_wake) = open_maps(&mut ebpf, options)?;
    let listener_times = listener_times(&mut ebpf)?;
    Ok(Loaded { ebpf, hooks, counts, ring, until_wake, settle, netns_tasks, listener_times })
}

/// Shows the log lines of a kernel half built with its `debug` feature (`cargo xtask bpf --debug`).
#[cfg(feature = "debug")]
fn log_from_kernel(ebpf: &mut Ebpf) {
    let mut logger = match aya_log::EbpfLogger::init(ebpf) {
        Ok(logger) => logger,
        Err(error) => return tracing::warn!(%error, "this BPF object has no log: build it with its debug feature"),
    };
    std::thread::spawn(move || {
        loop {
            logger.flush();
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    });
}

/// Ids, in the kernel's BTF, of the types that the kernel half casts to; all 0 where it cannot cast.
#[derive(Clone, Copy, Debug, Default)]
struct CastTypes {
    task: u32,
    tcp: u32,
    words: u32,
}

impl CastTypes {
    const NAMES: [&str; 3] = ["task_struct", "tcp_sock", "rtnl_link_stats64"];

    /// Looks the types up; `None` where the kernel lacks one of them.
    fn resolve(kernel_types: &aya::Btf) -> Option<Self> {
        let id = |name| kernel_types.id_by_type_name_kind(name, BtfKind::Struct).ok();
        // `struct rtnl_link_stats64` is 64-bit words and nothing else.
        let [task, tcp, words] = Self::NAMES.map(id);
        Some(Self { task: task?, tcp: tcp?, words: words? })
    }
}

fn load_object(
    options: &Options,
    layout: &KernelLayout,
    object: &[u8],
    kernel_types: &aya::Btf,
    types: CastTypes,
) -> Result<Ebpf, ProbeError> {
    let settings = settings(options, layout, types);
    let mut loader = sys::without_descriptors(EbpfLoader::new);
    loader.btf(Some(kernel_types)).verifier_log_level(if options.verifier_log {
        VerifierLogLevel::DEBUG | VerifierLogLevel::STATS
    } else {
        VerifierLogLevel::DISABLE
    });
    for (name, offset) in &layout.offsets {
        loader.override_global(name, offset, true);
    }
    settings.patch_into(&mut loader);
    loader
        .map_max_entries(FRONT, u32::try_from(possible_cpus()?).unwrap_or(1))
        .map_max_entries(COUNTS_0, options.count_entries)
        .map_max_entries(COUNTS_1, options.count_entries)
        .map_max_entries(EVENTS, options.ring_bytes)
        .map_max_entries(TOMBSTONES, tombstone_slots(options.tombstones))
        .map_max_entries(NEWEST, tombstone_slots(options.tombstones))
        .map_max_entries(GONE_LISTENERS, options.tombstones.clamp(1, MAX_GONE_LISTENERS));
    loader.load(object).map_err(|error| match error {
        error if is_refusal(&error) => ProbeError::Refused { in_user_namespace: sys::is_in_user_namespace() },
        aya::EbpfError::MapError(_) | aya::EbpfError::BtfError(_) => ProbeError::Load { reason: chain(&error) },
        aya::EbpfError::ParseError(_) => ProbeError::Object { reason: chain(&error) },
        other => ProbeError::Object { reason: chain(&other) },
    })
}

/// Tombstones of listeners, at most.
const MAX_GONE_LISTENERS: u32 = 4096;

/// Slots for that many tombstones: the next power of two.
fn tombstone_slots(tombstones: u32) -> u32 {
    tombstones.max(1).next_power_of_two()
}

macro_rules! settings_struct {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $default:expr;)*) => {
        /// Values of the kernel half's settings, each named like the global that it is patched into.
        struct Settings {
            $($name: $ty,)*
        }

        impl Settings {
            fn patch_into<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
                $(loader.override_global(stringify!($name), &self.$name, true);)*
            }
        }
    };
}
rstmon_common::settings!(settings_struct);

fn settings(options: &Options, layout: &KernelLayout, types: CastTypes) -> Settings {
    let jiffy = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    // The coarse clock ticks once a jiffy.
    let jiffy_ns = u32::try_from(jiffy.tv_nsec).unwrap_or(4_000_000).max(1);
    let millis = |duration: std::time::Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX - 1);
    let jiffies = |duration| {
        let jiffies = u64::from(millis(duration)) * 1_000_000 / u64::from(jiffy_ns);
        u32::try_from(jiffies).unwrap_or(u32::MAX - 1)
    };
    Settings {
        SEND_HAS_REASON: u32::from(layout.send_has_reason),
        ABORT_ON_CLOSE: layout.reasons.number("tcp_abort_on_close").map_or(u32::MAX, u32::from),
        SECOND_JIFFIES: (1_000_000_000 / jiffy_ns).max(1),
        JIFFY_NS: jiffy_ns,
        IDLE_JIFFIES: jiffies(options.idle),
        KEEPALIVE_IDLE_JIFFIES: jiffies(options.keepalive_idle),
        RACE_WINDOW_NS: u64::try_from(options.race_window.as_nanos()).unwrap_or(u64::MAX),
        RATE_PER_SECOND: options.events_per_second,
        TOMBSTONES_ON: u32::from(options.tombstones > 0),
        TOMBSTONES_MASK: tombstone_slots(options.tombstones) - 1,
        HOST_NETNS_COOKIE: netns::own_cookie().unwrap_or(0),
        TASK_TYPE: types.task,
        TCP_TYPE: types.tcp,
        WORDS_TYPE: types.words,
        CGROUP_V1_SUBSYS: layout.cgroup_v1.map_or(ABSENT_OFFSET, |(index, _)| index),
    }
}

/// Attaches every hook that is needed. `fires_always`: the tracepoint of sent resets fires for each of them, even where
/// there is no full socket.
fn attach_all(
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
fn task_iterator(ebpf: &mut Ebpf, hooks: &mut [HookStatus]) -> Result<NetnsTasks, ProbeError> {
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

fn io_error(error: &ProgramError) -> Option<&io::Error> {
    match error {
        ProgramError::LoadError { io_error, .. } => Some(io_error),
        ProgramError::SyscallError(error) => Some(&error.io_error),
        _ => None,
    }
}

fn load_settle(ebpf: &mut Ebpf) -> Result<OwnedFd, ProbeError> {
    let program = program(ebpf, SETTLE)?;
    let settle: &mut RawTracePoint =
        program.try_into().map_err(|error: ProgramError| ProbeError::Object { reason: error.to_string() })?;
    settle.load().map_err(|error| match io_error(&error).map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => ProbeError::Capability { missing: "CAP_BPF or CAP_PERFMON".into() },
        _ => ProbeError::Load { reason: chain(&error) },
    })?;
    let fd = settle.fd().map_err(|error| ProbeError::Load { reason: error.to_string() })?;
    fd.as_fd().try_clone_to_owned().map_err(|source| ProbeError::Reader { source })
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, ProbeError> {
    ebpf.program_mut(name).ok_or_else(|| ProbeError::Object { reason: format!("it has no program {name}") })
}

/// The maps that user space reads: counts, events, and the counter that decides when an event wakes the reader.
type SharedMaps = (CountReader, RingBuf<MapData>, MapData);

fn open_maps(ebpf: &mut Ebpf, options: &Options) -> Result<SharedMaps, ProbeError> {
    let mut take =
        |name: &str| ebpf.take_map(name).ok_or_else(|| ProbeError::Object { reason: format!("it has no map {name}") });
    let data = |map: aya::maps::Map| match map {
        aya::maps::Map::PerCpuHashMap(data) => Ok(data),
        _ => Err(ProbeError::Object { reason: "a count map is no per-CPU hash".into() }),
    };
    let cpus = possible_cpus()?;
    let aya::maps::Map::Array(front) = take(FRONT)? else {
        return Err(ProbeError::Object { reason: format!("{FRONT} is no array") });
    };
    let counts = CountReader {
        front: FrontReader::map(&front, cpus).map_err(|source| ProbeError::ReadCounts { source })?,
        generations: [data(take(COUNTS_0)?)?, data(take(COUNTS_1)?)?],
        generation: Array::try_from(take(GENERATION)?).map_err(ProbeError::map(GENERATION))?,
        overflow: PerCpuArray::<_, SlotPod>::try_from(take(OVERFLOW)?).map_err(ProbeError::map(OVERFLOW))?,
        lost: PerCpuArray::try_from(take(LOST)?).map_err(ProbeError::map(LOST))?,
        netns_sent: data(take(NETNS_SENT)?)?,
        max_entries: options.count_entries,
        cpus,
        recycles: sys::can_wait_for_running_programs(),
        current: 0,
        tally: GenerationTally::begin(),
        emptying: false,
        settled: Vec::new(),
    };
    let ring = RingBuf::try_from(take(EVENTS)?).map_err(ProbeError::map(EVENTS))?;
    let aya::maps::Map::Array(until_wake) = take(UNTIL_WAKE)? else {
        return Err(ProbeError::Object { reason: format!("{UNTIL_WAKE} is no array") });
    };
    Ok((counts, ring, until_wake))
}

fn listener_times(ebpf: &mut Ebpf) -> Result<ListenerTimes, ProbeError> {
    let map =
        ebpf.take_map(LISTENERS).ok_or_else(|| ProbeError::Object { reason: format!("it has no map {LISTENERS}") })?;
    HashMap::try_from(map).map(ListenerTimes).map_err(ProbeError::map(LISTENERS))
}

/// Whether the kernel has answered `EPERM`.
fn is_refusal(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut errors = std::iter::successors(Some(error), |error| error.source());
    errors.any(|error| {
        let io_error = error.downcast_ref::<io::Error>();
        io_error.is_some_and(|error| error.raw_os_error() == Some(libc::EPERM))
    })
}

/// An error with its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::{BtfKind, KernelTypes, looked_up};
    use crate::probe::btf::{Btf, read_kernel_btf};

    /// Passes untested where the kernel has no BTF.
    #[test]
    fn the_excerpt_has_the_ids_of_the_whole_and_takes_a_fraction_of_its_memory() {
        let Ok(data) = read_kernel_btf() else { return };
        let types = KernelTypes::of(&Btf::parse(&data).expect("the kernel's own BTF"));
        let parse = |data| aya::Btf::parse(data, aya::Endianness::default()).expect("BTF");
        let (whole, excerpt) = (parse(&data), parse(&types.excerpt));
        let mut found = 0;
        for name in looked_up() {
            for kind in [BtfKind::Func, BtfKind::Var, BtfKind::Struct, BtfKind::Typedef] {
                let [expected, id] = [&whole, &excerpt].map(|btf| btf.id_by_type_name_kind(&name, kind).ok());
                assert_eq!(id, expected, "{name} as {kind:?}");
                found += usize::from(id.is_some());
            }
        }
        assert!(found > 10, "only {found} of the types are there");
        assert!(types.excerpt.len() * 3 < data.len(), "{} of {} bytes", types.excerpt.len(), data.len());
    }
}
