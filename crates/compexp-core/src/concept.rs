//! Concepts: the human-named annotations that formulas are made of.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The number of a concept in annotation arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConceptId(pub u32);

/// A named annotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concept {
    /// The number used in annotation arrays.
    pub id: ConceptId,
    /// The name printed in formulas; unique within a vocabulary. It should not be the number of an unlisted id, which
    /// would be printed in the same way.
    pub name: String,
    /// The concept's kind: `object`, `part`, `scene`, `color`, `token`, ...; may be empty.
    #[serde(default)]
    pub category: String,
}

/// The concepts of a probe set, in ascending order of their ids.
///
/// An id that is not listed is still a concept: its name is its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    concepts: Vec<Concept>,
    by_name: HashMap<String, ConceptId>,
}

impl Vocabulary {
    /// Makes a vocabulary of `concepts`, given in any order.
    ///
    /// # Errors
    /// [`Error::DuplicateConcept`] if two concepts share an id or a name.
    pub fn new(mut concepts: Vec<Concept>) -> Result<Self> {
        concepts.sort_by_key(|c| c.id);
        let mut by_name = HashMap::with_capacity(concepts.len());
        for pair in concepts.windows(2) {
            if pair[0].id == pair[1].id {
                return Err(Error::DuplicateConcept {
                    what: format!("id {}", pair[0].id.0),
                    first: pair[0].name.clone(),
                    second: pair[1].name.clone(),
                });
            }
        }
        for c in &concepts {
            if let Some(other) = by_name.insert(c.name.clone(), c.id) {
                return Err(Error::DuplicateConcept {
                    what: format!("name `{}`", c.name),
                    first: format!("id {}", other.0),
                    second: format!("id {}", c.id.0),
                });
            }
        }
        Ok(Self { concepts, by_name })
    }

    /// The listed concepts, ascending by id.
    pub fn concepts(&self) -> &[Concept] {
        &self.concepts
    }

    /// The listed concept with this id.
    pub fn get(&self, id: ConceptId) -> Option<&Concept> {
        let i = self.concepts.binary_search_by_key(&id, |c| c.id).ok()?;
        Some(&self.concepts[i])
    }

    /// The name of a concept: the listed name, else its number. If the number is a listed name, `id-` is put before it,
    /// repeatedly until it differs from all listed names.
    pub fn name(&self, id: ConceptId) -> Cow<'_, str> {
        match self.get(id) {
            Some(c) => Cow::Borrowed(&c.name),
            None => {
                let mut name = id.0.to_string();
                while self.by_name.contains_key(&name) {
                    name.insert_str(0, "id-");
                }
                Cow::Owned(name)
            }
        }
    }

    /// The concept of this name; the inverse of [`Vocabulary::name`].
    pub fn find(&self, name: &str) -> Option<ConceptId> {
        if let Some(id) = self.by_name.get(name) {
            return Some(*id);
        }
        let id = ConceptId(name.trim_start_matches("id-").parse().ok()?);
        (self.get(id).is_none() && self.name(id) == name).then_some(id)
    }

    /// The category of a concept; empty if none is known.
    pub fn category(&self, id: ConceptId) -> &str {
        self.get(id).map_or("", |c| &c.category)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concept(id: u32, name: &str) -> Concept {
        Concept { id: ConceptId(id), name: name.into(), category: "object".into() }
    }

    #[test]
    fn names_and_ids_read_each_other_back() {
        let v = Vocabulary::new(vec![concept(7, "wall"), concept(2, "bed")]).unwrap();
        assert_eq!(v.name(ConceptId(7)), "wall");
        assert_eq!(v.find("wall"), Some(ConceptId(7)));
        assert_eq!(v.name(ConceptId(9)), "9", "an unlisted id is named by its number");
        assert_eq!(v.find("9"), Some(ConceptId(9)));
        assert_eq!(v.find("7"), None, "a listed id has only its listed name");
        assert_eq!(v.find("09"), None);
        assert_eq!(v.concepts()[0].name, "bed");
        let v = Vocabulary::new(vec![concept(1, "7"), concept(2, "id-7")]).unwrap();
        assert_eq!(v.name(ConceptId(7)), "id-id-7", "listed names are taken");
        assert_eq!(["7", "id-7", "id-id-7"].map(|n| v.find(n).unwrap().0), [1, 2, 7]);
    }

    #[test]
    fn duplicates_are_refused() {
        for (a, b) in [(concept(1, "a"), concept(1, "b")), (concept(1, "a"), concept(2, "a"))] {
            let e = Vocabulary::new(vec![a, b]).unwrap_err();
            assert!(matches!(e, Error::DuplicateConcept { .. }), "{e}");
        }
    }
}
