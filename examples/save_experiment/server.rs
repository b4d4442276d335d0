//! The server of the experiment. It runs in a child process, so that its CPU time does not count as the client's.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};

use glassloop::flags::site::EmbeddedServer;
use glassloop::http::server::{Faults, Limits, text};
use http::StatusCode;

use super::support::Error;
use super::trial::IMAGE_BYTES;

/// The environment variable that makes a process the server.
const ROLE: &str = "GLASSLOOP_EXPERIMENT_SERVER";

/// Returns whether this process is the server.
pub fn is_this_process() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Responds to every request with an image, until the parent process closes the pipe to stdin or exits. There is no
/// handler for Ctrl-C, since the parent handles it.
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Error> {
    let server = EmbeddedServer::serve(Limits::default(), Faults::default(), || {
        let image = bytes::Bytes::from(vec![b'x'; IMAGE_BYTES]);
        Ok(move |_: &http::Request<()>| text(StatusCode::OK, image.clone()))
    })?;
    println!("http://{}", server.address());
    std::io::stdin().read_to_end(&mut vec![])?;
    Ok(())
}

/// A handle to the server process. Dropping it stops the process.
pub struct Server {
    process: Child,
    url: String,
}

impl Server {
    pub fn start() -> Result<Server, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut url = String::new();
        BufReader::new(process.stdout.take().ok_or("the server's stdout is not piped")?).read_line(&mut url)?;
        Ok(Server { process, url: url.trim().to_owned() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _is_gone = self.process.wait();
    }
}
