//! The densities at the points before and after one mean-shift step.

use super::{AFTER, Area, BEFORE, Drawn, GREY, INK, titled};
use plotters::prelude::*;

/// Bars.
const BINS: usize = 48;

/// Draws both histograms into `area`.
pub(crate) fn draw(area: &Area, before: &[f32], after: &[f32]) -> Drawn {
    let body = titled(area, "Gaussian density at the points", "before (orange) and after (blue) one step")?;
    let logs = |a: &[f32]| -> Vec<f64> { a.iter().map(|&a| f64::from(a).log10()).collect() };
    let (before, after) = (logs(before), logs(after));
    let low = before.iter().chain(&after).copied().fold(f64::INFINITY, f64::min);
    let high = before.iter().chain(&after).copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if high - low > 1e-6 { (low, high) } else { (low - 0.5, high + 0.5) };
    let counts = |logs: &[f64]| {
        let mut counts = [0_u32; BINS];
        for log in logs {
            counts[(((log - low) / (high - low) * BINS as f64) as usize).min(BINS - 1)] += 1;
        }
        counts
    };
    let (before, after) = (counts(&before), counts(&after));
    let top = before.iter().chain(&after).copied().max().unwrap_or(1);
    let mut chart = ChartBuilder::on(&body)
        .margin_right(16)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(low..high, 0..top + top / 12 + 1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.25))
        .axis_style(GREY)
        .label_style(("sans-serif", 17).into_font().color(&GREY))
        .axis_desc_style(("sans-serif", 17).into_font().color(&INK))
        .x_desc("density a_i, logarithmic")
        .y_desc("points")
        .x_label_formatter(&|log| label(10_f64.powf(*log)))
        .draw()?;
    let edge = |bin: usize| low + (high - low) * bin as f64 / BINS as f64;
    for (counts, colour) in [(before, BEFORE), (after, AFTER)] {
        chart.draw_series(counts.iter().enumerate().map(|(bin, &count)| {
            Rectangle::new([(edge(bin), 0), (edge(bin + 1), count)], colour.mix(0.55).filled())
        }))?;
    }
    Ok(())
}

/// A number with two digits, as an axis shows it.
fn label(value: f64) -> String {
    match value {
        10.0.. => format!("{value:.0}"),
        0.1.. => format!("{value:.1}"),
        _ => format!("{value:.1e}"),
    }
}
