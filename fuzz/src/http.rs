//! Bytes that a client sends, to the metrics' server, to the same one behind a password, and to the Unix socket's.
//!
//! Holds: whatever comes, the connection ends soon after the client's end does; what is answered begins as HTTP with a
//! status that is the client's fault or no fault, never the server's.

use rstmon::serve::{Hub, NotReady, Source, SourceError, Subscription, TooManySubscribers, fuzzing::Servers};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    runtime::{Builder, Runtime},
    time::timeout,
};

/// Two users whose hashes cost next to nothing.
const WEB_CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/web_config/users.yml");
/// Far more than an answer takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(10);
const PIPE_BYTES: usize = 64 * 1024;

struct Setup {
    runtime: Runtime,
    open: Servers,
    guarded: Servers,
}

static SETUP: LazyLock<Setup> = LazyLock::new(|| Setup {
    runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
    open: Servers::new(Arc::new(Fixed::default()), None).expect("a server"),
    guarded: Servers::new(Arc::new(Fixed::default()), Some(WEB_CONFIG.into())).expect("a guarded server"),
});

/// Sends the bytes, closes, and reads what comes back.
pub fn run(bytes: &[u8]) {
    let Setup { runtime, open, guarded } = &*SETUP;
    runtime.block_on(async {
        talk(bytes, |stream| open.tcp(stream)).await;
        talk(bytes, |stream| open.unix(stream)).await;
        if mentions_password(bytes) {
            talk(bytes, |stream| guarded.tcp(stream)).await;
        }
    });
}

/// Without the header the answer is 401 whatever else there is.
fn mentions_password(bytes: &[u8]) -> bool {
    bytes.windows(13).any(|part| part.eq_ignore_ascii_case(b"authorization"))
}

async fn talk<F: Future<Output = ()>>(bytes: &[u8], serve: impl FnOnce(DuplexStream) -> F) {
    let (mut client, server) = duplex(PIPE_BYTES);
    let mut answer = Vec::new();
    let conversation = async {
        // A server that has heard enough closes: neither end then fails for a fault.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut answer).await;
    };
    let both = async { tokio::join!(serve(server), conversation) };
    timeout(PATIENCE, both).await.expect("the connection ends");
    judge(&answer);
}

fn judge(answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let head = answer.get(..12).unwrap_or(answer);
    let status = head
        .strip_prefix(b"HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    let shown = String::from_utf8_lossy(head);
    let status = status.unwrap_or_else(|| panic!("no HTTP answer: {shown:?}"));
    assert!((200..500).contains(&status), "answered {status}");
    let text = String::from_utf8_lossy(answer);
    assert!(text.contains("\r\n\r\n"), "an answer without the end of its header: {text:?}");
}

/// A source with a little of everything, in which nothing goes wrong.
#[derive(Default)]
struct Fixed {
    hub: Hub,
}

impl Source for Fixed {
    fn metrics(&self) -> Result<String, SourceError> {
        Ok("# TYPE rstmon_build_info gauge\nrstmon_build_info 1\n".to_owned())
    }

    fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }

    fn doctor(&self) -> serde_json::Value {
        serde_json::json!({"kernel": "made up"})
    }

    fn history(&self, since: Duration) -> Vec<Arc<str>> {
        if since.is_zero() { Vec::new() } else { vec![Arc::from(r#"{"schema":1}"#); 3] }
    }

    fn subscribe(&self) -> Result<Subscription, TooManySubscribers> {
        self.hub.subscribe()
    }
}
