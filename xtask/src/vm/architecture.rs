//! Architectures that guests have: who emulates them, what a machine is made of, and how programs get there.

use crate::target::Target;

/// An architecture that Debian's kernels are fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Architecture {
    /// `x86_64`, of the machine that tests.
    Amd64,
    /// `aarch64`, cross-compiled for.
    Arm64,
}

/// The emulated machine of an architecture. It has two serial lines: a console, and one that is the guest's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// QEMU's program.
    pub(super) qemu: &'static str,
    /// The machine, in QEMU's words, where there is a choice to be made.
    pub(super) machine: &'static [&'static str],
    /// The processor, in QEMU's words.
    pub(super) processor: &'static str,
    /// The device of the guest's first serial line, the console.
    pub(super) console: &'static str,
    /// The device of the guest's second serial line, for what it reports.
    pub(super) report: &'static str,
    /// What QEMU adds to the machine for the second serial line, which is its character device `report`.
    pub(super) report_device: &'static [&'static str],
    /// What else the kernel is told.
    pub(super) command_line: &'static str,
}

/// Everything that the emulator can do, but for cmpxchg16b: QEMU 7.2 now and then loses the flags that it sets when an
/// interrupt comes just then, and the guest's kernel, which allocates memory with it, is lost, too.
///
/// Since 6.19 socket-local storage comes out of `kmalloc_nolock` (`mm/slub.c`), which needs the cmpxchg16b that the
/// emulated processor has not, unless it is to check the memory that it hands out. Older kernels do not know the word,
/// or do not mind.
const AMD64: Platform = Platform {
    qemu: "qemu-system-x86_64",
    machine: &[],
    processor: "max,-cx16",
    console: "ttyS0",
    report: "ttyS1",
    report_device: &["-serial", "chardev:report"],
    command_line: "slab_debug=Z,kmalloc-*",
};

/// The board `virt` has one PL011 and no more; Debian's kernel has the driver for serial lines on PCI built in.
///
/// The processor is of the kind that clouds have, with atomic instructions. `max` would have the guest's kernel sign its
/// return addresses, the emulation of which takes more time than all the rest.
const ARM64: Platform = Platform {
    qemu: "qemu-system-aarch64",
    machine: &["-machine", "virt"],
    processor: "neoverse-n1",
    console: "ttyAMA0",
    report: "ttyS0",
    report_device: &["-device", "pci-serial,chardev=report"],
    command_line: "",
};

/// Needed only for guests of `arm64`, besides what all guests need.
const ARM64_PACKAGES: [(&str, &str); 3] = [
    ("qemu-system-arm", "virtual machines of arm64"),
    ("gcc-aarch64-linux-gnu", "virtual machines of arm64: C and linking for them"),
    ("libc6-dev-arm64-cross", "virtual machines of arm64: programs for them"),
];
const ARM64_TRIPLE: &str = "aarch64-unknown-linux-gnu";
const ARM64_COMPILER: &str = "aarch64-linux-gnu-gcc";

impl Architecture {
    /// Debian's name for it.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Debian's name for its directories of libraries.
    pub(super) const fn multiarch(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }

    /// The machine that stands for it.
    pub(super) const fn platform(self) -> Platform {
        match self {
            Self::Amd64 => AMD64,
            Self::Arm64 => ARM64,
        }
    }

    /// What guests of it need of Debian besides what all need, and for what.
    pub(super) const fn packages(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Amd64 => &[],
            Self::Arm64 => &ARM64_PACKAGES,
        }
    }

    /// What programs for it are compiled for, on a machine whose own target is `host`.
    pub(super) fn target(self, host: &str) -> Target {
        match self {
            Self::Arm64 if host != ARM64_TRIPLE => Target::foreign(ARM64_TRIPLE, ARM64_COMPILER),
            Self::Amd64 | Self::Arm64 => Target::native(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_architecture_is_compiled_for_with_another_compiler() {
        let host = "x86_64-unknown-linux-gnu";
        assert_eq!(Architecture::Amd64.target(host), Target::native(host));
        assert_eq!(Architecture::Arm64.target(host), Target::foreign(ARM64_TRIPLE, ARM64_COMPILER));
        assert_eq!(Architecture::Arm64.target(ARM64_TRIPLE), Target::native(ARM64_TRIPLE));
    }

    #[test]
    fn the_two_serial_lines_are_two() {
        for architecture in [Architecture::Amd64, Architecture::Arm64] {
            let platform = architecture.platform();
            assert_ne!(platform.console, platform.report, "{architecture:?}");
        }
    }
}
