//! What the kernel half and the user half share: the records, the bits of evidence in them, the kernel fields that they
//! are read from, the names of hooks, maps and settings, and the limits that both halves must agree on. Nothing else.
//!
//! Records hold plain integers only: no Rust enum and no `Option` ever comes out of kernel memory. They
//! derive zerocopy's traits, so padding (which would be uninitialised ring-buffer memory) cannot exist.

#![no_std]

pub mod evidence;
pub mod fields;
pub mod front;
pub mod hooks;
pub mod key;
pub mod kfunc;
pub mod limits;
pub mod maps;
pub mod note;
pub mod record;
pub mod settings;

pub use fields::EvidenceRecord;
pub use key::{CountKey, CountSlot};
pub use note::{ListenedPort, OwnerRecord, SocketNote, Tombstone, Tuple};
pub use record::{NetnsTask, Nudge, ResetRecord, WireRecord};
