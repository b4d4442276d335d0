//! `glassloop get`: builds the plan, runs the download, and determines the exit code.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use super::get_arguments::GetArguments;
use super::get_compatibility::complete_url;
use super::get_destination::Destination;
use super::get_json::JsonLines;
use super::get_progress::GetProgress;
use super::get_summary::PrintedSummary;
use super::open_files::Capacity;
use super::output::{Output, print_message, stderr, stdout_failed};
use super::signals::{Interruption, SignalHandlers, arrived, watch_signals};
use super::{EXIT_USAGE, fail};
use crate::download::{
    Directory, DownloadEvent, DownloadEventKind, DownloadOptions, DownloadUrl, ErrorClass, LineError, ListEntry, Plan,
    PlannedLine, ProgressCounters, RunSummary, StreamTarget, Throttle, download_all, escaped_line, stdout,
};
use crate::event_loop::{EventLoop, LoopError, now, spawn_named};
use crate::http::client::Client;
use crate::sync::{self, oneshot};

/// Runs the command.
pub(super) fn run(arguments: &GetArguments) -> ExitCode {
    if arguments.urls.len() != 1 && (arguments.output.is_some() || arguments.checksum.is_some()) {
        return fail(
            EXIT_USAGE,
            "--output and --checksum need exactly one URL; in a list, use the columns for the name and the checksum",
        );
    }
    let destination = match arguments.destination() {
        Ok(destination) => destination,
        Err(error) => return fail(error.exit_code, escaped_line(error.message)),
    };
    if arguments.json && destination == Destination::Stream(StreamTarget::Stdout) {
        return fail(EXIT_USAGE, "--json and -o - cannot both write to standard output; leave one of them out");
    }
    if arguments.observe.reads_stdin() && arguments.input.as_deref() == Some(Path::new("-")) {
        return fail(EXIT_USAGE, "--step and -i - cannot both read standard input; put the list in a file");
    }
    // `wget -O NAME URL`, which would be two URLs here.
    if let [name, _, ..] = &arguments.urls[..]
        && arguments.compatibility.named_after_url
        && !name.contains("://")
    {
        return fail(EXIT_USAGE, escaped_line(format_args!("-O takes no file name, as in curl; use -o {name}")));
    }
    let capacity = arguments.capacity().allowed();
    let (client, plan) = match (arguments.client(capacity), plan(arguments, &destination)) {
        (Ok(client), Ok(plan)) => (client, plan),
        (Err(message), _) | (_, Err(message)) => return fail(EXIT_USAGE, escaped_line(message)),
    };
    if arguments.dry_run {
        return dry_run(plan, &destination);
    }
    match download(arguments, client, plan, destination, capacity) {
        Ok(code) => code,
        Err(error) => fail(ErrorClass::File.exit_code(), escaped_line(error)),
    }
}

// -- The plan ------------------------------------------------------------------------------------------------------

fn plan(arguments: &GetArguments, destination: &Destination) -> Result<Plan, String> {
    let mut plan = Plan::new();
    let name = match destination {
        Destination::Folder { name, .. } => name.clone(),
        Destination::Stream(_) => None,
    };
    for url in &arguments.urls {
        let url = complete_url(url, |path| Path::new(path).is_file())?;
        let url = DownloadUrl::parse(&url).map_err(LineError::DownloadUrl);
        let (name, sha256) = (name.clone(), arguments.checksum);
        plan.add(url.map(|url| ListEntry { url, name, sha256 }));
    }
    if let Some(input) = &arguments.input {
        let list: Box<dyn Read + Send> = if input == Path::new("-") {
            Box::new(io::stdin())
        } else {
            if input.is_dir() {
                return Err(format!("the list {} is a directory; use -i with a file", input.display()));
            }
            let file = File::open(input);
            Box::new(file.map_err(|error| format!("opening the list {}: {error}", input.display()))?)
        };
        plan.read_from(list);
    }
    if let Some(shard) = arguments.shard {
        plan.take_only(shard);
    }
    if arguments.tree {
        plan.keep_directories();
    }
    Ok(plan)
}

fn dry_run(mut plan: Plan, destination: &Destination) -> ExitCode {
    let mut output = match stdout() {
        Ok(output) => io::BufWriter::new(output),
        Err(error) => return stdout_failed(&error),
    };
    let mut worst = None;
    loop {
        match plan.next() {
            Ok(None) => break,
            Ok(Some(PlannedLine::Item(item))) => {
                let path = match destination {
                    Destination::Folder { folder, .. } => folder.join(item.target.path()),
                    Destination::Stream(StreamTarget::Stdout) => "standard output".into(),
                    Destination::Stream(StreamTarget::Path(path)) => path.clone(),
                };
                let line = format!("{} -> {}", item.url, path.display());
                if let Err(error) = writeln!(output, "{}", escaped_line(line)) {
                    return stdout_failed(&error);
                }
            }
            Ok(Some(PlannedLine::Bad(line))) => {
                print_message(format_args!("glassloop: {}", escaped_line(line)));
                worst = worst.max(Some(ErrorClass::Usage));
            }
            Err(error) => {
                print_message(format_args!("glassloop: reading the list: {error}"));
                worst = worst.max(Some(ErrorClass::File));
                break;
            }
        }
    }
    if let Err(error) = output.flush() {
        return stdout_failed(&error);
    }
    worst.map_or(ExitCode::SUCCESS, |class| ExitCode::from(class.exit_code()))
}

