//! A headless Chromium, told what to do over its debugging pipe: one JSON message after another, each ended by a zero byte.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A browser with one page. What the page says on its console, what it throws and what it cannot load is kept.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    last: u64,
    session: Value,
    /// What went wrong on any page.
    pub(crate) complaints: Vec<String>,
    loaded: bool,
    /// Removed with the browser.
    #[allow(dead_code, reason = "held, not read")]
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the browser at `path`; the shell puts the pipes where it looks for them, at 3 and 4.
    pub(crate) fn start(path: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(path)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-extensions", "--disable-component-update", "--window-size=1200,900"])
            .args(["--remote-debugging-pipe", &data])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, to, from, last: 0, session: Value::Null, complaints: Vec::new(), loaded: false, profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Opens a file, with a fragment, and waits until it has loaded.
    pub(crate) fn open(&mut self, page: &Path, fragment: &str) {
        let url = format!("file://{}{fragment}", page.display());
        // From elsewhere: another fragment of the same page would load nothing.
        for url in ["about:blank", &url] {
            self.loaded = false;
            let done = self.call("Page.navigate", json!({ "url": url }));
            assert!(done.get("errorText").is_none(), "{url}: {done}");
            while !self.loaded {
                self.read();
            }
        }
    }

    /// The value of a JavaScript expression on the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let done = self.call("Runtime.evaluate", arguments);
        assert!(done.get("exceptionDetails").is_none(), "{expression}: {done}");
        done["result"]["value"].clone()
    }

    /// Presses and releases a key: `Enter`, `Tab`, `/`.
    pub(crate) fn press(&mut self, key: &str) {
        let (text, code) = match key {
            "Enter" => ("\r", 13),
            "Tab" => ("", 9),
            "ArrowLeft" => ("", 37),
            "ArrowRight" => ("", 39),
            other => (other, 0),
        };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let event = json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Makes the page so many pixels wide.
    pub(crate) fn width(&mut self, width: u32) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Waits until an expression is true, on this page or the one that it leads to: asks a limited number of times.
    pub(crate) fn wait(&mut self, expression: &str) {
        let arguments = json!({ "expression": expression, "returnByValue": true });
        for _ in 0..1200 {
            // A page that is left cannot answer.
            let done = self.ask("Runtime.evaluate", &arguments);
            if done["result"]["result"]["value"] == Value::Bool(true) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("never true: {expression}; complaints: {:?}", self.complaints);
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, &params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.to.flush().unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == self.last {
                return answer;
            }
        }
    }

    /// Reads the next message, and notes what it tells of the page.
    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser went away");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let params = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Page.loadEventFired" => self.loaded = true,
            "Runtime.exceptionThrown"
            | "Log.entryAdded"
            | "Runtime.consoleAPICalled"
            | "Page.javascriptDialogOpening" => {
                self.complaints.push(params.to_string());
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                if !["file:", "data:", "about:"].iter().any(|scheme| url.starts_with(scheme)) {
                    self.complaints.push(format!("asked for {url}"));
                }
            }
            _ => {}
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its own helpers end with it.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.to.flush();
        let _ = self.child.wait();
    }
}
