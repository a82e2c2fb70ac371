//! Names of the maps that both halves use. The kernel half defines them, and checks at compile time that it has each
//! one; its other maps are known to it alone.

/// Hands the list to the macro named `$apply`.
#[macro_export]
macro_rules! shared_maps {
    ($apply:ident) => {
        $apply! {
            /// Counts, generation 0. Two generations let user space empty one while the other counts, losing nothing.
            COUNTS_0
            /// Counts, generation 1.
            COUNTS_1
            /// One entry: the generation that counts, 0 or 1.
            GENERATION
            /// One entry a CPU: the table in front of the hashes ([`crate::front`]).
            FRONT
            /// Resets that found no room in the hash, by direction and reason.
            OVERFLOW
            /// Losses by cause ([`crate::limits::lost`]).
            LOST
            /// Resets sent in each network namespace, by its cookie.
            NETNS_SENT
            /// How many more events may come before the reader must be woken.
            UNTIL_WAKE
            /// The ring buffer of events.
            EVENTS
            /// Tombstones of closed connections.
            TOMBSTONES
            /// The newest tombstone of each hash.
            NEWEST
            /// Listeners that have closed.
            GONE_LISTENERS
            /// Ports that have listeners.
            LISTENERS
        }
    };
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])* pub const $name: &str = stringify!($name);)*

        /// Every name of the list.
        pub const SHARED_MAPS: &[&str] = &[$($name),*];
    };
}
shared_maps!(names);
