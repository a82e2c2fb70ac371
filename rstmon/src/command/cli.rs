//! Commands, flags and help texts of the command line.

use crate::{config::Overrides, query::time::TimeTexts};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Who reset which TCP connection, why, and what to do about it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  rstmon top                          the live view: who resets what, how often, and why
  rstmon tail                         one line for each reset on this host, as it happens
  rstmon tail process=java severity=harmful
  rstmon why --since 1h               what reset connections in the last hour, why, and what to do
  rstmon why --at 03:12               the same for last night at 03:12, five minutes either way
  rstmon why --for 30s port=8080      the same of the next half a minute; needs no daemon
  rstmon history                      what the store on disk has
  rstmon causes keepalive_race        one cause, with its remedies
  rstmon doctor                       what this host's kernel can show rstmon
  rstmon run --check                  validate the configuration and exit";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The daemon: counts resets, serves /metrics and the Unix socket
    Run(RunArguments),
    /// The live view: who resets what, how often, why, and what to do
    Top(TopArguments),
    /// One line for each reset as it happens
    Tail(TailArguments),
    /// The diagnosis: resets grouped by cause and owner, with evidence and remedies
    Why(WhyArguments),
    /// What is kept on disk: days, gaps, sizes; check it, or export a part of it
    History(HistoryArguments),
    /// What this host's kernel can and cannot show rstmon, with the fix
    Doctor(DoctorArguments),
    /// The catalogue of causes; with an ID, one cause and its remedies
    Causes(CausesArguments),
    /// Print the completion script for a shell
    Completions(CompletionsArguments),
    /// Write the manual pages into a directory (for packagers)
    #[command(hide = true)]
    Man(ManArguments),
}

// Flags of all commands that load the configuration.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ConfigArguments {
    /// Configuration file [default: /etc/rstmon/rstmon.toml, if it exists]
    #[arg(long, env = "RSTMON_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Unix socket of the daemon [default: /run/rstmon/rstmon.sock]
    #[arg(long, env = "RSTMON_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Another BPF object than the one built in (for tests)
    #[cfg(feature = "test-switches")]
    #[arg(long, env = "RSTMON_BPF_OBJECT_FILE", value_name = "FILE", hide = true)]
    pub(crate) bpf_object: Option<PathBuf>,
}

impl ConfigArguments {
    #[must_use]
    pub(crate) fn overrides(&self) -> Overrides {
        let Self {
            config,
            socket,
            #[cfg(feature = "test-switches")]
            bpf_object,
        } = self.clone();
        Overrides {
            file: config,
            socket,
            #[cfg(feature = "test-switches")]
            bpf_object,
            ..Overrides::default()
        }
    }
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  rstmon run
  rstmon run --web.listen-address=0.0.0.0:10474 --web.config.file=/etc/rstmon/web.yml
  rstmon run --check --config ./rstmon.toml")]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,
    /// Validate the configuration and exit: 0 = valid, 2 = invalid
    #[arg(long)]
    pub(crate) check: bool,
    /// Address to serve /metrics on; may be given several times
    #[arg(
        long = "web.listen-address",
        env = "RSTMON_WEB_LISTEN_ADDRESS",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub(crate) listen_address: Vec<String>,
    /// Path of the metrics
    #[arg(long = "web.telemetry-path", env = "RSTMON_WEB_TELEMETRY_PATH", value_name = "PATH")]
    pub(crate) telemetry_path: Option<String>,
    /// TLS and basic authentication, in the format of Prometheus' exporter-toolkit
    #[arg(long = "web.config.file", env = "RSTMON_WEB_CONFIG_FILE", value_name = "FILE")]
    pub(crate) web_config: Option<PathBuf>,
    /// Least severe level to log: error, warn, info, debug or trace
    #[arg(long = "log.level", env = "RSTMON_LOG_LEVEL", value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Format of the log: text or json
    #[arg(long = "log.format", env = "RSTMON_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

impl RunArguments {
    #[must_use]
    pub(crate) fn overrides(&self) -> Overrides {
        let Self { config, check: _, listen_address, telemetry_path, web_config, log_level, log_format } = self.clone();
        Overrides { listen_address, telemetry_path, web_config, log_level, log_format, ..config.overrides() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,
    /// Load the probe in this process even if a daemon runs
    #[arg(long)]
    pub(crate) standalone: bool,
}

impl SourceArguments {
    /// Whether a socket was named, so that the command must not watch without the daemon.
    #[must_use]
    pub(crate) fn requires_daemon(&self) -> bool {
        self.config.socket.is_some()
    }
}

// The format of what a command prints.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputArguments {
    /// Print JSON (schemas: docs/events.md, docs/history.md)
    #[arg(long)]
    json: bool,
    /// Print text, or JSON as --json does
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "json")]
    output: Option<OutputFormat>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Text,
    Json,
}

