//! The state as its user changes it.

use super::*;
use crate::command::top::testing::{event, snapshot};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use overlay::Movement;
use sort::Column;
use std::sync::Arc;
use tui_input::Input;

fn state() -> ViewState {
    let mut state = ViewState::new(Origin::Local, Group::Who, Filter::default());
    state.absorb(Update::Up);
    for (second, totals) in [(0, [10, 20, 30]), (1, [10, 25, 31])] {
        let series = [("java", 8080, totals[0]), ("nginx", 443, totals[1]), ("curl", 80, totals[2])];
        state.absorb(Update::Snapshot(Box::new(snapshot(second, series))));
    }
    for (process, port) in [("java", 8080), ("nginx", 443), ("nginx", 443)] {
        state.absorb(Update::Event(Arc::new(event(1, process, port, "10.0.0.1"))));
    }
    state.refresh();
    state
}

fn processes(state: &mut ViewState) -> Vec<String> {
    state.refresh();
    state.rows.iter().map(|row| row.key.process.clone().unwrap_or_default()).collect()
}

fn selected(state: &ViewState) -> String {
    state.selected().and_then(|(_, row)| row.key.process.clone()).expect("a row is selected")
}

#[test]
fn rows_are_sorted_by_rate_and_by_whatever_else_is_asked_for() {
    let mut state = state();
    assert_eq!(processes(&mut state), ["nginx", "curl", "java"]);
    state.sort_by(Sort::by(Column::Total));
    assert_eq!(processes(&mut state), ["curl", "nginx", "java"]);
    state.sort_by(state.sort.inverted());
    assert_eq!(processes(&mut state), ["java", "nginx", "curl"]);
    state.sort_by(Sort::by(Column::Process));
    assert_eq!(processes(&mut state), ["curl", "java", "nginx"]);
}

#[test]
fn the_chosen_row_stays_chosen_when_the_order_changes() {
    let mut state = state();
    assert_eq!(selected(&state), "nginx", "without a choice it is the first");
    state.move_by(Movement::Lines(2), 10);
    assert_eq!(selected(&state), "java");
    state.sort_by(Sort::by(Column::Process));
    state.refresh();
    assert_eq!(selected(&state), "java");
    state.move_by(Movement::Last, 10);
    assert_eq!(selected(&state), "nginx");
}

#[test]
fn a_frozen_row_stays_on_top_whatever_happens() {
    let mut state = state();
    state.move_by(Movement::Last, 10);
    state.freeze();
    assert_eq!(processes(&mut state), ["java", "nginx", "curl"]);
    state.filter = Filter::parse(&["process=nginx"]).expect("a valid filter");
    state.zero();
    assert_eq!(processes(&mut state), ["java"], "zeroed: nginx has nothing to show");
    state.select(0);
    state.freeze();
    assert_eq!(processes(&mut state), [""; 0]);
}

#[test]
fn a_paused_view_stands_still_and_goes_on_with_everything() {
    let mut state = state();
    state.pause();
    let series = [("java", 8080, 1000)];
    state.absorb(Update::Snapshot(Box::new(snapshot(2, series))));
    state.absorb(Update::Event(Arc::new(event(2, "java", 8080, "10.9.9.9"))));
    assert_eq!(processes(&mut state), ["nginx", "curl", "java"]);
    assert_eq!(state.model().memory.len(), 3);
    state.pause();
    assert_eq!(processes(&mut state)[0], "java");
    assert_eq!(state.model().memory.len(), 4);
}

#[test]
fn a_wrong_filter_says_what_is_wrong_and_leaves_the_view_alone() {
    let mut state = state();
    state.ask_for_filter();
    state.prompt.as_mut().expect("a prompt").input = Input::new("proces=java".to_owned());
    state.take_filter();
    let prompt = state.prompt.as_ref().expect("the prompt stays");
    assert!(prompt.error.as_ref().is_some_and(|error| error.contains("the fields are process, unit")));
    assert_eq!(processes(&mut state).len(), 3);
    state.prompt.as_mut().expect("a prompt").input = Input::new("process=java".to_owned());
    state.take_filter();
    assert!(state.prompt.is_none());
    assert_eq!(processes(&mut state), ["java"]);
    state.ask_for_filter();
    assert_eq!(state.prompt.as_ref().map(|prompt| prompt.input.value()), Some("process=java "), "ready for more");
}

