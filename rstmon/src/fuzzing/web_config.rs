//! The web configuration in the exporter-toolkit format: YAML, certificates, hashes, headers.
//!
//! Holds: the same file gives the same result; every message is one harmless line; the message about YAML that does not
//! parse names a line; the time is linear in the size.

use super::{cost::assert_linear, harmless::assert_harmless};
use crate::serve::web_config::{self, WebConfigProblem};
use std::path::Path;

/// Certificates and keys that a seed may refer to.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../rstmon/src/serve/testdata");

/// Parses the configuration and loads the files that it refers to.
pub(crate) fn run(bytes: &[u8]) {
    // An input may name any file; with these it would read devices of this machine.
    if bytes.windows(4).any(|part| matches!(part, b"/dev" | b"/pro" | b"/sys" | b"/run")) {
        return;
    }
    assert_linear(bytes, |bytes| drop(web_config::check_text(bytes, Path::new(DIRECTORY))));
    let check = || web_config::check_text(bytes, Path::new(DIRECTORY)).map_err(|error| (error.to_string(), error));
    let outcome = check();
    let Err((message, error)) = &outcome else {
        assert!(check().is_ok(), "the same file is refused the second time");
        return;
    };
    assert_eq!(Some(message), check().err().map(|(again, _)| again).as_ref(), "the same file gives another error");
    assert_harmless("the error", message);
    if let WebConfigProblem::Yaml { .. } = error {
        let line = message.split("line ").any(|rest| rest.starts_with(|character: char| character.is_ascii_digit()));
        assert!(line, "no line in {message:?}");
    }
}
