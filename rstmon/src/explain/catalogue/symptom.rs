//! What an application sees of a reset: the errno, and the words in which programs report it.
//!
//! Causes refer to these by [`Symptom`], so that the words of each runtime are written once. The errnos of a received
//! RST are those of `tcp_reset()` in `net/ipv4/tcp_input.c`: `ECONNREFUSED` in `SYN_SENT`, `EPIPE` in `CLOSE_WAIT`,
//! else `ECONNRESET`.

use serde::Serialize;

/// One way in which a reset shows itself to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Symptom {
    /// ECONNRESET from a read.
    ResetOnRead,
    /// ECONNRESET from a write.
    ResetOnWrite,
    /// EPIPE from a write.
    BrokenPipe,
    /// A clean end of stream where a response should have been.
    EndOfStream,
    /// ECONNREFUSED from a connect.
    Refused,
    /// ETIMEDOUT, after the kernel gave the connection up.
    TimedOut,
    /// A time limit of the application itself.
    OwnTimeout,
    /// ECONNABORTED, after another process destroyed the socket.
    Aborted,
    /// No error at all.
    Nothing,
}

/// The texts of a symptom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SymptomForm {
    #[serde(rename = "id")]
    pub(crate) symptom: Symptom,
    /// A heading: what happens, in the kernel's words where it has any.
    pub(crate) title: &'static str,
    /// Absent where the call does not fail.
    pub(crate) errno: Option<Errno>,
    /// What follows from it for the reader, in one to four sentences.
    pub(crate) meaning: &'static str,
    pub(crate) words: &'static [Words],
}

/// An errno. The numbers are those of every Linux architecture but alpha, mips, parisc and sparc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Errno {
    /// `ECONNRESET` and so on.
    pub(crate) name: &'static str,
    /// The number that Python and nginx print.
    pub(crate) number: u16,
}

/// One program's words for a symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Words {
    /// The language runtime or the program.
    pub(crate) speaker: &'static str,
    /// What it logs; addresses are made up.
    pub(crate) text: &'static str,
}

const fn says(speaker: &'static str, text: &'static str) -> Words {
    Words { speaker, text }
}

impl Symptom {
    /// Every symptom, in the order in which people look for them.
    pub(crate) const ALL: &'static [Self] = &[
        Self::ResetOnRead,
        Self::ResetOnWrite,
        Self::BrokenPipe,
        Self::EndOfStream,
        Self::Refused,
        Self::TimedOut,
        Self::OwnTimeout,
        Self::Aborted,
        Self::Nothing,
    ];

    #[must_use]
    pub(crate) const fn form(self) -> &'static SymptomForm {
        match self {
            Self::ResetOnRead => &RESET_ON_READ,
            Self::ResetOnWrite => &RESET_ON_WRITE,
            Self::BrokenPipe => &BROKEN_PIPE,
            Self::EndOfStream => &END_OF_STREAM,
            Self::Refused => &REFUSED,
            Self::TimedOut => &TIMED_OUT,
            Self::OwnTimeout => &OWN_TIMEOUT,
            Self::Aborted => &ABORTED,
            Self::Nothing => &NOTHING,
        }
    }
}

static RESET_ON_READ: SymptomForm = SymptomForm {
    symptom: Symptom::ResetOnRead,
    title: "Connection reset, while reading",
    errno: Some(Errno { name: "ECONNRESET", number: 104 }),
    meaning: "The reset arrived while the application waited for data, or before its next read. Data that had arrived \
              before the reset is still handed out first.",
    words: &[
        says("Java", "java.net.SocketException: Connection reset"),
        says("Java NIO, older JDKs", "java.io.IOException: Connection reset by peer"),
        says("Netty, native epoll", "recvAddress(..) failed: Connection reset by peer"),
        says("Go", "read tcp 10.0.0.1:40112->10.0.0.2:8080: read: connection reset by peer"),
        says("Python", "ConnectionResetError: [Errno 104] Connection reset by peer"),
        says("Node", "Error: read ECONNRESET"),
        says("nginx", "recv() failed (104: Connection reset by peer) while reading response header from upstream"),
        says("curl", "curl: (56) Recv failure: Connection reset by peer"),
        says("Node fetch", "TypeError: fetch failed, cause: Error: read ECONNRESET"),
        says("Python aiohttp", "aiohttp.client_exceptions.ClientOSError: [Errno 104] Connection reset by peer"),
        says("Python httpx", "httpx.ReadError: [Errno 104] Connection reset by peer"),
        says(
            "Python requests",
            "ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
        ),
        says("Ruby", "Errno::ECONNRESET: Connection reset by peer"),
        says("PHP", "cURL error 56: Recv failure: Connection reset by peer"),
        says("Rust", "Connection reset by peer (os error 104)"),
        says("PostgreSQL", "could not receive data from client: Connection reset by peer"),
    ],
};

