//! Images of 8 x 8 pixels before mean shift, after one step and after several, one of each label.

use super::{Area, Content, Drawn, GREY, shade, titled};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Pixels of an image.
pub(crate) const PIXELS: usize = SIDE * SIDE;
const SIDE: usize = 8;
/// The most images in a row.
const IMAGES: usize = 10;

/// Draws three rows of images into `area`.
pub(crate) fn draw<const D: usize>(area: &Area, content: &Content<D>) -> Drawn {
    let explanation = "an untypical image of each label moves to the weighted mean of all images around it";
    let body = titled(area, "Mean shift: uphill on the density", explanation)?;
    let (width, height) = body.dim_in_pixel();
    let chosen: Vec<usize> =
        (0..content.table.names.len().min(IMAGES)).filter_map(|class| untypical(content, class)).collect();
    let images = [content.x, content.once, content.many];
    let captions = ["before".to_owned(), "1 step".to_owned(), format!("{} steps", content.many_steps)];
    let (left, gap) = (84, 8);
    let side = ((width as i32 - left) / IMAGES as i32).min(height as i32 / 3) - gap;
    let pixel = side / SIDE as i32;
    let high = content.table.values.iter().copied().fold(f32::MIN, f32::max);
    let low = content.table.values.iter().copied().fold(f32::MAX, f32::min);
    for (row, (points, caption)) in images.iter().zip(captions).enumerate() {
        let y = 16 + row as i32 * (height as i32 - 16) / 3;
        let style = ("sans-serif", 17).into_font().color(&GREY).pos(Pos::new(HPos::Left, VPos::Center));
        body.draw(&Text::new(caption, (8, y + side / 2), style))?;
        for (column, &i) in chosen.iter().enumerate() {
            let x = left + column as i32 * (side + gap);
            for (p, &value) in points[i][..PIXELS].iter().enumerate() {
                let (px, py) = (x + (p % SIDE) as i32 * pixel, y + (p / SIDE) as i32 * pixel);
                let colour = shade(f64::from((value - low) / (high - low)));
                body.draw(&Rectangle::new([(px, py), (px + pixel, py + pixel)], colour.filled()))?;
            }
            let end = (x + pixel * SIDE as i32, y + pixel * SIDE as i32);
            body.draw(&Rectangle::new([(x - 1, y - 1), end], GREY.mix(0.5).stroke_width(1)))?;
        }
    }
    Ok(())
}

/// The image of a class that has a tenth of the class below it in density.
fn untypical<const D: usize>(content: &Content<D>, class: usize) -> Option<usize> {
    let classes = &content.table.classes;
    let mut members: Vec<usize> = (0..classes.len()).filter(|&i| classes[i] == class).collect();
    members.sort_by(|&i, &k| content.before[i].total_cmp(&content.before[k]));
    members.get(members.len() / 10).copied()
}
