//! Architectures of guests: emulator, emulated machine, and the target that programs are compiled for.

use crate::target::BuildTarget;

/// An architecture that Debian's kernels are fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Architecture {
    /// `x86_64`, the architecture of the host.
    Amd64,
    /// `aarch64`, which is cross-compiled.
    Arm64,
}

/// The emulated machine of an architecture. It has two serial lines: the console, and one for the guest's report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// Name of QEMU's program.
    pub(super) qemu: &'static str,
    /// QEMU's options for the machine type, if there is a choice.
    pub(super) machine: &'static [&'static str],
    /// QEMU's name of the processor.
    pub(super) processor: &'static str,
    /// The guest's device of the first serial line, the console.
    pub(super) console: &'static str,
    /// The guest's device of the second serial line, the report.
    pub(super) report: &'static str,
    /// QEMU's options that add the second serial line, connected to the character device `report`.
    pub(super) report_device: &'static [&'static str],
    /// Further parameters for the kernel command line.
    pub(super) command_line: &'static str,
}

/// The processor has every feature that QEMU emulates except cmpxchg16b. QEMU 7.2 sometimes loses the flags that
/// cmpxchg16b sets when an interrupt arrives at the same time. The guest's kernel allocates memory with that
/// instruction and fails then.
///
/// Since 6.19 socket-local storage is allocated by `kmalloc_nolock` (`mm/slub.c`), which needs cmpxchg16b unless slab
/// debugging is on; hence the kernel parameter that turns it on. Older kernels ignore the parameter or work with it
/// unchanged.
const AMD64: Platform = Platform {
    qemu: "qemu-system-x86_64",
    machine: &[],
    processor: "max,-cx16",
    console: "ttyS0",
    report: "ttyS1",
    report_device: &["-serial", "chardev:report"],
    command_line: "slab_debug=Z,kmalloc-*",
};

/// The board `virt` has only one PL011; the second serial line is on PCI, for which Debian's kernel has a driver built
/// in.
///
/// The processor is one that cloud hosts have, with atomic instructions. On `max` the guest's kernel would sign return
/// addresses, and emulating that takes longer than everything else.
const ARM64: Platform = Platform {
    qemu: "qemu-system-aarch64",
    machine: &["-machine", "virt"],
    processor: "neoverse-n1",
    console: "ttyAMA0",
    report: "ttyS0",
    report_device: &["-device", "pci-serial,chardev=report"],
    command_line: "",
};

/// Packages for guests of `arm64` only.
const ARM64_PACKAGES: [(&str, &str); 3] = [
    ("qemu-system-arm", "virtual machines of arm64"),
    ("gcc-aarch64-linux-gnu", "virtual machines of arm64: C and linking for them"),
    ("libc6-dev-arm64-cross", "virtual machines of arm64: programs for them"),
];
const ARM64_TRIPLE: &str = "aarch64-unknown-linux-gnu";
const ARM64_COMPILER: &str = "aarch64-linux-gnu-gcc";

impl Architecture {
    /// Debian's name of the architecture.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Debian's multiarch triplet, the name of its library directories.
    pub(super) const fn multiarch(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// The emulated machine of the architecture.
    pub(super) const fn platform(self) -> Platform {
        match self {
            Self::Amd64 => AMD64,
            Self::Arm64 => ARM64,
        }
    }

    /// Debian packages, with reasons, that only guests of this architecture need.
    pub(super) const fn packages(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Amd64 => &[],
            Self::Arm64 => &ARM64_PACKAGES,
        }
    }

    /// The rustc target of programs for the guest, on a machine whose own target is `host`.
    pub(super) fn target(self, host: &str) -> BuildTarget {
        match self {
            Self::Arm64 if host != ARM64_TRIPLE => BuildTarget::foreign(ARM64_TRIPLE, ARM64_COMPILER),
            Self::Amd64 | Self::Arm64 => BuildTarget::native(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_architecture_is_compiled_for_with_another_compiler() {
        let host = "x86_64-unknown-linux-gnu";
        assert_eq!(Architecture::Amd64.target(host), BuildTarget::native(host));
        assert_eq!(Architecture::Arm64.target(host), BuildTarget::foreign(ARM64_TRIPLE, ARM64_COMPILER));
        assert_eq!(Architecture::Arm64.target(ARM64_TRIPLE), BuildTarget::native(ARM64_TRIPLE));
    }

    #[test]
    fn the_two_serial_lines_are_two() {
        for architecture in [Architecture::Amd64, Architecture::Arm64] {
            let platform = architecture.platform();
            assert_ne!(platform.console, platform.report, "{architecture:?}");
        }
    }
}
