//! Processes with arbitrary names: every reset has a series, no name breaks a line, no number of names makes more
//! series than allowed, and none of them keeps its series for ever.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Result, ensure};
use rstmon_tests::{
    actor::Actor,
    daemon::{self, DaemonProcess},
    hostile::{agreed, closed_address, forget_peak, peak_kib, report},
    http,
    kernel::Counters,
    machine::MachineLock,
    metrics::{Labels, Metrics},
    netns::NetworkPlace,
    openmetrics,
    wait::{self, LATER},
    watched::RESETS,
};
use std::{collections::BTreeMap, fmt::Write as _};

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

/// A scraper that adds up increases as Prometheus does: of a series that begins or begins again, the whole value.
#[derive(Default)]
struct Scraper {
    last: BTreeMap<Labels, u64>,
    increases: u64,
}

impl Scraper {
    /// Takes a scrape. No series goes down, and the increases of all but the folded ones add up to the sum.
    fn take(&mut self, metrics: &Metrics) -> Result<()> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let count = |value: f64| value as u64;
        let now: BTreeMap<Labels, u64> =
            metrics.select(RESETS, &[]).map(|sample| (sample.labels.clone(), count(sample.value))).collect();
        for (labels, after) in &now {
            let before = self.last.get(labels).copied().unwrap_or(0);
            ensure!(*after >= before, "{labels:?} went down from {before} to {after}");
            if labels.get("process").is_none_or(|process| process != "_folded") {
                self.increases += after - before;
            }
        }
        let sum: u64 = now.values().sum();
        ensure!(sum == self.increases, "the sum is {sum}, the increases add up to {}", self.increases);
        self.last = now;
        Ok(())
    }

    /// The count of a process, if it has a series.
    fn of(&self, process: &str) -> Option<u64> {
        let named = |labels: &Labels| labels.get("process").is_some_and(|name| name == process);
        self.last.iter().filter(|(labels, _)| named(labels)).map(|(_, count)| *count).reduce(|one, other| one + other)
    }
}

/// Refused connections of an actor, one for each scrape, until `done`. Returns how many there were.
fn refused_until(
    actor: &mut Actor,
    daemon: &DaemonProcess,
    scraper: &mut Scraper,
    what: &str,
    done: impl Fn(&Scraper) -> bool,
) -> u64 {
    let mut attempts = 0;
    wait::until_true(what, LATER, || {
        attempts += 1;
        actor.ask(&format!("flood {} 1", closed_address()))?;
        scraper.take(&daemon.scrape()?)?;
        Ok(done(scraper))
    })
    .unwrap();
    attempts
}

#[test]
fn a_burst_of_names_takes_no_series_for_ever() {
    const MAX_SERIES: usize = 256;
    const NAMES: u64 = 400;
    const BEFORE: u64 = 7;
    if !daemon::unless_ready("hostage") {
        return;
    }
    let _machine = MachineLock::exclusive().unwrap();
    let config = format!("[metrics]\nmax_series = {MAX_SERIES}\nfold_after_seconds = 2.0\n");
    let daemon = DaemonProcess::configured(&config).unwrap();
    let mut scraper = Scraper::default();
    let received = |metrics: &Metrics| metrics.count(RESETS, &[("direction", "received")]);
    let before = received(&daemon.scrape().unwrap());
    let [mut early, mut late] = ["early", "late"].map(|name| {
        let mut actor = Actor::spawn(&NetworkPlace::Host, "plain").unwrap();
        actor.ask(&format!("comm-hex {}", hex(name.as_bytes()))).unwrap();
        actor
    });
    early.ask(&format!("flood {} {BEFORE}", closed_address())).unwrap();
    scraper.take(&daemon.scrape().unwrap()).unwrap();
    assert_eq!(scraper.of("early"), Some(BEFORE));

    let mut swarm = Actor::spawn(&NetworkPlace::Host, "swarm").unwrap();
    swarm.begin(&format!("swarm {} {NAMES} 1000000", closed_address())).unwrap();
    swarm.finish_within(2 * LATER).unwrap();
    scraper.take(&daemon.scrape().unwrap()).unwrap();
    assert!(scraper.of("_other").is_some(), "the burst has taken all series");

    let late_attempts =
        refused_until(&mut late, &daemon, &mut scraper, "a series of late", |now| now.of("late").is_some());
    assert!(scraper.of("_folded") >= Some(BEFORE), "the longest silent folds first: {:?}", scraper.of("_folded"));
    assert_eq!(scraper.of("early"), None, "the longest silent folds first");

    let early_attempts =
        refused_until(&mut early, &daemon, &mut scraper, "early comes back", |now| now.of("early").is_some());
    let back = scraper.of("early").unwrap();
    assert!(back >= 1 && back <= early_attempts, "early comes back with {back}, after {early_attempts} more resets");
    let all = received(&daemon.scrape().unwrap()) - before;
    assert_eq!(all, BEFORE + NAMES + late_attempts + early_attempts, "resets received");
    assert!(scraper.last.len() <= MAX_SERIES, "{} series", scraper.last.len());
    agreed(&daemon).unwrap();
    daemon.stop().unwrap();
}
