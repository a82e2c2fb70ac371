//! A process that uses sockets as a test commands, line by line.
//!
//! Each actor is a process with a name (comm) of its own, because the tests are about the owners of sockets. It reads
//! commands from stdin and answers on stdout (`rstmon_tests::protocol`); end of input ends it. Its descriptors are in
//! named slots.

mod crowd;
mod family;
mod inject;
mod nomad;
mod options;
mod socket;
mod storm;
mod swarm;

use anyhow::{Context as _, Result, bail};
use rstmon_tests::protocol::{Fields, Reply};
use rustix::io::Errno;
use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead as _, Write as _},
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    thread,
};

/// A command that failed: the name of the system call and the error number.
#[derive(Debug)]
pub(crate) struct Failed(&'static str, Errno);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

impl std::error::Error for Failed {}

/// Adds the name of the system call to its error number.
pub(crate) trait During<T> {
    fn during(self, call: &'static str) -> Result<T, Failed>;
}

impl<T> During<T> for rustix::io::Result<T> {
    fn during(self, call: &'static str) -> Result<T, Failed> {
        self.map_err(|errno| Failed(call, errno))
    }
}

/// Descriptors and children of this process.
#[derive(Default)]
pub(crate) struct ActorState {
    slots: BTreeMap<String, OwnedFd>,
    children: BTreeMap<String, family::Child>,
    /// Sockets of `listeners` and `hold`: too many for a slot each.
    unnamed: Vec<OwnedFd>,
}

impl ActorState {
    pub(crate) fn slot(&self, name: &str) -> Result<&OwnedFd> {
        self.slots.get(name).with_context(|| format!("slot {name} is empty"))
    }

    fn execute(&mut self, line: &str) -> Result<Fields> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["comm", name] => family::set_comm(name),
            ["comm-hex", digits] => family::set_comm_bytes(&family::from_hex(digits)?),
            ["swarm", address, count, seed] => swarm::swarm(address.parse()?, count.parse()?, seed.parse()?),
            ["storm", net, count, seed] => storm::storm(net, count.parse()?, seed.parse()?),
            ["nomad", count, seed] => nomad::nomad(count.parse()?, seed.parse()?),
            ["crowd", closed, count, seed, names, prefix] => {
                crowd::crowd(closed.parse()?, count.parse()?, seed.parse()?, names.parse()?, prefix)
            }
            ["listeners", count] => socket::listeners(count.parse()?, &mut self.unnamed),
            ["hold", count] => socket::hold(count.parse()?, &mut self.unnamed),
            ["abort-held"] => socket::abort_held(&mut self.unnamed),
            ["thread", name, ..] => self.on_thread(name, rest(line, 2)),
            ["fork", name] => self.fork(name),
            ["daemonize", comm] => family::daemonize(comm),
            ["child", name, ..] => self.relay(name, rest(line, 2)),
            ["reexec", comm] => self.reexec(comm),
            ["inbox", path] => self.inbox(path),
            ["take", slot] => self.take(slot),
            ["pass", slot, path] => self.pass(slot, path),
            ["inject", from, to, flags, seq, ack, len] => {
                inject::segment(from.parse()?, to.parse()?, flags, seq.parse()?, ack.parse()?, len.parse()?, None)
            }
            ["inject", from, to, flags, seq, ack, len, stamp] => {
                let stamp = Some(stamp.parse()?);
                inject::segment(from.parse()?, to.parse()?, flags, seq.parse()?, ack.parse()?, len.parse()?, stamp)
            }
            ["eat"] => eat(),
            ["exit", code] => std::process::exit(code.parse()?),
            _ => self.socket_command(&words),
        }
    }

    /// Executes a command on a thread of another name than the process.
    fn on_thread(&mut self, name: &str, line: &str) -> Result<Fields> {
        thread::scope(|scope| {
            let done = scope.spawn(|| {
                family::set_comm(name)?;
                self.execute(line)
            });
            done.join().unwrap_or_else(|_| bail!("thread {name} panicked"))
        })
    }
}

/// The line without its first `count` words.
fn rest(line: &str, count: usize) -> &str {
    let mut rest = line.trim_start();
    for _ in 0..count {
        rest = rest.split_once(char::is_whitespace).map_or("", |(_, after)| after.trim_start());
    }
    rest
}

fn reply(result: Result<Fields>) -> Result<Reply> {
    match result {
        Ok(fields) => Ok(Reply::Done(fields)),
        Err(error) => match error.downcast::<Failed>() {
            Ok(Failed(call, errno)) => Ok(Reply::Failed { call: call.to_owned(), errno: errno.raw_os_error() }),
            Err(error) => Err(error),
        },
    }
}

/// `--comm NAME`, and after an exec of itself `--slots name=fd,...`.
fn arguments() -> Result<ActorState> {
    let mut actor = ActorState::default();
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--comm" => drop(family::set_comm(&value)?),
            "--slots" => {
                for slot in value.split(',').filter(|slot| !slot.is_empty()) {
                    let (name, fd) = slot.split_once('=').context("--slots name=fd")?;
                    let fd: RawFd = fd.parse()?;
                    // SAFETY: the exec'ing actor left this descriptor open for this program, which uses it here only.
                    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                    actor.slots.insert(name.to_owned(), fd);
                }
            }
            _ => bail!("unknown argument {word}"),
        }
    }
    Ok(actor)
}

fn main() -> Result<()> {
    // The handler of Rust's runtime, for stack overflows, ignores the first SIGSEGV that a process sends.
    // SAFETY: no handler of this program is replaced, and the default action runs none of its code.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
    let mut actor = arguments()?;
    say(&Reply::Done(family::identity()))?;
    let mut line = String::new();
    while {
        line.clear();
        io::stdin().lock().read_line(&mut line)?
    } > 0
    {
        let result = actor.execute(line.trim()).with_context(|| line.trim().to_owned());
        say(&reply(result)?)?;
    }
    Ok(())
}

fn say(reply: &Reply) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{reply}")?;
    out.flush()
}

/// Takes memory until the kernel ends the process.
fn eat() -> ! {
    const PIECE: usize = 1 << 20;
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1_u8; PIECE]);
    }
}
