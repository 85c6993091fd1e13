//! What is known from the answers to one kind of question.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Holds the answers to the questions of one kind.
pub trait Known: Clone + Debug + Default + PartialEq + Eq + Serialize + DeserializeOwned {
    /// What tells the questions apart.
    type Key: Clone + Debug + Ord;
    /// What a command can do to the answers.
    type Effect: Clone + Debug + PartialEq + Eq;

    /// Takes over newer answers.
    fn update(&mut self, newer: Self);

    /// Selects the answers to some questions.
    #[must_use]
    fn select<'a>(&self, keys: impl Iterator<Item = &'a Self::Key>) -> Self
    where
        Self::Key: 'a;

    /// Takes over what a command does.
    fn carry_out(&mut self, effect: Self::Effect);
}

/// Says that the answer to the first is the second afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Becomes<K, F>(pub K, pub F);

impl<K, F> Known for BTreeMap<K, F>
where
    K: Clone + Debug + Ord + Serialize + DeserializeOwned,
    F: Clone + Debug + PartialEq + Eq + Serialize + DeserializeOwned,
{
    type Key = K;
    type Effect = Becomes<K, F>;

    fn update(&mut self, newer: Self) {
        self.extend(newer);
    }

    fn select<'a>(&self, keys: impl Iterator<Item = &'a K>) -> Self
    where
        K: 'a,
    {
        keys.filter_map(|key| self.get_key_value(key))
            .map(|(key, fact)| (key.clone(), fact.clone()))
            .collect()
    }

    fn carry_out(&mut self, Becomes(key, fact): Becomes<K, F>) {
        self.insert(key, fact);
    }
}

/// The answer to the only question of its kind.
impl<F> Known for Option<F>
where
    F: Clone + Debug + PartialEq + Eq + Serialize + DeserializeOwned,
{
    type Key = ();
    type Effect = Becomes<(), F>;

    fn update(&mut self, newer: Self) {
        if newer.is_some() {
            *self = newer;
        }
    }

    fn select<'a>(&self, mut keys: impl Iterator<Item = &'a ()>) -> Self {
        keys.next().and_then(|()| self.clone())
    }

    fn carry_out(&mut self, Becomes((), fact): Becomes<(), F>) {
        *self = Some(fact);
    }
}
