//! What is stored of a remote address: all of it, its network, or nothing. Pure.

use super::options::Remotes;
use crate::event::{Endpoint, Event};
use ipnet::IpNet;
use std::{
    borrow::Cow,
    cmp::Reverse,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The event as it is stored.
pub(super) fn stored(event: &Event, remotes: Remotes) -> Cow<'_, Event> {
    let remote = match remotes {
        Remotes::Full => return Cow::Borrowed(event),
        Remotes::Network => Endpoint { address: network(event.remote.address).0, ..event.remote },
        Remotes::None => {
            // The port of a service that this host called says which service it was, not which client.
            let port = if event.service_port == Some(event.remote.port) { event.remote.port } else { 0 };
            Endpoint { address: unspecified(event.remote.address), port }
        }
    };
    let named = [(Some(event.remote), "the peer"), (event.named_end, "another peer")];
    let mut written: Vec<(String, String)> = Vec::new();
    for (end, nameless) in named.into_iter().filter_map(|(end, nameless)| Some((end?, nameless))) {
        let words = if remotes == Remotes::Network { network(end.address).1 } else { nameless.to_owned() };
        written.extend([end.to_string(), end.address.to_string()].map(|full| (full, words.clone())));
    }
    // The longest first: one address may be the beginning of another.
    written.sort_by_key(|(full, _)| Reverse(full.len()));
    let sentence = written.iter().fold(event.sentence.clone(), |sentence, (full, words)| sentence.replace(full, words));
    Cow::Owned(Event { remote, sentence, ..event.clone() })
}

/// The address of the network that `address` is in, and the network as it is written.
fn network(address: IpAddr) -> (IpAddr, String) {
    let prefix = if address.is_ipv4() { 24 } else { 64 };
    match IpNet::new(address, prefix) {
        Ok(network) => (network.network(), network.trunc().to_string()),
        Err(_) => (unspecified(address), "the peer".to_owned()),
    }
}

fn unspecified(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, Remotes, stored};
    use crate::event::{found::Found, testing::event_with};
    use serde_json::json;

    #[test]
    fn an_address_is_nowhere_in_what_is_stored() {
        for (address, network) in [("10.1.2.3", "10.1.2.0"), ("2001:db8::1:2:3:4", "2001:db8::")] {
            let event = event_with(json!({"remote": {"address": address}}));
            let sentence = format!("java sent {} a reset; {address} had gone", event.remote);
            let event = event_with(json!({"remote": {"address": address}, "sentence": sentence}));
            assert_eq!(*stored(&event, Remotes::Full), event);
            for (remotes, left) in [(Remotes::Network, network), (Remotes::None, "")] {
                let stored = stored(&event, remotes);
                let text = serde_json::to_string(&*stored).expect("JSON");
                assert!(!text.contains(address), "{text}");
                assert!(stored.remote.to_string().contains(left), "{text}");
            }
            assert_eq!(stored(&event, Remotes::None).remote.port, 0);
        }
    }

    #[test]
    fn nor_is_that_of_another_connection_which_the_sentence_names() {
        let mut event = event_with(json!({"remote": {"address": "10.52.9.1", "port": 80}, "sentence": "a segment"}));
        event.add_finding(Found::OtherConnection(Endpoint { address: [10, 52, 9, 10].into(), port: 443 }));
        assert!(event.sentence.contains("10.52.9.10:443"), "{}", event.sentence);
        let sentence = |remotes| stored(&event, remotes).sentence.clone();
        assert!(sentence(Remotes::Full).contains("to 10.52.9.10:443,"));
        assert!(sentence(Remotes::Network).contains("to 10.52.9.0/24,"), "{}", sentence(Remotes::Network));
        assert!(sentence(Remotes::None).contains("to another peer,"), "{}", sentence(Remotes::None));
    }
}
