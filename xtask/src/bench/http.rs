//! As much of HTTP as a health check needs.

use anyhow::{Context as _, ensure};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longer than anything takes that is asked here.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gets `path`: status and body.
pub(super) fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))?;
    let (head, body) = parse(&answer)?;
    Ok((status(head)?, body.to_owned()))
}

/// Gets `path`, which has to be there.
pub(super) fn page(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let (status, body) = get(address, path).with_context(|| format!("cannot get {path}"))?;
    ensure!(status == 200, "{path} answered {status}: {body}");
    Ok(body)
}

/// How long `path` is with gzip.
pub(super) fn compressed_length(address: SocketAddr, path: &str) -> anyhow::Result<u64> {
    let headers = format!("Host: {address}\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
    let answer = ask(address, &format!("HEAD {path} HTTP/1.1\r\n{headers}"))?;
    length(parse(&answer)?.0).context("an answer without a length")
}

fn ask(address: SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Head, in lower case where that matters, and body.
fn parse(answer: &str) -> anyhow::Result<(&str, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    ensure!(!chunked, "a chunked answer, which this client does not understand");
    Ok((head, body))
}

fn status(head: &str) -> anyhow::Result<u16> {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without a status")
}

fn length(head: &str) -> Option<u64> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_an_answer_apart() {
        let (head, body) = parse("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno").expect("an answer");
        assert_eq!((status(head).expect("a status"), length(head), body), (503, Some(2), "no"));
        assert!(parse("HTTP/1.1 200").is_err());
        assert!(parse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n").is_err());
    }
}
