//! `rstmon doctor`: what this host's kernel can and cannot show, with the fix.

use super::{Failure, cli::DoctorArguments};
use crate::{
    config::Config,
    host::terminal::{self, note},
    monitor::{
        doctor::{CheckState, DoctorCheck, DoctorReport},
        store,
    },
    probe::{aspect::Aspect, privileges},
    query,
    sandbox::confine,
    serve::Client,
};
use std::fmt::Write as _;

/// Prints the report. Fails with exit code 3 if rstmon cannot work on this host.
pub(super) fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config.overrides())?;
    // A process without the capabilities to check the kernel asks the daemon, which has them.
    let of_daemon = if privileges::missing_capabilities().is_empty() { None } else { from_daemon(&config)? };
    let report = of_daemon.unwrap_or_else(|| {
        let directory = config.store_directory(None);
        let stored =
            store_of_daemon(&config).unwrap_or_else(|| store::check_directory(config.store.enabled, &directory));
        let report = DoctorReport::of_host(&config.probe_options()).with([stored]);
        // Only printing is left to do, so this process can enter the daemon's sandbox to check it.
        report.with(confine::sandbox(config.security.sandbox, &confine::watching()).checks())
    });
    let text = if arguments.output.is_json() {
        serde_json::to_string_pretty(&report).map_err(Failure::json)?
    } else {
        terminal::safe_lines(&text_of(&report))
    };
    terminal::print(&text)?;
    match report.checks.iter().find(|check| check.standing == CheckState::Failed) {
        None => Ok(()),
        Some(check) => Err(Failure::Host { reason: format!("{}: {}", check.name, check.found) }),
    }
}

/// What a daemon that runs says of its store.
fn store_of_daemon(config: &Config) -> Option<DoctorCheck> {
    let report = query::runtime().ok()?.block_on(Client::new(&config.socket.path).doctor()).ok()?;
    let report: DoctorReport = serde_json::from_value(report).ok()?;
    report.checks.into_iter().find(|check| check.name == store::NAME)
}

/// Gets the daemon's report; `None` if no daemon runs.
fn from_daemon(config: &Config) -> Result<Option<DoctorReport>, Failure> {
    let answer = query::runtime()?.block_on(Client::new(&config.socket.path).doctor());
    match answer {
        Ok(report) => {
            note(&format!("as the daemon at {} sees it", config.socket.path.display()));
            serde_json::from_value(report).map(Some).map_err(Failure::json)
        }
        Err(error) if error.is_no_daemon() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn text_of(report: &DoctorReport) -> String {
    let mut text = format!("rstmon {} on Linux {}\n\n", report.version, report.kernel);
    for check in &report.checks {
        let mark = match check.standing {
            CheckState::Ok => "ok",
            CheckState::Degraded => "DEGRADED",
            CheckState::Failed => "FAILED",
        };
        // Writing to a String does not fail.
        let _ = writeln!(text, "{mark:<9} {:<28} {}", check.name, check.found);
        if let Some(hides) = &check.hides {
            let _ = writeln!(text, "{:<9} {:<28} hides: {hides}", "", "");
        }
        if let Some(fix) = &check.fix {
            let _ = writeln!(text, "{:<9} {:<28} fix: {fix}", "", "");
        }
    }
    if !report.shows.is_empty() {
        text.push_str("\nWhat this kernel shows:\n");
    }
    for Aspect { name: _, what, clarity, why } in &report.shows {
        let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(text, "{:<13} {what}{why}", clarity.as_str());
    }
    text.push_str(match (report.usable, report.checks.iter().any(|check| check.standing == CheckState::Degraded)) {
        (true, false) => "\nThis host can be monitored; nothing is hidden.",
        (true, true) => "\nThis host can be monitored; the lines with \"hides\" say what cannot be shown.",
        (false, _) => "\nThis host cannot be monitored.",
    });
    text
}
