//! rstmon.toml(5), made from the reference configuration: its comments are the text, its values the defaults.

use roff::{Inline, Roff, bold, italic, roman};

/// The reference file does not have the form that this page needs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct Malformed {
    line: usize,
    what: &'static str,
}

/// A key with its comment in the reference file.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    name: String,
    /// `None` if the key has no default and the file shows an example.
    default: Option<String>,
    text: String,
}

/// A table with its keys.
#[derive(Debug, PartialEq, Eq)]
struct ManualSection {
    name: String,
    keys: Vec<Key>,
}

/// The manual page of the configuration file `reference`.
pub(super) fn page(reference: &str, version: &str, date: &str) -> Result<String, Malformed> {
    let sections = parse(reference)?;
    let mut roff = Roff::new();
    roff.control("TH", ["rstmon.toml", "5", date, &format!("rstmon {version}"), "rstmon manual"]);
    heading(&mut roff, "NAME").text([roman("rstmon.toml - configuration of rstmon")]);
    heading(&mut roff, "SYNOPSIS").text([italic("/etc/rstmon/rstmon.toml")]);
    heading(&mut roff, "DESCRIPTION").text([roman(
        "A TOML file. rstmon needs none: what is left out has its default, and the file that comes with rstmon says the \
         same as an empty one. For each setting the first that is given wins: the flag, the environment variable, this \
         file, the default. An unknown key, a value of the wrong type and one out of range are errors.",
    )]);
    roff.control("PP", []).text([
        bold("rstmon run --check"),
        roman(" validates the file, with everything that it points to, and exits with 0 or 2."),
    ]);
    for section in &sections {
        heading(&mut roff, &format!("[{}]", section.name));
        for key in &section.keys {
            roff.control("TP", []).text(definition(key)).text([roman(key.text.as_str())]);
        }
    }
    heading(&mut roff, "SEE ALSO").text([bold("rstmon"), roman("(1), "), bold("rstmon-run"), roman("(1)")]);
    Ok(roff.to_roff())
}

fn heading<'a>(roff: &'a mut Roff, title: &str) -> &'a mut Roff {
    roff.control("SH", [title])
}

fn definition(key: &Key) -> Vec<Inline> {
    let mut words = vec![bold(key.name.as_str())];
    if let Some(default) = &key.default {
        words.push(roman(format!(" = {default}")));
    }
    words
}

/// Sections and keys in the file's order. The comment before the first section is left out.
fn parse(reference: &str) -> Result<Vec<ManualSection>, Malformed> {
    let mut sections: Vec<ManualSection> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for (line, text) in (1..).zip(reference.lines()) {
        let malformed = |what| Malformed { line, what };
        // A list of tables has no default: its header is in a comment, too.
        let header = if text.starts_with("# [[") { &text[2..] } else { text };
        if let Some(name) = header.strip_prefix('[') {
            let name = name.strip_suffix(']').ok_or_else(|| malformed("a table's name without its end"))?;
            sections.push(ManualSection { name: name.to_owned(), keys: Vec::new() });
            comment.clear();
        } else if let Some((name, value, is_default)) = assignment(text) {
            if comment.is_empty() {
                return Err(malformed("a key without a comment"));
            }
            let section = sections.last_mut().ok_or_else(|| malformed("a key outside of a table"))?;
            let default = is_default.then(|| value.to_owned());
            section.keys.push(Key { name: name.to_owned(), default, text: comment.join(" ") });
            comment.clear();
        } else if let Some(words) = text.strip_prefix('#') {
            comment.push(words.trim());
        } else if text.trim().is_empty() {
            comment.clear();
        } else {
            return Err(malformed("neither a table, a key in one line, nor a comment"));
        }
    }
    Ok(sections)
}

/// Parses `key = value`, and the same in a comment, which is a key without a default.
fn assignment(line: &str) -> Option<(&str, &str, bool)> {
    let (text, is_default) = line.strip_prefix("# ").map_or((line, true), |text| (text, false));
    let (name, value) = text.split_once(" = ")?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_name.then_some((name, value, is_default))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Workspace, read_text};

    fn reference() -> String {
        let workspace = Workspace::discover().expect("a checkout");
        read_text(&workspace.root.join("packaging/rstmon.toml")).expect("the reference file")
    }

    #[test]
    fn every_key_of_the_reference_file_is_on_the_page() {
        let reference = reference();
        let page = page(&reference, "1.2.3", "2026-01-31").expect("page");
        let table: toml::Table = reference.parse().expect("TOML");
        for (section, keys) in &table {
            assert!(page.contains(&format!(".SH [{section}]")), "no [{section}] in:\n{page}");
            for key in keys.as_table().expect("a table").keys() {
                assert!(page.contains(&format!("\\fB{key}\\fR")), "no {key} in:\n{page}");
            }
        }
        assert!(page.contains("\\fBconfig_file\\fR\n"), "the unset key, without a default, in:\n{page}");
    }

    #[test]
    fn comments_become_text_and_values_defaults() {
        let sections =
            parse("# About the file.\n\n[web]\n# Where\n# to listen.\nport = 1\n# Unset: none.\n# path = \"x\"\n");
        let key = |name: &str, default: Option<&str>, text: &str| Key {
            name: name.into(),
            default: default.map(Into::into),
            text: text.into(),
        };
        let keys = vec![key("port", Some("1"), "Where to listen."), key("path", None, "Unset: none.")];
        assert_eq!(sections, Ok(vec![ManualSection { name: "web".into(), keys }]));
    }

    #[test]
    fn a_list_of_tables_is_a_section_though_it_is_a_comment() {
        let sections = parse("# [[expect]]\n# Which.\n# filter = \"a\"\n");
        let key = Key { name: "filter".into(), default: None, text: "Which.".into() };
        assert_eq!(sections, Ok(vec![ManualSection { name: "[expect]".into(), keys: vec![key] }]));
    }

    #[test]
    fn a_key_without_a_comment_is_refused_with_its_line() {
        let error = parse("[web]\n# a\nb = 1\nc = 2\n").expect_err("c has no comment");
        assert_eq!(error, Malformed { line: 4, what: "a key without a comment" });
    }
}
