//! The maps. Sizes are defaults; user space sets the configured sizes at load.

use crate::skb::Headers;
use aya_ebpf::{
    bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf},
};
use rstmon_common::{
    CountKey, CountSlot, ListenedPort, ResetRecord, SocketNote, Tombstone, Tuple,
    front::FrontTable,
    key::direction,
    limits::{NETNS_ENTRIES, PENDING_SLOTS, REASONS, lost},
    note::{OpenedNote, Reader, TombstoneSlot},
};

/// Counts, generation 0. Two generations let user space empty one while the other counts, losing nothing.
#[map]
pub static COUNTS_0: PerCpuHashMap<CountKey, CountSlot> = PerCpuHashMap::with_max_entries(4096, 0);
/// Counts, generation 1.
#[map]
pub static COUNTS_1: PerCpuHashMap<CountKey, CountSlot> = PerCpuHashMap::with_max_entries(4096, 0);
/// One entry: the generation that counts, 0 or 1.
#[map]
pub static GENERATION: Array<u32> = Array::with_max_entries(1, 0);
/// One entry for each CPU: the front table (`rstmon_common::front`). User space sets the number of entries and maps
/// them.
#[map]
pub static FRONT: Array<FrontTable> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Counts of resets that found no room in the hash: `direction * REASONS + reason`.
#[map]
pub static OVERFLOW: PerCpuArray<CountSlot> = PerCpuArray::with_max_entries(direction::COUNT * REASONS, 0);
/// Losses by cause (`limits::lost`).
#[map]
pub static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);
/// Resets sent in each network namespace, by its cookie.
#[map]
pub static NETNS_SENT: PerCpuHashMap<u64, u64> = PerCpuHashMap::with_max_entries(NETNS_ENTRIES, 0);
/// How many more events may come before the reader must be woken (see `event`). User space maps the array.
#[map]
pub static UNTIL_WAKE: Array<i64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// The ring buffer of events.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);
/// Notes of connections that were opened here (see `opened`).
#[map]
pub static OPENED: Array<OpenedNote> = Array::with_max_entries(OPENED_SLOTS, 0);
/// Slots of [`OPENED`], a power of two.
pub const OPENED_SLOTS: u32 = 8192;
/// Closed connections, a power of two (see `tombstones`).
#[map]
pub static TOMBSTONES: Array<TombstoneSlot> = Array::with_max_entries(16384, 0);
/// Number of the newest tombstone by hash, with as many entries as [`TOMBSTONES`].
#[map]
pub static NEWEST: Array<u64> = Array::with_max_entries(16384, 0);
/// One entry: how many tombstones were ever added.
#[map]
pub static BURIED: Array<u64> = Array::with_max_entries(1, 0);
/// Tombstones of listeners. The least recently used is replaced: a service that is down keeps its tombstone for as long
/// as clients try to connect to it.
#[map]
pub static GONE_LISTENERS: LruHashMap<Tuple, Tombstone> = LruHashMap::with_max_entries(4096, 0);

/// A living process that holds sockets.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Holder {
    /// [`rstmon_common::OwnerRecord::start_ns`]: distinguishes a recycled pid from the original.
    pub start_ns: u64,
    /// Jiffies since which no other process has got copies of its descriptors by a fork.
    pub alone_since: u64,
    /// The same as `CLOCK_BOOTTIME` nanoseconds.
    pub alone_since_ns: u64,
    /// Thread-group id; 0 = the slot is free.
    pub tgid: u32,
    /// When it was last looked up in [`READERS`], in jiffies.
    pub looked_up: u32,
}
/// Processes that hold sockets, by the lowest bits of the thread-group id (see `holders`).
#[map]
pub static HOLDERS: Array<Holder> = Array::with_max_entries(HOLDER_SLOTS, 0);
/// Slots of [`HOLDERS`], a power of two.
pub const HOLDER_SLOTS: u32 = 4096;
/// For each listener, by the key of its tombstone, a process that accepts its connections and has not opened it.
#[map]
pub static READERS: LruHashMap<Tuple, Reader> = LruHashMap::with_max_entries(1024, 0);

