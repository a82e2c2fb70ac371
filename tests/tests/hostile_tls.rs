//! Broken certificates at a reload: the daemon keeps serving the previous ones, and logs the reason.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess, READY},
    hostile::Provocation,
    http,
    machine::MachineLock,
    tls::{Issued, replace},
    wait::{self, SOON},
};
use std::{fs, path::Path};

const CONFIG: &str = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n";

fn install(directory: &Path, issued: &Issued) {
    replace(&directory.join("server.crt"), &issued.certificate).unwrap();
    replace(&directory.join("server.key"), &issued.key).unwrap();
}

/// Expects that the daemon serves `issued` and has logged a warning with these words.
#[track_caller]
fn assert_kept(daemon: &DaemonProcess, issued: &Issued, what: &str, words: &[&str], before: &str) {
    let answer = issued.get(daemon.address(), "/metrics").unwrap_or_else(|error| panic!("{what}: {error:#}"));
    assert_eq!(answer.status, 200, "{what}");
    wait::until_true(&format!("a warning about {what}"), SOON, || {
        let said = daemon.said();
        let new = said.strip_prefix(before).unwrap_or(&said);
        Ok(new.lines().any(|line| line.contains("WARN") && words.iter().all(|word| line.contains(word))))
    })
    .unwrap_or_else(|error| panic!("{error:#}; stderr:\n{}", daemon.said()));
}

#[test]
fn certificates_that_cannot_serve_do_not_replace_those_that_do() {
    if !daemon::unless_ready("certificates at reload") {
        return;
    }
    let machine = MachineLock::exclusive().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let good = Issued::valid().unwrap();
    install(directory, &good);
    let config = directory.join("web.yml");
    fs::write(&config, CONFIG).unwrap();
    let toml = format!("[web]\nconfig_file = \"{}\"\n", config.display());
    let daemon =
        DaemonProcess::reached(&toml, |address| good.get(address, READY).is_ok_and(|answer| answer.status == 200))
            .unwrap();

    let kept = "the last good one stays";
    let mut said = daemon.said();
    let mut step = |what: &str, words: &[&str], change: &dyn Fn()| {
        change();
        assert_kept(&daemon, &good, what, &[&[kept], words].concat(), &said);
        said = daemon.said();
    };
    step("an expired certificate", &["expired", "2001-01-01"], &|| {
        install(directory, &Issued::between(2000, 2001).unwrap());
    });
    step("a certificate of the future", &["not valid before", "2190"], &|| {
        install(directory, &Issued::between(2190, 2200).unwrap());
    });
    step("a key of another certificate", &["key_file"], &|| {
        install(directory, &Issued { key: Issued::valid().unwrap().key, ..good.clone() });
    });
    step("a missing certificate", &["cert_file", "server.crt"], &|| {
        fs::remove_file(directory.join("server.crt")).unwrap();
    });
    step("half a certificate", &["cert_file"], &|| {
        install(directory, &Issued { certificate: good.certificate[..200].to_owned(), ..good.clone() });
    });
    step("garbage", &["cert_file"], &|| {
        install(directory, &Issued { certificate: "\u{0}\u{1}".to_owned(), key: String::new() });
    });
    step("no TLS at all", &["TLS off"], &|| {
        install(directory, &good);
        replace(&config, "").unwrap();
    });
    replace(&config, CONFIG).unwrap();

    // Finally valid files: the daemon serves the new certificate and not the old one.
    let renewed = Issued::valid().unwrap();
    install(directory, &renewed);
    assert_eq!(renewed.get(daemon.address(), "/metrics").unwrap().status, 200);
    assert!(good.get(daemon.address(), "/metrics").is_err(), "the old certificate is still served");
    let plain = http::get(daemon.address(), "/metrics");
    assert!(plain.is_err(), "plain HTTP got {plain:?}");
    daemon.stop().unwrap();
    drop(machine);
}

#[test]
fn the_check_of_the_configuration_checks_the_date() {
    if !daemon::unless_ready("certificate check") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("web.yml"), CONFIG).unwrap();
    let option = format!("--web.config.file={}", directory.path().join("web.yml").display());
    for (issued, warns) in [(Issued::between(2000, 2001), true), (Issued::valid(), false)] {
        install(directory.path(), &issued.unwrap());
        let output = daemon::rstmon(&["run", "--check", &option]).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert_eq!(said.contains("expired on 2001-01-01"), warns, "{said}");
    }
}

#[test]
fn reloads_lose_no_count() {
    if !daemon::unless_ready("counts across reloads") {
        return;
    }
    let _machine = MachineLock::exclusive().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("web.yml");
    // Plain HTTP, so that the counts can be scraped; the file that is reloaded is the same one.
    let header = |value: &str| format!("http_server_config: {{headers: {{Content-Security-Policy: \"{value}\"}}}}\n");
    replace(&config, &header("0")).unwrap();
    let daemon = DaemonProcess::configured(&format!("[web]\nconfig_file = \"{}\"\n", config.display())).unwrap();
    let provocation = Provocation::begin().unwrap();
    for round in 0..50 {
        let broken = round % 5 == 4;
        let text = if broken { "basic_auth_users: [".to_owned() } else { header(&round.to_string()) };
        replace(&config, &text).unwrap();
        daemon.scrape().unwrap();
    }
    assert!(daemon.said().contains("web configuration reloaded"), "stderr:\n{}", daemon.said());
    assert!(daemon.said().contains("the last good one stays"), "stderr:\n{}", daemon.said());
    provocation.end(&daemon).unwrap();
    daemon.stop().unwrap();
}
