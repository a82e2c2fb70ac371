//! The figures, their text and pictures; in JSON they keep the names of their fields.

use crate::{
    chart::{Bar, BarChart, Colour},
    section::{
        cpus::CpuScaling, flood::Flood, hooks::HookCosts, keepalive::KeepAlive, pace::Paces, processes::ProcessScaling,
        scrape::ScrapeCosts, sockets::SocketScaling, start::StartCosts, subscribers::SubscriberScaling,
        throughput::Throughput, view::ViewAtRest,
    },
    verdict::TargetVerdicts,
};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, fs, thread};

/// The host that it was measured on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HostDescription {
    kernel: String,
    cpus: usize,
    cpu_model: String,
    /// Over the last minute: with other load on the CPUs the figures mean little.
    load_average_before: f64,
}

impl HostDescription {
    pub(crate) fn read() -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
        let cpus = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Ok(Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpus: thread::available_parallelism().context("cannot count the CPUs")?.get(),
            cpu_model: model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned()),
            load_average_before: load
                .split(' ')
                .next()
                .and_then(|one| one.parse().ok())
                .context("no load average in /proc/loadavg")?,
        })
    }
}

/// All figures; a section that was not asked for is absent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BenchReport {
    pub(crate) machine: HostDescription,
    /// Output of `rstmon --version`.
    pub(crate) version: String,
    pub(crate) rounds: u32,
    pub(crate) quick: bool,
    /// Duration of the whole run.
    pub(crate) seconds: u64,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(crate) targets: TargetVerdicts,
    pub(crate) hooks: Option<HookCosts>,
    pub(crate) throughput: Option<Throughput>,
    pub(crate) keepalive: Option<KeepAlive>,
    pub(crate) flood: Option<Flood>,
    pub(crate) pace: Option<Paces>,
    pub(crate) scrape: Option<ScrapeCosts>,
    pub(crate) start: Option<StartCosts>,
    pub(crate) sockets: Option<SocketScaling>,
    pub(crate) processes: Option<ProcessScaling>,
    pub(crate) subscribers: Option<SubscriberScaling>,
    pub(crate) cpus: Option<CpuScaling>,
    /// Reports of earlier versions lack it.
    #[serde(default)]
    pub(crate) view: Option<ViewAtRest>,
}

fn is_empty(verdicts: &TargetVerdicts) -> bool {
    verdicts.0.is_empty()
}

/// Paths of the charts relative to the page.
pub(crate) const TARGETS_CHART: &str = "performance/targets.svg";
pub(crate) const FLOOD_CHART: &str = "performance/flood.svg";

/// The longest bar of the chart of targets, in limits.
const MOST_TIMES: f64 = 3.0;

impl BenchReport {
    /// The targets, each divided by its limit.
    pub(crate) fn targets_chart(&self) -> Option<BarChart> {
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
        (!bars.is_empty()).then(|| BarChart {
            title: "Targets: measured in terms of the limit, shorter is better".to_owned(),
            bars,
            mark: Some((1.0, "limit".to_owned())),
            most: Some(MOST_TIMES),
        })
    }

    /// Throughput of refused connections by watcher.
    pub(crate) fn flood_chart(&self) -> Option<BarChart> {
        let bars = self.flood.as_ref()?.watchers.iter().map(|one| Bar {
            label: one.watcher.clone(),
            value: one.ratio.median,
            range: Some((one.ratio.lower, one.ratio.upper)),
            text: format!("{:.3}", one.ratio.median),
            colour: if one.watcher.starts_with("rstmon") { Colour::Own } else { Colour::Other },
        });
        Some(BarChart {
            title: "Refused connections a second at full speed, of the rate without a watcher: longer is better"
                .to_owned(),
            bars: bars.collect(),
            mark: Some((1.0, "no watcher".to_owned())),
            most: None,
        })
    }

    /// The headings and texts of the sections; `None` for a section that was not measured.
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
            ("## The live view at rest", text(self.view.as_ref())),
        ]
    }
}

fn text(section: Option<&impl fmt::Display>) -> Option<String> {
    section.map(ToString::to_string)
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostDescription { kernel, cpus, cpu_model, load_average_before } = &self.machine;
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
        let report =
            BenchReport { version: "rstmon 1.2.3".to_owned(), rounds: 5, seconds: 61, ..BenchReport::default() };
        let text = report.to_string();
        assert!(text.starts_with("rstmon 1.2.3 on Linux"), "found {text}");
        assert!(text.contains("1 min 1 s") && !text.contains("##"), "found {text}");
        assert!(report.targets_chart().is_none() && report.flood_chart().is_none());
    }

    #[test]
    fn a_report_survives_json() {
        let report = BenchReport { rounds: 5, quick: true, ..BenchReport::default() };
        let json = serde_json::to_string(&report).expect("JSON");
        let found: BenchReport = serde_json::from_str(&json).expect("a report");
        assert_eq!(found.to_string(), report.to_string());
    }
}
