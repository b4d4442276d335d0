//! Removes secrets from the command line in the header of a recording, since recordings are shared.
//!
//! The values of `-u`, `--user`, `-H` and `--header` are removed, which many programs use for credentials, and so is
//! the userinfo of URLs. If in doubt, a value is removed.

/// The replacement for a secret.
const REDACTED: &str = "…";

/// Returns the arguments with possible secrets removed.
pub(super) fn redact_arguments(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut is_secret_next = false;
    arguments
        .map(|argument| {
            let (redacted, names_secret) = match is_secret_next {
                true => (REDACTED.to_owned(), false),
                false => redact_argument(argument),
            };
            is_secret_next = names_secret;
            redacted
        })
        .collect()
}

/// Redacts one argument. Returns it, and whether the next argument is a secret.
fn redact_argument(argument: String) -> (String, bool) {
    let names_secret = |name: &str| matches!(name, "user" | "header");
    if let Some(long) = argument.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, _)) if names_secret(name) => (format!("--{name}={REDACTED}"), false),
            _ => (without_userinfo(&argument), names_secret(long)),
        };
    }
    // Short options may be combined, and the value may follow the last one: `-qume:secret`.
    let short = argument.strip_prefix('-').and_then(|letters| letters.find(['u', 'H']));
    match short {
        Some(at) if at + 2 == argument.len() => (argument, true),
        Some(at) => (format!("{}{REDACTED}", &argument[..at + 2]), false),
        None => (without_userinfo(&argument), false),
    }
}

/// Removes the userinfo of a URL.
fn without_userinfo(argument: &str) -> String {
    // A proxy may be given without a scheme: `--proxy=me:secret@host`.
    let before = match (argument.find("://"), argument.find('=')) {
        (Some(scheme), _) => scheme + 3,
        (None, Some(value)) if argument.starts_with("--") => value + 1,
        _ => 0,
    };
    let (before, rest) = argument.split_at(before);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let userinfo = authority.rfind('@').map_or("", |at| &authority[..=at]);
    let is_secret = before.ends_with("://") || userinfo.contains(':');
    format!("{before}{}", if is_secret { &rest[userinfo.len()..] } else { rest })
}

#[cfg(test)]
mod tests {
    use super::redact_arguments;

    #[test]
    fn credentials_and_header_values_are_redacted() {
        for (given, shown) in [
            ("get http://a.test/x", "get http://a.test/x"),
            ("get http://me:secret@a.test/x?y@z", "get http://a.test/x?y@z"),
            ("get http://me:sec@ret@a.test:81", "get http://a.test:81"),
            ("get -u me:secret x", "get -u … x"),
            ("get -qu me:secret x", "get -qu … x"),
            ("get -ume:secret x", "get -u… x"),
            ("get --user me:secret x", "get --user … x"),
            ("get --user=me:secret x", "get --user=… x"),
            ("get --user-agent me x", "get --user-agent me x"),
            ("get -H Cookie:secret --header=Cookie:secret", "get -H … --header=…"),
            ("get --proxy=http://me:secret@p:1 -d -", "get --proxy=http://p:1 -d -"),
            ("get --proxy=me:secret@p:1 --proxy me:secret@p", "get --proxy=p:1 --proxy p"),
            ("get -o a@b --dest=a@b", "get -o a@b --dest=a@b"),
            ("get -u", "get -u"),
        ] {
            let arguments = redact_arguments(given.split(' ').map(str::to_owned));
            assert_eq!(arguments.join(" "), shown, "{given}");
        }
    }
}
