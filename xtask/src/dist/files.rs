//! Lists of the files below a directory, always in the same order.

use crate::workspace::FileError;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// All files at any depth below `dir`, sorted by path; empty if there is no such directory.
pub(super) fn below(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    if dir.is_dir() {
        collect(dir, &mut found, false)?;
    }
    found.sort();
    Ok(found)
}

/// All files and directories at any depth below `dir`, sorted by path.
pub(super) fn all_below(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    collect(dir, &mut found, true)?;
    found.sort();
    Ok(found)
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>, directories: bool) -> Result<(), FileError> {
    for entry in fs::read_dir(dir).map_err(FileError::on("list", dir))? {
        let path = entry.map_err(FileError::on("list", dir))?.path();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, found, directories)?;
            if directories {
                found.push(path);
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The file name of `path`.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::write;

    #[test]
    fn files_come_sorted_from_any_depth() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for file in ["b", "a/z", "a/b/c"] {
            write(&dir.path().join(file), "").expect("write");
        }
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.strip_prefix(dir.path()).expect("inside").display().to_string()).collect()
        };
        assert_eq!(names(below(dir.path()).expect("list")), ["a/b/c", "a/z", "b"]);
        assert_eq!(names(all_below(dir.path()).expect("list")), ["a", "a/b", "a/b/c", "a/z", "b"]);
    }

    #[test]
    fn no_directory_no_files() {
        assert!(below(Path::new("/nonexistent")).expect("nothing").is_empty());
    }
}
