//! A remedy with the settings that carry it out.

use crate::{
    explain::catalogue::{
        Remedy,
        settings::{Setting, SettingGroup},
    },
    model::Role,
};
use std::borrow::Cow;

/// One thing to do about a cause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemedyView {
    /// Counted from 1, the most useful first.
    pub(crate) number: usize,
    pub(crate) action: &'static str,
    /// The end of the connection that it is meant for, as a heading; absent where it is meant for the end that the view
    /// is of.
    pub(crate) end: Option<&'static str>,
    /// Absent where it is not a matter of settings.
    pub(crate) group: Option<&'static SettingGroup>,
}

impl RemedyView {
    /// The remedy as one of a view whose ends have no role, or all the same.
    pub(super) const fn new(number: usize, remedy: &'static Remedy) -> Self {
        let Remedy { action, settings, role: _ } = remedy;
        Self { number, action, end: None, group: *settings }
    }

    /// The remedy as one of a view of both roles.
    pub(super) const fn of_either_role(number: usize, remedy: &'static Remedy) -> Self {
        let end = match remedy.role {
            Some(Role::Opened) => Some("If this host opened the connection:"),
            Some(Role::Accepted | Role::Listener) => Some("If this host accepted the connection:"),
            None => None,
        };
        Self { end, ..Self::new(number, remedy) }
    }

    /// The action, with the end that it is meant for where that is not clear.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self.end {
            Some(end) => format!("{end} {}", lower_first(self.action)).into(),
            None => self.action.into(),
        }
    }

    /// The settings of all products.
    pub(crate) fn settings(&self) -> &'static [Setting] {
        self.group.map_or(&[], |group| group.settings)
    }

    /// The settings of the products that one of the processes is likely to be or to run.
    pub(crate) fn settings_for(&self, processes: &[&str]) -> impl Iterator<Item = &'static Setting> {
        let products: Vec<&str> = processes.iter().flat_map(|process| products_of(process)).copied().collect();
        self.settings().iter().filter(move |setting| products.contains(&setting.product))
    }
}

/// A sentence as the continuation of one.
fn lower_first(sentence: &str) -> String {
    let mut rest = sentence.chars();
    rest.next().map(|first| first.to_lowercase().chain(rest).collect()).unwrap_or_default()
}

/// Products of the catalogue's settings that a process, by its comm, is likely to be or to run.
fn products_of(process: &str) -> &'static [&'static str] {
    match process {
        "nginx" => &["nginx", "nginx as a proxy"],
        "java" => &["Tomcat", "Java", "Java HttpClient", "Apache HttpClient"],
        "node" => &["Node"],
        "haproxy" => &["HAProxy"],
        "gunicorn" => &["gunicorn", "gunicorn, uvicorn"],
        "uvicorn" => &["uvicorn", "gunicorn, uvicorn"],
        "apache2" | "httpd" => &["Apache httpd"],
        "mysqld" => &["MySQL"],
        "mariadbd" => &["MariaDB", "MySQL"],
        "postgres" => &["PostgreSQL"],
        "envoy" => &["Envoy, Istio"],
        "redis-server" => &["Redis"],
        "php-fpm" => &["PHP-FPM", "PHP"],
        "php" => &["PHP"],
        "pgbouncer" => &["PgBouncer"],
        "varnishd" | "cache-main" => &["Varnish"],
        "ruby" => &["Ruby"],
        "puma" => &["Puma", "Ruby"],
        "curl" => &["curl"],
        "python" | "python3" => &["Python"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::{RemedyView, products_of};
    use crate::explain::{
        Cause,
        catalogue::settings::{GROUPS, UNREAD_BODY},
    };

    #[test]
    fn every_product_is_in_the_catalogue() {
        let known = |product: &str| GROUPS.iter().flat_map(|group| group.settings).any(|set| set.product == product);
        for process in [
            "nginx",
            "java",
            "node",
            "haproxy",
            "gunicorn",
            "uvicorn",
            "httpd",
            "mysqld",
            "mariadbd",
            "postgres",
            "envoy",
            "redis-server",
            "php-fpm",
            "pgbouncer",
            "varnishd",
            "ruby",
            "puma",
            "curl",
            "python3",
        ] {
            let products = products_of(process);
            assert!(!products.is_empty(), "{process}");
            for product in products {
                assert!(known(product), "{process}: {product} has no setting");
            }
        }
        assert!(products_of("").is_empty());
    }

    #[test]
    fn settings_are_those_of_the_process() {
        let remedy = RemedyView::new(1, &Cause::ClosedWithUnreadData.entry().remedies[0]);
        assert_eq!(remedy.settings(), UNREAD_BODY.settings);
        let products: Vec<&str> = remedy.settings_for(&["java"]).map(|setting| setting.product).collect();
        assert_eq!(products, ["Tomcat"]);
        let both: Vec<&str> = remedy.settings_for(&["java", "nginx"]).map(|setting| setting.product).collect();
        assert_eq!(both, ["nginx", "Tomcat"]);
        assert_eq!(remedy.settings_for(&["unheard-of"]).count(), 0);
    }
}
