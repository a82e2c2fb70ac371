//! Settings by product, in groups that several remedies share.
//!
//! Defaults are named only where they explain the trouble and are stable; versions change them.

use serde::Serialize;

/// Settings of different products that do the same job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SettingGroup {
    /// Stable; the causes' JSON has it.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// A product may have several.
    pub(crate) settings: &'static [Setting],
}

/// How one product names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    /// The product, library or layer.
    pub(crate) product: &'static str,
    /// Names of the settings, with what must be known to use them.
    pub(crate) how: &'static str,
}

const fn set(product: &'static str, how: &'static str) -> Setting {
    Setting { product, how }
}

/// Every group, in the order of the documentation.
pub(crate) static GROUPS: &[&SettingGroup] = &[
    &SERVER_IDLE,
    &CLIENT_IDLE,
    &SESSION_IDLE,
    &PATH_IDLE,
    &HEARTBEAT,
    &RETRY,
    &REQUEST_TIMEOUT,
    &ANSWER_TIMEOUT,
    &WORKER_TIMEOUT,
    &SERVER_LIMITS,
    &UNREAD_BODY,
    &DRAIN,
    &BACKLOG,
    &CONNECTION_TRACKING,
    &KERNEL_MEMORY,
];

pub(crate) static SERVER_IDLE: SettingGroup = SettingGroup {
    id: "server-idle",
    title: "How long a server keeps an idle connection",
    settings: &[
        set("nginx", "`keepalive_timeout`; `keepalive_requests` also closes, after a number of requests"),
        set("Apache httpd", "`KeepAliveTimeout`, `MaxKeepAliveRequests`"),
        set("Tomcat", "`keepAliveTimeout` of the connector (it falls back to `connectionTimeout`)"),
        set("Node", "`server.keepAliveTimeout`; newer versions add `server.keepAliveTimeoutBuffer` on top"),
        set("Go", "`http.Server.IdleTimeout` (it falls back to `ReadTimeout`)"),
        set("gunicorn", "`--keep-alive`; the default sync worker does not keep connections at all"),
        set("uvicorn", "`--timeout-keep-alive`"),
        set("HAProxy", "`timeout http-keep-alive` and `timeout client` of the frontend"),
        set("MySQL", "`wait_timeout`"),
        set("PgBouncer", "`client_idle_timeout`"),
        set("Redis", "`timeout`, 0 (no limit) by default"),
    ],
};

pub(crate) static CLIENT_IDLE: SettingGroup = SettingGroup {
    id: "client-idle",
    title: "How long a client's pool keeps an idle connection",
    settings: &[
        set("nginx as a proxy", "`keepalive_timeout` inside the `upstream` block"),
        set("HAProxy", "`pool-purge-delay` of the server"),
        set(
            "Apache HttpClient",
            "`evictIdleConnections`, `evictExpiredConnections`, `setValidateAfterInactivity`; \
             a validated connection can still close a moment later",
        ),
        set("Java HttpClient", "`-Djdk.httpclient.keepalive.timeout=SECONDS`"),
        set("OkHttp", "the keep-alive duration of `ConnectionPool`"),
        set("Go", "`http.Transport.IdleConnTimeout`; a `Transport` made by hand has no limit unless it is set"),
        set("Node", "`keepAliveTimeout` of undici's `Agent`; `freeSocketTimeout` of agentkeepalive"),
        set("Python", "httpx `Limits(keepalive_expiry=...)`; aiohttp `TCPConnector(keepalive_timeout=...)`"),
        set("Ruby", "`Net::HTTP#keep_alive_timeout`, 2 s by default; `idle_timeout` of net-http-persistent"),
        set("Rust", "`pool_idle_timeout` of reqwest and hyper, 90 s by default"),
        set("PgBouncer", "`server_idle_timeout` and `server_lifetime`, both below the database's own limit"),
        set("HikariCP", "`maxLifetime` and `keepaliveTime`, both below the database's own limit"),
        set("AWS ALB", "`idle_timeout.timeout_seconds`, 60 by default: targets must keep connections longer"),
        set(
            "Google Cloud ALB",
            "keeps connections to backends for 600 s and cannot be configured otherwise: backends must keep them longer",
        ),
    ],
};

