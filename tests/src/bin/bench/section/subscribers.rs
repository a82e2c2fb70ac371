//! Growth with subscribers of the daemon's socket.

use crate::{
    daemon::{self, EVERY_EVENT},
    effort::Effort,
    markdown::{table, thousands},
    rounds::interleaved,
    spread::{Spread, float},
    traffic::TrafficRange,
};
use anyhow::{Context as _, Result};
use rstmon_tests::vitals::{CpuUsage, Vitals};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

/// Readers that take every event.
const READERS: [usize; 4] = [0, 1, 8, 32];
/// Each reset becomes an event for every reader.
const RESETS_PER_SECOND: f64 = 2000.0;
const SECONDS: u32 = 3;
const MOST_ROUNDS: u32 = 3;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SubscriberScaling(Vec<WithReaders>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WithReaders {
    readers: usize,
    /// Fewer than intended where the readers take the CPUs.
    resets_per_second: Spread,
    cpu_percent: Spread,
    delivered_per_second: Spread,
    resident_mib: Spread,
    lost: Spread,
}

pub(crate) fn measure(effort: Effort) -> Result<SubscriberScaling> {
    let range = TrafficRange::new()?;
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), READERS.len(), |one| round(effort, &range, READERS[one]))?;
    let some = |(readers, own): (&usize, &Vec<[f64; 5]>)| {
        let [cpu_percent, delivered_per_second, resident_mib, lost, resets_per_second] = Spread::of_columns(own)?;
        Some(WithReaders {
            readers: *readers,
            resets_per_second,
            cpu_percent,
            delivered_per_second,
            resident_mib,
            lost,
        })
    };
    READERS.iter().zip(&rounds).map(some).collect::<Option<_>>().map(SubscriberScaling).context("no round")
}

fn round(effort: Effort, range: &TrafficRange, readers: usize) -> Result<[f64; 5]> {
    let (daemon, _) = daemon::start(EVERY_EVENT)?;
    let (over, lines) = (AtomicBool::new(false), AtomicU64::new(0));
    let time = effort.seconds(SECONDS);
    let found = thread::scope(|scope| {
        let socket = daemon.socket();
        let threads: Vec<_> = (0..readers)
            .map(|_| {
                let (socket, over, lines) = (&socket, &over, &lines);
                let subscribed = subscribe(socket);
                scope.spawn(move || subscribed.and_then(|stream| read(stream, over, lines)))
            })
            .collect();
        let measured = || {
            daemon::settle(&daemon)?;
            let before = CpuUsage::of(daemon.pid())?;
            let connections = range.steady(RESETS_PER_SECOND / 2.0, time)?;
            daemon::settle(&daemon)?;
            let used = CpuUsage::of(daemon.pid())?.since(before);
            Ok::<_, anyhow::Error>([
                float(used.cpu_ns) / 1e7 / time.as_secs_f64(),
                float(Vitals::of(daemon.pid())?.resident_kib) / 1024.0,
                daemon.scrape()?.sum("rstmon_events_lost_total", &[]),
                2.0 * connections,
            ])
        };
        let measured = measured();
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        measured
    })?;
    daemon.stop()?;
    let [cpu_percent, resident_mib, lost, resets] = found;
    Ok([cpu_percent, float(lines.into_inner()) / time.as_secs_f64(), resident_mib, lost, resets])
}

/// Asks for all events and reads the head of the answer.
fn subscribe(socket: &Path) -> Result<UnixStream> {
    let mut stream = UnixStream::connect(socket).context("cannot connect to the daemon's socket")?;
    stream.set_read_timeout(Some(Duration::from_millis(100))).context("cannot set a timeout")?;
    stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: rstmon\r\n\r\n").context("cannot ask for events")?;
    Ok(stream)
}

/// Reads everything until `over` and counts the events.
fn read(mut stream: UnixStream, over: &AtomicBool, lines: &AtomicU64) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut kept = 0;
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut buffer[kept..]) {
            Ok(0) => anyhow::bail!("the daemon cut a reader off"),
            Ok(bytes) => {
                let all = kept + bytes;
                lines.fetch_add(events(&buffer[..all]), Ordering::Relaxed);
                // An event whose beginning is not complete yet is counted with the rest of it.
                kept = all.min(BEGIN.len() - 1);
                buffer.copy_within(all - kept..all, 0);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error).context("cannot read events"),
        }
    }
    Ok(())
}

/// How each event begins.
const BEGIN: &[u8] = b"{\"schema\"";

fn events(bytes: &[u8]) -> u64 {
    bytes.windows(BEGIN.len()).map(|window| u64::from(window == BEGIN)).sum()
}

impl fmt::Display for SubscriberScaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().map_or(f64::NAN, |some| some.cpu_percent.median);
        let row = |WithReaders {
                       readers,
                       resets_per_second,
                       cpu_percent,
                       delivered_per_second,
                       resident_mib,
                       lost,
                   }: &WithReaders| {
            vec![
                readers.to_string(),
                thousands(resets_per_second.median),
                cpu_percent.show(1),
                format!("{:.2}", cpu_percent.median / first),
                thousands(delivered_per_second.median),
                resident_mib.show(1),
                thousands(lost.median),
            ]
        };
        let head = [
            "readers",
            "resets/s",
            "CPU, % of one",
            "times the first",
            "events delivered/s",
            "resident, MiB",
            "events lost",
        ];
        writeln!(
            f,
            "Readers of `/v1/events` at {} resets a second, without a rate limit, so that each reset is an event for each of them.\n",
            thousands(RESETS_PER_SECOND)
        )?;
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_their_beginnings() {
        assert_eq!(events(b"1f\r\n{\"schema\":1}\n\r\n{\"schema\":1}\n{\"sche"), 2);
        assert_eq!(events(b""), 0);
    }
}
