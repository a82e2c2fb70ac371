//! Horizontal bar charts in SVG, legible on light and on dark pages.

use crate::spread::float;
use svg::{
    Document, Node as _,
    node::element::{Line, Rectangle, Text},
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    /// Quartiles of the rounds, drawn as a thin line.
    pub(crate) range: Option<(f64, f64)>,
    /// Written behind the bar.
    pub(crate) text: String,
    pub(crate) colour: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Another tool, or a target that was missed.
    Other,
    /// rstmon, or a target that was met.
    Own,
}

#[derive(Clone, Debug)]
pub(crate) struct BarChart {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
    /// A value that is marked by a line across all bars, and its name.
    pub(crate) mark: Option<(f64, String)>,
    /// Bars of larger values are cut off here.
    pub(crate) most: Option<f64>,
}

const WIDTH: f64 = 860.0;
const LABELS: f64 = 300.0;
/// Width behind the longest bar, for its text.
const TEXTS: f64 = 150.0;
const TOP: f64 = 58.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;
const MARGIN: f64 = 14.0;
/// Legible on white and on black.
const GREY: &str = "#808890";
const BLUE: &str = "#2f81f7";
const RED: &str = "#d1553f";

impl BarChart {
    pub(crate) fn draw(&self) -> String {
        let height = ROW.mul_add(float(self.bars.len()), TOP + MARGIN);
        let mut picture = Document::new()
            .set("viewBox", (0, 0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("font-family", "ui-sans-serif, system-ui, sans-serif")
            .set("font-size", 13)
            .set("role", "img")
            .set("aria-label", self.title.clone());
        picture.append(text(&self.title, MARGIN, 22.0, "start").set("font-weight", "bold"));
        let scale = Scale { pixels: WIDTH - LABELS - TEXTS, end: self.end() };
        for (row, bar) in self.bars.iter().enumerate() {
            let middle = ROW.mul_add(float(row) + 0.5, TOP);
            bar.draw(&mut picture, middle, &scale);
        }
        if let Some((value, name)) = &self.mark {
            let x = scale.x(*value);
            let line = Line::new().set("x1", x).set("x2", x).set("y1", TOP - 6.0).set("y2", height - MARGIN);
            picture.append(line.set("stroke", GREY).set("stroke-dasharray", "4 3"));
            picture.append(text(name, x, TOP - 11.0, "middle"));
        }
        format!("{picture}\n")
    }

    /// The value at the right end of the scale.
    fn end(&self) -> f64 {
        let values = self.bars.iter().flat_map(|bar| [bar.value, bar.range.map_or(0.0, |(_, high)| high)]);
        let longest = values.chain(self.mark.iter().map(|(value, _)| *value)).fold(f64::MIN_POSITIVE, f64::max);
        self.most.map_or(longest, |most| longest.min(most))
    }
}

/// Converts values to horizontal positions.
struct Scale {
    pixels: f64,
    end: f64,
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        // Rounded to a tenth of a pixel, so that the same figures give the same bytes.
        ((value.clamp(0.0, self.end) / self.end).mul_add(self.pixels, LABELS) * 10.0).round() / 10.0
    }
}

impl Bar {
    fn draw(&self, picture: &mut Document, middle: f64, scale: &Scale) {
        let colour = match self.colour {
            Colour::Own => BLUE,
            Colour::Other => RED,
        };
        picture.append(text(&self.label, LABELS - 10.0, middle + 4.5, "end"));
        let end = scale.x(self.value);
        let width = (end - LABELS).max(1.0);
        let shape = Rectangle::new().set("x", LABELS).set("y", middle - BAR / 2.0).set("rx", 2);
        picture.append(shape.set("width", width).set("height", BAR).set("fill", colour));
        let mut behind = end;
        if let Some((low, high)) = self.range {
            behind = behind.max(scale.x(high));
            let line = Line::new().set("x1", scale.x(low)).set("x2", scale.x(high)).set("y1", middle).set("y2", middle);
            picture.append(line.set("stroke", GREY).set("stroke-width", 3));
        }
        picture.append(text(&self.text, behind + 8.0, middle + 4.5, "start"));
    }
}

fn text(content: &str, x: f64, y: f64, anchor: &str) -> Text {
    Text::new(content).set("x", x).set("y", y).set("text-anchor", anchor).set("fill", GREY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(most: Option<f64>) -> BarChart {
        let bar = |label: &str, value| Bar {
            label: label.to_owned(),
            value,
            range: Some((value * 0.9, value * 1.1)),
            text: format!("{value:.2}"),
            colour: Colour::Own,
        };
        BarChart {
            title: "A < B & C".to_owned(),
            bars: vec![bar("half", 0.5), bar("ten", 10.0)],
            mark: Some((1.0, "limit".to_owned())),
            most,
        }
    }

    #[test]
    fn everything_is_on_it_and_texts_are_escaped() {
        let picture = chart(None).draw();
        for part in ["<svg", "A &lt; B &amp; C", "half", "0.50", "limit", "stroke-dasharray"] {
            assert!(picture.contains(part), "expected `{part}` in:\n{picture}");
        }
        assert_eq!(picture.matches("<rect").count(), 2);
        assert_eq!(picture, chart(None).draw());
    }

    #[test]
    fn what_is_too_long_is_cut_off_at_the_end() {
        let scale = Scale { pixels: 100.0, end: chart(Some(2.0)).end() };
        assert_eq!(
            [0.0, 1.0, 2.0, 10.0].map(|value| format!("{}", scale.x(value) - LABELS)),
            ["0", "50", "100", "100"]
        );
    }
}
