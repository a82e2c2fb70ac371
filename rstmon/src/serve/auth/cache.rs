//! Remembers which credentials passed, because bcrypt is slow on purpose and a scrape comes every few seconds.
//!
//! Passwords are not kept: an entry is a SHA-256 over a key that lives as long as this process, the user, the hash that
//! is configured for it (a changed hash is a different entry) and the password. Only successes are remembered, so an
//! attacker cannot flush the cache without knowing a password.

use crate::sync::lock;
use rustls::{
    SupportedCipherSuite,
    crypto::{
        hash::Hash,
        ring::{self, cipher_suite::TLS13_AES_128_GCM_SHA256},
    },
};
use std::{collections::VecDeque, sync::Mutex};

const MAX_ENTRIES: usize = 64;
const KEY_BYTES: usize = 32;

type Digest = [u8; 32];

/// Credentials that passed, the latest last. Without a source of randomness it remembers nothing.
pub(crate) struct Passed {
    hash: Option<(&'static dyn Hash, [u8; KEY_BYTES])>,
    entries: Mutex<VecDeque<Digest>>,
}

impl Passed {
    pub(crate) fn new() -> Self {
        let mut key = [0; KEY_BYTES];
        let filled = ring::default_provider().secure_random.fill(&mut key).is_ok();
        let hash = match TLS13_AES_128_GCM_SHA256 {
            SupportedCipherSuite::Tls13(suite) if filled => Some((suite.common.hash_provider, key)),
            _ => None,
        };
        Self { hash, entries: Mutex::default() }
    }

    pub(crate) fn digest(&self, user: &[u8], hash: &str, password: &[u8]) -> Option<Digest> {
        let (hasher, key) = self.hash?;
        let mut context = hasher.start();
        context.update(&key);
        for part in [user, hash.as_bytes(), password] {
            // With its length, so that parts cannot run into one another.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.finish().as_ref().try_into().ok()
    }

    pub(crate) fn contains(&self, digest: &Digest) -> bool {
        lock(&self.entries).contains(digest)
    }

    pub(crate) fn insert(&self, digest: Digest) {
        let mut entries = lock(&self.entries);
        if entries.contains(&digest) {
            return;
        }
        if entries.len() >= MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_exactly_user_hash_and_password() {
        let passed = Passed::new();
        let digest = |user: &str, hash, password: &str| {
            passed.digest(user.as_bytes(), hash, password.as_bytes()).expect("randomness")
        };
        passed.insert(digest("user", "hash", "password"));
        assert!(passed.contains(&digest("user", "hash", "password")));
        for (user, hash, password) in [
            ("user", "hash", "passworD"),
            ("user", "other", "password"),
            ("use", "rhash", "password"),
            ("user", "hashp", "assword"),
        ] {
            assert!(!passed.contains(&digest(user, hash, password)), "{user} {hash} {password}");
        }
        let other_process = Passed::new();
        assert_ne!(other_process.digest(b"user", "hash", b"password"), Some(digest("user", "hash", "password")));
    }

    #[test]
    fn it_is_bounded() {
        let passed = Passed::new();
        for byte in 0..=u8::MAX {
            passed.insert([byte; 32]);
        }
        assert_eq!(passed.entries.lock().expect("no panic").len(), MAX_ENTRIES);
        assert!(passed.contains(&[u8::MAX; 32]));
    }
}
