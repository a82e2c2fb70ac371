//! `rstmon run`: the daemon.

mod daemon;
mod descriptors;
mod notify;
mod reload;
mod store;

use super::{Failure, cli::RunArguments};
use crate::{
    config::{
        Config, Overrides,
        logging::{self, LogWay, Logging},
    },
    host::{boot_clock::TimeNamespace, log_output::LogOutput, terminal},
    monitor::{
        Monitor, doctor,
        liveness::{self, LivenessRounds},
        signals::{IgnoredSignals, Termination},
    },
    sandbox::{Sandbox, confine},
    serve::{
        ConnectionLimits, Inherited, ListenAddress, ServeError, Server, ServerOptions, SocketOptions, TelemetryPath,
        connection_limits, stop_signal, web_config,
    },
};
use daemon::DaemonSource;
use descriptors::ConnectionShares;
pub(crate) use descriptors::DescriptorError;
use notify::Notifier;
use reload::ConfigReload;
use rustix::{fs::Mode, process::umask};
use std::{
    env, iter,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use store::PreparedStore;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{JoinHandle, spawn_blocking},
};

/// Validates the configuration, or runs until SIGTERM or SIGINT.
pub(super) fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let overrides = arguments.overrides();
    let config = Config::load_for_run(&overrides)?;
    let options = server_options(&config)?;
    let web = config.web.config_file.as_deref().map(web_config::check).transpose()?.unwrap_or_default();
    if arguments.check {
        // Not an error, because the daemon starts and counts with such a certificate.
        if let (Some(path), Some(problem)) = (&config.web.config_file, web.out_of_date) {
            terminal::note(&format!("{}: {problem}: clients will refuse it", path.display()));
        }
        return Ok(terminal::print("the configuration is valid")?);
    }
    // Under a narrower one, such as 0777, the daemon could not open what it makes. Files that other users must not read
    // have their modes given.
    umask(Mode::from_raw_mode(0o027));
    let is_sandboxed = config.security.sandbox;
    let log_output = LogOutput::start(move || {
        if let Err(error) = confine::confine_log_thread(is_sandboxed) {
            tracing::error!(%error, "the thread of the log keeps its privileges");
        }
    });
    let _log_output = log_output.map_err(Failure::io("cannot start a thread"))?;
    let logging = logging::start(&config.log, LogWay::Queued);
    logging::log_panics();
    let notifier = Notifier::from_environment();
    let inherited = Inherited::from_environment().map_err(ServeError::from)?;
    // One thread is enough: the event path has threads of its own, and blocking work runs in the blocking pool, which
    // starts its threads on demand, after privileges were given up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(Failure::io("cannot start the runtime"))?;
    let setup = DaemonSetup { overrides, config, options, web_files: web.files, inherited, logging };
    let result = runtime.block_on(serve(setup, &notifier));
    // A thread of the pool that hangs must not keep the process from ending.
    runtime.shutdown_background();
    result
}

struct DaemonSetup {
    overrides: Overrides,
    config: Config,
    options: ServerOptions,
    /// Files that the web configuration names.
    web_files: Vec<PathBuf>,
    inherited: Inherited,
    logging: Logging,
}

fn server_options(config: &Config) -> Result<ServerOptions, Failure> {
    let listen =
        config.web.listen_address.iter().map(|address| address.parse::<ListenAddress>()).collect::<Result<_, _>>()?;
    Ok(ServerOptions {
        listen,
        telemetry_path: config.web.telemetry_path.parse::<TelemetryPath>()?,
        web_config: config.web.config_file.clone(),
        socket: Some(SocketOptions { path: config.socket.path.clone(), group: config.socket.group.clone() }),
        tcp_limits: ConnectionLimits::tcp(),
        unix_limits: connection_limits(),
    })
}

