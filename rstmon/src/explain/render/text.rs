//! The catalogue for a terminal: `rstmon causes` and `rstmon causes ID`.

use super::{
    MIN_WIDTH,
    style::{Role, Style},
    wrap::{Paragraph, text_column},
};
use crate::explain::{
    catalogue::{
        self, Classic, Directions, Entry,
        settings::SettingGroup,
        symptom::{Symptom, Words},
    },
    cause::Cause,
};

/// Columns before the text below a heading.
const BODY: usize = 2;
/// Spaces between two columns.
const GAP: usize = 2;

/// A table of all causes with direction, severity and title.
#[must_use]
pub(crate) fn list(colour: bool, width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let style = Style { colour };
    let columns = Columns::of_the_catalogue();
    let mut out = String::new();

    let header = columns.row("CAUSE", "RESET", "SEVERITY");
    Paragraph::labelled(0, &header, Role::Heading, columns.title_at(), "TITLE").write(&mut out, width, style);
    for entry in catalogue::entries() {
        let Entry { cause, directions, severity, title, .. } = entry;
        let row = columns.row(cause.id(), directions.word(), severity.word());
        let role = Role::Severity(*severity);
        Paragraph::labelled(0, &row, role, columns.title_at(), title).write(&mut out, width, style);
    }
    out
}

/// Widths of the columns before the title.
struct Columns {
    cause: usize,
    directions: usize,
    severity: usize,
}

impl Columns {
    fn of_the_catalogue() -> Self {
        let widest = |cells: fn(&Entry) -> &'static str, header: &str| {
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
    let entry = cause.entry();
    let mut page = Page { out: String::new(), width: width.max(MIN_WIDTH), style: Style { colour } };

    page.title(entry);
    page.heading("What happened");
    page.text(entry.what_happened);
    page.sees(entry);
    page.how_known(entry);
    page.remedies(entry);
    if let Some(classic) = &entry.classic {
        page.classic(classic);
    }
    page.see_also(entry.see_also);
    page.out
}

/// A page in the making.
struct Page {
    out: String,
    width: usize,
    style: Style,
}

impl Page {
    fn write(&mut self, paragraph: Paragraph<'_>) {
        paragraph.write(&mut self.out, self.width, self.style);
    }

    fn heading(&mut self, heading: &str) {
        self.out.push('\n');
        self.out.push_str(&self.style.paint(Role::Heading, heading));
        self.out.push('\n');
    }

    fn text(&mut self, text: &str) {
        self.write(Paragraph::at(BODY, text));
    }

    fn title(&mut self, entry: &Entry) {
        let Entry { cause, title, directions, severity, .. } = entry;
        let label = format!("{cause}:");
        self.write(Paragraph::labelled(0, &label, Role::Heading, label.len() + 1, title));
        let label = format!("{severity};");
        let reset = format!("a reset {}", directions.phrase());
        self.write(Paragraph::labelled(0, &label, Role::Severity(*severity), label.len() + 1, &reset));
    }

    fn sees(&mut self, entry: &Entry) {
        self.heading("What the applications see");
        for (end, symptoms) in ends(entry) {
            self.text(end);
            for symptom in symptoms {
                self.symptom(*symptom);
            }
        }
        if let Some(note) = entry.sees.note {
            self.text(note);
        }
    }

    fn symptom(&mut self, symptom: Symptom) {
        let form = symptom.form();
        let heading = match form.errno {
            Some(errno) => format!("{} ({} {})", form.title, errno.name, errno.number),
            None => form.title.to_owned(),
        };
        self.write(Paragraph::labelled(4, "-", Role::Plain, 6, &heading));
        let hang = text_column(6, GAP, self.width, form.words.iter().map(|words| (words.speaker, words.text)));
        for Words { speaker, text } in form.words {
            self.write(Paragraph::labelled(6, speaker, Role::Label, hang, text));
        }
    }