impl OutputArguments {
    /// Whether to print JSON, one object a line where there are several.
    #[must_use]
    pub(crate) fn is_json(self) -> bool {
        self.json || self.output == Some(OutputFormat::Json)
    }
}

// The span of time that a command looks at.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TimeArguments {
    /// From this time on: 10m, 03:12, "yesterday 22:00", 2026-11-27, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to this time, in the same forms
    #[arg(long, value_name = "TIME", conflicts_with = "standalone")]
    pub(crate) until: Option<String>,
    /// Five minutes before and after this time; of a day, all of it
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until", "standalone"])]
    pub(crate) at: Option<String>,
    /// Read and print times in UTC instead of the local time zone
    #[arg(long)]
    pub(crate) utc: bool,
}

impl TimeArguments {
    #[must_use]
    pub(crate) fn texts(&self) -> TimeTexts<'_> {
        let Self { since, until, at, utc: _ } = self;
        TimeTexts { since: since.as_deref(), until: until.as_deref(), at: at.as_deref() }
    }
}

const TIME_HELP: &str = "Times: 90s, 10m, 2h, 3d (ago); 03:12 or 03:12:30 (the last one that passed); today, \
\"yesterday 22:00\", 2026-11-27, \"2026-11-27 03:12\" (local, by TZ; UTC with --utc); 2026-11-27T03:12:30Z; now.
In a recording, 10m and 03:12 count from its end.";

const FILTER_HELP: &str = "Filter: words field=value are ANDed; field!=value negates; several values with commas.
Fields: process unit container port cause reason direction family local remote severity
  (local and remote take an address or a network, such as 10.0.0.0/8; case does not matter)";

const TOP_EXAMPLES: &str = "Examples:
  rstmon top
  rstmon top severity=harmful port=443,8443
  rstmon top --group cause
  rstmon top --once > ticket.txt
  rstmon tail --json > incident.json; rstmon top --replay incident.json --speed 10
  rstmon top --replay incident.json.gz --since 03:12

Times of a recording: 03:12, \"2026-11-27 03:12\", RFC 3339; 10m counts from its end
Filter: words field=value are ANDed; field!=value negates; several values with commas.
Fields: process unit container port cause reason direction family local remote severity
Keys: press ? in the view";

#[derive(Debug, Args)]
#[command(after_help = TOP_EXAMPLES, group(ArgGroup::new("printed").args(["once", "json", "output"]).multiple(true)))]
pub(crate) struct TopArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Show recordings made by `rstmon tail --json`, plain or gzip, instead of this host: a file or a directory;
    /// several times for more; with --once or --json, - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "standalone")]
    pub(crate) replay: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) time: TimeArguments,
    /// Replay this many times as fast as it was recorded; 0 = all at once
    #[arg(long, value_name = "FACTOR", default_value = "1", requires = "replay")]
    pub(crate) speed: f64,
    /// Group the rows by who (process, unit, port, direction and cause), cause, process, unit, port or network
    #[arg(long, value_name = "WHAT", default_value = "who")]
    pub(crate) group: Group,
    /// Print one snapshot as plain text and exit
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once or --json: watch for this long before printing [default: 1s]
    #[arg(long = "for", value_name = "DURATION", requires = "printed")]
    pub(crate) watch_for: Option<String>,
    // JSON implies --once.
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Draw lines and bars in plain ASCII even in a UTF-8 locale; names are not changed
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Panic after the first frame, to see that the terminal is given back (for tests)
    #[cfg(feature = "test-switches")]
    #[arg(long, hide = true)]
    pub(crate) panic: bool,
    /// Which resets to show
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Owner, service port, direction and cause
    #[default]
    Who,
    /// The cause of the resets
    Cause,
    /// The owner's name
    Process,
    /// The systemd unit or container
    Unit,
    /// The service port
    Port,
    /// The peer's network: /24 or /64
    Network,
}

