//! Who was taken for whom: a row for each label, a column for each answer.

use super::{Area, Drawn, GREY, INK, shade, titled};
use crate::{classify::Classification, table::Table};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// With more labels the cells are too small for numbers.
const MOST_NUMBERED: usize = 24;

/// Draws the confusion matrix into `area`.
pub(crate) fn draw(area: &Area, table: &Table, classification: &Classification) -> Drawn {
    let title = format!("10 nearest neighbours: {:.2} % right", 100.0 * classification.accuracy());
    let explanation = format!("{} points, leave one out; row: true label, column: answer", table.rows());
    let body = titled(area, &title, &explanation)?;
    let count = table.names.len();
    let (width, height) = body.dim_in_pixel();
    let margin = 56;
    let cell = ((width.min(height) - margin - 8) as i32 / count as i32).max(1);
    let corner = |row: usize, column: usize| (56 + column as i32 * cell, 8 + row as i32 * cell);
    let centred = Pos::new(HPos::Center, VPos::Center);
    let size = f64::from(cell.min(64)) * 0.30;
    for (row, counts) in classification.confusion.iter().enumerate() {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        for (column, &found) in counts.iter().enumerate() {
            // Mistakes are few: the square root makes a single one visible.
            let share = (found as f64 / all).sqrt();
            let (x, y) = corner(row, column);
            let gap = i32::from(cell > 8);
            body.draw(&Rectangle::new(
                [(x, y), (x + cell - gap, y + cell - gap)],
                shade(share * 0.92 + 0.03).filled(),
            ))?;
            if count <= MOST_NUMBERED && found > 0 {
                let colour = if share > 0.55 { WHITE } else { INK };
                let style = ("sans-serif", size).into_font().color(&colour).pos(centred);
                body.draw(&Text::new(found.to_string(), (x + cell / 2, y + cell / 2), style))?;
            }
        }
    }
    if count <= MOST_NUMBERED {
        for (class, name) in table.names.iter().enumerate() {
            let short: String = name.chars().take(7).collect();
            let style = ("sans-serif", 17).into_font().color(&GREY);
            let (x, y) = corner(class, class);
            let left = style.pos(Pos::new(HPos::Right, VPos::Center));
            body.draw(&Text::new(short.clone(), (46, y + cell / 2), left))?;
            let below = corner(count, 0).1 + 16;
            let style = ("sans-serif", 17).into_font().color(&GREY).pos(centred);
            body.draw(&Text::new(short, (x + cell / 2, below), style))?;
        }
    }
    Ok(())
}
