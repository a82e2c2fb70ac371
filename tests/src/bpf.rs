//! The BPF objects that the kernel has loaded, read by system calls, which is much faster than running bpftool.

use anyhow::{Context as _, Result, bail};
use std::{
    collections::BTreeSet,
    fs, io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// A kind of BPF object that has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A loaded BPF program.
    Program,
    /// A BPF map.
    Map,
    /// A BPF link, the attachment of a program.
    Link,
}

impl ObjectKind {
    /// The field of a descriptor's `fdinfo` that contains the id.
    fn field(self) -> &'static str {
        match self {
            Self::Program => "prog_id",
            Self::Map => "map_id",
            Self::Link => "link_id",
        }
    }

    /// The command that opens a descriptor for an id (`enum bpf_cmd` of linux/bpf.h).
    fn command(self) -> u32 {
        match self {
            Self::Program => 13,
            Self::Map => 14,
            Self::Link => 30,
        }
    }
}

const MAP_GET_NEXT_KEY: u32 = 4;
const OBJ_GET_INFO_BY_FD: u32 = 15;
/// Upper bound of the entries to count.
const ENDLESS: usize = 1 << 20;

/// The start of `union bpf_attr`, zero beyond; every command used here fits.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    words: [u32; 2],
    pointers: [u64; 3],
}

/// The start of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    name: [u8; 16],
}

fn bpf(command: u32, attributes: &mut Attributes) -> io::Result<i32> {
    // SAFETY: the attributes live through the call and have the length that is passed; the pointers in them refer to
    // buffers of the caller, of the size that is passed to the kernel or that the kernel knows.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, mem::size_of::<Attributes>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(result).unwrap_or_default()) }
}

fn open(kind: ObjectKind, id: u32) -> io::Result<OwnedFd> {
    let fd = bpf(kind.command(), &mut Attributes { words: [id, 0], ..Attributes::default() })?;
    // SAFETY: the kernel has just created this descriptor for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The objects that a process has descriptors of.
///
/// # Errors
/// When the process is gone.
pub fn held_by(pid: u32) -> Result<BTreeSet<(ObjectKind, u32)>> {
    let mut held = BTreeSet::new();
    for info in descriptors(pid)? {
        for kind in [ObjectKind::Program, ObjectKind::Map, ObjectKind::Link] {
            let id = field(&info, kind.field()).and_then(|id| u32::try_from(id).ok());
            held.extend(id.map(|id| (kind, id)));
        }
    }
    Ok(held)
}

/// Run time in nanoseconds and number of runs of the programs that a process has descriptors of, as far as they ran
/// while `kernel.bpf_stats_enabled` was on.
///
/// # Errors
/// When the process is gone.
pub fn runs(pid: u32) -> Result<(u64, u64)> {
    let infos = descriptors(pid)?;
    let sum = |name| infos.iter().filter_map(|info| field(info, name)).sum();
    Ok((sum("run_time_ns"), sum("run_cnt")))
}

/// The `fdinfo` of each descriptor of a process. One that is closed meanwhile is left out.
fn descriptors(pid: u32) -> Result<Vec<String>> {
    let directory = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&directory).with_context(|| directory.clone())?;
    Ok(entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect())
}

/// The number of the line `name: number`.
fn field(info: &str, name: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}

/// Whether the kernel still has an object.
///
/// # Errors
/// When the kernel refuses to say.
pub fn exists((kind, id): (ObjectKind, u32)) -> Result<bool> {
    match open(kind, id) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("asking for {} {id}", kind.field())),
    }
}

/// The number of entries of a map of the process, found by the map's name (its first 15 bytes).
///
/// # Errors
/// When the process has no such map.
pub fn entries(pid: u32, name: &str) -> Result<usize> {
    let name = &name[..name.len().min(15)];
    for (_, id) in held_by(pid)?.into_iter().filter(|(kind, _)| *kind == ObjectKind::Map) {
        let map = open(ObjectKind::Map, id)?;
        let info = info(&map)?;
        let end = info.name.iter().position(|&byte| byte == 0).unwrap_or(info.name.len());
        if info.name[..end] == *name.as_bytes() {
            return walk(&map, info.key_size as usize);
        }
    }
    bail!("process {pid} has no map {name}")
}

fn info(map: &OwnedFd) -> io::Result<MapInfo> {
    let mut info = MapInfo::default();
    let words = [map.as_raw_fd().cast_unsigned(), u32::try_from(mem::size_of::<MapInfo>()).unwrap_or_default()];
    bpf(OBJ_GET_INFO_BY_FD, &mut Attributes { words, pointers: [(&raw mut info).expose_provenance() as u64, 0, 0] })?;
    Ok(info)
}

/// Counts the keys. If a key is deleted meanwhile, the kernel starts again from the first, hence the bound.
fn walk(map: &OwnedFd, key_size: usize) -> Result<usize> {
    let (mut key, mut next) = (vec![0u8; key_size], vec![0u8; key_size]);
    for count in 0..ENDLESS {
        let from = if count == 0 { 0 } else { key.as_ptr().expose_provenance() as u64 };
        let to = next.as_mut_ptr().expose_provenance() as u64;
        let words = [map.as_raw_fd().cast_unsigned(), 0];
        match bpf(MAP_GET_NEXT_KEY, &mut Attributes { words, pointers: [from, to, 0] }) {
            Ok(_) => mem::swap(&mut key, &mut next),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(count),
            Err(error) => return Err(error).context("walking through a map"),
        }
    }
    Ok(ENDLESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_nothing() {
        assert_eq!(held_by(std::process::id()).expect("own descriptors"), BTreeSet::new());
        assert!(entries(std::process::id(), "COUNTS_0").is_err());
    }

    #[test]
    fn what_was_never_there_does_not_exist() {
        if crate::skip::unless_root("BPF by id") {
            assert!(!exists((ObjectKind::Map, u32::MAX - 1)).expect("an answer"));
        }
    }
}
