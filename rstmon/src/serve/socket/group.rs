//! The number of a group, looked up by name in `/etc/group`.
//!
//! Directory services (LDAP, sssd) are not queried: a socket's group is usually a local system group, and a privileged
//! daemon should not load NSS modules for it. A group of a directory service can be given by number.

use crate::host::regular_file;
use std::{io, path::Path};

const GROUP_FILE: &str = "/etc/group";
/// Some thousand groups with a thousand members each.
const MAX_GROUP_FILE_BYTES: u64 = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("cannot read {GROUP_FILE}: {source}; give the group by number")]
    Read { source: io::Error },
    #[error(
        "{GROUP_FILE} has no group {name:?}; create it with `groupadd --system {name}` or give another, by name or number"
    )]
    Unknown { name: String },
}

/// `text` is a group's name or number.
pub(crate) fn group_id(text: &str) -> Result<u32, GroupError> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let groups = regular_file::read_to_string(Path::new(GROUP_FILE), MAX_GROUP_FILE_BYTES)
        .map_err(|source| GroupError::Read { source })?;
    find(&groups, text).ok_or_else(|| GroupError::Unknown { name: text.to_owned() })
}

/// `name:password:number:members`, see group(5).
fn find(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_whole_name() {
        let groups = "root:x:0:\nadmins:x:27:a,b\nadm:x:4:\nbroken\nodd:x:many:\n";
        assert_eq!(find(groups, "adm"), Some(4));
        assert_eq!(find(groups, "admins"), Some(27));
        assert_eq!(find(groups, "broken"), None);
        assert_eq!(find(groups, "odd"), None);
    }

    #[test]
    fn numbers_need_no_file_and_unknown_names_are_errors() {
        assert_eq!(group_id("12345").expect("a number"), 12345);
        let error = group_id("no-such-group-here").expect_err("unknown").to_string();
        assert!(error.contains("no-such-group-here"), "found {error:?}");
    }
}
