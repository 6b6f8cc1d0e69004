//! Requests over HTTP: redirects are followed here, so that a token stays with the host that it is for.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, Uri};

use crate::error::{Error, Result};

/// The most redirects from one address.
const REDIRECTS: usize = 10;

/// How requests are made.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Requests are refused.
    pub offline: bool,
    /// How long to wait for a connection, and for the next bytes of an answer.
    pub patience: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { offline: false, patience: Duration::from_secs(60) }
    }
}

/// What makes requests.
#[derive(Debug)]
pub(crate) struct Http {
    agent: Agent,
    offline: bool,
}

/// Up to where redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// To any host.
    Everywhere,
    /// On the host that was asked: what another host would say is of no interest.
    SameOrigin,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) url: &'a str,
    /// For the host of `url`, and no other.
    pub(crate) token: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) follow: Follow,
    /// Only the headers are asked for.
    pub(crate) head: bool,
}

/// An answer, of any status.
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Box<dyn Read>,
}

impl Response {
    /// A header's value, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// A header's value as a number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.parse().ok()
    }
}

impl Http {
    /// With these settings.
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        let patience = Some(settings.patience);
        let config = Agent::config_builder()
            .user_agent(concat!("compexp/", env!("CARGO_PKG_VERSION")))
            // Redirects are followed below.
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_connect(patience)
            .timeout_recv_response(patience)
            .timeout_per_read(patience)
            .build();
        Self { agent: config.into(), offline: settings.offline }
    }

    /// Sends a request, and follows redirects.
    ///
    /// # Errors
    /// `Error::Offline`; `Error::Unreachable` if no host answers; `Error::Redirect` for one that is not followed.
    pub(crate) fn send(&self, request: Request<'_>) -> Result<Response> {
        if self.offline {
            return Err(Error::Offline { what: request.url.to_owned() });
        }
        let start = origin(request.url)?;
        let mut url = request.url.to_owned();
        for _ in 0..=REDIRECTS {
            let here = origin(&url)?;
            let mut sent = if request.head { self.agent.head(&url) } else { self.agent.get(&url) };
            for (name, value) in request.headers {
                sent = sent.header(*name, *value);
            }
            if let Some(token) = request.token
                && here == start
            {
                sent = sent.header("Authorization", format!("Bearer {token}"));
            }
            let answer =
                sent.call().map_err(|e| Error::Unreachable { url: request.url.to_owned(), cause: e.to_string() })?;
            let (parts, body) = answer.into_parts();
            let response =
                Response { status: parts.status.as_u16(), headers: parts.headers, body: Box::new(body.into_reader()) };
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let fail =
                |to: &str, expected| Error::Redirect { url: request.url.to_owned(), to: to.to_owned(), expected };
            let to = response.header("location").ok_or_else(|| fail("nowhere", "an address"))?;
            let to = resolve(&url, to).ok_or_else(|| fail(to, "an http or https address"))?;
            let there = origin(&to)?;
            if there != start && request.follow == Follow::SameOrigin {
                return Ok(response);
            }
            if here.0 == "https" && there.0 != "https" {
                return Err(fail(&to, "one that stays encrypted"));
            }
            url = to;
        }
        Err(Error::Redirect { url: request.url.to_owned(), to: url, expected: "at most 10 redirects" })
    }
}

/// The scheme, host and port of an address.
///
/// # Errors
/// `Error::Answer` for what is no address of HTTP.
pub(crate) fn origin(url: &str) -> Result<(String, String, u16)> {
    let wrong = || Error::Answer { url: url.to_owned(), found: "what is no http or https address".to_owned() };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let scheme = uri.scheme_str().ok_or_else(wrong)?.to_ascii_lowercase();
    let usual = match &*scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(wrong()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?.to_ascii_lowercase();
    Ok((scheme, host, uri.port_u16().unwrap_or(usual)))
}

/// The address that `to` is, seen from `from`; none if it is neither of HTTP nor relative.
fn resolve(from: &str, to: &str) -> Option<String> {
    let (scheme, rest) = from.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let path = rest[host.len()..].split(['?', '#']).next()?;
    let lower = to.to_ascii_lowercase();
    Some(match to {
        _ if lower.starts_with("http://") || lower.starts_with("https://") => to.to_owned(),
        _ if to.starts_with("//") => format!("{scheme}:{to}"),
        _ if to.starts_with('/') => format!("{scheme}://{host}{to}"),
        _ if to.starts_with('?') => format!("{scheme}://{host}{path}{to}"),
        _ if to.split('/').next()?.contains(':') => return None,
        _ => format!("{scheme}://{host}{}/{to}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_resolved_as_browsers_do() {
        let from = "http://a.org:8000/x/y.zip?v=1";
        for (to, expected) in [
            ("https://b.org/z", "https://b.org/z"),
            ("HTTP://b.org/z", "HTTP://b.org/z"),
            ("//b.org/z", "http://b.org/z"),
            ("/z", "http://a.org:8000/z"),
            ("z/w", "http://a.org:8000/x/z/w"),
            ("?v=2", "http://a.org:8000/x/y.zip?v=2"),
        ] {
            assert_eq!(resolve(from, to).as_deref(), Some(expected), "{to}");
        }
        assert_eq!(resolve("http://a.org", "z").as_deref(), Some("http://a.org/z"));
        assert_eq!(resolve(from, "file:///etc/passwd"), None);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let of = |url| origin(url).unwrap();
        assert_eq!(of("http://A.org/x"), of("HTTP://a.org:80/y"));
        assert_ne!(of("http://a.org/x"), of("https://a.org/x"));
        assert_ne!(of("http://a.org:8000/"), of("http://a.org:8001/"));
        for bad in ["a.org/x", "ftp://a.org/x", "http://", "", "http:///x"] {
            assert!(matches!(origin(bad), Err(Error::Answer { .. })), "{bad}");
        }
    }

    #[test]
    fn nothing_is_sent_offline() {
        let http = Http::new(&HttpSettings { offline: true, ..HttpSettings::default() });
        let request =
            Request { url: "http://127.0.0.1:9/x", token: None, headers: &[], follow: Follow::Everywhere, head: false };
        assert!(matches!(http.send(request), Err(Error::Offline { .. })));
    }
}
