//! Reads off a sample value how its type is stored: a serializer that writes down names and types of fields instead of
//! bytes. What it says is compared with the layout tables and with the specification, so that neither can drift from
//! the structs.

use serde::ser::{self, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Fields (name, type) of a struct in stored order.
pub type Fields = Vec<(String, String)>;

/// The structs met in a sample, by name in the notation of the specification (`clock entry`), its own name included.
///
/// # Errors
/// The sample has an empty list or an option that is not given, so that its type cannot be seen; or a type that the
/// format does not use.
///
/// ```
/// use intervault::testing::{records, shape::structs};
/// let seen = structs(&records::section_end()).unwrap();
/// assert_eq!(seen["held entry"][0], ("acd".to_owned(), "option of i64".to_owned()));
/// ```
pub fn structs<T: Serialize>(sample: &T) -> Result<BTreeMap<String, Fields>, ShapeError> {
    let mut shape = Shape::default();
    sample.serialize(&mut shape)?;
    match shape.structs.values().flatten().find(|(_, kind)| kind.contains(NOT_GIVEN)) {
        Some((name, _)) => Err(ShapeError(format!("{name}: an option that is not given"))),
        None => Ok(shape.structs),
    }
}

/// A sample that does not show its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sample does not show its type: {0}")]
pub struct ShapeError(String);

impl ser::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> ShapeError {
        ShapeError(message.to_string())
    }
}

/// `VolumeListRecord` becomes `volume list record`, `HeldEntry` becomes `held entry`.
fn words(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The type of an option of which only the absence was seen.
const NOT_GIVEN: &str = "option of ?";

#[derive(Default)]
struct Shape {
    structs: BTreeMap<String, Fields>,
}

struct Parts<'a> {
    shape: &'a mut Shape,
    name: String,
    fields: Fields,
}

impl Parts<'_> {
    fn types(&self) -> Vec<&str> {
        self.fields.iter().map(|(_, kind)| kind.as_str()).collect()
    }

    fn add<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), ShapeError> {
        let kind = value.serialize(&mut *self.shape).map_err(|error| ShapeError(format!("{name}: {}", error.0)))?;
        self.fields.push((name.to_owned(), kind));
        Ok(())
    }
}

impl ser::SerializeStruct for Parts<'_> {
    type Ok = String;
    type Error = ShapeError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ShapeError> {
        self.add(name, value)
    }
    fn end(self) -> Result<String, ShapeError> {
        // One value may leave an option out that another gives.
        let known = self.shape.structs.entry(self.name.clone()).or_insert_with(|| self.fields.clone());
        known.iter_mut().zip(self.fields).filter(|(old, _)| old.1 == NOT_GIVEN).for_each(|(old, new)| *old = new);
        Ok(self.name)
    }
}

impl ser::SerializeSeq for Parts<'_> {
    type Ok = String;
    type Error = ShapeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.add("element", value)
    }
    fn end(self) -> Result<String, ShapeError> {
        match self.types().first() {
            Some(kind) => Ok(format!("list of {kind}")),
            None => Err(ShapeError("an empty list".into())),
        }
    }
}

impl ser::SerializeTuple for Parts<'_> {
    type Ok = String;
    type Error = ShapeError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        self.add("part", value)
    }
    fn end(self) -> Result<String, ShapeError> {
        let types = self.types();
        if types.len() > 2 && types.iter().all(|kind| *kind == "u8") {
            return Ok(format!("bytes {}", types.len()));
        }
        Ok(format!("({})", types.join(", ")))
    }
}

macro_rules! leaves {
    ($($method:ident $rust:ty => $name:literal),*) => {
        $(fn $method(self, _: $rust) -> Result<String, ShapeError> { Ok($name.to_owned()) })*
    };
}

fn unused(what: &str) -> ShapeError {
    ShapeError(format!("{what} is not used in the format"))
}

impl<'a> ser::Serializer for &'a mut Shape {
    type Ok = String;
    type Error = ShapeError;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = ser::Impossible<String, ShapeError>;
    type SerializeTupleVariant = ser::Impossible<String, ShapeError>;
    type SerializeMap = ser::Impossible<String, ShapeError>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = ser::Impossible<String, ShapeError>;

