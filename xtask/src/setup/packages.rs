//! The Debian packages that are needed, with reasons.

/// Output format of dpkg-query that [`missing`] reads.
pub(super) const FORMAT: &str = "${Package} ${db:Status-Status}\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DebianPackage {
    pub(super) name: String,
    /// What needs the package.
    pub(super) why: &'static str,
}

const BASE: [(&str, &str); 19] = [
    ("rustc-web", "compiles the kernel half"),
    ("cargo-web", "compiles the kernel half"),
    ("libstd-rust-web-dev-bpf", "core for the kernel half"),
    ("gcc", "Rust's linker"),
    ("g++", "links bpf-linker"),
    ("bpftool", "end-to-end tests: what the kernel has loaded"),
    ("curl", "end-to-end tests: a real client"),
    ("haproxy", "end-to-end tests: a real proxy, its timeouts and checks"),
    ("iproute2", "end-to-end tests: network namespaces, ss"),
    ("iptables", "end-to-end tests: a firewall that drops or resets"),
    ("libcap2-bin", "end-to-end tests: running with few capabilities"),
    ("nginx-light", "end-to-end tests: a real server"),
    ("openssl", "end-to-end tests: a real TLS client"),
    ("prometheus", "end-to-end tests: a real Prometheus, promtool"),
    ("python3", "end-to-end tests: a real client"),
    ("tmux", "end-to-end tests: a terminal for rstmon top"),
    ("python3-prometheus-client", "end-to-end tests: a parser of OpenMetrics"),
    ("systemd", "tests of the unit: systemd-analyze"),
    ("util-linux", "end-to-end tests: unshare, nsenter, setpriv"),
];

/// Packages that every virtual machine needs.
pub(super) const VIRTUAL_MACHINES: [(&str, &str); 6] = [
    ("qemu-system-x86", "virtual machines"),
    ("mmdebstrap", "virtual machines: a Debian system"),
    ("kmod", "virtual machines: a kernel's modules"),
    ("e2fsprogs", "virtual machines: file systems"),
    ("cpio", "virtual machines: file systems in memory"),
    ("xz-utils", "virtual machines: a kernel's modules"),
];

/// Packages that are needed independently of the version of rustc.
pub(super) fn base() -> Vec<DebianPackage> {
    BASE.into_iter().chain(VIRTUAL_MACHINES).map(package).collect()
}

fn package((name, why): (&str, &'static str)) -> DebianPackage {
    DebianPackage { name: name.to_owned(), why }
}

/// Packages of LLVM `major`, the version inside the kernel half's rustc.
pub(super) fn llvm(major: u32) -> Vec<DebianPackage> {
    let package = |name: String, why| DebianPackage { name, why };
    vec![
        package(format!("llvm-{major}"), "llvm-strip for the kernel half"),
        package(format!("llvm-{major}-dev"), "bpf-linker is built on it"),
        package(format!("libpolly-{major}-dev"), "bpf-linker is built on it"),
        package("libzstd-dev".to_owned(), "bpf-linker is built on it"),
    ]
}

/// Those of `wanted` that are not installed according to dpkg-query's answer.
pub(super) fn missing(wanted: &[DebianPackage], answer: &str) -> Vec<DebianPackage> {
    let installed: Vec<&str> = answer.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    wanted.iter().filter(|package| !installed.contains(&package.name.as_str())).cloned().collect()
}

/// The message for a distribution without apt-get.
pub(super) fn by_hand() -> String {
    let mut text = String::from(
        "setup installs Debian packages, but apt-get is missing. Install the contents of these packages, \
         with N the LLVM version of that rustc, then run `cargo xtask test --no-setup`:",
    );
    for (name, why) in BASE.into_iter().chain(VIRTUAL_MACHINES) {
        text.push_str(&format_line(name, why));
    }
    text.push_str(&format_line("llvm-N llvm-N-dev libpolly-N-dev libzstd-dev", "bpf-linker is built on them"));
    text.push_str(&format_line(
        &format!("bpf-linker {}", crate::toolchain::LINKER_VERSION),
        "from crates.io, --no-default-features --features llvm-N",
    ));
    text
}

fn format_line(name: &str, why: &str) -> String {
    format!("\n  {name}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(packages: &[DebianPackage]) -> Vec<&str> {
        packages.iter().map(|package| package.name.as_str()).collect()
    }

    #[test]
    fn nothing_is_missing_where_all_is_installed() {
        let answer: Vec<String> = base().iter().map(|package| format!("{} installed", package.name)).collect();
        assert_eq!(missing(&base(), &answer.join("\n")), []);
    }

    #[test]
    fn removed_and_unknown_packages_are_missing() {
        let wanted = llvm(22);
        let answer = "llvm-22 installed\nllvm-22-dev config-files\nlibzstd-dev installed\n";
        assert_eq!(names(&missing(&wanted, answer)), ["llvm-22-dev", "libpolly-22-dev"]);
    }

    #[test]
    fn advice_for_other_distributions_names_everything() {
        let text = by_hand();
        for package in base() {
            assert!(text.contains(&package.name), "{} is missing from `{text}`", package.name);
        }
        assert!(text.contains("bpf-linker 0.13.0"), "found `{text}`");
    }
}
