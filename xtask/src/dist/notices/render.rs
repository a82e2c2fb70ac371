//! The text of the notices: a list of crates, then each licence text once.

use super::{graph::CratePackage, texts::Text};
use std::{collections::BTreeMap, fmt::Write as _};

const RULE: &str = "--------------------------------------------------------------------------------";

/// The text of THIRD-PARTY-NOTICES.txt. `libc` is the version of the C library, in Debian's format.
pub(super) fn notices(crates: &[(&CratePackage, Vec<Text>)], libc: Option<&str>, lgpl: &str) -> String {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut in_order: Vec<&Text> = Vec::new();
    let mut list = String::new();
    for (package, texts) in crates {
        let refer: Vec<String> = texts
            .iter()
            .map(|text| {
                let number = *numbers.entry(&text.text).or_insert_with(|| {
                    in_order.push(text);
                    in_order.len()
                });
                format!("[{number}]")
            })
            .collect();
        list.push_str(&entry(package, &refer.join(" ")));
    }
    let mut all = format!(
        "THIRD-PARTY NOTICES OF RSTMON\n\nThe program rstmon is under MIT OR Apache-2.0. It contains the {} crates that \
         are listed here, with the\nlicence of each and the number of its text below; Rust's standard library; and the \
         GNU C Library.\n\n{list}",
        crates.len()
    );
    all.push_str(&standard_library());
    all.push_str(&c_library(libc));
    for (number, text) in (1..).zip(&in_order) {
        section(&mut all, &format!("[{number}] {}", text.name), &text.text);
    }
    section(&mut all, "[LGPL-2.1] GNU Lesser General Public License, version 2.1", lgpl.trim_matches('\n'));
    all
}

fn entry(package: &CratePackage, texts: &str) -> String {
    let CratePackage { name, version, license, authors, repository, .. } = package;
    let mut entry = format!("{name} {version}\n    Licence: {} {texts}\n", license.as_deref().unwrap_or("none"));
    // Writing to a String does not fail.
    if !authors.is_empty() {
        let _ = writeln!(entry, "    Authors: {}", authors.join(", "));
    }
    if let Some(repository) = repository {
        let _ = writeln!(entry, "    Source: {repository}");
    }
    entry
}

fn standard_library() -> String {
    "\nThe Rust Standard Library\n    Licence: MIT OR Apache-2.0; its parts and their notices: \
     rust-standard-library.html beside this file\n"
        .to_owned()
}

/// The notice that section 6 of LGPL-2.1 requires for the statically linked C library.
fn c_library(version: Option<&str>) -> String {
    let version =
        version.map_or_else(String::new, |version| format!("    Version: Debian's source package {version}\n"));
    format!(
        "\nThe GNU C Library (statically linked)\n    Licence: LGPL-2.1-or-later [LGPL-2.1]\n{version}    Source: \
         https://www.gnu.org/software/libc/\n    rstmon's complete source is published with each release. With it, \
         `cargo xtask dist` links the program anew, with\n    the C library of the system that it runs on, modified or \
         not. The startup code and unwinder of GCC are in the\n    program under the GCC Runtime Library Exception \
         3.1.\n"
    )
}

fn section(all: &mut String, title: &str, text: &str) {
    let _ = write!(all, "\n{RULE}\n{title}\n{RULE}\n\n{text}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_there_once_and_referred_to_by_number() {
        let (a, b) = (CratePackage::sample("a", Some("MIT")), CratePackage::sample("b", Some("MIT OR ISC")));
        let text = |name: &str, text: &str| Text { name: name.into(), text: text.into() };
        let crates = [
            (&a, vec![text("LICENSE", "the common text")]),
            (&b, vec![text("LICENSE-ISC", "another text"), text("LICENSE-MIT", "the common text")]),
        ];
        let found = notices(&crates, Some("glibc (= 2.36-9)"), "the lesser text");
        assert_eq!(found.matches("the common text").count(), 1, "in:\n{found}");
        assert!(found.contains("a 1.0.0\n    Licence: MIT [1]\n"), "in:\n{found}");
        assert!(found.contains("b 1.0.0\n    Licence: MIT OR ISC [2] [1]\n"), "in:\n{found}");
        assert!(found.contains("glibc (= 2.36-9)") && found.contains("the lesser text"), "in:\n{found}");
    }
}
