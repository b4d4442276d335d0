//! `glassloop completions` and `glassloop man`: shell completions and manual pages, generated from the arguments.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output::stdout_failed;
use super::{EXIT_USAGE, fail};
use crate::download::stdout;

/// Print a script that completes arguments in a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  glassloop completions bash >> ~/.bash_completion
  glassloop completions zsh > ~/.zfunc/_glassloop
  glassloop completions fish > ~/.config/fish/completions/glassloop.fish")]
pub(super) struct CompletionsArguments {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

/// Print a manual page
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  glassloop man get | man -l -
  glassloop man > glassloop.1")]
pub(super) struct ManArguments {
    /// Command to describe [default: glassloop itself]
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// Prints the completions.
pub(super) fn completions(mut command: Command, arguments: &CompletionsArguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "glassloop", &mut script);
    print(&script)
}

/// Prints a manual page.
pub(super) fn man(mut command: Command, arguments: &ManArguments) -> ExitCode {
    command.build();
    if let Some(name) = &arguments.command {
        command = match command.find_subcommand(name) {
            Some(subcommand) => subcommand.clone(),
            None => return fail(EXIT_USAGE, format_args!("there is no command `{name}`; see `glassloop --help`")),
        };
    }
    let notes = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    match render(command, &notes) {
        Ok(page) => print(&page),
        Err(error) => fail(1, format_args!("formatting the page: {error}")),
    }
}

/// Formats a page. The notes are added here, because clap_mangen would fill their lines.
fn render(command: Command, notes: &str) -> io::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or("glassloop").to_owned();
    let command = command.mut_args(|argument| argument.hide_short_help(false));
    let command = command.after_help(None::<&str>).after_long_help(None::<&str>);
    let version = concat!("glassloop ", env!("CARGO_PKG_VERSION"));
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(name).source(version).render(&mut page)?;
    // A line that begins with a period or an apostrophe would be a request; `\&` prevents that.
    let lines: String = notes.lines().map(|line| format!("\\&{}\n", line.replace('\\', "\\e"))).collect();
    write!(page, ".SH NOTES\n.nf\n{lines}.fi\n")?;
    Ok(page)
}

fn print(bytes: &[u8]) -> ExitCode {
    let written: io::Result<()> = stdout().and_then(|mut stdout| {
        stdout.write_all(bytes)?;
        stdout.flush()
    });
    written.map_or_else(|error| stdout_failed(&error), |()| ExitCode::SUCCESS)
}
