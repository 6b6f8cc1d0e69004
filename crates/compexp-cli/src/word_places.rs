//! Where the words of sentences are among the rows of a layer: a row a word, a row a token of the model, texts padded to
//! one length, or the contexts of a latent cache.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::probe::Grid;
use compexp_files::{Dtype, TensorFile};
use compexp_run::InputPaths;
use compexp_text::conllu::Sentence;
use compexp_text::{ModelTokenizer, WordTokens};

use crate::annotations::Annotated;
use crate::args::layer::WordPlaceArgs;
use crate::failure::Failure;
use crate::input_files::{absolute, hash_files};
use crate::language_model::word_tokens;
use crate::layer::Layer;
use crate::progress::Reporter;
use crate::terminal::count;

/// The files that say where words are.
#[derive(Default)]
pub(crate) struct WordPlaces {
    tokenizer: Option<PathBuf>,
    token_mask: Option<PathBuf>,
    token_map: Option<PathBuf>,
}

impl WordPlaces {
    pub(crate) fn of(args: &WordPlaceArgs) -> Self {
        let WordPlaceArgs { tokenizer, token_mask, token_map } = args.clone();
        Self { tokenizer, token_mask, token_map }
    }

    pub(crate) fn of_run(paths: &InputPaths) -> Self {
        let path = |path: &Option<String>| path.as_ref().map(PathBuf::from);
        Self {
            tokenizer: path(&paths.tokenizer),
            token_mask: path(&paths.token_mask),
            token_map: path(&paths.token_map),
        }
    }

    /// The files, each with its name in the record of a run.
    fn files(&self) -> Vec<(String, PathBuf)> {
        let all = [("tokenizer", &self.tokenizer), ("token mask", &self.token_mask), ("token map", &self.token_map)];
        all.into_iter().filter_map(|(name, path)| Some((name.to_owned(), path.clone()?))).collect()
    }

    /// A run's record of the files; none if there are none.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be read.
    pub(crate) fn record(&self, reporter: &Reporter) -> Result<Option<String>> {
        let files = self.files();
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(hash_files("places of words", b"", &files, "places of words", reporter)?))
    }

    /// Puts the paths of the files into those of a run.
    ///
    /// # Errors
    /// A [`Failure`] if a path is no text.
    pub(crate) fn add_to(&self, paths: &mut InputPaths) -> Result<()> {
        let place = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
        (paths.tokenizer, paths.token_mask, paths.token_map) =
            (place(&self.tokenizer)?, place(&self.token_mask)?, place(&self.token_map)?);
        Ok(())
    }

    /// The grid of the texts that the mask of tokens is of: `1 x length`.
    ///
    /// # Errors
    /// [`compexp_files::Error::Format`] if the file is no mask of tokens.
    pub(crate) fn grid(&self) -> Result<Option<Grid>> {
        let Some(path) = &self.token_mask else { return Ok(None) };
        Ok(Some(Grid { height: 1, width: open_mask(path)?.shape()[1] }))
    }

    /// Places the words of `annotated` on the rows of `layer`: both are then of the words that have a row, in their order.
    ///
    /// # Errors
    /// A [`Failure`] if the layer has another number of rows; the errors of the files.
    pub(crate) fn apply(
        &self,
        layer: Layer,
        mut annotated: Annotated,
        reporter: &Reporter,
    ) -> Result<(Layer, Annotated)> {
        if self.files().is_empty() {
            return Ok((layer, annotated));
        }
        let rows = self.rows(&layer, &annotated.sentences)?;
        let kept: Vec<usize> = (0..rows.len()).filter(|word| rows[*word].is_some()).collect();
        if kept.is_empty() {
            let message =
                format!("words in the activations `{}`: found none of {}", layer.path().display(), rows.len());
            return Err(Failure::new(message).hint("are they of these sentences, with this tokenizer?").into());
        }
        if kept.len() < rows.len() {
            reporter.say(&format!(
                "{} of {} words are in the activations; the others are outside of the universe",
                count(kept.len() as u64),
                count(rows.len() as u64)
            ));
            annotated.set = annotated.set.only(kept)?;
        }
        Ok((layer.placed(rows.into_iter().flatten().collect())?, annotated))
    }

    /// The row of each word; none for a word that the layer does not hold.
    fn rows(&self, layer: &Layer, sentences: &[Sentence]) -> Result<Vec<Option<u32>>> {
        let words: usize = sentences.iter().map(|sentence| sentence.words.len()).sum();
        if let Some(map) = &self.token_map {
            return mapped(map, layer, words);
        }
        let mask = self.token_mask.as_deref().map(positions).transpose()?;
        let n_rows = mask.as_ref().map_or(layer.n_rows(), Vec::len);
        let through = |row: usize| mask.as_ref().map_or(row as u32, |mask| mask[row]);
        let Some(tokenizer) = &self.tokenizer else {
            if n_rows != words {
                let message = format!("positions of the token mask: found {n_rows}, expected {words}, one a word");
                let hint = "of a model's tokens give their --tokenizer too";
                return Err(Failure::new(message).hint(hint).into());
            }
            return Ok((0..words).map(|row| Some(through(row))).collect());
        };
        let tokenizer = ModelTokenizer::open(tokenizer)?;
        let read = word_tokens(sentences, &tokenizer, None)?;
        if let Some((cached, length)) = layer.tokens()?.filter(|_| mask.is_none()) {
            return Ok(in_contexts(&cached, length, &read));
        }
        let all: usize = read.iter().map(|sentence| sentence.tokens.len()).sum();
        let plain = read.iter().flat_map(|sentence| &sentence.tokens.special).filter(|special| !**special).count();
        if n_rows != all && n_rows != plain {
            let message = format!(
                "rows of the activations `{}`: found {n_rows}, expected {all}, one a token of the model, or {plain} without \
                 special tokens",
                layer.path().display()
            );
            return Err(Failure::new(message).hint("are they of these sentences, in this order?").into());
        }
        let (mut rows, mut base) = (Vec::with_capacity(words), 0);
        for WordTokens { tokens, first } in &read {
            let counts = |at: usize| n_rows == all || !tokens.special[at];
            let place = |at: usize| (0..at).filter(|before| counts(*before)).count();
            rows.extend(first.iter().map(|at| at.map(|at| through(base + place(at)))));
            base += place(tokens.len());
        }
        Ok(rows)
    }
}

