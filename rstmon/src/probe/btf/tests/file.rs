//! Reading the file: missing and too large files.

use super::super::{KernelBtfError, kernel::read};
use std::path::Path;

#[test]
fn a_file_is_read_whole_up_to_the_limit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("vmlinux");
    std::fs::write(&path, [7; 100]).expect("write");
    assert_eq!(read(&path, directory.path(), 100).expect("at the limit"), [7; 100]);
    let error = read(&path, directory.path(), 99).expect_err("over the limit");
    assert!(matches!(error, KernelBtfError::TooLarge { limit: 99, .. }), "{error:?}");
}

#[test]
fn a_file_without_a_size_is_limited() {
    let error = read(Path::new("/dev/zero"), Path::new("/dev"), 4096).expect_err("endless");
    assert!(matches!(error, KernelBtfError::TooLarge { limit: 4096, .. }), "{error:?}");
}

#[test]
fn a_kernel_without_btf_is_distinguished_from_a_missing_sysfs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let absent = directory.path().join("absent");
    let error = read(&absent, directory.path(), 100).expect_err("absent");
    assert!(matches!(error, KernelBtfError::Missing { .. }), "{error:?}");
    assert!(error.to_string().contains("CONFIG_DEBUG_INFO_BTF"), "{error}");
    let error = read(&absent, &absent, 100).expect_err("absent");
    assert!(matches!(error, KernelBtfError::NoSysfs { .. }), "{error:?}");
}

#[test]
fn an_unreadable_file_keeps_its_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let error = read(directory.path(), directory.path(), 1 << 20).expect_err("a directory");
    let KernelBtfError::Unreadable { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::IsADirectory);
}
