//! Messages, progress and JSON, and text that must not appear in them.

use std::path::Path;

use serde_json::Value;

use crate::run::{Run, TestDirectory};
use crate::server::{Reply, Server};

#[test]
fn no_output_contains_a_password() {
    let server = Server::start(|request| match request.path.as_str() {
        "/redirect" => Reply::redirect(302, "http://you:hunter2@127.0.0.1:1/x"),
        "/missing" => Reply::status(404),
        "/cut" => Reply::ok(vec![0; 600_000]).field("ETag", "\"1\"").cut_after(400_000),
        _ => Reply::ok("x").field("ETag", "\"1\""),
    });
    let place = TestDirectory::new();
    let urls = ["/x", "/redirect", "/missing", "/cut"].map(|path| server.url_with_password(path));
    let mut list = urls.join("\n");
    list.push_str("\nhttp://user:hunter2@:99999999/\nhttp://user:hunter2@a.test/\t../x\n");
    let environment = [("RUST_LOG", "trace")];
    for arguments in [&["--json", "--retry", "1", "-N"][..], &["--dry-run"], &["--retry", "0"]] {
        let list_file = place.path("list");
        std::fs::write(&list_file, &list).expect("written");
        let mut command = place.command(arguments);
        let run: Run = command.arg("-i").arg(list_file).envs(environment).output().expect("the command runs").into();
        let stdout = String::from_utf8_lossy(&run.stdout);
        for text in [&run.stderr, &*stdout] {
            assert!(!text.contains("hunter2") && !text.contains("dXNlcjpodW50ZXIy"), "{text}");
        }
    }
    std::fs::remove_file(place.path("list")).expect("ours");
    assert!(place.names().contains(&"cut.part.json".to_owned()), "{:?}", place.names());
    for name in place.names() {
        assert!(!String::from_utf8_lossy(&place.read(&name)).contains("hunter2"), "{name}");
    }
}

#[test]
fn control_sequences_are_escaped_in_all_output() {
    let evil = "\x1b]0;owned\x07\u{202e}";
    let server = Server::start(move |request| match request.path.as_str() {
        "/location" => Reply::redirect(302, "ftp\u{202e}://x"),
        "/name" => Reply::ok("x").field("Content-Disposition", "attachment; filename*=UTF-8''a%1b%5b2Jb%E2%80%AE.txt"),
        _ => Reply::status(404),
    });
    let place = TestDirectory::new();
    let list = format!(
        "{}\n{}\n{}\nhttp://a.test/{evil}\n{}\n",
        server.url("/location"),
        server.url("/name"),
        server.url("/%1b%5b2J"),
        evil
    );
    for arguments in [&["-J"][..], &["--json"], &["--dry-run"], &["-J", "--progress", "bar"]] {
        let run = place.get_list(&list, arguments);
        let stdout = String::from_utf8_lossy(&run.stdout);
        for text in [&run.stderr, &*stdout] {
            let is_plain = |character: char| !character.is_control() || character == '\n';
            // Progress bars use control sequences, but never those of the server.
            let is_ours = arguments.contains(&"bar");
            assert!(is_ours || text.chars().all(is_plain), "{text:?}");
            assert!(!text.contains("\x1b]0") && !text.contains('\u{202e}') && !text.contains("\x1b[2Jb"), "{text:?}");
        }
    }
    assert_eq!(place.names(), ["a_[2Jb_.txt", "name"]);
}

#[test]
fn every_line_of_json_matches_the_schema() {
    let schema_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/get-json.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema_file).expect("the schema")).expect("JSON");
    let server = Server::start(|request| match (request.path.as_str(), request.earlier) {
        ("/retry", 0) => Reply::status(500),
        ("/redirect", _) => Reply::redirect(302, "/there"),
        ("/missing", _) => Reply::status(404),
        _ => Reply::ok("x").field("ETag", "\"1\""),
    });
    let place = TestDirectory::new();
    place.write("exists", "");
    let paths = ["/x", "/retry", "/redirect", "/missing", "/exists"];
    let mut list = paths.map(|path| server.url(path)).join("\n");
    list.push_str("\nnonsense\n");
    let run = place.get_list(&list, &["--json"]);
    let events = run.events();
    for event in ["start", "redirect", "retry", "done", "fail", "summary"] {
        assert!(events.contains_key(event), "{event} is not among {events:?}");
    }
    for line in run.lines() {
        let form = &schema["$defs"][line["event"].as_str().expect("a name")];
        let required: Vec<&str> =
            form["required"].as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect();
        let properties = form["properties"].as_object().expect("an object");
        let keys = line.as_object().expect("an object");
        assert!(required.iter().all(|&name| keys.contains_key(name)), "{line} has not all of {required:?}");
        for (key, value) in keys {
            let property = properties.get(key).unwrap_or_else(|| panic!("`{key}` of {line} is not in the schema"));
            assert!(fits(property, value, &schema), "`{key}` of {line} is not {property}");
        }
    }
    let done = run.lines().into_iter().find(|line| line["event"] == "done" && line["how"] == "saved").expect("one");
    assert_eq!(done["sha256"], "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
    assert_eq!(run.line("summary")["exit"], 2);
}

