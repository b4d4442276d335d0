//! The HTML page of the results: one file without scripts, with inline SVG charts and the table.

use std::fmt::Write;

use super::measured::{MeasuredCase, Spread, size};
use super::results::Results;

const WIDTH: f64 = 680.0;
const HEIGHT: f64 = 320.0;
/// The margins around the plot area: left, right, top, bottom.
const MARGIN: [f64; 4] = [64.0, 12.0, 12.0, 40.0];

/// The series: label, colour and dash pattern. The dashes distinguish series for colour-blind readers.
const SERIES: [(&str, &str, &str); 4] = [
    ("loop", "#c2410c", ""),
    ("pool", "#0369a1", ""),
    ("loop, fsync", "#c2410c", "6 4"),
    ("pool, fsync", "#0369a1", "6 4"),
];

/// Returns the page.
pub fn html(results: &Results) -> String {
    let charts = [
        chart(results, "Wall time per file, ms", |one| per_file(one.wall(), one)),
        chart(results, "CPU time of the client per file, ms", |one| per_file(one.cpu(), one)),
        chart(results, "Longest stall of the loop, ms", MeasuredCase::longest_stall),
    ];
    let claims: String = results.claims().iter().map(|claim| format!("<li>{}</li>\n", escaped(claim))).collect();
    format!(
        r##"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>glassloop: saving files on the loop or on the pool</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
svg {{ width: 100%; height: auto; }}
svg text {{ fill: currentColor; font-size: 12px; }}
.grid {{ stroke: currentColor; opacity: 0.15; }}
pre {{ overflow-x: auto; font-size: 12px; }}
</style>
<h1>The cost of saving files on the loop and on the pool</h1>
<p>{}</p>
{}
<h2>The chapter's claims</h2>
<ul>
{claims}</ul>
<h2>Measurements</h2>
<pre>{}</pre>
</html>
"##,
        escaped(&results.settings()),
        charts.concat(),
        escaped(&results.table()),
    )
}

fn per_file(spread: Spread, one: &MeasuredCase) -> Spread {
    let files = one.case.files as f64;
    Spread { median: spread.median / files, min: spread.min / files, max: spread.max / files }
}

/// Returns a log-log chart of `quantity` over the file size, with a line for each series and a bar for each range.
fn chart(results: &Results, title: &str, quantity: impl Fn(&MeasuredCase) -> Spread) -> String {
    let mut sizes: Vec<usize> = results.measured.iter().map(|one| one.case.images).collect();
    sizes.dedup();
    let spreads = || results.measured.iter().map(&quantity);
    // Values below a microsecond are drawn as a microsecond: the clock is not more precise.
    let lowest = spreads().map(|spread| spread.min).fold(f64::MAX, f64::min).max(0.001).log10().floor();
    let highest = spreads().map(|spread| spread.max).fold(0.001, f64::max).log10().ceil().max(lowest + 1.0);
    let [left, right, top, bottom] = MARGIN;
    let x = |at: usize| left + (WIDTH - left - right) * (at as f64 + 0.5) / sizes.len() as f64;
    let y = |value: f64| {
        let part = (value.max(0.001).log10() - lowest) / (highest - lowest);
        HEIGHT - bottom - (HEIGHT - top - bottom) * part
    };

    let mut drawn = String::new();
    let mut draw = |line: std::fmt::Arguments<'_>| drawn.write_fmt(line).expect("writing to a string does not fail");
    for power in lowest as i32..=highest as i32 {
        let (value, at) = (10f64.powi(power), y(10f64.powi(power)));
        draw(format_args!(r#"<line class="grid" x1="{left}" x2="{}" y1="{at:.1}" y2="{at:.1}"/>"#, WIDTH - right));
        draw(format_args!(r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#, left - 8.0, at + 4.0));
    }
    for (at, &images) in sizes.iter().enumerate() {
        draw(format_args!(
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
            x(at),
            HEIGHT - 16.0,
            size(images)
        ));
    }
    for (nth, (label, colour, dash)) in SERIES.iter().enumerate() {
        let shift = (nth as f64 - 1.5) * 6.0; // keeps the bars from overlapping
        let mut points = String::new();
        for one in results.measured.iter().filter(|one| one.label() == *label) {
            let (spread, at) = (quantity(one), sizes.iter().position(|images| *images == one.case.images).unwrap_or(0));
            let (x, median) = (x(at) + shift, y(spread.median));
            let (min, max) = (y(spread.min), y(spread.max));
            write!(points, "{x:.1},{median:.1} ").expect("writing to a string does not fail");
            draw(format_args!(
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{min:.1}" y2="{max:.1}" stroke="{colour}" stroke-width="3" opacity="0.4"/><circle cx="{x:.1}" cy="{median:.1}" r="4" fill="{colour}"><title>{label}, {}: {:.2} ({:.2} to {:.2})</title></circle>"#,
                size(one.case.images),
                spread.median,
                spread.min,
                spread.max
            ));
        }
        draw(format_args!(
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dash}"/>"#
        ));
        let (from, line) = (left + 10.0, top + 12.0 + 16.0 * nth as f64);
        draw(format_args!(
            r#"<line x1="{from}" x2="{}" y1="{line}" y2="{line}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/><text x="{}" y="{}">{label}</text>"#,
            from + 28.0,
            from + 36.0,
            line + 4.0
        ));
    }
    format!(
        "<h2>{title}</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">{drawn}</svg>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
