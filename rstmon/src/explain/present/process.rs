//! How texts name a process.

use std::fmt;

/// Stands where a text names a process and rstmon does not know which it is.
pub(crate) const UNKNOWN_PROCESS: &str = "an unknown process";

/// A process by comm and, where it is known, pid: `java[4711]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessName<'a> {
    process: &'a str,
    pid: Option<u32>,
}

impl<'a> ProcessName<'a> {
    pub(crate) const fn new(process: &'a str, pid: Option<u32>) -> Self {
        Self { process, pid }
    }

    /// The name of an owner that has a comm or a pid. An unknown comm is shown as `?`.
    pub(crate) fn of_owner(process: Option<&'a str>, pid: Option<u32>) -> Option<Self> {
        (process.is_some() || pid.is_some()).then(|| Self { process: process.unwrap_or("?"), pid })
    }
}

impl fmt::Display for ProcessName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, pid } = self;
        match pid {
            Some(pid) => write!(f, "{process}[{pid}]"),
            None => f.write_str(process),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProcessName;

    #[test]
    fn a_process_is_named_by_comm_and_pid() {
        let name = |process, pid| ProcessName::of_owner(process, pid).map(|name| name.to_string());
        assert_eq!(name(Some("java"), Some(7)).as_deref(), Some("java[7]"));
        assert_eq!(name(None, Some(7)).as_deref(), Some("?[7]"));
        assert_eq!(name(Some("java"), None).as_deref(), Some("java"));
        assert_eq!(name(None, None), None);
    }
}
