//! Loads the kernel half: patches the constants in, has the programs attached, and opens the maps.

use super::{
    Options,
    attach::{attach_all, io_error, program, task_iterator},
    btf::Btf,
    counts::{CountReader, GenerationTally, SlotPod, possible_cpus},
    error::ProbeError,
    front::FrontReader,
    kfuncs,
    layout::KernelLayout,
    listeners::ListenerTimes,
    netns::{self, NetnsTasks},
    object,
    plan::{FILE_ITERATOR, HOOKS, HookKind, HookStatus, TASK_ITERATOR, exists},
    sys,
};
use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf},
    programs::{ProgramError, RawTracePoint},
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
    io,
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

fn take_map(ebpf: &mut Ebpf, name: &str) -> Result<Map, ProbeError> {
    ebpf.take_map(name).ok_or_else(|| ProbeError::Object { reason: format!("it has no map {name}") })
}

/// The maps that user space reads: counts, events, and the counter that decides when an event wakes the reader.
type SharedMaps = (CountReader, RingBuf<MapData>, MapData);

fn open_maps(ebpf: &mut Ebpf, options: &Options) -> Result<SharedMaps, ProbeError> {
    let mut take = |name: &str| take_map(ebpf, name);
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
    HashMap::try_from(take_map(ebpf, LISTENERS)?).map(ListenerTimes).map_err(ProbeError::map(LISTENERS))
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
