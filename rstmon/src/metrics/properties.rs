//! Counts -> series. A model of the kernel half counts hits, fills up, changes its generation and has processes die;
//! the fold reads it at any moment. In any order, sums are exact, series only grow until they fold away, and their
//! number stays below the limit.

use crate::{
    metrics::{Fold, Format, Health, LabelSet, MetricsRegistry, Series, fold::MIN_SERIES},
    model::{Direction, Family, Reasons},
    probe::Counts,
};
use proptest::prelude::*;
use rstmon_common::CountKey;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

/// Causes that the label function assigns.
const CAUSES: [&str; 4] = ["refused", "linger_abort", "peer_reset", "unexplained"];
const HOUR: u64 = 3600;
/// Reasons that occur, by number.
const REASONS: u8 = 6;

/// One step of a test.
#[derive(Clone, Debug)]
enum Op {
    /// Resets of one process on a range of ports, `times` on each.
    Hits { process: u8, ports: std::ops::Range<u16>, sent: bool, reason: u8, times: u64 },
    /// Resets for whose key the count map has no room.
    Overflow { sent: bool, reason: u8, times: u64 },
    /// A key that was inserted with a count of 0.
    Inserted { process: u8, port: u16 },
    /// The unit of this process cannot be resolved any more. A second exit is that of the next process with its pid,
    /// after which the unit is known again.
    Exit { process: u8 },
    /// The generation changes with the next reading; the new one counts these resets before it is read.
    Recycle { process: u8, ports: std::ops::Range<u16>, times: u64 },
    /// Another limit of series.
    Resize { max_series: usize },
    /// So many seconds pass.
    Wait { seconds: u64 },
    /// A reading of the counts.
    Scrape,
}

fn op() -> impl Strategy<Value = Op> {
    let ports = (1u16..2000, prop_oneof![4 => 1u16..4, 1 => 100u16..400]);
    let ports = ports.prop_map(|(from, count)| from..from + count);
    // Process 0 stands for an unknown owner.
    let hits = (0u8..12, ports, any::<bool>(), 0..REASONS, times());
    prop_oneof![
        8 => hits.prop_map(|(process, ports, sent, reason, times)| Op::Hits { process, ports, sent, reason, times }),
        2 => (any::<bool>(), 0..REASONS, times()).prop_map(|(sent, reason, times)| Op::Overflow { sent, reason, times }),
        1 => (0u8..12, 1u16..2400).prop_map(|(process, port)| Op::Inserted { process, port }),
        2 => (1u8..12).prop_map(|process| Op::Exit { process }),
        2 => (0u8..12, 1u16..2000, 0u16..6, times())
            .prop_map(|(process, from, count, times)| Op::Recycle { process, ports: from..from + count, times }),
        1 => (1usize..1500).prop_map(|max_series| Op::Resize { max_series }),
        3 => prop_oneof![0u64..4, Just(HOUR), Just(24 * HOUR)].prop_map(|seconds| Op::Wait { seconds }),
        6 => Just(Op::Scrape),
    ]
}

fn times() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1u64..5, 2 => 1u64..100_000, 1 => Just(1u64 << 40)]
}

/// A model of the kernel half's count map.
#[derive(Default)]
struct Kernel {
    live: HashMap<CountKey, u64>,
    overflow: BTreeMap<(u8, u8), u64>,
    recycles: bool,
    /// Counts of the next generation before its first reading.
    fresh: Vec<(CountKey, u64)>,
    /// All resets so far, by direction.
    truth: [u64; 2],
    /// All resets so far, by direction and reason.
    reasons: BTreeMap<(u8, u8), u64>,
}

fn key(process: u8, port: u16, sent: bool, reason: u8) -> CountKey {
    let mut comm = [0; 16];
    if process > 0 {
        comm[..2].copy_from_slice(&[b'p', b'a' + process]);
    }
    CountKey { comm, service_port: port, direction: u8::from(!sent), reason, ..CountKey::default() }
}

impl Kernel {
    fn count(&mut self, direction: u8, reason: u8, times: u64) {
        self.truth[usize::from(direction)] += times;
        *self.reasons.entry((direction, reason)).or_default() += times;
    }

    fn hit(&mut self, key: CountKey, times: u64) {
        *self.live.entry(key).or_default() += times;
        self.count(key.direction, key.reason, times);
    }

