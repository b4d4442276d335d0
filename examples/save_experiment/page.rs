//! The page: charts in SVG, drawn here, with the table's text below. One file, without a script.

use std::fmt::Write;

use super::findings::Findings;
use super::measured::{Measured, Spread, size};

const WIDTH: f64 = 680.0;
const HEIGHT: f64 = 320.0;
/// Round the area in which things are drawn: left, right, above, below.
const MARGIN: [f64; 4] = [64.0, 12.0, 12.0, 40.0];

/// The ways to save, with a colour and a dash each: who cannot tell the one may tell the other.
const WAYS: [(&str, &str, &str); 4] = [
    ("loop", "#c2410c", ""),
    ("pool", "#0369a1", ""),
    ("loop, fsync", "#c2410c", "6 4"),
    ("pool, fsync", "#0369a1", "6 4"),
];

/// The page of an experiment.
pub fn html(findings: &Findings) -> String {
    let charts = [
        chart(findings, "Wall time a file, ms", |one| per_file(one.wall(), one)),
        chart(findings, "Processor time of the client a file, ms", |one| per_file(one.processor(), one)),
        chart(findings, "Longest stall of the loop, ms", Measured::longest_stall),
    ];
    let claims: String = findings.claims().iter().map(|claim| format!("<li>{}</li>\n", escaped(claim))).collect();
    format!(
        r##"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>glassloop: where files are saved</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
svg {{ width: 100%; height: auto; }}
svg text {{ fill: currentColor; font-size: 12px; }}
.grid {{ stroke: currentColor; opacity: 0.15; }}
pre {{ overflow-x: auto; font-size: 12px; }}
</style>
<h1>Where files are saved, and what it costs</h1>
<p>{}</p>
{}
<h2>What the chapter says, and what was seen</h2>
<ul>
{claims}</ul>
<h2>The numbers</h2>
<pre>{}</pre>
</html>
"##,
        escaped(&findings.circumstances()),
        charts.concat(),
        escaped(&findings.table()),
    )
}

fn per_file(spread: Spread, one: &Measured) -> Spread {
    let files = one.case.files as f64;
    Spread { median: spread.median / files, least: spread.least / files, most: spread.most / files }
}

/// One chart: sizes to the right, a number upwards, both in steps of ten; a line a way, with the spread as a bar.
fn chart(findings: &Findings, title: &str, number: impl Fn(&Measured) -> Spread) -> String {
    let mut sizes: Vec<usize> = findings.measured.iter().map(|one| one.case.times).collect();
    sizes.dedup();
    let spreads = || findings.measured.iter().map(&number);
    // A clock has its limits: below a microsecond there is nothing to be drawn.
    let lowest = spreads().map(|spread| spread.least).fold(f64::MAX, f64::min).max(0.001).log10().floor();
    let highest = spreads().map(|spread| spread.most).fold(0.001, f64::max).log10().ceil().max(lowest + 1.0);
    let [left, right, above, below] = MARGIN;
    let x = |at: usize| left + (WIDTH - left - right) * (at as f64 + 0.5) / sizes.len() as f64;
    let y = |value: f64| {
        let part = (value.max(0.001).log10() - lowest) / (highest - lowest);
        HEIGHT - below - (HEIGHT - above - below) * part
    };

    let mut drawn = String::new();
    let mut draw = |line: std::fmt::Arguments<'_>| drawn.write_fmt(line).expect("writing to a string does not fail");
    for power in lowest as i32..=highest as i32 {
        let (value, at) = (10f64.powi(power), y(10f64.powi(power)));
        draw(format_args!(r#"<line class="grid" x1="{left}" x2="{}" y1="{at:.1}" y2="{at:.1}"/>"#, WIDTH - right));
        draw(format_args!(r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#, left - 8.0, at + 4.0));
    }
    for (at, &times) in sizes.iter().enumerate() {
        draw(format_args!(
            r#"<text x="{:.1}" y="{}" text-anchor="middle">{}</text>"#,
            x(at),
            HEIGHT - 16.0,
            size(times)
        ));
    }
    for (nth, (way, colour, dash)) in WAYS.iter().enumerate() {
        let shift = (nth as f64 - 1.5) * 6.0; // bars beside each other, not on each other
        let mut points = String::new();
        for one in findings.measured.iter().filter(|one| one.way() == *way) {
            let (spread, at) = (number(one), sizes.iter().position(|times| *times == one.case.times).unwrap_or(0));
            let (x, median) = (x(at) + shift, y(spread.median));
            let (least, most) = (y(spread.least), y(spread.most));
            write!(points, "{x:.1},{median:.1} ").expect("writing to a string does not fail");
            draw(format_args!(
                r#"<line x1="{x:.1}" x2="{x:.1}" y1="{least:.1}" y2="{most:.1}" stroke="{colour}" stroke-width="3" opacity="0.4"/><circle cx="{x:.1}" cy="{median:.1}" r="4" fill="{colour}"><title>{way}, {}: {:.2} ({:.2} to {:.2})</title></circle>"#,
                size(one.case.times),
                spread.median,
                spread.least,
                spread.most
            ));
        }
        draw(format_args!(
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dash}"/>"#
        ));
        let (from, line) = (left + 10.0, above + 12.0 + 16.0 * nth as f64);
        draw(format_args!(
            r#"<line x1="{from}" x2="{}" y1="{line}" y2="{line}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/><text x="{}" y="{}">{way}</text>"#,
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
