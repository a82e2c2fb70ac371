//! The scenarios: each provokes known resets, deterministically, and says what must be seen of them.
