//! docs/causes.md, derived from the catalogue.

use crate::explain::{
    catalogue::{
        self, CauseEntry,
        explanations::USUAL_EXPLANATIONS,
        settings::{GROUPS, SettingGroup},
        symptom::Symptom,
    },
    cause::Cause,
    present::{CauseView, EndView, SymptomView},
};
use std::fmt::Write as _;

const HEAD: &str = "\
<!-- Generated from rstmon/src/explain/catalogue. Edit there, then run
     UPDATE_DOCS=1 cargo test -p rstmon docs_causes_md_is_up_to_date -->

# Why connections are reset

rstmon gives each reset one of the causes below: the `cause` label of the metrics, the `cause=` filter of the commands, \
and the headings of `rstmon why`. `rstmon causes ID` shows one section of this page in the terminal.

The ids never change. A verdict comes with a confidence (certain, likely, guess) and the evidence behind it.
";

/// The whole of docs/causes.md.
#[must_use]
pub(crate) fn markdown() -> String {
    let mut out = String::from(HEAD);
    index_by_log(&mut out);
    index_by_explanation(&mut out);
    index_by_id(&mut out);
    for &cause in Cause::ALL {
        section(&mut out, &CauseView::of_catalogue(cause));
    }
    words(&mut out);
    settings(&mut out);
    out
}

/// Appends formatted text. Writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {
        let _ = write!($out, $($format)*);
    };
}

fn index_by_log(out: &mut String) {
    put!(out, "\n## You see this in your log\n\n");
    put!(
        out,
        "Look first at rstmon on the host that logged the error. If its verdict is that the peer did it, rstmon on the \
         peer's host knows why.\n\n\
         | In the log | rstmon on this host may say | rstmon on the other host may say |\n| --- | --- | --- |\n"
    );
    for SymptomView { symptom, title, words, .. } in SymptomView::all().filter(|view| !view.words.is_empty()) {
        let mut texts: Vec<&str> = Vec::new();
        for words in words {
            if !texts.contains(&words.text) {
                texts.push(words.text);
            }
        }
        let texts = texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join("<br>");
        let (here, there) = causes_showing(symptom);
        put!(out, "| **[{title}](#{})**<br>{texts} | {} | {} |\n", slug(&title), links(&here), links(&there));
    }
    put!(
        out,
        "\nA reset meets a program in one of two everyday forms: while it reads (`Connection reset`) or while it writes \
         (`Connection reset by peer`, then `Broken pipe`). That depends mostly on what the program was about to do, so the \
         words narrow the causes down but do not decide between them.\n"
    );
}

/// The causes that rstmon may report on the host whose application sees `symptom`, and on the other host.
fn causes_showing(symptom: Symptom) -> (Vec<Cause>, Vec<Cause>) {
    let causes = |holds: fn(&CauseEntry, Symptom) -> bool| {
        // It would stand in every row and explain nothing.
        let explained = catalogue::entries().filter(|entry| entry.cause != Cause::Unexplained);
        explained.filter(|entry| holds(entry, symptom)).map(|entry| entry.cause).collect()
    };
    let here = causes(|CauseEntry { directions, sees, .. }, symptom| {
        directions.received() && sees.may_show_at_receiver(symptom)
            || directions.sent() && sees.sender.contains(&symptom)
    });
    let there = causes(|CauseEntry { directions, sees, .. }, symptom| {
        directions.sent() && sees.may_show_at_receiver(symptom)
            || directions.received() && sees.sender.contains(&symptom)
    });
    (here, there)
}

fn index_by_explanation(out: &mut String) {
    put!(out, "\n## The five usual explanations\n\n| The explanation | rstmon says, if it is true |\n| --- | --- |\n");
    for usual in &USUAL_EXPLANATIONS {
        put!(out, "| {} | {} |\n", usual.explanation, links(usual.causes));
    }
    put!(
        out,
        "\nThree remedies are offered for all of them: retry, long connections with a heartbeat and aligned timeouts, \
         short connections. None fits every cause. Each section below weighs them, and the rule for the first is always \
         the same: retry only what is idempotent, because a reset does not show whether the request was carried out.\n"
    );
}

fn index_by_id(out: &mut String) {
    put!(out, "\n## All causes\n\n| Cause | Reset | Severity | |\n| --- | --- | --- | --- |\n");
    for CauseEntry { cause, directions, severity, title, .. } in catalogue::entries() {
        put!(out, "| [`{cause}`](#{cause}) | {} | {severity} | {title} |\n", directions.word());
    }
    put!(
        out,
        "\n\"Sent\" is a reset that this host sent, \"received\" one that it received. The severity is the usual one, \
         and the facts of a reset can make it another: *benign* needs no action, *notice* is worth a look when it grows, *harmful* means that wanted work was lost.\n"
    );
}

fn section(out: &mut String, view: &CauseView) {
    let CauseView {
        cause,
        title,
        severity: _,
        confidence: _,
        directions,
        meaning,
        ends,
        note,
        how_known,
        remedies,
        classic,
        see_also,
    } = view;
    put!(
        out,
        "\n## {cause}\n\n**{title}.** Severity: {}. A reset {}.\n\n{meaning}\n",
        view.grade(),
        directions.phrase()
    );

    put!(out, "\n### What the applications see\n\n");
    for EndView { heading, symptoms, cases } in ends {
        put!(out, "- {heading}: {}", symptom_links(symptoms));
        for (condition, symptoms) in cases {
            put!(out, "; {condition}: {}", symptom_links(symptoms));
        }
        out.push_str(".\n");
    }
    if let Some(note) = note {
        put!(out, "\n{note}\n");
    }

    put!(out, "\n### How it is known\n\n{}\n\n", how_known.evidence);
    for level in how_known.levels {
        put!(out, "- **{}** when {}.\n", level.confidence, level.when);
    }
    if let Some(older) = how_known.older_kernels {
        put!(out, "\n{older}\n");
    }

    put!(out, "\n### What to do\n\n");
    for remedy in remedies {
        put!(out, "{}. {}", remedy.number, remedy.text());
        if let Some(SettingGroup { title, .. }) = remedy.group {
            put!(out, " Settings: [{}](#{}).", title, slug(title));
        }
        out.push('\n');
    }
    if !classic.is_empty() {
        put!(out, "\nThe three classic remedies, weighed:\n\n");
        for (remedy, verdict) in classic {
            put!(out, "- **{remedy}.** {verdict}\n");
        }
    }
    put!(out, "\nSee also: {}.\n", links(see_also));
}

