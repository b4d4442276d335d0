//! The command line as it may be written down: without passwords.
//!
//! A recording is given to others. What follows `-u` or `-H`, as many programs call a user's name and password and a
//! field of a request, is left out, and so is what stands before the `@` of a URL. Rather too much than too little.

/// What is written in the place of a secret.
const HIDDEN: &str = "…";

/// The arguments without what may be a secret.
pub(super) fn without_secrets(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut follows_secret = false;
    arguments
        .map(|argument| {
            let (shown, is_next_secret) = match follows_secret {
                true => (HIDDEN.to_owned(), false),
                false => shown(argument),
            };
            follows_secret = is_next_secret;
            shown
        })
        .collect()
}

/// One argument, and whether the one behind it is a secret.
fn shown(argument: String) -> (String, bool) {
    let names_secret = |name: &str| matches!(name, "user" | "header");
    if let Some(long) = argument.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, _)) if names_secret(name) => (format!("--{name}={HIDDEN}"), false),
            _ => (without_userinfo(&argument), names_secret(long)),
        };
    }
    // Short ones may stand together, with the value behind the last: `-qume:secret`.
    let short = argument.strip_prefix('-').and_then(|letters| letters.find(['u', 'H']));
    match short {
        Some(at) if at + 2 == argument.len() => (argument, true),
        Some(at) => (format!("{}{HIDDEN}", &argument[..at + 2]), false),
        None => (without_userinfo(&argument), false),
    }
}

fn without_userinfo(argument: &str) -> String {
    // A proxy may be named without a scheme: `--proxy=me:secret@host`.
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
    use super::without_secrets;

    #[test]
    fn what_may_be_a_secret_is_left_out() {
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
            let arguments = without_secrets(given.split(' ').map(str::to_owned));
            assert_eq!(arguments.join(" "), shown, "{given}");
        }
    }
}
