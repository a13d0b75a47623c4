//! Pictures of the time against the number of points, both logarithmic.

use super::{
    store::{Comparison, OURS},
    workload::Workload,
};
use anyhow::{Result, anyhow};
use plotters::{prelude::*, style::register_font};
use std::path::Path;

/// Width and height in pixels.
const SIZE: (u32, u32) = (1000, 640);
/// The colour of text, and of lines as strong as text.
const INK: RGBColor = RGBColor(34, 40, 49);
/// The colour of lines that must not be in the way.
const GREY: RGBColor = RGBColor(190, 196, 204);
/// The colours of the sides, in their order; they are far apart also for eyes that see fewer colours.
const COLOURS: [RGBColor; 8] = [
    RGBColor(213, 40, 40),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(120, 90, 40),
    RGBColor(120, 120, 120),
];

/// Draws a line for each side into a PNG file.
pub(super) fn draw(path: &Path, title: &str, threads: usize, comparisons: &[(Workload, &Comparison)]) -> Result<()> {
    try_draw(path, title, threads, comparisons).map_err(|error| anyhow!("{}: {error}", path.display()))
}

fn try_draw(
    path: &Path,
    title: &str,
    threads: usize,
    comparisons: &[(Workload, &Comparison)],
) -> Result<(), Box<dyn std::error::Error>> {
    // Plotters asks for a font by name; DejaVu Sans comes with the program, so that none need be installed.
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font is not readable")?;
    let lines = lines(comparisons);
    let points = || lines.iter().flat_map(|(_, points)| points);
    let range = |coordinate: fn(&(f64, f64)) -> f64| {
        let least = points().map(coordinate).fold(f64::MAX, f64::min);
        let most = points().map(coordinate).fold(0.0, f64::max);
        (least / 1.3..most * 1.3).log_scale()
    };
    let area = BitMapBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{title}, {threads} threads"), ("sans-serif", 24).into_font().color(&INK))
        .margin(16)
        .x_label_area_size(52)
        .y_label_area_size(84)
        .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.6))
        .label_style(("sans-serif", 16).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 18).into_font().color(&INK))
        .x_desc("N = M")
        .y_desc("seconds")
        .x_label_formatter(&|n| format!("{n:.0}"))
        .y_label_formatter(&|seconds| format!("{seconds:.0e}"))
        .draw()?;
    for ((side, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        // the line of keops is drawn stronger, since the others are compared with it
        let style = colour.stroke_width(if side == OURS { 4 } else { 2 });
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(side)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], style));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .legend_area_size(34)
        .margin(14)
        .background_style(WHITE.mix(0.9))
        .border_style(GREY)
        .label_font(("sans-serif", 18).into_font().color(&INK))
        .draw()?;
    area.present()?;
    Ok(())
}

/// The name of each side, and its points by number and seconds.
fn lines(comparisons: &[(Workload, &Comparison)]) -> Vec<(String, Vec<(f64, f64)>)> {
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (workload, comparison) in comparisons {
        for measurement in &comparison.measurements {
            let Some(seconds) = measurement.median() else { continue };
            let point = (workload.targets as f64, seconds);
            match lines.iter_mut().find(|(side, _)| *side == measurement.side) {
                Some((_, points)) => points.push(point),
                None => lines.push((measurement.side.clone(), vec![point])),
            }
        }
    }
    lines
}