// -- The run -------------------------------------------------------------------------------------------------------

fn download(
    arguments: &GetArguments,
    client: Client,
    mut plan: Plan,
    destination: Destination,
    capacity: Capacity,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (folder, stream) = match destination {
        Destination::Folder { folder, .. } => {
            let folder =
                Directory::open(&folder).map_err(|error| format!("{error}; choose another directory with --dest"))?;
            plan.check_existing_in(&folder);
            (folder, None)
        }
        // In this case, no file is created in a directory.
        Destination::Stream(target) => (Directory::open_read_only(Path::new("/"))?, Some(target)),
    };
    let is_stream = stream.is_some();
    let signal_handlers = SignalHandlers::install()?;
    let builder = arguments.observe.open()?.attach(EventLoop::builder());
    let mut event_loop = builder.forced_shutdown_flag(signal_handlers.forced_shutdown_flag()).build()?;
    let options = DownloadOptions { jobs: capacity.jobs, ..arguments.options(folder, stream) };
    let (counters, last_path) = (ProgressCounters::default(), Rc::new(RefCell::new(None)));
    let json = arguments.json.then(JsonLines::open).transpose()?;
    plan.set_throttle(throttle(json.as_ref()));
    let ran: Result<_, LoopError> = event_loop.block_on(async {
        let stop = sync::OnceEvent::new();
        let (sender, mut interrupted) = oneshot();
        spawn_named("signals", watch_signals(stop.clone(), sender));
        let began = now();
        let progress = GetProgress::start(arguments.progress_style(), counters.clone());
        let report = {
            let (json, last_path) = (json.clone(), last_path.clone());
            move |event: &DownloadEvent<'_>| {
                if let Some(json) = &json {
                    json.write(event);
                }
                if let Some(line) = line_for(event) {
                    print_message(line);
                }
                if let DownloadEventKind::Done(done) = event.kind {
                    last_path.replace(done.path.clone());
                }
            }
        };
        let tally = download_all(plan, options, client, counters.clone(), stop, report).await;
        progress.finish();
        (tally, interrupted.try_recv(), now().duration_since(began))
    });
    signal_handlers.arm_for_shutdown();
    let lost = event_loop.shutdown().aborted_jobs;
    let (tally, interruption, elapsed) = ran?;
    let mut code = exit_code(&tally, interruption);
    if let Some(Err(error)) = json.map(|json| json.finish(&tally, counters.bytes(), elapsed, code)) {
        print_message(format_args!("glassloop: writing to standard output: {error}"));
        code = arrived().map_or(ErrorClass::File.exit_code(), Interruption::exit_code);
    }
    let summary = PrintedSummary {
        tally: &tally,
        bytes: counters.bytes(),
        elapsed,
        last_path: last_path.take(),
        lost: lost.len(),
    };
    summary.print(arguments, is_stream, interruption.is_some());
    Ok(ExitCode::from(code))
}

/// Returns a throttle that pauses reading the list while many output lines for earlier transfers are queued.
fn throttle(json: Option<&JsonLines>) -> Throttle {
    let outputs: Vec<Output> = [Some(stderr().clone()), json.map(JsonLines::output)].into_iter().flatten().collect();
    Throttle(Box::new(move || outputs.iter().for_each(Output::wait_for_capacity)))
}

/// Returns the message for an event, if it has one.
fn line_for(event: &DownloadEvent<'_>) -> Option<String> {
    let url = event.url.unwrap_or_default();
    let line = match event.kind {
        DownloadEventKind::Fail(error) => format!("glassloop: {url}: {error}"),
        DownloadEventKind::InvalidLine(line) => format!("glassloop: {line}"),
        DownloadEventKind::Retry { error, wait, .. } => {
            log::info!("{}", escaped_line(format_args!("{url}: {error}; next attempt in {:.1} s", wait.as_secs_f64())));
            return None;
        }
        DownloadEventKind::Redirect { status, to } => {
            log::info!("{}", escaped_line(format_args!("{url}: {status}, redirected to {to}")));
            return None;
        }
        DownloadEventKind::Start | DownloadEventKind::Done(_) | DownloadEventKind::Cancelled => return None,
    };
    Some(escaped_line(line))
}

fn exit_code(tally: &RunSummary, interruption: Option<Interruption>) -> u8 {
    match (interruption, tally.worst) {
        (Some(interruption), _) => interruption.exit_code(),
        (None, Some(worst)) => worst.exit_code(),
        (None, None) => 0,
    }
}
