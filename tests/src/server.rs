//! A server of HTTP on loopback, which can misbehave.
//!
//! ```
//! use compexp_tests::server::{Reply, Server};
//!
//! let server = Server::start(|asked| match &*asked.path {
//!     "/file" => Reply::file(b"content", "\"v1\"", asked),
//!     _ => Reply::status(404),
//! });
//! assert!(server.url("/file").starts_with("http://127.0.0.1:"));
//! ```

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path with what stands behind it.
    pub path: String,
    /// The headers; names are in lower case.
    pub headers: BTreeMap<String, String>,
    /// How many requests came before.
    pub before: usize,
}

impl Asked {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value)
    }

    /// The first byte that is asked for, if it is not all of them.
    pub fn start(&self) -> Option<u64> {
        self.header("range").strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// An answer. What its headers say may be a lie.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The length that is stated; `None` states none.
    length: Option<u64>,
    /// The bytes after which the connection is closed.
    cut: Option<usize>,
    /// The pause after each of so many bytes.
    slow: Option<(usize, Duration)>,
}

impl Reply {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, length: Some(0), ..Self::default() }
    }

    /// A body with its length.
    pub fn body(body: &[u8]) -> Self {
        Self { status: 200, body: body.to_vec(), length: Some(body.len() as u64), ..Self::default() }
    }

    /// A redirect.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).with("Location", to)
    }

    /// A file of the version `tag`: all of it, or the rest that is asked for, if that is of the same version.
    pub fn file(content: &[u8], tag: &str, asked: &Asked) -> Self {
        let condition = asked.header("if-range");
        let reply = match asked.start() {
            Some(start) if start >= content.len() as u64 => Self::status(416),
            Some(start) if condition.is_empty() || condition == tag => {
                let total = content.len();
                let mut reply = Self::body(&content[start as usize..]);
                reply.status = 206;
                reply.with("Content-Range", &format!("bytes {start}-{}/{total}", total - 1))
            }
            _ => Self::body(content),
        };
        reply.with("ETag", tag)
    }

    /// The same with a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// The same with another stated length.
    pub fn stating(self, length: Option<u64>) -> Self {
        Self { length, ..self }
    }

    /// The same, ending after this many bytes of the body.
    pub fn cut(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }

    /// The same with a pause after each `bytes` of the body.
    pub fn slow(self, bytes: usize, pause: Duration) -> Self {
        Self { slow: Some((bytes, pause)), ..self }
    }

    fn send(&self, asked: &Asked, to: &mut TcpStream, sent: &AtomicU64) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} status\r\nConnection: close\r\n", self.status);
        if let Some(length) = self.length {
            head += &format!("Content-Length: {length}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        to.write_all(format!("{head}\r\n").as_bytes())?;
        if asked.method == "HEAD" {
            return Ok(());
        }
        let body = &self.body[..self.cut.unwrap_or(self.body.len()).min(self.body.len())];
        let (size, pause) = self.slow.unwrap_or((1 << 16, Duration::ZERO));
        for part in body.chunks(size) {
            to.write_all(part)?;
            sent.fetch_add(part.len() as u64, Ordering::SeqCst);
            if pause > Duration::ZERO {
                to.flush()?;
                thread::sleep(pause);
            }
        }
        to.flush()
    }
}

/// A server, until it is dropped.
pub struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    sent: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server on a free port, with a thread for each connection.
    ///
    /// # Panics
    /// Where there is no loopback.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            sent: Arc::default(),
            ended: Arc::default(),
        };
        let (asked, sent, ended, answer) =
            (server.asked.clone(), server.sent.clone(), server.ended.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(mut stream) = stream else { continue };
                let (asked, sent, answer) = (asked.clone(), sent.clone(), answer.clone());
                thread::spawn(move || {
                    let Some(mut request) = read(&stream) else { return };
                    {
                        let mut all = asked.lock().unwrap();
                        request.before = all.len();
                        all.push(request.clone());
                    }
                    // Whoever asked may be gone.
                    let _ = answer(&request).send(&request, &mut stream, &sent);
                });
            }
        });
        server
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The bytes of bodies that were sent so far. Some of them may never have been read.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // So that it looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// An address on loopback where nothing listens.
///
/// # Panics
/// Where there is no loopback.
pub fn nobody() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Asked { method, path, headers, before: 0 })
}
