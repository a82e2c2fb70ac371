//! A remedy with the settings that carry it out.

use crate::explain::catalogue::{
    Remedy,
    settings::{Setting, SettingGroup},
};

/// One thing to do about a cause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemedyView {
    /// Counted from 1, the most useful first.
    pub(crate) number: usize,
    pub(crate) action: &'static str,
    /// Absent where it is not a matter of settings.
    pub(crate) group: Option<&'static SettingGroup>,
}

impl RemedyView {
    pub(super) const fn new(number: usize, remedy: &'static Remedy) -> Self {
        let Remedy { action, settings } = remedy;
        Self { number, action, group: *settings }
    }

    /// The settings of all products.
    pub(crate) fn settings(&self) -> &'static [Setting] {
        self.group.map_or(&[], |group| group.settings)
    }

    /// The settings of the products that a process is likely to be or to run.
    pub(crate) fn settings_for(&self, process: Option<&str>) -> impl Iterator<Item = &'static Setting> {
        let products = products_of(process);
        self.settings().iter().filter(move |setting| products.contains(&setting.product))
    }
}

/// Products of the catalogue's settings that a process, by its comm, is likely to be or to run.
fn products_of(process: Option<&str>) -> &'static [&'static str] {
    match process.unwrap_or_default() {
        "nginx" => &["nginx", "nginx as a proxy"],
        "java" => &["Tomcat", "Java", "Java HttpClient"],
        "node" => &["Node"],
        "haproxy" => &["HAProxy"],
        "gunicorn" => &["gunicorn", "gunicorn, uvicorn"],
        "uvicorn" => &["uvicorn", "gunicorn, uvicorn"],
        "apache2" | "httpd" => &["Apache httpd"],
        "mysqld" | "mariadbd" => &["MySQL"],
        "postgres" => &["PostgreSQL"],
        "envoy" => &["Envoy, Istio"],
        "redis-server" => &["Redis"],
        "php-fpm" => &["PHP-FPM"],
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
        for process in
            ["nginx", "java", "node", "haproxy", "gunicorn", "uvicorn", "httpd", "mysqld", "postgres", "envoy"]
        {
            let products = products_of(Some(process));
            assert!(!products.is_empty(), "{process}");
            for product in products {
                assert!(known(product), "{process}: {product} has no setting");
            }
        }
        assert!(products_of(None).is_empty());
    }

    #[test]
    fn settings_are_those_of_the_process() {
        let remedy = RemedyView::new(1, &Cause::ClosedWithUnreadData.entry().remedies[0]);
        assert_eq!(remedy.settings(), UNREAD_BODY.settings);
        let products: Vec<&str> = remedy.settings_for(Some("java")).map(|setting| setting.product).collect();
        assert_eq!(products, ["Tomcat"]);
        assert_eq!(remedy.settings_for(Some("unheard-of")).count(), 0);
    }
}
