//! The Prometheus kit: checked by promtool, and the dashboard's queries answered by a real Prometheus that scrapes
//! rstmon while resets are provoked.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Result;
use rstmon_tests::{
    actor::Actor,
    cgroup::Cgroup,
    connection,
    daemon::{self, DaemonProcess},
    machine::MachineLock,
    prometheus::{Prometheus, QuerySample, promtool},
    scenario::{close, death, late, open, victim},
    scene::Scene,
    skip,
    stage::{Family, Stage},
    wait::{self, LATER, SOON},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The scenarios that are played twice: with harmful and harmless causes, with and without an owner.
const SCENARIOS: [fn(&Stage) -> Result<Scene>; 5] =
    [open::refused, close::with_unread_data, death::exited_with_unread_data, late::in_time_wait, victim::fin_wait1];

/// The unit of an additional service, and the names of the processes at its two ends.
const UNIT: &str = "dashboard.service";
const SERVER: &str = "unit-server";
const CLIENT: &str = "unit-client";

/// Number of resets by direction, cause and process.
type Provoked = BTreeMap<(String, String, String), u64>;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn kit() -> PathBuf {
    repository().join("packaging/prometheus")
}

fn is_ready(name: &str) -> bool {
    skip::unless_installed(name, &["promtool", "prometheus"])
}

fn is_accepted(arguments: &[&str]) {
    let output = promtool(arguments, &kit(), "").unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("SUCCESS"), "promtool {arguments:?}: {said}");
}

#[test]
fn promtool_accepts_configuration_and_rules() {
    if !is_ready("promtool") {
        return;
    }
    is_accepted(&["check", "config", "prometheus.yml"]);
    is_accepted(&["check", "rules", "rstmon.rules.yml"]);
    is_accepted(&["test", "rules", "rstmon.test.yml"]);
}

#[test]
fn every_alert_has_a_test_and_a_runbook_that_exists() {
    let rules = fs::read_to_string(kit().join("rstmon.rules.yml")).unwrap();
    let tests = fs::read_to_string(kit().join("rstmon.test.yml")).unwrap();
    let fields = |name: &str| -> Vec<String> {
        let prefix = format!("{name}: ");
        rules
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(&prefix))
            .map(String::from)
            .collect()
    };
    let alerts = fields("alert");
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in &alerts {
        let cases: Vec<&str> = tests.split(&format!("alertname: {alert}\n")).skip(1).collect();
        let silent =
            |case: &&str| case.trim_start().split('\n').nth(1).is_some_and(|line| line.contains("exp_alerts: []"));
        assert!(cases.iter().any(silent), "no test in which {alert} is silent");
        assert!(cases.iter().any(|case| !silent(case)), "no test in which {alert} fires");
    }
    let runbooks = fields("runbook_url");
    assert_eq!(runbooks.len(), alerts.len(), "one runbook an alert");
    for runbook in runbooks {
        let link = runbook.trim_matches('\'').strip_prefix("{{ or $externalLabels.rstmon_docs \"docs\" }}/").unwrap();
        let (page, anchor) = link.split_once('#').unwrap();
        let headings = headings(page);
        // promtool's tests check which causes a templated link can name; this test, that each cause has a heading.
        let anchors =
            if anchor.contains("$labels.cause") { causes().into_keys().collect() } else { vec![anchor.into()] };
        for anchor in anchors {
            assert!(headings.contains(&anchor), "docs/{page} has no heading {anchor}");
        }
    }
}

