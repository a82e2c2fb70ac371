//! The diagnosis as a page for a person.

use super::{
    findings::{Finding, Who},
    report::{Advised, Report},
};
use crate::{
    explain::{
        Severity,
        catalogue::symptom::Symptom,
        render::{
            style::{Role, Style},
            wrap::Paragraph,
        },
        sentence,
    },
    model::Direction,
};
use jiff::{Timestamp, tz::TimeZone};
use std::{fmt::Write as _, time::Duration};

/// Columns before a finding's lines.
const INDENT: usize = 3;
/// Columns before their text.
const HANG: usize = 12;
/// Remedies that a finding shows; `rstmon causes` has all.
const REMEDIES: usize = 3;

struct Page {
    out: String,
    width: usize,
    style: Style,
    zone: TimeZone,
}

/// Lays the report out.
pub(super) fn page(report: &Report, colour: bool, width: usize) -> String {
    let mut page = Page { out: String::new(), width, style: Style { colour }, zone: TimeZone::system() };
    page.summary(report);
    for (index, advised) in report.findings.iter().enumerate() {
        page.out.push('\n');
        let same = |earlier: &Advised| {
            (earlier.finding.cause, earlier.finding.direction) == (advised.finding.cause, advised.finding.direction)
        };
        let before = report.findings[..index].iter().position(same).map(|position| position + 1);
        page.finding(index + 1, advised, before);
    }
    page.benign(report);
    page.overflows(report);
    page.hidden(report);
    page.out
}

impl Page {
    fn write(&mut self, paragraph: Paragraph<'_>) {
        paragraph.write(&mut self.out, self.width, self.style);
    }

    fn labelled(&mut self, label: &str, text: &str) {
        self.write(Paragraph::labelled(INDENT, label, Role::Label, HANG, text));
    }

