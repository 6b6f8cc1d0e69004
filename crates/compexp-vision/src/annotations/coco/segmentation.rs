//! The field `segmentation`: polygons, or runs as numbers or as text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The shape of an object as the file has it.
pub(super) enum Segmentation {
    /// Corners `x, y, x, y, ...` of each part.
    Polygons(Vec<Vec<f64>>),
    /// Runs column by column, and the height and width of the mask.
    Runs { counts: Counts, size: [usize; 2] },
}

/// The lengths of runs.
pub(super) enum Counts {
    Numbers(Vec<u32>),
    Text(String),
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = Segmentation;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of polygons, or runs `{\"counts\", \"size\"}`")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let mut polygons = Vec::new();
                while let Some(part) = parts.next_element()? {
                    polygons.push(part);
                }
                Ok(Segmentation::Polygons(polygons))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let (mut counts, mut size) = (None, None);
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "counts" => counts = Some(fields.next_value()?),
                        "size" => size = Some(fields.next_value()?),
                        _ => drop(fields.next_value::<serde::de::IgnoredAny>()?),
                    }
                }
                let counts = counts.ok_or_else(|| A::Error::missing_field("counts"))?;
                Ok(Segmentation::Runs { counts, size: size.ok_or_else(|| A::Error::missing_field("size"))? })
            }
        }
        from.deserialize_any(Shapes)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Lengths;
        impl<'de> Visitor<'de> for Lengths {
            type Value = Counts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lengths of runs, as numbers or as text")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut lengths: A) -> Result<Self::Value, A::Error> {
                let mut numbers = Vec::new();
                while let Some(length) = lengths.next_element()? {
                    numbers.push(length);
                }
                Ok(Counts::Numbers(numbers))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Counts::Text(text.to_owned()))
            }
        }
        from.deserialize_any(Lengths)
    }
}
