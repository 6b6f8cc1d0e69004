//! The activations of several layers that come from one pass of a model, each kept in the folder of its run.

use std::path::Path;

use compexp_run::{ActivationFile, ActivationStore, ActivationWriter, Result, StoreShape};

/// The stores of layers, some of which may be complete.
pub(crate) struct LayerStores {
    complete: Vec<Option<ActivationFile>>,
    /// Those that are not, with the number of the layer.
    partial: Vec<(usize, ActivationWriter)>,
}

impl LayerStores {
    /// Opens the store of each layer, given as its folder, the hash of what its activations are made from, and their shape. A
    /// layer without a folder is left out.
    ///
    /// # Errors
    /// The errors of [`ActivationStore::open_or_resume`].
    pub(crate) fn open<'a>(layers: impl IntoIterator<Item = (Option<&'a Path>, String, StoreShape)>) -> Result<Self> {
        let mut this = Self { complete: Vec::new(), partial: Vec::new() };
        for (at, (dir, key, shape)) in layers.into_iter().enumerate() {
            let store = dir.map(|dir| ActivationStore::open_or_resume(dir, &key, shape)).transpose()?;
            this.complete.push(match store {
                Some(ActivationStore::Complete(activations)) => Some(activations),
                Some(ActivationStore::Partial(writer)) => {
                    this.partial.push((at, writer));
                    None
                }
                None => None,
            });
        }
        Ok(this)
    }

    /// The first example that is missing in a store; none if all are there.
    pub(crate) fn next_example(&self) -> Option<usize> {
        self.partial.iter().map(|(_, writer)| writer.next_example()).min()
    }

    /// The numbers of the layers in whose stores examples are missing.
    pub(crate) fn missing(&self) -> Vec<usize> {
        self.partial.iter().map(|(at, _)| *at).collect()
    }

    /// Appends the examples `first..first + n`: the values of each layer of [`Self::missing`], and the logits.
    ///
    /// # Errors
    /// The errors of [`ActivationWriter::append`].
    pub(crate) fn append<'a>(
        &mut self,
        first: usize,
        n: usize,
        layers: impl IntoIterator<Item = &'a [f32]>,
        logits: &[f32],
    ) -> Result<()> {
        for ((_, writer), values) in self.partial.iter_mut().zip(layers) {
            // A layer may be ahead of the others, where a command was stopped.
            let skip = writer.next_example().saturating_sub(first);
            if skip < n {
                writer.append(first + skip, &values[skip * values.len() / n..], &logits[skip * logits.len() / n..])?;
            }
        }
        Ok(())
    }

    /// Completes the stores. Returns the activations of each layer that has one.
    ///
    /// # Errors
    /// The errors of [`ActivationWriter::finish`].
    pub(crate) fn finish(mut self) -> Result<Vec<Option<ActivationFile>>> {
        for (at, writer) in self.partial {
            self.complete[at] = Some(writer.finish()?);
        }
        Ok(self.complete)
    }
}
