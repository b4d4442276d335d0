//! The flags and modes of the calls. Those without a meaning on Windows are ignored.

/// The flags with which a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OFlags(u32);

impl OFlags {
    pub(crate) const RDONLY: OFlags = OFlags(0);
    pub(crate) const WRONLY: OFlags = OFlags(1);
    pub(crate) const RDWR: OFlags = OFlags(2);
    pub(crate) const CREATE: OFlags = OFlags(4);
    /// Always used together with `CREATE`.
    pub(crate) const EXCL: OFlags = OFlags(8);
    pub(crate) const NOFOLLOW: OFlags = OFlags(16);
    pub(crate) const DIRECTORY: OFlags = OFlags(32);
    /// Has no meaning on Windows, like the next two.
    pub(crate) const NONBLOCK: OFlags = OFlags(0);
    pub(crate) const NOCTTY: OFlags = OFlags(0);
    pub(crate) const CLOEXEC: OFlags = OFlags(0);

    pub(crate) const fn union(self, other: OFlags) -> OFlags {
        OFlags(self.0 | other.0)
    }

    pub(super) const fn contains(self, other: OFlags) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for OFlags {
    type Output = OFlags;

    fn bitor(self, other: OFlags) -> OFlags {
        self.union(other)
    }
}

/// The flags of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtFlags(u32);

impl AtFlags {
    pub(crate) const SYMLINK_NOFOLLOW: AtFlags = AtFlags(1);
    pub(crate) const REMOVEDIR: AtFlags = AtFlags(2);

    pub(crate) const fn empty() -> AtFlags {
        AtFlags(0)
    }
}

/// The permissions of a new file. On Windows they are inherited from the directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode;

impl Mode {
    pub(crate) const fn empty() -> Mode {
        Mode
    }

    pub(crate) const fn from_raw_mode(_mode: u32) -> Mode {
        Mode
    }
}

/// The access to be checked. On Windows, a missing permission is detected only when the file is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access;

impl Access {
    pub(crate) const WRITE_OK: Access = Access;
}
