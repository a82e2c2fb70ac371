//! The pages for developers name files that exist, and no page has the marks of a merge.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Pages whose file names are checked.
const PAGES: [&str; 2] = ["docs/architecture.md", "CONTRIBUTING.md"];

/// Short names of folders, as docs/architecture.md introduces them.
const SHORT: [(&str, &str); 2] = [("src/", "rstmon/src/"), ("ebpf/", "rstmon-ebpf/src/")];

/// Beginnings of names that are looked for.
const FOLDERS: [&str; 6] = ["rstmon/", "rstmon-ebpf/", "rstmon-common/", "xtask/", "tests/", "packaging/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of files and folders that a page quotes, without those to be filled in, such as `NAME.rs`.
fn quoted_paths(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    let full = |span: &str| {
        let short = SHORT.iter().find_map(|(short, long)| Some(format!("{long}{}", span.strip_prefix(short)?)));
        short.unwrap_or_else(|| span.to_owned())
    };
    let is_path = |path: &String| {
        FOLDERS.iter().any(|folder| path.starts_with(folder))
            && path.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/_-.".contains(&byte))
    };
    spans.map(full).filter(is_path).collect()
}

#[test]
fn files_that_are_named_exist() {
    let mut absent = Vec::new();
    for page in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let paths = quoted_paths(&text);
        assert!(paths.len() > 10, "{page} names {} files", paths.len());
        absent
            .extend(paths.into_iter().filter(|path| !root().join(path).exists()).map(|path| format!("{page}: {path}")));
    }
    assert!(absent.is_empty(), "no such files:\n{}", absent.join("\n"));
}

#[test]
fn no_page_has_the_marks_of_a_merge() {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    for page in docs.chain(pages).filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        let marked = text.lines().position(|line| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>"));
        assert_eq!(marked, None, "{}", page.display());
    }
}
