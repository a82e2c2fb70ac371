//! The fields of a certificate that rustls does not check: the validity of the server's own, the names in a client's.
//! Pure.

use super::error::Refusal;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use std::{net::IpAddr, time::SystemTime};
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Validity {
    /// `None` for a certificate that cannot be parsed here, although rustls accepts it.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(certificate).ok()?;
        let validity = certificate.tbs_certificate().validity();
        let (not_before, not_after) = (validity.not_before.to_system_time(), validity.not_after.to_system_time());
        Some(Self { not_before, not_after })
    }

    /// Why clients refuse the certificate at the time `now`, if they do.
    pub(super) fn problem(&self, now: SystemTime) -> Option<Refusal> {
        let Self { not_before, not_after } = *self;
        if now > not_after {
            return Some(Refusal::Expired { not_after: timestamp(not_after) });
        }
        (now < not_before).then(|| Refusal::NotYet { not_before: timestamp(not_before) })
    }
}

/// A time after the last one that [`Timestamp`] can hold becomes that one.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX)
}

/// Whether one of the certificate's subject alternative names (DNS, e-mail, URI, IP address) is among `allowed`. Names
/// are compared as text: a wildcard matches only itself.
pub(super) fn is_named(certificate: &CertificateDer<'_>, allowed: &[String]) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate().get_extension() else { return false };
    names.iter().any(|name| match name {
        GeneralName::DnsName(text) | GeneralName::Rfc822Name(text) | GeneralName::UniformResourceIdentifier(text) => {
            allowed.iter().any(|allowed| allowed == text.as_str())
        }
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes())
            .is_some_and(|address| allowed.iter().any(|allowed| allowed.parse() == Ok::<IpAddr, _>(address))),
        _ => false,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::from(sixteen).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType, string::Ia5String};
    use std::time::Duration;

    fn certificate(adjust: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        adjust(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().clone()
    }

    #[test]
    fn validity_ends_and_begins() {
        let certificate = certificate(|params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        });
        let validity = Validity::of(&certificate).expect("a certificate");
        let at = |text: &str| {
            let time = SystemTime::from(text.parse::<Timestamp>().expect("a timestamp"));
            validity.problem(time).map(|problem| problem.to_string())
        };
        assert_eq!(at("2020-06-01T00:00:00Z"), None);
        assert_eq!(at("2021-01-01T00:00:01Z").as_deref(), Some("its certificate expired on 2021-01-01T00:00:00Z"));
        assert_eq!(
            at("2019-12-31T23:59:59Z").as_deref(),
            Some("its certificate is not valid before 2020-01-01T00:00:00Z")
        );
        assert!(Validity::of(&CertificateDer::from(vec![0x30, 0])).is_none());
        let ahead = SystemTime::now() + Duration::from_secs(1);
        assert!(Validity { not_before: ahead, not_after: ahead }.problem(SystemTime::now()).is_some());
    }

    #[test]
    fn names_match_letter_for_letter() {
        let text = |text: &str| Ia5String::try_from(text).expect("ASCII");
        let certificate = certificate(|params| {
            params.subject_alt_names = vec![
                SanType::DnsName(text("*.prometheus.example")),
                SanType::Rfc822Name(text("ops@example.org")),
                SanType::URI(text("spiffe://example.org/prometheus")),
                SanType::IpAddress([192, 0, 2, 1].into()),
                SanType::IpAddress("2001:db8::1".parse().expect("an address")),
            ];
        });
        let named = |name: &str| is_named(&certificate, &["another.example".to_owned(), name.to_owned()]);
        for name in [
            "*.prometheus.example",
            "ops@example.org",
            "spiffe://example.org/prometheus",
            "192.0.2.1",
            "2001:db8:0:0::1",
        ] {
            assert!(named(name), "{name} is there");
        }
        for name in ["a.prometheus.example", "OPS@example.org", "192.0.2.2", "192.0.2", "", "rcgen self signed cert"] {
            assert!(!named(name), "{name} is not there");
        }
        assert!(!is_named(&self::certificate(|_| {}), &[String::new()]), "a certificate without names");
        assert!(!is_named(&CertificateDer::from(vec![0x30, 0]), &[String::new()]), "no certificate");
    }
}
