//! The figure of annotation artefacts: words that go with a label, and the units that use them.

use super::{figure, table_of};
use crate::Result;
use crate::analysis::Records;
use crate::analysis::heuristics::{Side, heuristics};
use crate::charts::{self, Bar};
use crate::figure::Figure;

/// The words of each label that are drawn, at most.
const WORDS: usize = 8;

/// The figure; none for a run without sentence pairs with gold labels, or without a formula with a word.
pub(super) fn words_and_labels(records: &Records) -> Result<Option<Figure>> {
    let Some(found) = heuristics(records) else { return Ok(None) };
    let mut bars = Vec::new();
    for (number, label) in found.labels.iter().enumerate() {
        let mut words: Vec<_> =
            found.words.iter().filter(|w| w.side == Side::Hypothesis && w.units > 0 && w.label() == number).collect();
        words.sort_by(|a, b| b.pmi[number].total_cmp(&a.pmi[number]));
        bars.extend(words.into_iter().take(WORDS).map(|word| Bar {
            name: format!("{} ({label})", word.word),
            values: vec![word.supporting[number] as f64, (word.units - word.supporting[number]) as f64],
            note: format!("PMI {:.2}", word.pmi[number]),
        }));
    }
    if bars.is_empty() {
        return Ok(None);
    }
    let of_labels = |prefix: &str| found.labels.iter().map(|label| format!(",{prefix}{label}")).collect::<String>();
    let header =
        format!("word,side{}{},units{}", of_labels("pairs_"), of_labels("pmi_"), of_labels("units_supporting_"));
    let table: Vec<_> =
        found.words.iter().map(|w| (&w.word, w.side, &w.pairs, &w.pmi, w.units, &w.supporting)).collect();
    let (svg, size) = charts::bars(&bars, &["units that support the label", "other units"], "units");
    let mut caption = format!(
        "Words of hypotheses that formulas have, not negated, by the label that they go with most: for each label those of the \
         greatest pointwise mutual information (PMI, {} added to every count).",
        found.smoothing
    );
    for uses in &found.uses {
        caption += &format!(" {}", uses.sentence());
    }
    let csv = table_of(&header, &table)?;
    Ok(Some(figure("words_and_labels", "Words that go with a label", &caption, svg, size, csv)))
}
