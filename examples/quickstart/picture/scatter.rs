//! Points that are not images: the two columns that vary most, and where mean shift takes each point.

use super::{Area, Content, Drawn, GREY, INK, titled};
use plotters::prelude::*;

/// The most points that are drawn.
const MOST_POINTS: usize = 4_000;

/// Draws the points into `area`, in the colour of their label.
pub(crate) fn draw<const D: usize>(area: &Area, content: &Content<D>) -> Drawn {
    let (a, b) = widest_columns(content);
    let title = "Mean shift: uphill on the density";
    let explanation =
        format!("the two columns that vary most; a line from each point to where {} steps take it", content.many_steps);
    let body = titled(area, title, &explanation)?;
    let range = |column: usize| {
        let values = content.x.iter().chain(content.many).map(|x| x[column]);
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let margin = if high > low { (high - low) * 0.03 } else { 1.0 };
        low - margin..high + margin
    };
    let mut chart = ChartBuilder::on(&body)
        .margin_right(16)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(range(a), range(b))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GREY)
        .label_style(("sans-serif", 17).into_font().color(&GREY))
        .axis_desc_style(("sans-serif", 17).into_font().color(&INK))
        .x_desc(format!("column {}", a + 1))
        .y_desc(format!("column {}", b + 1))
        .draw()?;
    let every = content.x.len().div_ceil(MOST_POINTS);
    for i in (0..content.x.len()).step_by(every) {
        let colour = label_colour(content.table.classes[i], content.table.names.len());
        let (from, to) = ((content.x[i][a], content.x[i][b]), (content.many[i][a], content.many[i][b]));
        chart.draw_series([PathElement::new(vec![from, to], colour.mix(0.35))])?;
        chart.draw_series([Circle::new(from, 2, colour.mix(0.45).filled()), Circle::new(to, 4, colour.filled())])?;
    }
    Ok(())
}

/// The two columns of the largest variance; the same one twice if there is only one.
fn widest_columns<const D: usize>(content: &Content<D>) -> (usize, usize) {
    let n = content.x.len() as f64;
    let variance = |column: usize| {
        let values = || content.x.iter().map(|x| f64::from(x[column]));
        let mean = values().sum::<f64>() / n;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / n
    };
    let mut columns: Vec<(f64, usize)> = (0..content.table.columns).map(|column| (variance(column), column)).collect();
    columns.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (first, second) = (columns[0].1, columns.get(1).unwrap_or(&columns[0]).1);
    (first.min(second), first.max(second))
}

/// Colours of equal lightness around the circle, one for each label.
fn label_colour(class: usize, count: usize) -> HSLColor {
    HSLColor(class as f64 / count as f64, 0.65, 0.45)
}
