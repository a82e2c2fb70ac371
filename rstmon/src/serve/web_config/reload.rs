//! Keeps a web configuration current: certificates are renewed and users change while the daemon runs.
//!
//! Before each use, the files' stamps are compared (a few stat(2) calls), and the configuration is read again when one
//! has changed. The new configuration is refused when
//! - it does not load,
//! - it turns TLS or authentication off, or demands less of clients' certificates: a file that is just being written is
//!   empty or incomplete for a moment,
//! - its certificate is out of date and the old one is not.
//!
//! After a refusal the last good configuration stays in force, and one warning is logged. The refused files are read
//! again when one of them changes, not before: a use costs the same few stat(2) calls as with good files.

use super::{
    error::{Refusal, WebConfigError},
    load::{ReadWebConfig, WebConfig, load},
    watched_file::{FileStamp, WatchedFile},
};
use crate::sync::lock;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// The current state of a configuration file and of the files it names.
pub(in crate::serve) struct Reloader {
    path: PathBuf,
    state: Mutex<ReloadState>,
}

struct ReloadState {
    config: Arc<WebConfig>,
    /// The files that the last attempt depended on, as they were then.
    files: Vec<WatchedFile>,
    /// The last attempt, if it was refused.
    refused: Option<Attempt>,
    /// The files' stamps at the last warning.
    warned: Option<Vec<FileStamp>>,
}

/// A configuration that was read and is not in force.
enum Attempt {
    /// It loads. Whether it may come into force depends on the time and on the configuration in force.
    Loaded(Arc<WebConfig>),
    /// Reading the same files again would give the same error.
    Invalid,
    /// Another attempt may succeed although no file has changed.
    Failed,
}

/// A configuration that was read and may come into force.
pub(in crate::serve) struct Successor {
    config: Arc<WebConfig>,
    files: Vec<WatchedFile>,
}

impl Reloader {
    /// Loads the configuration. Blocks for file access.
    pub(in crate::serve) fn new(path: PathBuf) -> Result<Self, WebConfigError> {
        let ReadWebConfig { files, outcome } = load(&path);
        let config = Arc::new(outcome?);
        warn_if_out_of_date(&path, &config);
        Ok(Self { path, state: Mutex::new(ReloadState { config, files, refused: None, warned: None }) })
    }

    /// The configuration in force, read again where its files have changed. Blocks for file access.
    pub(in crate::serve) fn current(&self) -> Arc<WebConfig> {
        let mut state = lock(&self.state);
        let has_changed = state.files.iter().any(WatchedFile::changed);
        let attempt = match (&state.refused, has_changed) {
            (None | Some(Attempt::Invalid), false) => return Arc::clone(&state.config),
            (Some(Attempt::Loaded(config)), false) => Ok(Arc::clone(config)),
            (Some(Attempt::Failed), false) | (_, true) => {
                let ReadWebConfig { files, outcome } = load(&self.path);
                state.files = files;
                outcome.map(Arc::new)
            }
        };
        let (attempt, judged) = match attempt {
            Ok(config) => (Attempt::Loaded(Arc::clone(&config)), judge(&state.config, &config).map(|()| config)),
            Err(error) if error.is_transient() => (Attempt::Failed, Err(error.into())),
            Err(error) => (Attempt::Invalid, Err(error.into())),
        };
        match judged {
            Ok(config) => {
                tracing::info!(path = %self.path.display(), "web configuration reloaded");
                self.put_in_force(&mut state, config);
            }
            Err(reason) => {
                state.refused = Some(attempt);
                self.warn(&mut state, &reason);
            }
        }
        Arc::clone(&state.config)
    }

    /// Reads everything again, whether or not it has changed, and changes nothing. Blocks for file access.
    pub(in crate::serve) fn read_again(&self) -> Result<Successor, Refusal> {
        let ReadWebConfig { files, outcome } = load(&self.path);
        let config = Arc::new(outcome?);
        judge(&lock(&self.state).config, &config)?;
        Ok(Successor { config, files })
    }

    /// Puts what was read into force. A change of the files since then is noticed at the next use.
    pub(in crate::serve) fn apply(&self, successor: Successor) {
        let mut state = lock(&self.state);
        let Successor { config, files } = successor;
        state.files = files;
        self.put_in_force(&mut state, config);
    }

    fn put_in_force(&self, state: &mut ReloadState, config: Arc<WebConfig>) {
        warn_if_out_of_date(&self.path, &config);
        let ReloadState { config: in_force, files: _, refused, warned } = state;
        (*in_force, *refused, *warned) = (config, None, None);
    }

    /// Once for each state of the files.
    fn warn(&self, state: &mut ReloadState, reason: &Refusal) {
        let stamps = Some(state.files.iter().map(WatchedFile::stamp).collect());
        if state.warned != stamps {
            let path = self.path.display();
            tracing::warn!(%path, %reason, "changed web configuration ignored, the last good one stays");
            state.warned = stamps;
        }
    }
}