pub(crate) static SESSION_IDLE: SettingGroup = SettingGroup {
    id: "session-idle",
    title: "How long databases and proxies keep an idle session",
    settings: &[
        set("PostgreSQL", "`idle_session_timeout`, `idle_in_transaction_session_timeout`; both off by default"),
        set("PgBouncer", "`client_idle_timeout`, `idle_transaction_timeout`, `server_idle_timeout`, `server_lifetime`"),
        set("MySQL", "`wait_timeout` and `interactive_timeout`, 28800 s by default"),
        set("MariaDB", "`wait_timeout`, `idle_transaction_timeout`"),
        set("Redis", "`timeout`"),
        set("HAProxy", "`timeout client`, `timeout server`, and `timeout tunnel` for TCP and WebSocket"),
        set("nginx as a proxy", "`proxy_timeout` of the stream module, 10 minutes by default"),
    ],
};

pub(crate) static PATH_IDLE: SettingGroup = SettingGroup {
    id: "path-idle",
    title: "How long firewalls, NAT and load balancers remember an idle connection",
    settings: &[
        set("AWS NLB", "`tcp.idle_timeout.seconds` of the listener, 350 by default; fixed at 350 for TLS listeners"),
        set("AWS NAT gateway", "350 s, fixed"),
        set(
            "Azure Load Balancer",
            "idle timeout of the rule, 4 minutes by default; it drops silently unless TCP reset is enabled",
        ),
        set("Google Cloud VPC", "firewall rules forget an idle connection after 10 minutes, fixed"),
        set("Envoy, Istio", "`idle_timeout` of the TCP proxy, 1 h by default"),
        set("HAProxy in TCP mode", "`timeout client`, `timeout server`, `timeout tunnel`"),
        set("Linux conntrack", "`net.netfilter.nf_conntrack_tcp_timeout_established`, 5 days by default"),
        set("IPVS", "`ipvsadm --set TCP TCPFIN UDP`, 900 s for TCP by default"),
        set(
            "kube-proxy",
            "`--conntrack-tcp-timeout-established`, 24 h by default; in IPVS mode `--ipvs-tcp-timeout`, 900 s by default",
        ),
    ],
};

pub(crate) static HEARTBEAT: SettingGroup = SettingGroup {
    id: "heartbeat",
    title: "Heartbeats: keep an idle connection alive and notice a dead one",
    settings: &[
        set(
            "Linux",
            "`net.ipv4.tcp_keepalive_time` (7200 s by default), `tcp_keepalive_intvl`, `tcp_keepalive_probes`; \
             they act only on sockets with `SO_KEEPALIVE`",
        ),
        set("sockets", "`SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`"),
        set("Java", "`ExtendedSocketOptions.TCP_KEEPIDLE` and its siblings, JDK 11 and later"),
        set("Go", "`net.Dialer.KeepAlive` and `net.ListenConfig.KeepAlive`: on by default, every 15 s"),
        set("Node", "`socket.setKeepAlive(true, milliseconds)`"),
        set("nginx", "`proxy_socket_keepalive on`; `listen ... so_keepalive=60s::`"),
        set("HAProxy", "`option clitcpka`, `option srvtcpka`"),
        set("PostgreSQL", "server `tcp_keepalives_idle`; libpq `keepalives_idle`"),
        set("gRPC", "`GRPC_ARG_KEEPALIVE_TIME_MS`, Go `keepalive.ClientParameters`; the server must permit the rate"),
        set("SSH", "`ServerAliveInterval`, `ClientAliveInterval`"),
    ],
};

pub(crate) static RETRY: SettingGroup = SettingGroup {
    id: "retry",
    title: "Retries that do not do things twice",
    settings: &[
        set(
            "nginx",
            "`proxy_next_upstream`; it retries no POST unless `non_idempotent` is set, and that should not be",
        ),
        set("HAProxy", "`retries`, `retry-on conn-failure empty-response`, `http-request disable-l7-retry` for POST"),
        set("Envoy, Istio", "`retry_on: connect-failure,reset`, limited to idempotent routes"),
        set(
            "Go",
            "`http.Transport` retries GET, HEAD, OPTIONS and TRACE by itself when a reused connection fails; \
             other methods join in with an `Idempotency-Key` header",
        ),
        set("Apache HttpClient", "`HttpRequestRetryStrategy` (version 4: `HttpRequestRetryHandler`)"),
        set("gRPC", "`retryPolicy` in the service config"),
    ],
};

pub(crate) static REQUEST_TIMEOUT: SettingGroup = SettingGroup {
    id: "request-timeout",
    title: "How long a server waits for a request",
    settings: &[
        set("nginx", "`client_header_timeout`, `client_body_timeout`, 60 s each by default"),
        set("Apache httpd", "`RequestReadTimeout` of mod_reqtimeout"),
        set("Tomcat", "`connectionTimeout` of the connector, 20 s by default"),
        set("Go", "`http.Server.ReadHeaderTimeout`, `ReadTimeout`"),
        set("Node", "`server.headersTimeout` (60 s by default), `server.requestTimeout` (300 s by default)"),
        set("HAProxy", "`timeout http-request`, `timeout client`"),
        set("uvicorn", "`--timeout-keep-alive`"),
        set("MySQL", "`connect_timeout` (10 s by default), `net_read_timeout`"),
        set("PostgreSQL", "`authentication_timeout`, 60 s by default"),
        set("PgBouncer", "`client_login_timeout`"),
    ],
};

