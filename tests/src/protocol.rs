//! The protocol between a test and its actors: a command is one line of words, a reply one line of `key=value` words.

use anyhow::{Context as _, Result, bail};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The reply to a command that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Adds a field. Neither key nor value may contain a blank.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl fmt::Display) -> Self {
        self.0.insert(key.to_owned(), value.to_string());
        self
    }

    /// The value of a field, parsed.
    ///
    /// # Errors
    /// When the reply lacks the field or the value does not parse.
    pub fn get<T: FromStr>(&self, key: &str) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let value = self.0.get(key).with_context(|| format!("no {key} in {self:?}"))?;
        value.parse().with_context(|| format!("{key}={value}"))
    }
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The command succeeded.
    Done(Fields),
    /// A system call failed.
    Failed {
        /// Name of the system call.
        call: String,
        /// The kernel's error number.
        errno: i32,
    },
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(fields) => {
                f.write_str("ok")?;
                fields.0.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
            }
            Self::Failed { call, errno } => write!(f, "failed call={call} errno={errno}"),
        }
    }
}

impl FromStr for Reply {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let verdict = words.next().context("empty reply")?;
        let mut fields = Fields::default();
        for word in words {
            let (key, value) = word.split_once('=').with_context(|| format!("{word:?} in reply {line:?}"))?;
            fields = fields.with(key, value);
        }
        match verdict {
            "ok" => Ok(Self::Done(fields)),
            "failed" => Ok(Self::Failed { call: fields.get("call")?, errno: fields.get("errno")? }),
            _ => bail!("unknown reply {line:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_survive_formatting_and_parsing() {
        let done = Reply::Done(Fields::default().with("pid", 7).with("local", "[::1]:80"));
        let failed = Reply::Failed { call: "connect".to_owned(), errno: 111 };
        for reply in [done, failed, Reply::Done(Fields::default())] {
            assert_eq!(reply.to_string().parse::<Reply>().expect("own words"), reply);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["", "maybe", "ok pid", "failed call=x"] {
            assert!(line.parse::<Reply>().is_err(), "{line:?}");
        }
    }
}
