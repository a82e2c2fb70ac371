//! placeholder
pub mod catalogue;
pub mod cause;
pub mod severity;
