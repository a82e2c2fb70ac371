//! A Prometheus of the test's own: Debian's binary, on loopback, with its data in a temporary directory; gone when
//! dropped.

use crate::{
    daemon::{Said, free_address},
    http,
    metrics::Labels,
    scratch, skip,
    wait::{self, LATER},
};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// One sample of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels, the name included.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// A running server.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    said: Said,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `targets` every second as the job `rstmon`, with the rules of a file.
    ///
    /// # Errors
    /// When it is not installed or does not get ready.
    pub fn scraping(targets: &[SocketAddr], rules: &Path) -> Result<Self> {
        let directory = scratch::directory()?;
        let address = free_address()?;
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\nrule_files: ['{}']\n\
             scrape_configs: [{{ job_name: rstmon, static_configs: [{{ targets: [{}] }}] }}]\n",
            rules.display(),
            targets.join(", "),
        );
        let path = directory.path().join("prometheus.yml");
        fs::write(&path, config)?;
        let program = skip::find("prometheus").context("no prometheus")?;
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting prometheus")?;
        let said = Said::listen(child.stderr.take().context("no stderr")?);
        let mut server = Self { child, address, said, _directory: directory };
        let ready = wait::until_true("prometheus to be ready", LATER, || {
            if let Some(status) = server.child.try_wait()? {
                bail!("prometheus ended with {status}");
            }
            // Not by connecting: a connection that is refused is a reset, which somebody may be counting.
            Ok(server.said.text().contains("Server is ready to receive web requests"))
        });
        ready.with_context(|| format!("prometheus said:\n{}", server.said.text()))?;
        Ok(server)
    }

    /// Evaluates an expression now.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let data = self.get(&format!("/api/v1/query?query={}", encode(expression))).context(expression.to_owned())?;
        let results = match data["resultType"].as_str() {
            Some("vector") => data["result"].as_array().context("no result")?.clone(),
            // A lone number has no labels.
            Some("scalar") => vec![serde_json::json!({ "metric": {}, "value": data["result"] })],
            other => bail!("{expression}: an answer of type {other:?}"),
        };
        results.iter().map(sample).collect()
    }

    /// The one value of an expression; `None` when there is none.
    ///
    /// # Errors
    /// When Prometheus refuses it, or has several.
    pub fn value(&self, expression: &str) -> Result<Option<f64>> {
        let samples = self.query(expression)?;
        ensure!(samples.len() <= 1, "{expression}: {} values", samples.len());
        Ok(samples.first().map(|sample| sample.value))
    }

    /// Values of a label of the series that a selector names.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub fn label_values(&self, label: &str, selector: &str) -> Result<Vec<String>> {
        let data = self.get(&format!("/api/v1/label/{label}/values?match[]={}", encode(selector)))?;
        Ok(data.as_array().context("no list")?.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect())
    }

    /// Every alerting rule with its annotations and state.
    ///
    /// # Errors
    /// When the API does not answer.
    pub fn alert_rules(&self) -> Result<Vec<Value>> {
        let data = self.get("/api/v1/rules?type=alert")?;
        let groups = data["groups"].as_array().context("no groups")?;
        Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let answer = http::get(self.address, path)?;
        let body: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        ensure!(body["status"] == "success", "{}: {}", body["errorType"], body["error"]);
        ensure!(body["warnings"].is_null(), "{}", body["warnings"]);
        Ok(body["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sample(result: &Value) -> Result<Sample> {
    let labels = result["metric"].as_object().context("no labels")?;
    let labels = labels.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    let value = result["value"][1].as_str().context("no value")?.parse()?;
    Ok(Sample { labels: labels.collect(), value })
}

/// Percent-encodes everything but letters and digits.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Runs promtool to its end, with `input` on its standard input.
///
/// # Errors
/// When it cannot be started.
pub fn promtool(arguments: &[&str], directory: &Path, input: &str) -> Result<Output> {
    let program = skip::find("promtool").context("no promtool")?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting promtool")?;
    // It may end without having read everything: its answer says why.
    let _ = child.stdin.take().context("no stdin")?.write_all(input.as_bytes());
    Ok(child.wait_with_output()?)
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn queries_survive_a_url() {
        assert_eq!(encode("a{b=~\"c d\"} + 1"), "a%7Bb%3D%7E%22c%20d%22%7D%20%2B%201");
    }
}
