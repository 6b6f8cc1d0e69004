//! What units do on the words of sentences: where they fire most, and where formula and unit agree or do not.

use std::collections::HashMap;
use std::ops::Range;

use compexp_core::exemplar::{Choice, Firing};
use compexp_core::explain::Silent;
use compexp_core::explanation::Explanation;
use compexp_core::formula::Formula;
use compexp_core::partition::Partition;
use compexp_core::probe::ProbeSet;
use compexp_run::divide;

use crate::Result;
use crate::material::Material;

/// The contexts of the words on which a unit fires most.
const TOP: usize = 10;

/// The contexts of each other list.
const LISTED: usize = 6;

/// The forms by which a unit is found.
const FORMS: usize = 12;

/// The bars of a histogram.
const BARS: usize = 28;

/// The values that are held at once.
const VALUES: usize = 128 << 20;

/// The words that a run's examples are.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    /// Their probe set.
    pub set: &'a ProbeSet,
    /// The form of each.
    pub forms: &'a [String],
    /// The values of units on them, or why these are not known.
    pub firing: std::result::Result<Firing<'a>, &'a str>,
}

/// The words of a run, in the order of its examples.
pub(crate) struct WordContexts<'a> {
    words: Words<'a>,
    /// The word of the probe set that each example is.
    places: Vec<usize>,
    /// The examples of each sentence.
    sentences: Vec<Range<usize>>,
    /// The sentence of each example.
    sentence_of: Vec<usize>,
    partition: Partition,
    /// The cell of each example.
    cells: Vec<u32>,
}

/// The values of a unit, by words of the probe set.
pub(crate) enum Row {
    /// One for each.
    Dense(Vec<f32>),
    /// Those that are not 0, with their words, ascending.
    Sparse(Vec<u32>, Vec<f32>),
}

impl Row {
    fn at(&self, word: usize) -> f32 {
        match self {
            Self::Dense(values) => values[word],
            Self::Sparse(words, values) => words.binary_search(&(word as u32)).map_or(0.0, |at| values[at]),
        }
    }
}

/// A bar of a histogram: its ends, and the words in it where the formula is true and where it is not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) words: [u64; 2],
}

/// Examples of one kind: how many there are, and those that are shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct List {
    pub(crate) all: usize,
    pub(crate) shown: Vec<usize>,
}

/// What a unit does on words.
pub(crate) struct UnitContexts {
    /// The words of the run, and those on which it fires.
    pub(crate) words: [usize; 2],
    /// The words on which it fires most, of different sentences.
    pub(crate) top: List,
    /// Formula and unit agree.
    pub(crate) both: List,
    /// The formula is true, and the unit silent.
    pub(crate) missed: List,
    /// The unit fires, and the formula is false.
    pub(crate) alarms: List,
    /// The values of all words, or of those that have one; empty where they are not known.
    pub(crate) bars: Vec<Bar>,
    /// The forms on which it fires most, in lower case.
    pub(crate) forms: Vec<String>,
    /// Where the formula is true; none where it cannot be told.
    truth: Option<Vec<bool>>,
    row: Option<Row>,
    fires: Vec<bool>,
    greatest: f32,
}

/// A word as a context shows it.
pub(crate) struct Shown<'a> {
    pub(crate) form: &'a str,
    pub(crate) fires: bool,
    pub(crate) truth: bool,
    /// Its value, and the share of the unit's greatest value that it is; none where values are not known.
    pub(crate) value: Option<(f32, f32)>,
    /// The word for which the context is shown.
    pub(crate) focus: bool,
}

impl<'a> WordContexts<'a> {
    /// The words of a run, whose examples are `material`'s.
    ///
    /// # Errors
    /// `Error::Core` if an annotation cannot be read.
    pub(crate) fn new(material: &Material<'_>, words: Words<'a>) -> Result<Option<Self>> {
        let Some(places) = material.places().iter().copied().collect::<Option<Vec<usize>>>() else { return Ok(None) };
        let (partition, map) = divide(words.set, &std::env::temp_dir(), &Silent)?;
        let cells = places.iter().map(|word| map.cells_of(*word).first().copied().unwrap_or(u32::MAX)).collect();
        let mut sentences: Vec<Range<usize>> = Vec::new();
        let mut sentence_of = Vec::with_capacity(places.len());
        for (i, example) in material.examples.iter().enumerate() {
            match sentences.last_mut() {
                Some(last) if material.examples[last.start].group == example.group => last.end = i + 1,
                _ => sentences.push(i..i + 1),
            }
            sentence_of.push(sentences.len() - 1);
        }
        Ok(Some(Self { words, places, sentences, sentence_of, partition, cells }))
    }

