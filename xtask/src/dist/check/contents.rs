//! Compares the packages' contents with lists in the repository, so that every added or removed file is noticed.

use super::Packages;
use crate::{
    process, say,
    workspace::{FileError, read_text},
};
use anyhow::bail;
use std::{fs, path::Path, process::Command};

/// Compares both packages with their lists; with `accept`, writes the lists.
pub(super) fn check(packages: &Packages, root: &Path, accept: bool) -> anyhow::Result<()> {
    let mut deb = Command::new("dpkg-deb");
    let deb = process::output(deb.env("LC_ALL", "C").arg("--contents").arg(&packages.deb))?;
    let deb: Vec<String> = deb.lines().filter_map(deb_line).collect();
    compare(&deb, &root.join("packaging/deb/contents.txt"), packages, accept)?;

    let mut rpm = Command::new("rpm");
    rpm.args(["--query", "--package", "--queryformat"]);
    rpm.arg("[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]");
    let rpm = process::output(rpm.arg(&packages.rpm))?;
    let rpm: Vec<String> = rpm.lines().map(words).collect();
    compare(&rpm, &root.join("packaging/rpm/contents.txt"), packages, accept)
}

/// Mode, owner and path from a line of `tar --list --verbose`, without size and time.
fn deb_line(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (mode, owner) = (words.next()?, words.next()?);
    let path = words.nth(3)?;
    Some(format!("{mode} {owner} {path}"))
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn compare(found: &[String], list: &Path, packages: &Packages, accept: bool) -> anyhow::Result<()> {
    let found: String = found.iter().map(|line| line.replace(&packages.version, "VERSION") + "\n").collect();
    if accept {
        fs::write(list, found).map_err(FileError::on("write", list))?;
        say::line(format_args!("dist: wrote {}", list.display()));
        return Ok(());
    }
    let expected = if list.exists() { read_text(list)? } else { String::new() };
    let differences = differences(&expected, &found);
    if !differences.is_empty() {
        bail!(
            "contents differ from {} (-: missing, +: new); if this is intended, `cargo xtask dist --check \
             --accept-contents --allow-dirty`:\n{}",
            list.display(),
            differences.join("\n")
        );
    }
    Ok(())
}

fn differences(expected: &str, found: &str) -> Vec<String> {
    let only = |a: &str, b: &str, sign: char| -> Vec<String> {
        let b: Vec<&str> = b.lines().collect();
        a.lines().filter(|line| !b.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let mut all = only(expected, found, '-');
    all.extend(only(found, expected, '+'));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_do_not_matter_modes_and_owners_do() {
        let line = "-rwxr-xr-x root/root   9019696 2026-01-31 10:00 ./usr/bin/rstmon";
        assert_eq!(deb_line(line).as_deref(), Some("-rwxr-xr-x root/root ./usr/bin/rstmon"));
    }

    #[test]
    fn added_and_removed_files_are_reported() {
        assert_eq!(differences("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
        assert!(differences("a\n", "a\n").is_empty());
    }
}
