//! Selects the columns that there is room for, and their widths. Pure.

use crate::command::top::state::{group::Group, sort::Column};

/// Blank cells between two columns.
pub(crate) const GAP: u16 = 1;
/// The columns that are shown in any case. On a very narrow terminal, the last ones are left out first.
const CORE: [Column; 4] = [Column::Process, Column::Cause, Column::Rate, Column::Total];
/// The same for rows by peer network, which need a wide column.
const NETWORK_CORE: [Column; 4] = [Column::Rate, Column::Total, Column::Cause, Column::Process];
/// The other columns in the order in which they are added. One is added only if all before it have their ideal width.
const MORE: [Column; 5] = [Column::Port, Column::Direction, Column::Trend, Column::Peer, Column::Place];
/// Columns that grow beyond their ideal width, in this order, up to the given or their greatest width. Two minutes of
/// trend and an IPv4 address with its port come first.
const GROWING: [(Column, u16); 5] = [
    (Column::Trend, 24),
    (Column::Peer, 21),
    (Column::Place, u16::MAX),
    (Column::Peer, u16::MAX),
    (Column::Trend, u16::MAX),
];

/// Least, ideal and greatest width.
fn widths(column: Column, group: Group) -> (u16, u16, u16) {
    match column {
        Column::Process => (8, 16, 16),
        Column::Place => (10, 20, 40),
        Column::Port => (5, 5, 5),
        Column::Direction => (5, 5, 8),
        // The longest id has 23 letters.
        Column::Cause => (12, 23, 23),
        Column::Rate => (6, 6, 8),
        Column::Total => (6, 7, 12),
        Column::Trend => (6, 12, 60),
        // 43 characters are the longest IPv6 network with its prefix length.
        Column::Peer if group == Group::Network => (15, 24, 43),
        Column::Peer => (11, 15, 39),
    }
}

/// The column that names the rows.
fn key(group: Group) -> Option<Column> {
    match group {
        Group::Who => None,
        Group::Cause => Some(Column::Cause),
        Group::Process => Some(Column::Process),
        Group::Unit => Some(Column::Place),
        Group::Port => Some(Column::Port),
        Group::Network => Some(Column::Peer),
    }
}

/// The columns from left to right with their widths. The column that names the rows comes first.
#[must_use]
pub(crate) fn columns(width: u16, group: Group) -> Vec<(Column, u16)> {
    let key = key(group);
    let core = if group == Group::Network { NETWORK_CORE } else { CORE };
    let mut chosen: Vec<Column> =
        key.into_iter().chain(core.into_iter().filter(|column| Some(*column) != key)).collect();
    let needed = |chosen: &[Column], size: fn((u16, u16, u16)) -> u16| -> u16 {
        chosen.iter().map(|column| size(widths(*column, group)) + GAP).sum::<u16>().saturating_sub(GAP)
    };
    // A terminal that is too narrow for the core columns loses the last ones.
    while chosen.len() > 1 && needed(&chosen, |(least, ..)| least) > width {
        chosen.pop();
    }
    for column in MORE.into_iter().filter(|column| Some(*column) != key) {
        if needed(&chosen, |(_, ideal, _)| ideal) + GAP + widths(column, group).0 > width {
            break;
        }
        chosen.push(column);
    }
    let mut sizes: Vec<(Column, u16)> = chosen.iter().map(|column| (*column, widths(*column, group).0)).collect();
    let mut room = width.saturating_sub(needed(&chosen, |(least, ..)| least));
    for (column, size) in &mut sizes {
        let more = (widths(*column, group).1 - *size).min(room);
        *size += more;
        room -= more;
    }
    for (growing, limit) in GROWING {
        if let Some((column, size)) = sizes.iter_mut().find(|(column, _)| *column == growing) {
            let more = widths(*column, group).2.min(limit).saturating_sub(*size).min(room);
            *size += more;
            room -= more;
        }
    }
    sizes.sort_by_key(|(column, _)| (Some(*column) != key, Column::ALL.iter().position(|other| other == column)));
    sizes
}

#[cfg(test)]
mod tests {
    use super::{Column, GAP, Group, columns};

    fn total(width: u16, group: Group) -> u16 {
        columns(width, group).iter().map(|(_, size)| size + GAP).sum::<u16>() - GAP
    }

    #[test]
    fn a_row_never_exceeds_its_line() {
        for group in Group::ALL {
            for width in 40..=300 {
                assert!(total(width, group) <= width, "{group:?} at {width}");
            }
        }
    }

    #[test]
    fn eighty_columns_show_who_why_how_often_and_since_when() {
        let shown: Vec<Column> = columns(80, Group::Who).into_iter().map(|(column, _)| column).collect();
        let expected = [
            Column::Process,
            Column::Port,
            Column::Direction,
            Column::Cause,
            Column::Rate,
            Column::Total,
            Column::Trend,
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_names_a_row_comes_first_and_a_wide_terminal_shows_everything() {
        for (group, first) in [(Group::Cause, Column::Cause), (Group::Unit, Column::Place), (Group::Port, Column::Port)]
        {
            assert_eq!(columns(80, group)[0].0, first);
            assert_eq!(columns(200, group).len(), Column::ALL.len());
        }
    }
}