    /// Why values of units are not known, if they are not.
    pub(crate) fn lack(&self) -> Option<&str> {
        match &self.words.firing {
            Ok(Firing::Masks(_)) => Some("the run was made from masks, which hold no values"),
            Ok(_) => None,
            Err(why) => Some(why),
        }
    }

    /// Whether only values that are not 0 are known.
    pub(crate) fn is_sparse(&self) -> bool {
        matches!(self.words.firing, Ok(Firing::Sparse(_)))
    }

    /// The form of an example.
    fn form(&self, example: usize) -> &str {
        &self.words.forms[self.places[example]]
    }

    /// The units whose values are held at once.
    pub(crate) fn together(&self) -> usize {
        (VALUES / self.words.forms.len().max(1)).clamp(1, 4096)
    }

    /// The values of `units`, ascending; empty where they are not known.
    ///
    /// # Errors
    /// `Error::Core` if they cannot be read.
    pub(crate) fn rows(&self, units: &[usize]) -> Result<HashMap<usize, Row>> {
        let mut rows = HashMap::new();
        match self.words.firing {
            Ok(Firing::Activations(source)) => {
                let (n, width) = (source.n_examples(), source.n_units());
                let mut dense = vec![Vec::with_capacity(n); units.len()];
                let chunk = (VALUES / 8 / width.max(1)).clamp(1, n.max(1));
                let mut block = Vec::new();
                for first in (0..n).step_by(chunk) {
                    block.resize(chunk.min(n - first) * width, 0.0);
                    source.read(first, &mut block)?;
                    for values in block.chunks_exact(width) {
                        dense.iter_mut().zip(units).for_each(|(row, unit)| row.push(values[*unit]));
                    }
                }
                rows.extend(units.iter().copied().zip(dense.into_iter().map(Row::Dense)));
            }
            Ok(Firing::Sparse(source)) => {
                for (number, span) in source.blocks().into_iter().enumerate() {
                    let here = units.iter().filter(|unit| span.contains(unit));
                    if here.clone().next().is_none() {
                        continue;
                    }
                    let block = source.read(number)?;
                    for unit in here {
                        let (words, values) = block.of(*unit);
                        rows.insert(*unit, Row::Sparse(words.to_vec(), values.to_vec()));
                    }
                }
            }
            Ok(Firing::Masks(_)) | Err(_) => {}
        }
        Ok(rows)
    }

