//! What programs are compiled for: this machine, or another architecture with a C compiler of its own.

use std::process::Command;

/// A target of rustc's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As rustc calls it.
    pub(crate) triple: String,
    /// The C compiler that links for it and compiles its C, where that is not the usual one.
    compiler: Option<&'static str>,
}

impl Target {
    /// Programs for this machine.
    pub(crate) fn native(triple: impl Into<String>) -> Self {
        Self { triple: triple.into(), compiler: None }
    }

    /// Programs for machines of another architecture.
    pub(crate) fn foreign(triple: impl Into<String>, compiler: &'static str) -> Self {
        Self { triple: triple.into(), compiler: Some(compiler) }
    }

    /// Whether its programs do not run on this machine.
    pub(crate) const fn is_foreign(&self) -> bool {
        self.compiler.is_some()
    }

    /// Has cargo build for it. With a target named, flags are for it alone, and build scripts stay as they are.
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

    fn chosen(target: &Target) -> (Vec<String>, Vec<String>) {
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
        let (arguments, environment) = chosen(&Target::foreign("aarch64-unknown-linux-gnu", "aarch64-linux-gnu-gcc"));
        assert_eq!(arguments, ["--target", "aarch64-unknown-linux-gnu"]);
        let expected = [
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc",
            "CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc",
        ];
        assert_eq!(environment, expected);
    }

    #[test]
    fn this_machine_keeps_its_compiler() {
        let (arguments, environment) = chosen(&Target::native("x86_64-unknown-linux-gnu"));
        assert_eq!(arguments, ["--target", "x86_64-unknown-linux-gnu"]);
        assert_eq!(environment, Vec::<String>::new());
    }
}
