//! What programs are compiled for: this machine, or another architecture with its own C compiler.

use std::process::Command;

/// A rustc target, and the C compiler for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BuildTarget {
    /// The target triple, as rustc names it.
    pub(crate) triple: String,
    /// The C compiler and linker for the target, unless it is the host's default.
    compiler: Option<&'static str>,
}

impl BuildTarget {
    /// The target of this machine.
    pub(crate) fn native(triple: impl Into<String>) -> Self {
        Self { triple: triple.into(), compiler: None }
    }

    /// The target of another architecture, with its C compiler.
    pub(crate) fn foreign(triple: impl Into<String>, compiler: &'static str) -> Self {
        Self { triple: triple.into(), compiler: Some(compiler) }
    }

    /// Whether programs for it cannot run on this machine.
    pub(crate) const fn is_foreign(&self) -> bool {
        self.compiler.is_some()
    }

    /// Makes cargo build for it. With a target named, flags apply to that target only and not to build scripts.
    pub(crate) fn choose<'a>(&self, cargo: &'a mut Command) -> &'a mut Command {
        cargo.args(["--target", &self.triple]);
        if let Some(compiler) = self.compiler {
            let name = self.triple.replace('-', "_");
            cargo.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), compiler);
            cargo.env(format!("CC_{name}"), compiler);
        }
        cargo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(target: &BuildTarget) -> (Vec<String>, Vec<String>) {
        let mut command = Command::new("cargo");
        target.choose(&mut command);
        let text = |word: &std::ffi::OsStr| word.to_string_lossy().into_owned();
        let arguments = command.get_args().map(text).collect();
        let environment =
            command.get_envs().map(|(name, value)| format!("{}={}", text(name), text(value.expect("set")))).collect();
        (arguments, environment)
    }

    #[test]
    fn another_architecture_has_its_own_compiler() {
        let (arguments, environment) =
            chosen(&BuildTarget::foreign("aarch64-unknown-linux-gnu", "aarch64-linux-gnu-gcc"));
        assert_eq!(arguments, ["--target", "aarch64-unknown-linux-gnu"]);
        let expected = [
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc",
            "CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc",
        ];
        assert_eq!(environment, expected);
    }

    #[test]
    fn this_machine_keeps_its_compiler() {
        let (arguments, environment) = chosen(&BuildTarget::native("x86_64-unknown-linux-gnu"));
        assert_eq!(arguments, ["--target", "x86_64-unknown-linux-gnu"]);
        assert_eq!(environment, Vec::<String>::new());
    }
}
