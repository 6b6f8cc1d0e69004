//! From the activations of a layer to the latents of a sparse autoencoder, in a file.

use std::path::Path;

use anyhow::Result;
use compexp_core::activation::ActivationSource;
use compexp_core::explain::Progress;
use compexp_run::SparseWriter;
use compexp_text::encoder::Tap;
use compexp_text::sae::SparseRows;
use compexp_text::{Sae, WordTokens, word_values};
use ndarray::ArrayView2;

use crate::failure::Failure;
use crate::language_model::{LanguageModel, chunks};
use crate::progress::Reporter;

/// Values of activations that are in memory at once.
const BLOCK: usize = 1 << 22;

/// What was encoded.
pub(crate) struct Encoded {
    pub(crate) rows: usize,
    /// Values that are not 0.
    pub(crate) entries: u64,
}

/// Encodes the rows of a layer, and writes the latents that fire to `out`.
///
/// # Errors
/// A [`Failure`] if the layer has maps; the errors of the source, of [`Sae::encode`] and of [`SparseWriter`].
pub(crate) fn encode(sae: &Sae, source: &dyn ActivationSource, out: &Path, reporter: &Reporter) -> Result<Encoded> {
    encode_with(sae, source, out, reporter, |_, _| Ok(()))
}

/// [`encode`]; `each` is called with every block of rows and its latents.
///
/// # Errors
/// As [`encode`], and the errors of `each`.
pub(crate) fn encode_with(
    sae: &Sae,
    source: &dyn ActivationSource,
    out: &Path,
    reporter: &Reporter,
    mut each: impl FnMut(ArrayView2<'_, f32>, &SparseRows) -> Result<()>,
) -> Result<Encoded> {
    if source.grid().positions() > 1 {
        let message =
            format!("activations: found maps of {} positions, expected [rows, width]", source.grid().positions());
        return Err(Failure::new(message).hint("bring the axis of positions to that of the rows").into());
    }
    let (rows, width) = (source.n_examples(), source.n_units());
    sae.expect_width("activations", width)?;
    let mut writer = SparseWriter::create(out, sae.d_sae())?;
    let per_block = (BLOCK / width.max(1)).max(1);
    let mut values = Vec::new();
    reporter.stage("latents", "rows", rows);
    for first in (0..rows).step_by(per_block) {
        let n = per_block.min(rows - first);
        values.resize(n * width, 0.0);
        source.read(first, &mut values)?;
        let block = ArrayView2::from_shape((n, width), &values)?;
        let encoded = sae.encode(block)?;
        each(block, &encoded)?;
        for (latents, values) in encoded.iter() {
            writer.append(latents, values)?;
        }
        reporter.done(first + n);
    }
    reporter.end();
    Ok(Encoded { rows, entries: writer.finish()? })
}

/// Runs a model on sentences, encodes a layer at their words, and writes the latents that fire to `out`: a row a word. Words without a
/// token have no latents.
///
/// # Errors
/// The errors of [`word_values`], of [`Sae::encode`] and of [`SparseWriter`].
pub(crate) fn encode_words(
    sae: &Sae,
    model: &LanguageModel,
    sentences: &[WordTokens],
    tap: Tap,
    out: &Path,
    reporter: &Reporter,
) -> Result<Encoded> {
    let mut writer = SparseWriter::create(out, sae.d_sae())?;
    let mut rows = 0;
    reporter.stage("latents", "words", sentences.iter().map(|sentence| sentence.first.len()).sum());
    for chunk in chunks(sentences) {
        let values = word_values(&model.encoder, chunk, &[tap])?.concat();
        let words: usize = chunk.iter().map(WordTokens::words).sum();
        let encoded = sae.encode(ArrayView2::from_shape((words, values.len() / words.max(1)), &values)?)?;
        let mut encoded = encoded.iter();
        for token in chunk.iter().flat_map(|sentence| &sentence.first) {
            let (latents, values) = token.and_then(|_| encoded.next()).unwrap_or_default();
            writer.append(latents, values)?;
            rows += 1;
        }
        reporter.done(rows);
    }
    reporter.end();
    Ok(Encoded { rows, entries: writer.finish()? })
}
