//! The destination of `glassloop get`, which `--dest` and `-o` specify.

use std::fs::FileType;
use std::path::{Path, PathBuf};

use super::EXIT_USAGE;
use crate::download::{ErrorClass, StreamTarget, is_reserved};

/// Where the files are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A directory, and the name of the file if `-o` specifies it.
    Folder { folder: PathBuf, name: Option<String> },
    /// Standard output, a pipe or a device, which is written to directly.
    Stream(StreamTarget),
}

/// An error that is reported before the download starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StartupError {
    pub(super) exit_code: u8,
    pub(super) message: String,
}

impl Destination {
    /// Interprets `-o`: with `-o a/b`, the file `b` is written to the subdirectory `a` of `--dest`.
    ///
    /// # Errors
    /// If it names a directory, or is not a possible file name.
    pub(super) fn of(dest: &Path, output: Option<&Path>) -> Result<Destination, StartupError> {
        let Some(output) = output else {
            return Ok(Destination::Folder { folder: dest.to_owned(), name: None });
        };
        if output == Path::new("-") {
            return Ok(Destination::Stream(StreamTarget::Stdout));
        }
        let path = dest.join(output);
        match std::fs::metadata(&path).map(|found| found.file_type()) {
            Ok(found) if is_stream(found) => return Ok(Destination::Stream(StreamTarget::Path(path))),
            Ok(found) if found.is_dir() && !output.as_os_str().is_empty() => {
                let message = format!("{} is a directory; use -o with the name of a file, or --dest", path.display());
                return Err(StartupError { exit_code: ErrorClass::File.exit_code(), message });
            }
            _ => {}
        }
        let refused = |message: &str| Err(StartupError { exit_code: EXIT_USAGE, message: message.to_owned() });
        // `file_name` ignores slashes at the end.
        let ends_with_slash = output.as_os_str().as_encoded_bytes().ends_with(b"/");
        match output.file_name() {
            Some(name) if !ends_with_slash => match name.to_str() {
                Some(name) if is_reserved(name) => {
                    refused(&format!("{name} is reserved for glassloop's own files; use -o with another name"))
                }
                Some(name) => {
                    let folder = dest.join(output.parent().unwrap_or(Path::new("")));
                    Ok(Destination::Folder { folder, name: Some(name.to_owned()) })
                }
                None => refused("the name in -o is not valid UTF-8; use another name"),
            },
            _ => refused("-o needs the name of a file; for a directory use --dest"),
        }
    }
}

/// Returns whether the file is a pipe or a device, which cannot be truncated.
fn is_stream(found: FileType) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        found.is_fifo() || found.is_char_device() || found.is_block_device()
    }
    #[cfg(not(unix))]
    {
        let _never = found;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_a_file_in_a_directory_or_a_stream_or_an_error() {
        let place = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(place.path().join("sub")).expect("made");
        let of = |output: &str| Destination::of(place.path(), Some(Path::new(output)));
        let file = |folder: PathBuf, name: &str| Ok(Destination::Folder { folder, name: Some(name.to_owned()) });
        assert_eq!(of("x"), file(place.path().to_owned(), "x"));
        assert_eq!(of("sub/x"), file(place.path().join("sub"), "x"));
        assert_eq!(of("new/x"), file(place.path().join("new"), "x"));
        assert_eq!(of("-"), Ok(Destination::Stream(StreamTarget::Stdout)));
        #[cfg(unix)]
        assert_eq!(of("/dev/null"), Ok(Destination::Stream(StreamTarget::Path("/dev/null".into()))));
        for (output, exit) in
            [("sub", 3), ("sub/", 3), (".", 3), ("..", 3), ("sub/..", 3), ("new/", 2), ("new/..", 2), ("", 2)]
                .into_iter()
                .chain([(".glassloop-validators", 2), ("new/.glassloop.part", 2)])
        {
            assert_eq!(of(output).map_err(|refusal| refusal.exit_code), Err(exit), "{output}");
        }
    }
}
