//! A real nginx from Debian's package, with its own configuration, directory and port.

use crate::{
    child,
    daemon::StderrLog,
    netns::NetworkPlace,
    scratch, skip, sockets,
    tls::Issued,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, bail};
use std::{
    fmt::Write as _,
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Size of the file `/big`: larger than the buffers of both sockets together.
pub(crate) const BIG_BYTES: u64 = 64 * 1024 * 1024;

/// The settings of an nginx.
#[derive(Clone, Copy, Debug)]
pub struct NginxSetup {
    /// Number of worker processes.
    pub workers: usize,
    /// Seconds after which an idle client connection is closed.
    pub keepalive_seconds: u32,
    /// The address that `/proxy/` is forwarded to.
    pub backend: Option<SocketAddr>,
    /// Whether it speaks TLS, with a certificate for `localhost`.
    pub tls: bool,
    /// More directives of the main context, each with its semicolon.
    pub main_directives: &'static str,
    /// More directives of the server, each with its semicolon or block.
    pub server_directives: &'static str,
}

impl Default for NginxSetup {
    fn default() -> Self {
        Self {
            workers: 2,
            keepalive_seconds: 75,
            backend: None,
            tls: false,
            main_directives: "",
            server_directives: "",
        }
    }
}

/// A running nginx; stopped on drop.
#[derive(Debug)]
pub struct Nginx {
    master: Child,
    workers: Vec<u32>,
    address: SocketAddr,
    said: StderrLog,
    _directory: TempDir,
}

impl Nginx {
    /// Starts nginx at an address and waits until it serves.
    ///
    /// # Errors
    /// When it is not installed or ends; its stderr is in the message.
    pub fn start(place: &NetworkPlace, address: SocketAddr, setup: NginxSetup) -> Result<Self> {
        let program = skip::find("nginx").context("nginx is not installed")?;
        let directory = scratch::directory()?;
        let root = directory.path();
        // Workers run as an unprivileged user that needs access to the files.
        fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::create_dir(root.join("html"))?;
        fs::write(root.join("html/small"), "small\n")?;
        fs::File::create(root.join("html/big"))?.set_len(BIG_BYTES)?;
        fs::write(root.join("nginx.conf"), config(address, setup)?)?;
        if setup.tls {
            let Issued { certificate, key } = Issued::valid()?;
            fs::write(root.join("certificate.pem"), certificate)?;
            fs::write(root.join("key.pem"), key)?;
        }
        let mut command = Command::new(&program);
        command
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut master = child::spawn(place, &mut command).context("starting nginx")?;
        let said = StderrLog::collect(master.stderr.take().context("no stderr")?);
        let mut nginx = Self { master, workers: Vec::new(), address, said, _directory: directory };
        nginx.await_workers(place, setup.workers)?;
        Ok(nginx)
    }

    fn await_workers(&mut self, place: &NetworkPlace, count: usize) -> Result<()> {
        let pid = self.master.id();
        let ready = wait::until("nginx's workers", SOON, || {
            if let Some(status) = self.master.try_wait()? {
                bail!("nginx ended with {status}");
            }
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            let workers: Vec<u32> = children.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            let serves = workers.len() == count && place.run(|| TcpStream::connect(self.address).is_ok())?;
            Ok(serves.then_some(workers))
        });
        self.workers = ready.with_context(|| format!("nginx said:\n{}", self.said.text()))?;
        Ok(())
    }

    /// The master's process id. It opened the listener and accepts no connections.
    #[must_use]
    pub fn master(&self) -> u32 {
        self.master.id()
    }

    /// The process ids of the workers.
    #[must_use]
    pub fn workers(&self) -> &[u32] {
        &self.workers
    }

    /// The worker that has the connection between two addresses; `None` before one has accepted it.
    ///
    /// # Errors
    /// When the kernel's socket table cannot be read.
    pub fn owner(&self, place: &NetworkPlace, local: SocketAddr, remote: SocketAddr) -> Result<Option<u32>> {
        let Some(socket) = sockets::find(place, local, remote)? else { return Ok(None) };
        Ok(self.workers.iter().copied().find(|pid| sockets::has(*pid, socket.inode)))
    }

    /// Whether the response to a client is blocked because the client's receive buffer is full.
    ///
    /// # Errors
    /// When the kernel's socket table cannot be read.
    pub(crate) fn is_stuck(&self, place: &NetworkPlace, client: SocketAddr) -> Result<bool> {
        Ok(sockets::find(place, self.address, client)?.is_some_and(|socket| socket.stuck))
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers on SIGTERM, but not if it is killed.
        let _ = child::end(&mut self.master, rustix::process::Signal::TERM, SOON);
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}

fn config(address: SocketAddr, setup: NginxSetup) -> Result<String> {
    let mut proxy = String::new();
    if let Some(backend) = setup.backend {
        write!(proxy, "location /proxy/ {{ proxy_pass http://{backend}; proxy_request_buffering off; }}")?;
    }
    let (kind, tls) =
        if setup.tls { (" ssl", "ssl_certificate certificate.pem; ssl_certificate_key key.pem;") } else { ("", "") };
    Ok(format!(
        "daemon off;
worker_processes {workers};
{main_directives}
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_timeout {keepalive};
    server {{
        listen {address}{kind};
        {tls}
        root html;
        {proxy}
        {server_directives}
    }}
}}
",
        workers = setup.workers,
        keepalive = setup.keepalive_seconds,
        main_directives = setup.main_directives,
        server_directives = setup.server_directives,
    ))
}