#[test]
fn one_drills_down_to_a_reset_and_back() {
    let mut state = state();
    state.open();
    assert!(matches!(state.overlays.last(), Some(Overlay::Row { key, .. }) if key.process.as_deref() == Some("nginx")));
    state.move_by(Movement::Lines(1), 10);
    let Some(Overlay::Row { event: Some(chosen), .. }) = state.overlays.last().cloned() else { panic!("no choice") };
    // A newer event does not move the choice.
    state.absorb(Update::Event(Arc::new(event(3, "nginx", 443, "10.0.0.9"))));
    state.open();
    assert_eq!(state.overlays.last(), Some(&Overlay::reset(chosen)));
    state.open();
    assert_eq!(state.overlays.len(), 2, "a reset has nothing inside");
    state.help();
    state.help();
    assert_eq!(state.overlays.len(), 2);
}

#[test]
fn a_daemon_that_stops_and_comes_back_is_reported() {
    let mut state = state();
    state.absorb(Update::Down("it has stopped".to_owned()));
    assert_eq!(state.feed_status, FeedStatus::Down("it has stopped".to_owned()));
    state.absorb(Update::Up);
    assert_eq!((&state.feed_status, state.notice.as_deref()), (&FeedStatus::Up, Some("the daemon is back")));
    let mut other = snapshot(9, [("java", 8080, 1)]);
    other.started = other.time;
    state.absorb(Update::Snapshot(Box::new(other)));
    assert_eq!(processes(&mut state), ["java"]);
    assert_eq!(state.rows[0].total, 1);
}

#[test]
fn a_paste_goes_into_the_prompt_and_nowhere_else() {
    let mut state = state();
    state.paste("q");
    assert!(state.prompt.is_none() && state.notice.as_ref().is_some_and(|notice| notice.contains("paste")));
    state.ask_for_filter();
    state.paste("process=java\n");
    state.paste("port=80");
    let text = |state: &ViewState| state.prompt.as_ref().expect("a prompt").input.value().to_owned();
    assert_eq!(text(&state), "process=java port=80");
    state.prompt.as_mut().expect("a prompt").input =
        Input::new("process=java port=80".to_owned()).with_cursor("process=java ".len());
    state.paste("über ");
    state.paste("x=1 ");
    assert_eq!(text(&state), "process=java über x=1 port=80", "each at the cursor, which is behind it then");
    state.paste(&"x".repeat(20_000));
    assert_eq!(text(&state), "process=java über x=1 port=80", "too much is refused as a whole");
    let error = |state: &ViewState| state.prompt.as_ref().expect("a prompt").error.clone();
    assert!(error(&state).is_some_and(|error| error.contains("at most 4096")));
    state.paste("y");
    assert_eq!(error(&state), None, "the next attempt is another one");
}

#[test]
fn a_typed_filter_is_bounded() {
    let mut state = state();
    state.ask_for_filter();
    let prompt = state.prompt.as_mut().expect("a prompt");
    let press = |prompt: &mut prompt::FilterPrompt, code| prompt.press(KeyEvent::new(code, KeyModifiers::NONE));
    for _ in 0..5000 {
        press(prompt, KeyCode::Char('x'));
    }
    assert_eq!(prompt.input.value().len(), 4096);
    assert!(prompt.error.is_some());
    press(prompt, KeyCode::Backspace);
    assert_eq!((prompt.input.value().len(), &prompt.error), (4095, &None));
}

#[test]
fn a_paused_view_changes_only_with_what_it_shows() {
    let mut state = state();
    let update = |second| Update::Snapshot(Box::new(snapshot(second, [("java", 8080, 11)])));
    let another = || Update::Event(Arc::new(event(2, "java", 8080, "10.0.0.1")));
    assert!(state.absorb(update(2)) && state.absorb(another()) && state.absorb(Update::Lost(1)));
    state.pause();
    assert!(!state.absorb(update(3)) && !state.absorb(another()) && !state.absorb(Update::Lost(1)));
    assert!(state.absorb(Update::Note("a word".to_owned())));
    assert!(state.absorb(Update::Down("gone".to_owned())) && state.absorb(Update::Up));
    state.pause();
    assert!(state.absorb(update(4)));
}