#[test]
fn the_dashboard_colours_those_causes_as_harmful_that_the_catalogue_does() {
    let harmful: BTreeSet<String> =
        causes().into_iter().filter(|(_, severity)| severity == "harmful").map(|(cause, _)| cause).collect();
    let rules = fs::read_to_string(kit().join("rstmon.rules.yml")).unwrap();
    assert!(rules.contains(r#"severity="harmful""#) && !rules.contains("|process_exit|"), "the rules list causes");
    // Counters have the severity; only the histograms' panels need a list. It is the only text with bars between words.
    let dashboard = fs::read_to_string(repository().join("packaging/grafana/rstmon-dashboard.json")).unwrap();
    let lists: Vec<BTreeSet<String>> = dashboard
        .split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_' || letter == '|'))
        .filter(|word| word.contains("|process_exit|"))
        .map(|list| list.split('|').map(str::to_owned).collect())
        .collect();
    assert!(!lists.is_empty(), "no list of harmful causes");
    for list in lists {
        assert_eq!(list, harmful);
    }
}

/// The anchors of the headings of a page of the documentation.
fn headings(page: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(repository().join("docs").join(page)).unwrap();
    let anchor = |heading: &str| -> String {
        let kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
        heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(kept)
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect()
    };
    text.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// The causes of the catalogue with their severity, from the table in docs/causes.md.
fn causes() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository().join("docs/causes.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let cause = cells.get(1)?.strip_prefix("[`")?.split('`').next()?;
        ["benign", "notice", "harmful"].contains(cells.get(3)?).then(|| (cause.to_owned(), cells[3].to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn promtool_accepts_the_metrics() {
    if !daemon::unless_ready("check metrics") || !is_ready("check metrics") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::configured("[metrics]\nprobe_runtime = true\n").unwrap();
    for play in SCENARIOS {
        play(&stage).unwrap();
    }
    let metrics = daemon.get("/metrics").unwrap().body;
    for family in ["rstmon_resets_total", "rstmon_probe_runtime_seconds_total", "rstmon_network_namespaces"] {
        assert!(metrics.contains(&format!("# TYPE {family} ")), "{family} is missing");
    }
    let output = promtool(&["check", "metrics"], &kit(), &metrics).unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.is_empty(), "promtool check metrics: {said}");
}

/// Adds a provoked reset.
fn note(provoked: &mut Provoked, direction: &str, cause: &str, process: &str) {
    *provoked.entry((direction.to_owned(), cause.to_owned(), process.to_owned())).or_default() += 1;
}

fn play_all(stage: &Stage, provoked: &mut Provoked) {
    for play in SCENARIOS {
        for reset in &play(stage).unwrap().resets {
            let process = reset.owner.as_ref().map_or("", |(comm, _)| comm.as_str());
            note(provoked, reset.direction.word(), reset.verdict.0, process);
        }
    }
}

/// A server in the cgroup of [`UNIT`], if there are cgroups, that resets a client on request: always the same series.
struct DashboardService {
    server: Actor,
    client: Actor,
    address: SocketAddr,
    _group: Option<Cgroup>,
}

impl DashboardService {
    fn new(stage: &Stage) -> Self {
        let group = Cgroup::new(UNIT).unwrap();
        let [mut server, client] = [SERVER, CLIENT].map(|name| stage.server_actor(name).unwrap());
        if let Some(group) = &group {
            group.add(server.pid()).unwrap();
        }
        let address = connection::listen(stage, &mut server, None, 16).unwrap();
        Self { server, client, address, _group: group }
    }

    fn reset(&mut self, stage: &Stage, provoked: &mut Provoked) {
        connection::dial(stage, &mut self.client, None, "c", self.address).unwrap();
        self.server.ask("accept l c").unwrap();
        self.client.ask("send c 64").unwrap();
        self.server.await_unread("c", 64).unwrap();
        self.client.await_acknowledged("c").unwrap();
        self.server.ask("close c").unwrap();
        note(provoked, "sent", "closed_with_unread_data", SERVER);
        note(provoked, "received", "request_reset", CLIENT);
    }
}

fn by_key(samples: Vec<QuerySample>) -> Provoked {
    let label = |sample: &QuerySample, name: &str| sample.labels.get(name).cloned().unwrap_or_default();
    let mut sums = Provoked::new();
    for sample in samples {
        let key = (label(&sample, "direction"), label(&sample, "cause"), label(&sample, "process"));
        *sums.entry(key).or_default() += whole(sample.value);
    }
    sums
}

fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value} is not a count");
    format!("{value:.0}").parse().unwrap()
}

fn total(provoked: &Provoked) -> u64 {
    provoked.values().sum()
}

/// A query of the dashboard with the title of its panel.
struct Query {
    title: String,
    expression: String,
}

fn dashboard() -> Value {
    let text = fs::read_to_string(repository().join("packaging/grafana/rstmon-dashboard.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn queries(dashboard: &Value) -> Vec<Query> {
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] != "row" {
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{title} has no description");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        }
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(Query { title: title.into(), expression: target["expr"].as_str().unwrap().into() });
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        if let Some(expression) = annotation["expr"].as_str() {
            queries.push(Query { title: format!("annotation {}", annotation["name"]), expression: expression.into() });
        }
    }
    queries
}

/// Substitutes variables as Grafana does, with `All` for every variable that is not in `given`.
fn substituted(expression: &str, given: &[(&str, &str)]) -> String {
    let mut text = expression.replace("$__rate_interval", "1m").replace("$__range", "1h");
    for name in ["instance", "unit", "process", "cause"] {
        let value = given.iter().find(|(given, _)| *given == name).map_or(".*", |(_, value)| value);
        text = text.replace(&format!("${name}"), value);
    }
    assert!(!text.contains('$'), "unknown variable in {text}");
    text
}

#[test]
fn a_real_prometheus_answers_about_provoked_resets() {
    if !daemon::unless_ready("prometheus") || !is_ready("prometheus") {
        return;
    }
    let _alone = MachineLock::exclusive().unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::configured("[metrics]\nprobe_runtime = true\n").unwrap();
    let server = Prometheus::scraping(&[daemon.address()], &kit().join("rstmon.rules.yml")).unwrap();
    wait::until_true("the first scrape", LATER, || Ok(server.value("rstmon_build_info")? == Some(1.0))).unwrap();

    // Twice, with a scrape in between, so that rates exist.
    let mut provoked = Provoked::new();
    let mut service = DashboardService::new(&stage);
    for _ in 0..2 {
        play_all(&stage, &mut provoked);
        service.reset(&stage, &mut provoked);
        wait::until_true("Prometheus to know all resets", LATER, || {
            Ok(server.value("sum(rstmon_resets_total)")?.is_some_and(|sum| whole(sum) >= total(&provoked)))
        })
        .unwrap();
    }

    let raw = by_key(server.query("rstmon_resets_total").unwrap());
    assert_eq!(raw, provoked, "found, expected: the counters");
    let scraped = daemon.scrape().unwrap().count("rstmon_resets_total", &[]);
    assert_eq!(scraped, total(&provoked), "no reset since the last scrape");

    let dashboard = dashboard();
    let queries = queries(&dashboard);
    for Query { title, expression } in &queries {
        let expression = substituted(expression, &[]);
        if title.contains("annotation") {
            // The annotation marks restarts, of which there are none.
            server.query(&expression).unwrap();
        } else {
            wait::until_true(&format!("data for {title:?}: {expression}"), SOON, || {
                Ok(!server.query(&expression)?.is_empty())
            })
            .unwrap();
        }
    }

    let query = |title: &str| &queries.iter().find(|query| query.title == title).unwrap().expression;
    let ask = |title: &str, given: &[(&str, &str)]| server.query(&substituted(query(title), given)).unwrap();
    let one = |title: &str, given: &[(&str, &str)]| whole(ask(title, given)[0].value);

    let harmful = daemon.scrape().unwrap().count("rstmon_resets_total", &[("severity", "harmful")]);
    assert!(harmful > 0 && harmful < total(&provoked), "some of the scenarios are harmful, not all: {harmful}");
    assert_eq!(one("Resets", &[]), total(&provoked));
    assert_eq!(one("Harmful resets", &[]), harmful);
    assert_eq!(one("Hosts", &[]), 1);
    assert_eq!(one("Uncounted resets", &[]), 0);
    assert_eq!(one("Hooks missing", &[]), 0);
    assert_eq!(by_key(ask("Who is reset, and why", &[])), provoked, "the process view");
    let of_cause =
        |wanted: &str| provoked.iter().filter(|((_, cause, _), _)| cause == wanted).map(|(_, n)| n).sum::<u64>();
    for sample in ask("Resets by cause, in the time range", &[]) {
        let cause = &sample.labels["cause"];
        assert_eq!(whole(sample.value), of_cause(cause), "{cause} in the cause view");
        assert_eq!(one("Resets", &[("cause", cause)]), of_cause(cause), "{cause} by the variable");
    }
    assert_eq!(one("Resets", &[("process", SERVER)]), 2);
    assert_eq!(one("Resets", &[("instance", "elsewhere")]), 0);

    offers_what_there_is(&dashboard, &server, &provoked);
    if Cgroup::new(UNIT).unwrap().is_some() {
        assert_eq!(one("Resets", &[("unit", UNIT)]), 2);
    }
    alerts_are_at_work(daemon, &server);
}

/// Expects that the dashboard's variables offer the values that the metrics have.
fn offers_what_there_is(dashboard: &Value, server: &Prometheus, provoked: &Provoked) {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance", "unit", "process", "cause"]);
    for variable in &variables[1..] {
        let query = substituted(variable["query"]["query"].as_str().unwrap(), &[]);
        let (selector, label) =
            query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')?.rsplit_once(", ")).unwrap();
        let values: BTreeSet<String> = server.label_values(label, selector).unwrap().into_iter().collect();
        let expected: BTreeSet<String> = match label {
            "cause" => provoked.keys().map(|(_, cause, _)| cause.clone()).collect(),
            "process" => {
                provoked.keys().map(|(_, _, process)| process.clone()).filter(|name| !name.is_empty()).collect()
            }
            "unit" if Cgroup::new(UNIT).unwrap().is_some() => {
                assert!(values.contains(UNIT), "{values:?}");
                continue;
            }
            _ => continue,
        };
        assert_eq!(values, expected, "values of {label}");
    }
}

/// Expects that every rule is evaluated without an error, and that one is pending once the daemon is gone.
fn alerts_are_at_work(daemon: DaemonProcess, server: &Prometheus) {
    let state = |name: &str| -> Result<Option<String>> {
        let rules = server.alert_rules()?;
        let rule = rules.iter().find(|rule| rule["name"] == name);
        Ok(rule.and_then(|rule| rule["state"].as_str()).map(str::to_owned))
    };
    wait::until_true("every rule to be evaluated", LATER, || {
        Ok(server.alert_rules()?.iter().all(|rule| rule["health"] == "ok"))
    })
    .unwrap();
    for quiet in ["RstmonDown", "RstmonProbeDegraded", "RstmonCoverageGap", "RstmonEventsLost", "RstmonCountOverflow"] {
        assert_eq!(state(quiet).unwrap().as_deref(), Some("inactive"), "{quiet}");
    }
    daemon.stop().unwrap();
    wait::until_true("the alert about the missing daemon", LATER, || {
        Ok(state("RstmonDown")?.as_deref() == Some("pending"))
    })
    .unwrap();
}
