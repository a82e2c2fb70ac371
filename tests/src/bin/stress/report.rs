//! The report, as a table or as JSON.

use crate::outcome::ScenarioOutcome;
use serde_json::{Value, json};
use std::{fmt, time::Duration};

const HEAD: [&str; 12] = [
    "scenario",
    "provoked",
    "counted",
    "difference",
    "ring full",
    "rate limited",
    "slow readers",
    "faults injected",
    "memory, KiB",
    "descriptors",
    "time, s",
    "",
];

pub(crate) struct StressReport {
    pub(crate) seed: u64,
    /// Whether it was the long form.
    pub(crate) full: bool,
    /// Of the whole run.
    pub(crate) seconds: Duration,
    /// In the order in which they were played.
    pub(crate) outcomes: Vec<ScenarioOutcome>,
}

impl StressReport {
    /// Whether every scenario passed.
    pub(crate) fn is_clean(&self) -> bool {
        self.outcomes.iter().all(ScenarioOutcome::is_clean)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "seed": self.seed,
            "full": self.full,
            "seconds": self.seconds.as_secs_f64(),
            "clean": self.is_clean(),
            "scenarios": self.outcomes.iter().map(document).collect::<Vec<_>>(),
        })
    }
}

fn document(outcome: &ScenarioOutcome) -> Value {
    let finding = &outcome.finding;
    let account = finding.account;
    let faults: serde_json::Map<String, Value> =
        finding.faults.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    json!({
        "name": outcome.name,
        "what": outcome.what,
        "seconds": outcome.took.as_secs_f64(),
        "provoked": { "sent": account.provoked.sent, "received": account.provoked.received },
        "counted": { "sent": account.counted.sent, "received": account.counted.received },
        "difference": account.difference(),
        "events_lost": {
            "ring_full": account.lost.ring_full,
            "rate_limited": account.lost.rate_limited,
            "slow_subscriber": account.lost.slow_subscriber,
        },
        "count_overflow": account.overflow,
        "uncounted": account.uncounted,
        "faults": faults,
        "held": finding.held.map(|held| json!({
            "resident_kib": [held.before.resident_kib, held.after.resident_kib],
            "descriptors": [held.before.descriptors, held.after.descriptors],
            "threads": [held.before.threads, held.after.threads],
        })),
        "notes": finding.notes,
        "complaints": finding.complaints,
    })
}

fn row(outcome: &ScenarioOutcome) -> [String; 12] {
    let finding = &outcome.finding;
    let account = finding.account;
    let pair = |of: fn(&rstmon_tests::vitals::Vitals) -> u64| {
        finding.held.map_or(String::new(), |held| format!("{} -> {}", of(&held.before), of(&held.after)))
    };
    let faults: Vec<String> = finding.faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
    [
        outcome.name.to_owned(),
        (account.provoked.sent + account.provoked.received).to_string(),
        (account.counted.sent + account.counted.received).to_string(),
        account.difference().to_string(),
        account.lost.ring_full.to_string(),
        account.lost.rate_limited.to_string(),
        account.lost.slow_subscriber.to_string(),
        faults.join(", "),
        pair(|vitals| vitals.resident_kib),
        pair(|vitals| vitals.descriptors),
        format!("{:.1}", outcome.took.as_secs_f64()),
        if outcome.is_clean() { "ok" } else { "FAILED" }.to_owned(),
    ]
}

impl fmt::Display for StressReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 12]> =
            std::iter::once(HEAD.map(str::to_owned)).chain(self.outcomes.iter().map(row)).collect();
        let widths: [usize; 12] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
        for (index, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            writeln!(f, "| {} |", cells.join(" | "))?;
            if index == 0 {
                writeln!(f, "|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"))?;
            }
        }
        for outcome in &self.outcomes {
            for note in &outcome.finding.notes {
                writeln!(f, "{}: {note}", outcome.name)?;
            }
        }
        for outcome in &self.outcomes {
            for complaint in &outcome.finding.complaints {
                writeln!(f, "FAILED {}: {complaint}", outcome.name)?;
            }
        }
        let verdict = if self.is_clean() { "nothing lost, nothing invented" } else { "FAILED" };
        writeln!(f, "seed {}, {:.0} s: {verdict}", self.seed, self.seconds.as_secs_f64())
    }
}