fn symptom_links(symptoms: &[SymptomView]) -> String {
    let links = symptoms.iter().map(|symptom| format!("[{}](#{})", symptom.title, slug(&symptom.title)));
    links.collect::<Vec<_>>().join("; or ")
}

fn words(out: &mut String) {
    put!(out, "\n## The words of each program\n");
    for SymptomView { title, meaning, words, .. } in SymptomView::all() {
        put!(out, "\n### {title}\n\n{meaning}\n");
        if words.is_empty() {
            continue;
        }
        put!(out, "\n| Program | Words |\n| --- | --- |\n");
        for words in words {
            put!(out, "| {} | `{}` |\n", words.speaker, words.text);
        }
    }
}

fn settings(out: &mut String) {
    put!(out, "\n## Settings by product\n");
    for group in GROUPS {
        put!(out, "\n### {}\n\n| Product | Setting |\n| --- | --- |\n", group.title);
        for setting in group.settings {
            put!(out, "| {} | {} |\n", setting.product, setting.how);
        }
    }
}

fn links(causes: &[Cause]) -> String {
    if causes.is_empty() {
        return "nothing: no reset has this effect there".to_owned();
    }
    causes.iter().map(|cause| format!("[`{cause}`](#{cause})")).collect::<Vec<_>>().join(", ")
}

/// The anchor that Markdown renderers make of a heading: lower case, spaces as hyphens, no punctuation.
fn slug(heading: &str) -> String {
    heading
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || [' ', '-', '_'].contains(character))
        .map(|character| if character == ' ' { '-' } else { character.to_ascii_lowercase() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, env, fs, path::Path};

    #[test]
    fn docs_causes_md_is_up_to_date() -> std::io::Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/causes.md");
        let expected = markdown();
        if env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
            return fs::write(path, expected);
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        let line = found.lines().zip(expected.lines()).take_while(|(left, right)| left == right).count() + 1;
        assert!(
            found == expected,
            "docs/causes.md differs from the catalogue at line {line}; regenerate it with\n    \
             UPDATE_DOCS=1 cargo test -p rstmon docs_causes_md_is_up_to_date"
        );
        Ok(())
    }

    #[test]
    fn every_cause_has_its_section_and_no_line_trails() {
        let text = markdown();
        for cause in Cause::ALL {
            assert!(text.contains(&format!("\n## {cause}\n")), "{cause} has no section");
        }
        assert!(text.lines().all(|line| line == line.trim_end()));
        assert!(text.ends_with('\n') && !text.contains("\n\n\n"));
    }

    #[test]
    fn every_link_has_exactly_one_target() {
        let text = markdown();
        let headings: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| slug(line.trim_start_matches('#').trim_start()))
            .collect();
        let targets: BTreeSet<&str> =
            text.split("](#").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect();
        assert!(targets.len() > Cause::ALL.len(), "only {} targets", targets.len());
        for target in targets {
            let count = headings.iter().filter(|heading| *heading == target).count();
            assert_eq!(count, 1, "#{target} has {count} headings");
        }
    }

    #[test]
    fn the_index_lists_causes_by_the_end_that_rstmon_runs_on() {
        let (here, there) = causes_showing(Symptom::TimedOut);
        assert_eq!((here.as_slice(), there.as_slice()), ([Cause::IdleTimeout].as_slice(), [].as_slice()));
        let (here, there) = causes_showing(Symptom::Refused);
        let refusing = [Cause::Refused, Cause::PortReuse];
        assert_eq!((here.as_slice(), there.as_slice()), ([Cause::Refused].as_slice(), refusing.as_slice()));
        let (here, there) = causes_showing(Symptom::BrokenPipe);
        assert!(here.contains(&Cause::WroteToClosedPeer) && there.contains(&Cause::WriteAfterClose));
    }

    #[test]
    fn the_words_that_people_search_for_are_in_the_index() {
        let text = markdown();
        let index = text.split("\n## ").find(|part| part.starts_with("You see this")).expect("the index");
        for words in [
            "java.net.SocketException: Connection reset",
            "java.io.IOException: Connection reset by peer",
            "Broken pipe",
            "Connection refused",
            "read: connection reset by peer",
            "write: broken pipe",
            "[Errno 104]",
            "[Errno 32]",
            "read ECONNRESET",
            "write EPIPE",
            "socket hang up",
            "recv() failed (104",
            "writev() failed (32",
            "upstream prematurely closed connection",
            "connect() failed (111",
        ] {
            assert!(index.contains(words), "{words}");
        }
    }

    #[test]
    fn anchors_are_made_as_renderers_make_them() {
        assert_eq!(slug("Connection reset, while reading (ECONNRESET)"), "connection-reset-while-reading-econnreset");
        assert_eq!(slug("peer_reset_idle"), "peer_reset_idle");
    }
}
