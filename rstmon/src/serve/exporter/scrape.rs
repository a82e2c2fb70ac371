//! One collection for everybody who asks at the same time.
//!
//! A collection reads the kernel's maps, so there is never more than one at work, however many scrape. Who comes while
//! one runs gets the next one, together with all others who came meanwhile and want the same form: what an answer
//! shows is never older than its request, and a crowd of any size costs two collections a form, not one each. The
//! answer's bytes are shared too, so a crowd that reads slowly does not hold as many copies.

use crate::{
    metrics::Format,
    serve::{Source, http::work::off_thread},
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

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) gzip: bool,
}

/// Why there is no answer; kept as text because everybody who waits gets a copy.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ScrapeError {
    #[error("cannot collect the metrics: {0}")]
    Source(Arc<str>),
    #[error("cannot compress the metrics: {0}")]
    Compress(Arc<io::Error>),
    #[error("internal error, see the daemon's log")]
    Panicked,
}

type Outcome = Result<Bytes, ScrapeError>;

/// Collects for all scrapers.
#[derive(Clone)]
pub(crate) struct Scraper(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    one_at_a_time: Arc<Semaphore>,
    /// The collections that have not begun, with those who wait for them.
    next: Mutex<HashMap<Form, watch::Receiver<Option<Outcome>>>>,
}

impl Scraper {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self(Arc::new(Inner { source, one_at_a_time: Arc::new(Semaphore::new(1)), next: Mutex::default() }))
    }

    /// The metrics as of a moment after the call, which may be given up at any time.
    pub(crate) async fn scrape(&self, form: Form) -> Outcome {
        let mut receiver = self.join(form);
        match receiver.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The collection was dropped with its runtime.
            Ok(None) | Err(_) => Err(ScrapeError::Panicked),
        }
    }

    /// A seat in the next collection of this form.
    fn join(&self, form: Form) -> watch::Receiver<Option<Outcome>> {
        let mut next = lock(&self.0.next);
        let join = || {
            let (sender, receiver) = watch::channel(None);
            tokio::spawn(Arc::clone(&self.0).collect(form, sender));
            receiver
        };
        next.entry(form).or_insert_with(join).clone()
    }
}

impl Inner {
    async fn collect(self: Arc<Self>, form: Form, sender: watch::Sender<Option<Outcome>>) {
        // Never closed, so the only result is a permit.
        let permit = Arc::clone(&self.one_at_a_time).acquire_owned().await.ok();
        // From here on it has begun. The map's own receiver goes with this.
        lock(&self.next).remove(&form);
        if sender.is_closed() {
            return;
        }
        let source = Arc::clone(&self.source);
        let work = off_thread(move || {
            // The permit goes along: not even a runtime that is going starts a collection beside this one.
            let _permit = permit;
            render(&*source, form)
        });
        let outcome = work.await.unwrap_or(Err(ScrapeError::Panicked));
        if let Err(error) = &outcome {
            tracing::error!(%error, "a scrape failed");
        }
        sender.send_replace(Some(outcome));
    }
}

fn render(source: &dyn Source, Form { format, gzip }: Form) -> Outcome {
    let text = source.metrics(format).map_err(|error| ScrapeError::Source(error.to_string().into()))?;
    if gzip { compress(&text).map_err(|error| ScrapeError::Compress(Arc::new(error))) } else { Ok(text.into()) }
}

fn compress(text: &str) -> io::Result<Bytes> {
    // Series are so alike that the fastest level already takes off nine tenths.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?.into())
}
