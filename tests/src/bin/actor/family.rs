//! Processes: names, children that inherit descriptors by fork or exec, and descriptors passed to other processes.

use crate::{ActorState, During as _, Failed, options::check};
use anyhow::{Context as _, Result, bail};
use rstmon_tests::protocol::{Fields, Reply};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{
        self, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags,
    },
    process::getpid,
    thread::set_name,
};
use std::{
    env,
    ffi::CString,
    fs::File,
    io::{self, BufRead as _, BufReader, IoSlice, IoSliceMut, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::{net::UnixDatagram, process::CommandExt as _},
    },
    process::Command,
};

/// The slot in which the Unix socket for incoming descriptors is kept.
const INBOX: &str = "inbox";

/// A forked child, with its channels for commands and replies.
pub(crate) struct Child {
    commands: File,
    replies: BufReader<File>,
}

impl Child {
    fn read_reply(&mut self) -> Result<Fields> {
        let mut line = String::new();
        if self.replies.read_line(&mut line)? == 0 {
            return Ok(Fields::default().with("ended", true));
        }
        match line.parse::<Reply>()? {
            Reply::Done(fields) => Ok(fields),
            // The name of the call is not static here; the tests only compare the error number.
            Reply::Failed { errno, .. } => Err(Failed("child", rustix::io::Errno::from_raw_os_error(errno)).into()),
        }
    }
}

/// Names the calling thread; for the first thread that is the process' name.
pub(crate) fn set_comm(name: &str) -> Result<Fields> {
    set_comm_bytes(name.as_bytes())
}

/// [`set_comm`] with a name that may be no text.
pub(crate) fn set_comm_bytes(name: &[u8]) -> Result<Fields> {
    set_name(&CString::new(name)?).during("prctl")?;
    Ok(Fields::default())
}

/// Bytes from pairs of hexadecimal digits.
pub(crate) fn from_hex(digits: &str) -> Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}

/// The reply that names this process.
pub(crate) fn identity() -> Fields {
    Fields::default().with("pid", getpid())
}

/// Forks a child that goes on with this process' commands and sockets, and exits, as a daemon's starter does.
pub(crate) fn daemonize(comm: &str) -> Result<Fields> {
    // SAFETY: this process has one thread (`thread` joins its own), so the child inherits no locked mutex.
    let pid = unsafe { libc::fork() };
    check(pid).during("fork")?;
    if pid > 0 {
        std::process::exit(0);
    }
    set_comm(comm)?;
    Ok(identity())
}

impl ActorState {
    /// Forks a child with the same slots, which executes the commands of `child NAME COMMAND`.
    pub(crate) fn fork(&mut self, name: &str) -> Result<Fields> {
        let (commands_out, commands_in) = io::pipe()?;
        let (replies_out, replies_in) = io::pipe()?;
        // SAFETY: this process has one thread (`thread` joins its own), so the child inherits no locked mutex.
        let pid = unsafe { libc::fork() };
        check(pid).during("fork")?;
        if pid == 0 {
            self.children.clear();
            // SAFETY: 0 and 1 are ours to replace; the pipes' other names are closed on leaving this block.
            check(unsafe { libc::dup2(commands_out.as_raw_fd(), 0) }).during("dup2")?;
            // SAFETY: as above.
            check(unsafe { libc::dup2(replies_in.as_raw_fd(), 1) }).during("dup2")?;
            // The child's reply on its own channel, which the parent reads.
            return Ok(identity());
        }
        drop((commands_out, replies_in));
        let mut child = Child {
            commands: OwnedFd::from(commands_in).into(),
            replies: BufReader::new(OwnedFd::from(replies_out).into()),
        };
        let born = child.read_reply()?;
        self.children.insert(name.to_owned(), child);
        Ok(born)
    }

    /// Executes a command in a child.
    pub(crate) fn relay(&mut self, name: &str, command: &str) -> Result<Fields> {
        let child = self.children.get_mut(name).with_context(|| format!("no child {name}"))?;
        writeln!(child.commands, "{command}")?;
        child.read_reply()
    }

    /// Executes this program anew with its slots open, as a supervisor does that passes a listening socket to a
    /// service.
    pub(crate) fn reexec(&self, comm: &str) -> Result<Fields> {
        let mut slots = Vec::new();
        for (name, fd) in &self.slots {
            fcntl_setfd(fd, FdFlags::empty()).during("fcntl")?;
            slots.push(format!("{name}={}", fd.as_raw_fd()));
        }
        let mut command = Command::new(env::current_exe()?);
        Err(command.arg0(comm).args(["--comm", comm, "--slots", &slots.join(",")]).exec().into())
    }

    /// Opens the Unix socket at which `take` receives descriptors.
    pub(crate) fn inbox(&mut self, path: &str) -> Result<Fields> {
        self.slots.insert(INBOX.to_owned(), UnixDatagram::bind(path)?.into());
        Ok(Fields::default())
    }

    /// Sends a copy of a slot's descriptor to the process with the inbox at `path`.
    pub(crate) fn pass(&self, slot: &str, path: &str) -> Result<Fields> {
        let outbox = UnixDatagram::unbound()?;
        outbox.connect(path)?;
        let descriptors = [self.slot(slot)?.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            bail!("no room for a descriptor");
        }
        net::sendmsg(&outbox, &[IoSlice::new(b"!")], &mut control, SendFlags::empty()).during("sendmsg")?;
        Ok(Fields::default())
    }

    /// Waits for a descriptor and puts it into a slot.
    pub(crate) fn take(&mut self, slot: &str) -> Result<Fields> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0u8];
        let flags = RecvFlags::CMSG_CLOEXEC;
        net::recvmsg(self.slot(INBOX)?, &mut [IoSliceMut::new(&mut byte)], &mut control, flags).during("recvmsg")?;
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
            _ => None,
        });
        self.slots.insert(slot.to_owned(), descriptor.context("message without a descriptor")?);
        Ok(Fields::default())
    }
}
