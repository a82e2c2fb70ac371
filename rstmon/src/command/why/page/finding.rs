//! One finding: cause, who, how many, the evidence of one case, what the applications see, what to do.

use super::{
    HANG, INDENT, Page,
    text::{and, resets, safe},
};
use crate::{
    command::why::{findings::Finding, report::Advised},
    explain::{
        catalogue::{Remedy, settings::Setting, symptom::Symptom},
        render::{style::Role, wrap::Paragraph},
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
/// Whose words it shows.
const SPEAKERS: [&str; 5] = ["Java", "Go", "Python", "Node", "nginx"];
/// Columns for a speaker, after [`HANG`].
const SPEAKER: usize = 8;

/// The findings, by number, that have said already what holds for this one too.
pub(super) struct Told {
    /// What to do about its cause.
    pub(super) remedies: Option<usize>,
    /// What the applications see.
    pub(super) sees: Option<usize>,
}

impl Page<'_> {
    pub(super) fn finding(&mut self, number: usize, advised: &Advised, told: &Told) {
        let Advised { finding, sees, remedies } = advised;
        let heading = format!("{number}. {}", finding.title);
        self.out.push_str(&self.style.paint(Role::Heading, &heading));
        self.out.push('\n');
        let verdict = format!("{} ({}, {})", finding.cause, finding.severity, finding.confidence);
        self.write(Paragraph::labelled(INDENT, "cause", Role::Severity(finding.severity), HANG, &verdict));
        self.labelled("who", &safe(&who(finding)));
        self.labelled("how many", &self.how_many(finding));
        self.labelled("with", &safe(&with(finding)));
        self.labelled("evidence", &safe(&finding.example.sentence));
        self.write(Paragraph::at(HANG, &safe(&self.circumstances(finding))));
        if told.sees.is_none() {
            let (here, peer) = match finding.direction {
                Direction::Sent => (sees.sender, sees.receiver),
                Direction::Received => (sees.receiver, sees.sender),
            };
            self.sees(number, "here", here);
            self.sees(number, "peer", peer);
        }
        match told.remedies {
            Some(number) => self.labelled("do", &format!("as in {number}")),
            None => self.remedies(finding, remedies),
        }
    }

    fn labelled(&mut self, label: &str, text: &str) {
        self.write(Paragraph::labelled(INDENT, label, Role::Label, HANG, text));
    }

    fn how_many(&self, finding: &Finding) -> String {
        let ago = ago(self.until, finding.last);
        if finding.count == 1 {
            return format!("1 reset, at {} ({ago})", self.time(finding.last));
        }
        let (first, last) = (self.time(finding.first), self.time(finding.last));
        format!("{} since {first}, the last at {last} ({ago})", resets(finding.count))
    }

    /// Which of the resets the evidence is of.
    fn circumstances(&self, finding: &Finding) -> String {
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

    /// What an application sees: each form by name, and once a page in the words of runtimes.
    fn sees(&mut self, number: usize, label: &str, symptoms: &[Symptom]) {
        for (index, symptom) in symptoms.iter().enumerate() {
            let form = symptom.form();
            let errno = form.errno.map(|errno| format!(" ({})", errno.name)).unwrap_or_default();
            let mut title = format!("{}{errno}", form.title);
            // The most usual form is told in words; the others are told where they are the most usual.
            let worded = self.worded.get(symptom).copied();
            if index == 0
                && let Some(worded) = worded
            {
                let _ = write!(title, ", as in {worded}");
            }
            if index == 0 {
                self.labelled(label, &title);
            } else {
                self.write(Paragraph::at(HANG, &format!("or {title}")));
            }
            if index > 0 || worded.is_some() || form.words.is_empty() {
                continue;
            }
            self.worded.insert(*symptom, number);
            for words in SPEAKERS.iter().filter_map(|speaker| form.words.iter().find(|words| words.speaker == *speaker))
            {
                let at = HANG + 2;
                self.write(Paragraph::labelled(at, words.speaker, Role::Label, at + SPEAKER, words.text));
            }
        }
    }

    fn remedies(&mut self, finding: &Finding, remedies: &[Remedy]) {
        let products = products(finding.who.process.as_deref());
        for (index, remedy) in remedies.iter().take(REMEDIES).enumerate() {
            let number = format!("{}.", index + 1);
            if index == 0 {
                let label = format!("{:<1$}{number}", "do", HANG - INDENT);
                self.write(Paragraph::labelled(INDENT, &label, Role::Label, HANG + 3, remedy.action));
            } else {
                self.write(Paragraph::labelled(HANG, &number, Role::Label, HANG + 3, remedy.action));
            }
            let settings = remedy.settings.map_or(&[][..], |group| group.settings);
            for Setting { product, how } in settings.iter().filter(|setting| products.contains(&setting.product)) {
                let label = format!("{product}:");
                self.write(Paragraph::labelled(HANG + 3, &label, Role::Label, HANG + 4 + label.len(), how));
            }
        }
        self.write(Paragraph::at(HANG, &format!("More: `rstmon causes {}`", finding.cause)));
    }
}

/// Whose story it is, and where.
pub(super) fn who(finding: &Finding) -> String {
    let who = &finding.who;
    let mut text = match (&who.process, finding.pids.len()) {
        (None, _) => "an unknown process".to_owned(),
        (Some(process), 0) => process.clone(),
        (Some(process), 1) => format!("{process}[{}]", finding.pids.first().copied().unwrap_or_default()),
        (Some(process), pids) => format!("{process} ({pids} processes)"),
    };
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

/// The other ends.
fn with(finding: &Finding) -> String {
    let remotes: Vec<String> = finding.remotes.iter().map(ToString::to_string).collect();
    let mut text = and(&remotes, finding.distinct_remotes);
    if !finding.local_peers.is_empty() {
        let named = &finding.local_peers[..finding.local_peers.len().min(LOCAL_PEERS)];
        let _ = write!(text, "; received on this host by {}", and(named, finding.local_peers.len()));
    }
    text
}

/// How long before the end of the span.
fn ago(until: Timestamp, time: Timestamp) -> String {
    let ago = Duration::try_from(until.duration_since(time)).unwrap_or_default();
    if ago < Duration::from_secs(1) { "just now".to_owned() } else { format!("{} ago", sentence::duration(ago)) }
}

/// Products of the catalogue's settings that a process is likely to be or to run.
fn products(process: Option<&str>) -> &'static [&'static str] {
    match process.unwrap_or_default() {
        "nginx" => &["nginx", "nginx as a proxy"],
        "java" => &["Tomcat", "Java", "Java HttpClient"],
        "node" => &["Node"],
        "haproxy" => &["HAProxy"],
        "gunicorn" => &["gunicorn", "gunicorn, uvicorn"],
        "uvicorn" => &["uvicorn", "gunicorn, uvicorn"],
        "apache2" | "httpd" => &["Apache httpd"],
        "mysqld" | "mariadbd" => &["MySQL"],
        "postgres" => &["PostgreSQL"],
        "envoy" => &["Envoy, Istio"],
        "redis-server" => &["Redis"],
        "php-fpm" => &["PHP-FPM"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::products;
    use crate::explain::catalogue::settings::GROUPS;

    #[test]
    fn every_product_is_in_the_catalogue() {
        let known = |product: &str| GROUPS.iter().flat_map(|group| group.settings).any(|set| set.product == product);
        for process in
            ["nginx", "java", "node", "haproxy", "gunicorn", "uvicorn", "httpd", "mysqld", "postgres", "envoy"]
        {
            let products = products(Some(process));
            assert!(!products.is_empty(), "{process}");
            for product in products {
                assert!(known(product), "{process}: {product} has no setting");
            }
        }
        assert!(products(None).is_empty());
    }
}
