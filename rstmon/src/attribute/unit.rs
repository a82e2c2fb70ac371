//! The systemd unit that an element of a cgroup path names.
//!
//! Contract: pure. The rules are systemd's: `cg_unescape` (`src/basic/cgroup-util.c`), `unit_name_is_valid`
//! (`src/basic/unit-name.c`), and the unit types that have a cgroup (`UNIT_VTABLE(u)->cgroup_context_offset`).

use super::text::MAX_NAME;

/// The unit types that own a cgroup; the others (target, timer, path, device, automount) never appear in a path.
const SUFFIXES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// systemd's `UNIT_NAME_MAX`, which counts the terminating NUL.
const UNIT_NAME_MAX: usize = 256;

/// The scope in which a service manager puts itself.
const MANAGER_SCOPE: &str = "init.scope";

/// Undoes systemd's `cg_escape`, which puts one underscore before a name that could be that of a control file
/// (`cpu.service`) and before a name that begins with an underscore or a dot.
pub(super) fn unescape(element: &[u8]) -> &[u8] {
    element.strip_prefix(b"_").unwrap_or(element)
}

/// The innermost unit of a path, given as its elements from the root.
///
/// - A cgroup that is no unit itself (a delegated `worker`) belongs to the unit above it.
/// - A process directly in a slice has the slice as its unit.
/// - `init.scope` counts as a unit only if no unit encloses it. Below one it holds a user's or a container's own
///   manager, and "init.scope" would read as the host's PID 1: the enclosing unit (`user@1000.service`) is reported.
/// - A unit name longer than [`MAX_NAME`] is cut in the middle, so that its type stays visible.
pub(super) fn innermost(elements: &[&[u8]]) -> Option<String> {
    let mut manager = None;
    for element in elements.iter().rev() {
        match name(element) {
            Some((MANAGER_SCOPE, _)) => manager = Some(MANAGER_SCOPE.to_owned()),
            Some((unit, suffix)) => return Some(shorten(unit, suffix)),
            None => {}
        }
    }
    manager
}

/// The unit that one element names, with its suffix.
fn name(element: &[u8]) -> Option<(&str, &'static str)> {
    let element = unescape(element);
    if element.len() >= UNIT_NAME_MAX || !element.iter().all(|&byte| is_unit_byte(byte)) {
        return None;
    }
    let unit = str::from_utf8(element).ok()?;
    let suffix = SUFFIXES.into_iter().find(|suffix| unit.ends_with(suffix))?;
    let stem = &unit[..unit.len() - suffix.len()];
    // "@" may not come first: a template has a name.
    (!stem.is_empty() && !stem.starts_with('@')).then_some((unit, suffix))
}

/// The characters of systemd's `VALID_CHARS_WITH_AT`.
fn is_unit_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)
}

fn shorten(unit: &str, suffix: &str) -> String {
    const MARK: &str = "...";
    if unit.len() <= MAX_NAME {
        return unit.to_owned();
    }
    // All bytes of a unit name are ASCII, so any index is a character boundary.
    format!("{}{MARK}{suffix}", &unit[..MAX_NAME - MARK.len() - suffix.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(path: &str) -> Option<String> {
        let elements: Vec<&[u8]> = path.split('/').filter(|part| !part.is_empty()).map(str::as_bytes).collect();
        innermost(&elements)
    }

    #[test]
    fn operators_know_the_innermost_unit() {
        for (path, expected) in [
            ("/system.slice/nginx.service", "nginx.service"),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "foo.service"),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-a\\x2db-1.scope",
                "app-gnome-a\\x2db-1.scope",
            ),
            ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
            ("/system.slice/foo.service/worker", "foo.service"),
            ("/system.slice/foo.service/a/b/c", "foo.service"),
            ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
            ("/system.slice/dbus.socket", "dbus.socket"),
            ("/system.slice/var-lib-x.mount", "var-lib-x.mount"),
            ("/system.slice/dev-vda2.swap", "dev-vda2.swap"),
            ("/init.scope", "init.scope"),
        ] {
            assert_eq!(unit(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_process_directly_in_a_slice_has_the_slice_as_its_unit() {
        assert_eq!(unit("/system.slice").as_deref(), Some("system.slice"));
        assert_eq!(unit("/system.slice/not-a-unit").as_deref(), Some("system.slice"));
        assert_eq!(unit("/user.slice/user-1.slice/user@1.service/app.slice").as_deref(), Some("app.slice"));
    }

    #[test]
    fn a_manager_inside_belongs_to_what_encloses_it() {
        let user = "/user.slice/user-1000.slice/user@1000.service/init.scope";
        assert_eq!(unit(user).as_deref(), Some("user@1000.service"));
        assert_eq!(unit("/lxc.payload.web/init.scope").as_deref(), Some("init.scope"));
    }

    #[test]
    fn escaping_is_undone_once() {
        assert_eq!(unit("/system.slice/_cpu.service").as_deref(), Some("cpu.service"));
        assert_eq!(unit("/system.slice/__x.service").as_deref(), Some("_x.service"));
    }

    #[test]
    fn what_systemd_would_not_accept_is_no_unit() {
        let long = format!("/{}.service", "a".repeat(UNIT_NAME_MAX));
        for path in [
            "/",
            "/docker/abc",
            "/.service",
            "/_.service",
            "/@x.service",
            "/a b.service",
            "/é.service",
            "/a.target",
            &long,
        ] {
            assert_eq!(unit(path), None, "{path}");
        }
        assert_eq!(unit("/system.slice/evil\n.service").as_deref(), Some("system.slice"));
    }

    #[test]
    fn a_long_name_keeps_its_head_and_its_type() {
        let cut = unit(&format!("/{}.service", "a".repeat(200))).expect("a valid unit name");
        assert_eq!(cut.len(), MAX_NAME);
        assert!(cut.starts_with("aaa") && cut.ends_with("a....service"), "{cut}");
    }
}
