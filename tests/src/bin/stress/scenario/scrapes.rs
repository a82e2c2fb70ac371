//! Several scrapers at once, in both formats, during a flood: each answer parses, and no counter falls.

use crate::{
    monotone::Monotone,
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::{Context as _, Result, anyhow, ensure};
use rstmon_tests::{http, metrics::Metrics, openmetrics, watched::RESETS};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

const SCRAPERS: usize = 3;

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, &format!("{HISTORY}[counts]\nentries = 256\n"))?;
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<ScrapeThread> = (0..SCRAPERS)
        .map(|index| {
            let (address, stop) = (observed.daemon.address(), Arc::clone(&stop));
            thread::spawn(move || scrape(address, !index.is_multiple_of(2), &stop))
        })
        .collect();
    let mut storms = testbed.storms()?;
    let each = testbed.arguments.times(10_000, 300_000);
    let done = testbed.storm(&mut storms, each);
    stop.store(true, Ordering::Relaxed);
    let mut answers = 0;
    for scraper in threads {
        answers += scraper.join().map_err(|_| anyhow!("a scraper panicked"))??;
    }
    let done = done?;
    let finding = observed.end(&done)?.with_faults(&[("scrapes", answers)]);
    Ok(finding.demand(answers > 3 * SCRAPERS as u64, || format!("only {answers} answers during the flood")))
}

type ScrapeThread = JoinHandle<Result<u64>>;

/// Scrapes until `stop`. Returns the number of scrapes.
fn scrape(address: SocketAddr, open: bool, stop: &AtomicBool) -> Result<u64> {
    let accept = if open { "Accept: application/openmetrics-text; version=1.0.0\r\n" } else { "" };
    let (mut monotone, mut scrapes, mut sum) = (Monotone::default(), 0, 0);
    while !stop.load(Ordering::Relaxed) {
        let answer = http::get_with(address, "/metrics", accept)?;
        ensure!(answer.status == 200, "/metrics answered {}", answer.status);
        let metrics = if open { openmetrics::parse(&answer.body) } else { Metrics::parse(&answer.body) };
        let metrics = metrics.with_context(|| format!("scrape {scrapes}, OpenMetrics: {open}"))?;
        monotone.observe(&metrics).with_context(|| format!("scrape {scrapes}, OpenMetrics: {open}"))?;
        let now = metrics.count(RESETS, &[]);
        ensure!(now >= sum, "the sum of all resets fell from {sum} to {now}");
        (sum, scrapes) = (now, scrapes + 1);
    }
    Ok(scrapes)
}
