//! Why a reset happened: the closed catalogue of causes, the rules that pick one, the sentence with the evidence, and
//! what a cause looks like to a person. Pure; imports only `model`.

pub(crate) mod catalogue;
pub(crate) mod cause;
mod cause_id;
pub(crate) mod facts;
pub(crate) mod present;
pub(crate) mod render;
pub(crate) mod rules;
pub(crate) mod sentence;
pub(crate) mod severity;
pub(crate) mod verdict;

pub(crate) use cause::Cause;
pub(crate) use cause_id::CauseId;
pub(crate) use facts::Facts;
pub(crate) use severity::{Confidence, Severity};
pub(crate) use verdict::Verdict;
