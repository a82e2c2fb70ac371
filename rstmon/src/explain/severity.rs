//! How bad a reset is and how sure the verdict is: two small ordered scales.
//!
//! Both are closed, and their words are part of the interface (filters, JSON, labels). The declaration order is the
//! order of `Ord`: the most harmful severity and the highest confidence are the greatest.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A word that is not on one of the scales.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no {scale}; it is one of: {}", valid.join(", "))]
pub(crate) struct UnknownWord {
    /// The scale that was asked for: `severity` or `confidence`.
    pub(crate) scale: &'static str,
    pub(crate) given: String,
    pub(crate) valid: &'static [&'static str],
}

macro_rules! scale {
    (
        $(#[$meta:meta])* $name:ident as $label:literal { $( $(#[$vmeta:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub(crate) enum $name {
            $( $(#[$vmeta])* #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every value, in ascending order.
            #[allow(dead_code, reason = "not every scale is listed anywhere")]
            pub(crate) const ALL: &'static [Self] = &[$( Self::$variant, )+];
            const WORDS: &'static [&'static str] = &[$( $word, )+];

            /// The word used in filters, JSON and text.
            #[must_use]
            pub(crate) const fn word(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(given: &str) -> Result<Self, Self::Err> {
                match given {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err(UnknownWord { scale: $label, given: given.to_owned(), valid: Self::WORDS }),
                }
            }
        }
    };
}

scale! {
    /// What a reset means for the people who depend on the connection.
    Severity as "severity" {
        /// Nothing was lost, and there is nothing to do.
        Benign = "benign",
        /// Something failed or was cut short, perhaps on purpose: worth knowing, worth a look when it grows.
        Notice = "notice",
        /// Wanted work was lost, and this host or its configuration had a part in it.
        Harmful = "harmful",
    }
}

scale! {
    /// How the cause follows from the evidence.
    Confidence as "confidence" {
        /// The evidence fits, but other causes would leave the same evidence.
        Guess = "guess",
        /// The evidence points to this cause; another one is possible but would be unusual.
        Likely = "likely",
        /// The kernel said so, or no other cause can leave this evidence.
        Certain = "certain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_ordered_by_harm_and_by_certainty() {
        assert!(Severity::Benign < Severity::Notice && Severity::Notice < Severity::Harmful);
        assert!(Confidence::Guess < Confidence::Likely && Confidence::Likely < Confidence::Certain);
    }

    #[test]
    fn words_survive_a_round_trip_through_text_and_json() -> Result<(), Box<dyn std::error::Error>> {
        for &severity in Severity::ALL {
            assert_eq!(severity.to_string().parse::<Severity>()?, severity);
            assert_eq!(serde_json::to_string(&severity)?, format!("\"{severity}\""));
            assert_eq!(serde_json::from_str::<Severity>(&format!("\"{severity}\""))?, severity);
        }
        for &confidence in Confidence::ALL {
            assert_eq!(confidence.to_string().parse::<Confidence>()?, confidence);
            assert_eq!(serde_json::to_string(&confidence)?, format!("\"{confidence}\""));
        }
        Ok(())
    }

    #[test]
    fn an_unknown_word_is_answered_with_the_valid_ones() {
        let error = "Harmful".parse::<Severity>().expect_err("the words are lower case");
        assert_eq!(error.to_string(), "\"Harmful\" is no severity; it is one of: benign, notice, harmful");
    }

    #[test]
    fn display_obeys_the_width_of_a_column() {
        assert_eq!(format!("{:<8}|", Severity::Notice), "notice  |");
    }
}