    /// A reading as `CountReader` returns it.
    fn read(&mut self) -> Counts {
        let settled = if std::mem::take(&mut self.recycles) { self.live.drain().collect() } else { Vec::new() };
        for (key, times) in std::mem::take(&mut self.fresh) {
            self.hit(key, times);
        }
        Counts {
            live: self.live.iter().map(|(key, hits)| (*key, *hits)).collect(),
            settled,
            overflow: self.overflow.iter().map(|(&(direction, reason), &hits)| (direction, reason, hits)).collect(),
            ..Counts::default()
        }
    }
}

/// The label function: the unit of a process is known while the process lives.
fn label(key: &CountKey, dead: &BTreeSet<u8>) -> Series {
    let process = key.comm[1].saturating_sub(b'a');
    let known = key.comm[0] != 0 && !dead.contains(&process);
    let name = if key.comm[0] == 0 { String::new() } else { format!("p{process}") };
    Series {
        direction: Direction::from_record(key.direction).expect("a direction"),
        cause: CAUSES[usize::from(key.reason) % CAUSES.len()].into(),
        severity: "notice",
        reason: reasons().get(key.reason).as_str().into(),
        process: name.as_str().into(),
        unit: if known { format!("p{process}.service").as_str().into() } else { "".into() },
        container: "".into(),
        port: Some(key.service_port),
        family: Some(Family::Ipv4),
    }
}

fn reasons() -> Reasons {
    Reasons::from_variants([("SK_RST_REASON_NO_SOCKET", 1), ("SK_RST_REASON_TCP_STATE", 2)])
}

/// What a scraper has seen.
#[derive(Default)]
struct Shown {
    /// The series after the last reading.
    last: BTreeMap<Series, u64>,
    /// The increases of all series so far, by direction: of one that begins or begins again, its value.
    increases: [u64; 2],
}

impl Shown {
    /// Compares the series with those of the last reading and with the model.
    fn check(&mut self, fold: &Fold, kernel: &Kernel, max_series: usize) -> Result<(), TestCaseError> {
        let now: BTreeMap<Series, u64> = fold.sums().map(|(series, sum)| (series.clone(), sum)).collect();
        for (series, after) in &now {
            let before = self.last.get(series).copied().unwrap_or(0);
            prop_assert!(*after >= before, "{series:?} was {before} and is {after:?}");
            if !series.is_folded_away() {
                self.increases[usize::from(series.direction == Direction::Received)] += after - before;
            }
        }
        prop_assert_eq!(self.increases, kernel.truth, "the increases of all series but _folded");
        for (direction, truth) in [Direction::Sent, Direction::Received].into_iter().zip(kernel.truth) {
            let sum: u64 = now.iter().filter(|(one, _)| one.direction == direction).map(|(_, sum)| sum).sum();
            prop_assert_eq!(sum, truth, "all {} resets", direction);
        }
        prop_assert!(now.len() <= max_series, "{} series, allowed are {}", now.len(), max_series);
        // There are so few reasons that each keeps its own series even when all other labels are folded.
        for (&(direction, reason), &truth) in &kernel.reasons {
            let direction = Direction::from_record(direction).expect("a direction");
            let reason = reasons().get(reason).as_str().to_owned();
            let ours = now.iter().filter(|(one, _)| one.direction == direction && *one.reason == *reason);
            prop_assert_eq!(ours.map(|(_, sum)| sum).sum::<u64>(), truth, "{} {}", direction, reason);
        }
        self.last = now;
        Ok(())
    }
}

