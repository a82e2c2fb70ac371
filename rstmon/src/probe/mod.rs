//! placeholder

pub mod btf;
