//! Compatibility with curl, wget and aria2c: options that are accepted, and advice about those that are not.

use clap::Args;

/// Options that are accepted for users of other programs. They are mentioned at the end of `--help`.
#[derive(Args, Debug)]
pub(super) struct CompatibilityArguments {
    /// Print errors only
    #[arg(short, long, hide = true)]
    pub(super) silent: bool,
    /// No effect: redirects are always followed
    #[arg(short = 'L', long, hide = true)]
    location: bool,
    /// No effect: files are named after the URL by default
    #[arg(short = 'O', hide = true)]
    pub(super) named_after_url: bool,
    /// No effect: an HTTP status of 400 or above is always an error
    #[arg(short, long, hide = true)]
    fail: bool,
    /// No effect: errors are always printed
    #[arg(short = 'S', long, hide = true)]
    show_error: bool,
}

/// Options of other programs that `get` does not have, and what to use instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["-I", "--head"], "use --spider to send HEAD requests, and --json to print the status"),
    (&["-X", "--request", "--method"], "only GET requests are sent, and HEAD requests with --spider"),
    (&["-F", "--form", "-T", "--upload-file", "--data", "--post-data"], "this program only downloads"),
    (&["-C", "--continue-at"], "resuming is the default, and --no-continue starts over"),
    (&["-t", "--tries", "--max-tries"], "use --retry N"),
    (&["--timeout", "--read-timeout"], "use --connect-timeout, --head-timeout, --idle-timeout or --max-time"),
    (&["-m"], "use --max-time S"),
    (&["-U"], "use --user-agent NAME"),
    (&["-e", "--referer"], "use -H 'Referer: URL'"),
    (&["-b", "--cookie"], "use -H 'Cookie: NAME=VALUE'"),
    (&["-D", "--dump-header", "-w", "--write-out", "--server-response"], "use --json"),
    (&["-Z", "--parallel", "--parallel-max", "--max-concurrent-downloads"], "use -j N: transfers are concurrent"),
    (&["--max-connection-per-server", "--split"], "use --per-host N"),
    (&["-r", "--recursive", "--mirror"], "use -i LIST: links are not followed"),
    (&["-n", "-nc", "--no-clobber"], "existing files are never replaced, unless --overwrite is given"),
    (&["--output-document"], "use --output NAME"),
    (&["--no-check-certificate"], "use --insecure"),
    (&["-#", "--progress-bar"], "use --progress bar"),
    (&["--force-directories"], "use --tree"),
];

/// Returns what to use instead of an option that `get` does not have.
pub(super) fn instead_of(option: &str) -> Option<&'static str> {
    INSTEAD.iter().find(|(options, _)| options.contains(&option)).map(|(_, advice)| *advice)
}

/// Completes a URL from the command line like other programs do: without a scheme, it is an http URL. The result need
/// not be valid.
///
/// # Errors
/// If the text is not a URL but has a meaning in other programs. The message names the option to use instead.
pub(super) fn complete_url(text: &str, is_file: impl FnOnce(&str) -> bool) -> Result<String, String> {
    if text == "-" {
        return Err(
            "`-` is not a URL; use -o - for standard output, or -i - to read URLs from standard input".to_owned()
        );
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{text}` is not a URL; if it is the value of an option, see `glassloop get --help`"));
    }
    if !is_host_first(text) {
        return Ok(text.to_owned());
    }
    // A file that `--tree` has written is named like its URL, but its path contains a slash.
    if !text.contains('/') && is_file(text) {
        return Err(format!("`{text}` is a file; use -i {text} to read URLs from it, or http://{text} for a host"));
    }
    // A single word is more likely a mistake than a host, and so a usage error.
    if text != "localhost" && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(text.to_owned());
    }
    Ok(format!("http://{text}"))
}

/// Returns whether a text begins with a host, with or without user, password and port, and not with a scheme.
fn is_host_first(text: &str) -> bool {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host_and_port)| host_and_port);
    let is_host_start = |c: char| c.is_alphanumeric() || c == '[';
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    // An IPv6 address in brackets has colons, too.
    let port = host_and_port.rsplit_once(']').map_or(host_and_port, |(_, port)| port).split_once(':');
    host_and_port.starts_with(is_host_start) && port.is_none_or(|(_, port)| is_port(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_scheme_is_an_http_url() {
        for text in [
            "example.org",
            "example.org/a",
            "localhost",
            "localhost:8000/a",
            "intranet/a",
            "127.0.0.1",
            "[::1]:8000/x",
            "me:secret@a.test:80/x",
            "a.test?x=y:z",
            "b\u{fc}cher.test/x",
        ] {
            assert_eq!(complete_url(text, |_| false), Ok(format!("http://{text}")));
        }
    }

    #[test]
    fn other_texts_are_left_alone() {
        assert_eq!(complete_url("nonsense", |_| false).as_deref(), Ok("nonsense"));
        for text in
            ["", "http://a.test/", "HTTPS://a.test/", "http:/a", "ftp:x", "file:///etc", "/a", "./a", "a.test:b"]
        {
            assert_eq!(complete_url(text, |_| true).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_url_gets_advice() {
        for (text, advice) in [("-", "-o -"), ("16", "value of an option"), ("list.txt", "-i list.txt")] {
            let message = complete_url(text, |_| true).expect_err(text);
            assert!(message.contains(advice), "{message}");
        }
        // Saved by an earlier run with `--tree`.
        assert_eq!(complete_url("a.test/x", |_| true), Ok("http://a.test/x".to_owned()));
    }

    #[test]
    fn advice_is_given_for_options_of_other_programs() {
        assert_eq!(instead_of("-I"), Some("use --spider to send HEAD requests, and --json to print the status"));
        assert_eq!(instead_of("--frobnicate"), None);
    }
}
