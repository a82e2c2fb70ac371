//! The reader against blobs of a second, independent encoder; against damaged blobs; and against the running kernel.

mod builder;
mod damage;
mod edited;
mod file;
mod header;
mod live;
mod member;
mod names;
mod prototype;
mod seeds;
