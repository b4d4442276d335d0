//! Help texts fit the screen, and completions, manual pages and the version are printed.

use std::path::Path;

use crate::{run, stderr, stdout};

const COMMANDS: [&str; 3] = ["flags", "get", "serve"];

fn printed(arguments: &[&str]) -> String {
    let output = run(Path::new("."), arguments);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{arguments:?}");
    stdout(&output).to_owned()
}

#[test]
fn short_help_fits_on_a_screen_of_24_lines() {
    for command in COMMANDS {
        let help = printed(&[command, "-h"]);
        assert!(help.lines().count() <= 24, "{} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        assert!(
            help.trim_end()
                .ends_with(&format!("`glassloop {command} --help` lists all options, examples and exit codes."))
        );
    }
}

#[test]
fn full_help_has_one_line_per_option_and_then_examples_and_exit_codes_in_order() {
    for command in COMMANDS {
        let help = printed(&[command, "--help"]);
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        let (options, notes) = help.split_once("\nExamples:\n").expect("examples");
        for line in options.lines().skip_while(|line| *line != "Arguments:") {
            let is_option = line.trim_start().starts_with(['-', '[']) && line.trim().contains("  ");
            assert!(line.is_empty() || line.ends_with(':') || is_option, "{command}: `{line}`");
        }
        let (_, codes) = notes.split_once("\nExit codes").expect("exit codes");
        let codes: Vec<u8> = codes
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().expect("a code").parse().expect("a number"))
            .collect();
        assert!(codes.len() >= 4 && codes.is_sorted(), "{command}: {codes:?}");
        assert_eq!(printed(&["help", command]), help);
    }
}

#[test]
fn full_help_has_the_same_groups_in_the_same_order() {
    let order = ["Output:", "Selection:", "Retry:", "Network:", "TLS:", "Faults:", "Limits:", "Reporting:", "Tracing:"];
    let has_tls = printed(&["--version"]).contains("tls");
    for (command, expected) in [
        ("get", &["Output:", "Selection:", "Retry:", "Network:", "TLS:", "Limits:", "Reporting:", "Tracing:"][..]),
        ("flags", &["Output:", "Selection:", "Retry:", "Network:", "Reporting:", "Tracing:"]),
        ("serve", &["Output:", "Network:", "Faults:", "Limits:", "Reporting:", "Tracing:"]),
    ] {
        let help = printed(&[command, "--help"]);
        let groups: Vec<&str> = help.lines().filter(|line| order.contains(line)).collect();
        let expected: Vec<&str> = expected.iter().copied().filter(|group| has_tls || *group != "TLS:").collect();
        assert_eq!(groups, expected, "{command}");
        assert!(!help.contains("\nOptions:"), "{command}");
    }
}

#[test]
fn help_of_a_subcommand_and_of_all_commands() {
    assert!(printed(&["help", "trace", "explain"]).contains("Usage: glassloop trace explain"));
    assert!(printed(&["trace", "explain", "--help"]).contains("Usage: glassloop trace explain"));
    for arguments in [&["help"][..], &["--help"], &["-h"]] {
        let help = printed(arguments);
        for command in ["flags", "get", "serve", "trace", "completions", "man"] {
            assert!(help.contains(&format!("\n  {command} ")), "{help}");
        }
    }
}

#[test]
fn version_shows_the_features_and_the_target() {
    let version = printed(&["--version"]);
    let lines: Vec<&str> = version.lines().collect();
    assert_eq!(lines[0], concat!("glassloop ", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines[1].contains("tls"), cfg!(feature = "tls"));
    let target = lines[2].strip_prefix("target: ").expect("a target");
    assert!(target.starts_with(std::env::consts::ARCH) || target.starts_with("i686"), "{target}");
    assert_eq!(printed(&["-V"]).lines().collect::<Vec<_>>(), [lines[0]]);
}

#[test]
fn completions_and_manual_pages_contain_all_options() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("retry-max-wait") && script.contains("glassloop"), "{shell}");
    }
    for command in COMMANDS {
        let page = printed(&["man", command]);
        assert!(
            page.contains(&format!(".TH glassloop\\-{command} 1"))
                || page.contains(&format!(".TH glassloop-{command} 1")),
            "{page}"
        );
        let help = printed(&[command, "--help"]);
        for option in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 3) {
            let option = option.trim_end_matches(|c: char| !c.is_alphanumeric()).trim_start_matches('-');
            assert!(page.contains(&option.replace('-', "\\-")), "--{option} of {command}");
        }
        assert!(page.contains("Exit codes"), "{page}");
    }
    assert!(printed(&["man"]).contains("glassloop\\-get"));
}
