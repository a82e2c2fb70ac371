//! Errors and defaults of the configuration.

mod reference;

use super::{Config, ConfigError, Overrides};
use rustix::time::{ClockId, clock_gettime};
use std::{fs::File, path::Path, time::Duration};

fn error(text: &str) -> String {
    match Config::parse(text, Path::new("rstmon.toml")).and_then(|config| config.validate()) {
        Ok(()) => panic!("{text:?} was accepted"),
        Err(error @ (ConfigError::Parse { .. } | ConfigError::Value { .. } | ConfigError::Invalid { .. })) => {
            error.to_string()
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn nesting_is_bounded_and_costs_no_time() {
    let levels = 100_000;
    for text in ["[".repeat(levels), "{a=".repeat(levels), format!("{}a = 1", "a.".repeat(levels))] {
        for text in [format!("[metrics]\nlabels = {text}"), text.clone(), format!("[{text}]")] {
            let begin = clock_gettime(ClockId::ThreadCPUTime);
            let error = Config::parse(&text, Path::new("rstmon.toml")).expect_err("refused");
            let took = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime) - begin).expect("not negative");
            assert!(took < Duration::from_secs(2), "{took:?} for {:?}...", &text[..30]);
            assert!(matches!(error, ConfigError::Parse { .. }), "{error}");
        }
    }
}

#[test]
fn only_a_regular_file_of_a_limited_size_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let (fifo, zeros) = (directory.path().join("fifo"), directory.path().join("zeros"));
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    File::create(&zeros).and_then(|file| file.set_len(1 << 30)).expect("a sparse file");
    for (path, reason) in [
        (fifo.as_path(), "a pipe, not a regular file"),
        (Path::new("/dev/zero"), "a device, not a regular file"),
        (directory.path(), "a directory, not a regular file"),
        (zeros.as_path(), "larger than 1048576 bytes"),
    ] {
        let overrides = Overrides { file: Some(path.into()), ..Overrides::default() };
        for result in [Config::load(&overrides), Config::load_for_run(&overrides)] {
            let error = result.expect_err(reason).to_string();
            assert!(error.contains(reason) && error.contains(&path.display().to_string()), "{error}");
        }
    }
}

#[test]
fn an_empty_file_is_the_defaults() {
    let config = Config::parse("", Path::new("x")).expect("an empty file parses");
    assert_eq!(config, Config::default());
    config.validate().expect("the defaults are valid");
}

#[test]
fn an_unknown_key_names_the_line_and_the_known_ones() {
    let message = error("[events]\nring_bytes = 4096\nring_size = 1\n");
    assert!(message.starts_with("rstmon.toml:3: unknown field `ring_size`"), "{message}");
    assert!(message.contains("rate_per_second"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn values_out_of_range_say_the_range() {
    assert!(error("[events]\nring_bytes = 5000").contains("power of two"));
    assert!(error("[metrics]\nmax_series = 1").contains("at least 256"));
    assert!(error("[metrics]\nlabels = [\"prcess\"]").contains("the labels are"));
    assert!(error("[thresholds]\nidle_seconds = -1.0").contains("from 0 to"));
    assert!(error("[thresholds]\nidle_seconds = nan").contains("from 0 to"));
    assert!(error("[log]\nlevel = \"loud\"").contains("error, warn"));
}

#[test]
fn what_a_file_says_cannot_steer_the_terminal_that_shows_the_error() {
    for text in ["[log]\nlevel = \"\\u001b[2J\"", "\"\\u202e\" = 1", "[log\u{1b}[2J", "a\rb = 1"] {
        let message = error(text);
        assert!(!message.contains(crate::model::text::is_unsafe), "{message:?}");
    }
}

#[test]
fn broken_toml_names_the_line() {
    assert!(error("[events]\nring_bytes = \n").starts_with("rstmon.toml:2:"));
}
