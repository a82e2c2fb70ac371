//! Reads `/proc/<pid>/mountinfo`.
//!
//! Contract: pure; the format is that of `show_mountinfo` (`fs/proc_namespace.c`). Lines of another format are skipped,
//! so that their mounts are not used.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

/// The fields of a mount that are needed to find cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountEntry {
    /// Unique within the mount namespace.
    pub(crate) id: u32,
    /// Id of the mount that this one is mounted on.
    pub(crate) parent: u32,
    /// The directory of the file system that is mounted. For cgroups it is relative to the reader's cgroup namespace,
    /// and begins with `..` where the mount shows more than the namespace.
    pub(crate) root: PathBuf,
    /// Mount point, relative to the reader's root directory.
    pub(crate) point: PathBuf,
    /// File system type, without a subtype.
    pub(crate) fs_type: String,
    /// The file system's own options; for a v1 hierarchy they name its controllers.
    pub(crate) super_options: Vec<String>,
}

/// All mounts of `mountinfo`, in file order.
pub(crate) fn parse(mountinfo: &[u8]) -> Vec<MountEntry> {
    mountinfo.split(|&byte| byte == b'\n').filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /point rw,noatime shared:1 - type source rw,option`, with any number of fields before the dash.
fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let _device = fields.next()?;
    let root = path(fields.next()?);
    let point = path(fields.next()?);
    let _mount_options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let fs_type = text(fields.next()?);
    let _source = fields.next()?;
    let super_options = fields.next().unwrap_or_default().split(|&byte| byte == b',').map(text).collect();
    Some(MountEntry { id, parent, root, point, fs_type, super_options })
}

fn number(field: &[u8]) -> Option<u32> {
    str::from_utf8(field).ok()?.parse().ok()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape_octal(field)).into_owned()
}

fn path(field: &[u8]) -> PathBuf {
    OsString::from_vec(unescape_octal(field)).into()
}

/// Undoes the kernel's `mangle` (`string_escape_mem` with `ESCAPE_OCTAL`): `\040` and the like. Every backslash that
/// the kernel prints begins such an escape; any other text is left as it is.
fn unescape_octal(escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let [first, tail @ ..] = rest {
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) = (first, tail) {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            plain.push(*first);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_line_has_its_fields_with_any_optional_ones() {
        for optional in ["", "shared:9 ", "shared:9 master:1 propagate_from:2 unbindable "] {
            let line = format!("30 23 0:26 / /sys/fs/cgroup rw,nosuid {optional}- cgroup2 cgroup2 rw,nsdelegate\n");
            let expected = MountEntry {
                id: 30,
                parent: 23,
                root: "/".into(),
                point: "/sys/fs/cgroup".into(),
                fs_type: "cgroup2".into(),
                super_options: vec!["rw".into(), "nsdelegate".into()],
            };
            assert_eq!(parse(line.as_bytes()), [expected]);
        }
    }

    #[test]
    fn octal_escapes_are_decoded_and_others_left() {
        let entry = &parse(b"1 2 0:1 /a\\040b /x\\134040\\012y\\043 rw - tmpfs none rw")[0];
        assert_eq!(entry.root, Path::new("/a b"));
        assert_eq!(entry.point, Path::new("/x\\040\ny#"));
        assert_eq!(unescape_octal(b"\\400\\08\\1\\"), b"\\400\\08\\1\\");
        assert_eq!(unescape_octal(b"\\377\\000"), [0xff, 0]);
    }

    #[test]
    fn broken_lines_are_skipped() {
        for line in
            ["", "1", "x 2 0:1 / / rw - t s o", "1 2 0:1 / / rw t s o", "1 2 0:1 / / rw -", "1 2 0:1 / / rw - t"]
        {
            assert_eq!(parse(line.as_bytes()), [], "{line}");
        }
        let mixed = b"garbage\n1 0 0:1 / / rw - rootfs none\n\xff\xfe\n";
        assert_eq!(parse(mixed).len(), 1);
    }
}
