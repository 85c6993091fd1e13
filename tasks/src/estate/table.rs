//! Reads a struct and collects every mistake in it.
//!
//! Serde stops at the first error. Here the struct is read again with a placeholder for each entry that was wrong or
//! missing, until nothing new is found; what was built with placeholders is thrown away. Owns that loop and nothing
//! else: `de` reads the values, `fault` words the errors. A type that no placeholder satisfies ends the search early,
//! so the list may be incomplete, never wrong.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::de::At;
use super::fault::Fault;
use super::node::Node;
use super::sources::Mark;
use crate::Diagnostic;

/// Names one entry of the struct: its name, where that stands, its value.
pub(super) type Entry<'de> = (&'de str, &'de Mark, &'de Node);

/// Reads a struct from a mapping. `owner` is where a missing field is reported.
pub(crate) fn from_mapping<'de, T: Deserialize<'de>>(
    node: &'de Node,
    owner: &Mark,
) -> Result<T, Vec<Diagnostic>> {
    let entries = node.entries().map_err(Diagnostic::alone)?;
    let all = |_: &[&'static str]| -> Vec<Entry<'de>> {
        let entries = entries.iter();
        entries
            .map(|(key, node)| (key.text.as_str(), &key.mark, node))
            .collect()
    };
    let missing = |field: &str| Diagnostic::at(owner.place(), format!("missing field '{field}'"));
    read(all, missing)
}

/// Reads a struct from entries; `entries` gives those of the fields it is asked for (of all, if it is asked for none),
/// `missing` words that a field is not there.
pub(super) fn read<'de, T: Deserialize<'de>>(
    entries: impl Fn(&[&'static str]) -> Vec<Entry<'de>>,
    missing: impl Fn(&str) -> Diagnostic,
) -> Result<T, Vec<Diagnostic>> {
    let mut substitutes: HashSet<String> = HashSet::new();
    let mut mistakes = Vec::new();
    loop {
        let table = Table {
            entries: &entries,
            substitutes: &substitutes,
        };
        let fault = match T::deserialize(table) {
            Ok(value) if mistakes.is_empty() => return Ok(value),
            Ok(_) => return Err(mistakes),
            Err(fault) => fault,
        };
        let absent = fault.missing().filter(|_| fault.entry.is_none());
        let Some(entry) = fault.entry.clone().or_else(|| absent.map(str::to_owned)) else {
            mistakes.push(fault.into_diagnostic());
            return Err(mistakes);
        };
        if !substitutes.insert(entry) {
            // The placeholder itself does not fit: there is no way past this entry.
            return Err(mistakes);
        }
        mistakes.push(match absent {
            Some(field) => missing(field),
            None => fault.into_diagnostic(),
        });
    }
}

struct Table<'t, F> {
    entries: &'t F,
    substitutes: &'t HashSet<String>,
}

impl<'de, F: Fn(&[&'static str]) -> Vec<Entry<'de>>> Table<'_, F> {
    fn visit<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let entries = (self.entries)(fields);
        let given: HashSet<&str> = entries.iter().map(|(name, ..)| *name).collect();
        let absent = fields
            .iter()
            .filter(|field| !given.contains(**field) && self.substitutes.contains(**field))
            .copied();
        let rows = entries.iter().map(|(name, mark, node)| {
            let node = Some(*node).filter(|_| !self.substitutes.contains(*name));
            (*name, Some(*mark), node)
        });
        // An unknown field that was reported already is left out; a wrong value gets a placeholder.
        let known = |name: &str| fields.is_empty() || fields.contains(&name);
        let rows: Vec<_> = rows
            .filter(|(name, _, node)| node.is_some() || known(name))
            .chain(absent.map(|name| (name, None, None)))
            .collect();
        visitor.visit_map(Rows {
            rows: rows.into_iter(),
            value: None,
        })
    }
}

impl<'de, F: Fn(&[&'static str]) -> Vec<Entry<'de>>> Deserializer<'de> for Table<'_, F> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.visit(fields, visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        // A role without variables reads nothing.
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

type Row<'de> = (&'de str, Option<&'de Mark>, Option<&'de Node>);

struct Rows<'de> {
    rows: std::vec::IntoIter<Row<'de>>,
    value: Option<(&'de str, Option<&'de Node>)>,
}

impl<'de> MapAccess<'de> for Rows<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((name, mark, node)) = self.rows.next() else {
            return Ok(None);
        };
        self.value = Some((name, node));
        let key = seed.deserialize(BorrowedStrDeserializer::new(name));
        key.map(Some).map_err(|fault: Fault| match mark {
            Some(mark) => fault.at_key(mark).within(name),
            None => fault.within(name),
        })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value.take() {
            Some((name, Some(node))) => At::new(node).seed(seed).map_err(|f| f.within(name)),
            Some((name, None)) => seed.deserialize(Placeholder).map_err(|f| f.within(name)),
            None => Err(serde::de::Error::custom(
                "internal error: value read before its key",
            )),
        }
    }
}

/// Pretends to be whatever is asked for, as far as that is possible.
struct Placeholder;

impl<'de> Deserializer<'de> for Placeholder {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(false)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u64(1)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        // Whoever expects a text is content with this, and so is whoever expects an address.
        visitor.visit_borrowed_str("0.0.0.0")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Nothing)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(Nothing)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let rows: Vec<Row<'de>> = fields.iter().map(|field| (*field, None, None)).collect();
        visitor.visit_map(Rows {
            rows: rows.into_iter(),
            value: None,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let first: &'static str = variants.first().copied().unwrap_or_default();
        let first: serde::de::value::StrDeserializer<'_, Fault> = first.into_deserializer();
        visitor.visit_enum(first)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// Is a list and a mapping without entries.
struct Nothing;

impl<'de> SeqAccess<'de> for Nothing {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        _: S,
    ) -> Result<Option<S::Value>, Fault> {
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Nothing {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Fault> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        seed.deserialize(Placeholder)
    }
}
