//! One reset's page: everything that its event says.

use super::{look::Look, prose::Prose, verdict};
use crate::{
    event::{Event, EventOwner, EventPeer, EventVerdict},
    explain::present::{CauseView, ProcessName},
};
use ratatui::text::Line;

/// The lines of the page, at most `width` columns wide.
#[must_use]
pub(crate) fn page(event: &Event, width: u16, look: &Look) -> Vec<Line<'static>> {
    let mut prose = Prose::new(width, look);
    let view = CauseView::of_resets(event.cause, event.as_seen());
    verdict::title(&mut prose, &view, look);
    verdict::evidence(&mut prose, "evidence", event);
    prose.gap();
    facts(&mut prose, event, look);
    prose.gap();
    numbers(&mut prose, event);
    prose.gap();
    verdict::sees(&mut prose, &view);
    verdict::remedies(&mut prose, &view);
    prose.gap();
    verdict::meaning(&mut prose, &view);
    prose.lines()
}

fn facts(prose: &mut Prose<'_>, event: &Event, look: &Look) {
    // Exhaustive, so that a new field must be decided about here.
    let Event {
        schema: _,
        time,
        direction,
        reason,
        state,
        socket,
        family,
        local,
        remote,
        service_port,
        role,
        netns,
        uid,
        owner,
        evidence: _,
        cause,
        confidence: _,
        severity: _,
        sentence: _,
        expected,
        named_end: _,
        wire: _,
        verdict,
        peer,
    } = event;
    let zoned = time.to_zoned(look.zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.6f %Z").to_string();
    prose.labelled("time", &zoned);
    prose.labelled("reset", &format!("{direction}, cause {cause}, kernel reason {}", reason.as_str()));
    if let Some(EventVerdict { rule, facts }) = verdict {
        prose.labelled("rule", rule);
        prose.more(&facts.join(", "));
    }
    prose.labelled("local", &local.to_string());
    prose.labelled("remote", &remote.to_string());
    let socket = [
        Some(format!("{socket}")),
        state.map(|state| format!("state {state}")),
        role.map(|role| format!("role {role}")),
        family.map(|family| family.to_string()),
        service_port.map(|port| format!("service port {port}")),
        uid.map(|uid| format!("uid {uid}")),
        netns.map(|netns| format!("network namespace {netns}")),
    ];
    prose.labelled("socket", &socket.into_iter().flatten().collect::<Vec<_>>().join(", "));
    match owner {
        Some(owner) => owned(prose, owner),
        None => prose.labelled("owner", "not known"),
    }
    if let Some(reason) = expected {
        prose.labelled("expected", reason);
    }
    if let Some(peer) = peer {
        let EventPeer { process, pid, unit, cause, severity: _, sentence } = peer;
        let name = name(process.as_deref(), *pid);
        let unit = unit.as_ref().map(|unit| format!(" in {unit}")).unwrap_or_default();
        prose.labelled("peer", &format!("{name}{unit}, on this host: {cause}: {sentence}"));
    }
}

fn owned(prose: &mut Prose<'_>, owner: &EventOwner) {
    let EventOwner { process, pid, provenance, unit, container, cgroup } = owner;
    prose.labelled("owner", &format!("{}, known by: {provenance}", name(process.as_deref(), *pid)));
    let place = [
        unit.as_ref().map(|unit| format!("unit {unit}")),
        container.as_ref().map(|id| format!("container {id}")),
        cgroup.map(|id| format!("cgroup {id}")),
    ];
    let place: Vec<String> = place.into_iter().flatten().collect();
    if !place.is_empty() {
        prose.more(&place.join(", "));
    }
}

fn name(process: Option<&str>, pid: Option<u32>) -> String {
    match (process, pid) {
        (Some(process), pid) => ProcessName::new(process, pid).to_string(),
        (None, Some(pid)) => format!("pid {pid}"),
        (None, None) => "no process known".to_owned(),
    }
}

/// Every number, zero or not, by the name that the JSON has for it.
fn numbers(prose: &mut Prose<'_>, event: &Event) {
    let numbers = event.evidence.numbers();
    let text: Vec<String> = numbers.into_iter().map(|(name, number)| format!("{name}={number}")).collect();
    prose.labelled("numbers", if text.is_empty() { "none".to_owned() } else { text.join("  ") }.as_str());
    if !event.evidence.facts.is_empty() {
        prose.labelled("facts", &event.evidence.facts.join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, page};
    use crate::event::testing::event_with;
    use jiff::tz::TimeZone;
    use serde_json::json;
    use unicode_width::UnicodeWidthStr as _;

    #[test]
    fn wide_names_stay_within_the_width() {
        let wide = "プロセスの名前🦀".repeat(20);
        let event = event_with(json!({
            "owner": {"process": wide, "unit": wide, "container": wide}, "sentence": format!("{wide}[7] closed"),
            "evidence": {"facts": [wide]},
        }));
        let look = Look { colour: false, unicode: true, zone: TimeZone::UTC };
        for width in [40, 60, 101] {
            let lines = page(&event, width, &look);
            assert!(lines.len() > 20, "{lines:?}");
            for line in lines.iter().map(ToString::to_string) {
                assert!(line.width() <= usize::from(width), "{} columns at {width}: {line}", line.width());
            }
        }
    }
}