const TAIL_EXAMPLES: &str = "Examples:
  rstmon tail process=java severity=harmful
  rstmon tail --since 10m                       the last ten minutes, then each reset as it happens
  rstmon tail --at 03:12                        from 03:07 to 03:17
  rstmon tail --json --since \"yesterday 22:00\" --until 06:00 > night.json
  rstmon tail --replay night.json --at 03:12 port=8080";

#[derive(Debug, Args)]
#[command(after_help = format!("{TAIL_EXAMPLES}\n\n{TIME_HELP}\n\n{FILTER_HELP}"))]
pub(crate) struct TailArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Begin with the last N resets that the daemon remembers
    #[arg(short = 'n', long, value_name = "N", default_value = "0", conflicts_with_all = ["standalone", "since", "until", "at", "replay"])]
    pub(crate) lines: usize,
    /// Accepted for the habit of tail(1): rstmon tail follows unless a span ends or a recording is read
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    pub(crate) time: TimeArguments,
    /// Print the events of recordings, plain or gzip, and end: a file, a directory or - (standard input); several times
    /// for more
    #[arg(long, value_name = "FILE", conflicts_with = "standalone")]
    pub(crate) replay: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Which resets to show
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

const WHY_EXAMPLES: &str = "Examples:
  rstmon why                                    the last ten minutes
  rstmon why --at 03:12                         from 03:07 to 03:17, the last time that it was 03:12
  rstmon why --since \"yesterday 22:00\" --until 06:00 process=java
  rstmon why --for 30s port=8080                of the next half a minute; needs no daemon
  rstmon why --replay night.json.gz --since 1h  the last hour of a recording";

#[derive(Debug, Args)]
#[command(after_help = format!("{WHY_EXAMPLES}\n\n{TIME_HELP}\n\n{FILTER_HELP}"))]
pub(crate) struct WhyArguments {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    #[command(flatten)]
    pub(crate) time: TimeArguments,
    /// Watch for this long, through the daemon or without one, then report
    #[arg(long = "for", value_name = "DURATION", conflicts_with_all = ["since", "until", "at"])]
    pub(crate) watch_for: Option<String>,
    /// Diagnose recordings made by `rstmon tail --json`, plain or gzip: a file, a directory or - (standard input);
    /// several times for more
    #[arg(long, value_name = "FILE", conflicts_with_all = ["watch_for", "standalone"])]
    pub(crate) replay: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Say which rule gave each verdict, and the facts that it took
    #[arg(long, conflicts_with = "json")]
    pub(crate) explain: bool,
    /// Which resets to look at
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

const HISTORY_EXAMPLES: &str = "Examples:
  rstmon history                                   days, gaps and sizes
  rstmon history --json | jq '.segments[].file'
  rstmon history check                             verify every line; 1 = something is damaged
  rstmon history export --since 12h process=java > night.json
  rstmon why --replay night.json
  rstmon history --store ./copy-of-another-host

Filter: words field=value are ANDed; field!=value negates; several values with commas.
Fields: process unit container port cause reason direction family local remote severity";

#[derive(Debug, Args)]
#[command(after_help = HISTORY_EXAMPLES)]
pub(crate) struct HistoryArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,
    /// Directory of the store [default: store.directory of the configuration, or /var/lib/rstmon]
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// From this time on: 12h, 03:12, "yesterday 22:00", 2026-11-27, RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to this time, in the same forms
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Five minutes before and after this time; of a day, all of it
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until"])]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// What to do
    #[arg(value_name = "ACTION", default_value = "list")]
    pub(crate) action: HistoryAction,
    /// Which events to export
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryAction {
    /// List days, gaps and sizes
    List,
    /// Read and verify everything
    Check,
    /// Write events to standard output, as a recording
    Export,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) config: ConfigArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CausesArguments {
    /// Id of the cause to print; without one, all are listed
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    /// Print the catalogue in Markdown, as in docs/causes.md
    #[arg(long, conflicts_with_all = ["id", "json", "output"])]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rstmon completions bash > /usr/share/bash-completion/completions/rstmon
  rstmon completions zsh > /usr/share/zsh/site-functions/_rstmon
  rstmon completions fish > /usr/share/fish/vendor_completions.d/rstmon.fish

The packages install all three.")]
pub(crate) struct CompletionsArguments {
    /// Shell to print the script for
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Directory for rstmon.1 and one page per command
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
    /// Date of the pages, such as 2026-01-31; without it, the pages have none
    #[arg(long, value_name = "DATE", default_value = "")]
    pub(crate) date: String,
}