pub(crate) static ANSWER_TIMEOUT: SettingGroup = SettingGroup {
    id: "answer-timeout",
    title: "How long a client or a proxy waits for an answer",
    settings: &[
        set(
            "nginx as a proxy",
            "`proxy_read_timeout`, `fastcgi_read_timeout`, `uwsgi_read_timeout`, 60 s each by default",
        ),
        set("Apache httpd", "`ProxyTimeout`; `timeout=` of `ProxyPass`"),
        set("HAProxy", "`timeout server`, `timeout tunnel`, `timeout connect`"),
        set("Varnish", "`first_byte_timeout`, `between_bytes_timeout`"),
        set("Envoy, Istio", "`timeout` of the route, 15 s by default; `per_try_timeout`"),
        set("Java", "`setReadTimeout` of `HttpURLConnection`; `HttpRequest.Builder.timeout`"),
        set("Apache HttpClient", "`setResponseTimeout` (version 4: `setSocketTimeout`)"),
        set("OkHttp", "`readTimeout`, `callTimeout`, `connectTimeout`"),
        set("Go", "`http.Client.Timeout`, `http.Transport.ResponseHeaderTimeout`, the request's context"),
        set(
            "Node",
            "`AbortSignal.timeout()`; `headersTimeout` and `bodyTimeout` of undici's `Agent`, 300 s by default",
        ),
        set(
            "Python",
            "`timeout=` of `http.client` and requests; httpx `Timeout(read=...)`, 5 s by default; aiohttp `ClientTimeout`",
        ),
        set("Ruby", "`Net::HTTP#read_timeout`, 60 s by default"),
        set("PHP", "`CURLOPT_TIMEOUT`; `default_socket_timeout` of streams, 60 s by default"),
        set("Rust", "`timeout` and `read_timeout` of reqwest"),
        set("curl", "`--max-time`, `--connect-timeout`"),
        set("PgBouncer", "`query_timeout`, `server_connect_timeout`"),
        set("JDBC", "`socketTimeout` of the driver"),
    ],
};

pub(crate) static WORKER_TIMEOUT: SettingGroup = SettingGroup {
    id: "worker-timeout",
    title: "How long a worker may take, or grow, before its supervisor ends it",
    settings: &[
        set(
            "gunicorn",
            "`--timeout`, 30 s by default: the worker gets `SIGABRT`, then `SIGKILL`; also `--max-requests`",
        ),
        set("PHP-FPM", "`request_terminate_timeout` of the pool, `pm.max_requests`; `max_execution_time` of PHP"),
        set("uWSGI", "`harakiri`, `max-requests`, `reload-on-rss`"),
        set("Puma", "`worker_timeout`"),
        set("Unicorn", "`timeout`, 60 s by default: the worker gets `SIGKILL`"),
        set("systemd", "`MemoryMax=`, `WatchdogSec=`, `RuntimeMaxSec=` of the unit"),
        set("Kubernetes", "`resources.limits.memory`; `livenessProbe` with `timeoutSeconds` and `failureThreshold`"),
        set("Java", "`-Xmx` well below the container's limit; `-XX:+ExitOnOutOfMemoryError` ends the JVM on purpose"),
    ],
};

pub(crate) static SERVER_LIMITS: SettingGroup = SettingGroup {
    id: "server-limits",
    title: "Limits at which a server ends a connection",
    settings: &[
        set("Redis", "`client-output-buffer-limit`, `maxclients`"),
        set(
            "MySQL",
            "`max_allowed_packet`, `max_connections`; `max_connect_errors` blocks a host that connects and leaves",
        ),
        set("PostgreSQL", "`max_connections`, `statement_timeout`, `idle_in_transaction_session_timeout`"),
        set("PgBouncer", "`max_client_conn`, `query_wait_timeout`"),
        set("nginx", "`client_max_body_size`, `large_client_header_buffers`, `limit_conn`"),
        set("Go", "`http.Server.MaxHeaderBytes`, `http.MaxBytesReader`"),
        set("Node", "`--max-http-header-size`, `server.maxRequestsPerSocket`"),
    ],
};

