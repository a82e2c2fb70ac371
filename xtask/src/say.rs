//! Progress messages of the tasks, on standard error.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Writes one line. A closed standard error is no reason to stop working.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
