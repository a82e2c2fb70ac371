//! The gate: the checks of the web configuration (rate limit, users) that a TCP request passes before it reaches a
//! route, and the configured headers that every answer carries.

use super::{
    auth::{Applicant, Authenticator, rate_limit::RateLimiter},
    http::{
        blocking::{BlockingWorkFailed, off_thread},
        respond::{common_headers, text},
        state::{ConnectionState, HoldReason},
    },
    web_config::{Refusal, Reloader, Successor, WebConfig},
};
use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, sync::Arc, time::Instant};

/// The web configuration in force, the cache of accepted credentials and the state of the rate limit.
pub(crate) struct Gate {
    reloader: Reloader,
    authenticator: Authenticator,
    /// Made once, as in exporter-toolkit: a new bucket at every reload would be a way around the limit.
    limiter: Option<RateLimiter>,
}

impl Gate {
    /// Blocks for a few stat(2) calls.
    pub(crate) fn new(reloader: Reloader) -> Self {
        let limiter = reloader.current().rate.map(|rate| RateLimiter::new(rate, Instant::now()));
        Self { reloader, authenticator: Authenticator::new(), limiter }
    }

    /// Reads the configuration again, for [`Self::apply`]. Blocks for file access.
    pub(super) fn read_again(&self) -> Result<Successor, Refusal> {
        self.reloader.read_again()
    }

    pub(super) fn apply(&self, successor: Successor) {
        self.reloader.apply(successor);
    }

    /// The configuration in force, read again where its files have changed.
    pub(crate) async fn current(self: Arc<Self>) -> Result<Arc<WebConfig>, BlockingWorkFailed> {
        off_thread(move || self.reloader.current()).await
    }
}

/// Puts `gate` in front of all routes, the fallback for unknown paths included.
pub(crate) fn protect(router: Router, gate: Arc<Gate>) -> Router {
    router.layer(from_fn_with_state(gate, pass))
}

impl Applicant for ConnectionState {
    fn address(&self) -> Option<IpAddr> {
        self.peer()
    }

    fn waits(&self) {
        self.hold(HoldReason::Unchecked);
    }

    fn is_checked(&self) {
        self.work();
    }
}

async fn pass(
    State(gate): State<Arc<Gate>>,
    Extension(connection): Extension<Arc<ConnectionState>>,
    request: Request,
    next: Next,
) -> Response {
    let config = match Arc::clone(&gate).current().await {
        Ok(config) => config,
        Err(failed) => return failed.into_response(),
    };
    let mut response = if gate.limiter.as_ref().is_some_and(|limiter| !limiter.allows(Instant::now())) {
        common_headers(text(StatusCode::TOO_MANY_REQUESTS, "too many requests")).await
    } else if config.users.is_empty()
        || gate.authenticator.accepts(&config.users, request.headers(), &*connection).await
    {
        next.run(request).await
    } else {
        let mut response = common_headers(text(StatusCode::UNAUTHORIZED, "unauthorized")).await;
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"rstmon\""));
        response
    };
    response.headers_mut().extend(config.headers.clone());
    response
}
