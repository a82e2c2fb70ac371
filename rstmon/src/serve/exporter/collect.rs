//! One collection for all scrapes that wait for it.
//!
//! A collection reads the kernel's maps, so at most one runs at a time, however many clients scrape. Scrapes that
//! arrive while one runs share the next collection of their representation. An answer therefore never shows a state
//! from before its request, and any number of concurrent scrapes costs two collections per representation. Answers
//! share their bytes too, so clients that read slowly do not each hold a copy.

use crate::{
    metrics::Format,
    serve::{http::blocking::off_thread, source::Source},
    sync::lock,
};
use axum::body::Bytes;
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::HashMap,
    io::{self, Write as _},
    sync::{Arc, Mutex},
};
use tokio::sync::{Semaphore, watch};

/// What content negotiation decides about the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Representation {
    pub(crate) format: Format,
    pub(crate) gzip: bool,
}

/// Why a collection failed; cloned for every scrape that waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ScrapeError {
    #[error("cannot collect the metrics: {0}")]
    Source(Arc<str>),
    #[error("cannot compress the metrics: {0}")]
    Compress(Arc<io::Error>),
    #[error("internal error, see the daemon's log")]
    Panicked,
}

type ScrapeResult = Result<Bytes, ScrapeError>;

/// Collects the metrics for all scrapes.
#[derive(Clone)]
pub(crate) struct SharedCollector(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    one_at_a_time: Arc<Semaphore>,
    /// The collections that have not begun yet, by what they will collect.
    next: Mutex<HashMap<Representation, watch::Receiver<Option<ScrapeResult>>>>,
}

impl SharedCollector {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self(Arc::new(Inner { source, one_at_a_time: Arc::new(Semaphore::new(1)), next: Mutex::default() }))
    }

    /// The metrics as of a time after the call. Cancel safe.
    pub(crate) async fn scrape(&self, representation: Representation) -> ScrapeResult {
        let mut receiver = self.join(representation);
        match receiver.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            // The collection was dropped with its runtime.
            Ok(None) | Err(_) => Err(ScrapeError::Panicked),
        }
    }

    /// Joins the next collection of this representation, and schedules it where there is none.
    fn join(&self, representation: Representation) -> watch::Receiver<Option<ScrapeResult>> {
        let mut next = lock(&self.0.next);
        let schedule = || {
            let (sender, receiver) = watch::channel(None);
            tokio::spawn(Arc::clone(&self.0).collect(representation, sender));
            receiver
        };
        next.entry(representation).or_insert_with(schedule).clone()
    }
}

impl Inner {
    async fn collect(self: Arc<Self>, representation: Representation, sender: watch::Sender<Option<ScrapeResult>>) {
        // Never closed, so the only result is a permit.
        let permit = Arc::clone(&self.one_at_a_time).acquire_owned().await.ok();
        // The collection begins here, so later scrapes must not join it. This also drops the map's own receiver.
        lock(&self.next).remove(&representation);
        if sender.is_closed() {
            return;
        }
        let source = Arc::clone(&self.source);
        let work = off_thread(move || {
            // The permit moves into the work: while it runs, no other collection starts, even if this task is dropped.
            let _permit = permit;
            render(&*source, representation)
        });
        let result = work.await.unwrap_or(Err(ScrapeError::Panicked));
        if let Err(error) = &result {
            tracing::error!(%error, "a scrape failed");
        }
        sender.send_replace(Some(result));
    }
}

fn render(source: &dyn Source, Representation { format, gzip }: Representation) -> ScrapeResult {
    let text = source.metrics(format).map_err(|error| ScrapeError::Source(error.to_string().into()))?;
    if gzip { compress(&text).map_err(|error| ScrapeError::Compress(Arc::new(error))) } else { Ok(text.into()) }
}

fn compress(text: &str) -> io::Result<Bytes> {
    // Series are so similar that the fastest level already takes off nine tenths.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?.into())
}
