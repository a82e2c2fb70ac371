//! The reader against blobs of a second, independent encoder.

mod builder;
mod file;
mod header;
mod member;
mod names;
mod prototype;
