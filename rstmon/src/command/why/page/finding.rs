//! One finding: cause, owner, how many, the evidence of one case, what the applications see, what to do.

use super::{
    HANG, INDENT, WhyPage,
    text::{and, resets, safe},
};
use crate::{
    command::why::findings::ResetFinding,
    event::{Event, EventVerdict},
    explain::{
        catalogue::settings::Setting,
        present::{CauseView, ProcessName, RemedyView, SymptomView, UNKNOWN_PROCESS},
        render::{style::TextRole, wrap::Paragraph},
        sentence,
    },
    model::Direction,
};
use jiff::Timestamp;
use std::{fmt::Write as _, time::Duration};

/// Remedies that a finding shows; `rstmon causes` has all.
const REMEDIES: usize = 4;
/// Processes that it names at the other end.
const LOCAL_PEERS: usize = 3;
/// Columns for the name of a program before its words, after [`HANG`].
const PROGRAM: usize = 8;
/// Labels of this host's end and of the other.
const ENDS: [&str; 2] = ["here", "peer"];

/// The numbers of the earlier findings that show what holds for this one too.
pub(super) struct EarlierFindings {
    /// The finding with the remedies for the cause.
    pub(super) remedies: Option<usize>,
    /// The finding with the symptoms of the cause in this direction.
    pub(super) symptoms: Option<usize>,
}

impl WhyPage<'_> {
    pub(super) fn finding(&mut self, number: usize, finding: &ResetFinding, earlier: &EarlierFindings) {
        let view = CauseView::of_resets(finding.cause, finding.as_seen());
        let heading = format!("{number}. {}", view.title);
        self.out.push_str(&self.style.paint(TextRole::Heading, &heading));
        self.out.push('\n');
        let verdict = format!("{} ({})", view.cause, view.grade());
        self.write(Paragraph::labelled(INDENT, "cause", TextRole::Severity(view.severity), HANG, &verdict));
        self.labelled("who", &safe(&who(finding)));
        self.labelled("how many", &self.how_many(finding));
        self.labelled("with", &safe(&with(finding)));
        self.labelled("evidence", &safe(&finding.example.sentence));
        self.write(Paragraph::at(HANG, &safe(&self.circumstances(finding))));
        if self.explain {
            self.verdict(&finding.example);
        }
        if earlier.symptoms.is_none() {
            for (label, end) in ENDS.into_iter().zip(&view.ends) {
                self.symptoms(number, label, &end.symptoms);
            }
        }
        match earlier.remedies {
            Some(number) => self.labelled("do", &format!("as in {number}")),
            None => self.remedies(finding, &view.remedies),
        }
    }

    /// The rule that decided about the example, and the facts that it took.
    fn verdict(&mut self, event: &Event) {
        let Some(EventVerdict { rule, facts }) = &event.verdict else {
            return self.labelled("rule", "not recorded: the event is of version 0.1");
        };
        self.labelled("rule", &safe(rule));
        self.labelled("facts", &safe(&facts.join(", ")));
    }

    fn labelled(&mut self, label: &str, text: &str) {
        self.write(Paragraph::labelled(INDENT, label, TextRole::Label, HANG, text));
    }

    fn how_many(&self, finding: &ResetFinding) -> String {
        let ago = if self.ends_now { format!(" ({})", ago(self.until, finding.last)) } else { String::new() };
        if let Some(counted) = finding.counted.filter(|counted| *counted > finding.count) {
            let (first, last) = (self.time(finding.first), self.time(finding.last));
            let remembered = finding.count;
            return format!("{counted} counted, {remembered} remembered since {first}, the last at {last}{ago}");
        }
        if finding.count == 1 {
            return format!("1 reset, at {}{ago}", self.time(finding.last));
        }
        let (first, last) = (self.time(finding.first), self.time(finding.last));
        format!("{} since {first}, the last at {last}{ago}", resets(finding.count))
    }

    /// Which of the resets the evidence is of.
    fn circumstances(&self, finding: &ResetFinding) -> String {
        let event = &finding.example;
        let state = event.state.map(|state| format!(", state {state}")).unwrap_or_default();
        let (local, remote) = (event.local, event.remote);
        let arrow = match event.direction {
            Direction::Sent => "->",
            Direction::Received => "<-",
        };
        // A received RST carries no reason, nor does an older kernel give one.
        let reason = match event.reason.as_str() {
            "unsupported" => String::new(),
            reason => format!(", kernel reason {reason}"),
        };
        format!("({}, {local} {arrow} {remote}{reason}{state})", self.time(event.time))
    }

    /// What an application sees: each symptom by name, and the first time on a page in the words of programs.
    fn symptoms(&mut self, number: usize, label: &str, symptoms: &[SymptomView]) {
        for (index, symptom) in symptoms.iter().enumerate() {
            // Only the most usual symptom of an end is shown in words.
            if index > 0 {
                self.write(Paragraph::at(HANG, &format!("or {}", symptom.title)));
                continue;
            }
            if let Some(worded) = self.worded.get(&symptom.symptom).copied() {
                self.labelled(label, &format!("{}, as in {worded}", symptom.title));
                continue;
            }
            self.labelled(label, &symptom.title);
            if symptom.words.is_empty() {
                continue;
            }
            self.worded.insert(symptom.symptom, number);
            for words in symptom.common_words() {
                let at = HANG + 2;
                self.write(Paragraph::labelled(at, words.speaker, TextRole::Label, at + PROGRAM, words.text));
            }
        }
    }

    fn remedies(&mut self, finding: &ResetFinding, remedies: &[RemedyView]) {
        // Settings of the programs at both ends, where the other one is on this host.
        let peers = finding.local_peers.iter().filter_map(|peer| peer.rsplit_once('[')).map(|(process, _)| process);
        let processes: Vec<&str> = finding.owner.process.as_deref().into_iter().chain(peers).collect();
        for remedy @ RemedyView { number, .. } in remedies.iter().take(REMEDIES) {
            let action = &remedy.text();
            let numeral = format!("{number}.");
            if *number == 1 {
                let label = format!("{:<1$}{numeral}", "do", HANG - INDENT);
                self.write(Paragraph::labelled(INDENT, &label, TextRole::Label, HANG + 3, action));
            } else {
                self.write(Paragraph::labelled(HANG, &numeral, TextRole::Label, HANG + 3, action));
            }
            for Setting { product, how } in remedy.settings_for(&processes) {
                let label = format!("{product}:");
                self.write(Paragraph::labelled(HANG + 3, &label, TextRole::Label, HANG + 4 + label.len(), how));
            }
        }
        self.write(Paragraph::at(HANG, &format!("More: `rstmon causes {}`", finding.cause)));
    }
}

