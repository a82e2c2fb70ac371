//! Which files of the end-to-end suite are about what the kernel shows. The rest is named here, with the reason: the
//! matrix is no place for what is the same on every kernel and slow under emulation.

/// A file of `tests/tests` that is not part of the matrix, and why.
pub(super) const EXCLUDED: [(&str, &str); 7] = [
    ("formats", "the metrics' formats do not depend on the kernel; needs promtool and Python"),
    ("hostile_http", "web server under siege: user space only"),
    ("hostile_names", "floods of a hundred thousand connections: minutes under emulation; counting has its own"),
    ("hostile_tls", "web server's certificates: user space only"),
    ("prometheus", "a real Prometheus: user space only"),
    (
        "access",
        "who may use the daemon's socket: user space only; users and groups are the service's virtual machine's",
    ),
    ("top", "a terminal: user space only"),
];

/// Whether a file of tests is part of the matrix.
pub(super) fn includes(file: &str) -> bool {
    EXCLUDED.iter().all(|(excluded, _)| *excluded != file)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_excluded_exists() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        for (file, why) in EXCLUDED {
            assert!(tests.join(file).with_extension("rs").is_file(), "no tests/tests/{file}.rs");
            assert!(!why.is_empty(), "{file} is excluded for no reason");
        }
        assert!(includes("scenarios") && includes("causes") && !includes("top"));
    }
}