    fn time(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn summary(&mut self, report: &Report) {
        let span = Duration::try_from(report.until.duration_since(report.since)).unwrap_or_default();
        let span = sentence::duration(span);
        if report.events == 0 {
            let mut text = format!("No resets in the last {span}, says {}.", report.source);
            if report.excluded > 0 {
                let _ = write!(text, " The filter left out {}.", resets(report.excluded));
            } else {
                text.push_str(" Every RST that this host's kernel sends or accepts would be here.");
            }
            self.write(Paragraph::at(0, &text));
            return;
        }
        let parts: Vec<String> =
            report.severities.iter().rev().map(|(severity, count)| format!("{count} {severity}")).collect();
        let mut text = format!("{} in the last {span}: {}.", resets(report.events), parts.join(", "));
        if report.excluded > 0 {
            let _ = write!(text, " The filter left out {}.", resets(report.excluded));
        }
        let _ = write!(text, " From {}; exact counts are in /metrics.", report.source);
        self.write(Paragraph::at(0, &text));
    }

    /// `before`: the finding that has said already what its cause looks like and what to do.
    fn finding(&mut self, number: usize, advised: &Advised, before: Option<usize>) {
        let Advised { finding, sees, remedies } = advised;
        let heading = format!("{number}. {}", finding.title);
        self.out.push_str(&self.style.paint(Role::Heading, &heading));
        self.out.push('\n');
        let verdict = format!("{} ({}, {})", finding.cause, finding.severity, finding.confidence);
        self.write(Paragraph::labelled(INDENT, "cause", Role::Severity(finding.severity), HANG, &verdict));
        self.labelled("who", &who(&finding.who));
        self.labelled("how many", &self.how_many(finding));
        self.labelled("with", &with(finding));
        self.labelled("evidence", &self.example(finding));
        if let Some(before) = before {
            self.labelled("do", &format!("as in {before}."));
            return;
        }
        let (here, peer) = match finding.direction {
            Direction::Sent => (sees.sender, sees.receiver),
            Direction::Received => (sees.receiver, sees.sender),
        };
        self.labelled("here", &words(here));
        self.labelled("peer", &words(peer));
        for (index, remedy) in remedies.iter().take(REMEDIES).enumerate() {
            let text = format!("{}. {}", index + 1, remedy.action);
            if index == 0 {
                self.labelled("do", &text);
            } else {
                self.write(Paragraph::at(HANG, &text));
            }
        }
        self.write(Paragraph::at(HANG, &format!("More: `rstmon causes {}`", finding.cause)));
    }

    fn how_many(&self, finding: &Finding) -> String {
        if finding.count == 1 {
            return format!("1 reset, at {}", self.time(finding.last));
        }
        let (first, last) = (self.time(finding.first), self.time(finding.last));
        format!("{}, from {first} to {last}", resets(finding.count))
    }

    fn example(&self, finding: &Finding) -> String {
        let event = &finding.example;
        format!("{}: {} ({} -> {})", self.time(event.time), event.sentence, event.local, event.remote)
    }

    fn benign(&mut self, report: &Report) {
        if report.benign.is_empty() {
            return;
        }
        self.out.push('\n');
        self.write(Paragraph::at(0, "Nothing to do about these:"));
        for benign in &report.benign {
            let ports: Vec<String> = benign.ports.iter().map(ToString::to_string).collect();
            let at = if ports.is_empty() { String::new() } else { format!("; ports {}", ports.join(", ")) };
            let text = format!("{} {}: {}{at}", benign.count, benign.cause, benign.title);
            self.write(Paragraph::labelled(INDENT, "-", Role::Severity(Severity::Benign), INDENT + 2, &text));
        }
    }

    fn overflows(&mut self, report: &Report) {
        if report.listen_overflows.is_empty() {
            return;
        }
        let counts: Vec<String> =
            report.listen_overflows.iter().map(|(name, count)| format!("{name} grew by {count}")).collect();
        self.out.push('\n');
        let text = format!(
            "Accept queues were full ({}): clients wait or time out without a reset. \
             `rstmon_listen_drops_total` says at which port; see `rstmon causes listener_overflow`.",
            counts.join(", ")
        );
        self.write(Paragraph::at(0, &text));
    }

    fn hidden(&mut self, report: &Report) {
        if report.hidden.is_empty() {
            return;
        }
        self.out.push('\n');
        let text = format!("This host's kernel hides: {}. `rstmon doctor` says why.", report.hidden.join("; "));
        self.write(Paragraph::at(0, &text));
    }
}

fn resets(count: u64) -> String {
    if count == 1 { "1 reset".to_owned() } else { format!("{count} resets") }
}

fn who(who: &Who) -> String {
    let mut text = who.process.clone().unwrap_or_else(|| "an unknown process".to_owned());
    // Writing to a String does not fail; so below.
    if let Some(unit) = &who.unit {
        let _ = write!(text, ", unit {unit}");
    }
    if let Some(container) = &who.container {
        let _ = write!(text, ", container {}", container.chars().take(12).collect::<String>());
    }
    if let Some(port) = who.port {
        let _ = write!(text, ", port {port}");
    }
    text
}

fn with(finding: &Finding) -> String {
    let mut text = finding.remotes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = finding.distinct_remotes.saturating_sub(finding.remotes.len());
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    if !finding.local_peers.is_empty() {
        let _ = write!(text, "; on this host: {}", finding.local_peers.join(", "));
    }
    text
}

/// What an application sees: each form by name, the usual one in the words of five runtimes.
fn words(symptoms: &[Symptom]) -> String {
    const SPEAKERS: [&str; 5] = ["Java", "Go", "Python", "Node", "nginx"];
    let title = |symptom: &Symptom| {
        let form = symptom.form();
        let errno = form.errno.map(|errno| format!(" ({})", errno.name)).unwrap_or_default();
        format!("{}{errno}", form.title)
    };
    let Some((usual, others)) = symptoms.split_first() else { return "nothing".to_owned() };
    let spoken: Vec<String> = SPEAKERS
        .iter()
        .filter_map(|speaker| usual.form().words.iter().find(|words| words.speaker == *speaker))
        .map(|words| format!("{} \"{}\"", words.speaker, words.text))
        .collect();
    let mut text = title(usual);
    if !spoken.is_empty() {
        let _ = write!(text, ": {}", spoken.join(", "));
    }
    for other in others {
        let _ = write!(text, "; or {}", title(other));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::page;
    use crate::command::why::{findings::tests::event, report::tests::report};
    use serde_json::json;

    #[test]
    fn no_resets_is_said() {
        let text = page(&report(Vec::new(), &[]), false, 80);
        assert_eq!(
            text,
            "No resets in the last 10.0 min, says a test. Every RST that this host's kernel\nsends or accepts would be here.\n"
        );
        let events = vec![event(Some("java"), "peer_reset", "received", 1, &json!({}))];
        let text = page(&report(events, &["process=nginx"]), false, 80);
        assert!(text.contains("The filter left out 1 reset."), "{text}");
    }

    #[test]
    fn a_finding_says_who_how_many_why_and_what_to_do() {
        let events = (1..=3).map(|s| event(Some("java"), "closed_with_unread_data", "sent", s, &json!({}))).collect();
        let text = page(&report(events, &[]), false, 80);
        for part in [
            "3 resets in the last 10.0 min: 3 harmful.",
            "1. ",
            "closed_with_unread_data (harmful, certain)",
            "java, port 8080",
            "3 resets, from 2026-11-21",
            "10.0.0.2",
            "the evidence (10.0.0.1:8080 -> 10.0.0.2:4000)",
            "Connection reset",
            "   do       1. ",
            "rstmon causes closed_with_unread_data",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_ends_in_white_space() {
        let events = crate::explain::Cause::ALL
            .iter()
            .map(|cause| event(Some("java"), cause.id(), "sent", 1, &json!({})))
            .collect();
        let text = page(&report(events, &[]), false, 80);
        for line in text.lines() {
            let one_word = line.trim().split(' ').count() == 1;
            assert!(line.chars().count() <= 80 || one_word, "{line:?}");
            assert_eq!(line, line.trim_end());
        }
    }
}
