//! Identifiers of tasks, sources, timers and so on. `Display` prints `task 7`.

use std::fmt;

use crate::table::TableId;

macro_rules! table_id {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The index of the entry in its table. Indices are reused.
            pub index: u32,
            /// A serial number, which is displayed. It is unique in the loop for this type of id, so it distinguishes the
            /// entries that have had the same index.
            pub generation: u32,
        }

        impl $name {
            /// Returns both parts as one number: `generation << 32 | index`.
            pub const fn as_u64(self) -> u64 {
                (self.generation as u64) << 32 | self.index as u64
            }

            /// Returns the id for a number made by [`as_u64`](Self::as_u64).
            pub const fn from_u64(number: u64) -> Self {
                Self { index: number as u32, generation: (number >> 32) as u32 }
            }
        }

        impl TableId for $name {
            fn from_parts(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }

            fn parts(self) -> (u32, u32) {
                (self.index, self.generation)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.generation)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! serial_id {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

table_id!(
    /// Identifies a task: a spawned future, or the root future passed to `block_on` ([`TaskId::ROOT`]).
    TaskId, "task"
);
table_id!(
    /// Identifies a source that is registered with the reactor, for example a socket.
    SourceId, "source"
);
table_id!(
    /// Identifies a timer.
    TimerId, "timer"
);
table_id!(
    /// Identifies a job of a thread pool.
    JobId, "job"
);
serial_id!(
    /// Identifies a call of `wake`.
    WakeId, "wake"
);
serial_id!(
    /// Identifies a hand-written future, so that several of the same type in one task can be distinguished.
    FutureId, "future"
);
serial_id!(
    /// Identifies a semaphore.
    SemaphoreId, "semaphore"
);

impl TaskId {
    /// The id of the root future, which is the one passed to `block_on` or `turn`.
    pub const ROOT: TaskId = TaskId { index: 0, generation: 0 };

    /// Returns whether this is the root future.
    pub const fn is_root(self) -> bool {
        self.generation == 0
    }
}
