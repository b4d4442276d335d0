//! Where `glassloop get` writes: what `--dest` and `-o` name.

use std::fs::FileType;
use std::path::{Path, PathBuf};

use super::EXIT_USAGE;
use crate::download::{ErrorClass, StreamTarget, is_reserved};

/// Where the files, or the only file, go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Into a folder, under a name that may be given.
    Folder { folder: PathBuf, name: Option<String> },
    /// Into something that is written to as it is: standard output, a pipe or a device.
    Stream(StreamTarget),
}

/// Why nothing can be written there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) exit: u8,
    pub(super) message: String,
}

impl Destination {
    /// Looks at what `-o` names: `-o a/b` is the file `b` in the folder `a` of the folder.
    ///
    /// # Errors
    /// If it names a folder, or nothing that a file could have as its name.
    pub(super) fn of(dest: &Path, output: Option<&Path>) -> Result<Destination, Refusal> {
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
                let message = format!("{} is a folder; give -o the name of a file, or use --dest", path.display());
                return Err(Refusal { exit: ErrorClass::File.exit_code(), message });
            }
            _ => {}
        }
        let refused = |message: &str| Err(Refusal { exit: EXIT_USAGE, message: message.to_owned() });
        // `file_name` ignores slashes at the end.
        let ends_with_slash = output.as_os_str().as_encoded_bytes().ends_with(b"/");
        match output.file_name() {
            Some(name) if !ends_with_slash => match name.to_str() {
                Some(name) if is_reserved(name) => {
                    refused(&format!("{name} is the name of glassloop's own records; give -o another name"))
                }
                Some(name) => {
                    let folder = dest.join(output.parent().unwrap_or(Path::new("")));
                    Ok(Destination::Folder { folder, name: Some(name.to_owned()) })
                }
                None => refused("the name that -o gives is not UTF-8"),
            },
            _ => refused("-o needs the name of a file; for a folder use --dest"),
        }
    }
}

/// Whether bytes can be written to it and not taken back.
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
    fn output_is_a_file_in_a_folder_or_a_stream_or_refused() {
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
            assert_eq!(of(output).map_err(|refusal| refusal.exit), Err(exit), "{output}");
        }
    }
}
