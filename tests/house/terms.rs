//! Terms that were replaced by those of the field do not come back.

use super::project::Project;

/// What is searched for, in lower case and as whole words; what to say instead; and paths in which it is right.
const REPLACED: &[(&str, &str, &[&str])] = &[
    ("may heal", "\"transient\"", &[]),
    ("last words", "\"close_notify\"", &[]),
    ("says not now", "\"a host that answers 429 or 503\"", &[]),
    ("a machine without a clock", "\"sans-I/O\"", &[]),
    ("farewell", "\"close_notify\"", &[]),
    ("strange hands", "\"external wakers\"", &[]),
    ("agreeing on tls", "\"TLS handshake\"", &[]),
    ("unasked", "\"unexpected\", \"unsolicited\"", &[]),
    ("can be true", "\"consistent\"", &[]),
    ("has news", "\"has a readiness event\"", &[]),
    ("tell!", "`emit!`", &[]),
    ("note_waiting", "`set_wait_reason`", &[]),
    ("verdict", "\"deadlock detection\", \"outcome\"", &[]),
    ("believe", "\"verify\", \"trust\"", &[]),
    ("believes", "\"verifies\", \"trusts\"", &[]),
    ("hear", "\"receive\", \"drain\"", &[]),
    ("hears", "\"receives\"", &[]),
    ("heard", "\"received\"", &[]),
    ("told", "\"set\", \"notified\", \"reported\"", &[]),
    ("whoever", "the caller or the part that is meant", &[]),
    ("whom", "the part that is meant", &[]),
    ("nobody", "\"no task\", \"no thread\", \"nothing\"", &[]),
    ("somebody", "the part that is meant", &[]),
    ("anew", "\"again\"", &[]),
    ("be it", "\"whether\", \"even if\"", &[]),
    ("trouble", "\"error\"", &[]),
    ("heal", "\"succeed when retried\"", &[]),
    ("adds up to", "\"has the SHA-256\"", &[]),
    ("goodbye", "\"close_notify\"", &[]),
    ("spilled", "\"pending plaintext\"", &[]),
    ("promised", "\"pending write\", \"announced\"", &[]),
    ("abandonable", "\"cancellable\"", &[]),
    ("listening()", "`is_observed()`", &[]),
    ("put_stage", "`install_observer`", &[]),
    ("stateful", "`TracedState`", &[]),
    ("holdid", "a registration id", &[]),
    ("pool_room", "`pool_queue_capacity`", &[]),
    ("in_one_word", "`as_str`", &[]),
    ("wait::never", "`Deadlocked`", &[]),
    ("wait::not", "`Zero`", &[]),
];

fn check(project: &Project, replaced: &[(&str, &str, &[&str])]) -> Vec<String> {
    let mut complaints = Vec::new();
    let is_searched = |path: &str| !path.starts_with("tests/");
    for file in project.files.iter().filter(|file| is_searched(&file.path)) {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            for (term, instead, allowed) in replaced {
                if has_words(&line, term) && !allowed.iter().any(|path| file.path.starts_with(path)) {
                    complaints.push(format!("{}:{}: `{term}`: say {instead}", file.path, number + 1));
                }
            }
        }
    }
    complaints
}

/// Whether the line contains the term with nothing that continues a word on either side.
fn has_words(line: &str, term: &str) -> bool {
    let continues = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(term)
        .any(|(at, _)| !continues(line[..at].chars().next_back()) && !continues(line[at + term.len()..].chars().next()))
}

#[test]
fn no_replaced_term_is_used() {
    super::assert_kept(&check(&Project::read(), REPLACED));
}

#[test]
fn a_replaced_term_is_found_as_a_word_and_nowhere_else() {
    let replaced: &[(&str, &str, &[&str])] = &[("verdict", "\"deadlock detection\"", &["docs/history.md"])];
    let complaints = |path, text| check(&Project::of(&[(path, text)]), replaced);
    super::assert_found(
        &complaints("src/a.rs", "//! x\n// The Verdict.\n"),
        &["src/a.rs:2", "say \"deadlock detection\""],
    );
    super::assert_kept(&complaints("src/a.rs", "let verdicts = 1;\n"));
    super::assert_kept(&complaints("docs/history.md", "the verdict\n"));
}