/// Ports that have listeners, by the key of a listener's tombstone.
#[map]
pub static LISTENERS: HashMap<Tuple, ListenedPort> = HashMap::with_max_entries(4096, 0);
/// 1 for each port that a socket has listened on, in any namespace: a port with 0 needs no look-up.
#[map]
pub static LISTENED: Array<[u8; 1 << 16]> = Array::with_max_entries(1, 0);

/// Work area of one reset: its key, what the key is made of, and what was found on the way that its event needs.
#[repr(C)]
pub struct Work {
    /// The key that the reset is counted under.
    pub key: CountKey,
    /// State of the socket at the hook; 0 without one.
    pub state: u64,
    /// Headers of the segment that is answered: valid where there is one.
    pub headers: Headers,
    /// Its ends: valid where they were read from the segment.
    pub tuple: Tuple,
    /// A copy of its socket's note: valid where there is one.
    pub note: SocketNote,
    /// A copy of its tombstone: valid where there is one.
    pub tombstone: Tombstone,
    /// A word that only this CPU writes to.
    pub own: u64,
    /// What was found when a process closed the connection before; 0 = none did.
    pub closed_facts: u64,
    /// Address of the options of the segment that is answered; 0 where they have no room for timestamps.
    pub options: u64,
    /// [`rstmon_common::OwnerRecord::start_ns`] of its owner.
    pub start_ns: u64,
    /// When it happened; 0 = the clock has not been read yet.
    pub time_ns: u64,
    // The rest as in `ResetRecord` and its `EvidenceRecord`.
    pub established_ns: u64,
    pub closed_ns: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub tgid: u32,
    pub idle_before_close_ms: u32,
    pub after_fin_bytes: u32,
    pub segment_bytes: u32,
    /// Sequence number of the segment that is answered: valid where there is one.
    pub sequence: u32,
    /// What that segment acknowledges: valid where it carries ACK.
    pub acknowledgement: u32,
    /// Milliseconds since the listener's accept queue was last seen to be full.
    pub full_ms: u32,
    /// Number of the tombstone that was found; 0 = none.
    pub number: u32,
    pub role: u32,
    pub exit_signal: u32,
}
/// How deep a hook may be interrupted by another: process, softirq, hardirq, NMI.
pub const WORK_DEPTH: u32 = 4;
/// A work area for each nesting of hooks on this CPU.
#[map]
pub static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(WORK_DEPTH, 0);
/// One entry: how many hooks are running on this CPU.
#[map]
pub static DEPTH: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Sockets whose received resets are undecided on a CPU, by slot: 0 = none (see `pending`).
#[repr(C)]
pub struct UndecidedSockets {
    pub sk: [u64; PENDING_SLOTS as usize],
}
/// One entry: in a map separate from the records, so that most resets read nothing else.
#[map]
pub static UNDECIDED: PerCpuArray<UndecidedSockets> = PerCpuArray::with_max_entries(1, 0);

/// A received reset that may turn out to be none (see `pending`).
#[repr(C)]
pub struct Pending {
    /// When the reader was last nudged from this slot.
    pub nudged_ns: u64,
    /// The complete record of the reset.
    pub record: ResetRecord,
}
/// The undecided received resets of this CPU.
#[map]
pub static PENDING: PerCpuArray<Pending> = PerCpuArray::with_max_entries(PENDING_SLOTS, 0);

/// User space may map the array.
const BPF_F_MMAPABLE: u32 = 1024;
const BPF_F_NO_PREALLOC: usize = 1;
/// Children of a listener start with a copy of its note.
const BPF_F_CLONE: usize = 512;

/// Definition of the socket-local storage; aya's own has no way to ask for `BPF_F_CLONE`.
#[repr(C)]
pub struct NotesDef {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const SocketNote,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC | BPF_F_CLONE],
}
// SAFETY: only the map's address is used; the pointers are type descriptions that nothing dereferences.
unsafe impl Sync for NotesDef {}

/// The note of each live socket, except of those in [`OPENED`].
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "NOTES")]
pub static NOTES: NotesDef = NotesDef {
    r#type: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
    max_entries: core::ptr::null(),
    map_flags: core::ptr::null(),
};

/// The names that the user half asks for are those of maps here.
macro_rules! check_names {
    ($($(#[$doc:meta])* $name:ident)*) => { $(const _: *const () = (&raw const $name).cast();)* };
}
rstmon_common::shared_maps!(check_names);
