//! The least of HTTP that a scrape needs, written out so that the tests share no code with what they test.

use crate::wait::{SOON, patient};
use anyhow::{Context as _, Result};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// An answer: status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Everything after the empty line.
    pub body: String,
}

/// Gets `path`. HTTP/1.0 is spoken, so that the body comes in one piece and ends with the connection.
///
/// # Errors
/// When the server cannot be reached or does not speak HTTP.
pub fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    get_with(server, path, "")
}

/// The same with more header lines, each with its line end.
///
/// # Errors
/// As [`get`].
pub fn get_with(server: SocketAddr, path: &str, header: &str) -> Result<Answer> {
    let mut stream =
        TcpStream::connect_timeout(&server, patient(SOON)).with_context(|| format!("connecting to {server}"))?;
    stream.set_read_timeout(Some(patient(SOON)))?;
    exchange(&mut stream, path, header).with_context(|| format!("http://{server}{path}"))
}

/// The same on a stream that is connected.
///
/// # Errors
/// As [`get`].
pub fn exchange(stream: &mut (impl Read + Write), path: &str, header: &str) -> Result<Answer> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: test\r\nConnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).context("asking")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).with_context(|| format!("reading the answer, after {text:?}"))?;
    parse(&text).with_context(|| format!("it answered {text:?}"))
}

fn parse(text: &str) -> Result<Answer> {
    let (head, body) = text.split_once("\r\n\r\n").context("no end of headers")?;
    let status = head.split(' ').nth(1).context("no status")?.parse().context("status")?;
    Ok(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_an_answer_apart() {
        let answer = parse("HTTP/1.0 200 OK\r\nA: b\r\n\r\nx\r\n\r\ny").expect("well-formed");
        assert_eq!(answer, Answer { status: 200, body: "x\r\n\r\ny".to_owned() });
        assert!(parse("HTTP/1.0 200 OK").is_err());
    }
}
