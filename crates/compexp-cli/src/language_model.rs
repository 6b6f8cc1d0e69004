//! A language model and its tokenizer, as the arguments name them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use compexp_core::explain::Progress;
use compexp_files::{hash_file, is_there};
use compexp_text::conllu::Sentence;
use compexp_text::encoder::Layer;
use compexp_text::{Encoder, ModelTokenizer, WordTokens};

use crate::args::text::LanguageModelArgs;
use crate::failure::Failure;
use crate::input_files::hash_files;
use crate::progress::Reporter;
use crate::terminal::count;

/// The tokenizer in the folder of a model.
const TOKENIZER: &str = "tokenizer.json";

/// Tokens of the sentences that run at once, unless one has more: enough for many threads, and few enough for memory.
const TOKENS: usize = 1 << 12;

/// A language model with its tokenizer.
pub(crate) struct LanguageModel {
    folder: PathBuf,
    tokenizer_file: PathBuf,
    pub(crate) encoder: Encoder,
    tokenizer: ModelTokenizer,
}

/// Sentences as a model reads them.
pub(crate) struct ReadSentences {
    pub(crate) sentences: Vec<WordTokens>,
    /// The words that have a token, among all.
    pub(crate) kept: Vec<usize>,
    /// The tokens that sentences were cut to, where some were longer.
    pub(crate) positions: Option<usize>,
}

impl LanguageModel {
    /// Opens the model of a command's arguments.
    ///
    /// # Errors
    /// A [`Failure`] if there is no tokenizer; the errors of the device, of [`Encoder::open`] and [`ModelTokenizer::open`].
    pub(crate) fn open(args: &LanguageModelArgs) -> Result<Self> {
        let tokenizer_file = match &args.tokenizer {
            Some(file) => file.clone(),
            None => args.model.join(TOKENIZER),
        };
        if args.tokenizer.is_none() && !is_there(&tokenizer_file)? {
            let message = format!("model `{}`: found no {TOKENIZER} in its folder", args.model.display());
            return Err(Failure::new(message).hint("give the tokenizer of the model with --tokenizer FILE").into());
        }
        let tokenizer = ModelTokenizer::open(&tokenizer_file)?;
        let encoder = Encoder::open(&args.model, &args.device.device.open()?)?;
        Ok(Self { folder: args.model.clone(), tokenizer_file, encoder, tokenizer })
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// A [`Failure`] with the names of all layers, if there is no such layer.
    pub(crate) fn layer(&self, name: &str) -> Result<Layer> {
        Ok(self.encoder.layer(name).map_err(|e| Failure::usage(format!("--layer: {e}")))?)
    }

    /// The tokenizer's file.
    pub(crate) fn tokenizer_file(&self) -> &Path {
        &self.tokenizer_file
    }

    /// Reads sentences: cuts those that are too long for the model, and warns of them.
    ///
    /// # Errors
    /// The errors of [`WordTokens::of`]; a [`Failure`] if no word has a token.
    pub(crate) fn read(&self, sentences: &[Sentence], reporter: &Reporter) -> Result<ReadSentences> {
        let positions = self.encoder.positions();
        let read = read(sentences, &self.tokenizer, positions)?;
        let cut = read.sentences.iter().filter(|sentence| sentence.tokens.is_cut()).count();
        if cut > 0 {
            let all: usize = sentences.iter().map(|sentence| sentence.words.len()).sum();
            reporter.warn(&format!(
                "{} of {} sentences have more tokens than the model's {positions} positions and were cut: {} of {} words are \
                 outside of the universe",
                count(cut as u64),
                count(sentences.len() as u64),
                count((all - read.kept.len()) as u64),
                count(all as u64)
            ));
        }
        if read.kept.is_empty() {
            return Err(Failure::new("words of the sentences: found none within the model's positions").into());
        }
        Ok(read)
    }

    /// The hashes of the model and of its tokenizer.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be read.
    pub(crate) fn record(&self, progress: &dyn Progress) -> Result<[String; 2]> {
        let model = hash_of_files("model", Encoder::files(&self.folder)?, progress)?;
        Ok([model, hash_file(&self.tokenizer_file)?])
    }
}

/// Sentences in order, divided into those that run at once: one or more.
pub(crate) fn chunks(mut sentences: &[WordTokens]) -> impl Iterator<Item = &[WordTokens]> {
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let within = |sentence: &&WordTokens| {
            tokens += sentence.tokens.len();
            tokens <= TOKENS
        };
        let n = sentences.iter().take_while(within).count().max(1);
        let (chunk, rest) = sentences.split_at_checked(n)?;
        sentences = rest;
        Some(chunk)
    })
}

/// The words of sentences that have a token when sentences are cut to so many tokens.
///
/// # Errors
/// The errors of [`ModelTokenizer::open`] and [`WordTokens::of`].
pub(crate) fn words_within(sentences: &[Sentence], tokenizer: &Path, positions: usize) -> Result<Vec<usize>> {
    Ok(read(sentences, &ModelTokenizer::open(tokenizer)?, positions)?.kept)
}

/// The tokens of sentences, which are cut to so many `positions` where these are given.
///
/// # Errors
/// The errors of [`WordTokens::of`], with the sentence and its line.
pub(crate) fn word_tokens(
    sentences: &[Sentence],
    tokenizer: &ModelTokenizer,
    positions: Option<usize>,
) -> Result<Vec<WordTokens>> {
    let of = |sentence: &Sentence| {
        let place = || format!("sentence {} (line {})", sentence.id, sentence.line);
        WordTokens::of(sentence, tokenizer, positions).with_context(place)
    };
    sentences.iter().map(of).collect()
}

fn read(sentences: &[Sentence], tokenizer: &ModelTokenizer, positions: usize) -> Result<ReadSentences> {
    let sentences = word_tokens(sentences, tokenizer, Some(positions))?;
    let words = sentences.iter().flat_map(|sentence| &sentence.first).enumerate();
    let kept = words.filter_map(|(word, token)| token.is_some().then_some(word)).collect();
    let positions = sentences.iter().any(|sentence| sentence.tokens.is_cut()).then_some(positions);
    Ok(ReadSentences { sentences, kept, positions })
}

/// The hash of the files of a model, which count by their names.
///
/// # Errors
/// `Error::Io` if a file cannot be read.
pub(crate) fn hash_of_files(what: &str, files: Vec<PathBuf>, progress: &dyn Progress) -> Result<String> {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named: Vec<(String, PathBuf)> = files.into_iter().map(|path| (name(&path), path)).collect();
    hash_files(what, b"", &named, what, progress)
}