    leaves!(
        serialize_bool bool => "bool", serialize_i8 i8 => "i8", serialize_i16 i16 => "i16", serialize_i32 i32 => "i32",
        serialize_i64 i64 => "i64", serialize_u8 u8 => "u8", serialize_u16 u16 => "u16", serialize_u32 u32 => "u32",
        serialize_u64 u64 => "u64", serialize_f32 f32 => "f32", serialize_f64 f64 => "f64", serialize_char char => "char",
        serialize_str &str => "text", serialize_bytes &[u8] => "list of u8"
    );

    fn serialize_none(self) -> Result<String, ShapeError> {
        Ok(NOT_GIVEN.to_owned())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<String, ShapeError> {
        Ok(format!("option of {}", value.serialize(self)?))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<String, ShapeError> {
        let inner = value.serialize(self)?;
        if inner == "list of u8" { Ok(format!("embedded {name}")) } else { Ok(inner) }
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, ShapeError> {
        Ok(Parts { shape: self, name: String::new(), fields: Vec::new() })
    }
    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, ShapeError> {
        Ok(Parts { shape: self, name: String::new(), fields: Vec::new() })
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, ShapeError> {
        Ok(Parts { shape: self, name: words(name), fields: Vec::new() })
    }
    fn serialize_unit(self) -> Result<String, ShapeError> {
        Err(unused("a unit"))
    }
    fn serialize_unit_struct(self, name: &'static str) -> Result<String, ShapeError> {
        Err(unused(name))
    }
    fn serialize_unit_variant(self, name: &'static str, _: u32, _: &'static str) -> Result<String, ShapeError> {
        Err(unused(name))
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, ShapeError> {
        Err(unused(name))
    }
    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, ShapeError> {
        Err(unused(name))
    }
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, ShapeError> {
        Err(unused(name))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, ShapeError> {
        Err(unused("a map"))
    }
    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, ShapeError> {
        Err(unused(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::for_every_record;
    use crate::format::layout::records::{STRUCTS, StructLayout};
    use crate::format::record::Record;

    fn shape_of<R: Record>(sample: &R) -> (u16, BTreeMap<String, Fields>) {
        let mut seen = structs(sample).unwrap();
        // A record's own struct is known by the record's name; every other struct by its own.
        let own = std::any::type_name::<R>().rsplit("::").next().unwrap();
        let fields = seen.remove(&words(own)).unwrap();
        seen.insert(R::NAME.to_owned(), fields);
        (R::KIND, seen)
    }

    #[test]
    fn the_layout_tables_say_what_the_structs_are() {
        let mut expected = BTreeMap::new();
        let mut kinds = Vec::new();
        for (kind, shapes) in for_every_record!(sample => shape_of(&sample)) {
            kinds.push(kind);
            expected.extend(shapes);
        }
        let said = |layout: &StructLayout| {
            let fields: Fields = layout.fields.iter().map(|(name, kind)| ((*name).into(), (*kind).into())).collect();
            (layout.name.to_owned(), fields)
        };
        let tables: BTreeMap<String, Fields> = STRUCTS.iter().map(said).collect();
        assert_eq!(tables.len(), STRUCTS.len(), "a struct is listed twice");
        assert_eq!(tables, expected);
        let listed: Vec<u16> = STRUCTS.iter().filter_map(|layout| layout.record.map(|(kind, _)| kind)).collect();
        assert_eq!(listed, kinds);
        assert_eq!(kinds, (1..=12).collect::<Vec<u16>>());
    }

    #[test]
    fn a_sample_that_hides_a_type_is_refused() {
        let mut sample = crate::testing::records::section_end();
        sample.held.clear();
        assert_eq!(structs(&sample).unwrap_err().to_string(), "the sample does not show its type: held: an empty list");
        let mut sample = crate::testing::records::label();
        sample.acd = None;
        assert!(structs(&sample).unwrap_err().to_string().ends_with("acd: an option that is not given"));
    }
}
