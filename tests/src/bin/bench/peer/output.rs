//! The number of resets that a tool has seen, read from its output.

use super::ResetsSeen;

/// bpftrace's map: `@[pid, comm]: N`, where the comm may be anything.
pub(super) fn counted(out: &str) -> ResetsSeen {
    let counts = out.lines().filter(|line| line.starts_with("@[")).filter_map(|line| line.rsplit_once("]: "));
    ResetsSeen { resets: counts.filter_map(|(_, count)| count.parse::<u64>().ok()).sum(), lost: None }
}

/// bpftrace's lines, and its `Lost N events` for those that it could not print.
pub(super) fn printed(out: &str, err: &str) -> ResetsSeen {
    let resets = lines(&out.lines().filter(|line| line.starts_with("rst ")).collect::<Vec<_>>().join("\n"));
    let lost = |line: &str| line.strip_prefix("Lost ")?.split(' ').next()?.parse::<u64>().ok();
    ResetsSeen { resets, lost: Some(out.lines().chain(err.lines()).filter_map(lost).sum()) }
}

/// tcpdump's summary at its end.
pub(super) fn dumped(err: &str) -> Option<ResetsSeen> {
    let number = |what: &str| err.lines().find_map(|line| line.strip_suffix(what)?.trim().parse::<u64>().ok());
    let captured = number(" packets captured").or_else(|| number(" packet captured"))?;
    let lost = number(" packets dropped by kernel").or_else(|| number(" packet dropped by kernel"));
    Some(ResetsSeen { resets: captured, lost })
}

/// Lines that are not empty.
pub(super) fn lines(text: &str) -> u64 {
    text.lines().filter(|line| !line.trim().is_empty()).map(|_| 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_any_name_are_added_up() {
        let out = "Attaching 2 probes...\nready\n\n@[12, a]: b]: 3\n@[7, tokio-rt]: 40\n";
        assert_eq!(counted(out), ResetsSeen { resets: 43, lost: None });
    }

    #[test]
    fn lost_lines_are_no_lines() {
        let out = "ready\nrst 1 a 7\nLost 12 events\nrst 1 a 7\n";
        assert_eq!(printed(out, "Lost 3 events\n"), ResetsSeen { resets: 2, lost: Some(15) });
    }

    #[test]
    fn captured_is_what_was_shown() {
        let err =
            "listening on lo\n120 packets captured\n400 packets received by filter\n160 packets dropped by kernel\n";
        assert_eq!(dumped(err), Some(ResetsSeen { resets: 120, lost: Some(160) }));
        assert_eq!(dumped("1 packet captured\n"), Some(ResetsSeen { resets: 1, lost: None }));
        assert_eq!(dumped("tcpdump: no permission\n"), None);
    }
}
