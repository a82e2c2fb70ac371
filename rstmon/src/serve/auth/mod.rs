//! HTTP basic authentication (RFC 7617) against bcrypt hashes.
//!
//! Hashes are computed one at a time and off the async threads, so that guessing passwords costs the host at most one
//! core; `turns` decides which is next. Accepted passwords are remembered, and take no turn. An unknown user takes as
//! long to refuse as a known one, so that response times do not reveal user names.

mod base64;
mod credential_cache;
pub(crate) mod rate_limit;
mod turns;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use bcrypt::{BcryptError, HashParts};
use credential_cache::CredentialCache;
use std::{collections::BTreeMap, net::IpAddr, str::FromStr, sync::Arc};
use turns::Turns;

/// The highest accepted bcrypt cost: about 20 seconds of CPU time. Each step doubles it.
const MAX_COST: u32 = 18;
/// The dummy's cost when no user is configured.
const DEFAULT_COST: u32 = 10;
/// Salt and digest of a well-formed hash. Unknown users' passwords are compared with it; the result is ignored.
const DUMMY_SALT_AND_DIGEST: &str = "rstmonDoesNotKnowThisuAndNobodyHasAPasswordForThisOne";

/// The users that are let in: names with bcrypt hashes, all well-formed.
#[derive(Default)]
pub(crate) struct Users {
    hashes: BTreeMap<String, String>,
    /// A hash for unknown users, of the highest cost among the real ones.
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

/// Checks credentials and caches the accepted ones.
pub(crate) struct Authenticator {
    cache: CredentialCache,
    turns: Arc<Turns>,
}

/// What [`Authenticator::accepts`] knows of the client, and reports while it waits.
pub(crate) trait Applicant: Sync {
    /// Its address, where it has one.
    fn address(&self) -> Option<IpAddr>;

    /// The password waits for its turn to be checked.
    fn waits(&self);

    /// The password is being checked.
    fn is_checked(&self);
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        Self { cache: CredentialCache::new(), turns: Turns::new() }
    }

    /// Whether the request with these headers comes from one of `users`.
    pub(crate) async fn accepts(&self, users: &Users, headers: &HeaderMap, applicant: &impl Applicant) -> bool {
        let Some((user, password)) = headers.get(AUTHORIZATION).and_then(credentials) else {
            return false;
        };
        let known = users.hashes.get(&user);
        let hash = known.unwrap_or(&users.dummy);
        let digest = self.cache.digest(user.as_bytes(), hash, &password);
        let is_cached = || known.is_some() && digest.is_some_and(|digest| self.cache.contains(&digest));
        if is_cached() {
            return true;
        }
        applicant.waits();
        let Some(turn) = self.turns.turn(applicant.address()).await else { return false };
        applicant.is_checked();
        // Another request may have had the same password checked meanwhile.
        if is_cached() {
            return true;
        }
        let hash = hash.clone();
        // The turn moves into the computation: when the client hangs up, this future is dropped, and the next
        // computation still has to wait for this one.
        let comparison = tokio::task::spawn_blocking(move || {
            let matches = bcrypt::verify(password, &hash).unwrap_or(false);
            (matches, turn)
        });
        let Ok((matches, turn)) = comparison.await else { return false };
        let matches = matches && known.is_some();
        if !matches {
            self.turns.wrong(applicant.address());
        } else if let Some(digest) = digest {
            self.cache.insert(digest);
        }
        // Passed on only now, so that the next turn is decided with this result.
        drop(turn);
        matches
    }
}

/// User and password from `Basic base64(user:password)`.
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

    struct Stranger;

    impl Applicant for Stranger {
        fn address(&self) -> Option<IpAddr> {
            None
        }

        fn waits(&self) {}

        fn is_checked(&self) {}
    }

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
        // alice:open sesame, twice: computed, then from the cache.
        for _ in 0..2 {
            assert!(authenticator.accepts(&users, &headers("Basic YWxpY2U6b3BlbiBzZXNhbWU="), &Stranger).await);
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
            assert!(!authenticator.accepts(&users, &headers(wrong), &Stranger).await, "{wrong}");
        }
        assert!(!authenticator.accepts(&users, &HeaderMap::new(), &Stranger).await);
    }

    #[tokio::test]
    async fn a_cached_password_does_not_outlive_its_hash() {
        let authenticator = Authenticator::new();
        let request = headers("Basic YWxpY2U6b3BlbiBzZXNhbWU=");
        assert!(authenticator.accepts(&users("alice", "open sesame", 4), &request, &Stranger).await);
        assert!(!authenticator.accepts(&users("alice", "changed", 4), &request, &Stranger).await);
        assert!(!authenticator.accepts(&Users::default(), &request, &Stranger).await);
    }

    #[tokio::test]
    async fn a_cached_password_costs_no_bcrypt() {
        let users = users("alice", "open sesame", 10);
        let authenticator = Authenticator::new();
        let request = headers("Basic YWxpY2U6b3BlbiBzZXNhbWU=");
        let start = Instant::now();
        assert!(authenticator.accepts(&users, &request, &Stranger).await);
        let computed = start.elapsed();
        let start = Instant::now();
        assert!(authenticator.accepts(&users, &request, &Stranger).await);
        let cached = start.elapsed();
        assert!(cached * 4 < computed, "computed in {computed:?}, cached in {cached:?}");
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
