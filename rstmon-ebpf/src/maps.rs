//! The maps. Sizes are defaults; user space sets the configured ones at load.

use crate::skb::Headers;
use aya_ebpf::{
    bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf},
};
use rstmon_common::{
    CountKey, CountSlot, Note, ResetRecord, Tombstone, Tuple,
    front::Front,
    key::direction,
    limits::{NETNS_ENTRIES, PENDING_SLOTS, REASONS, lost},
    note::{Grave, Opened},
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
/// One entry a CPU: what is counted without a look-up (`rstmon_common::front`). User space sets the number, and maps it.
#[map]
pub static FRONT: Array<Front> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Where a reset is counted that found no room in the hash: `direction * REASONS + reason`.
#[map]
pub static OVERFLOW: PerCpuArray<CountSlot> = PerCpuArray::with_max_entries(direction::COUNT * REASONS, 0);
/// Losses by cause (`limits::lost`).
#[map]
pub static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);
/// Resets sent in each network namespace, by its cookie.
#[map]
pub static NETNS_SENT: PerCpuHashMap<u64, u64> = PerCpuHashMap::with_max_entries(NETNS_ENTRIES, 0);
/// How many more events may come before the reader must be woken (see `event`). User space maps it.
#[map]
pub static UNTIL_WAKE: Array<i64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// The event path.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);
/// Notes of connections that were opened here (see `opened`).
#[map]
pub static OPENED: Array<Opened> = Array::with_max_entries(OPENED_PLACES, 0);
/// A power of two.
pub const OPENED_PLACES: u32 = 8192;
/// Closed connections, a power of two (see `graves`).
#[map]
pub static TOMBSTONES: Array<Grave> = Array::with_max_entries(16384, 0);
/// The newest of them by hash, as many as there are graves.
#[map]
pub static NEWEST: Array<u64> = Array::with_max_entries(16384, 0);
/// One entry: how many were ever buried.
#[map]
pub static BURIED: Array<u64> = Array::with_max_entries(1, 0);
/// Listeners that are gone. The least recently asked for gives way: a service that is down is remembered for as long as
/// anybody wants it.
#[map]
pub static GONE_LISTENERS: LruHashMap<Tuple, Tombstone> = LruHashMap::with_max_entries(4096, 0);

/// Ports that have listeners (the key of a listener's tombstone), with the number of them.
#[map]
pub static LISTENERS: HashMap<Tuple, u32> = HashMap::with_max_entries(4096, 0);
/// 1 for each port that anything has listened on, in any namespace: what was 0 need not be looked for.
#[map]
pub static LISTENED: Array<[u8; 1 << 16]> = Array::with_max_entries(1, 0);

/// Room to put a reset together: what its key is made of, and what its event needs of what was seen on the way.
#[repr(C)]
pub struct Work {
    /// What it is counted under.
    pub key: CountKey,
    /// State of the socket at the hook; 0 without one.
    pub state: u64,
    /// Headers of the segment that is answered: valid where there is one.
    pub headers: Headers,
    /// Its ends: valid where the segment told them.
    pub tuple: Tuple,
    /// What is known of its socket: a copy, valid where there is a note.
    pub note: Note,
    /// What is remembered of it: a copy.
    pub tombstone: Tombstone,
    /// A word of this CPU's own.
    pub own: u64,
    /// [`rstmon_common::Owner::start_ns`] of its owner.
    pub start_ns: u64,
    /// As in [`ResetRecord`]; so below.
    pub established_ns: u64,
    pub closed_ns: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub tgid: u32,
    pub idle_before_close_ms: u32,
    pub after_fin_bytes: u32,
    pub segment_bytes: u32,
    pub role: u32,
    pub exit_signal: u32,
}
/// How deep a hook may be interrupted by another: process, softirq, hardirq, NMI.
pub const WORK_DEPTH: u32 = 4;
/// Room for each nesting of hooks on this CPU.
#[map]
pub static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(WORK_DEPTH, 0);
/// One entry: how many hooks are at work on this CPU.
#[map]
pub static DEPTH: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// Which sockets' received resets are undecided on a CPU, by slot: 0 = none (see `pending`).
#[repr(C)]
pub struct Undecided {
    pub sk: [u64; PENDING_SLOTS as usize],
}
/// One entry: apart from the records, so that the look at it is all that most resets pay.
#[map]
pub static UNDECIDED: PerCpuArray<Undecided> = PerCpuArray::with_max_entries(1, 0);

/// A received reset that may prove to be none.
#[repr(C)]
pub struct Pending {
    /// When the reader was last nudged from this slot.
    pub nudged_ns: u64,
    /// The reset, complete.
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
    value: *const Note,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC | BPF_F_CLONE],
}
// SAFETY: only the map's address is used; the pointers are type descriptions that nothing dereferences.
unsafe impl Sync for NotesDef {}

/// What is known of each live socket, but of those in [`OPENED`].
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "NOTES")]
pub static NOTES: NotesDef = NotesDef {
    r#type: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
    max_entries: core::ptr::null(),
    map_flags: core::ptr::null(),
};
