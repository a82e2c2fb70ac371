//! Resolves the running kernel's BTF to the constants that are patched into the kernel half. Pure.

use super::{
    aspect::ReasonsGiven,
    btf::{Btf, Member},
    plan::SEND,
};
use crate::model::Reasons;
use rstmon_common::limits::ABSENT_OFFSET;

/// A kernel field that the kernel half reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelField {
    /// Name of the kernel half's constant.
    pub(crate) constant: &'static str,
    /// Structure that the field is a member of.
    pub(crate) aggregate: &'static str,
    /// Path of the member, dotted.
    pub(crate) member: &'static str,
    /// Width that the kernel half reads, in bytes; 0 = only the offset matters.
    pub(crate) bytes: u32,
    /// Whether rstmon cannot work without it.
    pub(crate) required: bool,
}

macro_rules! field_table {
    ($($name:ident: $ty:ty = $strukt:literal, $member:literal $(, $need:ident)?;)*) => {
        /// Every field that the kernel half reads.
        pub(crate) const FIELDS: &[KernelField] = &[$(KernelField {
            constant: stringify!($name),
            aggregate: $strukt,
            member: $member,
            #[expect(clippy::cast_possible_truncation, reason = "a field is at most 16 bytes wide")]
            bytes: size_of::<$ty>() as u32,
            required: field_table!(@ $($need)?),
        },)*];
    };
    (@ required) => { true };
    (@) => { false };
}
rstmon_common::kernel_fields!(field_table);

/// What the running kernel's BTF says about the fields, tracepoints and enums that the kernel half uses.
#[derive(Clone, Debug)]
pub(crate) struct KernelLayout {
    /// Name of each constant and its offset in bytes; [`ABSENT_OFFSET`] where the kernel has no such field.
    pub(crate) offsets: Vec<(&'static str, u32)>,
    /// Whether `tcp_send_reset` passes a reason.
    pub(crate) send_has_reason: bool,
    /// Names of the reasons of `enum sk_rst_reason`.
    pub(crate) reasons: Reasons,
    /// Index in `css_set.subsys` of the v1 hierarchy to fall back on, with its controller's name.
    pub(crate) cgroup_v1: Option<(u32, &'static str)>,
}

impl KernelLayout {
    /// Resolves every field; one that the kernel lacks is absent, never guessed.
    #[must_use]
    pub(crate) fn resolve(btf: &Btf<'_>) -> Self {
        let reasons = btf.enum_variants("sk_rst_reason").unwrap_or_default();
        Self {
            offsets: FIELDS.iter().map(|field| (field.constant, offset(btf, field))).collect(),
            send_has_reason: btf.tracepoint_arity(SEND.name).is_some_and(|arity| arity >= 3),
            reasons: Reasons::from_variants(reasons),
            cgroup_v1: cgroup_v1(&btf.enum_variants("cgroup_subsys_id").unwrap_or_default()),
        }
    }

    /// For which resets the kernel gives its reason.
    pub(super) fn reasons_given(&self) -> ReasonsGiven {
        match (self.send_has_reason, self.reasons.has("tcp_abort_on_close")) {
            (true, true) => ReasonsGiven::All,
            (true, false) => ReasonsGiven::Answers,
            (false, _) => ReasonsGiven::None,
        }
    }

    /// Fields that the kernel lacks.
    pub(super) fn missing(&self) -> impl Iterator<Item = &'static KernelField> + '_ {
        self.offsets.iter().zip(FIELDS).filter(|((_, offset), _)| *offset == ABSENT_OFFSET).map(|(_, field)| field)
    }

    /// Fields that the kernel lacks and without which rstmon cannot work.
    #[must_use]
    pub(crate) fn missing_required(&self) -> Vec<&'static KernelField> {
        self.missing().filter(|field| field.required).collect()
    }
}

fn offset(btf: &Btf<'_>, field: &KernelField) -> u32 {
    match btf.member(field.aggregate, field.member) {
        Some(Member { offset, size }) if field.bytes == 0 || size == field.bytes => offset,
        _ => ABSENT_OFFSET,
    }
}

/// The first of these controllers that the kernel has: containers and systemd put every process into each of them.
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
        let layout = super::KernelLayout::resolve(&Btf::parse(&data).expect("the running kernel's BTF parses"));
        assert_eq!(layout.missing_required(), Vec::<&super::KernelField>::new());
    }
}
