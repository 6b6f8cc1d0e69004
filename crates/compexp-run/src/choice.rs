//! Choosing concepts of a probe set by their names, and by the area that they cover.

use std::collections::HashSet;
use std::path::Path;

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::explain::Progress;
use compexp_core::probe::{Annotation, AnnotationSource, Grid, ProbeSet};
use compexp_files::excerpt;

use crate::error::{Error, Result};
use crate::explain_run::divide;
use crate::provenance::Choice;

/// The probe set with the chosen concepts only. Examples and positions stay. Where an area is asked for, all annotations are
/// read once; `dir` is for a temporary file, as in [`divide`].
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if the probe set has no concept of a name, or no concept is left; the errors of
/// [`divide`].
pub fn choose(choice: &Choice, set: ProbeSet, dir: &Path, progress: &dyn Progress) -> Result<ProbeSet> {
    let only = ids(&choice.include, "include", &set.vocabulary)?;
    let not = ids(&choice.exclude, "exclude", &set.vocabulary)?;
    let mut set = restrict(set, Kept { only: (!only.is_empty()).then_some(only), not })?;
    if let Some(share) = choice.min_area {
        let (partition, _) = divide(&set, dir, progress)?;
        let least = share * partition.n_positions() as f64;
        let columns = partition.columns().iter().zip(partition.areas());
        let large = columns.filter(|(atom, area)| !atom.neighbors && f64::from(**area) >= least);
        let large: HashSet<u32> = large.map(|(atom, _)| atom.concept.0).collect();
        if large.is_empty() {
            return Err(Error::mismatch("concepts", "none", format!("at least one on {share} of all positions")));
        }
        set = restrict(set, Kept { only: Some(large), not: HashSet::new() })?;
    }
    Ok(set)
}

/// The ids of the concepts of these names.
fn ids(names: &[String], what: &str, vocabulary: &Vocabulary) -> Result<HashSet<u32>> {
    let id = |name: &String| match vocabulary.find(name) {
        Some(id) => Ok(id.0),
        None => {
            let expected = "the name of a concept of the probe set";
            Err(Error::mismatch(format!("concept to {what}"), excerpt(name), expected))
        }
    };
    names.iter().map(id).collect()
}

/// The ids that are kept.
struct Kept {
    /// These, or all.
    only: Option<HashSet<u32>>,
    /// But not these.
    not: HashSet<u32>,
}

impl Kept {
    fn has(&self, id: u32) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&id)) && !self.not.contains(&id)
    }
}

/// The probe set with the kept concepts.
fn restrict(set: ProbeSet, kept: Kept) -> Result<ProbeSet> {
    let concepts = set.vocabulary.concepts().iter().filter(|c| kept.has(c.id.0));
    let vocabulary = Vocabulary::new(concepts.cloned().collect::<Vec<Concept>>())?;
    let neighbors = set.neighbors.into_iter().filter(|(id, _)| kept.has(id.0));
    let neighbors = neighbors.map(|(id, of)| (id, of.into_iter().filter(|id| kept.has(id.0)).collect::<Vec<_>>()));
    let neighbors = neighbors.filter(|(_, of)| !of.is_empty()).collect();
    Ok(ProbeSet { vocabulary, neighbors, source: Box::new(Chosen { source: set.source, kept }), ..set })
}

/// A source with the kept concepts.
struct Chosen {
    source: Box<dyn AnnotationSource>,
    kept: Kept,
}

