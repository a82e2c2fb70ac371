//! The catalogue for a terminal: `rstmon causes` and `rstmon causes ID`.

use super::{
    MIN_WIDTH,
    style::{AnsiStyle, TextRole},
    wrap::{Paragraph, text_column},
};
use crate::explain::{
    catalogue::{self, CauseEntry, HowKnown, settings::Setting, symptom::Words},
    cause::Cause,
    present::{CauseView, EndView, RemedyView, SymptomView},
};

/// Columns before the text below a heading.
const BODY: usize = 2;
/// Spaces between two columns.
const GAP: usize = 2;

/// A table of all causes with direction, severity and title.
#[must_use]
pub(crate) fn list(colour: bool, width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let style = AnsiStyle { colour };
    let columns = ListColumns::of_the_catalogue();
    let mut out = String::new();

    let header = columns.row("CAUSE", "RESET", "SEVERITY");
    Paragraph::labelled(0, &header, TextRole::Heading, columns.title_at(), "TITLE").write(&mut out, width, style);
    for entry in catalogue::entries() {
        let CauseEntry { cause, directions, severity, title, .. } = entry;
        let row = columns.row(cause.id(), directions.word(), severity.word());
        let role = TextRole::Severity(*severity);
        Paragraph::labelled(0, &row, role, columns.title_at(), title).write(&mut out, width, style);
    }
    out
}

/// Widths of the columns before the title.
struct ListColumns {
    cause: usize,
    directions: usize,
    severity: usize,
}

impl ListColumns {
    fn of_the_catalogue() -> Self {
        let widest = |cells: fn(&CauseEntry) -> &'static str, header: &str| {
            catalogue::entries().map(|entry| cells(entry).len()).max().unwrap_or_default().max(header.len())
        };
        Self {
            cause: widest(|entry| entry.cause.id(), "CAUSE"),
            directions: widest(|entry| entry.directions.word(), "RESET"),
            severity: widest(|entry| entry.severity.word(), "SEVERITY"),
        }
    }

    const fn title_at(&self) -> usize {
        self.cause + self.directions + self.severity + 3 * GAP
    }

    fn row(&self, cause: &str, directions: &str, severity: &str) -> String {
        let Self { cause: cause_width, directions: directions_width, .. } = self;
        let gap = " ".repeat(GAP);
        format!("{cause:<cause_width$}{gap}{directions:<directions_width$}{gap}{severity}")
    }
}

/// Everything about one cause.
#[must_use]
pub(crate) fn page(cause: Cause, colour: bool, width: usize) -> String {
    page_of(&CauseView::of_catalogue(cause), colour, width)
}

fn page_of(view: &CauseView, colour: bool, width: usize) -> String {
    let mut page = CausePage { out: String::new(), width: width.max(MIN_WIDTH), style: AnsiStyle { colour } };
    page.title(view);
    page.heading("What happened");
    page.text(view.meaning);
    page.sees(view);
    page.how_known(view.how_known);
    page.remedies(&view.remedies);
    page.classic(&view.classic);
    page.see_also(view.see_also);
    page.out
}

/// The text written so far, and how to write more.
struct CausePage {
    out: String,
    width: usize,
    style: AnsiStyle,
}

impl CausePage {
    fn write(&mut self, paragraph: Paragraph<'_>) {
        paragraph.write(&mut self.out, self.width, self.style);
    }

    fn heading(&mut self, heading: &str) {
        self.out.push('\n');
        self.out.push_str(&self.style.paint(TextRole::Heading, heading));
        self.out.push('\n');
    }

    fn text(&mut self, text: &str) {
        self.write(Paragraph::at(BODY, text));
    }

    fn title(&mut self, view: &CauseView) {
        let label = format!("{}:", view.cause);
        self.write(Paragraph::labelled(0, &label, TextRole::Heading, label.len() + 1, view.title));
        let label = format!("{};", view.grade());
        let reset = format!("a reset {}", view.directions.phrase());
        self.write(Paragraph::labelled(0, &label, TextRole::Severity(view.severity), label.len() + 1, &reset));
    }

    fn sees(&mut self, view: &CauseView) {
        self.heading("What the applications see");
        for EndView { heading, symptoms, cases } in &view.ends {
            self.text(heading);
            for symptom in symptoms {
                self.symptom(symptom);
            }
            for (condition, symptoms) in cases {
                let titles: Vec<&str> = symptoms.iter().map(|symptom| symptom.numbered_title.as_str()).collect();
                let text = format!("{condition}: {}", titles.join("; or "));
                self.write(Paragraph::labelled(4, "-", TextRole::Plain, 6, &text));
            }
        }
        if let Some(note) = view.note {
            self.text(note);
        }
    }

    fn symptom(&mut self, symptom: &SymptomView) {
        self.write(Paragraph::labelled(4, "-", TextRole::Plain, 6, &symptom.numbered_title));
        let rows = symptom.words.iter().map(|words| (words.speaker, words.text));
        let hang = text_column(6, GAP, self.width, rows);
        for Words { speaker, text } in symptom.words {
            self.write(Paragraph::labelled(6, speaker, TextRole::Label, hang, text));
        }
    }