/// The owner with its unit, container and port.
pub(super) fn who(finding: &ResetFinding) -> String {
    let owner = &finding.owner;
    let mut text = match (&owner.process, finding.pids.len()) {
        (None, _) => UNKNOWN_PROCESS.to_owned(),
        (Some(process), 0 | 1) => ProcessName::new(process, finding.pids.first().copied()).to_string(),
        (Some(process), pids) => format!("{process} ({pids} processes)"),
    };
    // Writing to a String does not fail; so below.
    if let Some(unit) = &owner.unit {
        let _ = write!(text, ", unit {unit}");
    }
    if let Some(container) = &owner.container {
        let _ = write!(text, ", container {}", container.chars().take(12).collect::<String>());
    }
    if let Some(port) = owner.port {
        let _ = write!(text, ", port {port}");
    }
    text
}

/// The addresses of the other ends, and their processes on this host.
fn with(finding: &ResetFinding) -> String {
    let remotes: Vec<String> = finding.remotes.iter().map(ToString::to_string).collect();
    let mut text = and(&remotes, finding.distinct_remotes);
    if !finding.local_peers.is_empty() {
        let named = &finding.local_peers[..finding.local_peers.len().min(LOCAL_PEERS)];
        let _ = write!(text, "; received on this host by {}", and(named, finding.local_peers.len()));
    }
    text
}

/// How long `time` is before the end of the span.
fn ago(until: Timestamp, time: Timestamp) -> String {
    let ago = Duration::try_from(until.duration_since(time)).unwrap_or_default();
    if ago < Duration::from_secs(1) { "just now".to_owned() } else { format!("{} ago", sentence::duration(ago)) }
}
