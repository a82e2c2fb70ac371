//! Time and size of a scrape, by series.

use crate::{
    daemon::{self, DEFAULT, scrape_text},
    effort::Effort,
    markdown::{table, thousands},
    spread::{Spread, float},
    traffic::TrafficRange,
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{daemon::DaemonProcess, http};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Instant};

/// Series of `rstmon_resets_total`; the last is `metrics.max_series`.
const SERIES: [usize; 3] = [10, 1000, 2000];
const SCRAPES: u32 = 40;
/// Closed ports: each gives a series in each direction until series are folded.
const PORTS: std::ops::Range<u16> = 2000..8000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScrapeCosts(Vec<ScrapeCost>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ScrapeCost {
    series: usize,
    milliseconds: Spread,
    bytes: usize,
    compressed_bytes: u64,
}

pub(crate) fn measure(effort: Effort) -> Result<ScrapeCosts> {
    let range = TrafficRange::new()?;
    let (daemon, _) = daemon::start(DEFAULT)?;
    let mut ports = PORTS;
    let mut scrapes = Vec::new();
    for wanted in SERIES {
        let series = grow(&daemon, &range, wanted, &mut ports)?;
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..effort.count(SCRAPES) {
            let started = Instant::now();
            bytes = scrape_text(&daemon)?.len();
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let compressed_bytes = http::length_with(daemon.address(), "/metrics", "Accept-Encoding: gzip\r\n")?;
        scrapes.push(ScrapeCost {
            series,
            milliseconds: Spread::of(times).context("no scrape")?,
            bytes,
            compressed_bytes,
        });
    }
    daemon.stop()?;
    Ok(ScrapeCosts(scrapes))
}

/// Provokes resets at more ports until there are `wanted` series or their number no longer grows. Returns the number.
fn grow(
    daemon: &DaemonProcess,
    range: &TrafficRange,
    wanted: usize,
    ports: &mut std::ops::Range<u16>,
) -> Result<usize> {
    let count = || Ok::<_, anyhow::Error>(daemon.scrape()?.select("rstmon_resets_total", &[]).count());
    let mut found = count()?;
    while found < wanted {
        // Half as many ports as series are missing; at least one, and few enough for the map of counts.
        let step = u16::try_from((wanted - found).div_ceil(2).min(500))?;
        let next = ports.start..ports.start.saturating_add(step).min(ports.end);
        if next.is_empty() {
            break;
        }
        ports.start = next.end;
        range.refuse_at(next)?;
        let now = count()?;
        ensure!(now >= found, "series went away");
        // The last series are reserved for what is folded, so that the limit itself is not reached.
        if now == found && found > SERIES[1] {
            break;
        }
        found = now;
    }
    Ok(found)
}

impl fmt::Display for ScrapeCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |scrape| scrape.milliseconds.median);
        let row = |ScrapeCost { series, milliseconds, bytes, compressed_bytes }: &ScrapeCost| {
            vec![
                thousands(float(*series)),
                milliseconds.show(2),
                format!("{:.1}", milliseconds.median / first),
                thousands(float(*bytes)),
                thousands(float(*compressed_bytes)),
                format!("{:.1}", float(*bytes) / float(*compressed_bytes)),
            ]
        };
        let head = ["series of resets", "ms", "times the first", "bytes", "with gzip", "bytes / with gzip"];
        writeln!(
            f,
            "A scrape from connect to end of answer, without TLS. `metrics.max_series` is 2,000, of which the last are kept for what is folded.\n"
        )?;
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))
    }
}