    fn how_known(&mut self, known: &HowKnown) {
        self.heading("How it is known");
        self.text(known.evidence);
        // "certain" is the longest of the words.
        let hang = BODY + "certain".len() + GAP;
        for level in known.levels {
            let when = format!("when {}", level.when);
            self.write(Paragraph::labelled(BODY, level.confidence.word(), TextRole::Label, hang, &when));
        }
        if let Some(older) = known.older_kernels {
            self.text(older);
        }
    }

    fn remedies(&mut self, remedies: &[RemedyView]) {
        self.heading("What to do");
        for remedy in remedies {
            let number = format!("{}.", remedy.number);
            self.write(Paragraph::labelled(BODY, &number, TextRole::Label, 5, &remedy.text()));
            self.settings(remedy.settings());
        }
    }

    fn settings(&mut self, settings: &[Setting]) {
        let hang = text_column(5, GAP, self.width, settings.iter().map(|setting| (setting.product, setting.how)));
        for Setting { product, how } in settings {
            self.write(Paragraph::labelled(5, product, TextRole::Label, hang, how));
        }
    }

    fn classic(&mut self, classic: &[(&str, &str)]) {
        if classic.is_empty() {
            return;
        }
        self.heading("The three classic remedies, weighed");
        for (remedy, verdict) in classic {
            self.write(Paragraph::labelled(BODY, remedy, TextRole::Label, 4, verdict));
        }
    }

    fn see_also(&mut self, related: &[Cause]) {
        self.heading("See also");
        let rows = related.iter().map(|cause| (cause.id(), cause.entry().title));
        let hang = text_column(BODY, GAP, self.width, rows);
        for cause in related {
            self.write(Paragraph::labelled(BODY, cause.id(), TextRole::Code, hang, cause.entry().title));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::style::strip, *};
    use unicode_width::UnicodeWidthStr as _;

    const WIDTHS: [usize; 5] = [0, MIN_WIDTH, 80, 100, 200];

    fn outputs() -> impl Iterator<Item = (usize, bool, String)> {
        WIDTHS.into_iter().flat_map(|width| {
            [false, true].into_iter().flat_map(move |colour| {
                let pages = Cause::ALL.iter().map(move |cause| page(*cause, colour, width));
                pages.chain([list(colour, width)]).map(move |text| (width, colour, text))
            })
        })
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for (width, _, text) in outputs() {
            for line in strip(&text).lines() {
                assert!(line.width() <= width.max(MIN_WIDTH), "{} columns at {width}: {line}", line.width());
            }
        }
    }

    #[test]
    fn no_line_has_trailing_white_space_and_the_last_one_ends() {
        for (_, _, text) in outputs() {
            let text = strip(&text);
            assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
        }
    }

    #[test]
    fn colour_changes_nothing_but_the_colour() {
        for &cause in Cause::ALL {
            assert_eq!(strip(&page(cause, true, 80)), page(cause, false, 80), "{cause}");
        }
        assert_eq!(strip(&list(true, 80)), list(false, 80));
    }

    #[test]
    fn plain_text_has_no_escapes_and_no_markdown() {
        for (_, colour, text) in outputs() {
            assert_eq!(text.contains('\u{1b}'), colour, "{text}");
            assert!(!text.contains('`'), "{text}");
        }
    }

    #[test]
    fn the_list_has_one_aligned_row_for_each_cause() {
        let list = list(false, 200);
        let mut rows = list.lines();
        let title_at = rows.next().and_then(|header| header.find("TITLE"));
        let rows: Vec<&str> = rows.collect();
        assert_eq!(rows.len(), Cause::ALL.len());
        for (row, cause) in rows.iter().zip(Cause::ALL) {
            assert!(row.starts_with(cause.id()), "{row}");
            assert_eq!(row.find(cause.entry().title), title_at, "{row}");
        }
    }

    #[test]
    fn wide_characters_count_as_the_columns_that_they_take() {
        let wide = "日本語のとても長い題名が空白なしに続く 🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀";
        let mut view = CauseView::of_catalogue(Cause::KeepaliveRace);
        (view.title, view.meaning, view.note) = (wide, wide, Some(wide));
        view.remedies[0].action = wide;
        view.ends[0].symptoms[0].numbered_title = wide.to_owned();
        view.classic[0] = ("題名", wide);
        for width in WIDTHS {
            for line in page_of(&view, false, width).lines() {
                assert!(line.width() <= width.max(MIN_WIDTH), "{} columns at {width}: {line}", line.width());
            }
        }
    }

    #[test]
    fn a_page_has_everything_that_the_catalogue_has() {
        let flat = |text: &str| text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
        for &cause in Cause::ALL {
            let entry = cause.entry();
            let page = flat(&page(cause, false, 80));
            let mut expected = vec![entry.title, entry.what_happened, entry.how_known.evidence];
            expected.extend(entry.how_known.levels.iter().map(|level| level.when));
            expected.extend(entry.how_known.older_kernels);
            expected.extend(entry.sees.note);
            // The first letter follows a heading where the remedy is meant for one role.
            expected.extend(entry.remedies.iter().map(|remedy| &remedy.action[1..]));
            expected.extend(entry.see_also.iter().map(|related| related.id()));
            for text in expected {
                assert!(page.contains(&flat(text)), "{cause}: {text} is missing in {page}");
            }
        }
    }
}
