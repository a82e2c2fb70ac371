//! One row of the table.

use super::group::{RowKey, place};
use crate::{
    event::{Event, filter::FilterSubject},
    explain::{CauseId, Severity},
    model::Direction,
};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// The values of one column in a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Facet<T> {
    /// The same value in all resets of the row; `None` if it is not known.
    One(Option<T>),
    /// Two or more different values.
    Several(BTreeSet<Option<T>>),
}

impl<T: Ord + Clone> Facet<T> {
    fn add(&mut self, value: Option<T>) {
        match self {
            Self::One(one) if *one == value => {}
            Self::One(one) => *self = Self::Several(BTreeSet::from([one.take(), value])),
            Self::Several(several) => {
                several.insert(value);
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) key: RowKey,
    pub(crate) process: Facet<String>,
    /// Units or containers of the owners.
    pub(crate) place: Facet<String>,
    pub(crate) port: Facet<u16>,
    pub(crate) direction: Facet<Direction>,
    pub(crate) cause: Facet<CauseId>,
    /// The worst severity of the causes.
    pub(crate) severity: Option<Severity>,
    /// Current resets per second; `None` if it is not known yet.
    pub(crate) rate: Option<f64>,
    /// Resets since the view was zeroed or counting began.
    pub(crate) total: u64,
    /// Growth in each of the last steps of `metrics::trend::STEP`, oldest first.
    pub(crate) trend: Vec<u32>,
    /// The last event, if it is remembered.
    pub(crate) last: Option<Arc<Event>>,
}

impl Row {
    pub(super) fn new(key: RowKey, subject: &impl FilterSubject) -> Self {
        Self {
            key,
            process: Facet::One(subject.process().map(str::to_owned)),
            place: Facet::One(place(subject).map(str::to_owned)),
            port: Facet::One(subject.port()),
            direction: Facet::One(Some(subject.direction())),
            cause: Facet::One(subject.cause()),
            severity: subject.severity(),
            rate: None,
            total: 0,
            trend: Vec::new(),
            last: None,
        }
    }

    pub(super) fn add(&mut self, subject: &impl FilterSubject, total: u64, rate: Option<f64>, trend: &[u32]) {
        self.process.add(subject.process().map(str::to_owned));
        self.place.add(place(subject).map(str::to_owned));
        self.port.add(subject.port());
        self.direction.add(Some(subject.direction()));
        self.cause.add(subject.cause());
        self.severity = self.severity.max(subject.severity());
        self.total += total;
        self.rate = match (self.rate, rate) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        add_trend(&mut self.trend, trend);
    }

    /// Resets in all steps of the trend.
    #[must_use]
    pub(crate) fn recent(&self) -> u64 {
        self.trend.iter().map(|&growth| u64::from(growth)).sum()
    }

    /// Address of the last peer.
    #[must_use]
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.last.as_ref().map(|event| event.remote.address)
    }
}

/// Adds a trend to another. The last step of both is the present one.
pub(super) fn add_trend(sum: &mut Vec<u32>, trend: &[u32]) {
    if sum.len() < trend.len() {
        let missing = trend.len() - sum.len();
        sum.splice(0..0, std::iter::repeat_n(0, missing));
    }
    let start = sum.len() - trend.len();
    for (sum, growth) in sum[start..].iter_mut().zip(trend) {
        *sum = sum.saturating_add(*growth);
    }
}

#[cfg(test)]
mod tests {
    use super::add_trend;

    #[test]
    fn trends_end_now() {
        let mut sum = vec![1];
        add_trend(&mut sum, &[5, 0, 2]);
        assert_eq!(sum, [5, 0, 3]);
        add_trend(&mut sum, &[1]);
        assert_eq!(sum, [5, 0, 4]);
    }
}
