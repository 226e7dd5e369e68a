//! Plots for reports: light curves and residuals as SVG.

use plotters::prelude::*;
use std::ops::Range;

/// One series of points with error bars.
pub struct Series {
    pub label: String,
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub y_err: Vec<f64>,
}

/// Points with error bars as an SVG document.
pub fn points_svg(
    title: &str,
    x_label: &str,
    y_label: &str,
    series: &[Series],
) -> Result<String, String> {
    let (x_range, y_range) = (range(series, |s| &s.x, 0.03), range(series, |s| &s.y, 0.1));
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (900, 480)).into_drawing_area();
        let draw = || -> Result<(), Box<dyn std::error::Error + '_>> {
            root.fill(&WHITE)?;
            let mut chart = ChartBuilder::on(&root)
                .caption(title, ("sans-serif", 20))
                .margin(12)
                .x_label_area_size(42)
                .y_label_area_size(80)
                .build_cartesian_2d(x_range.clone(), y_range.clone())?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .x_desc(x_label)
                .y_desc(y_label)
                .draw()?;
            for (k, s) in series.iter().enumerate() {
                let color = Palette99::pick(k).to_rgba();
                chart.draw_series(s.x.iter().zip(&s.y).zip(&s.y_err).filter_map(
                    |((&x, &y), &e)| {
                        (y.is_finite() && e.is_finite())
                            .then(|| PathElement::new(vec![(x, y - e), (x, y + e)], color.mix(0.4)))
                    },
                ))?;
                chart
                    .draw_series(
                        s.x.iter()
                            .zip(&s.y)
                            .filter(|(_, y)| y.is_finite())
                            .map(|(&x, &y)| Circle::new((x, y), 3, color.filled())),
                    )?
                    .label(s.label.as_str())
                    .legend(move |(x, y)| Circle::new((x + 10, y), 4, color.filled()));
            }
            if series.len() > 1 {
                chart.configure_series_labels().border_style(BLACK.mix(0.3)).draw()?;
            }
            root.present()?;
            Ok(())
        };
        draw().map_err(|e| e.to_string())?;
    }
    Ok(svg)
}

fn range(series: &[Series], pick: impl Fn(&Series) -> &Vec<f64>, margin: f64) -> Range<f64> {
    let values = series.iter().flat_map(&pick).copied().filter(|v| v.is_finite());
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if !(low <= high) {
        return 0.0..1.0;
    }
    let pad = (margin * (high - low)).max(1e-6 * low.abs().max(1e-6));
    low - pad..high + pad
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_made_of_anything() {
        let nothing = points_svg("t", "x", "y", &[]).unwrap();
        assert!(nothing.starts_with("<svg"));
        let nan = Series {
            label: "a".into(),
            x: vec![1.0, 2.0],
            y: vec![f64::NAN, 3.0],
            y_err: vec![1.0, 0.1],
        };
        assert!(points_svg("t", "x", "y", &[nan]).unwrap().contains("</svg>"));
    }
}
