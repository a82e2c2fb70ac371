//! The figures, and their text and pictures; as JSON they keep the names of their fields.

use super::{
    chart::{Bar, Chart, Colour},
    section::{
        cpus::Cpus, flood::Flood, hooks::Hooks, keepalive::KeepAlive, pace::Paces, processes::Processes,
        scrape::Scrapes, sockets::OpenSockets, start::Start, subscribers::Subscribers, throughput::Throughput,
    },
    targets::Verdicts,
};
use crate::workspace::read_text;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::{fmt, thread};

/// Where it was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Machine {
    kernel: String,
    cpus: usize,
    cpu_model: String,
    /// Others want the CPUs too: with more than a little at the beginning, do not believe the figures.
    load_average_before: f64,
}

impl Machine {
    pub(super) fn describe() -> anyhow::Result<Self> {
        let load = read_text("/proc/loadavg".as_ref())?;
        let cpus = read_text("/proc/cpuinfo".as_ref())?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Ok(Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpus: thread::available_parallelism().context("cannot count the CPUs")?.get(),
            cpu_model: model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned()),
            load_average_before: load.split(' ').next().and_then(|one| one.parse().ok()).context("a strange load")?,
        })
    }
}

/// Everything that was measured; a section that was not asked for is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    /// The version of rstmon, as it calls itself.
    pub(super) version: String,
    pub(super) rounds: u32,
    pub(super) quick: bool,
    /// How long all of it took.
    pub(super) seconds: u64,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(super) targets: Verdicts,
    pub(super) hooks: Option<Hooks>,
    pub(super) throughput: Option<Throughput>,
    pub(super) keepalive: Option<KeepAlive>,
    pub(super) flood: Option<Flood>,
    pub(super) pace: Option<Paces>,
    pub(super) scrape: Option<Scrapes>,
    pub(super) start: Option<Start>,
    pub(super) sockets: Option<OpenSockets>,
    pub(super) processes: Option<Processes>,
    pub(super) subscribers: Option<Subscribers>,
    pub(super) cpus: Option<Cpus>,
}

fn is_empty(verdicts: &Verdicts) -> bool {
    verdicts.0.is_empty()
}

/// Where the charts are, seen from the page.
pub(super) const TARGETS_CHART: &str = "performance/targets.svg";
pub(super) const FLOOD_CHART: &str = "performance/flood.svg";

/// A target so many times its limit is as long as a bar gets.
const MOST_TIMES: f64 = 3.0;

impl Report {
    /// Each target in terms of its limit.
    pub(super) fn targets_chart(&self) -> Option<Chart> {
        let bars: Vec<Bar> = self
            .targets
            .0
            .iter()
            .map(|verdict| Bar {
                label: verdict.id.clone(),
                value: verdict.ratio,
                range: None,
                text: format!("{:.2}", verdict.ratio),
                colour: if verdict.met { Colour::Own } else { Colour::Other },
            })
            .collect();
        (!bars.is_empty()).then(|| Chart {
            title: "Targets: measured in terms of the limit, shorter is better".to_owned(),
            bars,
            mark: Some((1.0, "limit".to_owned())),
            most: Some(MOST_TIMES),
        })
    }

    /// Throughput of refused connections by who watches.
    pub(super) fn flood_chart(&self) -> Option<Chart> {
        let bars = self.flood.as_ref()?.watchers.iter().map(|one| Bar {
            label: one.watcher.clone(),
            value: one.ratio.median,
            range: Some((one.ratio.lower, one.ratio.upper)),
            text: format!("{:.3}", one.ratio.median),
            colour: if one.watcher.starts_with("rstmon") { Colour::Own } else { Colour::Other },
        });
        Some(Chart {
            title: "Refused connections a second at full speed, of those with nobody watching: longer is better"
                .to_owned(),
            bars: bars.collect(),
            mark: Some((1.0, "nobody".to_owned())),
            most: None,
        })
    }

    /// The sections that were measured, with their headings. Those below one heading have one of their own each.
    fn sections(&self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("## A reset and a connection in the kernel", text(self.hooks.as_ref())),
            ("## Short connections", text(self.throughput.as_ref())),
            ("## Traffic without resets", text(self.keepalive.as_ref())),
            ("## Resets at full speed, beside other tools", text(self.flood.as_ref())),
            ("## The daemon", text(self.pace.as_ref())),
            ("## Start", text(self.start.as_ref())),
            ("## Growth with open connections, and the backfill", text(self.sockets.as_ref())),
            ("## Growth with series: scrapes", text(self.scrape.as_ref())),
            ("## Growth with processes", text(self.processes.as_ref())),
            ("## Growth with subscribers", text(self.subscribers.as_ref())),
            ("## Growth with CPUs", text(self.cpus.as_ref())),
        ]
    }
}

fn text(section: Option<&impl fmt::Display>) -> Option<String> {
    section.map(ToString::to_string)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { kernel, cpus, cpu_model, load_average_before } = &self.machine;
        let Self { version, rounds, seconds, .. } = self;
        writeln!(
            f,
            "{version} on Linux {kernel}, {cpus} CPUs ({cpu_model}), load average {load_average_before} at the beginning. {rounds} \
             rounds, some sections more or fewer; {} min {} s in all. Figures are medians, with the quartiles in brackets: \
             half of the rounds lie between them.",
            seconds / 60,
            seconds % 60
        )?;
        if self.quick {
            writeln!(f, "\n**A quick run, to see that everything works: the figures mean little.**")?;
        }
        if !self.targets.0.is_empty() {
            writeln!(f, "\n## Targets\n\n![Each target in terms of its limit]({TARGETS_CHART})\n")?;
            writeln!(
                f,
                "{}\nEach missed one is explained [below](#what-the-limits-are-made-of), by its name.",
                self.targets
            )?;
        }
        for (heading, text) in self.sections() {
            let Some(text) = text else { continue };
            writeln!(f, "\n{heading}\n")?;
            if heading.contains("full speed") {
                writeln!(f, "![Throughput by who watches]({FLOOD_CHART})\n")?;
            }
            write!(f, "{text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_left_out() {
        let report = Report { version: "rstmon 1.2.3".to_owned(), rounds: 5, seconds: 61, ..Report::default() };
        let text = report.to_string();
        assert!(text.starts_with("rstmon 1.2.3 on Linux"), "found {text}");
        assert!(text.contains("1 min 1 s") && !text.contains("##"), "found {text}");
        assert!(report.targets_chart().is_none() && report.flood_chart().is_none());
    }

    #[test]
    fn a_report_survives_json() {
        let report = Report { rounds: 5, quick: true, ..Report::default() };
        let json = serde_json::to_string(&report).expect("JSON");
        let found: Report = serde_json::from_str(&json).expect("a report");
        assert_eq!(found.to_string(), report.to_string());
    }
}
