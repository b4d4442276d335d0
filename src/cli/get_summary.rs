//! The last lines of `glassloop get`: what was downloaded, and what to do next.

use std::path::PathBuf;
use std::time::Duration;

use super::get_arguments::GetArguments;
use super::output::print_message;
use super::progress::Bytes;
use crate::download::{RunSummary, SuccessKind, escaped_line};

/// The result of a run.
pub(super) struct PrintedSummary<'a> {
    pub(super) tally: &'a RunSummary,
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
    /// The path of the file that was completed last.
    pub(super) last_path: Option<PathBuf>,
    /// The number of files whose writing was abandoned.
    pub(super) lost: usize,
}

impl PrintedSummary<'_> {
    /// Prints the summary. `is_stream`: the file went to standard output, a pipe or a device.
    pub(super) fn print(&self, arguments: &GetArguments, is_stream: bool, is_interrupted: bool) {
        if !arguments.is_quiet() {
            print_message(escaped_line(self.counts(is_interrupted)));
        }
        if self.lost > 0 {
            print_message(format_args!(
                "glassloop: {} file{} not finished",
                self.lost,
                if self.lost == 1 { "" } else { "s" }
            ));
        }
        if is_interrupted && !is_stream && !arguments.quiet {
            print_message("glassloop: interrupted; run the same command again to continue");
        }
        // For `get URL > file` and `get URL | tar x`. The URL is not repeated, because it may contain a password.
        if let Some(path) = &self.last_path
            && arguments.urls.len() == 1
            && arguments.input.is_none()
            && !arguments.quiet
            && !arguments.json
            && !is_stream
            && is_stdout_redirected()
        {
            let advice = format!(
                "glassloop: nothing was written to standard output: the file is {}; use -o - for standard output",
                path.display()
            );
            print_message(escaped_line(advice));
        }
    }

    /// Formats the number of files with each outcome. If there is only one file, its path is included.
    fn counts(&self, is_interrupted: bool) -> String {
        let tally = self.tally;
        let parts = [
            (tally.saved, SuccessKind::Saved.name()),
            (tally.exists, "already present"),
            (tally.unchanged, SuccessKind::Unchanged.name()),
            (tally.checked, SuccessKind::Checked.name()),
            (tally.failed, "failed"),
            (tally.bad_lines, "bad lines"),
            (tally.cancelled, "cancelled"),
        ];
        let counts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let total: u64 = parts.iter().map(|(count, _)| count).sum();
        let counts = match (&counts[..], &self.last_path) {
            ([], _) if is_interrupted => "nothing downloaded".to_owned(),
            ([], _) => "nothing to do".to_owned(),
            ([count], Some(path)) if total == 1 => format!("{count}: {}", path.display()),
            (counts, _) => counts.join(", "),
        };
        format!("{counts}; {} in {:.2} s", Bytes(self.bytes), self.elapsed.as_secs_f64())
    }
}

/// Returns whether standard output is a regular file or a pipe. Then the user probably expects the download there.
fn is_stdout_redirected() -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{FileType, fstat};

        let found = fstat(std::io::stdout()).map(|stat| FileType::from_raw_mode(stat.st_mode));
        matches!(found, Ok(FileType::RegularFile | FileType::Fifo))
    }
    #[cfg(not(unix))]
    {
        use std::io::IsTerminal;

        !std::io::stdout().is_terminal()
    }
}