    /// What a unit does.
    pub(crate) fn of(&self, material: &Material<'_>, unit: &Explanation, row: Option<Row>) -> UnitContexts {
        let n = self.places.len();
        let fires: Vec<bool> = (0..n).map(|example| material.activity.fires(unit.unit, example)).collect();
        let formula = unit.formula.as_ref().and_then(|text| Formula::parse(text, &self.words.set.vocabulary).ok());
        let truth = formula.map(|formula| {
            let inside = self.partition.evaluate(&formula);
            self.cells.iter().map(|cell| *cell != u32::MAX && inside.contains(*cell)).collect::<Vec<bool>>()
        });
        let value = |example: &usize| row.as_ref().map_or(0.0, |row| row.at(self.places[*example]));
        // Without values words stay in their order.
        let by_value = |mut examples: Vec<usize>| {
            examples.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.cmp(b)));
            examples
        };
        let active = by_value((0..n).filter(|example| fires[*example]).collect());
        let greatest = (0..n).map(|example| value(&example)).fold(0.0, f32::max);
        let (top, ranked) = match &row {
            Some(_) => (self.of_different_sentences(&active), active.clone()),
            // Without values the run still has the words on which the unit fires most.
            None => {
                let chosen = material.chosen(unit.unit, Choice::Unit);
                let chosen: Vec<usize> = chosen.into_iter().map(|(_, e)| e.example as usize).collect();
                (self.of_different_sentences(&chosen), chosen)
            }
        };
        let holds = |example: &usize| truth.as_ref().is_some_and(|truth| truth[*example]);
        let known = truth.is_some();
        let list = |examples: Vec<usize>| List { all: examples.len(), shown: spread(&examples) };
        let both = list(active.iter().copied().filter(|e| known && holds(e)).collect());
        let alarms = list(active.iter().copied().filter(|e| known && !holds(e)).collect());
        let missed = list(by_value((0..n).filter(|example| !fires[*example] && holds(example)).collect()));
        let mut forms: Vec<String> = Vec::new();
        for example in ranked {
            let form = self.form(example).to_lowercase();
            if forms.len() < FORMS && !forms.contains(&form) {
                forms.push(form);
            }
        }
        let bars = row.as_ref().map_or(Vec::new(), |row| self.bars(row, truth.as_deref()));
        let words = [n, active.len()];
        let top = List { all: active.len(), shown: top };
        UnitContexts { words, top, both, missed, alarms, bars, forms, truth, row, fires, greatest }
    }

    fn of_different_sentences(&self, examples: &[usize]) -> Vec<usize> {
        let mut seen = Vec::new();
        let mut found = Vec::new();
        for example in examples {
            let sentence = self.sentence_of[*example];
            if found.len() < TOP && !seen.contains(&sentence) {
                seen.push(sentence);
                found.push(*example);
            }
        }
        found
    }

    /// The histogram of the values; of sparse ones those that are not 0.
    fn bars(&self, row: &Row, truth: Option<&[bool]>) -> Vec<Bar> {
        let all = (0..self.places.len()).map(|example| (example, row.at(self.places[example])));
        let sparse = matches!(row, Row::Sparse(..));
        let values: Vec<(usize, f64)> =
            all.filter(|(_, value)| !sparse || *value != 0.0).map(|(e, value)| (e, f64::from(value))).collect();
        let low = values.iter().map(|(_, v)| *v).fold(f64::INFINITY, f64::min);
        let high = values.iter().map(|(_, v)| *v).fold(f64::NEG_INFINITY, f64::max);
        if low >= high {
            return Vec::new();
        }
        let low = if sparse { low.min(0.0) } else { low };
        let width = (high - low) / BARS as f64;
        let bar = |i: usize| Bar { from: low + width * i as f64, to: low + width * (i + 1) as f64, words: [0; 2] };
        let mut bars: Vec<Bar> = (0..BARS).map(bar).collect();
        for (example, value) in values {
            let at = (((value - low) / width) as usize).min(BARS - 1);
            bars[at].words[usize::from(!truth.is_some_and(|truth| truth[example]))] += 1;
        }
        bars
    }

    /// The words around an example, at most `around` on either side, and whether the sentence goes on before and behind.
    pub(crate) fn context<'b>(
        &'b self,
        unit: &'b UnitContexts,
        example: usize,
        around: usize,
    ) -> (Vec<Shown<'b>>, [bool; 2]) {
        let sentence = &self.sentences[self.sentence_of[example]];
        let span = sentence.start.max(example.saturating_sub(around))..sentence.end.min(example + around + 1);
        let more = [span.start > sentence.start, span.end < sentence.end];
        let shown = |at: usize| {
            let value = unit.row.as_ref().map(|row| row.at(self.places[at]));
            Shown {
                form: self.form(at),
                fires: unit.fires[at],
                truth: unit.truth.as_ref().is_some_and(|truth| truth[at]),
                value: value.map(|value| (value, (value / unit.greatest.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0))),
                focus: at == example,
            }
        };
        (span.map(shown).collect(), more)
    }
}

/// Some of the examples, from the first to the last.
fn spread(examples: &[usize]) -> Vec<usize> {
    let n = examples.len().min(LISTED);
    (0..n).map(|i| examples[i * (examples.len() - 1) / (n - 1).max(1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_a_list_are_its_ends_and_what_lies_between() {
        assert_eq!(spread(&[]), [0; 0]);
        assert_eq!(spread(&[7]), [7]);
        assert_eq!(spread(&[7, 8]), [7, 8]);
        assert_eq!(spread(&(0..101).collect::<Vec<_>>()), [0, 20, 40, 60, 80, 100]);
    }

    #[test]
    fn values_that_a_sparse_row_does_not_hold_are_zero() {
        let row = Row::Sparse(vec![2, 5], vec![1.5, 0.5]);
        assert_eq!([0, 2, 5, 6].map(|word| row.at(word)), [0.0, 1.5, 0.5, 0.0]);
        assert_eq!(Row::Dense(vec![0.1, 0.2]).at(1), 0.2);
    }
}
