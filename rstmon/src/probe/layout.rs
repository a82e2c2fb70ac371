//! BTF -> the constants that are patched into the kernel half. Pure.

use super::{
    aspect::ReasonsGiven,
    btf::{Btf, Member},
};
use crate::model::Reasons;
use rstmon_common::limits::ABSENT_OFFSET;

/// A kernel field, as the kernel half reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name of the constant.
    pub constant: &'static str,
    /// Structure it is a member of.
    pub aggregate: &'static str,
    /// The member, dotted.
    pub member: &'static str,
    /// Width the kernel half reads, in bytes; 0 = only the place matters.
    pub bytes: u32,
}

macro_rules! table {
    ($($name:ident: $ty:ty = $strukt:literal, $member:literal;)*) => {
        /// Every field that the kernel half reads.
        pub const FIELDS: &[Field] = &[$(Field {
            constant: stringify!($name),
            aggregate: $strukt,
            member: $member,
            #[expect(clippy::cast_possible_truncation, reason = "a field is at most 16 bytes wide")]
            bytes: size_of::<$ty>() as u32,
        },)*];
    };
}
rstmon_common::kernel_fields!(table);

/// Fields without which nothing can be said: sockets, their state and their ends.
const REQUIRED: &[&str] = &["SKC_FAMILY", "SKC_STATE", "SKC_DPORT", "SKC_DADDR", "SKC_RCV_SADDR", "INET_SPORT"];

/// Where the running kernel keeps what the kernel half reads.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Constant and offset; [`ABSENT_OFFSET`] where the kernel has no such field.
    pub offsets: Vec<(&'static str, u32)>,
    /// `tcp_send_reset` passes a reason.
    pub send_has_reason: bool,
    /// Names of the reasons.
    pub reasons: Reasons,
    /// Index of the v1 hierarchy to fall back on in `css_set.subsys`, with its controller's name.
    pub cgroup_v1: Option<(u32, &'static str)>,
}

impl Layout {
    /// Resolves everything; what the kernel lacks is absent, never guessed.
    #[must_use]
    pub fn resolve(btf: &Btf<'_>) -> Self {
        let reasons = btf.enum_variants("sk_rst_reason").unwrap_or_default();
        Self {
            offsets: FIELDS.iter().map(|field| (field.constant, offset(btf, field))).collect(),
            send_has_reason: btf
                .tracepoint_parameters("tcp_send_reset")
                .is_some_and(|parameters| parameters.len() >= 3),
            reasons: Reasons::from_variants(reasons),
            cgroup_v1: cgroup_v1(&btf.enum_variants("cgroup_subsys_id").unwrap_or_default()),
        }
    }

    /// For which resets the kernel tells its reason.
    #[must_use]
    pub fn reasons_given(&self) -> ReasonsGiven {
        match (self.send_has_reason, self.reasons.has("tcp_abort_on_close")) {
            (true, true) => ReasonsGiven::All,
            (true, false) => ReasonsGiven::Answers,
            (false, _) => ReasonsGiven::None,
        }
    }

    /// Fields that are missing, as `struct.member`.
    pub fn missing(&self) -> impl Iterator<Item = &'static Field> + '_ {
        self.offsets.iter().zip(FIELDS).filter(|((_, offset), _)| *offset == ABSENT_OFFSET).map(|(_, field)| field)
    }

    /// Missing fields without which rstmon cannot work at all.
    #[must_use]
    pub fn missing_required(&self) -> Vec<&'static Field> {
        self.missing().filter(|field| REQUIRED.contains(&field.constant)).collect()
    }
}

fn offset(btf: &Btf<'_>, field: &Field) -> u32 {
    match btf.member(field.aggregate, field.member) {
        Some(Member { offset, size, bits: None }) if field.bytes == 0 || size == field.bytes => offset,
        _ => ABSENT_OFFSET,
    }
}

/// Containers and systemd put every process into each of these; the first that the kernel has is used.
fn cgroup_v1(subsystems: &[(&str, i64)]) -> Option<(u32, &'static str)> {
    ["pids", "memory", "cpu"].into_iter().find_map(|controller| {
        let index = subsystems.iter().find(|(name, _)| *name == format!("{controller}_cgrp_id"))?.1;
        Some((u32::try_from(index).ok()?, controller))
    })
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, cgroup_v1};

    #[test]
    fn constants_are_unique() {
        let mut names: Vec<_> = FIELDS.iter().map(|field| field.constant).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIELDS.len());
    }

    #[test]
    fn the_first_controller_there_is_gives_the_v1_hierarchy() {
        assert_eq!(cgroup_v1(&[("cpu_cgrp_id", 1), ("pids_cgrp_id", 11)]), Some((11, "pids")));
        assert_eq!(cgroup_v1(&[("cpu_cgrp_id", 1), ("memory_cgrp_id", 4)]), Some((4, "memory")));
        assert_eq!(cgroup_v1(&[]), None);
    }

    #[test]
    fn this_kernel_has_every_required_field() {
        use crate::probe::btf::{Btf, read_kernel_btf};
        let Ok(data) = read_kernel_btf() else { return };
        let layout = super::Layout::resolve(&Btf::parse(&data).expect("the running kernel's BTF parses"));
        assert_eq!(layout.missing_required(), Vec::<&super::Field>::new());
    }
}
