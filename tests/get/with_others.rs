//! Tests with other programs: GNU parallel runs shards of a list, nginx serves ten thousand files, tinyproxy is the proxy.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::run::Run;
use crate::run::{TestDirectory, content};
#[cfg(feature = "tls")]
use crate::server::Reply;
use crate::server::Server;

#[test]
#[ignore = "needs GNU parallel"]
fn four_shards_under_gnu_parallel_download_each_url_once() {
    let server = Server::echo();
    let place = TestDirectory::new();
    let list: String = (0..1000).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let list_file = TestDirectory::new();
    list_file.write("list", list);
    let script = format!(
        "{} get -q -i {} -d {} --shard {{}}/4",
        env!("CARGO_BIN_EXE_glassloop"),
        list_file.path("list").display(),
        place.folder().display()
    );
    let status =
        Command::new("parallel").args(["-j4", &script, ":::", "1", "2", "3", "4"]).env("no_proxy", "*").status();
    assert!(status.expect("parallel runs (Debian: parallel)").success());
    assert_eq!(place.names().len(), 1000);
    assert!((0..1000).all(|number| server.count(&format!("/{number}")) == 1));
}

/// A program that is killed at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

fn wait_until_somebody_listens(port: u16) {
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        // Another program is starting, so there is no event to wait for.
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs nginx"]
fn ten_thousand_files_are_downloaded_from_nginx_and_no_descriptor_leaks() {
    let (root, place) = (TestDirectory::new(), TestDirectory::new());
    for number in 0..10_000 {
        root.write(&format!("f{number}"), content(number, 100 + number as usize % 2000));
    }
    let port = free_port();
    let own = TestDirectory::new();
    let here = own.folder().display();
    own.write(
        "nginx.conf",
        format!(
            "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;
             events {{ worker_connections 512; }}
             http {{ access_log off; client_body_temp_path {here}/1; proxy_temp_path {here}/2;
                     fastcgi_temp_path {here}/3; uwsgi_temp_path {here}/4; scgi_temp_path {here}/5;
                     server {{ listen 127.0.0.1:{port}; root {}; }} }}",
            root.folder().display()
        ),
    );
    let nginx = Command::new("nginx").arg("-c").arg(own.path("nginx.conf")).stderr(Stdio::null()).spawn();
    let _nginx = Running(nginx.expect("nginx runs (Debian: nginx-light)"));
    wait_until_somebody_listens(port);
    let list: String = (0..10_000).map(|number| format!("http://127.0.0.1:{port}/f{number}\n")).collect();
    own.write("list", list);
    // With so few descriptors, even a few leaks would be noticed.
    let script = format!(
        "ulimit -n 200; exec {} get -q -i {here}/list -d {} -j 64 --per-host 64",
        env!("CARGO_BIN_EXE_glassloop"),
        place.folder().display()
    );
    let output = Command::new("sh").args(["-c", &script]).env("no_proxy", "*").output().expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for number in 0..10_000 {
        let name = format!("f{number}");
        assert!(place.read(&name) == root.read(&name), "{name}");
    }
}

#[cfg(feature = "tls")]
#[test]
#[ignore = "needs tinyproxy"]
fn http_and_https_requests_go_through_tinyproxy_only_with_the_right_password() {
    let authority = crate::certificates::Authority::new("the authority");
    let secured =
        crate::tls::start_secured(&authority.issue(&["127.0.0.1"], |_| {}), |_| Reply::ok(content(1, 700_000)));
    let plain = Server::start(|_| Reply::ok(content(2, 700_000)));
    let (own, port) = (TestDirectory::new(), free_port());
    own.write("tinyproxy.conf", format!("Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me geheim\n"));
    own.write("ca.pem", authority.pem());
    let mut tinyproxy = Command::new("tinyproxy");
    let tinyproxy = tinyproxy.arg("-d").arg("-c").arg(own.path("tinyproxy.conf"));
    let tinyproxy = tinyproxy.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _tinyproxy = Running(tinyproxy.expect("tinyproxy runs (Debian: tinyproxy-bin)"));
    wait_until_somebody_listens(port);
    let ca = own.path("ca.pem").into_os_string().into_string().expect("UTF-8");
    let get = |password: &str, urls: &[String]| {
        let place = TestDirectory::new();
        let mut command = place.command(["--retry", "0", "--cacert", &ca]);
        let proxy = format!("http://me:{password}@127.0.0.1:{port}");
        let output = command.args(urls).env("http_proxy", &proxy).env("https_proxy", &proxy).output();
        (place, Run::from(output.expect("the command runs")))
    };
    let urls: Vec<String> =
        (0..20).map(|number| if number % 2 == 0 { &plain } else { &secured }.url(&format!("/{number}"))).collect();
    let (place, run) = get("geheim", &urls);
    run.assert(0, "20 saved");
    for number in 0..20 {
        assert!(place.read(&number.to_string()) == content(2 - number % 2, 700_000), "{number}");
    }
    assert!(plain.requests().iter().all(|head| head.to_lowercase().contains("via:")), "{:?}", plain.requests());
    get("falsch", &urls[..1]).1.assert(1, "1 failed");
    get("falsch", &urls[1..2]).1.assert(4, "requesting a tunnel");
}