pub(crate) static UNREAD_BODY: SettingGroup = SettingGroup {
    id: "unread-body",
    title: "Input that the application does not want to read",
    settings: &[
        set("nginx", "`lingering_close`, `lingering_time`, `lingering_timeout`; `client_max_body_size` decides when"),
        set("Tomcat", "`maxSwallowSize` of the connector, 2 MB by default, -1 for no limit"),
        set("Spring Boot", "`server.tomcat.max-swallow-size`; `spring.servlet.multipart.max-file-size` decides when"),
        set("Go", "server: read `r.Body` to the end; client: `io.Copy(io.Discard, resp.Body)` before `Close`"),
        set("Node", "`request.resume()` to discard the rest of a body"),
        set(
            "sockets",
            "`shutdown(fd, SHUT_WR)`, then read until the end of the stream or a deadline, then `close(fd)`",
        ),
    ],
};

pub(crate) static DRAIN: SettingGroup = SettingGroup {
    id: "drain",
    title: "Stop without cutting connections off",
    settings: &[
        set(
            "Kubernetes",
            "a `preStop` hook that sleeps until the endpoints are withdrawn; `terminationGracePeriodSeconds` above \
             `preStop` plus the longest request",
        ),
        set("systemd", "`TimeoutStopSec=` above the longest request; socket activation keeps the port open meanwhile"),
        set("nginx", "`nginx -s quit`, `worker_shutdown_timeout`"),
        set("HAProxy", "`set server BACKEND/SERVER state drain`; `hard-stop-after`"),
        set("Spring Boot", "`server.shutdown=graceful`, `spring.lifecycle.timeout-per-shutdown-phase`"),
        set("Go", "`http.Server.Shutdown`, then wait for it to return before `main` does"),
        set("Node", "`server.close()` and `server.closeIdleConnections()` on `SIGTERM`"),
        set("gunicorn", "`--graceful-timeout`"),
    ],
};

pub(crate) static BACKLOG: SettingGroup = SettingGroup {
    id: "backlog",
    title: "The length of the accept queue",
    settings: &[
        set(
            "Linux",
            "`net.core.somaxconn` caps every listener: 4096 by default since 5.4, 128 before. \
             A listener takes a new value when it calls `listen` again",
        ),
        set("nginx", "`listen ... backlog=`, 511 by default"),
        set("Tomcat", "`acceptCount` of the connector, 100 by default"),
        set("Java", "`new ServerSocket(port, backlog)`, 50 by default"),
        set("Node", "`server.listen({ port, backlog })`, 511 by default"),
        set("gunicorn, uvicorn", "`--backlog`"),
        set("Python asyncio", "`create_server(..., backlog=)`, 100 by default"),
        set("Go", "follows `net.core.somaxconn`; there is no setting"),
        set("PHP-FPM", "`listen.backlog`"),
        set("Redis", "`tcp-backlog`"),
    ],
};

pub(crate) static CONNECTION_TRACKING: SettingGroup = SettingGroup {
    id: "connection-tracking",
    title: "Address translation that loses or refuses a connection",
    settings: &[
        set(
            "Linux conntrack",
            "`net.netfilter.nf_conntrack_tcp_be_liberal=1`: segments outside the window are translated, not passed on as \
             they are",
        ),
        set("Linux conntrack", "`net.netfilter.nf_conntrack_max`; `nf_conntrack: table full` in the kernel log"),
        set(
            "nftables, iptables",
            "a rule that drops `ct state invalid` before segments reach a local socket untranslated",
        ),
        set("kube-proxy", "`--conntrack-tcp-be-liberal`, `--conntrack-max-per-core`"),
        set("IPVS", "`net.ipv4.vs.expire_nodest_conn`, `net.ipv4.vs.conn_reuse_mode`; 900 s for an idle connection"),
    ],
};

pub(crate) static KERNEL_MEMORY: SettingGroup = SettingGroup {
    id: "kernel-memory",
    title: "The kernel's limits for TCP",
    settings: &[
        set(
            "Linux",
            "`net.ipv4.tcp_mem`: three thresholds in pages for all of TCP; compare `mem` in `/proc/net/sockstat`",
        ),
        set("Linux", "`net.ipv4.tcp_max_orphans`; compare `orphan` in `/proc/net/sockstat`"),
        set("Linux", "`net.ipv4.tcp_orphan_retries` and `net.ipv4.tcp_fin_timeout`: how long an orphan lives"),
        set("Linux", "`net.ipv4.tcp_rmem`, `net.ipv4.tcp_wmem`: the largest buffers of one socket"),
    ],
};
