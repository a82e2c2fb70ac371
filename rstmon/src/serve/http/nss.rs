//! Host names in a statically linked rstmon.
//!
//! glibc looks names up through the modules that `/etc/nsswitch.conf` lists. A static program would load them, and with
//! them the host's libc, which is undefined behaviour where the host's glibc differs from the one linked in. `files`
//! and `dns` are part of the C library itself (since glibc 2.34, also of `libc.a`), so the static program uses only
//! these two. Names that only other modules resolve (mDNS, systemd-resolved's own names) have to be given as an
//! address.

/// Restricts this process's name lookups to the modules linked in. Has no effect in a dynamically linked program.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub(crate) fn use_built_in_modules() {
    use std::ffi::{c_char, c_int};

    unsafe extern "C" {
        /// `<nss.h>`, GLIBC_2.2.5: overrides nsswitch.conf for one database in this process.
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }

    // SAFETY: both arguments are NUL-terminated and live forever; the call copies them and takes its own lock.
    let status = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
    if status != 0 {
        tracing::warn!("cannot keep name lookups to hosts file and DNS: {}", std::io::Error::last_os_error());
    }
}

/// Restricts this process's name lookups to the modules linked in. Has no effect in a dynamically linked program.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub(crate) fn use_built_in_modules() {}
