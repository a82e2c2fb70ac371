//! Both formats of `/metrics`, read by independent parsers: Prometheus' own tools, where they are installed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    http,
    metrics::{Labels, Metrics},
    openmetrics, scenario, skip,
    stage::{Family, Stage},
    wait::{self, SOON},
    watched::RESETS,
};
use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

const OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n";
/// Debian's Python, for which the packages are installed; `PATH` may name another python3 first.
const PYTHON: &str = "/usr/bin/python3";

/// Values by metric name and labels.
type SeriesValues = BTreeMap<(String, Labels), f64>;

/// A daemon with values in its counters, gauges and both histograms.
fn busy() -> (DaemonProcess, Stage) {
    let daemon = DaemonProcess::start().unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    for play in [scenario::open::refused, scenario::close::with_unread_data, scenario::late::in_time_wait] {
        play(&stage).unwrap();
    }
    wait::until_true("events in the histograms", SOON, || {
        Ok(daemon.scrape()?.select("rstmon_reset_idle_seconds_count", &[]).next().is_some())
    })
    .unwrap();
    (daemon, stage)
}

/// Runs a program with `text` as its input; returns its output if it succeeds, else the error.
fn feed(command: &mut Command, text: &str) -> Result<String, String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn both_formats_show_the_same() {
    if !daemon::unless_ready("formats") {
        return;
    }
    let (daemon, _stage) = busy();
    let series = |metrics: &Metrics| -> SeriesValues {
        let own = metrics.samples.iter().filter(|sample| sample.name.starts_with("rstmon_"));
        own.map(|sample| {
            let mut labels = sample.labels.clone();
            // The bound of a bucket is a number that may be formatted in several ways.
            if let Some(bound) = labels.get_mut("le").filter(|bound| *bound != "+Inf") {
                *bound = bound.parse::<f64>().unwrap().to_string();
            }
            ((sample.name.clone(), labels), sample.value)
        })
        .collect()
    };
    // Events and late counts may change values between two scrapes.
    let mut different = String::new();
    let same = wait::until("both formats to agree", SOON, || {
        let answer = http::get_with(daemon.address(), "/metrics", OPEN_METRICS)?;
        let (open, text) = (openmetrics::parse(&answer.body)?, daemon.scrape()?);
        let (old, new) = (series(&text), series(&open));
        let only = |one: &SeriesValues, other: &SeriesValues| -> Vec<_> {
            one.iter()
                .filter(|(series, value)| other.get(*series) != Some(value))
                .map(|(series, _)| series.clone())
                .collect()
        };
        different = format!("in 0.0.4 only: {:?}; in OpenMetrics only: {:?}", only(&old, &new), only(&new, &old));
        Ok((old == new && !old.is_empty()).then_some((text, open)))
    });
    let (text, open) = same.unwrap_or_else(|error| panic!("{error:#}: {different}"));
    // The samples of a counter have the same names; only the name of the family is shorter.
    assert_eq!(text.types[RESETS], "counter");
    assert_eq!(open.types[RESETS.trim_end_matches("_total")], "counter");
    assert!(!open.types.values().any(|kind| kind == "unknown"), "a counter without _total: {:?}", open.types);
    daemon.stop().unwrap();
}

#[test]
fn promtool_accepts_the_text_format() {
    if !daemon::unless_ready("promtool check metrics") || !skip::unless_installed("promtool", &["promtool"]) {
        return;
    }
    let (daemon, _stage) = busy();
    let text = daemon.get("/metrics").unwrap().body;
    let promtool = skip::find("promtool").unwrap();
    assert_eq!(feed(Command::new(promtool).args(["check", "metrics"]), &text), Ok(String::new()));
    daemon.stop().unwrap();
}

#[test]
fn prometheus_own_parser_takes_the_openmetrics() {
    const NAME: &str = "python3-prometheus-client";
    const PARSE: &str = "import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families\n\
                         for family in text_string_to_metric_families(sys.stdin.read()):\n    \
                         print(family.name, family.type, family.unit, len(family.samples))\n";
    if !daemon::unless_ready(NAME) {
        return;
    }
    let installed = Command::new(PYTHON).args(["-c", "import prometheus_client"]).stderr(Stdio::null()).status();
    if !installed.is_ok_and(|status| status.success()) {
        return skip::note(NAME, "not installed");
    }
    let (daemon, _stage) = busy();
    let open = http::get_with(daemon.address(), "/metrics", OPEN_METRICS).unwrap().body;
    let families = feed(Command::new(PYTHON).args(["-c", PARSE]), &open).unwrap_or_else(|error| panic!("{error}"));
    let has = |start: &str| families.lines().any(|line| line.starts_with(start));
    for family in
        ["rstmon_resets counter ", "rstmon_reset_idle_seconds histogram seconds ", "process_cpu_seconds counter "]
    {
        assert!(has(family), "no {family:?} in:\n{families}");
    }
    let cut = &open[..open.len() - "# EOF\n".len()];
    assert!(feed(Command::new(PYTHON).args(["-c", PARSE]), cut).is_err(), "a cut answer was accepted");
    daemon.stop().unwrap();
}