/// Checks a value against the parts of JSON Schema that the schema uses.
fn fits(property: &Value, value: &Value, schema: &Value) -> bool {
    if let Some(reference) = property["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        return fits(&schema["$defs"][name], value, schema);
    }
    if let Some(only) = property.get("const") {
        return only == value;
    }
    if let Some(choices) = property["enum"].as_array() {
        return choices.contains(value);
    }
    let is_of = |name: &Value| match name.as_str() {
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("object") => property["properties"].as_object().is_some_and(|properties| {
            value.as_object().is_some_and(|object| {
                object
                    .iter()
                    .all(|(key, value)| properties.get(key).is_some_and(|property| fits(property, value, schema)))
            })
        }),
        _ => false,
    };
    match &property["type"] {
        Value::Array(names) => names.iter().any(is_of),
        name => is_of(name),
    }
}

#[test]
fn a_dry_run_prints_the_plan_and_sends_no_request() {
    let server = Server::echo();
    let place = TestDirectory::new();
    let run = place.get(["--dry-run", &server.url("/a/x"), &server.url("/b/x")]);
    let printed = String::from_utf8(run.stdout.clone()).expect("UTF-8");
    let folder = place.folder().display();
    let expected = format!("{} -> {folder}/x\n{} -> {folder}/x.1\n", server.url("/a/x"), server.url("/b/x"));
    assert_eq!((run.code, printed), (Some(0), expected));
    assert!(server.requests().is_empty());
}

#[test]
fn the_shards_of_a_list_download_each_file_once() {
    let server = Server::echo();
    let list: String =
        (0..200).map(|number| format!("{}\n", server.url(&format!("/{}/x{}", number, number % 20)))).collect();
    let place = TestDirectory::new();
    for shard in ["1/3", "2/3", "3/3"] {
        place.get_list(&list, &["--shard", shard]).assert(0, "saved");
    }
    assert_eq!(place.names().len(), 200);
    assert_eq!(server.requests().len(), 200);
    let whole = TestDirectory::new();
    whole.get_list(&list, &[]).assert(0, "200 saved");
    for name in whole.names() {
        assert_eq!(whole.text(&name), place.text(&name), "{name}");
    }
}

#[test]
fn quiet_prints_only_errors() {
    let server = Server::start(|request| if request.path == "/x" { Reply::ok("x") } else { Reply::status(404) });
    let place = TestDirectory::new();
    assert_eq!(place.get(["-q", &server.url("/x")]).stderr, "");
    assert_eq!(place.get(["-q", &server.url("/y")]).stderr.lines().count(), 1);
}

#[test]
fn without_a_terminal_progress_is_one_line_per_second() {
    let server = Server::start(|_| Reply::ok("x").delay(std::time::Duration::from_millis(1500)));
    let run = TestDirectory::new().get(["--progress", "plain", &server.url("/x")]);
    run.assert(0, "0 of 1 files");
}

#[test]
fn messages_about_a_stream_do_not_speak_of_a_file_that_is_kept() {
    let server = Server::echo();
    let place = TestDirectory::new();
    let checksum = format!("sha256:{}", "0".repeat(64));
    let run = place.get(["-o", "-", "--checksum", &checksum, &server.url("/x")]);
    run.assert(6, "checksum mismatch");
    assert!(!run.stderr.contains("kept"), "{}", run.stderr);
    let run = place.get(["-o", "/dev/full", &server.url("/x")]);
    run.assert(3, "No space left");
    assert!(!run.stderr.contains("resume"), "{}", run.stderr);
    place.get(["--checksum", &checksum, &server.url("/x")]).assert(6, "kept as NAME.part");
}
