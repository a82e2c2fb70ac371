//! A minimal HTTP client for scrapes, so that the tests share no code with the server under test.

use crate::wait::{SOON, patient};
use anyhow::{Context as _, Result, ensure};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// An answer: status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The text after the header.
    pub body: String,
}

/// Gets `path` by HTTP/1.0, so that the body is not chunked and ends with the connection.
///
/// # Errors
/// When the server cannot be reached or does not answer with HTTP.
pub fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    get_with(server, path, "")
}

/// The same with further header lines, each with its line end.
///
/// # Errors
/// As [`get`].
pub fn get_with(server: SocketAddr, path: &str, header: &str) -> Result<Answer> {
    exchange(&mut connect(server)?, path, header).with_context(|| format!("http://{server}{path}"))
}

/// The `Content-Length` of what [`get_with`] would get, by a HEAD request: also of a body that is no text.
///
/// # Errors
/// As [`get`], or when the answer has another status than 200 or no length.
pub fn length_with(server: SocketAddr, path: &str, header: &str) -> Result<u64> {
    let text = ask(&mut connect(server)?, "HEAD", path, header).with_context(|| format!("http://{server}{path}"))?;
    length(&text).with_context(|| format!("it answered {text:?}"))
}

fn connect(server: SocketAddr) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&server, patient(SOON)).with_context(|| format!("connecting to {server}"))?;
    stream.set_read_timeout(Some(patient(SOON)))?;
    Ok(stream)
}

/// The same on a connected stream.
///
/// # Errors
/// As [`get`].
pub fn exchange(stream: &mut (impl Read + Write), path: &str, header: &str) -> Result<Answer> {
    let text = ask(stream, "GET", path, header)?;
    parse(&text).with_context(|| format!("the answer was {text:?}"))
}

fn ask(stream: &mut (impl Read + Write), method: &str, path: &str, header: &str) -> Result<String> {
    let request = format!("{method} {path} HTTP/1.0\r\nHost: test\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).context("asking")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).with_context(|| format!("reading the answer; read so far: {text:?}"))?;
    Ok(text)
}

fn parse(text: &str) -> Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").context("no end of headers")?;
    let status = head.split(' ').nth(1).context("no status")?.parse().context("status")?;
    Ok(Answer { status, body: body.to_owned() })
}

fn length(text: &str) -> Result<u64> {
    ensure!(parse(text)?.status == 200, "no success");
    let mut headers = text.lines().filter_map(|line| line.split_once(':'));
    let length = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, value)| value.trim().parse().ok()).context("no length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_an_answer() {
        let answer = parse("HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n\r\ny").expect("well-formed");
        assert_eq!(answer, Answer { status: 200, body: "x\r\n\r\ny".to_owned() });
        assert!(parse("HTTP/1.0 200 OK").is_err());
        assert_eq!(length("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n").expect("well-formed"), 2);
        assert!(length("HTTP/1.0 503 Busy\r\ncontent-length: 2\r\n\r\n").is_err());
    }
}
