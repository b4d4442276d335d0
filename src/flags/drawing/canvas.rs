//! The rasterizer: fills polygons, discs and crescents with a colour, row by row.
//!
//! A pixel belongs to a shape if its centre does, so shapes that share an edge neither overlap nor leave a gap.

/// The number of subpixels, the unit of all lengths here, in the width or height of a pixel.
pub(super) const SUBPIXELS: i32 = 16;

/// The colours of all flags. Similar shades on different flags are drawn in one colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    White,
    Black,
    Red,
    Crimson,
    Maroon,
    Orange,
    Gold,
    Yellow,
    Green,
    Forest,
    Sky,
    Azure,
    Blue,
    Navy,
    Brown,
    Grey,
}

impl Colour {
    /// The number of colours.
    pub(super) const COUNT: usize = Self::Grey as usize + 1;

    /// Returns the red, green and blue components.
    pub(super) const fn rgb(self) -> [u8; 3] {
        match self {
            Self::White => [255, 255, 255],
            Self::Black => [35, 31, 32],
            Self::Red => [228, 28, 36],
            Self::Crimson => [188, 0, 40],
            Self::Maroon => [152, 12, 44],
            Self::Orange => [246, 152, 60],
            Self::Gold => [252, 196, 40],
            Self::Yellow => [255, 236, 0],
            Self::Green => [0, 152, 76],
            Self::Forest => [0, 104, 76],
            Self::Sky => [128, 188, 232],
            Self::Azure => [0, 164, 222],
            Self::Blue => [0, 96, 176],
            Self::Navy => [36, 52, 132],
            Self::Brown => [136, 84, 40],
            Self::Grey => [160, 160, 164],
        }
    }
}

/// A position in subpixels, relative to the upper left corner of the canvas. It may lie outside the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i32,
    pub(super) y: i32,
}

impl Point {
    pub(super) fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }

    /// Returns the point moved by these distances.
    pub(super) fn moved(self, right: i32, down: i32) -> Self {
        Self::new(self.x + right, self.y + down)
    }
}

/// A rectangle on the canvas, in subpixels. Shapes are clipped to the frame in which they are painted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Frame {
    /// Returns the corners in clockwise order.
    pub(super) fn corners(self) -> [Point; 4] {
        let Self { left, top, right, bottom } = self;
        [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point::new(x, y))
    }
}

/// The pixels of an image, initially white.
pub(super) struct Canvas {
    width: u16,
    height: u16,
    /// Row by row, starting in the upper left corner.
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(width: u16, height: u16) -> Self {
        let pixels = vec![Colour::White; usize::from(width) * usize::from(height)];
        Self { width, height, pixels }
    }

    pub(super) fn width(&self) -> u16 {
        self.width
    }

    pub(super) fn height(&self) -> u16 {
        self.height
    }

    /// Returns the rows of pixels, from top to bottom.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[Colour]> {
        self.pixels.chunks(usize::from(self.width))
    }

    /// Returns a frame that covers the whole canvas.
    pub(super) fn frame(&self) -> Frame {
        Frame { left: 0, top: 0, right: i32::from(self.width) * SUBPIXELS, bottom: i32::from(self.height) * SUBPIXELS }
    }

    /// Fills a polygon, by the even-odd rule. Its last corner is connected to the first.
    pub(super) fn fill_polygon(&mut self, frame: Frame, corners: &[Point], colour: Colour) {
        let top = corners.iter().map(|corner| corner.y).min().unwrap_or(0);
        let bottom = corners.iter().map(|corner| corner.y).max().unwrap_or(0);
        let edges = || corners.iter().zip(corners.iter().cycle().skip(1));
        let mut crossings = Vec::with_capacity(corners.len());
        for row in rows_between(top.max(frame.top), bottom.min(frame.bottom)) {
            let y = centre(row);
            crossings.clear();
            for (from, to) in edges().filter(|(from, to)| (from.y <= y) != (to.y <= y)) {
                crossings.push(from.x + (to.x - from.x) * (y - from.y) / (to.y - from.y));
            }
            crossings.sort_unstable();
            for inside in crossings.chunks_exact(2) {
                self.fill_row(frame, row, inside[0], inside[1], colour);
            }
        }
    }

    /// Fills a disc.
    pub(super) fn fill_disc(&mut self, frame: Frame, at: Point, radius: i32, colour: Colour) {
        for row in rows_between((at.y - radius).max(frame.top), (at.y + radius).min(frame.bottom)) {
            if let Some(half) = half_chord(at, radius, row) {
                self.fill_row(frame, row, at.x - half, at.x + half, colour);
            }
        }
    }

    /// Fills a disc from which another disc is cut out. Both are given by centre and radius.
    pub(super) fn fill_crescent(
        &mut self,
        frame: Frame,
        (at, radius): (Point, i32),
        (cutout_at, cutout_radius): (Point, i32),
        colour: Colour,
    ) {
        for row in rows_between((at.y - radius).max(frame.top), (at.y + radius).min(frame.bottom)) {
            let Some(half) = half_chord(at, radius, row) else {
                continue;
            };
            let (left, right) = (at.x - half, at.x + half);
            match half_chord(cutout_at, cutout_radius, row) {
                Some(cutout) => {
                    self.fill_row(frame, row, left, right.min(cutout_at.x - cutout), colour);
                    self.fill_row(frame, row, left.max(cutout_at.x + cutout), right, colour);
                }
                None => self.fill_row(frame, row, left, right, colour),
            }
        }
    }

    /// Fills the pixels of a row whose centres lie in `left..right`.
    fn fill_row(&mut self, frame: Frame, row: i32, left: i32, right: i32, colour: Colour) {
        let columns = first_at(left.max(frame.left))..first_at(right.min(frame.right));
        if columns.start >= columns.end {
            return;
        }
        // Frames lie within the canvas, so neither number is negative.
        let start = row as usize * usize::from(self.width);
        self.pixels[start + columns.start as usize..start + columns.end as usize].fill(colour);
    }
}

