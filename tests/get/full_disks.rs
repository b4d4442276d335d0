//! A disk that is full at times while twenty files are downloaded: published files are correct, each part is the beginning of
//! its file, and all files are saved when there is space again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::run::{Run, TestDirectory, content};
use crate::server::{Reply, Server};

const FILES: usize = 20;

/// Returns the length of a file. The disk has 8 MiB; all files together have 6 MiB.
fn length_of(number: usize) -> usize {
    [40_000, 260_000, 300_000, 700_000, 220_000][number % 5]
}

/// The variable with the mount point, for the process that runs in the mount namespace.
const MOUNTED: &str = "GLASSLOOP_TEST_DISK";

#[test]
#[ignore = "takes a minute; needs a mount namespace (unshare). GLASSLOOP_ROUNDS makes it longer"]
fn a_disk_that_is_full_at_times_makes_no_file_wrong() {
    if let Some(disk) = std::env::var_os(MOUNTED) {
        let rounds = std::env::var("GLASSLOOP_ROUNDS").map_or(40, |rounds| rounds.parse().expect("a number"));
        return fill_and_empty(Path::new(&disk), rounds);
    }
    let place = TestDirectory::new();
    let disk = place.path("disk");
    fs::create_dir(&disk).expect("made");
    let script = format!(
        "mount -t tmpfs -o size=8m none {0} && exec {1} --exact --ignored --nocapture \
         full_disks::a_disk_that_is_full_at_times_makes_no_file_wrong",
        disk.display(),
        std::env::current_exe().expect("this program").display(),
    );
    let mut unshare = Command::new("unshare");
    let status = unshare.args(["-Urm", "sh", "-c", &script]).env(MOUNTED, &disk).status().expect("unshare runs");
    assert!(status.success());
}

fn fill_and_empty(disk: &Path, rounds: usize) {
    let files: Arc<Vec<Vec<u8>>> =
        Arc::new((0..FILES).map(|number| content(number as u64, length_of(number))).collect());
    let served = files.clone();
    let server = Server::start(move |request| {
        let number: usize = request.path[1..].parse().expect("a number");
        Reply::file(request, &served[number], &format!("\"{number}\"")).rate(32 * 1024)
    });
    let urls: Vec<String> = (0..FILES).map(|number| server.url(&format!("/{number}"))).collect();
    let (mut full, mut whole) = (0, 0);
    for round in 0..rounds {
        let directory = disk.join(format!("round{round}"));
        let get = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_glassloop"));
            command.args(["get", "-q", "-j", "20", "--per-host", "20", "--dest"]).arg(&directory).args(&urls);
            Run::from(command.env("no_proxy", "*").output().expect("the command runs"))
        };
        for _ in 0..2 {
            let run = with_ballast(&disk.join("ballast"), round, get);
            assert!(run.code == Some(0) || run.stderr.contains("No space left"), "round {round}: {}", run.stderr);
            full += usize::from(run.code != Some(0));
            whole += check(&directory, &files);
        }
        get().assert(0, "");
        assert_eq!(check(&directory, &files), FILES, "round {round}");
        assert_eq!(fs::read_dir(&directory).expect("it is there").count(), FILES, "round {round}");
        fs::remove_dir_all(&directory).expect("removed");
    }
    println!("{rounds} rounds: {full} of {} runs met a full disk; {whole} files came before it had room", 2 * rounds);
    assert!(full > rounds / 4);
}

/// Calls `run` while another thread repeatedly fills the disk with a file and removes it.
fn with_ballast<R>(ballast: &PathBuf, seed: usize, run: impl FnOnce() -> R) -> R {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut step = seed;
            while !is_over.load(Ordering::Relaxed) {
                step += 7;
                let _the_disk_is_full = fs::write(ballast, vec![0; 8 << 20]);
                std::thread::sleep(Duration::from_millis(step as u64 % 5));
                fs::remove_file(ballast).expect("it is there");
                std::thread::sleep(Duration::from_millis(step as u64 % 11));
            }
        });
        let result = run();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

/// Returns the number of published files. Each must be correct, and each part must be the beginning of its file.
fn check(directory: &Path, files: &[Vec<u8>]) -> usize {
    let read = |name: String| fs::read(directory.join(name)).ok();
    let mut whole = 0;
    for (number, file) in files.iter().enumerate() {
        if let Some(found) = read(number.to_string()) {
            assert!(found == *file, "{number} has {} bytes of {}", found.len(), file.len());
            whole += 1;
        }
        assert!(read(format!("{number}.part")).is_none_or(|part| file.starts_with(&part)), "the part of {number}");
    }
    whole
}
