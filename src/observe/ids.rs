//! The names of things in events. All are small, `Copy`, and print as people would say them: `task 7`.

use std::fmt;

macro_rules! slot_id {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The slot. Slots are used again.
            pub index: u32,
            /// A number that no other of its kind has had: tells a thing from its predecessors in the slot, and is
            /// what people are shown.
            pub generation: u32,
        }

        impl $name {
            /// Both parts as one number, `generation << 32 | index`.
            pub const fn as_u64(self) -> u64 {
                (self.generation as u64) << 32 | self.index as u64
            }

            /// The inverse of [`as_u64`](Self::as_u64).
            pub const fn from_u64(number: u64) -> Self {
                Self { index: number as u32, generation: (number >> 32) as u32 }
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

slot_id!(
    /// A task: one spawned future, or the root that `block_on` was given (always [`TaskId::ROOT`]).
    TaskId, "task"
);
slot_id!(
    /// Something registered with the reactor, for example a socket.
    SourceId, "source"
);
slot_id!(
    /// An armed timer.
    TimerId, "timer"
);
slot_id!(
    /// A piece of work handed to a thread pool.
    JobId, "job"
);
serial_id!(
    /// One call of `wake`.
    WakeId, "wake"
);
serial_id!(
    /// One hand-written future, so that several of one type in one task are told apart.
    FutureId, "future"
);
serial_id!(
    /// A semaphore.
    SemaphoreId, "semaphore"
);

impl TaskId {
    /// The future that `block_on` or `turn` was given.
    pub const ROOT: TaskId = TaskId { index: u32::MAX, generation: 0 };

    /// Whether this is the root future.
    pub const fn is_root(self) -> bool {
        self.index == u32::MAX
    }
}