/// Returns the rows of pixels whose centres are in `top..bottom`.
fn rows_between(top: i32, bottom: i32) -> std::ops::Range<i32> {
    first_at(top)..first_at(bottom)
}

/// Returns the first pixel whose centre is at `position` or after it.
fn first_at(position: i32) -> i32 {
    (position + SUBPIXELS / 2 - 1).div_euclid(SUBPIXELS)
}

/// Returns the position of a pixel's centre.
fn centre(pixel: i32) -> i32 {
    pixel * SUBPIXELS + SUBPIXELS / 2
}

/// Returns half the width of a disc in a row of pixels, or `None` if the disc does not extend to that row.
fn half_chord(at: Point, radius: i32, row: i32) -> Option<i32> {
    let distance = centre(row) - at.y;
    (radius * radius - distance * distance).checked_isqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the canvas as text, with `#` for black pixels.
    fn text(canvas: &Canvas) -> Vec<String> {
        let character = |&colour: &Colour| if colour == Colour::Black { '#' } else { '.' };
        canvas.rows().map(|row| row.iter().map(character).collect()).collect()
    }

    fn point(x: i32, y: i32) -> Point {
        Point::new(x * SUBPIXELS, y * SUBPIXELS)
    }

    #[test]
    fn a_rectangle_covers_its_pixels() {
        let mut canvas = Canvas::new(4, 3);
        let corners = [point(1, 1), point(3, 1), point(3, 2), point(1, 2)];
        canvas.fill_polygon(canvas.frame(), &corners, Colour::Black);
        assert_eq!(text(&canvas), ["....", ".##.", "...."]);
    }

    #[test]
    fn a_concave_polygon_may_have_gaps_in_a_row() {
        let mut canvas = Canvas::new(5, 3);
        let corners = [(0, 0), (1, 0), (1, 2), (4, 2), (4, 0), (5, 0), (5, 3), (0, 3)].map(|(x, y)| point(x, y));
        canvas.fill_polygon(canvas.frame(), &corners, Colour::Black);
        assert_eq!(text(&canvas), ["#...#", "#...#", "#####"]);
    }

    #[test]
    fn triangles_that_share_an_edge_fill_the_square() {
        let mut canvas = Canvas::new(7, 7);
        let frame = canvas.frame();
        canvas.fill_polygon(frame, &[point(0, 0), point(7, 0), point(0, 7)], Colour::Black);
        canvas.fill_polygon(frame, &[point(7, 7), point(7, 0), point(0, 7)], Colour::Black);
        assert_eq!(text(&canvas), ["#######"; 7]);
    }

    #[test]
    fn a_disc_is_round() {
        let mut canvas = Canvas::new(6, 6);
        canvas.fill_disc(canvas.frame(), point(3, 3), 3 * SUBPIXELS, Colour::Black);
        assert_eq!(text(&canvas), [".####.", "######", "######", "######", "######", ".####."]);
    }

    #[test]
    fn a_crescent_is_a_disc_with_another_disc_cut_out() {
        let mut canvas = Canvas::new(6, 6);
        let frame = canvas.frame();
        let radius = 3 * SUBPIXELS;
        canvas.fill_crescent(frame, (point(3, 3), radius), (point(5, 3), radius), Colour::Black);
        assert_eq!(text(&canvas), [".##...", "##....", "##....", "##....", "##....", ".##..."]);
    }

    #[test]
    fn nothing_is_painted_outside_the_frame() {
        let mut canvas = Canvas::new(4, 4);
        let frame = Frame { right: 2 * SUBPIXELS, bottom: 2 * SUBPIXELS, ..canvas.frame() };
        canvas.fill_disc(frame, point(2, 2), 9 * SUBPIXELS, Colour::Black);
        assert_eq!(text(&canvas), ["##..", "##..", "....", "...."]);
    }
}
