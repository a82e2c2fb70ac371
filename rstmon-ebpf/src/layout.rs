//! The constants that user space patches in at load (offsets of kernel fields, settings), and the functions that read
//! kernel fields.
//!
//! The constants are in `.rodata`, which is frozen before the load: the verifier sees constants, checks each access
//! against the kernel's own types, and removes the reads of fields that the kernel lacks.

use aya_ebpf::Global;
use rstmon_common::{kfunc::RDONLY_CAST, limits::ABSENT_OFFSET};

macro_rules! offsets {
    ($($name:ident: $ty:ty = $strukt:literal, $member:literal $(, $need:ident)?;)*) => {
        $(
            #[doc = concat!("Offset of `", $strukt, ".", $member, "` in the running kernel.")]
            #[unsafe(no_mangle)]
            pub static $name: Global<u32> = Global::new(ABSENT_OFFSET);
        )*
    };
}
rstmon_common::kernel_fields!(offsets);

macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $default:expr;)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<$ty> = Global::new($default);)*
    };
}
rstmon_common::settings!(globals);

/// Reads a field of a kernel object by a direct load, which the verifier checks against the object's type.
/// `None` when the kernel has no such field.
///
/// # Safety
/// `base` must be a typed kernel pointer that the verifier accepts loads from, or NULL on kernels whose
/// prototype calls it non-NULL (the load then faults and reads 0).
#[inline(always)]
pub unsafe fn field<T: Copy>(base: *const u8, offset: &Global<u32>) -> Option<T> {
    let offset = offset.load();
    if offset == ABSENT_OFFSET {
        return None;
    }
    // SAFETY: by the caller's promise the verifier has checked `base + offset` for this width.
    Some(unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<T>()) })
}

/// Reads a field through a pointer whose type the verifier does not know, by `bpf_probe_read_kernel`: about ten times
/// the cost of a direct load. Also used for a field that is itself a pointer and is read through a *trusted* one (a
/// hook's argument, a task): at a direct load of such a field the verifier searches all types of the kernel. Through
/// any other typed pointer (from `bpf_skc_to_tcp_sock`, or loaded from there) it does not. `None` when the kernel has
/// no such field; the default when the address cannot be read.
#[inline(always)]
pub fn probe<T: Copy + Default>(base: *const u8, offset: &Global<u32>) -> Option<T> {
    let offset = offset.load();
    if offset == ABSENT_OFFSET {
        return None;
    }
    Some(probe_or_default(base.wrapping_add(offset as usize)))
}

/// A kernel object whose pointers are followed: by loads after a cast to its type (6.2 on), otherwise by calls of
/// [`probe`]. A NULL on the way, or an address that cannot be read, yields 0 in both cases.
#[derive(Clone, Copy)]
pub struct Object(*const u8);

impl Object {
    /// The object at an address, read as a structure of the type whose id is in `type_id`.
    #[inline(always)]
    pub fn at(address: *const u8, type_id: &Global<u32>) -> Self {
        Self(cast(address, type_id).unwrap_or(address))
    }

    /// Reads a field; `None` when the kernel has no such field.
    #[inline(always)]
    pub fn get<T: Copy + Default>(self, offset: &Global<u32>) -> Option<T> {
        // SAFETY: where the kernel has the cast, the pointer is typed: by the cast, or because it was loaded from a
        // typed pointer.
        if can_cast() { unsafe { field(self.0, offset) } } else { probe(self.0, offset) }
    }

    /// The object that a field points to.
    #[inline(always)]
    pub fn follow(self, offset: &Global<u32>) -> Option<Self> {
        self.get::<u64>(offset).map(|address| Self(address as *const u8))
    }

    /// The object that element `index` of an array of pointers points to; the array begins at `offset`.
    #[inline(always)]
    pub fn follow_nth(self, offset: &Global<u32>, index: u32) -> Option<Self> {
        Self(self.0.wrapping_add(index as usize * size_of::<u64>())).follow(offset)
    }
}

/// Whether the kernel has `bpf_rdonly_cast`.
#[inline(always)]
pub fn can_cast() -> bool {
    WORDS_TYPE.load() != 0
}

/// An address as a pointer to a structure of the type whose id is in `type_id`, from which loads are allowed; `None`
/// where the kernel has no `bpf_rdonly_cast`.
#[inline(always)]
pub fn cast(address: *const u8, type_id: &Global<u32>) -> Option<*const u8> {
    if !can_cast() {
        return None;
    }
    // SAFETY: on BPF targets a function's address is the number in the call instruction, and this one is replaced
    // before the program is loaded; it has this signature.
    let function = unsafe {
        core::mem::transmute::<usize, extern "C" fn(*const u8, u32) -> *const u8>(RDONLY_CAST.placeholder as usize)
    };
    Some(function(address, type_id.load()))
}

/// Width of a field in bytes, as the type that helpers take.
#[expect(clippy::cast_possible_truncation, reason = "fields and headers are below 100 bytes")]
const fn width_of<T>() -> u32 {
    size_of::<T>() as u32
}

/// Copies `to`, plain integers, from an arbitrary kernel address; zeros when the address cannot be read.
#[inline(always)]
pub fn probe_into<T: Copy>(to: &mut T, address: *const u8) {
    // SAFETY: the destination is of the size given; the helper checks the source address.
    unsafe {
        aya_ebpf::helpers::generated::bpf_probe_read_kernel(
            core::ptr::from_mut(to).cast(),
            width_of::<T>(),
            address.cast(),
        );
    }
}

/// Reads a value at an arbitrary kernel address; the default when it cannot be read (the helper then writes zeros).
#[inline(always)]
pub fn probe_or_default<T: Copy + Default>(address: *const u8) -> T {
    let mut value = T::default();
    probe_into(&mut value, address);
    value
}
