//! What flags are made of: stripes, crosses, discs, stars and the like, painted one over the
//! other.
//!
//! Places are percentages of the frame that is painted in, `(across, down)` from its upper left
//! corner, the one next to the mast. Sizes (radii, thicknesses) are percentages of the frame's
//! height, so a disc stays round.

use super::angles::{ONE, cosine, sine};
use super::canvas::{Canvas, Colour, Frame, Point};

/// A place: percentages of the frame's width and height.
pub(super) type At = (i32, i32);

/// A shape in a colour, or several.
pub(super) enum Layer {
    /// The whole frame.
    Field(Colour),
    /// Stripes of one height, from the top. A colour given twice makes a stripe twice as high.
    Horizontal(&'static [Colour]),
    /// Stripes of one width, from the mast.
    Vertical(&'static [Colour]),
    /// A rectangle between two opposite corners.
    Rectangle(At, At, Colour),
    /// Any polygon.
    Polygon(&'static [At], Colour),
    /// A triangle on the side of the mast that reaches so far across.
    Triangle(i32, Colour),
    /// A straight line of a thickness, with its ends cut off square.
    Line(At, At, i32, Colour),
    /// A cross through the whole frame: where its arms meet, and how thick they are.
    Cross(At, i32, Colour),
    /// A cross that stands free: its centre, the length of an arm, and the thickness.
    Plus(At, i32, i32, Colour),
    /// A cross of both diagonals, so thick.
    Saltire(i32, Colour),
    /// A disc: its centre and radius.
    Disc(At, i32, Colour),
    /// A moon: its centre and radius, and the angle that it opens to (0 the fly, 90 up).
    Crescent(At, i32, i32, Colour),
    /// A star: how many points it has, its centre, and the radius that they reach.
    Star(i32, At, i32, Colour),
    /// So many five-pointed stars in a circle: its centre and radius, and the radius of a star.
    StarRing(i32, At, i32, i32, Colour),
    /// Five-pointed stars in so many columns and rows that fill the frame, and the radius of a
    /// star.
    StarGrid(i32, i32, i32, Colour),
    /// A coat of arms: its centre and its height.
    Shield(At, i32, Colour),
    /// A field on the side of the mast whose edge is a saw: how many teeth, from where, to
    /// where they reach.
    Saw(i32, i32, i32, Colour),
    /// Other layers, in the rectangle between two opposite corners as their frame.
    Inside(At, At, &'static [Layer]),
}

/// Paints the layers in their order, the first one undermost.
pub(super) fn paint(canvas: &mut Canvas, frame: Frame, layers: &[Layer]) {
    let mut brush = Brush { canvas, frame };
    for layer in layers {
        brush.paint(layer);
    }
}

/// A canvas, and the frame in it that percentages refer to.
struct Brush<'canvas> {
    canvas: &'canvas mut Canvas,
    frame: Frame,
}

impl Brush<'_> {
    fn paint(&mut self, layer: &Layer) {
        match *layer {
            Layer::Field(colour) => self.rectangle((0, 0), (100, 100), colour),
            Layer::Horizontal(colours) => self.stripes(colours, |brush, from, to| Frame {
                top: brush.share_of_height(from),
                bottom: brush.share_of_height(to),
                ..brush.frame
            }),
            Layer::Vertical(colours) => self.stripes(colours, |brush, from, to| Frame {
                left: brush.share_of_width(from),
                right: brush.share_of_width(to),
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
                // The ends lie outside, so that their square cut does not show in the corners.
                self.line((-20, -20), (120, 120), thickness, colour);
                self.line((-20, 120), (120, -20), thickness, colour);
            }
            Layer::Disc(at, radius, colour) => {
                let (at, radius) = (self.point(at), self.size(radius));
                self.canvas.fill_disc(self.frame, at, radius, colour);
            }
            Layer::Crescent(at, radius, opening, colour) => {
                let (at, radius) = (self.point(at), self.size(radius));
                let bite = (turned(at, radius / 4, opening), radius * 4 / 5);
                self.canvas.fill_crescent(self.frame, (at, radius), bite, colour);
            }
            Layer::Star(points, at, radius, colour) => {
                self.star(points, self.point(at), self.size(radius), colour);
            }
            Layer::StarRing(count, at, ring, radius, colour) => {
                let (at, ring, radius) = (self.point(at), self.size(ring), self.size(radius));
                for star in 0..count {
                    self.star(5, turned(at, ring, 90 + star * 360 / count), radius, colour);
                }
            }
            Layer::StarGrid(columns, rows, radius, colour) => {
                let radius = self.size(radius);
                for row in 0..rows {
                    for column in 0..columns {
                        let x = self.share_of_width((2 * column + 1, 2 * columns));
                        let y = self.share_of_height((2 * row + 1, 2 * rows));
                        self.star(5, Point::new(x, y), radius, colour);
                    }
                }
            }
            Layer::Shield(at, height, colour) => self.shield(self.point(at), self.size(height), colour),
            Layer::Saw(teeth, from, to, colour) => self.saw(teeth, from, to, colour),
            Layer::Inside(from, to, layers) => paint(self.canvas, self.between(from, to), layers),
        }
    }

    fn stripes(&mut self, colours: &[Colour], part: impl Fn(&Self, Share, Share) -> Frame) {
        let count = colours.len() as i32;
        for (&colour, stripe) in colours.iter().zip(0..) {
            let frame = part(self, (stripe, count), (stripe + 1, count));
            self.fill(frame, colour);
        }
    }

    fn rectangle(&mut self, from: At, to: At, colour: Colour) {
        self.fill(self.between(from, to), colour);
    }

    fn polygon(&mut self, corners: &[At], colour: Colour) {
        let corners: Vec<Point> = corners.iter().map(|&corner| self.point(corner)).collect();
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn line(&mut self, from: At, to: At, thickness: i32, colour: Colour) {
        let (from, to, thickness) = (self.point(from), self.point(to), self.size(thickness));
        self.bar(from, to, thickness, colour);
    }

    /// A line that is given in subpixels.
    fn bar(&mut self, from: Point, to: Point, thickness: i32, colour: Colour) {
        let (across, down) = (to.x - from.x, to.y - from.y);
        let length = (across * across + down * down).isqrt().max(1);
        // From the middle of the line to its edge, at a right angle.
        let x = -down * thickness / (2 * length);
        let y = across * thickness / (2 * length);
        let corners = [(from, 1), (to, 1), (to, -1), (from, -1)].map(|(end, side)| end.moved(side * x, side * y));
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn star(&mut self, points: i32, at: Point, radius: i32, colour: Colour) {
        // A pentagram's inner corners lie at 0.38 of its radius; stars of more points look
        // right with less waist.
        let waist_percentage = if points <= 5 { 38 } else { 58 };
        let waist = radius * waist_percentage / 100;
        let corners: Vec<Point> = (0..2 * points)
            .map(|corner| {
                let reach = if corner % 2 == 0 { radius } else { waist };
                turned(at, reach, 90 + corner * 180 / points)
            })
            .collect();
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn shield(&mut self, at: Point, height: i32, colour: Colour) {
        // In sixteenths of the height from the centre: flat on top, round sides, a point below.
        const RIGHT_SIDE: [(i32, i32); 5] = [(6, -8), (6, 0), (5, 4), (3, 6), (0, 8)];
        let left_side = RIGHT_SIDE.map(|(x, y)| (-x, y));
        let outline = RIGHT_SIDE.iter().chain(left_side.iter().rev());
        let corners: Vec<Point> = outline.map(|(x, y)| at.moved(x * height / 16, y * height / 16)).collect();
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    fn saw(&mut self, teeth: i32, from: i32, to: i32, colour: Colour) {
        let Frame { left, top, bottom, .. } = self.frame;
        let mut corners = vec![Point::new(left, bottom), Point::new(left, top)];
        for corner in 0..=2 * teeth {
            let reach = if corner % 2 == 0 { from } else { to };
            let x = self.share_of_width((reach, 100));
            corners.push(Point::new(x, self.share_of_height((corner, 2 * teeth))));
        }
        self.canvas.fill_polygon(self.frame, &corners, colour);
    }

    /// Fills a rectangle that is given in subpixels.
    fn fill(&mut self, part: Frame, colour: Colour) {
        self.canvas.fill_polygon(self.frame, &part.corners(), colour);
    }

    /// The frame between two corners of this one.
    fn between(&self, from: At, to: At) -> Frame {
        let (from, to) = (self.point(from), self.point(to));
        Frame { left: from.x, top: from.y, right: to.x, bottom: to.y }
    }

    fn point(&self, (across, down): At) -> Point {
        Point::new(self.share_of_width((across, 100)), self.share_of_height((down, 100)))
    }

    fn share_of_width(&self, (part, whole): Share) -> i32 {
        self.frame.left + (self.frame.right - self.frame.left) * part / whole
    }

    fn share_of_height(&self, (part, whole): Share) -> i32 {
        self.frame.top + (self.frame.bottom - self.frame.top) * part / whole
    }

    /// A percentage of the frame's height.
    fn size(&self, percentage: i32) -> i32 {
        (self.frame.bottom - self.frame.top) * percentage / 100
    }
}

/// A part and the whole that it is of.
type Share = (i32, i32);

/// The place at a distance from `at`, at an angle in degrees (0 the fly, 90 up).
fn turned(at: Point, distance: i32, degrees: i32) -> Point {
    at.moved(distance * cosine(degrees) / ONE, -distance * sine(degrees) / ONE)
}
