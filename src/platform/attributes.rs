//! Extended attributes of files, on the systems that have them under the names of Linux.

use std::fs::File;

use super::Errno;

/// Sets an extended attribute. Returns [`Errno::OPNOTSUPP`] if the system or the file system does not support it.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn set_attribute(file: &File, name: &str, value: &[u8]) -> Result<(), Errno> {
    rustix::fs::fsetxattr(file, name, value, rustix::fs::XattrFlags::empty())
}

/// Reads an extended attribute, and returns its length. The errors are those of [`set_attribute`].
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn attribute(file: &File, name: &str, value: &mut [u8]) -> Result<usize, Errno> {
    rustix::fs::fgetxattr(file, name, value)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn set_attribute(_file: &File, _name: &str, _value: &[u8]) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn attribute(_file: &File, _name: &str, _value: &mut [u8]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}
