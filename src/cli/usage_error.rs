//! Usage errors on one line, in the style of all messages: the problem, a semicolon, and the remedy.
//!
//! clap detects the errors. Its own messages are not used, because they have several lines and another style.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::get_compatibility::instead_of;
use crate::download::escaped_line;

/// Formats an error of clap. `command` is the command that was typed, such as `glassloop get`.
pub(super) fn message(error: &clap::Error, command: &str) -> String {
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let help = format!("see `{command} --help`");
    let message = match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error, command, &argument, &help),
        ErrorKind::InvalidValue if value.is_empty() => format!("`{argument}` needs a value; {help}"),
        ErrorKind::InvalidValue => {
            let valid = texts(error, ContextKind::ValidValue).join(", ");
            format!("`{value}` is not valid for `{argument}`; use one of {valid}")
        }
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            // These may contain a password.
            let is_secret = ["--user ", "--header "].iter().any(|option| argument.contains(option));
            let value = if is_secret { String::new() } else { format!(" `{value}`") };
            let has_remedy = cause.contains("expected ") || cause.contains("; ");
            let help = if has_remedy { String::new() } else { format!("; {help}") };
            format!("invalid value{value} for `{argument}`: {cause}{help}")
        }
        ErrorKind::MissingRequiredArgument => missing_argument(&argument, command, &help),
        ErrorKind::ArgumentConflict => {
            let others: Vec<String> =
                texts(error, ContextKind::PriorArg).iter().map(|other| format!("`{other}`")).collect();
            format!("`{argument}` cannot be combined with {}; leave one of them out", others.join(" and "))
        }
        ErrorKind::InvalidSubcommand => unknown_command(error, &help),
        ErrorKind::MissingSubcommand => format!("`{command}` needs a command; {help}"),
        ErrorKind::InvalidUtf8 => format!("an argument is not valid UTF-8; {help}"),
        // The first line of clap's message, without its prefix.
        _ => {
            let rendered = error.to_string();
            let line = rendered.lines().next().unwrap_or_default();
            format!("{}; {help}", line.strip_prefix("error: ").unwrap_or(line))
        }
    };
    escaped_line(message)
}

fn unknown_argument(error: &clap::Error, command: &str, argument: &str, help: &str) -> String {
    if !argument.starts_with('-') {
        return format!("unexpected argument `{argument}`; {help}");
    }
    // clap parses wget's `-O-`, which writes to standard output, as `-O` and `--`.
    if command == "glassloop get" && argument == "--" {
        return "-O takes no file name, as in curl; use -o -".to_owned();
    }
    let instead = if command == "glassloop get" { instead_of(argument) } else { None };
    match (instead, texts(error, ContextKind::SuggestedArg).first()) {
        (Some(instead), _) => format!("unknown option `{argument}`; {instead}"),
        (None, Some(similar)) => format!("unknown option `{argument}`; did you mean `{similar}`?"),
        (None, None) => format!("unknown option `{argument}`; {help}"),
    }
}

fn missing_argument(argument: &str, command: &str, help: &str) -> String {
    match (command, argument) {
        ("glassloop get", _) => "no URL is given; add one, or a list with -i FILE".to_owned(),
        ("glassloop serve", argument) if argument.contains("DIR") => {
            "-p and --index need a directory; use `glassloop serve . -p PORT`, or --ports A,B,C for the flags"
                .to_owned()
        }
        _ => format!("`{argument}` is missing; {help}"),
    }
}

fn unknown_command(error: &clap::Error, help: &str) -> String {
    let command = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    match texts(error, ContextKind::SuggestedSubcommand).first() {
        Some(similar) => format!("unknown command `{command}`; did you mean `{similar}`?"),
        // It may contain a password.
        None if command.contains("://") => "a URL is not a command; use `glassloop get URL`".to_owned(),
        None => format!("unknown command `{command}`; {help}"),
    }
}

/// Returns the context of an error, such as the argument that is wrong.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    Some(texts(error, kind).join(" ")).filter(|text| !text.is_empty())
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
