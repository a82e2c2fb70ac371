//! The kernel's own reason for a reset, by name: the numbers differ between kernels.

use rstmon_common::limits::{REASON_UNSUPPORTED, REASONS};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Name of an `enum sk_rst_reason` value, lower case and without its prefix (`tcp_abort_on_close`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Reason(Arc<str>);

impl Reason {
    /// Name for the absence of a reason: received resets, and kernels that pass none.
    pub(crate) const UNSUPPORTED: &'static str = "unsupported";

    /// The reset reasons of Linux 6.12 and later (`include/net/rstreason.h`).
    #[cfg(test)]
    pub(crate) const NAMES: [&'static str; 25] = [
        "not_specified",
        "no_socket",
        "tcp_invalid_ack_sequence",
        "tcp_rfc7323_paws",
        "tcp_too_old_ack",
        "tcp_ack_unsent_data",
        "tcp_flags",
        "tcp_old_ack",
        "tcp_abort_on_data",
        "tcp_timewait_socket",
        "invalid_syn",
        "tcp_abort_on_close",
        "tcp_abort_on_linger",
        "tcp_abort_on_memory",
        "tcp_state",
        "tcp_keepalive_timeout",
        "tcp_disconnect_with_data",
        "mptcp_rst_eunspec",
        "mptcp_rst_emptcp",
        "mptcp_rst_eresource",
        "mptcp_rst_eprohibit",
        "mptcp_rst_ewq2big",
        "mptcp_rst_ebadperf",
        "mptcp_rst_emiddlebox",
        "error",
    ];

    #[must_use]
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The running kernel's reasons by number.
#[derive(Clone, Debug)]
pub(crate) struct Reasons {
    names: Vec<Reason>,
}

impl Reasons {
    const PREFIX: &'static str = "SK_RST_REASON_";

    /// The reasons of a kernel with these variants of `enum sk_rst_reason`; none for a kernel without the enum.
    ///
    /// A number that the kernel does not define is named `reason_<number>`.
    #[must_use]
    pub(crate) fn from_variants<'a>(variants: impl IntoIterator<Item = (&'a str, i64)>) -> Self {
        let mut names: Vec<Reason> = (0..REASONS).map(|number| Reason::new(&format!("reason_{number}"))).collect();
        names[usize::from(REASON_UNSUPPORTED)] = Reason::new(Reason::UNSUPPORTED);
        for (name, number) in variants {
            if let Ok(number) = usize::try_from(number)
                && number < usize::from(REASON_UNSUPPORTED)
            {
                names[number] = Reason::new(&name.strip_prefix(Self::PREFIX).unwrap_or(name).to_lowercase());
            }
        }
        Self { names }
    }

    /// Whether the kernel has a reason of this name.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.as_str() == name)
    }

    /// The number of the reason of this name.
    #[must_use]
    pub(crate) fn number(&self, name: &str) -> Option<u8> {
        self.names.iter().position(|known| known.as_str() == name).and_then(|number| u8::try_from(number).ok())
    }

    /// The reason with this number, `unsupported` for a number out of range.
    #[must_use]
    pub(crate) fn get(&self, number: u8) -> &Reason {
        &self.names[usize::from(number.min(REASON_UNSUPPORTED))]
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Reasons};

    #[test]
    fn names_come_from_the_kernel() {
        let reasons = Reasons::from_variants([("SK_RST_REASON_NO_SOCKET", 1), ("SK_RST_REASON_TCP_STATE", 14)]);
        assert_eq!(reasons.get(1).as_str(), "no_socket");
        assert!(reasons.has("tcp_state") && !reasons.has("tcp_abort_on_close"));
        assert_eq!(reasons.get(14).as_str(), "tcp_state");
    }

    #[test]
    fn a_number_without_a_name_is_shown() {
        assert_eq!(Reasons::from_variants([]).get(40).as_str(), "reason_40");
    }

    #[test]
    fn the_number_of_no_reason_is_unsupported_on_every_kernel() {
        let reasons = Reasons::from_variants([("SK_RST_REASON_ODD", 63), ("SK_RST_REASON_WILD", -1), ("X", i64::MAX)]);
        assert_eq!(reasons.get(63).as_str(), Reason::UNSUPPORTED);
        assert_eq!(reasons.get(255).as_str(), Reason::UNSUPPORTED);
    }
}