static RESET_ON_WRITE: SymptomForm = SymptomForm {
    symptom: Symptom::ResetOnWrite,
    title: "Connection reset by peer, while writing",
    errno: Some(Errno { name: "ECONNRESET", number: 104 }),
    meaning: "The reset arrived first and a write was the next call on the socket. Only one call gets this error: later \
              writes get `EPIPE`, later reads the end of the stream.",
    words: &[
        says("Java", "java.net.SocketException: Connection reset by peer"),
        says("Java NIO", "java.io.IOException: Connection reset by peer"),
        says("Go", "write tcp 10.0.0.1:40112->10.0.0.2:8080: write: connection reset by peer"),
        says("Python", "ConnectionResetError: [Errno 104] Connection reset by peer"),
        says("Node", "Error: write ECONNRESET"),
        says("nginx", "writev() failed (104: Connection reset by peer) while sending request to upstream"),
        says("Ruby", "Errno::ECONNRESET: Connection reset by peer"),
        says("PHP", "fwrite(): Send of 8192 bytes failed with errno=104 Connection reset by peer"),
        says("Rust", "Connection reset by peer (os error 104)"),
    ],
};

static BROKEN_PIPE: SymptomForm = SymptomForm {
    symptom: Symptom::BrokenPipe,
    title: "Broken pipe, while writing",
    errno: Some(Errno { name: "EPIPE", number: 32 }),
    meaning: "The connection was over before this write: the peer had closed and then answered an earlier write with a \
              reset, or an earlier call had already reported the reset. The write that provoked the reset itself \
              succeeded. A program that does not handle `SIGPIPE` dies without a message.",
    words: &[
        says("Java", "java.net.SocketException: Broken pipe"),
        says("Java 12 and older", "java.net.SocketException: Broken pipe (Write failed)"),
        says("Java NIO", "java.io.IOException: Broken pipe"),
        says("Tomcat", "org.apache.catalina.connector.ClientAbortException: java.io.IOException: Broken pipe"),
        says("Go", "write tcp 10.0.0.1:8080->10.0.0.2:40112: write: broken pipe"),
        says("Python", "BrokenPipeError: [Errno 32] Broken pipe"),
        says("Node", "Error: write EPIPE"),
        says("nginx", "writev() failed (32: Broken pipe) while sending request to upstream"),
        says("Ruby", "Errno::EPIPE: Broken pipe"),
        says("PHP", "fwrite(): Send of 8192 bytes failed with errno=32 Broken pipe"),
        says("Rust", "Broken pipe (os error 32)"),
        says("PostgreSQL", "could not send data to client: Broken pipe"),
    ],
};

static END_OF_STREAM: SymptomForm = SymptomForm {
    symptom: Symptom::EndOfStream,
    title: "The stream ends early",
    errno: None,
    meaning: "The peer's FIN arrived before its reset, so a read reports the end of the stream and no error. Libraries \
              turn that into an error of their own when a response was due.",
    words: &[
        says("Java, Apache HttpClient", "org.apache.http.NoHttpResponseException: 10.0.0.2:8080 failed to respond"),
        says("Java HttpURLConnection", "java.net.SocketException: Unexpected end of file from server"),
        says("Java HttpClient", "java.io.IOException: HTTP/1.1 header parser received no bytes"),
        says("Java HttpClient, in a body", "java.io.IOException: fixed content-length: 4096, bytes received: 1024"),
        says("Go", "EOF"),
        says("Go net/http", "http: server closed idle connection"),
        says("Python", "http.client.RemoteDisconnected: Remote end closed connection without response"),
        says("Go, in a body", "unexpected EOF"),
        says("Node", "Error: socket hang up"),
        says("Node fetch", "TypeError: fetch failed, cause: SocketError: other side closed"),
        says("Node fetch, in a body", "TypeError: terminated, cause: SocketError: other side closed"),
        says("Python aiohttp", "aiohttp.client_exceptions.ServerDisconnectedError: Server disconnected"),
        says("Python httpx", "httpx.RemoteProtocolError: Server disconnected without sending a response."),
        says(
            "Python requests",
            "ConnectionError: ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
        ),
        says("Ruby", "EOFError: end of file reached"),
        says("PHP", "cURL error 52: Empty reply from server"),
        says("PHP and MySQL", "MySQL server has gone away"),
        says("Rust hyper", "connection closed before message completed"),
        says("psql", "server closed the connection unexpectedly"),
        says("nginx", "upstream prematurely closed connection while reading response header from upstream"),
        says("curl", "curl: (52) Empty reply from server"),
    ],
};

