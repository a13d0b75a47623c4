//! Blocks of many rows, by a sweep line.
//!
//! The border of a row moves over the blocks: it keeps how many more of them there are behind each column than before it, and no
//! columns where that is as many. So blocks that lie side by side are one range.

use super::{
    pattern::{Pattern, Segment},
    rows::Writer,
    sorting_network::sort,
};
use crate::launch::Range;

/// A column, and how many more blocks there are behind it than before.
type Border = (u32, i64);

/// The pairs in these blocks `[rows, columns]`, of which none is empty and which may overlap.
pub(super) fn of_blocks(blocks: &[[Range; 2]]) -> Pattern {
    // Corners, as rows and columns, behind which there is a block more, and those behind which there is one less.
    let (mut more, mut less) = (Vec::with_capacity(2 * blocks.len()), Vec::with_capacity(2 * blocks.len()));
    for [rows, columns] in blocks {
        let corner = |row, column| Range { first: row, end: column };
        more.push(corner(rows.first, columns.first));
        more.push(corner(rows.end, columns.end));
        less.push(corner(rows.first, columns.end));
        less.push(corner(rows.end, columns.first));
    }
    sort(&mut more);
    sort(&mut less);
    let mut writer = Writer::new(blocks.len());
    let mut borders: Vec<Border> = Vec::new();
    // Both have the same rows.
    let (mut more, mut less) = (&more[..], &less[..]);
    while let Some(&Range { first: row, .. }) = more.first() {
        let here = more.iter().take_while(|corner| corner.first == row).count();
        change(&mut borders, &more[..here], 1);
        change(&mut borders, &less[..here], -1);
        borders.retain(|border| border.1 != 0);
        (more, less) = (&more[here..], &less[here..]);
        if let Some(next) = more.first() {
            let rows = Range { first: row, end: next.first };
            writer.make_room(borders.len());
            writer.add_row(&Segment { rows, first: 0, count: borders.len() }, runs(&borders));
        }
    }
    writer.finish()
}

/// Adds a change at each of these corners of a row.
fn change(borders: &mut Vec<Border>, corners: &[Range], change: i64) {
    let known = core::mem::take(borders);
    let mut place = 0;
    for corner in corners {
        while place < known.len() && known[place].0 <= corner.end {
            borders.push(known[place]);
            place += 1;
        }
        match borders.last_mut() {
            Some(last) if last.0 == corner.end => last.1 += change,
            _ => borders.push((corner.end, change)),
        }
    }
    borders.extend_from_slice(&known[place..]);
}

/// The ranges in which there are blocks.
fn runs(borders: &[Border]) -> impl Iterator<Item = Range> {
    let mut count = 0;
    let mut start = None;
    borders.iter().filter_map(move |&(column, change)| {
        count += change;
        if count == 0 {
            return start.take().map(|first| Range { first, end: column });
        }
        start.get_or_insert(column);
        None
    })
}
