//! Imports point one way, from higher layers to lower ones, and not in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::project::{File, Project};

/// The layers, lowest first. A file may use its own layer and lower ones, which are listed before it; neighbours in one line do not
/// use each other unless the list of `FRIENDS` says so.
const LAYERS: &[&[&str]] = &[
    &["table"],
    &["observe"],
    &["sync", "wheel"],
    &["event_loop"],
    &["futures", "net"],
    &["http"],
    &["download"],
    &["flags", "trace"],
    &["cli"],
];

/// Connecting to one of several addresses is a race against a timer.
const FRIENDS: &[(&str, &str)] = &[("net", "futures")];

/// Cycles between files that are there today. New ones are not allowed.
const FILE_CYCLES: &[&[&str]] = &[&["src/event_loop/core.rs", "src/event_loop/current.rs", "src/event_loop/task.rs"]];

type Graph = BTreeMap<String, BTreeSet<String>>;

/// No import from a higher layer.
fn check_layers(project: &Project) -> Vec<String> {
    let layer = |name: &str| LAYERS.iter().position(|layer| layer.contains(&name));
    let mut complaints = BTreeSet::new();
    for file in project.sources("src/").filter(|file| !file.is_test()) {
        let own = module(&file.path).first().cloned().unwrap_or_default();
        let Some(from) = layer(&own) else { continue };
        for used in uses(file) {
            let Some(to) = used.first().and_then(|name| layer(name)) else { continue };
            let is_friend = FRIENDS.contains(&(own.as_str(), used[0].as_str()));
            if to > from || (to == from && used[0] != own && !is_friend) {
                complaints.insert(format!(
                    "{}: `{own}` may not use `{}`, which is not below it: move what it needs down, or pass it in",
                    file.path, used[0]
                ));
            }
        }
    }
    complaints.into_iter().collect()
}

/// No cycle between folders that lie side by side.
fn check_folder_cycles(project: &Project) -> Vec<String> {
    let mut graph = Graph::new();
    for (from, to) in edges(project) {
        let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
        let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
        // Both are folders below the common one: a file's own name is the last part.
        if from.len() > common + 1 && to.len() > common + 1 {
            graph.entry(from[..=common].join("/")).or_default().insert(to[..=common].join("/"));
        }
    }
    let complain =
        |cycle: &BTreeSet<String>| format!("a cycle between folders: {}: move what they share below both", join(cycle));
    cycles(&graph).iter().map(complain).collect()
}

/// No cycle between files but those that are listed.
fn check_file_cycles(project: &Project, known: &[&[&str]]) -> Vec<String> {
    let mut graph = Graph::new();
    for (from, to) in edges(project) {
        // A folder's `mod.rs` names its parts and is named by them.
        if !from.ends_with("/mod.rs") && !to.ends_with("/mod.rs") && from != to {
            graph.entry(from).or_default().insert(to);
        }
    }
    let is_known = |cycle: &&BTreeSet<String>| {
        known.iter().any(|known| known.len() == cycle.len() && known.iter().all(|path| cycle.contains(*path)))
    };
    let complain =
        |cycle: &BTreeSet<String>| format!("a cycle between files: {}: one of them has two subjects", join(cycle));
    cycles(&graph).iter().filter(|cycle| !is_known(cycle)).map(complain).collect()
}

