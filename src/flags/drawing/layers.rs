//! The shapes that flags consist of, such as stripes, crosses, discs and stars, painted one over the other.
//!
//! Positions are percentages of the width and height of the enclosing frame, `(across, down)` from the upper left
//! corner, which is next to the mast. (The opposite edge of a flag is called the fly.) Radii, lengths and thicknesses
//! are percentages of the frame's height, so that a disc is round.

use super::angles::{ONE, cosine, sine};
use super::canvas::{Canvas, Colour, Frame, Point};

/// A position in percent of the frame's width and height.
pub(super) type Position = (i32, i32);

/// A shape and its colour, or a group of shapes.
pub(super) enum Layer {
    /// Fills the whole frame.
    Field(Colour),
    /// Horizontal stripes of equal height, from the top. A colour given twice makes a stripe twice as high.
    Horizontal(&'static [Colour]),
    /// Vertical stripes of equal width, from the mast.
    Vertical(&'static [Colour]),
    /// A rectangle, given by two opposite corners.
    Rectangle(Position, Position, Colour),
    /// A polygon, given by its corners.
    Polygon(&'static [Position], Colour),
    /// A triangle with its base on the mast, given by the horizontal position of its tip.
    Triangle(i32, Colour),
    /// A straight line with square ends: both ends and the thickness.
    Line(Position, Position, i32, Colour),
    /// A cross that extends to the edges of the frame: centre and thickness.
    Cross(Position, i32, Colour),
    /// A cross with arms of equal length: centre, length of an arm and thickness.
    Plus(Position, i32, i32, Colour),
    /// A cross of both diagonals: thickness.
    Saltire(i32, Colour),
    /// A disc: centre and radius.
    Disc(Position, i32, Colour),
    /// A crescent: centre, radius, and the angle of its opening in degrees (0 is the fly, 90 is up).
    Crescent(Position, i32, i32, Colour),
    /// A star: number of points, centre and radius.
    Star(i32, Position, i32, Colour),
    /// Five-pointed stars in a circle: number of stars, centre and radius of the circle, radius of a star.
    StarRing(i32, Position, i32, i32, Colour),
    /// A grid of five-pointed stars that fills the frame: columns, rows, radius of a star.
    StarGrid(i32, i32, i32, Colour),
    /// A shield, which stands for a coat of arms: centre and height.
    Shield(Position, i32, Colour),
    /// A field next to the mast with a serrated edge: number of teeth, and the horizontal positions between which the
    /// edge alternates.
    Serrated(i32, i32, i32, Colour),
    /// Layers with a frame of their own, given by two opposite corners.
    Inside(Position, Position, &'static [Layer]),
}

/// Paints the layers in order, from bottom to top.
pub(super) fn paint(canvas: &mut Canvas, frame: Frame, layers: &[Layer]) {
    let mut brush = Brush { canvas, frame };
    for layer in layers {
        brush.paint(layer);
    }
}

/// A canvas, and the frame on it that percentages refer to.
struct Brush<'canvas> {
    canvas: &'canvas mut Canvas,
    frame: Frame,
}

impl Brush<'_> {
    fn paint(&mut self, layer: &Layer) {
        match *layer {
            Layer::Field(colour) => self.rectangle((0, 0), (100, 100), colour),
            Layer::Horizontal(colours) => self.stripes(colours, |brush, from, to| Frame {
                top: brush.y_at(from),
                bottom: brush.y_at(to),
                ..brush.frame
            }),
            Layer::Vertical(colours) => self.stripes(colours, |brush, from, to| Frame {
                left: brush.x_at(from),
                right: brush.x_at(to),
                ..brush.frame
            }),
            Layer::Rectangle(from, to, colour) => self.rectangle(from, to, colour),
            Layer::Polygon(corners, colour) => self.polygon(corners, colour),
            Layer::Triangle(reach, colour) => self.polygon(&[(0, 0), (reach, 50), (0, 100)], colour),
            Layer::Line(from, to, thickness, colour) => self.line(from, to, thickness, colour),
            Layer::Cross((across, down), thickness, colour) => {
                self.line((across, 0), (across, 100), thickness, colour);
                self.line((0, down), (100, down), thickness, colour);
            }
            Layer::Plus(at, arm, thickness, colour) => {
                let (at, arm, thickness) = (self.point(at), self.size(arm), self.size(thickness));
                self.bar(at.moved(-arm, 0), at.moved(arm, 0), thickness, colour);
                self.bar(at.moved(0, -arm), at.moved(0, arm), thickness, colour);
            }
            Layer::Saltire(thickness, colour) => {
                // The ends lie outside the frame, so that the square ends are not visible in its corners.
                self.line((-20, -20), (120, 120), thickness, colour);
                self.line((-20, 120), (120, -20), thickness, colour);
            }
            Layer::Disc(at, radius, colour) => {
                let (at, radius) = (self.point(at), self.size(radius));
                self.canvas.fill_disc(self.frame, at, radius, colour);
            }
            Layer::Crescent(at, radius, opening, colour) => {
                let (at, radius) = (self.point(at), self.size(radius));
                let cutout = (polar(at, radius / 4, opening), radius * 4 / 5);
                self.canvas.fill_crescent(self.frame, (at, radius), cutout, colour);
            }
            Layer::Star(points, at, radius, colour) => {
                self.star(points, self.point(at), self.size(radius), colour);
            }
            Layer::StarRing(count, at, ring, radius, colour) => {
                let (at, ring, radius) = (self.point(at), self.size(ring), self.size(radius));
                for star in 0..count {
                    self.star(5, polar(at, ring, 90 + star * 360 / count), radius, colour);
                }
            }
            Layer::StarGrid(columns, rows, radius, colour) => {
                let radius = self.size(radius);
                for row in 0..rows {
                    for column in 0..columns {
                        let x = self.x_at((2 * column + 1, 2 * columns));
                        let y = self.y_at((2 * row + 1, 2 * rows));
                        self.star(5, Point::new(x, y), radius, colour);
                    }
                }
            }
            Layer::Shield(at, height, colour) => self.shield(self.point(at), self.size(height), colour),
            Layer::Serrated(teeth, from, to, colour) => self.serrated(teeth, from, to, colour),
            Layer::Inside(from, to, layers) => paint(self.canvas, self.between(from, to), layers),
        }
    }

    fn stripes(&mut self, colours: &[Colour], part: impl Fn(&Self, Fraction, Fraction) -> Frame) {
        let count = colours.len() as i32;
        for (&colour, stripe) in colours.iter().zip(0..) {
            let frame = part(self, (stripe, count), (stripe + 1, count));
            self.fill(frame, colour);
        }
    }

    fn rectangle(&mut self, from: Position, to: Position, colour: Colour) {
        self.fill(self.between(from, to), colour);
    }

    fn polygon(&mut self, corners: &[Position], colour: Colour) {
        let corners: Vec<Point> = corners.iter().map(|&corner| self.point(corner)).collect();
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn line(&mut self, from: Position, to: Position, thickness: i32, colour: Colour) {
        let (from, to, thickness) = (self.point(from), self.point(to), self.size(thickness));
        self.bar(from, to, thickness, colour);
    }

    /// Draws a line that is given in subpixels.
    fn bar(&mut self, from: Point, to: Point, thickness: i32, colour: Colour) {
        let (across, down) = (to.x - from.x, to.y - from.y);
        let length = (across * across + down * down).isqrt().max(1);
        // The vector from the axis of the line to its edge.
        let x = -down * thickness / (2 * length);
        let y = across * thickness / (2 * length);
        let corners = [(from, 1), (to, 1), (to, -1), (from, -1)].map(|(end, side)| end.moved(side * x, side * y));
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn star(&mut self, points: i32, at: Point, radius: i32, colour: Colour) {
        // The inner corners of a pentagram are at 0.38 of its radius. Stars with more points look better with a larger
        // inner radius.
        let inner_percentage = if points <= 5 { 38 } else { 58 };
        let inner_radius = radius * inner_percentage / 100;
        let corners: Vec<Point> = (0..2 * points)
            .map(|corner| {
                let distance = if corner % 2 == 0 { radius } else { inner_radius };
                polar(at, distance, 90 + corner * 180 / points)
            })
            .collect();
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn shield(&mut self, at: Point, height: i32, colour: Colour) {
        // In sixteenths of the height, relative to the centre.
        const RIGHT_SIDE: [(i32, i32); 5] = [(6, -8), (6, 0), (5, 4), (3, 6), (0, 8)];
        let left_side = RIGHT_SIDE.map(|(x, y)| (-x, y));
        let outline = RIGHT_SIDE.iter().chain(left_side.iter().rev());
        let corners: Vec<Point> = outline.map(|(x, y)| at.moved(x * height / 16, y * height / 16)).collect();
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn serrated(&mut self, teeth: i32, from: i32, to: i32, colour: Colour) {
        let Frame { left, top, bottom, .. } = self.frame;
        let mut corners = vec![Point::new(left, bottom), Point::new(left, top)];
        for corner in 0..=2 * teeth {
            let across = if corner % 2 == 0 { from } else { to };
            corners.push(Point::new(self.x_at((across, 100)), self.y_at((corner, 2 * teeth))));
        }
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    /// Fills a rectangle that is given in subpixels.
    fn fill(&mut self, part: Frame, colour: Colour) {
        self.canvas.fill_polygon(self.frame, &part.corners(), colour);
    }

    /// Returns the frame between two corners that are given in percent of this frame.
    fn between(&self, from: Position, to: Position) -> Frame {
        let (from, to) = (self.point(from), self.point(to));
        Frame { left: from.x, top: from.y, right: to.x, bottom: to.y }
    }

    fn point(&self, (across, down): Position) -> Point {
        Point::new(self.x_at((across, 100)), self.y_at((down, 100)))
    }

    /// Converts a fraction of the frame's width to a horizontal position in subpixels.
    fn x_at(&self, (part, whole): Fraction) -> i32 {
        self.frame.left + (self.frame.right - self.frame.left) * part / whole
    }

    /// Converts a fraction of the frame's height to a vertical position in subpixels.
    fn y_at(&self, (part, whole): Fraction) -> i32 {
        self.frame.top + (self.frame.bottom - self.frame.top) * part / whole
    }

    /// Converts a percentage of the frame's height to subpixels.
    fn size(&self, percentage: i32) -> i32 {
        (self.frame.bottom - self.frame.top) * percentage / 100
    }
}

/// A numerator and a denominator.
type Fraction = (i32, i32);

/// Returns the point at a distance and an angle from `at`, in degrees (0 is the fly, 90 is up).
fn polar(at: Point, distance: i32, degrees: i32) -> Point {
    at.moved(distance * cosine(degrees) / ONE, -distance * sine(degrees) / ONE)
}
