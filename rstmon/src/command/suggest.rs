//! What a mistyped command may stand for. clap compares words by a measure that finds nothing for short ones, such as
//! `tpo`.

use super::cli::CommandLine;
use crate::model::nearest::nearest;
use clap::{
    CommandFactory as _, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The error, with the commands that an unknown one may stand for where clap found none.
pub(super) fn with_nearest_command(mut error: Error) -> Error {
    let given = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(given)) if error.get(ContextKind::SuggestedSubcommand).is_none() => given.clone(),
        _ => return error,
    };
    let root = CommandLine::command();
    let shown = root.get_subcommands().filter(|command| !command.is_hide_set());
    let near = nearest(&given, shown.map(clap::Command::get_name));
    if error.kind() == ErrorKind::InvalidSubcommand && !near.is_empty() {
        let names = near.into_iter().map(str::to_owned).collect();
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::with_nearest_command;
    use crate::command::cli::CommandLine;
    use clap::Parser as _;

    fn error(words: &[&str]) -> String {
        let words = ["rstmon"].iter().chain(words);
        with_nearest_command(CommandLine::try_parse_from(words).expect_err("wrong usage")).to_string()
    }

    #[test]
    fn a_short_slip_is_understood() {
        for (slip, meant) in
            [("tpo", "top"), ("tial", "tail"), ("wyh", "why"), ("doctro", "doctor"), ("cause", "causes")]
        {
            let said = error(&[slip]);
            assert!(said.contains("similar subcommand") && said.contains(&format!("'{meant}'")), "{slip}: {said}");
        }
        assert!(!error(&["frobnicate"]).contains("similar"));
    }

    #[test]
    fn habits_of_other_programs_are_accepted() {
        for words in
            [&["tail", "-f"][..], &["tail", "-fn", "3", "-o", "json"], &["why", "-ojson"], &["causes", "-o", "text"]]
        {
            assert!(CommandLine::try_parse_from(["rstmon"].iter().chain(words)).is_ok(), "{words:?}");
        }
        assert!(error(&["tail", "-o", "yaml"]).contains("[possible values: text, json]"));
    }
}
