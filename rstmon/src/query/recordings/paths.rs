//! The recordings that a command line names: files, `-`, and directories with recordings in them.

use crate::event::recording::RecordingError;
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// Ends of the names of recordings in a directory, before an optional [`GZIP`].
const ENDS: [&str; 3] = ["json", "ndjson", "jsonl"];
const GZIP: &str = "gz";

/// Takes the words of a command line apart that follow `--replay FILE`: a shell that expands `--replay *.json` makes
/// filter words of all files but the first. Filter words have an equals sign; a file whose name has one needs its own
/// `--replay`.
#[must_use]
pub(crate) fn files_and_filter(replay: &[PathBuf], words: &[String]) -> (Vec<PathBuf>, Vec<String>) {
    if replay.is_empty() {
        return (Vec::new(), words.to_vec());
    }
    let (filter, files): (Vec<String>, Vec<String>) = words.iter().cloned().partition(|word| word.contains('='));
    (replay.iter().cloned().chain(files.into_iter().map(PathBuf::from)).collect(), filter)
}

/// Replaces each directory by the recordings in it, in the order of their names. Directories in it are left out.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RecordingError> {
    let mut files = Vec::new();
    for path in paths {
        // What cannot be looked at is reported when it is opened.
        if path == Path::new("-") || !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        let read = |source| RecordingError::Read { path: path.clone(), source };
        for entry in fs::read_dir(path).map_err(read)? {
            let file = entry.map_err(read)?.path();
            if is_recording(&file) && fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()) {
                files.push(file);
            }
        }
        if files.len() == before {
            return Err(RecordingError::NoRecordings { path: path.clone() });
        }
        files[before..].sort();
    }
    Ok(files)
}

fn is_recording(file: &Path) -> bool {
    let plain =
        if file.extension() == Some(OsStr::new(GZIP)) { Path::new(file.file_stem().unwrap_or_default()) } else { file };
    plain.extension().is_some_and(|end| ENDS.iter().any(|known| end == *known))
}

#[cfg(test)]
mod tests {
    use super::{expand, files_and_filter};
    use std::{fs, path::PathBuf};

    #[test]
    fn words_without_an_equals_sign_are_files() {
        let text = |text: &str| text.to_owned();
        let words = [text("b.json"), text("process=java"), text("c.json.gz")];
        let (files, filter) = files_and_filter(&["a.json".into()], &words);
        assert_eq!(files, ["a.json", "b.json", "c.json.gz"].map(PathBuf::from));
        assert_eq!(filter, ["process=java"]);
        // Without --replay, a wrong word is a wrong filter.
        assert_eq!(files_and_filter(&[], &words), (vec![], words.to_vec()));
    }

    #[test]
    fn a_directory_is_its_recordings() {
        let place = tempfile::tempdir().expect("a directory");
        for name in ["b.json", "a.ndjson.gz", "c.jsonl", "notes.txt", "d.gz", "json", ".json"] {
            fs::write(place.path().join(name), "").expect("a file");
        }
        fs::create_dir(place.path().join("sub.json")).expect("a directory");
        let found = expand(&[place.path().into(), "-".into(), "missing.json".into()]).expect("recordings");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["a.ndjson.gz", "b.json", "c.jsonl", "-", "missing.json"]);
        let empty = tempfile::tempdir().expect("a directory");
        let error = expand(&[empty.path().into()]).expect_err("no recordings").to_string();
        assert!(error.contains("has no recordings"), "{error}");
    }
}
