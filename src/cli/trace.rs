//! `glassloop trace`: narrates, measures, validates and converts recordings.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::stdout_failed;
use super::{EXIT_USAGE, fail};
use crate::download::{ErrorClass, stdout};
use crate::trace::{FormatError, ReadError, Reader, Statistics, check, explain, write_page, write_perfetto};

/// Narrate, measure, validate or convert a recording
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  glassloop flags --trace run.jsonl               record a run
  glassloop trace explain run.jsonl               print a sentence per event
  glassloop trace stats - < run.jsonl             read from standard input
  glassloop trace perfetto run.jsonl -o run.json  open it at ui.perfetto.dev
  glassloop trace html run.jsonl -o run.html      open it in a browser")]
pub(super) struct TraceArguments {
    #[command(subcommand)]
    command: TraceCommand,
    /// Log more (-vv: even more)
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(super) verbose: u8,
}

#[derive(Debug, Subcommand)]
enum TraceCommand {
    /// Narrate the run: one sentence per event
    Explain(Files),
    /// Print statistics: polls, wakes by cause, times
    Stats(Files),
    /// Validate the recording; exit code 1 at the first inconsistency
    Check(Files),
    /// Convert the recording to a timeline for Perfetto
    Perfetto(Files),
    /// Convert the recording to a web page that replays the run
    Html(Files),
}

#[derive(Args, Debug)]
struct Files {
    /// Recording to read; - for stdin
    #[arg(value_name = "FILE.jsonl")]
    recording: PathBuf,
    /// Write to OUT instead of standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &TraceArguments) -> ExitCode {
    let (TraceCommand::Explain(files)
    | TraceCommand::Stats(files)
    | TraceCommand::Check(files)
    | TraceCommand::Perfetto(files)
    | TraceCommand::Html(files)) = &arguments.command;
    let name = files.recording.display();
    let input: Box<dyn BufRead> = match open(&files.recording) {
        Ok(input) => input,
        Err(error) => {
            return fail(EXIT_USAGE, format_args!("opening {name}: {error}; --trace FILE.jsonl records a run"));
        }
    };
    let mut reader = match Reader::open(input) {
        Ok(reader) => reader,
        Err(ReadError { reason: FormatError::Converted(what), .. }) => {
            let recording = recording_of(&files.recording);
            return fail(EXIT_USAGE, format_args!("{name} is {what}, not a recording; pass {recording}"));
        }
        Err(error) => return fail(1, format_args!("{name}: {error}")),
    };
    if let Some(path) = files.output.as_deref().filter(|path| is_same_file(path, &files.recording)) {
        return fail(EXIT_USAGE, format_args!("--output {} would overwrite the recording", path.display()));
    }
    match write_output(&arguments.command, &mut reader, files) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(error)) => match arguments.command {
            TraceCommand::Check(_) => fail(1, format_args!("{name}: {error}")),
            _ => fail(1, format_args!("{name}: the output ends at an error in the recording: {error}")),
        },
        Err(error) => match &files.output {
            Some(path) => fail(ErrorClass::File.exit_code(), format_args!("writing {}: {error}", path.display())),
            None => stdout_failed(&error),
        },
    }
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    Ok(if path == Path::new("-") { Box::new(stdin().lock()) } else { Box::new(BufReader::new(File::open(path)?)) })
}

/// Names the recording from which a page or a timeline was made: `--trace run.html` also writes `run.html.jsonl`.
fn recording_of(converted: &Path) -> String {
    let mut appended = converted.as_os_str().to_owned();
    appended.push(".jsonl");
    let candidates = [PathBuf::from(appended), converted.with_extension("jsonl")];
    let existing = candidates.iter().find(|path| path.is_file());
    existing.map_or_else(|| "the .jsonl file that it was made from".to_owned(), |path| path.display().to_string())
}

/// Returns whether two paths lead to the same existing file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Writes the output of a command, up to the first error in the recording. Returns that error, if there is one.
fn write_output<R: BufRead>(
    command: &TraceCommand,
    reader: &mut Reader<R>,
    files: &Files,
) -> io::Result<Option<ReadError>> {
    let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match &files.output {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(stdout()?),
    });
    let error = match command {
        TraceCommand::Explain(_) => explain(reader, &mut out)?,
        TraceCommand::Stats(_) => write_statistics(reader, &mut out)?,
        TraceCommand::Perfetto(_) => write_perfetto(reader, &mut out)?,
        TraceCommand::Html(_) => write_page(reader, &mut out)?.error,
        TraceCommand::Check(_) => match check(reader) {
            Ok(report) => {
                write!(out, "{} events, consistent", report.records)?;
                match report.dropped {
                    0 => writeln!(out)?,
                    dropped => writeln!(out, "; {dropped} events were dropped while recording")?,
                }
                None
            }
            Err(error) => Some(error),
        },
    };
    out.flush()?;
    Ok(error)
}

fn write_statistics<R: BufRead>(reader: &mut Reader<R>, out: &mut impl Write) -> io::Result<Option<ReadError>> {
    let mut statistics = Statistics::default();
    let mut last_error = None;
    for record in reader {
        match record {
            Ok(record) => statistics.add(&record),
            Err(error) => last_error = Some(error),
        }
    }
    write!(out, "{statistics}")?;
    Ok(last_error)
}
