//! The tools for a guest of another architecture. They come from Debian's packages, because the host's cannot run
//! there, and are kept in the cache, reduced to the files that the guest needs.

use super::{
    MatrixError,
    tools::{TOOLS, put},
};
use crate::{
    process, say,
    vm::{architecture::Architecture, archive::Archive, cache::Cache},
    workspace::{self, FileError},
};
use object::{
    Endianness, elf,
    read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The packages that contain the tools.
const PACKAGES: [&str; 7] = ["iproute2", "bpftool", "nginx-light", "dash", "coreutils", "util-linux", "mount"];
/// The release of the packages: a guest gets the libraries of the same release, so any release will do.
const SUITE: &str = "trixie";
const PROGRAMS: [&str; 2] = ["usr/bin", "usr/sbin"];
const TREE: &str = "tree";

/// Copies the tools for `architecture` into `root`, each to the path that it has in Debian.
pub(super) fn copy(cache: &Cache, architecture: Architecture, root: &Path) -> Result<(), MatrixError> {
    let entry = cache.entry(&format!("tools-{SUITE}-{}", architecture.debian()));
    let stamp = serde_json::json!({ "packages": PACKAGES, "tools": TOOLS }).to_string();
    if entry.stamp()?.is_none_or(|made| made != stamp) {
        say::line(format_args!("vm: fetching Debian's {} for {}", PACKAGES.join(", "), architecture.debian()));
        let archive = Archive::open(SUITE, architecture, &entry.beside(".apt"))?;
        let scratch = entry.beside(".fetched");
        let _ = fs::remove_dir_all(&scratch);
        let system = scratch.join(TREE);
        archive.unpack(&archive.closure(&PACKAGES)?, &scratch, &system)?;
        entry.replace(&stamp, |half| -> Result<(), MatrixError> {
            for (place, file) in files(&system, architecture)? {
                put(&system.join(file), &half.join(TREE).join(place))?;
            }
            Ok(())
        })?;
        fs::remove_dir_all(&scratch).map_err(FileError::on("remove", &scratch))?;
    }
    Ok(process::run(Command::new("cp").arg("-R").arg(entry.path().join(TREE).join(".")).arg(root))?)
}

/// The files of a guest, by their path in the guest, with their path in `system`, both relative to the root: the tools
/// and the libraries they are linked to, directly or not.
fn files(system: &Path, architecture: Architecture) -> Result<BTreeMap<PathBuf, PathBuf>, MatrixError> {
    let libraries = Path::new("usr/lib").join(architecture.multiarch());
    let packed = |name: &str, places: &[&Path]| {
        let found = places.iter().map(|place| place.join(name)).find(|path| system.join(path).is_file());
        found.ok_or_else(|| MatrixError::NotPacked { name: name.to_owned() })
    };
    let mut files = BTreeMap::new();
    let mut pending = Vec::new();
    for tool in TOOLS {
        let path = packed(tool, &PROGRAMS.map(Path::new))?;
        pending.push((path.clone(), path));
    }
    while let Some((place, file)) = pending.pop() {
        let path = system.join(&file);
        let linked = linked(&workspace::read(&path)?).map_err(|source| MatrixError::NoProgram { path, source })?;
        if files.insert(place, file).is_some() {
            continue;
        }
        for library in linked.libraries {
            let path = packed(&library, &[&libraries])?;
            pending.push((path.clone(), path));
        }
        // The loader is named by its path in /lib, which is /usr/lib in packages.
        if let Some(loader) = linked.loader {
            let file = Path::new("usr").join(&loader);
            pending.push((loader, file));
        }
    }
    Ok(files)
}

/// What a program or library is linked to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Linked {
    /// The path of its loader, without the leading slash.
    loader: Option<PathBuf>,
    /// File names of its libraries.
    libraries: Vec<String>,
}

fn linked(content: &[u8]) -> Result<Linked, object::read::Error> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let file = ElfFile64::<Endianness>::parse(content)?;
    let endian = file.endian();
    let mut linked = Linked::default();
    for header in file.elf_header().program_headers(endian, content)? {
        if let Some(path) = header.interpreter(endian, content)? {
            linked.loader = Some(text(path).trim_start_matches('/').into());
        }
    }
    let table = file.elf_section_table().dynamic_table(endian, content)?;
    for entry in table.iter().filter(|entry| entry.tag == elf::DT_NEEDED) {
        linked.libraries.push(text(table.string(entry)?));
    }
    Ok(linked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_names_its_loader_and_its_libraries() {
        let found = linked(&fs::read("/proc/self/exe").expect("this program")).expect("ELF");
        let loader = found.loader.expect("cargo's tests are linked dynamically");
        assert!(Path::new("/").join(&loader).is_file(), "found {}", loader.display());
        assert!(found.libraries.iter().any(|name| name == "libc.so.6"), "found {:?}", found.libraries);
        assert!(linked(b"#!/bin/sh\n").is_err());
    }

    /// Builds a fake system from copies of this program under other names.
    #[test]
    fn everything_that_is_linked_to_is_taken_along() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let me = Path::new("/proc/self/exe");
        let Linked { loader, libraries } = linked(&fs::read(me).expect("this program")).expect("ELF");
        let loader = loader.expect("a loader");
        for tool in TOOLS {
            put(me, &dir.path().join("usr/bin").join(tool)).expect("copied");
        }
        let error = files(dir.path(), Architecture::Arm64).expect_err("no libraries").to_string();
        assert!(libraries.iter().any(|name| error.contains(name.as_str())), "found `{error}`");
        for library in libraries.iter().map(|name| Path::new("usr/lib/aarch64-linux-gnu").join(name)) {
            // A library that needs no further ones.
            workspace::write(&dir.path().join(library), object_without_needs()).expect("written");
        }
        workspace::write(&dir.path().join("usr").join(&loader), object_without_needs()).expect("written");
        let found = files(dir.path(), Architecture::Arm64).expect("complete");
        assert_eq!(found.len(), TOOLS.len() + libraries.len() + 1);
        assert_eq!(found[&loader], Path::new("usr").join(&loader));
    }

    /// An ELF file that consists of its header alone.
    fn object_without_needs() -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        header[20] = 1;
        header[52] = 64;
        header
    }
}
