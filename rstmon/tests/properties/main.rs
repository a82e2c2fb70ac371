//! What holds for every input there is: of sums whatever happens between two scrapes, of records whatever is in them.
//!
//! A failure prints the smallest input that shows it, and proptest keeps its seed in `proptest-regressions` beside the file:
//! commit that with the fix.

mod decode;
mod fold;
