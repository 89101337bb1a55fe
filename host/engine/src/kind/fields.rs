//! The names of a spec's fields, as serde knows them.

use serde::de::value::Error;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

/// The top-level fields of a spec, stated or not; nothing where it is no struct with fixed ones.
pub(crate) fn fields_of<'de, T: Deserialize<'de>>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    // It gives no value: it is only asked which fields it would have.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

struct Asked<'a>(&'a mut Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = Some(fields);
        Err(Error::custom("no value"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Plain {
        #[serde(rename = "Name")]
        name: String,
        #[serde(default)]
        size: Option<u32>,
    }

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Open {
        name: String,
        #[serde(flatten)]
        more: BTreeMap<String, u32>,
    }

    #[test]
    fn the_fields_of_a_struct_are_told_whether_they_are_stated_or_not() {
        assert_eq!(fields_of::<Plain>(), Some(&["Name", "size"][..]));
        assert_eq!(fields_of::<Open>(), None);
        assert_eq!(fields_of::<BTreeMap<String, u32>>(), None);
    }
}
