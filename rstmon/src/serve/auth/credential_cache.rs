//! Remembers accepted credentials, because bcrypt is slow on purpose and a scrape comes every few seconds.
//!
//! Passwords are not kept. An entry is a SHA-256 over a random key of this process, the user, the hash configured for
//! the user (so a changed hash is a different entry) and the password. Only accepted credentials are cached, so an
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

/// The accepted credentials, the latest last. Without a source of randomness nothing is cached.
pub(crate) struct CredentialCache {
    hash: Option<(&'static dyn Hash, [u8; KEY_BYTES])>,
    entries: Mutex<VecDeque<Digest>>,
}

impl CredentialCache {
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
            // With its length, so that no two different splits of the parts hash the same bytes.
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
        let cache = CredentialCache::new();
        let digest = |user: &str, hash, password: &str| {
            cache.digest(user.as_bytes(), hash, password.as_bytes()).expect("randomness")
        };
        cache.insert(digest("user", "hash", "password"));
        assert!(cache.contains(&digest("user", "hash", "password")));
        for (user, hash, password) in [
            ("user", "hash", "passworD"),
            ("user", "other", "password"),
            ("use", "rhash", "password"),
            ("user", "hashp", "assword"),
        ] {
            assert!(!cache.contains(&digest(user, hash, password)), "{user} {hash} {password}");
        }
        let other_process = CredentialCache::new();
        assert_ne!(other_process.digest(b"user", "hash", b"password"), Some(digest("user", "hash", "password")));
    }

    #[test]
    fn it_is_bounded() {
        let cache = CredentialCache::new();
        for byte in 0..=u8::MAX {
            cache.insert([byte; 32]);
        }
        assert_eq!(cache.entries.lock().expect("no panic").len(), MAX_ENTRIES);
        assert!(cache.contains(&[u8::MAX; 32]));
    }
}
