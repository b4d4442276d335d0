//! Encodes a canvas as a GIF.
//!
//! The palette contains every colour of the flag in every shade of the cloth. The value of a pixel is the index of its
//! colour's first entry plus its shade.

use std::borrow::Cow;

use super::canvas::{Canvas, Colour};
use super::cloth::{Cloth, shaded};

/// Returns a GIF of the canvas, shaded by the cloth.
pub(super) fn encode(canvas: &Canvas, mut cloth: Cloth) -> Vec<u8> {
    let shades = cloth.shades();
    let mut palette = Vec::new();
    let mut indices = [None; Colour::COUNT];
    let mut index_of = |colour: Colour| {
        *indices[colour as usize].get_or_insert_with(|| {
            let index = palette.len() / 3;
            palette.extend((0..shades).flat_map(|shade| shaded(colour.rgb(), shade)));
            index as u8
        })
    };
    let mut pixels = Vec::with_capacity(usize::from(canvas.width()) * usize::from(canvas.height()));
    for (row, colours) in canvas.rows().enumerate() {
        for (column, &colour) in colours.iter().enumerate() {
            pixels.push(index_of(colour) + cloth.shade(column, row));
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
        .expect("writing to a Vec does not fail, and 16 colours in 8 shades fit into a palette");
    file
}
