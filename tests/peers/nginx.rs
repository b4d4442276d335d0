//! An nginx that serves a folder on a free port of 127.0.0.1.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::certificates::Identity;
use crate::processes::Running;

/// nginx, with what it needs to run in a folder of its own.
pub struct Nginx {
    _process: Running,
    _place: tempfile::TempDir,
    /// `http://127.0.0.1:PORT`, or `https`
    pub url: String,
}

impl Nginx {
    /// Starts it and waits until it accepts.
    pub fn serve(root: &Path) -> Nginx {
        let place = tempfile::tempdir().expect("a temporary folder");
        Nginx::start(root, place, "http", "")
    }

    /// The same over TLS of this version, with this certificate.
    #[cfg(feature = "tls")]
    pub fn serve_secured(root: &Path, version: &str, identity: &Identity) -> Nginx {
        let place = tempfile::tempdir().expect("a temporary folder");
        let (certificate, key) = (place.path().join("certificate.pem"), place.path().join("key.pem"));
        fs::write(&certificate, identity.certificate.pem()).expect("it is written");
        fs::write(&key, identity.key.serialize_pem()).expect("it is written");
        let secured = format!(
            "ssl_protocols {version}; ssl_certificate {}; ssl_certificate_key {};",
            certificate.display(),
            key.display()
        );
        Nginx::start(root, place, "https", &secured)
    }

    /// Starts it with what it needs in a folder.
    fn start(root: &Path, place: tempfile::TempDir, scheme: &str, secured: &str) -> Nginx {
        let port = free_port();
        let option = if secured.is_empty() { "" } else { " ssl" };
        let here = place.path().display();
        let configuration = format!(
            "daemon off;
            master_process off;
            pid {here}/pid;
            error_log {here}/error.log;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                client_body_temp_path {here}/body;
                proxy_temp_path {here}/proxy;
                fastcgi_temp_path {here}/fastcgi;
                uwsgi_temp_path {here}/uwsgi;
                scgi_temp_path {here}/scgi;
                types {{ image/gif gif; application/json json; }}
                server {{ listen 127.0.0.1:{port}{option}; {secured} root {}; }}
            }}",
            root.display()
        );
        let file = place.path().join("nginx.conf");
        fs::write(&file, configuration).expect("the configuration is written");
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs (Debian: nginx-light)");
        let nginx = Nginx { _process: Running(process), _place: place, url: format!("{scheme}://127.0.0.1:{port}") };
        wait_until_it_accepts(port);
        nginx
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn wait_until_it_accepts(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        // There is no event to wait for: another program is starting.
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nginx did not start");
}