static REFUSED: SymptomForm = SymptomForm {
    symptom: Symptom::Refused,
    title: "Connection refused",
    errno: Some(Errno { name: "ECONNREFUSED", number: 111 }),
    meaning: "The SYN was answered with a reset: no connection was made and no request was delivered.",
    words: &[
        says("Java", "java.net.ConnectException: Connection refused"),
        says("Go", "dial tcp 10.0.0.2:8080: connect: connection refused"),
        says("Python", "ConnectionRefusedError: [Errno 111] Connection refused"),
        says("Node", "Error: connect ECONNREFUSED 10.0.0.2:8080"),
        says("nginx", "connect() failed (111: Connection refused) while connecting to upstream"),
    ],
};

static TIMED_OUT: SymptomForm = SymptomForm {
    symptom: Symptom::TimedOut,
    title: "Connection timed out",
    errno: Some(Errno { name: "ETIMEDOUT", number: 110 }),
    meaning: "The kernel gave the connection up because the peer had stopped answering. This is not the application's \
              own read timeout, which most runtimes word differently.",
    words: &[
        says("Java", "java.net.SocketException: Connection timed out"),
        says("Java NIO", "java.io.IOException: Connection timed out"),
        says("Go", "read tcp 10.0.0.1:40112->10.0.0.2:8080: read: connection timed out"),
        says("Python", "TimeoutError: [Errno 110] Connection timed out"),
        says("Node", "Error: read ETIMEDOUT"),
        says("nginx", "recv() failed (110: Connection timed out) while reading response header from upstream"),
    ],
};

static OWN_TIMEOUT: SymptomForm = SymptomForm {
    symptom: Symptom::OwnTimeout,
    title: "The program's own time limit",
    errno: None,
    meaning: "No call of the kernel failed: the program stopped waiting by itself and then closed or aborted the \
              connection. The message names a limit that can be configured.",
    words: &[
        says("Java", "java.net.SocketTimeoutException: Read timed out"),
        says("Java HttpClient", "java.net.http.HttpTimeoutException: request timed out"),
        says("Go", "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
        says("Go server", "http: Handler timeout"),
        says("Python", "TimeoutError: timed out"),
        says("Python requests", "requests.exceptions.ReadTimeout: Read timed out. (read timeout=5)"),
        says("Python httpx", "httpx.ReadTimeout"),
        says("Node", "TimeoutError: The operation was aborted due to timeout"),
        says("Node fetch", "TypeError: fetch failed, cause: HeadersTimeoutError: Headers Timeout Error"),
        says("nginx", "upstream timed out (110: Connection timed out) while reading response header from upstream"),
        says("nginx as a server", "client timed out (110: Connection timed out) while reading client request headers"),
        says(
            "Apache httpd",
            "(70007)The timeout specified has expired: AH01102: error reading status line from remote server",
        ),
        says("Ruby", "Net::ReadTimeout"),
        says("PHP", "cURL error 28: Operation timed out after 5001 milliseconds with 0 bytes received"),
        says("curl", "curl: (28) Operation timed out after 5001 milliseconds with 0 bytes received"),
        says("Rust reqwest", "operation timed out"),
    ],
};

static ABORTED: SymptomForm = SymptomForm {
    symptom: Symptom::Aborted,
    title: "Software caused connection abort",
    errno: Some(Errno { name: "ECONNABORTED", number: 103 }),
    meaning: "Something on this host ended the connection while the application still used it.",
    words: &[
        says("Java", "java.net.SocketException: Software caused connection abort"),
        says("Go", "read tcp 10.0.0.1:40112->10.0.0.2:8080: read: software caused connection abort"),
        says("Python", "ConnectionAbortedError: [Errno 103] Software caused connection abort"),
        says("Node", "Error: read ECONNABORTED"),
        says("nginx", "recv() failed (103: Software caused connection abort)"),
    ],
};

static NOTHING: SymptomForm = SymptomForm {
    symptom: Symptom::Nothing,
    title: "No error",
    errno: None,
    meaning: "No call fails: the application had already closed the socket, is gone, or never had it.",
    words: &[],
};
