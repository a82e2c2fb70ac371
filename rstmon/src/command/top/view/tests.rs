//! Each view at several sizes, compared with approved snapshots. `INSTA_UPDATE=always cargo test` rewrites the
//! snapshots, and `git diff` shows what has changed.

use super::*;
use crate::{
    command::top::{
        feed::Update,
        state::{FeedStatus, group::Group, overlay::Movement, prompt::FilterPrompt},
        testing::{event, snapshot},
    },
    event::{Event, filter::Filter},
    explain::Cause,
    query::{Origin, RecordingNames},
};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend};
use std::{path::PathBuf, sync::Arc};
use tui_input::Input;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 10)];

/// Hostile process names as they are after decoding comm. `naïve-pröc-ü?` was cut within a character.
const HOSTILE: [&str; 7] =
    ["evil\u{1b}[2Jname", "プロセスの名前", "שלום עולם", "\u{202e}gnp.exe", "🦀🦀🦀🦀", "naïve-pröc-ü?", "folded"];

fn look(unicode: bool) -> Look {
    Look { colour: true, unicode, zone: TimeZone::UTC }
}

fn state() -> ViewState {
    let mut state =
        ViewState::new(Origin::Daemon(PathBuf::from("/run/rstmon/rstmon.sock")), Group::Who, Filter::default());
    state.absorb(Update::Up);
    for second in 1..=2 {
        let count = |rate: u64| 1000 + rate * u64::from(second);
        let named = [("java", 8080, count(120)), ("nginx", 443, count(7)), ("curl", 80, count(0))];
        let hostile = HOSTILE.iter().zip(9000..).map(|(name, port)| (*name, port, u64::from(port)));
        let mut snapshot = snapshot(second, named.into_iter().chain(hostile));
        snapshot.series[1].cause = Some(Cause::KeepaliveRace.into());
        snapshot.series[2].cause = Some(Cause::ResetWhileClosing.into());
        let folded = snapshot.series.last_mut().expect("a series");
        (folded.process, folded.unit, folded.port, folded.cause) = (Some("_other".to_owned()), None, None, None);
        state.absorb(Update::Snapshot(Box::new(snapshot)));
    }
    for number in 0..30 {
        state.absorb(Update::Event(Arc::new(event(number, "java", 8080, &format!("192.0.2.{}", number % 7)))));
    }
    let race = Event { cause: Cause::KeepaliveRace.into(), ..event(30, "nginx", 443, "2001:db8:85a3::8a2e:370:7334") };
    state.absorb(Update::Event(Arc::new(race)));
    state.refresh();
    state
}

/// The text of a screen of this size, and where things are on it.
fn screen(state: &ViewState, look: &Look, (width, height): (u16, u16)) -> (String, Regions) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let mut regions = Regions::default();
    terminal.draw(|frame| regions = draw(frame, state, look, &Regions::default())).expect("a frame");
    (terminal.backend().to_string(), regions)
}

/// Compares a view with its approved snapshots.
fn approve(name: &str, state: &mut ViewState) {
    state.refresh();
    for (width, height) in SIZES {
        let (text, _) = screen(state, &look(true), (width, height));
        insta::assert_snapshot!(format!("{name}-{width}x{height}"), text);
    }
}

#[test]
fn the_table() {
    approve("table", &mut state());
}

#[test]
fn before_anything_is_known() {
    approve("connecting", &mut ViewState::new(Origin::Local, Group::Who, Filter::default()));
}

#[test]
fn a_quiet_host() {
    let mut state = ViewState::new(Origin::Local, Group::Who, Filter::default());
    state.absorb(Update::Up);
    let mut quiet = snapshot(3, []);
    quiet.degraded.clear();
    quiet.events_lost.rate_limited = 0;
    state.absorb(Update::Snapshot(Box::new(quiet)));
    approve("quiet", &mut state);
}

#[test]
fn by_process_with_several_causes_in_a_row() {
    let mut state = state();
    state.group_by(Group::Unit);
    approve("by-unit", &mut state);
}

#[test]
fn by_peer_network_of_what_is_remembered() {
    let mut state = state();
    state.group_by(Group::Network);
    approve("by-network", &mut state);
}

#[test]
fn the_page_of_a_row() {
    let mut state = state();
    state.open();
    approve("row", &mut state);
}

