//! Turns [`Node`]s into typed values.
//!
//! Owns the way from a node to anything that implements `Deserialize`, with every error at the exact place. Refuses to
//! convert between types: a number is not a text and `yes` is not a truth value, because guessing hides mistakes.
//! The value of a [`Secret`](crate::Secret) is never quoted, nor is the line it stands on.

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess};
use serde::de::{Unexpected, VariantAccess, Visitor};

use super::fault::Fault;
use super::node::{FILLED, Key, Node, Value};
use crate::Diagnostic;
use crate::content::{CONTENT, Content};

/// Reads a value of any type from a node; stops at the first mistake.
///
/// [`Vars::typed`](super::Vars::typed) collects all mistakes of a struct instead.
pub fn from_node<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Diagnostic> {
    let read = At::new(node).seed(std::marker::PhantomData);
    read.map_err(Fault::into_diagnostic)
}

/// What is said of a secret in a field that is not made for one.
const MISPLACED: &str =
    "a secret may not stand here: only contents of files and fields for passwords take one";

/// Tells whether a mistake is that a secret stands where none may, whatever the secret is.
#[must_use]
pub fn is_misplaced_secret(mistake: &Diagnostic) -> bool {
    mistake.message == MISPLACED || mistake.message.ends_with(FILLED)
}

/// Deserializes the node it points at.
#[derive(Clone, Copy)]
pub(super) struct At<'de> {
    node: &'de Node,
    hide: bool,
    /// Whether what is read is a text in which parts may be secret.
    content: bool,
}

impl<'de> At<'de> {
    pub(super) fn new(node: &'de Node) -> Self {
        Self {
            node,
            hide: false,
            content: false,
        }
    }

    fn next(self, node: &'de Node) -> Self {
        Self { node, ..self }
    }

    fn place<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| fault.at(self.node, self.hide))
    }

    /// Reads the node with whatever the caller wants from it. A type that checks its value after reading it (serde's
    /// `try_from`) fails outside of the deserializer, so the place is added here too.
    pub(super) fn seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        self.place(seed.deserialize(self))
    }

    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit_value(&self.node.value, visitor)
    }

    /// Gives a text with secrets to a field that is made for secrets, or for contents, and to no other.
    fn visit_filled<V: Visitor<'de>>(
        self,
        content: &Content,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.content {
            visitor.visit_byte_buf(content.packed())
        } else if self.hide {
            visitor.visit_string(content.expose())
        } else {
            Err(serde::de::Error::custom(MISPLACED))
        }
    }

    fn visit_value<V: Visitor<'de>>(
        self,
        value: &'de Value,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match value {
            Value::Filled(content) => self.visit_filled(content, visitor),
            Value::Either(value, _) => self.visit_value(value, visitor),
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => {
                if let Ok(value) = u64::try_from(*value) {
                    visitor.visit_u64(value)
                } else if let Ok(value) = i64::try_from(*value) {
                    visitor.visit_i64(value)
                } else {
                    visitor.visit_i128(*value)
                }
            }
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => visitor.visit_seq(Items {
                at: self,
                items: items.iter(),
            }),
            Value::Mapping(entries) => visitor.visit_map(Entries {
                at: self,
                rest: entries.iter(),
                value: None,
            }),
        }
    }
}

impl<'de> Deserializer<'de> for At<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.place(self.visit(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if matches!(self.node.value, Value::Null) {
            self.place(visitor.visit_none())
        } else {
            self.place(visitor.visit_some(self))
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let at = Self {
            hide: self.hide || name == "Secret",
            content: name == CONTENT,
            ..self
        };
        at.place(visitor.visit_newtype_struct(at))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        // A sequence would be taken for the fields in their order, which nobody means.
        if matches!(self.node.value, Value::Sequence(_)) {
            let mistake = serde::de::Error::invalid_type(Unexpected::Seq, &"a mapping");
            return self.place(Err(mistake));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match &self.node.value {
            Value::Filled(content) => return self.place(self.visit_filled(content, visitor)),
            Value::String(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Value::Mapping(entries) => match entries.as_slice() {
                [(key, node)] => visitor.visit_enum(Variant {
                    key,
                    at: self.next(node),
                }),
                _ => Err(serde::de::Error::invalid_type(
                    Unexpected::Map,
                    &"a mapping with one entry",
                )),
            },
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Sequence(_)
            | Value::Either(..) => Err(serde::de::Error::invalid_type(
                Unexpected::Enum,
                &"a string",
            )),
        };
        self.place(result)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Either(_, text) => self.place(visitor.visit_borrowed_str(text)),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Mapping(_)
            | Value::Filled(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier
    }
}

struct Items<'de> {
    at: At<'de>,
    items: std::slice::Iter<'de, Node>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        match self.items.next() {
            Some(node) => self.at.next(node).seed(seed).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    at: At<'de>,
    rest: std::slice::Iter<'de, (Key, Node)>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(BorrowedStrDeserializer::new(&key.text))
            .map(Some)
            .map_err(|fault: Fault| fault.at_key(&key.mark))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        match self.value.take() {
            Some(node) => self.at.next(node).seed(seed),
            None => Err(serde::de::Error::custom(
                "internal error: value read before its key",
            )),
        }
    }
}

struct Variant<'de> {
    key: &'de Key,
    at: At<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Fault;
    type Variant = At<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, At<'de>), Fault> {
        seed.deserialize(BorrowedStrDeserializer::new(&self.key.text))
            .map(|variant| (variant, self.at))
            .map_err(|fault: Fault| fault.at_key(&self.key.mark))
    }
}

impl<'de> VariantAccess<'de> for At<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        <()>::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        self.seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }
}
