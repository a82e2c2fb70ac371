//! `rstmon history export`: the events of a span as a recording on standard output.

use crate::{
    command::Failure,
    event::{Event, filter::Filter, line::lost_line, span::TimeSpan},
    host::terminal::{self, note},
    sink::store::read::{Preselection, ScanItem, StoreReader},
};

pub(super) fn run(store: &StoreReader, span: TimeSpan, filter: &Filter) -> Result<(), Failure> {
    let mut out = terminal::OutputLines::new();
    let mut matches = store.scan(span, Preselection::of(filter))?;
    while let Some(found) = matches.next() {
        match found {
            ScanItem::Event(line) => {
                let is_wanted = filter.is_empty()
                    || serde_json::from_slice::<Event>(line).is_ok_and(|event| filter.matches(&event));
                if is_wanted {
                    out.line(line)?;
                }
            }
            ScanItem::Lost(loss) => out.line(lost_line(loss.lost).as_bytes())?,
        }
    }
    out.finish()?;
    for problem in matches.damage() {
        note(&format!("{}: {}; what could be read is there", problem.segment, problem.problem));
    }
    Ok(())
}
