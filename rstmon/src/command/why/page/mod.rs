//! The diagnosis as a page for a person: a summary, the findings, the noise, and what is not known.
//!
//! Names and sentences hold text that processes chose: all of it goes through [`text::safe`].

mod finding;
mod text;

use super::{
    findings::ResetFinding,
    noise::NoiseSummary,
    report::{AdvisedFinding, CountedResets, WhyReport},
};
use crate::{
    event::span::TimeSpan,
    explain::{
        Severity,
        catalogue::symptom::Symptom,
        render::{
            style::{AnsiStyle, TextRole},
            wrap::Paragraph,
        },
        sentence,
    },
    query::{Origin, time::AskedSpan},
};
use finding::EarlierFindings;
use jiff::{Timestamp, tz::TimeZone};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};
use text::{and, is_are, resets, safe};

/// Columns before a finding's lines.
const INDENT: usize = 3;
/// Columns before the text of these lines.
const HANG: usize = 12;
/// Findings that are shown in full; the others get a line each.
const FULL: usize = 10;
/// Lines of a list before it ends in a count.
const LINES: usize = 20;

struct WhyPage<'a> {
    out: String,
    width: usize,
    style: AnsiStyle,
    zone: &'a TimeZone,
    /// The end of the span. Times of the same day are shown without a date.
    until: Timestamp,
    /// Whether that is the present.
    ends_now: bool,
    /// Number of the finding that has shown what programs log for a symptom.
    worded: BTreeMap<Symptom, usize>,
    explain: bool,
}

/// How a report is laid out.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageLayout<'a> {
    /// Zone of the times.
    pub(super) zone: &'a TimeZone,
    pub(super) colour: bool,
    /// Columns of the page.
    pub(super) width: usize,
    /// Whether each finding has the rule that decided about its example, and the facts that it took.
    pub(super) explain: bool,
}

/// The report as text.
pub(super) fn page(report: &WhyReport, layout: PageLayout<'_>) -> String {
    let PageLayout { zone, colour, width, explain } = layout;
    let style = AnsiStyle { colour };
    let (out, until, worded) = (String::new(), report.until, BTreeMap::new());
    let mut page = WhyPage { out, width, style, zone, until, ends_now: report.ends_now, worded, explain };
    page.summary(report);
    for (index, advised) in report.findings.iter().take(FULL).enumerate() {
        page.out.push('\n');
        let earlier = |same: &dyn Fn(&ResetFinding) -> bool| {
            report.findings[..index].iter().position(|earlier| same(&earlier.finding)).map(|position| position + 1)
        };
        let same = |finding: &ResetFinding| (finding.cause, finding.role);
        let shown = |finding: &ResetFinding| (finding.cause, finding.direction, finding.as_seen().condition);
        let earlier = EarlierFindings {
            remedies: earlier(&|finding| same(finding) == same(&advised.finding)),
            symptoms: earlier(&|finding| shown(finding) == shown(&advised.finding)),
        };
        page.finding(index + 1, &advised.finding, &earlier);
    }
    page.others(report.findings.get(FULL..).unwrap_or_default());
    page.benign(&report.benign);
    page.queues(report);
    page.unknown(report);
    page.out
}

