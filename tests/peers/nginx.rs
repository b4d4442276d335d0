//! Runs nginx, which serves a directory on a free port of 127.0.0.1.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[cfg(feature = "tls")]
use crate::certificates::Identity;
use crate::processes::Running;

/// A running nginx, with its configuration in a temporary directory.
pub struct Nginx {
    _process: Running,
    _place: tempfile::TempDir,
    /// `http://127.0.0.1:PORT`, or `https`
    pub url: String,
}

impl Nginx {
    /// Starts nginx and waits until it accepts connections.
    pub fn serve(root: &Path) -> Nginx {
        let place = tempfile::tempdir().expect("a temporary directory");
        Nginx::start(root, place, "http", "")
    }

    /// Starts nginx with this version of TLS and this certificate.
    #[cfg(feature = "tls")]
    pub fn serve_secured(root: &Path, version: &str, identity: &Identity) -> Nginx {
        let place = tempfile::tempdir().expect("a temporary directory");
        let (certificate, key) = (place.path().join("certificate.pem"), place.path().join("key.pem"));
        fs::write(&certificate, identity.certificate.pem()).expect("a written file");
        fs::write(&key, identity.key.serialize_pem()).expect("a written file");
        let secured = format!(
            "ssl_protocols {version}; ssl_certificate {}; ssl_certificate_key {};",
            certificate.display(),
            key.display()
        );
        Nginx::start(root, place, "https", &secured)
    }

    /// Starts nginx with its configuration and temporary files in `place`.
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
        wait_until_accepting(port);
        nginx
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn wait_until_accepting(port: u16) {
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        // nginx gives no signal when it is ready, so this polls.
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nginx did not start");
}