async fn serve(setup: DaemonSetup, notifier: &Notifier) -> Result<(), Failure> {
    let started = Instant::now();
    let mut termination = Termination::catch().map_err(Failure::io("cannot handle signals"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::io("cannot handle SIGHUP"))?;
    let mut ignored = IgnoredSignals::catch().map_err(Failure::io("cannot ignore signals"))?;
    let DaemonSetup { overrides, config, options, web_files, inherited, logging } = setup;

    let limit = descriptors::raise_limit()?;
    if let Some(found) = doctor::low_memory() {
        tracing::warn!("memory is {found}");
    }
    match TimeNamespace::own() {
        TimeNamespace::Host => {}
        TimeNamespace::Shifted { ahead_ns } => {
            tracing::info!(ahead_ns, "in a time namespace: the times of resets are translated");
        }
        TimeNamespace::Unknown => {
            tracing::warn!("in a time namespace whose offsets cannot be read: the times of resets are not known");
        }
    }
    let mut server = Server::bind(options, inherited).await?;
    let (monitor, events) = Monitor::attach(&config.monitor_options()?)?;
    let monitor = Arc::new(monitor);
    let read_again = web_files.iter().map(PathBuf::as_path).chain(iter::once(overrides.file()));
    let notify = notifier.path();
    let store = PreparedStore::open(&config)?;
    let kept = store.as_ref().and_then(PreparedStore::descriptor);
    let reach = confine::serving(read_again, server.socket_path(), notify.as_deref(), kept);
    let sandbox = confine::confine(config.security.sandbox, &reach)?;

    let ConnectionShares { each, followers } = descriptors::shares(limit, ConnectionLimits::tcp().connections)?;
    if each < ConnectionLimits::tcp().connections {
        tracing::warn!(limit, connections = each, followers, "fewer connections: RLIMIT_NOFILE (LimitNOFILE=) is low");
    }
    server.limit_connections(each);
    let store = store.map(|store| store.start(&monitor));
    let history = config.history.events;
    let daemon = DaemonSource::new(Arc::clone(&monitor), history, followers, store.clone(), sandbox.clone());
    let daemon = Arc::new(daemon);
    let event_path = monitor.watch(events, daemon.sinks())?;
    daemon.begun(event_path.liveness());
    let status = announce(&server, &monitor, &sandbox, started);
    let reload = Arc::new(ConfigReload::new(
        overrides,
        config,
        logging,
        Arc::clone(&monitor),
        Arc::clone(&daemon),
        server.web_reload(),
    ));

    let (stopper, stopping) = stop_signal();
    let mut serving = tokio::spawn(server.run(daemon, stopping));
    notifier.ready(&status);
    let mut liveness = LivenessRounds::new(liveness::period(sd_notify::watchdog_enabled()), || {
        liveness::check(Arc::clone(&monitor), event_path.liveness())
    });
    let mut reloading: Option<JoinHandle<String>> = None;
    let why = loop {
        tokio::select! {
            signal = termination.received() => break signal,
            _ = &mut serving => break SERVER_ENDED,
            () = ignored.report() => {}
            _ = hangup.recv(), if reloading.is_none() => {
                notifier.reloading();
                let reload = Arc::clone(&reload);
                reloading = Some(spawn_blocking(move || reload.run()));
            }
            remark = ended(&mut reloading), if reloading.is_some() => {
                reloading = None;
                notifier.ready(&format!("{status}{remark}"));
            }
            round = liveness.round() => match round {
                Ok(()) => notifier.alive(),
                Err(error) => tracing::error!(%error, "the watchdog is not notified"),
            }
        }
    };
    notifier.stopping();
    tracing::info!(why, "stopping");
    stopper.stop();
    if !serving.is_finished() {
        // An error means that the server panicked, which the panic hook has reported.
        let _ = serving.await;
    }
    drop(liveness);
    // The events in the ring are handed to the sinks; then the store has all that it will get.
    drop(event_path);
    if let Some(store) = store {
        store.finish();
    }
    tracing::info!("stopped, all hooks detached");
    if why == SERVER_ENDED { Err(Failure::ServerEnded) } else { Ok(()) }
}

const SERVER_ENDED: &str = "the server ended";

/// Waits for the end of a reload and returns its remarks; never returns if no reload is running.
async fn ended(reloading: &mut Option<JoinHandle<String>>) -> String {
    match reloading {
        // An error means that the reload panicked, which the panic hook has reported.
        Some(reloading) => reloading.await.unwrap_or_else(|_| "; the last reload failed, see the log".to_owned()),
        None => std::future::pending().await,
    }
}

/// Logs hooks, sandbox and addresses at the start, and returns a summary as the status line for the service manager.
fn announce(server: &Server, monitor: &Monitor, sandbox: &Sandbox, started: Instant) -> String {
    for status in monitor.hooks() {
        if let Some(hides) = status.hides() {
            tracing::info!(hook = status.hook.name, outcome = ?status.outcome, hides, "hook not attached");
        }
    }
    if !monitor.missing_fields().is_empty() {
        tracing::warn!(fields = monitor.missing_fields().join(", "), "kernel fields missing: their evidence is absent");
    }
    let Sandbox { no_new_privileges, files, calls } = sandbox;
    tracing::info!(%no_new_privileges, landlock = %files, seccomp = %calls, "sandbox");
    let addresses = server.tcp_addresses().unwrap_or_default();
    if addresses.iter().any(|address| !address.ip().is_loopback()) && env::var_os("INVOCATION_ID").is_some() {
        tracing::info!(
            "listening beyond this host: the unit's IPAddressAllow= has to name the clients' addresses, too"
        );
    }
    let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        addresses,
        socket = %server.socket_path().unwrap_or(Path::new("")).display(),
        elapsed_ms,
        "watching resets"
    );
    let attached = monitor.hooks().iter().filter(|status| status.hides().is_none()).count();
    format!("watching resets, {attached} of {} hooks work, metrics on {addresses}", monitor.hooks().len())
}