/// Applies one step; returns whether it was a reading.
fn happen(op: &Op, kernel: &mut Kernel, dead: &mut BTreeSet<u8>) -> bool {
    match op {
        Op::Hits { process, ports, sent, reason, times } => {
            ports.clone().for_each(|port| kernel.hit(key(*process, port, *sent, *reason), *times));
        }
        Op::Overflow { sent, reason, times } => {
            *kernel.overflow.entry((u8::from(!sent), *reason)).or_default() += times;
            kernel.count(u8::from(!sent), *reason, *times);
        }
        Op::Inserted { process, port } => {
            kernel.live.entry(key(*process, *port, true, 0)).or_default();
        }
        Op::Exit { process } => {
            if !dead.remove(process) {
                dead.insert(*process);
            }
        }
        Op::Recycle { process, ports, times } => {
            kernel.recycles = true;
            kernel.fresh.extend(ports.clone().map(|port| (key(*process, port, true, 1), *times)));
        }
        Op::Resize { .. } | Op::Wait { .. } => {}
        Op::Scrape => return true,
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_exact_and_only_grow_in_any_order(
        max_series in 1usize..1000,
        fold_after in prop_oneof![Just(0), 1u64..3, Just(24 * HOUR)],
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let (mut kernel, mut dead, mut shown) = (Kernel::default(), BTreeSet::new(), Shown::default());
        let mut fold = Fold::new(max_series, Duration::from_secs(fold_after));
        let (mut room, mut now) = (max_series.max(MIN_SERIES), Duration::ZERO);
        for op in ops.iter().chain([&Op::Scrape]) {
            if let Op::Resize { max_series } = op {
                fold.raise_max_series(*max_series);
                room = room.max(*max_series);
            }
            if let Op::Wait { seconds } = op {
                now += Duration::from_secs(*seconds);
            }
            if happen(op, &mut kernel, &mut dead) {
                fold.absorb(&kernel.read(), &reasons(), now, |key| label(key, &dead));
                shown.check(&fold, &kernel, room)?;
            }
        }
    }

    /// The same for the exported text, with labels left out as configured.
    #[test]
    fn what_is_exported_is_exact_with_any_labels(
        labels in prop::sample::subsequence(LabelSet::NAMES.to_vec(), 0..=LabelSet::NAMES.len()),
        ops in prop::collection::vec(op(), 1..30),
    ) {
        let set = LabelSet::from_names(labels.iter().copied()).expect("known labels");
        let mut exporter = MetricsRegistry::new(MIN_SERIES, Duration::ZERO, set, reasons(), Vec::new()).expect("an exporter");
        let (mut kernel, mut dead) = (Kernel::default(), BTreeSet::new());
        for (second, op) in (0..).zip(ops.iter().chain([&Op::Scrape])) {
            if happen(op, &mut kernel, &mut dead) {
                exporter.absorb(&kernel.read(), Duration::from_secs(second), |cgroup| (format!("{cgroup}").as_str().into(), "".into()));
                let whole: u64 = exporter.sums().map(|(_, sum)| sum).sum();
                prop_assert_eq!(whole, kernel.truth.iter().sum::<u64>(), "with every label");
                let text = exporter.render(&Health::default(), Format::default()).expect("text");
                for (direction, truth) in ["sent", "received"].into_iter().zip(kernel.truth) {
                    prop_assert_eq!(exported(&text, direction), u128::from(truth), "{} in\n{}", direction, text);
                }
            }
        }
    }

    /// A reading that is added twice changes nothing.
    #[test]
    fn reading_twice_is_reading_once(ops in prop::collection::vec(op(), 1..40)) {
        let (mut kernel, mut dead) = (Kernel::default(), BTreeSet::new());
        let mut folds = [Fold::new(500, Duration::ZERO), Fold::new(500, Duration::ZERO)];
        for (second, op) in (0..).zip(ops.iter().chain([&Op::Scrape])) {
            if happen(op, &mut kernel, &mut dead) {
                let now = Duration::from_secs(second);
                let counts = kernel.read();
                for fold in &mut folds {
                    fold.absorb(&counts, &reasons(), now, |key| label(key, &dead));
                }
                let again = Counts { settled: Vec::new(), ..counts };
                folds[1].absorb(&again, &reasons(), now, |key| label(key, &dead));
            }
        }
        let sums = folds.each_ref().map(|fold| fold.sums().map(|(series, sum)| (series.clone(), sum)).collect::<Vec<_>>());
        prop_assert_eq!(&sums[0], &sums[1]);
    }
}

/// The sum of a direction's samples in the text format, where values are exact up to 2^53; no test has larger ones.
fn exported(text: &str, direction: &str) -> u128 {
    let wanted = format!("direction=\"{direction}\"");
    let samples = text.lines().filter(|line| line.starts_with("rstmon_resets_total{") && line.contains(&wanted));
    samples.map(|line| line.rsplit(' ').next().expect("a value").parse::<u128>().expect("a whole number")).sum()
}
