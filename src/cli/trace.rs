//! `glassloop trace`: what can be made of a recording.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::stdout_failed;
use super::{EXIT_USAGE, fail};
use crate::download::{ErrorClass, stdout};
use crate::trace::{ReadError, Reader, Statistics, check, explain, write_page, write_perfetto};

/// Narrate, count, check or convert a recording (`--trace FILE.jsonl` makes one)
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  glassloop flags --trace run.jsonl        record a run
  glassloop trace explain run.jsonl        read it, a sentence an event
  glassloop trace perfetto run.jsonl -o run.json
                                           open that in https://ui.perfetto.dev
  glassloop trace html run.jsonl -o run.html
                                           replay it in a browser
  glassloop trace stats - < run.jsonl      count it, from standard input")]
pub(super) struct TraceArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Narrate it: a plain sentence an event
    Explain(Files),
    /// Count it: polls, wakes by cause, times
    Stats(Files),
    /// Whether it can be true: exit 1 with the first fault
    Check(Files),
    /// Make a timeline of it, for Perfetto or chrome://tracing
    Perfetto(Files),
    /// Make a page that replays it, forwards and backwards
    Html(Files),
}

#[derive(Args, Debug)]
struct Files {
    /// The recording; - is standard input
    #[arg(value_name = "FILE.jsonl")]
    recording: PathBuf,
    /// Where to write, instead of standard output
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &TraceArguments) -> ExitCode {
    let (What::Explain(files) | What::Stats(files) | What::Check(files) | What::Perfetto(files) | What::Html(files)) =
        &arguments.what;
    let name = files.recording.display();
    let input: Box<dyn BufRead> = match open(&files.recording) {
        Ok(input) => input,
        Err(error) => return fail(EXIT_USAGE, format_args!("opening {name}: {error}")),
    };
    let mut reader = match Reader::open(input) {
        Ok(reader) => reader,
        Err(error) => return fail(1, format_args!("{name}: {error}")),
    };
    match answer(&arguments.what, &mut reader, files) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(error)) => match arguments.what {
            What::Check(_) => fail(1, format_args!("{name}: {error}")),
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

/// Writes what was asked for. What comes back is the fault at which the recording ends, if it has one.
fn answer<R: BufRead>(what: &What, reader: &mut Reader<R>, files: &Files) -> io::Result<Option<ReadError>> {
    let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match &files.output {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(stdout()?),
    });
    let fault = match what {
        What::Explain(_) => explain(reader, &mut out)?,
        What::Stats(_) => count(reader, &mut out)?,
        What::Perfetto(_) => write_perfetto(reader, &mut out)?,
        What::Html(_) => write_page(reader, &mut out)?.error,
        What::Check(_) => match check(reader) {
            Ok(report) => {
                write!(out, "{} events, and they can be true", report.records)?;
                match report.dropped {
                    0 => writeln!(out)?,
                    dropped => writeln!(out, "; it says itself that {dropped} are missing")?,
                }
                None
            }
            Err(fault) => Some(fault),
        },
    };
    out.flush()?;
    Ok(fault)
}

fn count<R: BufRead>(reader: &mut Reader<R>, out: &mut impl Write) -> io::Result<Option<ReadError>> {
    let mut statistics = Statistics::default();
    let mut fault = None;
    for line in reader {
        match line {
            Ok(line) => statistics.add(&line),
            Err(error) => fault = Some(error),
        }
    }
    write!(out, "{statistics}")?;
    Ok(fault)
}
