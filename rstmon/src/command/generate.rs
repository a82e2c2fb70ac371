//! Completion scripts and manual pages for packages, generated from the definition of the command line.
//!
//! Contract: the same binary writes the same bytes, on every host.

use super::{
    CommandLine, Failure,
    cli::{CompletionsArguments, ManArguments},
};
use crate::host::terminal;
use clap::CommandFactory as _;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::fs;

const MANUAL: &str = "rstmon manual";

const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "Success; for run, stopped by SIGTERM or SIGINT."),
    ("1", "Failed at run time."),
    ("2", "Wrong usage, filter or configuration."),
    ("3", "This host cannot be monitored; rstmon doctor says what is missing."),
];

const FILES: [(&str, &str); 3] = [
    ("/etc/rstmon/rstmon.toml", "The configuration, see rstmon.toml(5). Absent or empty: the defaults."),
    ("/var/lib/rstmon", "The store: events and counts of the last days. The members of its group may read it."),
    ("/run/rstmon/rstmon.sock", "Socket of the daemon. The members of its group may read every event."),
];

/// Prints the completion script.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "rstmon", &mut script);
    Ok(terminal::print(&String::from_utf8_lossy(&script))?)
}

/// Writes `rstmon.1` and `rstmon-COMMAND.1` for each command that `--help` shows.
pub(super) fn man(arguments: &ManArguments) -> Result<(), Failure> {
    fs::create_dir_all(&arguments.directory).map_err(Failure::io("cannot create the directory of the manual"))?;
    for (name, text) in pages(&arguments.date).map_err(Failure::io("cannot render the manual"))? {
        fs::write(arguments.directory.join(name), text).map_err(Failure::io("cannot write a page of the manual"))?;
    }
    Ok(())
}

/// The command line without `help`, which needs neither completion nor a page.
fn command() -> clap::Command {
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    command
}

/// File name and content of each page.
fn pages(date: &str) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let root = command();
    let shown = || root.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<String> = shown().map(|command| format!("rstmon-{}", command.get_name())).collect();
    let mut pages = vec![("rstmon.1".to_owned(), page(&root, date, &names)?)];
    for (command, name) in shown().zip(&names) {
        let others: Vec<String> = std::iter::once("rstmon")
            .chain(names.iter().map(String::as_str).filter(|other| other != name))
            .map(str::to_owned)
            .collect();
        pages.push((format!("{name}.1"), page(command, date, &others)?));
    }
    Ok(pages)
}

fn page(command: &clap::Command, date: &str, see_also: &[String]) -> std::io::Result<Vec<u8>> {
    let source = format!("rstmon {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).date(date).source(source).manual(MANUAL);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    own_sections(command, see_also).to_writer(&mut text)?;
    Ok(text)
}

/// The sections that clap does not render.
fn own_sections(command: &clap::Command, see_also: &[String]) -> Roff {
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        preformatted(&mut roff, "NOTES", &text.to_string());
    }
    list(&mut roff, "FILES", &FILES);
    list(&mut roff, "EXIT STATUS", &EXIT_STATUS);
    references(&mut roff, see_also);
    roff
}

/// Writes a section whose lines are not reflowed, such as examples and tables of the help.
fn preformatted(roff: &mut Roff, title: &str, text: &str) {
    roff.control("SH", [title]).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

fn list(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, meaning) in entries {
        roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

fn references(roff: &mut Roff, names: &[String]) {
    let mut inlines = Vec::new();
    for name in names {
        inlines.extend([bold(name.as_str()), roman("(1), ")]);
    }
    inlines.extend([bold("rstmon.toml"), roman("(5)")]);
    roff.control("SH", ["SEE ALSO"]).text(inlines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell;

    fn page_of(name: &str) -> String {
        let pages = pages("2026-01-31").expect("pages");
        let (_, text) = pages.into_iter().find(|(file, _)| file == name).expect(name);
        String::from_utf8(text).expect("UTF-8")
    }

    #[test]
    fn each_command_of_the_help_has_a_page_and_no_other() {
        let files: Vec<String> = pages("").expect("pages").into_iter().map(|(name, _)| name).collect();
        let mut expected = vec!["rstmon.1".to_owned()];
        expected.extend(
            CommandLine::command()
                .get_subcommands()
                .filter(|command| !command.is_hide_set())
                .map(|command| format!("rstmon-{}.1", command.get_name())),
        );
        assert_eq!(files, expected);
        assert!(!files.iter().any(|file| file.contains("man.1") || file.contains("help")), "found {files:?}");
    }

    #[test]
    fn a_page_has_the_flags_the_date_and_the_exit_codes() {
        let page = page_of("rstmon-run.1");
        for expected in
            ["web.listen\\-address", "2026-01-31", "RSTMON_CONFIG", "EXIT STATUS", "rstmon.toml", "rstmon run"]
        {
            assert!(page.contains(expected), "no {expected:?} in:\n{page}");
        }
    }

    #[test]
    fn hidden_flags_stay_hidden() {
        let page = page_of("rstmon-tail.1");
        assert!(page.contains("standalone") && !page.contains("bpf\\-object"), "found:\n{page}");
    }

    #[test]
    fn every_shell_completes_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "rstmon", &mut script);
            let script = String::from_utf8(script).expect("UTF-8");
            assert!(script.contains("doctor") && script.contains("web.listen-address"), "{shell}:\n{script}");
        }
    }
}
