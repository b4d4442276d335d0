//! Beside other programs: GNU parallel shares a list out, nginx serves ten thousand files.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::run::{Place, content};
use crate::server::Server;

#[test]
#[ignore = "needs GNU parallel"]
fn four_shards_under_gnu_parallel_fetch_each_url_once() {
    let server = Server::echo();
    let place = Place::new();
    let list: String = (0..1000).map(|number| format!("{}\n", server.url(&format!("/{number}")))).collect();
    let list_file = Place::new();
    list_file.write("list", list);
    let script = format!(
        "{} get -q -i {} -d {} --shard {{}}/4",
        env!("CARGO_BIN_EXE_glassloop"),
        list_file.path("list").display(),
        place.folder().display()
    );
    let status = Command::new("parallel").args(["-j4", &script, ":::", "1", "2", "3", "4"]).status();
    assert!(status.expect("parallel runs (Debian: parallel)").success());
    assert_eq!(place.names().len(), 1000);
    assert!((0..1000).all(|number| server.count(&format!("/{number}")) == 1));
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
#[ignore = "needs nginx"]
fn ten_thousand_files_come_from_nginx_and_no_descriptor_is_lost() {
    let (root, place) = (Place::new(), Place::new());
    for number in 0..10_000 {
        root.write(&format!("f{number}"), content(number, 100 + number as usize % 2000));
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let own = Place::new();
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
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        // There is no event to wait for: another program is starting.
        std::thread::sleep(Duration::from_millis(10));
    }
    let list: String = (0..10_000).map(|number| format!("http://127.0.0.1:{port}/f{number}\n")).collect();
    own.write("list", list);
    // With so few descriptors, one that is lost now and then would be missed.
    let script = format!(
        "ulimit -n 200; exec {} get -q -i {here}/list -d {} -j 64 --per-host 64",
        env!("CARGO_BIN_EXE_glassloop"),
        place.folder().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for number in 0..10_000 {
        let name = format!("f{number}");
        assert!(place.read(&name) == root.read(&name), "{name}");
    }
}