impl WhyPage<'_> {
    fn write(&mut self, paragraph: Paragraph<'_>) {
        paragraph.write(&mut self.out, self.width, self.style);
    }

    /// An empty line, then a paragraph.
    fn section(&mut self, text: &str) {
        self.out.push('\n');
        self.write(Paragraph::at(0, text));
    }

    fn item(&mut self, role: TextRole, text: &str) {
        self.write(Paragraph::labelled(INDENT, "-", role, INDENT + 2, text));
    }

    /// A time of day, with the date where that is not the report's.
    fn time(&self, time: Timestamp) -> String {
        let (local, until) = (time.to_zoned(self.zone.clone()), self.until.to_zoned(self.zone.clone()));
        let form = if local.date() == until.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
        local.strftime(form).to_string()
    }

    fn summary(&mut self, report: &WhyReport) {
        let covered = self.covered(report);
        let severities: Vec<String> =
            report.severities.iter().rev().map(|(severity, count)| format!("{count} {severity}")).collect();
        let severities = severities.join(", ");
        let counted = report.counted.map_or(0, CountedResets::sum).max(report.remembered);
        let mut text = match (report.counted, report.events) {
            (_, 0) if counted == 0 => format!("No resets {covered}."),
            (None, events) => format!("{} {covered}: {severities}.", resets(events)),
            (Some(_), 0) => format!("{} counted {covered}; none of them is remembered.", resets(counted)),
            (Some(_), _) if counted == report.remembered => {
                format!("{} counted {covered}, all remembered and explained: {severities}.", resets(counted))
            }
            (Some(_), events) => {
                format!(
                    "{} counted {covered}, {events} of them remembered and explained: {severities}.",
                    resets(counted)
                )
            }
        };
        if report.counted.is_some() && report.remembered > report.events {
            text.push_str(" A reset between two processes of this host counts at both ends, and is explained once.");
        }
        if report.excluded > 0 {
            let _ = write!(text, " The filter left out {}.", resets(report.excluded));
        }
        let role = report.severities.keys().next_back().map_or(TextRole::Heading, |worst| TextRole::Severity(*worst));
        // The first word, the count, has the colour of the highest severity.
        let (first, rest) = text.split_once(' ').unwrap_or((&text, ""));
        self.write(Paragraph::labelled(0, first, role, first.len() + 1, rest));
        let zone = report.until.to_zoned(self.zone.clone());
        let at = zone.strftime("%Y-%m-%d, UTC%:z").to_string();
        let text = format!(
            "From {} to {} ({at}); seen by {}.",
            self.time(report.since),
            self.time(report.until),
            report.origin
        );
        self.write(Paragraph::at(0, &safe(&text)));
        if report.events == 0 && counted == 0 && report.excluded == 0 && !report.memory_full {
            self.nothing(report);
        }
    }

    /// The span that the report covers, to follow a number of resets.
    fn covered(&self, report: &WhyReport) -> String {
        // The daemon's counts begin a few seconds before what was asked for.
        let counted = report.counted.map_or(report.since, |counted| counted.since);
        let since = if matches!(report.origin, Origin::Daemon(_)) { report.since.min(counted) } else { report.since };
        let span = Duration::try_from(report.until.duration_since(since)).unwrap_or_default();
        let span = sentence::duration(span);
        let begin = self.time(since);
        match report.origin {
            Origin::Daemon(_) if begins_with_daemon(report) => {
                format!("since {begin}, when the daemon started")
            }
            Origin::Daemon(_) if report.ends_now => format!("in the last {span}, since {begin}"),
            Origin::Local => format!("in {span} of watching, since {begin}"),
            Origin::Recording(_) if report.covered.is_none_or(|it| it.is(report.since, report.until)) => {
                format!("in the {span} of the recording")
            }
            Origin::Daemon(_) | Origin::Recording(_) => format!("in {span}"),
        }
    }

    /// What an empty report means.
    fn nothing(&mut self, report: &WhyReport) {
        let since = match (&report.origin, report.covered) {
            // What is not kept is said below.
            (Origin::Daemon(_), Some(covered)) if covered.since > report.until => return,
            (Origin::Daemon(_), Some(covered)) if covered.since <= report.since && !begins_with_daemon(report) => {
                "in this time"
            }
            (Origin::Daemon(_), _) => "since the daemon started",
            (Origin::Local, _) => "meanwhile",
            // What it covers depends on the filter of the command that recorded it.
            (Origin::Recording(_), _) => return,
        };
        let but = if report.hidden.is_empty() { "" } else { ", but for what is hidden (see below)" };
        self.section(&format!(
            "Every RST that this host's kernel sent or accepted {since} would be here, in any network namespace{but}. \
             A connection that ends in a timeout, or that a full accept queue keeps waiting, ends without a RST."
        ));
    }

    fn others(&mut self, others: &[AdvisedFinding]) {
        if others.is_empty() {
            return;
        }
        let verb = if others.len() == 1 { "finding" } else { "findings" };
        self.section(&format!(
            "{} more {verb}; a filter such as process=NAME or cause=ID shows them in full:",
            others.len()
        ));
        for AdvisedFinding { finding, .. } in others.iter().take(LINES) {
            let text = format!("{} {}: {}", finding.number(), finding.cause, finding::who(finding));
            self.item(TextRole::Severity(finding.severity), &safe(&text));
        }
        if others.len() > LINES {
            self.item(TextRole::Plain, &format!("and {} more", others.len() - LINES));
        }
    }

    fn benign(&mut self, benign: &[NoiseSummary]) {
        if benign.is_empty() {
            return;
        }
        self.section("Nothing to do about these:");
        for NoiseSummary { cause, title, noise, count, ports, distinct_ports, distinct_remotes } in benign {
            let mut text = format!("{count} {cause}: {title} ({})", noise.phrase());
            if let [port] = ports.as_slice() {
                let _ = write!(text, "; port {port}");
            } else if !ports.is_empty() {
                let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
                let _ = write!(text, "; ports {}", and(&ports, *distinct_ports));
            }
            let addresses = if *distinct_remotes == 1 { "address" } else { "addresses" };
            let _ = write!(text, "; from {distinct_remotes} {addresses}");
            self.item(TextRole::Severity(Severity::Benign), &text);
        }
    }

    /// Full accept queues. The kernel sends no RST for them by default, so they are in no finding.
    fn queues(&mut self, report: &WhyReport) {
        if !report.listen_overflows.is_empty() {
            let counts: Vec<String> =
                report.listen_overflows.iter().map(|(name, count)| format!("{name} grew by {count}")).collect();
            self.section(&format!(
                "Accept queues were full while watching ({}): clients wait or time out, mostly without a RST.",
                counts.join(", ")
            ));
        }
        if report.listeners.is_empty() {
            return;
        }
        let elsewhere = match report.namespaces_without_listeners {
            0 => String::new(),
            1 => "; those of the other network namespace are not looked at".to_owned(),
            others => format!("; those of {others} other network namespaces are not looked at"),
        };
        self.section(&format!(
            "Listeners here that dropped segments, mostly because their accept queue was full (counted since they began \
             to listen; no RST unless tcp_abort_on_overflow is 1; see `rstmon causes listener_overflow`{elsewhere}):"
        ));
        for full in report.listeners.iter().take(LINES) {
            let text = format!(
                "port {}: {} dropped, {} waiting now, limit {}",
                full.port, full.drops, full.backlog, full.limit
            );
            self.item(TextRole::Severity(Severity::Notice), &text);
        }
    }

    /// What is missing in this report: lost, forgotten and hidden resets.
    fn unknown(&mut self, report: &WhyReport) {
        let mut texts = Vec::new();
        if let Some(lost) = report.lost.filter(|lost| *lost > 0) {
            let (events, are) = if lost == 1 { ("event", "is") } else { ("events", "are") };
            texts.push(match report.counted {
                Some(_) => format!("{lost} {events} came too fast and {are} not remembered; their resets are counted."),
                None => format!("{lost} {events} came too fast and {are} missing: the counts here are too low."),
            });
        }
        let span = TimeSpan { since: report.since, until: report.until };
        let asked = AskedSpan { since: Some(report.since), until: Some(report.until) };
        texts.extend(report.covered.iter().flat_map(|covered| covered.gaps(asked, |time| self.time(time))));
        if report.memory_full && !report.covered.is_some_and(|covered| covered.has_forgotten_of(span)) {
            let oldest = report.oldest.map(|oldest| format!(" Its oldest event is of {}.", self.time(oldest)));
            texts.push(match oldest {
                Some(oldest) => format!("The memory of events is full, older ones are forgotten.{oldest}"),
                None => {
                    "No events are remembered (history.events is 0): `rstmon tail` or --for shows new ones.".to_owned()
                }
            });
        }
        if let Some(CountedResets { since, .. }) = report.counted
            && since > report.since
        {
            texts.push(format!("The counts go back to {} only.", self.time(since)));
        }
        if !all_are_counted(report) {
            texts.push("Where a number is not said to be counted, it is of remembered events.".to_owned());
        }
        if report.namespaces_without_listeners > 0 && report.listeners.is_empty() {
            let others = report.namespaces_without_listeners;
            let namespaces = if others == 1 { "namespace" } else { "namespaces" };
            texts.push(format!("Listeners of {others} other network {namespaces} are not looked at."));
        }
        if !report.hidden.is_empty() {
            texts.push(format!(
                "On this host {} hidden: {}. `rstmon doctor` says why.",
                is_are(report.hidden.len()),
                report.hidden.join("; ")
            ));
        }
        if !texts.is_empty() {
            self.section(&texts.join(" "));
        }
    }
}

/// Whether the span begins with the start of the daemon.
fn begins_with_daemon(report: &WhyReport) -> bool {
    report.started == Some(report.since)
}

/// Whether each finding's number is exact, or all resets are remembered.
fn all_are_counted(report: &WhyReport) -> bool {
    let all_remembered = report.counted.is_some_and(|counted| counted.sum() <= report.remembered);
    all_remembered || report.findings.iter().all(|advised| advised.finding.counted.is_some())
}

#[cfg(test)]
mod tests;