/// The rows of words in the contexts of a cache that are whole sentences; padding is 0.
fn in_contexts(cached: &[i64], length: usize, read: &[WordTokens]) -> Vec<Option<u32>> {
    let mut contexts: HashMap<Vec<i64>, Vec<usize>> = HashMap::new();
    for (number, context) in cached.chunks_exact(length.max(1)).enumerate().rev() {
        let end = context.iter().rposition(|token| *token != 0).map_or(0, |last| last + 1);
        contexts.entry(context[..end].to_vec()).or_default().push(number);
    }
    let mut rows = Vec::new();
    for WordTokens { tokens, first } in read {
        let ids: Vec<i64> = tokens.ids.iter().map(|id| i64::from(*id)).collect();
        // Of sentences that are there several times each has a context of its own, in order.
        let context = contexts.get_mut(&ids).and_then(Vec::pop);
        let row = |at: &Option<usize>| Some((context? * length + (*at)?) as u32);
        rows.extend(first.iter().map(row));
    }
    rows
}

/// The rows that a map of words names: the arrays `context` (-1 = nowhere) and `position`, or `position` alone.
fn mapped(map: &Path, layer: &Layer, words: usize) -> Result<Vec<Option<u32>>> {
    let read = |name: &str| -> Result<Vec<i64>> {
        let mut spec = map.as_os_str().to_owned();
        spec.push(format!("#{name}"));
        let dtypes = [Dtype::I32, Dtype::I64, Dtype::U32, Dtype::U16];
        let tensor = TensorFile::open_of(PathBuf::from(spec), &dtypes, "i32, i64, u32 or u16")?;
        if tensor.shape() != [words] {
            return Err(tensor
                .error("shape", format!("{:?}", tensor.shape()), format!("[{words}], one a word"))
                .into());
        }
        let mut values = vec![0; words];
        tensor.read_i64(0, &mut values)?;
        Ok(values)
    };
    let positions = read("position")?;
    let length = layer.tokens()?.map(|(_, length)| length);
    let contexts = length.map(|_| read("context")).transpose()?;
    let row = |word: usize| -> Result<Option<u32>> {
        let context = contexts.as_ref().map_or(0, |contexts| contexts[word]);
        let position = positions[word];
        if context < 0 || position < 0 {
            return Ok(None);
        }
        let most = length.unwrap_or(layer.n_rows()) as i64;
        let row = context.checked_mul(most).and_then(|first| first.checked_add(position));
        let row = row.filter(|_| position < most).and_then(|row| u32::try_from(row).ok());
        match row.filter(|row| (*row as usize) < layer.n_rows()) {
            Some(row) => Ok(Some(row)),
            None => {
                let message = format!(
                    "place of word {word} in `{}`: found context {context}, position {position}, expected one of {} rows",
                    map.display(),
                    layer.n_rows()
                );
                Err(Failure::new(message).into())
            }
        }
    };
    (0..words).map(row).collect()
}

/// The file of a mask of tokens.
fn open_mask(path: &Path) -> Result<TensorFile> {
    let mask = TensorFile::open_of(path, &[Dtype::Bool, Dtype::U8, Dtype::I64], "bool, u8 or i64")?;
    match mask.shape() {
        [texts, length] if *texts > 0 && *length > 0 => Ok(mask),
        shape => Err(mask.error("shape", format!("{shape:?}"), "[texts, tokens], no dimension of them 0").into()),
    }
}

/// The positions that a mask of tokens counts: text times tokens, plus token.
fn positions(path: &Path) -> Result<Vec<u32>> {
    let mask = open_mask(path)?;
    let n = mask.elements();
    if u32::try_from(n).is_err() {
        return Err(mask.error("elements", n.to_string(), "fewer than 2^32").into());
    }
    let mut values = vec![0; n];
    match mask.dtype() {
        Dtype::I64 => mask.read_i64(0, &mut values)?,
        _ => {
            let mut on = vec![false; n];
            mask.read_bool(0, &mut on)?;
            values.iter_mut().zip(on).for_each(|(value, on)| *value = i64::from(on));
        }
    }
    Ok((0u32..).zip(values).filter(|(_, on)| *on != 0).map(|(at, _)| at).collect())
}