#[test]
fn the_page_of_a_row_scrolled_with_another_reset_chosen() {
    let mut state = state();
    state.open();
    state.move_by(Movement::Pages(1), 3);
    state.move_by(Movement::Lines(2), 3);
    approve("row-scrolled", &mut state);
}

#[test]
fn the_page_of_a_row_without_events() {
    let mut state = state();
    state.move_by(Movement::Last, 10);
    state.open();
    approve("row-silent", &mut state);
}

#[test]
fn the_page_of_a_reset() {
    let mut state = state();
    state.open();
    state.open();
    approve("reset", &mut state);
}

#[test]
fn the_keys() {
    let mut state = state();
    state.help();
    approve("keys", &mut state);
}

#[test]
fn a_filter_that_is_wrong() {
    let mut state = state();
    state.prompt = Some(FilterPrompt { input: Input::new("proces=java severity=harmful".to_owned()), error: None });
    state.take_filter();
    approve("prompt", &mut state);
}

#[test]
fn paused_filtered_frozen_zeroed_and_the_daemon_gone() {
    let mut state = state();
    state.freeze();
    state.filter = Filter::parse(&["port=443,8080"]).expect("a valid filter");
    state.zero();
    state.absorb(Update::Snapshot(Box::new(snapshot(4, [("java", 8080, 2000), ("nginx", 443, 3000)]))));
    state.pause();
    state.absorb(Update::Down("the daemon has stopped".to_owned()));
    approve("everything-at-once", &mut state);
}

#[test]
fn a_recording_that_is_over() {
    let mut state = ViewState::new(
        Origin::Recording(RecordingNames(vec!["/tmp/incident.json".into()])),
        Group::Cause,
        Filter::default(),
    );
    state.absorb(Update::Up);
    state.absorb(Update::Snapshot(Box::new(snapshot(9, [("java", 8080, 3)]))));
    state.absorb(Update::Ended);
    assert_eq!(state.feed_status, FeedStatus::Ended);
    approve("replay", &mut state);
}

#[test]
fn without_utf8_there_is_nothing_but_ascii() {
    let mut state = state();
    // Only ASCII names: names are not changed in ASCII mode.
    state.filter = Filter::parse(&["process=java,nginx,curl"]).expect("a valid filter");
    state.zero();
    let totals = [("java", 8080, 2000), ("nginx", 443, 3000), ("curl", 80, 5000)];
    state.absorb(Update::Snapshot(Box::new(snapshot(4, totals))));
    state.refresh();
    for screens in 0..3 {
        for size in SIZES {
            let (text, _) = screen(&state, &look(false), size);
            assert!(text.is_ascii(), "{screens} pages at {size:?}: {text}");
        }
        state.open();
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    let mut state = state();
    for _ in 0..3 {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("a terminal");
        let look = Look { colour: false, ..look(true) };
        terminal.draw(|frame| drop(draw(frame, &state, &look, &Regions::default()))).expect("a frame");
        let coloured = terminal
            .backend()
            .buffer()
            .content()
            .iter()
            .find(|cell| cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset);
        assert_eq!(coloured, None);
        state.open();
    }
}

#[test]
fn every_size_can_be_drawn_and_nothing_steers_the_terminal() {
    let mut states = [state(), state(), state(), state()];
    states[1].open();
    states[2].open();
    states[2].open();
    states[3].ask_for_filter();
    for state in &mut states {
        for width in (1..12).chain([39, 40, 57, 80, 250]) {
            for height in (1..22).step_by(3).chain([24, 70]) {
                let (text, regions) = screen(state, &look(true), (width, height));
                let steers = |character: char| character != '\n' && crate::model::text::is_unsafe(character);
                assert_eq!(text.chars().find(|character| steers(*character)), None, "{width}x{height}");
                assert!(
                    regions.list.bottom() <= height && regions.list.right() <= width,
                    "{width}x{height}: {regions:?}"
                );
            }
        }
    }
}

#[test]
fn the_mouse_finds_what_is_there() {
    let state = state();
    let (_, regions) = screen(&state, &look(true), (120, 40));
    let (column, area) = regions.headings[1];
    assert_eq!(regions.at(area.x, area.y), Some(ClickTarget::Heading(column)));
    assert_eq!(regions.at(5, regions.list.y + 2), Some(ClickTarget::Line(2)));
    assert_eq!(regions.at(5, regions.pane.y + 1), Some(ClickTarget::Pane));
    assert_eq!(regions.at(0, 0), None);
}