    fn how_known(&mut self, entry: &Entry) {
        let known = &entry.how_known;
        self.heading("How it is known");
        self.text(known.evidence);
        // "certain" is the longest of the words.
        let hang = BODY + "certain".len() + GAP;
        for level in known.levels {
            let when = format!("when {}", level.when);
            self.write(Paragraph::labelled(BODY, level.confidence.word(), Role::Label, hang, &when));
        }
        if let Some(older) = known.older_kernels {
            self.text(older);
        }
    }

    fn remedies(&mut self, entry: &Entry) {
        self.heading("What to do");
        for (index, remedy) in entry.remedies.iter().enumerate() {
            let number = format!("{}.", index + 1);
            self.write(Paragraph::labelled(BODY, &number, Role::Label, 5, remedy.action));
            if let Some(group) = remedy.settings {
                self.settings(group);
            }
        }
    }

    fn settings(&mut self, group: &SettingGroup) {
        let rows = group.settings.iter().map(|setting| (setting.product, setting.how));
        let hang = text_column(5, GAP, self.width, rows);
        for setting in group.settings {
            self.write(Paragraph::labelled(5, setting.product, Role::Label, hang, setting.how));
        }
    }

    fn classic(&mut self, classic: &Classic) {
        self.heading("The three classic remedies, weighed");
        for (remedy, verdict) in classic.weighed() {
            self.write(Paragraph::labelled(BODY, remedy, Role::Label, 4, verdict));
        }
    }

    fn see_also(&mut self, related: &[Cause]) {
        self.heading("See also");
        let rows = related.iter().map(|cause| (cause.id(), cause.entry().title));
        let hang = text_column(BODY, GAP, self.width, rows);
        for cause in related {
            self.write(Paragraph::labelled(BODY, cause.id(), Role::Code, hang, cause.entry().title));
        }
    }
}

/// The two ends of the connection, this host's first, each with what its application sees.
pub(super) fn ends(entry: &Entry) -> [(&'static str, &'static [Symptom]); 2] {
    let (sender, receiver) = (entry.sees.sender, entry.sees.receiver);
    match entry.directions {
        Directions::Sent => [
            ("The application on this host, which sent the reset", sender),
            ("The peer's application, which received it", receiver),
        ],
        Directions::Received => [
            ("The application on this host, which received the reset", receiver),
            ("The peer's application, which sent it", sender),
        ],
        Directions::Both => [
            ("The application at the end that received the reset", receiver),
            ("The application at the end that sent it", sender),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::{super::style::strip, *};

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
                assert!(line.len() <= width.max(MIN_WIDTH), "{} columns at {width}: {line}", line.len());
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
    fn the_list_has_one_aligned_row_a_cause() {
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
    fn this_host_comes_first_at_the_end_that_the_direction_says() {
        let [(this_host, symptoms), _] = ends(Cause::IdleTimeout.entry());
        assert!(this_host.contains("sent the reset"));
        assert_eq!(symptoms, [Symptom::TimedOut]);
        let [(this_host, symptoms), _] = ends(Cause::WroteToClosedPeer.entry());
        assert!(this_host.contains("received the reset"));
        assert_eq!(symptoms[0], Symptom::BrokenPipe);
    }

    #[test]
    fn a_page_says_everything_that_the_catalogue_knows() {
        let flat = |text: &str| text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
        for &cause in Cause::ALL {
            let entry = cause.entry();
            let page = flat(&page(cause, false, 80));
            let mut expected = vec![entry.title, entry.what_happened, entry.how_known.evidence];
            expected.extend(entry.how_known.levels.iter().map(|level| level.when));
            expected.extend(entry.how_known.older_kernels);
            expected.extend(entry.sees.note);
            expected.extend(entry.remedies.iter().map(|remedy| remedy.action));
            expected.extend(entry.see_also.iter().map(|related| related.id()));
            for text in expected {
                assert!(page.contains(&flat(text)), "{cause}: {text} is missing in {page}");
            }
        }
    }
}
