//! The picture: a heat map of the confusion matrix, points before and after mean shift, and the densities' histograms.

mod confusion;
mod digits;
mod histogram;
mod scatter;

use crate::{classify::Classification, table::Table};
use plotters::{coord::Shift, prelude::*, style::register_font};
use std::{error::Error, path::Path};

/// Where everything is drawn: the whole picture, or a part of it.
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
/// What a part of the picture may fail with.
type Drawn = Result<(), Box<dyn Error>>;

/// Width and height in pixels.
const SIZE: (u32, u32) = (1600, 900);
/// Text, and lines as strong as text.
const INK: RGBColor = RGBColor(34, 40, 49);
/// Less important text and lines.
const GREY: RGBColor = RGBColor(120, 128, 138);
/// What is before the mean shift.
const BEFORE: RGBColor = RGBColor(217, 119, 54);
/// What is after it.
const AFTER: RGBColor = RGBColor(38, 84, 150);

/// What is to be seen.
pub(crate) struct Content<'a, const D: usize> {
    pub(crate) table: &'a Table,
    pub(crate) classification: &'a Classification,
    /// The density at each point.
    pub(crate) before: &'a [f32],
    /// The density after one step.
    pub(crate) after: &'a [f32],
    /// The points.
    pub(crate) x: &'a [[f32; D]],
    /// The points after one step.
    pub(crate) once: &'a [[f32; D]],
    /// The points after several steps.
    pub(crate) many: &'a [[f32; D]],
    /// How many steps these are.
    pub(crate) many_steps: usize,
}

/// Draws everything into a PNG file.
pub(crate) fn draw<const D: usize>(path: &Path, content: &Content<D>) -> Drawn {
    // Plotters asks for a font by name; DejaVu Sans comes with the program, so that none need be installed.
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font is not readable")?;
    // Tried first, because plotters' own message is not for readers.
    std::fs::write(path, []).map_err(|error| format!("{}: cannot be written: {error}", path.display()))?;
    let picture = BitMapBackend::new(path, SIZE).into_drawing_area();
    picture.fill(&WHITE)?;
    let (left, right) = picture.margin(24, 24, 24, 24).split_horizontally(800);
    confusion::draw(&left, content.table, content.classification)?;
    let are_images = content.table.columns == digits::PIXELS;
    let (top, bottom) = right.split_vertically(if are_images { 400 } else { 510 });
    if are_images {
        digits::draw(&top, content)?
    } else {
        scatter::draw(&top, content)?
    }
    histogram::draw(&bottom, content.before, content.after)?;
    picture.present()?;
    Ok(())
}

/// A title at the top of `area`, with a line of explanation below; returns what is left of the area.
fn titled<'a>(area: &Area<'a>, title: &str, explanation: &str) -> Result<Area<'a>, Box<dyn Error>> {
    let (head, body) = area.split_vertically(64);
    head.draw(&Text::new(title.to_owned(), (8, 4), ("sans-serif", 26).into_font().color(&INK)))?;
    head.draw(&Text::new(explanation.to_owned(), (8, 36), ("sans-serif", 17).into_font().color(&GREY)))?;
    Ok(body)
}

/// The colour of a share from 0 to 1: white to dark blue, with equal steps to the eye.
fn shade(share: f64) -> RGBColor {
    const STOPS: [[f64; 3]; 5] =
        [[255.0, 255.0, 255.0], [198.0, 219.0, 239.0], [107.0, 174.0, 214.0], [33.0, 113.0, 181.0], [8.0, 48.0, 107.0]];
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let stop = (place as usize).min(STOPS.len() - 2);
    let mix = |c: usize| (STOPS[stop][c] + (place - stop as f64) * (STOPS[stop + 1][c] - STOPS[stop][c])).round() as u8;
    RGBColor(mix(0), mix(1), mix(2))
}
