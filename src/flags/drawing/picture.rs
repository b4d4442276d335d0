//! The encoder: a painted canvas and a cloth become a GIF.
//!
//! The palette holds every colour of the flag in every shade of the cloth, and nothing else; a
//! pixel is the place of its colour in it, plus its shade.

use std::borrow::Cow;

use super::canvas::{Canvas, Colour};
use super::weave::{Cloth, shaded};

/// A GIF with the canvas's colours in the cloth's shades.
pub(super) fn encode(canvas: &Canvas, mut cloth: Cloth) -> Vec<u8> {
    let shades = cloth.shades();
    let mut palette = Vec::new();
    let mut places = [None; Colour::COUNT];
    let mut place_of = |colour: Colour| {
        *places[colour as usize].get_or_insert_with(|| {
            let place = palette.len() / 3;
            palette.extend((0..shades).flat_map(|shade| shaded(colour.rgb(), shade)));
            place as u8
        })
    };
    let mut pixels = Vec::with_capacity(usize::from(canvas.width()) * usize::from(canvas.height()));
    for (row, colours) in canvas.rows().enumerate() {
        for (column, &colour) in colours.iter().enumerate() {
            pixels.push(place_of(colour) + cloth.shade(column, row));
        }
    }

    let frame = gif::Frame {
        width: canvas.width(),
        height: canvas.height(),
        buffer: Cow::Owned(pixels),
        ..gif::Frame::default()
    };
    let mut file = Vec::new();
    gif::Encoder::new(&mut file, canvas.width(), canvas.height(), &palette)
        .and_then(|mut encoder| encoder.write_frame(&frame))
        .expect("memory takes all that is written, and 16 colours in 8 shades fit into a palette");
    file
}