/// Whether `new` may replace `old` while clients rely on it.
fn judge(old: &WebConfig, new: &WebConfig) -> Result<(), Refusal> {
    if old.tls.is_some() && new.tls.is_none() {
        return Err(Refusal::NoTls);
    }
    if !old.users.is_empty() && new.users.is_empty() {
        return Err(Refusal::NoUsers);
    }
    if new.client_policy < old.client_policy {
        return Err(Refusal::LaxClients);
    }
    match new.out_of_date() {
        Some(problem) if old.out_of_date().is_none() => Err(problem),
        _ => Ok(()),
    }
}

/// The daemon starts all the same: a certificate that clients refuse is no reason to stop counting resets.
fn warn_if_out_of_date(path: &Path, config: &WebConfig) {
    if let Some(problem) = config.out_of_date() {
        tracing::warn!(path = %path.display(), %problem, "clients will refuse the web configuration's certificate");
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempt, Reloader, lock};
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

    const CONFIG: &str = "http_server_config: {headers: {X-Frame-Options: deny}}\n";

    fn write(directory: &Path, text: &str) {
        // Replaced, as an editor does, so that the inode differs whatever the clock's step is.
        let new = directory.join("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, directory.join("web.yml"))).expect("a file");
    }

    fn start(directory: &Path) -> Reloader {
        write(directory, CONFIG);
        Reloader::new(directory.join("web.yml")).expect("a configuration")
    }

    /// How often the files have been read: an attempt of the same files keeps the list that it made.
    fn attempt(reloader: &Reloader) -> *const super::WatchedFile {
        lock(&reloader.state).files.as_ptr()
    }

    #[test]
    fn a_refused_file_is_not_read_again_until_it_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        let reloader = start(directory.path());
        let good = reloader.current();
        for refused in ["[[[[", "tls_server_config: {cert_file: none.crt, key_file: none.key}", "users: {}"] {
            write(directory.path(), refused);
            assert!(Arc::ptr_eq(&reloader.current(), &good), "the last good one stays");
            let first = attempt(&reloader);
            for _ in 0..3 {
                assert!(Arc::ptr_eq(&reloader.current(), &good));
                assert_eq!(attempt(&reloader), first, "{refused} is read again");
            }
            assert!(matches!(lock(&reloader.state).refused, Some(Attempt::Invalid)));
        }
        write(directory.path(), CONFIG);
        assert!(!Arc::ptr_eq(&reloader.current(), &good), "a file in order comes into force");
    }

    #[test]
    fn what_policy_refuses_is_judged_again_but_not_read_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let reloader = start(directory.path());
        let hash = bcrypt::hash("x", 4).expect("a hash");
        write(directory.path(), &format!("basic_auth_users: {{a: {hash}}}"));
        let with_users = reloader.current();
        assert!(!with_users.users.is_empty());
        write(directory.path(), CONFIG);
        assert!(Arc::ptr_eq(&reloader.current(), &with_users), "it would turn authentication off");
        let first = attempt(&reloader);
        assert!(Arc::ptr_eq(&reloader.current(), &with_users));
        assert_eq!(attempt(&reloader), first, "it is read again");
    }

    #[test]
    fn another_mode_is_a_change() {
        let directory = tempfile::tempdir().expect("a directory");
        let reloader = start(directory.path());
        write(directory.path(), "[");
        reloader.current();
        let first = attempt(&reloader);
        // A file that could not be read may be readable now.
        fs::set_permissions(directory.path().join("web.yml"), fs::Permissions::from_mode(0o600)).expect("its mode");
        reloader.current();
        assert_ne!(attempt(&reloader), first, "it is not read again");
    }

    #[test]
    fn a_pipe_in_place_of_the_file_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let reloader = start(directory.path());
        let good = reloader.current();
        let path = directory.path().join("web.yml");
        fs::remove_file(&path).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
        assert!(Arc::ptr_eq(&reloader.current(), &good));
        assert!(reloader.read_again().is_err_and(|error| error.to_string().contains("a pipe, not a regular file")));
        fs::remove_file(&path).expect("removed");
        write(directory.path(), CONFIG);
        assert!(!Arc::ptr_eq(&reloader.current(), &good));
    }

    #[test]
    fn reading_again_changes_nothing_until_it_is_applied() {
        let directory = tempfile::tempdir().expect("a directory");
        let reloader = start(directory.path());
        let old = reloader.current();
        let successor = reloader.read_again().expect("a configuration");
        assert!(Arc::ptr_eq(&reloader.current(), &old));
        reloader.apply(successor);
        assert!(!Arc::ptr_eq(&reloader.current(), &old));
    }
}
