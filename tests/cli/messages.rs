//! All messages of the command line about invalid input, in one list: they can be read in one go, and are in one style.
//!
//! A message is one line: `glassloop: what is wrong; what to do`. If something failed for a reason outside the program, the
//! reason follows a colon.

use std::fs;
use std::net::TcpListener;

use crate::{run, stderr};

/// What is typed, and the message. `PORT` is a port that is in use.
const MESSAGES: &[(&str, &str)] = &[
    // All commands.
    ("frobnicate", "unknown command `frobnicate`; see `glassloop --help`"),
    ("flag", "unknown command `flag`; did you mean `flags`?"),
    ("http://a.test/", "a URL is not a command; use `glassloop get URL`"),
    ("--frobnicate", "unknown option `--frobnicate`; see `glassloop --help`"),
    ("flags --frobnicate", "unknown option `--frobnicate`; see `glassloop flags --help`"),
    ("flags --server", "`--server <LABEL>` needs a value; see `glassloop flags --help`"),
    (
        "flags --trace run.txt",
        "invalid value `run.txt` for `--trace <FILE>`: run.txt: the name of a recording ends in .jsonl, .json or .html; see `glassloop flags --help`",
    ),
    (
        "flags --explain --turns 7..3",
        "invalid value `7..3` for `--turns <N..M>`: expected a range of turns, such as 3, 3..7 or 3..",
    ),
    ("flags --turns 3", "`--explain` is missing; see `glassloop flags --help`"),
    (
        "flags --slow-poll x",
        "invalid value `x` for `--slow-poll <MS>`: invalid digit found in string; see `glassloop flags --help`",
    ),
    // flags
    (
        "flags BRA",
        "`BRA` is not a country code; use two letters (BR), or one letter for all codes that begin with it (B)",
    ),
    ("flags -a -e", "`--all` cannot be combined with `--every`; leave one of them out"),
    ("flags -a BR", "`--all` cannot be combined with `[CC]...`; leave one of them out"),
    ("flags -l 0", "invalid value `0` for `--limit <N>`: 0 is not in 1..=65535; see `glassloop flags --help`"),
    (
        "flags -m 1001",
        "invalid value `1001` for `--max-req <N>`: 1001 is not in 1..=1000; see `glassloop flags --help`",
    ),
    ("flags -s NEAR", "`NEAR` is not valid for `--server <LABEL>`; use one of LOCAL, DELAY, ERROR, REMOTE"),
    ("flags --save both", "`both` is not valid for `--save <WHERE>`; use one of pool, inline"),
    (
        "flags --base-url flags",
        "invalid value `flags` for `--base-url <URL>`: relative URL without a base; expected a URL such as http://127.0.0.1:8000/flags",
    ),
    (
        "flags --base-url ftp://a.test",
        "invalid value `ftp://a.test` for `--base-url <URL>`: `ftp:` is not supported; use an http:// URL",
    ),
    (
        "flags --base-url http:///x",
        "invalid value `http:///x` for `--base-url <URL>`: it has no host; expected a URL such as http://127.0.0.1:8000/flags",
    ),
    (
        "flags --base-url http://a.test/?x",
        "invalid value `http://a.test/?x` for `--base-url <URL>`: it must not have a query or fragment, because /cc/cc.gif is appended to it; see `glassloop flags --help`",
    ),
    (
        "flags --base-url http://a.test -s LOCAL",
        "`--base-url <URL>` cannot be combined with `--server <LABEL>`; leave one of them out",
    ),
    // get
    ("get", "no URL is given; add one, or a list with -i FILE"),
    ("get -", "`-` is not a URL; use -o - for standard output, or -i - to read URLs from standard input"),
    ("get 16", "`16` is not a URL; if it is the value of an option, see `glassloop get --help`"),
    ("get file", "`file` is a file; use -i file to read URLs from it, or http://file for a host"),
    ("get -i", "`--input <FILE>` needs a value; see `glassloop get --help`"),
    ("get -i none", "opening the list none: No such file or directory (os error 2)"),
    ("get -i .", "the list . is a directory; use -i with a file"),
    ("get --step -i -", "--step and -i - cannot both read standard input; put the list in a file"),
    (
        "get -o x a.test/1 a.test/2",
        "--output and --checksum need exactly one URL; in a list, use the columns for the name and the checksum",
    ),
    ("get -o x -i file", "`--output <NAME>` cannot be combined with `--input <FILE>`; leave one of them out"),
    ("get -o . a.test", "./. is a directory; use -o with the name of a file, or --dest"),
    ("get -o x/ a.test", "-o needs the name of a file; for a directory use --dest"),
    (
        "get -o .glassloop-validators a.test",
        ".glassloop-validators is reserved for glassloop's own files; use -o with another name",
    ),
    ("get --json -o - a.test", "--json and -o - cannot both write to standard output; leave one of them out"),
    ("get -j 0 a.test", "invalid value `0` for `--jobs <N>`: 0 is not in 1..=65535; see `glassloop get --help`"),
    (
        "get --retry x a.test",
        "invalid value `x` for `--retry <N>`: invalid digit found in string; see `glassloop get --help`",
    ),
    (
        "get --retry-on 200 a.test",
        "invalid value `200` for `--retry-on <LIST>`: 200 is not in 400..600; see `glassloop get --help`",
    ),
    ("get --max-time 0 a.test", "invalid value `0` for `--max-time <S>`: expected a number of seconds above 0"),
    (
        "get --max-time soon a.test",
        "invalid value `soon` for `--max-time <S>`: expected a number of seconds, such as 2.5",
    ),
    (
        "get --limit-rate fast a.test",
        "invalid value `fast` for `--limit-rate <BYTES>`: the unit must be k, m or g; see `glassloop get --help`",
    ),
    (
        "get --limit-rate k a.test",
        "invalid value `k` for `--limit-rate <BYTES>`: expected a number of bytes, such as 500k",
    ),
    ("get --overwrite x a.test", "`x` is not valid for `--overwrite <WHEN>`; use one of never, newer, always"),
    ("get --fsync x a.test", "`x` is not valid for `--fsync <WHAT>`; use one of none, file, full"),
    ("get --progress x a.test", "`x` is not valid for `--progress <HOW>`; use one of auto, bar, plain, none"),
    ("get -H x a.test", "invalid value for `--header <FIELD>`: expected `Name: value`"),
    (
        "get -H Range:x a.test",
        "invalid value for `--header <FIELD>`: this header cannot be overridden; see `glassloop get --help`",
    ),
    (
        "get -H \u{e4}:x a.test",
        "invalid value for `--header <FIELD>`: the header name contains an invalid character; see `glassloop get --help`",
    ),
    (
        "get -A \t a.test",
        "invalid value `\\u{9}` for `--user-agent <NAME>`: it contains a control character; see `glassloop get --help`",
    ),
    ("get -u secret a.test", "invalid value for `--user <USER:PASS>`: expected USER:PASS"),
    ("get --shard 3/2 a.test", "invalid value `3/2` for `--shard <K/N>`: expected K/N with K from 1 to N, such as 1/4"),
    (
        "get --checksum md5:x a.test",
        "invalid value `md5:x` for `--checksum <sha256:HEX>`: invalid checksum; expected `sha256:` and 64 hexadecimal digits",
    ),
    (
        "get --resolve a.test a.test",
        "invalid value `a.test` for `--resolve <H:P:ADDR>`: expected HOST:PORT:ADDR, such as example.org:80:127.0.0.1",
    ),
    (
        "get --resolve a.test:80:b.test a.test",
        "invalid value `a.test:80:b.test` for `--resolve <H:P:ADDR>`: expected an IP address, such as 127.0.0.1 or [::1]",
    ),
    ("get -x 16 a.test", "`16` is not a proxy; use -x as in curl, or --per-host 16 for 16 connections per host"),
    // Habits from other programs.
    ("get -I a.test", "unknown option `-I`; use --spider to send HEAD requests, and --json to print the status"),
    ("get -X POST a.test", "unknown option `-X`; only GET requests are sent, and HEAD requests with --spider"),
    ("get -F a=b a.test", "unknown option `-F`; this program only downloads"),
    ("get -C - a.test", "unknown option `-C`; resuming is the default, and --no-continue starts over"),
    ("get -t 3 a.test", "unknown option `-t`; use --retry N"),
    ("get -m 3 a.test", "unknown option `-m`; use --max-time S"),
    ("get -r a.test", "unknown option `-r`; use -i LIST: links are not followed"),
    ("get -nc a.test", "unknown option `-n`; existing files are never replaced, unless --overwrite is given"),
    ("get -b a=b a.test", "unknown option `-b`; use -H 'Cookie: NAME=VALUE'"),
    ("get --split 4 a.test", "unknown option `--split`; use --per-host N"),
    ("get --no-check-certificate a.test", "unknown option `--no-check-certificate`; use --insecure"),
    ("get -O name a.test", "-O takes no file name, as in curl; use -o name"),
    ("get -qO- a.test", "-O takes no file name, as in curl; use -o -"),
    // serve
    ("serve none", "cannot serve none: No such file or directory (os error 2); use a readable directory"),
    (
        "serve 8000",
        "cannot serve 8000: No such file or directory (os error 2); for a port, use `glassloop serve . -p 8000`",
    ),
    ("serve . more", "unexpected argument `more`; see `glassloop serve --help`"),
    ("serve -p", "`--port <PORT>` needs a value; see `glassloop serve --help`"),
    (
        "serve -p 8080",
        "-p and --index need a directory; use `glassloop serve . -p PORT`, or --ports A,B,C for the flags",
    ),
    (
        "serve --index",
        "-p and --index need a directory; use `glassloop serve . -p PORT`, or --ports A,B,C for the flags",
    ),
    (
        "serve . -p PORT",
        "cannot listen on 127.0.0.1:PORT: Address already in use (os error 98); stop the program that uses the port, or choose another port with -p",
    ),
    (
        "serve . --bind 192.0.2.1",
        "cannot listen on 192.0.2.1:8000: Cannot assign requested address (os error 99); choose an address of this computer with --bind",
    ),
    ("serve . --ports 1,2,3", "`[DIR]` cannot be combined with `--ports <A,B,C>`; leave one of them out"),
    (
        "serve --ports 1,2",
        "invalid value `1,2` for `--ports <A,B,C>`: expected three ports, such as 8001,8002,8003 (0 selects a free one)",
    ),
    (
        "serve --bind x",
        "invalid value `x` for `--bind <ADDR>`: invalid IP address syntax; see `glassloop serve --help`",
    ),
    (
        "serve --delay x",
        "invalid value `x` for `--delay <S|MIN..MAX>`: expected seconds from 0 to 3600, such as 0.5, or a range such as 0.1..2",
    ),
    (
        "serve --error-rate 3",
        "invalid value `3` for `--error-rate <P>`: expected a probability from 0 to 1, such as 0.25",
    ),
    ("serve --error-status 200", "invalid value `200` for `--error-status <N>`: expected a status from 400 to 599"),
    (
        "serve --rate 0",
        "invalid value `0` for `--rate <BYTES>`: expected a number of bytes above 0, such as 50000 or 64k",
    ),
    (
        "serve --max-conns 0",
        "invalid value `0` for `--max-conns <N>`: 0 is not in 1..=1000000; see `glassloop serve --help`",
    ),
    // trace, completions and man
    ("trace explain", "`<FILE.jsonl>` is missing; see `glassloop trace explain --help`"),
    ("trace explain none", "opening none: No such file or directory (os error 2); --trace FILE.jsonl records a run"),
    (
        "trace explain file",
        "file: line 1: not a glassloop recording; expected a .jsonl file made with --trace FILE.jsonl",
    ),
    (
        "trace check page.html",
        "page.html is a replay page, not a recording; pass the .jsonl file that it was made from",
    ),
    ("trace frobnicate", "unknown command `frobnicate`; see `glassloop trace --help`"),
    ("completions", "`<SHELL>` is missing; see `glassloop completions --help`"),
    ("completions dos", "`dos` is not valid for `<SHELL>`; use one of bash, elvish, fish, powershell, zsh"),
    ("man frobnicate", "there is no command `frobnicate`; see `glassloop --help`"),
];

#[test]
fn every_message_is_one_line_in_the_same_style() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("file"), "").expect("written");
    fs::write(directory.path().join("page.html"), "<!doctype html>\n").expect("written");
    let used = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = used.local_addr().expect("its address").port().to_string();
    let mut differences = String::new();
    for (typed, message) in MESSAGES {
        let typed = typed.replace("PORT", &port);
        let output = run(directory.path(), &typed.split(' ').collect::<Vec<_>>());
        // A placeholder for a port in an advice stays as it is.
        let is_placeholder = message.contains("-p PORT") || message.contains("<PORT>");
        let message = if is_placeholder { (*message).to_owned() } else { message.replace("PORT", &port) };
        // Here, too: `HOST:PORT:ADDR`.
        let message = message.replace(&format!(":{port}:ADDR"), ":PORT:ADDR");
        let printed = stderr(&output);
        if printed != format!("glassloop: {message}\n") {
            differences.push_str(&format!("{typed}\n  expected: glassloop: {message}\n  printed:  {printed}"));
        }
        assert!(matches!(output.status.code(), Some(1..=3)) && output.stdout.is_empty(), "{typed}");
    }
    assert!(differences.is_empty(), "{differences}");
}
