//! Drives Chromium through ChromeDriver: as much of the WebDriver protocol (W3C, level 2) as the tests of the page
//! need, on a plain TCP stream.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long a page may take to do what it is waited for: a deadline against hanging, not a measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A headless browser with one window. It is ended when this is dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Kept open for what it may still have to say.
    _stdout: BufReader<ChildStdout>,
    /// The browser's profile: a fresh one each.
    _profile: tempfile::TempDir,
}

/// Starts ChromeDriver on a free port. `None` if it exits: it takes a port that is free for IPv4, and gives up if another
/// process has taken the same port for IPv6 meanwhile.
fn start_driver() -> Option<(Child, u16, BufReader<ChildStdout>)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = command.spawn().expect("chromedriver is installed");
    let mut stdout = BufReader::new(driver.stdout.take().expect("it is piped"));
    let mut lines = stdout.by_ref().lines().map_while(Result::ok);
    let port = lines.find_map(|line| line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
    if port.is_none() {
        driver.wait().expect("a child whose output has ended");
    }
    Some((driver, port?, stdout))
}

impl Browser {
    /// Starts ChromeDriver, and through it Chromium, with the network off.
    pub fn start() -> Browser {
        let (driver, port, stdout) =
            (0..5).find_map(|_| start_driver()).expect("chromedriver listens at one of five attempts");
        let profile = tempfile::tempdir().expect("a folder");
        let mut browser = Browser { driver, port, session: String::new(), _stdout: stdout, _profile: profile };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", browser._profile.path().display()),
        ];
        let session = browser.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
            }}}),
        );
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session has an id"));
        browser.chrome("Network.enable", json!({}));
        browser.chrome(
            "Network.emulateNetworkConditions",
            json!({"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}),
        );
        browser.resize(1280, 900);
        browser
    }

    /// Opens a file, with this after the `#`, and waits until the page says that it is ready.
    pub fn open(&self, page: &Path, hash: &str) {
        // A page that differs only behind the `#` would not be loaded anew.
        self.post("/url", json!({"url": "about:blank"}));
        self.post("/url", json!({"url": format!("file://{}#{hash}", page.display())}));
        self.wait_for("return document.documentElement.dataset.ready === 'true'");
    }

    /// Runs the body of a function in the page, and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.run_with(script, json!([]))
    }

    /// The same with arguments.
    pub fn run_with(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": arguments}))
    }

    /// Waits until a condition holds in the page.
    pub fn wait_for(&self, condition: &str) {
        let start = Instant::now();
        while self.run(condition) != Value::Bool(true) {
            assert!(start.elapsed() < PATIENCE, "the page never came to this: {condition}\n{:?}", self.complaints());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Presses keys one after the other, each with those before the last `+` held: `"shift+ArrowLeft"`.
    pub fn press(&self, keys: &[&str]) {
        let mut actions = vec![];
        for key in keys {
            let (held, key) = match key.rsplit_once('+') {
                Some((held, key)) if !key.is_empty() => (Some(code(held)), code(key)),
                _ => (None, code(key)),
            };
            actions.extend(held.iter().map(|held| json!({"type": "keyDown", "value": held})));
            actions.push(json!({"type": "keyDown", "value": key}));
            actions.push(json!({"type": "keyUp", "value": key}));
            actions.extend(held.iter().map(|held| json!({"type": "keyUp", "value": held})));
        }
        self.post("/actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// The size of the window, in CSS pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.chrome("Emulation.setDeviceMetricsOverride", screen);
    }

    /// What the page believes of its reader: `prefers-color-scheme`, `prefers-reduced-motion`.
    pub fn prefer(&self, feature: &str, value: &str) {
        self.chrome("Emulation.setEmulatedMedia", json!({"features": [{"name": feature, "value": value}]}));
    }

    /// What the page has written to the console, or the browser about it, since this was last asked.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A command of Chromium's own protocol.
    fn chrome(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), &body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = exchange(self.port, method, path, &body.to_string()).expect("chromedriver answers");
        let value = serde_json::from_str::<Value>(&answer).expect("chromedriver answers in JSON")["value"].take();
        assert_eq!(status, 200, "{method} {path}: {value}");
        value
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; then ChromeDriver, and only the one that was started here.
        let _gone = exchange(self.port, "DELETE", &self.session, "");
        let _ended = self.driver.kill();
        let _reaped = self.driver.wait();
    }
}

/// The character by which WebDriver knows a key (§17.4.2), or the key's own.
fn code(key: &str) -> String {
    let character = match key {
        "shift" => '\u{E008}',
        "Enter" => '\u{E007}',
        "Escape" => '\u{E00C}',
        "Tab" => '\u{E004}',
        "Space" => ' ',
        "Home" => '\u{E011}',
        "End" => '\u{E010}',
        "ArrowLeft" => '\u{E012}',
        "ArrowUp" => '\u{E013}',
        "ArrowRight" => '\u{E014}',
        "ArrowDown" => '\u{E015}',
        _ => return key.to_owned(),
    };
    character.to_string()
}

/// One request and its answer: the status, and the body.
fn exchange(port: u16, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0)
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok((status, String::from_utf8_lossy(&answer).into_owned()))
}
