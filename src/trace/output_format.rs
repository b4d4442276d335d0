//! The formats in which a run can be recorded, and their file name extensions.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use super::error::ReadError;
use super::page::write_page;
use super::perfetto::write_perfetto;
use super::reader::Reader;

/// The format of a file, selected by the extension of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputFormat {
    /// `.jsonl`: the recording itself.
    Jsonl,
    /// `.json`: a timeline for Perfetto.
    Perfetto,
    /// `.html`: a page that replays the run.
    Html,
}

impl OutputFormat {
    /// Returns the format for a file name.
    ///
    /// # Errors
    /// If the extension is none of those above.
    ///
    /// ```
    /// use glassloop::trace::OutputFormat;
    ///
    /// assert_eq!(OutputFormat::of("run.json".as_ref())?, OutputFormat::Perfetto);
    /// assert!(OutputFormat::of("run.txt".as_ref()).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(path: &Path) -> io::Result<OutputFormat> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("jsonl") => Ok(OutputFormat::Jsonl),
            Some("json") => Ok(OutputFormat::Perfetto),
            Some("html") => Ok(OutputFormat::Html),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{}: the name of a recording ends in .jsonl, .json or .html", path.display()),
            )),
        }
    }

    /// Converts a recording to this format, up to the first error in it. Returns that error, if there is one.
    ///
    /// # Errors
    /// If the recording cannot be opened, or the output cannot be written.
    pub fn convert(self, recording: &Path, out: &Path) -> io::Result<Option<ReadError>> {
        let mut reader = Reader::open(BufReader::new(File::open(recording)?)).map_err(io::Error::other)?;
        let mut out = BufWriter::new(File::create(out)?);
        let error = match self {
            OutputFormat::Jsonl => reader.copy(&mut out)?,
            OutputFormat::Perfetto => write_perfetto(&mut reader, &mut out)?,
            OutputFormat::Html => write_page(&mut reader, &mut out)?.error,
        };
        out.flush()?;
        Ok(error)
    }
}
