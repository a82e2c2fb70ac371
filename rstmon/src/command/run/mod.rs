//! `rstmon run`: the daemon.

mod daemon;

use super::{Failure, cli::RunArguments, config::Config, logging, monitor::Monitor};
use crate::{
    metrics::trend,
    probe::privileges,
    serve::{Limits, ListenAddress, Server, ServerOptions, SocketOptions, TelemetryPath, stop_signal, web_config},
};
use daemon::Daemon;
use std::{sync::Arc, time::Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Validates the configuration, or runs until SIGTERM or SIGINT.
pub fn run(arguments: &RunArguments) -> Result<(), Failure> {
    let config = Config::load_for_run(arguments)?;
    let options = server_options(&config)?;
    if arguments.check {
        return super::stream::print("the configuration is valid");
    }
    logging::start(&config.log);
    // One thread: the event path has threads of its own, and what blocks goes to the blocking pool, which starts its
    // threads as needed, i.e. after privileges were given up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(Failure::io("cannot start the runtime"))?;
    runtime.block_on(serve(&config, options))
}

fn server_options(config: &Config) -> Result<ServerOptions, Failure> {
    let listen =
        config.web.listen_address.iter().map(|address| address.parse::<ListenAddress>()).collect::<Result<_, _>>()?;
    if let Some(path) = &config.web.config_file {
        web_config::check(path)?;
    }
    Ok(ServerOptions {
        listen,
        telemetry_path: config.web.telemetry_path.parse::<TelemetryPath>()?,
        web_config: config.web.config_file.clone(),
        socket: Some(SocketOptions { path: config.socket.path.clone(), group: config.socket.group.clone() }),
        tcp_limits: Limits::tcp(),
        unix_limits: Limits::unix(),
    })
}

async fn serve(config: &Config, options: ServerOptions) -> Result<(), Failure> {
    let started = Instant::now();
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::io("cannot handle SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::io("cannot handle SIGINT"))?;

    let server = Server::bind(options).await?;
    let (monitor, events) = Monitor::attach(config)?;
    let monitor = Arc::new(monitor);
    privileges::drop_privileges()?;

    let daemon = Arc::new(Daemon::new(Arc::clone(&monitor), config.history.events));
    let sink = Arc::clone(&daemon);
    let watching = monitor.watch(events, move |event| sink.publish(event))?;
    announce(&server, &monitor, started);

    let (stopper, stopping) = stop_signal();
    let mut serving = tokio::spawn(server.run(Arc::clone(&daemon) as Arc<dyn crate::serve::Source>, stopping));
    // Also when nobody scrapes: a count map must not stay full, and trends have a step.
    let mut tick = tokio::time::interval(trend::STEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let why = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = &mut serving => break "the server ended",
            _ = tick.tick() => read_counts(&monitor).await,
        }
    };
    tracing::info!(why, "stopping");
    stopper.stop();
    if !serving.is_finished() {
        // A panic in the server has been reported by the panic hook.
        let _ = serving.await;
    }
    drop(watching);
    tracing::info!("stopped, all hooks detached");
    Ok(())
}

async fn read_counts(monitor: &Arc<Monitor>) {
    let monitor = Arc::clone(monitor);
    match tokio::task::spawn_blocking(move || monitor.read_counts()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "reading the counts failed"),
        Err(error) => tracing::error!(%error, "reading the counts panicked"),
    }
}

fn announce(server: &Server, monitor: &Monitor, started: Instant) {
    for status in monitor.hooks() {
        if let Some(hides) = status.hides() {
            tracing::info!(hook = status.hook.name, outcome = ?status.outcome, hides, "hook not attached");
        }
    }
    if !monitor.missing_fields().is_empty() {
        tracing::warn!(fields = monitor.missing_fields().join(", "), "kernel fields missing: their evidence is absent");
    }
    let addresses: Vec<String> = server.tcp_addresses().unwrap_or_default().iter().map(ToString::to_string).collect();
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        addresses = addresses.join(", "),
        socket = %server.socket_path().map_or_else(String::new, |path| path.display().to_string()),
        elapsed_ms,
        "watching resets"
    );
}
