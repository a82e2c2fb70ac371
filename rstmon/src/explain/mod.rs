//! placeholder
pub mod catalogue;
pub mod cause;
pub mod render;
pub mod severity;
