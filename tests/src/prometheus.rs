//! A Prometheus server for one test: Debian's binary, on loopback, with its data in a temporary directory; ended on
//! drop.

use crate::{
    daemon::{StderrLog, free_address},
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

/// One sample of a query's result.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySample {
    /// Its labels, including the name.
    pub labels: Labels,
    /// Its numeric value.
    pub value: f64,
}

/// A running Prometheus server.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    said: StderrLog,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts a server that scrapes `targets` every second as the job `rstmon`, with the rules of a file.
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
        let said = StderrLog::collect(child.stderr.take().context("no stderr")?);
        let mut server = Self { child, address, said, _directory: directory };
        let ready = wait::until_true("prometheus to be ready", LATER, || {
            if let Some(status) = server.child.try_wait()? {
                bail!("prometheus ended with {status}");
            }
            // Its log is read, because a refused connection would be a reset that a daemon might count.
            Ok(server.said.text().contains("Server is ready to receive web requests"))
        });
        ready.with_context(|| format!("prometheus said:\n{}", server.said.text()))?;
        Ok(server)
    }

    /// Evaluates an expression at the current time.
    ///
    /// # Errors
    /// When Prometheus refuses the expression.
    pub fn query(&self, expression: &str) -> Result<Vec<QuerySample>> {
        let data = self.get(&format!("/api/v1/query?query={}", encode(expression))).context(expression.to_owned())?;
        let results = match data["resultType"].as_str() {
            Some("vector") => data["result"].as_array().context("no result")?.clone(),
            // A scalar has no labels.
            Some("scalar") => vec![serde_json::json!({ "metric": {}, "value": data["result"] })],
            other => bail!("{expression}: unexpected result of type {other:?}"),
        };
        results.iter().map(sample).collect()
    }

    /// The single value of an expression; `None` if there is none.
    ///
    /// # Errors
    /// When Prometheus refuses the expression, or there are several values.
    pub fn value(&self, expression: &str) -> Result<Option<f64>> {
        let samples = self.query(expression)?;
        ensure!(samples.len() <= 1, "{expression}: {} values", samples.len());
        Ok(samples.first().map(|sample| sample.value))
    }

    /// The values of a label in the series that a selector matches.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub fn label_values(&self, label: &str, selector: &str) -> Result<Vec<String>> {
        let data = self.get(&format!("/api/v1/label/{label}/values?match[]={}", encode(selector)))?;
        Ok(data.as_array().context("no list")?.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect())
    }

    /// All alerting rules with their annotations and states.
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

fn sample(result: &Value) -> Result<QuerySample> {
    let labels = result["metric"].as_object().context("no labels")?;
    let labels = labels.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    let value = result["value"][1].as_str().context("no value")?.parse()?;
    Ok(QuerySample { labels: labels.collect(), value })
}

/// Percent-encodes all characters but letters and digits.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Runs promtool until it exits, with `input` on its standard input.
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
    // It may exit without having read everything; its output shows why.
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
