//! What the fuzz targets share: the driver of the codec that the tests use too.

#[path = "../tests/support/codec.rs"]
pub mod codec;
