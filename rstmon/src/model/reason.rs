//! The kernel's own reason of a reset, by name: the numbers differ between kernels.

use rstmon_common::limits::{REASON_UNSUPPORTED, REASONS};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Name of an `enum sk_rst_reason` value, lower case and without its prefix (`tcp_abort_on_close`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Reason(Arc<str>);

impl Reason {
    /// The name of no reason: received resets, and kernels that pass none.
    pub(crate) const UNSUPPORTED: &'static str = "unsupported";

    /// The reason with this name.
    #[must_use]
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
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

/// The running kernel's reasons, number to name.
#[derive(Clone, Debug)]
pub(crate) struct Reasons {
    names: Vec<Reason>,
}

impl Reasons {
    const PREFIX: &'static str = "SK_RST_REASON_";

    /// From the variants of `enum sk_rst_reason`; an empty list is a kernel without it.
    ///
    /// A number that the kernel does not define is named `reason_<number>`: shown, not hidden.
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

    /// Whether the kernel knows a reason of this name.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.as_str() == name)
    }

    /// The reason with a number.
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
    fn no_reason_is_unsupported_whatever_the_kernel_says() {
        let reasons = Reasons::from_variants([("SK_RST_REASON_ODD", 63), ("SK_RST_REASON_WILD", -1), ("X", i64::MAX)]);
        assert_eq!(reasons.get(63).as_str(), Reason::UNSUPPORTED);
        assert_eq!(reasons.get(255).as_str(), Reason::UNSUPPORTED);
    }
}
