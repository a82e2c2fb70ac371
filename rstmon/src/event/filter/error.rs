//! What is wrong with a filter.

use super::FIELDS;
use crate::model::{
    nearest::{hint, nearest},
    text::safe,
};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("a quotation mark is not closed in {text:?}")]
    Quotes { text: String },
    /// A word does not have the form `field=value`.
    #[error("{word:?} is no filter; write field=value or field!=value with one of: {}", FIELDS.join(", "))]
    Form { word: String },
    #[error("unknown filter field {field:?}{} (the fields are {})", hint(&nearest(field, FIELDS.iter().copied())), FIELDS.join(", "))]
    Field { field: String },
    /// A value that the field cannot have.
    #[error("{field}={} can never match{} ({field} is {expected})", safe(value), hint(nearest))]
    Value {
        field: &'static str,
        value: String,
        /// The values that the field can have, to follow "is".
        expected: String,
        /// Those that the given value may stand for.
        nearest: Vec<&'static str>,
    },
}