fn join(cycle: &BTreeSet<String>) -> String {
    cycle.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Which file uses which.
fn edges(project: &Project) -> Vec<(String, String)> {
    let files: BTreeSet<&str> = project.sources("src/").map(|file| file.path.as_str()).collect();
    let mut edges = Vec::new();
    for file in project.sources("src/").filter(|file| !file.is_test()) {
        for used in uses(file) {
            if let Some(path) = file_of(&files, &used) {
                edges.push((file.path.clone(), path));
            }
        }
    }
    edges
}

/// The file in which the longest known part of a module path lies.
fn file_of(files: &BTreeSet<&str>, used: &[String]) -> Option<String> {
    (1..=used.len()).rev().find_map(|length| {
        let stem = format!("src/{}", used[..length].join("/"));
        [format!("{stem}.rs"), format!("{stem}/mod.rs")].into_iter().find(|path| files.contains(path.as_str()))
    })
}

/// `src/http/client/pool.rs` is `http`, `client`, `pool`.
fn module(path: &str) -> Vec<String> {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    stem.split('/').map(str::to_owned).collect()
}

/// The paths below the crate that a file names in its code, outside its tests.
fn uses(file: &File) -> Vec<Vec<String>> {
    let own = module(&file.path);
    let code: Vec<&str> = file.lines().into_iter().map(|line| line.split("//").next().unwrap_or("")).collect();
    let mut used = Vec::new();
    for statement in code.join("\n").split(';') {
        for (start, _) in statement.match_indices("crate::").chain(statement.match_indices("super::")) {
            let is_inside = statement[..start].ends_with("super::") || statement[..start].ends_with('$');
            if !is_inside {
                used.extend(expand(&statement[start..]).into_iter().filter_map(|path| absolute(&own, &path)));
            }
        }
    }
    used
}

/// `a::{b, c::{d, e}} …` is `a::b`, `a::c::d` and `a::c::e`.
fn expand(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    let path: Vec<String> = head.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if !head.ends_with("::") || !rest.starts_with('{') {
        return vec![path];
    }
    members(rest)
        .iter()
        .flat_map(|member| expand(member))
        .map(|tail| path.iter().cloned().chain(tail).collect())
        .collect()
}

/// The members of a list in braces that `text` begins with.
fn members(text: &str) -> Vec<String> {
    let (mut depth, mut member, mut all) = (0, String::new(), Vec::new());
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            all.push(std::mem::take(&mut member).trim().to_owned());
        } else if !(depth == 1 && c == '{') {
            member.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    all.retain(|member| !member.is_empty());
    all
}

/// A path below the crate, given where it is written.
fn absolute(own: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    if ups == 0 {
        return Some(path.get(1..)?.to_vec());
    }
    let base = own.get(..own.len().checked_sub(ups)?)?;
    Some(base.iter().chain(&path[ups..]).cloned().collect())
}

/// Sets of nodes that reach each other.
fn cycles(graph: &Graph) -> Vec<BTreeSet<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph.keys().map(|node| (node, reachable(graph, node))).collect();
    let mut found: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for (node, others) in &reach {
        let back = others.iter().filter(|other| reach.get(**other).is_some_and(|its| its.contains(node)));
        let cycle: BTreeSet<String> = back.map(|other| (*other).clone()).collect();
        if cycle.len() > 1 {
            found.insert(cycle);
        }
    }
    found.into_iter().collect()
}

fn reachable<'a>(graph: &'a Graph, from: &'a String) -> BTreeSet<&'a String> {
    let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
    while let Some(node) = todo.pop() {
        for next in graph.get(node).into_iter().flatten() {
            if seen.insert(next) {
                todo.push(next);
            }
        }
    }
    seen
}

#[test]
fn no_layer_uses_a_higher_one() {
    super::assert_kept(&check_layers(&Project::read()));
}

#[test]
fn folders_do_not_use_each_other_in_circles() {
    super::assert_kept(&check_folder_cycles(&Project::read()));
}

#[test]
fn files_do_not_use_each_other_in_circles() {
    super::assert_kept(&check_file_cycles(&Project::read(), FILE_CYCLES));
}

#[test]
fn a_use_of_a_higher_layer_is_found() {
    for text in
        ["use crate::http::Client;\n", "fn a() { crate::http::get() }\n", "use crate::{\n    http::{A, B},\n};\n"]
    {
        super::assert_found(&check_layers(&Project::of(&[("src/net/dns.rs", text)])), &["src/net/dns.rs", "`http`"]);
    }
    let within = [(
        "src/http/client/pool.rs",
        "use crate::net::TcpStream; // unlike crate::cli\nuse super::super::proto::Head;\n",
    )];
    super::assert_kept(&check_layers(&Project::of(&within)));
}

#[test]
fn a_cycle_between_folders_is_found() {
    let one = ("src/http/client/a.rs", "use crate::http::server::b::B;\n");
    let project = Project::of(&[one, ("src/http/server/b.rs", "use super::super::client::a::A;\n")]);
    super::assert_found(&check_folder_cycles(&project), &["src/http/client, src/http/server"]);
    super::assert_kept(&check_folder_cycles(&Project::of(&[one, ("src/http/server/b.rs", "use super::c::C;\n")])));
}

#[test]
fn a_cycle_between_files_is_found_unless_it_is_known() {
    let files = [
        ("src/a/one.rs", "use super::{two::Two, mod_only};\n"),
        ("src/a/two.rs", "use super::three::Three;\n"),
        ("src/a/three.rs", "use crate::a::one::One;\n"),
    ];
    let project = Project::of(&files);
    super::assert_found(&check_file_cycles(&project, &[]), &["src/a/one.rs, src/a/three.rs, src/a/two.rs"]);
    super::assert_kept(&check_file_cycles(&project, &[&["src/a/one.rs", "src/a/two.rs", "src/a/three.rs"]]));
    super::assert_kept(&check_file_cycles(&Project::of(&files[..2]), &[]));
}
