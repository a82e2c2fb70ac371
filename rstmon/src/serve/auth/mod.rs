//! HTTP basic authentication (RFC 7617) against bcrypt hashes.
//!
//! One hash is computed at a time, off the async threads, so that guessing passwords costs the host at most one core;
//! an unknown user costs as much time as a known one.

mod base64;
mod cache;
pub(crate) mod gate;
pub(crate) mod rate_limit;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use bcrypt::{BcryptError, HashParts};
use cache::Passed;
use std::{collections::BTreeMap, str::FromStr, sync::Arc};
use tokio::sync::Semaphore;

/// Costs about 20 seconds of CPU; each step doubles that.
const MAX_COST: u32 = 18;
/// For unknown users when no user is configured, which then never authenticates anybody anyway.
const DEFAULT_COST: u32 = 10;
/// Salt and digest of a well-formed hash; compared with for unknown users and never believed.
const DUMMY_SALT_AND_DIGEST: &str = "rstmonDoesNotKnowThisuAndNobodyHasAPasswordForThisOne";

/// Who may ask: names with bcrypt hashes, all well-formed.
#[derive(Default)]
pub(crate) struct Users {
    hashes: BTreeMap<String, String>,
    /// As slow to check as the slowest real one.
    dummy: String,
}

/// A hash that cannot be used.
#[derive(Debug)]
pub(crate) enum UsersError {
    Hash { user: String, source: BcryptError },
    Cost { user: String, cost: u32 },
}

impl Users {
    pub(crate) fn new(hashes: BTreeMap<String, String>) -> Result<Self, UsersError> {
        let mut slowest = None;
        for (user, hash) in &hashes {
            let cost = match HashParts::from_str(hash) {
                Ok(parts) => parts.get_cost(),
                Err(source) => return Err(UsersError::Hash { user: user.clone(), source }),
            };
            if cost > MAX_COST {
                return Err(UsersError::Cost { user: user.clone(), cost });
            }
            slowest = slowest.max(Some(cost));
        }
        let dummy = format!("$2b${:02}${DUMMY_SALT_AND_DIGEST}", slowest.unwrap_or(DEFAULT_COST));
        Ok(Self { hashes, dummy })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// Checks credentials and remembers the ones that passed.
pub(crate) struct Authenticator {
    passed: Passed,
    one_at_a_time: Arc<Semaphore>,
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self { passed: Passed::new(), one_at_a_time: Arc::new(Semaphore::new(1)) }
    }

    /// Whether the request with these headers comes from one of `users`.
    pub(crate) async fn accepts(&self, users: &Users, headers: &HeaderMap) -> bool {
        let Some((user, password)) = headers.get(AUTHORIZATION).and_then(credentials) else {
            return false;
        };
        let known = users.hashes.get(&user);
        let hash = known.unwrap_or(&users.dummy);
        let digest = self.passed.digest(user.as_bytes(), hash, &password);
        if known.is_some() && digest.is_some_and(|digest| self.passed.contains(&digest)) {
            return true;
        }
        let matches = self.compare(hash.clone(), password).await && known.is_some();
        if matches && let Some(digest) = digest {
            self.passed.insert(digest);
        }
        matches
    }

    async fn compare(&self, hash: String, password: Vec<u8>) -> bool {
        // The permit goes along: a client that hangs up does not make room for a second computation.
        let Ok(permit) = Arc::clone(&self.one_at_a_time).acquire_owned().await else {
            return false;
        };
        let comparison = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        comparison.await.unwrap_or(false)
    }
}

/// `Basic base64(user:password)`.
fn credentials(header: &HeaderValue) -> Option<(String, Vec<u8>)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::decode(encoded.trim())?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = (decoded.get(..colon)?, decoded.get(colon + 1..)?);
    Some((String::from_utf8(user.to_vec()).ok()?, password.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn headers(authorization: &str) -> HeaderMap {
        let value = HeaderValue::from_str(authorization).expect("a header value");
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    fn users(name: &str, password: &str, cost: u32) -> Users {
        let hash = bcrypt::hash(password, cost).expect("a hash");
        Users::new(BTreeMap::from([(name.to_owned(), hash)])).expect("a good hash")
    }

    #[tokio::test]
    async fn accepts_the_right_password_only() {
        let users = users("alice", "open sesame", 4);
        let authenticator = Authenticator::new();
        // alice:open sesame, twice: computed and remembered.
        for _ in 0..2 {
            assert!(authenticator.accepts(&users, &headers("Basic YWxpY2U6b3BlbiBzZXNhbWU=")).await);
        }
        for wrong in [
            "Basic YWxpY2U6d3Jvbmc=",          // alice:wrong
            "Basic Ym9iOm9wZW4gc2VzYW1l",      // bob:open sesame
            "Basic YWxpY2U=",                  // alice
            "Bearer YWxpY2U6b3BlbiBzZXNhbWU=", // another scheme
            "Basic",
            "Basic !!!!",
            "Basic YWxpY2U6AG9wZW4gc2VzYW1l", // a NUL in the password
        ] {
            assert!(!authenticator.accepts(&users, &headers(wrong)).await, "{wrong}");
        }
        assert!(!authenticator.accepts(&users, &HeaderMap::new()).await);
    }

    #[tokio::test]
    async fn a_remembered_password_does_not_outlive_its_hash() {
        let authenticator = Authenticator::new();
        let request = headers("Basic YWxpY2U6b3BlbiBzZXNhbWU=");
        assert!(authenticator.accepts(&users("alice", "open sesame", 4), &request).await);
        assert!(!authenticator.accepts(&users("alice", "changed", 4), &request).await);
        assert!(!authenticator.accepts(&Users::default(), &request).await);
    }

    #[tokio::test]
    async fn a_remembered_password_costs_no_bcrypt() {
        let users = users("alice", "open sesame", 10);
        let authenticator = Authenticator::new();
        let request = headers("Basic YWxpY2U6b3BlbiBzZXNhbWU=");
        let start = Instant::now();
        assert!(authenticator.accepts(&users, &request).await);
        let computed = start.elapsed();
        let start = Instant::now();
        assert!(authenticator.accepts(&users, &request).await);
        let remembered = start.elapsed();
        assert!(remembered * 4 < computed, "computed in {computed:?}, remembered in {remembered:?}");
    }

    #[test]
    fn the_dummy_is_a_hash_as_slow_as_the_slowest() {
        let dummy = users("alice", "x", 5).dummy;
        assert_eq!(HashParts::from_str(&dummy).expect("well-formed").get_cost(), 5);
    }

    #[test]
    fn refuses_what_is_no_hash_or_takes_for_ever() {
        let new = |hash: &str| Users::new(BTreeMap::from([("u".to_owned(), hash.to_owned())]));
        assert!(matches!(new("plain password"), Err(UsersError::Hash { .. })));
        let slow = format!("$2y$31${DUMMY_SALT_AND_DIGEST}");
        assert!(matches!(new(&slow), Err(UsersError::Cost { cost: 31, .. })));
    }
}
