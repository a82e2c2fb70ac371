//! What a request on TCP has to pass before a route sees it: the web configuration's rate limit, headers and users.

use super::{
    super::{
        http::{
            respond::{common_headers, text},
            work::{WorkFailed, off_thread},
        },
        web_config::{Refusal, Reloader, WebConfig},
    },
    Authenticator,
    rate_limit::RateLimiter,
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use std::{sync::Arc, time::Instant};

/// The web configuration in force and what it remembers of past requests.
pub(crate) struct Gate {
    reloader: Reloader,
    authenticator: Authenticator,
    /// Made once, as in the toolkit: a new bucket at every reload would be a way around it.
    limiter: Option<RateLimiter>,
}

impl Gate {
    /// Blocks for a few stat(2) calls.
    pub(crate) fn new(reloader: Reloader) -> Self {
        let limiter = reloader.current().rate.map(|rate| RateLimiter::new(rate, Instant::now()));
        Self { reloader, authenticator: Authenticator::new(), limiter }
    }

    /// Reads the configuration again. Blocks for file access.
    pub(crate) fn reload(&self) -> Result<(), Refusal> {
        self.reloader.reload()
    }

    /// The configuration as of now.
    pub(crate) async fn current(self: Arc<Self>) -> Result<Arc<WebConfig>, WorkFailed> {
        off_thread(move || self.reloader.current()).await
    }
}

/// Puts `gate` in front of all routes, the unknown ones too.
pub(crate) fn guard(router: Router, gate: Arc<Gate>) -> Router {
    router.layer(from_fn_with_state(gate, pass))
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let config = match Arc::clone(&gate).current().await {
        Ok(config) => config,
        Err(failed) => return failed.into_response(),
    };
    let mut response = if gate.limiter.as_ref().is_some_and(|limiter| !limiter.allows(Instant::now())) {
        common_headers(text(StatusCode::TOO_MANY_REQUESTS, "too many requests")).await
    } else if config.users.is_empty() || gate.authenticator.accepts(&config.users, request.headers()).await {
        next.run(request).await
    } else {
        let mut response = common_headers(text(StatusCode::UNAUTHORIZED, "unauthorized")).await;
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"rstmon\""));
        response
    };
    response.headers_mut().extend(config.headers.clone());
    response
}
