//! Fields of a record: how each type of field is written, and how it is read from JSON.
//!
//! A record writes its fields to a [`FieldWriter`], always all of them and in the same order: into a line of JSON
//! (`json.rs`), or into a row of the replay page (`page/rows.rs`). JSON leaves out what is absent or false; there is no
//! `null`. Reading is strict: each field is removed from the parsed object, and a field that is missing or left over is
//! an error.

use std::net::SocketAddr;

use serde_json::{Map, Value};

use super::error::FormatError;
use super::text::{Interner, Text};

/// Receives the fields of a record, in the order of the format.
pub(super) trait FieldWriter {
    /// Writes a number.
    fn number(&mut self, name: &'static str, number: u64);

    /// Writes a number that may be negative.
    fn signed(&mut self, name: &'static str, number: i64);

    /// Writes a string.
    fn text(&mut self, name: &'static str, text: &str);

    /// Writes a flag, which is absent if it is false.
    fn flag(&mut self, name: &'static str, is_set: bool);

    /// Writes a list of numbers.
    fn numbers(&mut self, name: &'static str, numbers: &[u64]);

    /// Writes a word with the number of the object that it refers to, if it refers to one.
    fn reference(&mut self, name: &'static str, word: &'static str, number: Option<u32>);

    /// Writes an optional field that has no value.
    fn absent(&mut self, name: &'static str);
}

/// A type of field.
pub(super) trait Field: Sized {
    /// Writes the field.
    fn write(&self, name: &'static str, out: &mut impl FieldWriter);

    /// Removes the field from a parsed line.
    fn take(name: &'static str, object: &mut Object<'_>) -> Result<Self, FormatError>;
}

/// A parsed line, from which fields are removed one by one.
pub(super) struct Object<'a> {
    pub(super) fields: Map<String, Value>,
    pub(super) interner: &'a mut Interner,
}

impl Object<'_> {
    pub(super) fn value(&mut self, name: &'static str) -> Result<Value, FormatError> {
        self.fields.remove(name).ok_or(FormatError::Missing(name))
    }

    pub(super) fn number(&mut self, name: &'static str) -> Result<u64, FormatError> {
        self.value(name)?.as_u64().ok_or(FormatError::Invalid { field: name, expected: "a number, 0 or more" })
    }

    pub(super) fn string(&mut self, name: &'static str) -> Result<String, FormatError> {
        match self.value(name)? {
            Value::String(text) => Ok(text),
            _ => Err(FormatError::Invalid { field: name, expected: "a string" }),
        }
    }

    /// Removes a flag, which is `true` or absent.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, FormatError> {
        match self.fields.remove(name) {
            None => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(_) => Err(FormatError::Invalid { field: name, expected: "`true` or absent" }),
        }
    }
}

impl Field for u64 {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.number(name, *self);
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<u64, FormatError> {
        object.number(name)
    }
}

impl Field for u32 {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.number(name, (*self).into());
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<u32, FormatError> {
        let number = object.number(name)?;
        u32::try_from(number).map_err(|_| FormatError::Invalid { field: name, expected: "a number below 4294967296" })
    }
}

impl Field for i32 {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.signed(name, (*self).into());
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<i32, FormatError> {
        let number = object.value(name)?.as_i64().and_then(|number| i32::try_from(number).ok());
        number.ok_or(FormatError::Invalid { field: name, expected: "a 32-bit integer" })
    }
}

impl Field for bool {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.flag(name, *self);
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<bool, FormatError> {
        object.flag(name)
    }
}

impl Field for Text {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.text(name, self);
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<Text, FormatError> {
        let text = object.string(name)?;
        Ok(object.interner.text(&text))
    }
}

impl Field for SocketAddr {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        out.text(name, &self.to_string());
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<SocketAddr, FormatError> {
        let address = object.string(name)?.parse();
        address.map_err(|_| FormatError::Invalid { field: name, expected: "an address and a port" })
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, name: &'static str, out: &mut impl FieldWriter) {
        match self {
            Some(field) => field.write(name, out),
            None => out.absent(name),
        }
    }

    fn take(name: &'static str, object: &mut Object<'_>) -> Result<Option<T>, FormatError> {
        if object.fields.contains_key(name) { T::take(name, object).map(Some) } else { Ok(None) }
    }
}
