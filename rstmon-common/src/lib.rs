//! What crosses from the kernel half to the user half: the records, the bits of evidence in them, the
//! kernel fields they are read from and the limits that both halves must agree on. Nothing else.
//!
//! Records hold plain integers only: no Rust enum and no `Option` ever comes out of kernel memory. They
//! derive zerocopy's traits, so padding (which would be uninitialised ring-buffer memory) cannot exist.

#![no_std]

pub mod evidence;
pub mod fields;
pub mod front;
pub mod key;
pub mod kfunc;
pub mod limits;
pub mod note;
pub mod record;

pub use key::{CountKey, CountSlot};
pub use note::{Note, Owner, Tombstone, Tuple};
pub use record::{NetnsTask, Nudge, ResetRecord};