impl AnnotationSource for Chosen {
    fn n_examples(&self) -> usize {
        self.source.n_examples()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        self.source.annotate(example, into)?;
        // Neighbouring positions mostly have the same concept.
        let (mut last, mut keeps) = (Annotation::NONE, true);
        for id in &mut into.layers {
            if *id != last {
                (last, keeps) = (*id, self.kept.has(*id));
            }
            if !keeps {
                *id = Annotation::NONE;
            }
        }
        into.scalars.retain(|id| self.kept.has(*id));
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        self.source.declared().into_iter().filter(|id| self.kept.has(id.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use compexp_core::explain::Silent;
    use compexp_core::probe::{Example, Neighbors, Variant};

    use super::*;

    const NONE: u32 = Annotation::NONE;

    /// One example of four positions: concept 1 on all, 2 on two, 3 on one, 9 (not listed) on one.
    struct Four;

    impl AnnotationSource for Four {
        fn n_examples(&self) -> usize {
            1
        }
        fn grid(&self) -> Grid {
            Grid { height: 2, width: 2 }
        }
        fn annotate(&self, _: usize, into: &mut Annotation) -> compexp_core::Result<()> {
            into.clear();
            into.layers.extend([2, 2, NONE, 9, NONE, NONE, 3, NONE]);
            into.scalars.push(1);
            Ok(())
        }
    }

    fn set() -> ProbeSet {
        let concept =
            |(id, name): (u32, &str)| Concept { id: ConceptId(id), name: name.into(), category: String::new() };
        let concepts = [(1, "scene"), (2, "dog"), (3, "cat")].map(concept).to_vec();
        ProbeSet {
            vocabulary: Vocabulary::new(concepts).unwrap(),
            examples: vec![Example::default()],
            variant: Variant::Vision,
            neighbors: Neighbors::from([
                (ConceptId(2), vec![ConceptId(1), ConceptId(3)]),
                (ConceptId(3), vec![ConceptId(1)]),
            ]),
            source: Box::new(Four),
        }
    }

    fn choose(include: &[&str], exclude: &[&str], min_area: Option<f64>) -> Result<ProbeSet> {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let choice = Choice { include: names(include), exclude: names(exclude), min_area };
        super::choose(&choice, set(), &std::env::temp_dir(), &Silent)
    }

    fn annotation(set: &ProbeSet) -> (Vec<u32>, Vec<u32>) {
        let mut annotation = Annotation::default();
        set.source.annotate(0, &mut annotation).unwrap();
        (annotation.layers, annotation.scalars)
    }

    #[test]
    fn concepts_are_chosen_by_name_and_by_area() {
        let only = choose(&["dog", "9"], &[], None).unwrap();
        assert_eq!(annotation(&only), (vec![2, 2, NONE, 9, NONE, NONE, NONE, NONE], vec![]));
        assert_eq!(only.vocabulary.concepts().len(), 1);
        let without = choose(&[], &["scene", "dog"], None).unwrap();
        assert_eq!(annotation(&without), (vec![NONE, NONE, NONE, 9, NONE, NONE, 3, NONE], vec![]));
        assert!(without.neighbors.is_empty(), "neighbours that are left out add nothing");
        let large = choose(&[], &["scene"], Some(0.5)).unwrap();
        assert_eq!(annotation(&large), (vec![2, 2, NONE, NONE, NONE, NONE, NONE, NONE], vec![]));
        assert_eq!(annotation(&choose(&[], &[], Some(0.25)).unwrap()), annotation(&set()));
    }

    #[test]
    fn unknown_names_and_an_empty_choice_are_refused() {
        let fails = |chosen: Result<ProbeSet>, message: &str| {
            let e = chosen.err().unwrap().to_string();
            assert!(e.contains(message), "{e}");
        };
        fails(choose(&["dgo"], &[], None), "concept to include: found `dgo`, expected the name of a concept");
        fails(choose(&[], &["dgo"], None), "concept to exclude: found `dgo`");
        fails(
            choose(&["dog"], &[], Some(0.75)),
            "concepts: found none, expected at least one on 0.75 of all positions",
        );
    }

    #[test]
    fn choosing_nothing_is_no_choice() {
        assert_eq!(Choice::default().asked(), None);
        let choice = Choice { min_area: Some(0.1), ..Choice::default() };
        assert_eq!(serde_json::to_string(&choice.asked()).unwrap(), r#"{"min_area":0.1}"#);
    }
}
