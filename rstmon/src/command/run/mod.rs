//! `rstmon run`: the daemon.

mod daemon;
mod heart;
mod notify;
mod reload;
mod renewal;

use super::{Failure, cli::RunArguments, config::Config, confine, logging, monitor::Monitor, stream};
use crate::{
    sandbox::Sandbox,
    serve::{
        Inherited, Limits, ListenAddress, ServeError, Server, ServerOptions, SocketOptions, TelemetryPath, stop_signal,
        web_config,
    },
};
use daemon::Daemon;
use heart::Heart;
use notify::Notifier;
use renewal::Renewal;
use std::{
    env, iter,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinHandle, spawn_blocking},
};

/// Validates the configuration, or runs until SIGTERM or SIGINT.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let config = Config::load_for_run(arguments)?;
    let options = server_options(&config)?;
    let web = config.web.config_file.as_deref().map(web_config::check).transpose()?.unwrap_or_default();
    if arguments.check {
        // Not invalid: the daemon would start with it, and count.
        if let (Some(path), Some(problem)) = (&config.web.config_file, web.out_of_date) {
            stream::note(&format!("{}: {problem}: clients will refuse it", path.display()));
        }
        return stream::print("the configuration is valid");
    }
    let logging = logging::start(&config.log);
    let notifier = Notifier::from_environment();
    let inherited = Inherited::from_environment().map_err(ServeError::from)?;
    // One thread: the event path has threads of its own, and what blocks goes to the blocking pool, which starts its
    // threads as needed, i.e. after privileges were given up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(Failure::io("cannot start the runtime"))?;
    let setup = Setup { arguments: arguments.clone(), config, options, web_files: web.files, inherited, logging };
    let result = runtime.block_on(serve(setup, &notifier));
    // A thread of the pool that hangs must not keep the process.
    runtime.shutdown_background();
    result
}

/// What the daemon is made from.
struct Setup {
    arguments: RunArguments,
    config: Config,
    options: ServerOptions,
    /// Files of the web configuration.
    web_files: Vec<PathBuf>,
    inherited: Inherited,
    logging: logging::Logging,
}

fn server_options(config: &Config) -> Result<ServerOptions, Failure> {
    let listen =
        config.web.listen_address.iter().map(|address| address.parse::<ListenAddress>()).collect::<Result<_, _>>()?;
    Ok(ServerOptions {
        listen,
        telemetry_path: config.web.telemetry_path.parse::<TelemetryPath>()?,
        web_config: config.web.config_file.clone(),
        socket: Some(SocketOptions { path: config.socket.path.clone(), group: config.socket.group.clone() }),
        tcp_limits: Limits::tcp(),
        unix_limits: Limits::unix(),
    })
}

/// Signals that the daemon heeds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failure::io("cannot handle SIGTERM"))?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::io("cannot handle SIGINT"))?,
            hangup: signal(SignalKind::hangup()).map_err(Failure::io("cannot handle SIGHUP"))?,
        })
    }
}

async fn serve(setup: Setup, notifier: &Notifier) -> Result<(), Failure> {
    let started = Instant::now();
    let mut signals = Signals::catch()?;
    let Setup { arguments, config, options, web_files, inherited, logging } = setup;

    let server = Server::bind_with(options, inherited).await?;
    let (monitor, events) = Monitor::attach(&config)?;
    let monitor = Arc::new(monitor);
    let read_again = web_files.iter().map(PathBuf::as_path).chain(iter::once(arguments.config.file()));
    let notify = notifier.path();
    let sandbox = confine::confine(&config, &confine::serving(read_again, server.socket_path(), notify.as_deref()))?;

    let daemon = Arc::new(Daemon::new(Arc::clone(&monitor), config.history.events, sandbox.clone()));
    let sink = Arc::clone(&daemon);
    let watching = monitor.watch(events, move |event| sink.publish(event))?;
    let status = announce(&server, &monitor, &sandbox, started);
    let renewal = Arc::new(Renewal::new(
        arguments,
        config,
        logging,
        Arc::clone(&monitor),
        Arc::clone(&daemon),
        server.web_reload(),
    ));

    let (stopper, stopping) = stop_signal();
    let mut serving = tokio::spawn(server.run(daemon, stopping));
    notifier.ready(&status);
    let mut heart = Heart::new(heart::period(sd_notify::watchdog_enabled()), || {
        heart::check(Arc::clone(&monitor), watching.pulse())
    });
    let mut renewing: Option<JoinHandle<String>> = None;
    let why = loop {
        tokio::select! {
            _ = signals.terminate.recv() => break "SIGTERM",
            _ = signals.interrupt.recv() => break "SIGINT",
            _ = &mut serving => break SERVER_ENDED,
            _ = signals.hangup.recv(), if renewing.is_none() => {
                notifier.reloading();
                let renewal = Arc::clone(&renewal);
                renewing = Some(spawn_blocking(move || renewal.renew()));
            }
            remark = ended(&mut renewing), if renewing.is_some() => {
                renewing = None;
                notifier.ready(&format!("{status}{remark}"));
            }
            beat = heart.beat() => match beat {
                Ok(()) => notifier.alive(),
                Err(ill) => tracing::error!(%ill, "no sign of life for the watchdog"),
            }
        }
    };
    notifier.stopping();
    tracing::info!(why, "stopping");
    stopper.stop();
    if !serving.is_finished() {
        // A panic in the server has been reported by the panic hook.
        let _ = serving.await;
    }
    drop(heart);
    drop(watching);
    tracing::info!("stopped, all hooks detached");
    if why == SERVER_ENDED { Err(Failure::ServerEnded) } else { Ok(()) }
}

const SERVER_ENDED: &str = "the server ended";

/// What a reload has to say, once it is over; never, when there is none.
async fn ended(renewing: &mut Option<JoinHandle<String>>) -> String {
    match renewing {
        // A panic there has been reported by the panic hook.
        Some(renewing) => renewing.await.unwrap_or_else(|_| "; the last reload failed, see the log".to_owned()),
        None => std::future::pending().await,
    }
}

/// Tells the log how the daemon starts out; returns the same in a line for the service manager.
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
