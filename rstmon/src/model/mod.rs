//! What a reset is in user space: typed, decoded, without I/O. Imports nothing of the project but `rstmon-common`.

pub mod decode;
pub mod evidence;
pub mod owner;
pub mod reason;
pub mod reset;
pub mod text;

pub use decode::Clock;
pub use evidence::{Bits, Evidence};
pub use owner::{Owner, Provenance};
pub use reason::{Reason, Reasons};
pub use reset::{Direction, Family, Reset, Role, SocketKind, State};
