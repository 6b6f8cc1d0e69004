//! From the activations of a layer to the latents of a sparse autoencoder, in a file.

use std::path::Path;

use anyhow::Result;
use compexp_core::activation::ActivationSource;
use compexp_core::explain::Progress;
use compexp_run::SparseWriter;
use compexp_text::Sae;
use compexp_text::sae::SparseRows;
use ndarray::ArrayView2;

use crate::failure::Failure;
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
