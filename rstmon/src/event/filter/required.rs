//! What an event must have to match a filter, for readers that look for it in a line before they parse it.

/// A field that must have one of these values; letters may differ in case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Required {
    pub(crate) field: RequiredField,
    pub(crate) values: Vec<String>,
}

/// The fields of an event that a filter compares with values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequiredField {
    Process,
    Unit,
    Port,
    Cause,
    Reason,
    Direction,
    Family,
    Severity,
}

impl RequiredField {
    /// Its name in the event's JSON.
    #[must_use]
    pub(crate) fn json(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Unit => "unit",
            Self::Port => "service_port",
            Self::Cause => "cause",
            Self::Reason => "reason",
            Self::Direction => "direction",
            Self::Family => "family",
            Self::Severity => "severity",
        }
    }
}
