//! The classes of a classifier of sentence pairs.

use anyhow::Result;
use compexp_nli::text::Label;

use crate::failure::Failure;

/// The names of a classifier's classes.
///
/// # Errors
/// A [`Failure`] if they are not the three labels of the data.
pub(super) fn label_names(classes: usize) -> Result<Vec<String>> {
    if classes != Label::ALL.len() {
        let message = format!("classes of the classifier: found {classes}, expected {}", Label::ALL.len());
        return Err(Failure::new(message).hint("they are entailment, neutral and contradiction").into());
    }
    Ok(Label::ALL.iter().map(|label| label.name().to_owned()).collect())
}
