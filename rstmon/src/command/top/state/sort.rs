//! The columns of the table, and the order of its rows.

use super::row::Row;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Column {
    Process,
    /// Unit or container of the owner.
    Place,
    Port,
    Direction,
    Cause,
    /// Resets per second.
    #[default]
    Rate,
    Total,
    /// Growth in each of the last steps.
    Trend,
    /// The last peer, or the peers' network.
    Peer,
}

impl Column {
    /// All columns from left to right.
    pub(crate) const ALL: [Self; 9] = [
        Self::Process,
        Self::Place,
        Self::Port,
        Self::Direction,
        Self::Cause,
        Self::Rate,
        Self::Total,
        Self::Trend,
        Self::Peer,
    ];

    /// Whether the column is sorted from the greatest value down. Names and ports are sorted upwards.
    #[must_use]
    pub(crate) fn descends(self) -> bool {
        matches!(self, Self::Rate | Self::Total | Self::Trend)
    }
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) column: Column,
    pub(crate) descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self::by(Column::default())
    }
}

impl Sort {
    /// Sorts by a column in its natural order.
    #[must_use]
    pub(crate) fn by(column: Column) -> Self {
        Self { column, descending: column.descends() }
    }

    /// Sorts by the column of `shown` that is `step` columns to the right of the present one, or by the first one if
    /// the present one is not shown.
    #[must_use]
    pub(crate) fn beside(self, step: isize, shown: &[Column]) -> Self {
        let count = shown.len().max(1);
        let at = shown.iter().position(|column| *column == self.column);
        let next = at.map_or(0, |at| at.wrapping_add_signed(step).wrapping_add(count) % count);
        shown.get(next).map_or(self, |column| Self::by(*column))
    }

    /// The reverse order by the same column.
    #[must_use]
    pub(crate) fn inverted(self) -> Self {
        Self { descending: !self.descending, ..self }
    }

    /// Compares two rows. Rows that are equal in the column are ordered by total and then by name, so that their order
    /// is stable.
    #[must_use]
    pub(crate) fn compare(self, one: &Row, other: &Row) -> Ordering {
        let order = match self.column {
            Column::Process => one.process.cmp(&other.process),
            Column::Place => one.place.cmp(&other.place),
            Column::Port => one.port.cmp(&other.port),
            Column::Direction => one.direction.cmp(&other.direction),
            Column::Cause => one.severity.cmp(&other.severity).reverse().then_with(|| one.cause.cmp(&other.cause)),
            Column::Rate => one.rate.unwrap_or(0.0).total_cmp(&other.rate.unwrap_or(0.0)),
            Column::Total => one.total.cmp(&other.total),
            Column::Trend => one.recent().cmp(&other.recent()),
            Column::Peer => one.peer().cmp(&other.peer()),
        };
        let order = if self.descending { order.reverse() } else { order };
        order.then_with(|| other.total.cmp(&one.total)).then_with(|| one.key.cmp(&other.key))
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Sort};

    #[test]
    fn columns_come_round_in_both_directions() {
        let mut sort = Sort::by(Column::Process);
        sort = sort.beside(-1, &Column::ALL);
        assert_eq!(sort, Sort { column: Column::Peer, descending: false });
        sort = sort.beside(1, &Column::ALL).beside(1, &Column::ALL);
        assert_eq!(sort.column, Column::Place);
        let narrow = [Column::Process, Column::Rate];
        assert_eq!(sort.beside(1, &narrow).column, Column::Process, "it is not shown");
        assert_eq!(Sort::by(Column::Process).beside(1, &narrow).column, Column::Rate);
        assert_eq!(sort.beside(1, &[]), sort);
        assert!(Sort::by(Column::Total).descending && !Sort::by(Column::Total).inverted().descending);
    }
}
