//! Why a reset happened: the closed catalogue of causes, the rules that pick one, and the sentence that proves it.
//! Pure; imports only `model`.

pub mod catalogue;
pub mod cause;
pub mod facts;
pub mod render;
pub mod rules;
pub mod sentence;
pub mod severity;
pub mod verdict;

pub use cause::Cause;
pub use facts::Facts;
pub use severity::{Confidence, Severity};
pub use verdict::Verdict;
