//! Processes with arbitrary names: every reset has a series, no name breaks a line, and no number of names makes more
//! series than allowed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    actor::Actor,
    daemon::{self, DaemonProcess},
    hostile::{agreed, closed_address, forget_peak, peak_kib, report},
    http,
    kernel::Counters,
    machine::MachineLock,
    metrics::Metrics,
    netns::NetworkPlace,
    openmetrics,
    wait::{self, LATER},
    watched::RESETS,
};
use std::fmt::Write as _;

/// Names of processes as raw bytes, and the expected labels.
const NAMES: [(&[u8], &str); 11] = [
    (b"\"quoted\"", "\"quoted\""),
    (b"back\\slash\\", "back\\slash\\"),
    (b"not\\n a line", "not\\n a line"),
    (b"a\nline", "a?line"),
    (b"x 1\n# EOF\nx", "x 1?# EOF?x"),
    (b"\"} 1\nfake_total", "\"} 1?fake_total"),
    (b"\xff\xfe\x80", "???"),
    (b"cut in half \xe2\x82", "cut in half ?"),
    ("\u{20ac}\u{fc}".as_bytes(), "\u{20ac}\u{fc}"),
    ("\u{202e}dhss\u{200b}".as_bytes(), "?dhss?"),
    (b"\x1b[2J\x07\r\t\x7f", "?[2J????"),
];

/// Refused connections of a process of each name.
const EACH: u64 = 3;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn any_name_is_a_label_in_both_formats() {
    if !daemon::unless_ready("names") {
        return;
    }
    let _machine = MachineLock::exclusive().unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let mut actor = Actor::spawn(&NetworkPlace::Host, "plain").unwrap();
    for (name, _) in NAMES {
        actor.ask(&format!("comm-hex {}", hex(name))).unwrap();
        let refused: u64 = actor.ask(&format!("flood {} {EACH}", closed_address())).unwrap().get("refused").unwrap();
        assert_eq!(refused, EACH);
    }
    let text = daemon.scrape().unwrap();
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let answer = http::get_with(daemon.address(), "/metrics", accept).unwrap();
    let open = openmetrics::parse(&answer.body).unwrap();
    let port = closed_address().port().to_string();
    for (format, metrics) in [("0.0.4", &text), ("OpenMetrics", &open)] {
        for (name, label) in NAMES {
            let labels = [("direction", "received"), ("process", label), ("port", port.as_str())];
            let counted = metrics.count(RESETS, &labels);
            assert_eq!(counted, EACH, "{format}: resets of the process {:?}", String::from_utf8_lossy(name));
        }
        let all = metrics.count(RESETS, &[("direction", "received"), ("port", &port)]);
        assert_eq!(all, EACH * NAMES.len() as u64, "{format}: all names together");
        assert!(metrics.select("fake_total", &[]).next().is_none(), "{format}: a name was parsed as a metric");
    }
    agreed(&daemon).unwrap();
    daemon.stop().unwrap();
}

#[test]
fn endless_names_make_no_endless_series() {
    const MAX_SERIES: usize = 300;
    const PROCESSES: u64 = 6000;
    const ROUNDS: u64 = 6;
    /// Upper bound of the memory of the maps and caches, once they are full.
    const MOST_GROWTH_KIB: u64 = 24 * 1024;
    if !daemon::unless_ready("random names") {
        return;
    }
    let _machine = MachineLock::exclusive().unwrap();
    let daemon = DaemonProcess::configured(&format!("[metrics]\nmax_series = {MAX_SERIES}\n")).unwrap();
    let before = daemon.scrape().unwrap();
    let host_before = Counters::read(&NetworkPlace::Host).unwrap();
    let mut swarm = Actor::spawn(&NetworkPlace::Host, "swarm").unwrap();
    let mut growth = Vec::new();
    forget_peak(daemon.pid()).unwrap();
    let calm_kib = peak_kib(daemon.pid()).unwrap();
    let received = |metrics: &Metrics| metrics.count(RESETS, &[("direction", "received")]);
    for round in 1..=ROUNDS {
        let each = PROCESSES / ROUNDS;
        swarm.begin(&format!("swarm {} {each} {}", closed_address(), 1_000_000 * round)).unwrap();
        let refused: u64 = swarm.finish_within(2 * LATER).unwrap().get("refused").unwrap();
        assert_eq!(refused, each);
        let metrics = daemon.scrape().unwrap();
        let series = metrics.select(RESETS, &[]).count();
        assert!(series <= MAX_SERIES, "{series} series after round {round}, more than {MAX_SERIES}");
        assert_eq!(received(&metrics) - received(&before), each * round, "received, after round {round}");
        growth.push(peak_kib(daemon.pid()).unwrap() - calm_kib);
    }
    let after = daemon.scrape().unwrap();
    let folded = after.count(RESETS, &[("direction", "received"), ("process", "_other")]);
    let named = received(&after) - received(&before) - folded;
    assert!(folded > named && named > 0, "{folded} resets under _other, {named} under names");
    let sent = |metrics: &Metrics| metrics.count(RESETS, &[("direction", "sent")]);
    let kernel = Counters::read(&NetworkPlace::Host).unwrap().since(&host_before).get("OutRsts");
    // Another process may cause a reset between the two readings, so the comparison is repeated.
    wait::until_true("as many sent resets as the kernel counts", LATER, || {
        Ok(sent(&daemon.scrape()?) - sent(&before) >= kernel)
    })
    .unwrap();
    agreed(&daemon).unwrap();
    report(&format!("random names: {PROCESSES} processes, {calm_kib} KiB at rest, growth by round {growth:?} KiB"));
    let most = growth.into_iter().max().unwrap();
    assert!(most < MOST_GROWTH_KIB, "grew by {most} KiB");
    daemon.stop().unwrap();
}
