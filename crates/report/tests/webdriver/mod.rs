//! A headless Chromium, driven over the `WebDriver` protocol by hand: a dozen calls need no crate.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

const DRIVER: &str = "chromedriver";
const CHROMIUM: &str = "/usr/bin/chromium";
/// A page that takes longer to answer than this is broken.
const PATIENCE: Duration = Duration::from_mins(2);

/// One browser with a profile of its own; both end with it.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: TempDir,
    /// Held, since the driver would fail to write to a closed one.
    _stdout: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts one with a window of this size.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let mut driver = Command::new(DRIVER)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts; install it with `apt-get install chromium-driver`");
        let mut stdout = BufReader::new(driver.stdout.take().expect("its output is ours"));
        let port = stdout
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says on which port it listens");
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut browser = Self { driver, port, session: String::new(), profile, _stdout: stdout };
        let user_data = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &user_data,
        ];
        let answer = browser.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                "goog:chromeOptions": {"binary": CHROMIUM, "args": arguments},
                "unhandledPromptBehavior": "ignore",
                "timeouts": {"script": 60_000, "pageLoad": 60_000},
            }}}),
        );
        answer["sessionId"].as_str().expect("a session has an id").clone_into(&mut browser.session);
        let mobile = width < 600;
        browser.cdp(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}),
        );
        browser
    }

    /// `light` or `dark`, as the reader's system would have it.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.cdp("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Opens a file, optionally at an anchor, and waits until all charts are drawn. What was logged before is forgotten.
    pub(crate) fn open(&self, file: &Path, anchor: &str) {
        // Another page first: going to an anchor of the same page would not load it again.
        self.go("about:blank");
        self.console();
        self.requests();
        self.go(&format!("file://{}{anchor}", file.display()));
        self.session("POST", "/execute/async", &json!({"args": [], "script": "
            const done = arguments[0], root = document.documentElement;
            if (root.dataset.drawn) return done();
            new MutationObserver(() => root.dataset.drawn && done()).observe(root, { attributes: true });
        "}));
    }

    /// Draws the charts that nobody has scrolled to.
    pub(crate) fn draw_all(&self) {
        self.run("for (const figure of figures) draw(figure)");
    }

    /// Opens all that is closed.
    pub(crate) fn open_details(&self) {
        self.run("for (const details of document.querySelectorAll('details')) details.open = true");
        self.draw_all();
    }

    /// Opens a file whose scripts do not run.
    pub(crate) fn open_without_script(&self, file: &Path) {
        self.cdp("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
        self.go(&format!("file://{}", file.display()));
    }

    /// Presses a key on whatever has the focus.
    pub(crate) fn press(&self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.cdp(
                "Input.dispatchKeyEvent",
                &json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}),
            );
        }
    }

    /// What a script passes on to `done`.
    pub(crate) fn run_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.session("POST", "/execute/async", &json!({"script": script, "args": []}))
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.session("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// A number that a script returns.
    pub(crate) fn number(&self, script: &str) -> u64 {
        self.run(script).as_u64().unwrap_or_else(|| panic!("`{script}` gives a number"))
    }

    /// Everything on the console since it was last asked for.
    pub(crate) fn console(&self) -> Vec<String> {
        self.log("browser").iter().map(ToString::to_string).collect()
    }

    /// Addresses asked for since they were last asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let sent = event["message"]["method"] == "Network.requestWillBeSent";
            sent.then(|| event["message"]["params"]["request"]["url"].as_str().map(str::to_owned))
                .flatten()
        });
        events.collect()
    }

    /// A call of the browser's own protocol.
    pub(crate) fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.session("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn go(&self, url: &str) {
        self.session("POST", "/url", &json!({"url": url}));
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.session("POST", "/se/log", &json!({"type": kind}))
            .as_array()
            .cloned()
            .unwrap_or_default()
    }

    fn session(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, body).expect("chromedriver answers");
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when it is told to; killed, it would leave it behind.
        if !self.session.is_empty() {
            self.exchange("DELETE", &format!("/session/{}", self.session), &Value::Null).ok();
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}
