//! Sentence pairs from files: split into words, and tagged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explain::Progress;
use compexp_files::{excerpt, hash_file, is_there};
use compexp_nli::features::{Sentence, SplitPair, pairs_from_feats};
use compexp_nli::text::{Label, Pair, UNK, WordTable, read_gold, read_pairs};
use compexp_run::provenance::{PairFeatures, PairInputs};
use compexp_run::{InputPaths, RunConfig};
use compexp_text::feats::Feats;
use compexp_text::tagger::{self, Tagger};
use compexp_text::tokenizer::Tokenizer;

use crate::args::sentences::SentenceParts;
use crate::failure::Failure;
use crate::input_files::{absolute, hash_files};
use crate::progress::Reporter;

/// The number of sentences between two progress reports.
const CHUNK: usize = 1024;

/// How text is split into words.
pub(crate) enum Words {
    Blanks,
    Rules(Box<Tokenizer>),
}

impl Words {
    /// Splits at blanks if `tokenized`, otherwise by the rules of the model `folder`.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::load`]; a [`Failure`] with the hint `give` if there is no folder.
    pub(crate) fn new(tokenized: bool, folder: Option<&Path>, give: &str) -> Result<Self> {
        match folder {
            _ if tokenized => Ok(Self::Blanks),
            Some(folder) => Ok(Self::Rules(Box::new(Tokenizer::load(folder)?))),
            None => {
                let hint = format!("{give}, or --tokenized where blanks separate the words");
                Err(Failure::usage("text: found nothing to split it into words").hint(hint).into())
            }
        }
    }

    /// The words of each text.
    ///
    /// # Errors
    /// The errors of [`Tokenizer::tokenize`].
    pub(crate) fn split(&self, texts: &[&str]) -> Result<Vec<Vec<String>>> {
        Ok(match self {
            Self::Blanks => texts.iter().map(|text| text.split_whitespace().map(String::from).collect()).collect(),
            Self::Rules(tokenizer) => {
                // For spaCy's rules, white space beyond single blanks is a token; here it is not a word.
                let words = |tokens: Vec<&str>| {
                    tokens.into_iter().filter(|token| !token.trim().is_empty()).map(String::from).collect()
                };
                tokenizer.tokenize_all(texts)?.into_iter().map(words).collect()
            }
        })
    }
}

/// Warns if the classifier in `checkpoint` knows no word of any sentence.
pub(crate) fn warn_of_unknown<'a>(
    known: &WordTable,
    sentences: impl Iterator<Item = &'a [String]>,
    checkpoint: &Path,
    reporter: &Reporter,
) {
    let mut first = None;
    for word in sentences.flatten() {
        if known.id(word) != UNK {
            return;
        }
        first.get_or_insert(word);
    }
    if let Some(word) = first {
        let other = known.words().get(2).map_or("nothing".to_owned(), |word| excerpt(word));
        reporter.warn(&format!(
            "the classifier `{}` knows no word of the sentences: they have {}, its words have {other}",
            checkpoint.display(),
            excerpt(word)
        ));
    }
}

/// Whether a file's words are separated by blanks: if its name ends in `.tok`, or if `said` is true.
pub(crate) fn is_tokenized(path: &Path, said: bool) -> bool {
    said || path.extension().is_some_and(|e| e == "tok")
}

/// Reads pairs with their labels. With `gold`, its labels replace those of the pairs' file.
///
/// # Errors
/// `Error::Io` or `Error::Format` if one of the two files cannot be read; a [`Failure`] if the numbers of labels and
/// pairs differ, or if there are no pairs.
pub(crate) fn labelled(path: &Path, gold: Option<&Path>) -> Result<Vec<Pair>> {
    let mut pairs = read_pairs(path)?;
    if pairs.is_empty() {
        return Err(
            Failure::new(format!("`{}`: found no sentence pairs, expected at least one", path.display())).into()
        );
    }
    if let Some(gold) = gold {
        let labels: Vec<Option<Label>> = read_gold(gold, pairs.len())?;
        if labels.len() != pairs.len() {
            let (found, expected) = (labels.len(), pairs.len());
            let message = format!("labels in `{}`: found {found}, expected {expected}, one a pair", gold.display());
            return Err(Failure::new(message).hint("give the labels of the same pairs in the same order").into());
        }
        for (pair, label) in pairs.iter_mut().zip(labels) {
            pair.label = label;
        }
    }
    Ok(pairs)
}

/// Sentence pairs, and how they are read. A run's record of them is written and read here.
pub(crate) struct SentenceSource {
    pairs: PathBuf,
    gold: Option<PathBuf>,
    /// Whether blanks separate the words, for any file name.
    tokenized: bool,
    /// The pairs that are read, from the start of the file.
    first: Option<usize>,
    tags: Option<PathBuf>,
    tagger: Option<PathBuf>,
    symbols: Option<PathBuf>,
}

/// Pairs as they go into a classifier, and into features.
pub(crate) struct Sentences {
    pub(crate) labels: Vec<Option<Label>>,
    pub(crate) split: Vec<SplitPair>,
}

/// A run's record of the classifier and of its features.
pub(crate) struct ProbedModel {
    pub(crate) checkpoint: String,
    pub(crate) layer: &'static str,
    pub(crate) features: PairFeatures,
    pub(crate) vectors: Option<String>,
    pub(crate) random_weights: Option<u64>,
    pub(crate) device: Option<String>,
}

impl SentenceSource {
    /// The pairs that the arguments name.
    pub(crate) fn new(pairs: &Path, parts: &SentenceParts) -> Self {
        let SentenceParts { gold, tokenized, first, tags, tagger, symbols } = parts;
        let (gold, tags, tagger, symbols) = (gold.clone(), tags.clone(), tagger.clone(), symbols.clone());
        Self { pairs: pairs.to_owned(), gold, tokenized: *tokenized, first: *first, tags, tagger, symbols }
    }

    /// The pairs of a run, without their labels. `pairs` is the present path of the file.
    pub(crate) fn of_run(run: &RunConfig, inputs: &PairInputs, pairs: PathBuf) -> Self {
        let [tags, tagger, symbols] =
            [&run.paths.tags, &run.paths.tagger, &run.paths.symbols].map(|path| path.as_ref().map(PathBuf::from));
        Self { pairs, gold: None, tokenized: inputs.tokenized, first: inputs.first, tags, tagger, symbols }
    }

    /// The record of a run about the pairs and the given `model`. Adds the paths of the files to `paths`.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be read.
    pub(crate) fn record(&self, model: ProbedModel, paths: &mut InputPaths, reporter: &Reporter) -> Result<PairInputs> {
        let ProbedModel { checkpoint, layer, features, vectors, random_weights, device } = model;
        let inputs = PairInputs {
            pairs: hash_file(&self.pairs)?,
            first: self.first,
            tokenized: is_tokenized(&self.pairs, self.tokenized),
            words_and_tags: hash_files("words and tags", b"", &self.tag_files()?, "tagger", reporter)?,
            checkpoint,
            layer: layer.to_owned(),
            features,
            random_weights,
            device,
            gold: self.gold.as_deref().map(hash_file).transpose()?,
            vectors,
        };
        let place = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
        paths.pairs = Some(absolute(&self.pairs)?);
        (paths.gold, paths.tags) = (place(&self.gold)?, place(&self.tags)?);
        (paths.tagger, paths.symbols) = (place(&self.tagger)?, place(&self.symbols)?);
        Ok(inputs)
    }

    /// Whether there is a source of tags.
    pub(crate) fn has_tags(&self) -> bool {
        self.tags.is_some() || self.tagger.is_some()
    }

    /// Reads the pairs, splits them into words, and, if `wanted`, tags them.
    ///
    /// # Errors
    /// `Error::Io` or `Error::Format` if a file cannot be read; a [`Failure`] if there is no source of tags, or if the tags
    /// belong to other sentences.
    pub(crate) fn read(&self, wanted: bool, reporter: &Reporter) -> Result<Sentences> {
        if wanted && !self.has_tags() {
            let hint = "give --tags FILE or --tagger DIR, or leave tags out with --features words,overlap";
            return Err(Failure::usage("tags: found none").hint(hint).into());
        }
        let mut read = labelled(&self.pairs, self.gold.as_deref())?;
        read.truncate(self.first.unwrap_or(usize::MAX));
        let labels = read.iter().map(|pair| pair.label).collect();
        let split = match &self.tags {
            Some(path) => annotated(path, &read, self.first.is_some())?,
            None => {
                let tokenized = is_tokenized(&self.pairs, self.tokenized);
                let words = Words::new(tokenized, self.tagger.as_deref(), "give --tagger DIR")?;
                let tagger = match &self.tagger {
                    Some(folder) if wanted => Some(Tagger::load(folder, self.symbols.as_deref())?),
                    _ => None,
                };
                tagged(&read, &words, tagger.as_ref(), reporter)?
            }
        };
        Ok(Sentences { labels, split })
    }

    /// The files that determine words and tags, by name.
    ///
    /// # Errors
    /// `Error::Io` if the system cannot tell which there are.
    fn tag_files(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut files = Vec::new();
        if let Some(folder) = &self.tagger {
            for name in tagger::FILES {
                let path = folder.join(name);
                if is_there(&path)? {
                    files.push((name.to_owned(), path));
                }
            }
        }
        let given = [("tags", &self.tags), ("symbols", &self.symbols)];
        files.extend(given.into_iter().filter_map(|(name, path)| Some((name.to_owned(), path.clone()?))));
        Ok(files)
    }
}

/// The pairs of an annotation, which must have the same sentences. With `more` it may have further sentences at the
/// end.
fn annotated(path: &Path, pairs: &[Pair], more: bool) -> Result<Vec<SplitPair>> {
    let conllu = path.extension().is_some_and(|e| e == "conllu");
    let feats = if conllu { Feats::read_conllu(path)? } else { Feats::read(path)? };
    let mut split = pairs_from_feats(&feats).map_err(|e| Failure::new(format!("`{}`: {e}", path.display())))?;
    if more {
        split.truncate(pairs.len());
    }
    let hint = "give the annotation of the same sentences, premise and hypothesis in turn";
    if split.len() != pairs.len() {
        let message = format!("pairs in `{}`: found {}, expected {}", path.display(), split.len(), pairs.len());
        return Err(Failure::new(message).hint(hint).into());
    }
    // Blanks are ignored in the comparison, because the text may be raw.
    let letters = |text: &str| text.split_whitespace().collect::<String>();
    for (i, (split, pair)) in split.iter().zip(pairs).enumerate() {
        let sides = [("premise", &split.premise, &pair.premise), ("hypothesis", &split.hypothesis, &pair.hypothesis)];
        for (side, found, expected) in sides {
            if found.words.concat() != letters(expected) {
                let (found, expected) = (found.words.join(" "), expected);
                let path = path.display();
                let message = format!("{side} {} in `{path}`: found `{found}`, expected `{expected}`", i + 1);
                return Err(Failure::new(message).hint(hint).into());
            }
        }
    }
    Ok(split)
}

/// Splits and tags every distinct sentence once.
fn tagged(pairs: &[Pair], words: &Words, tagger: Option<&Tagger>, reporter: &Reporter) -> Result<Vec<SplitPair>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    let mut place = |text| {
        *places.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() - 1
        })
    };
    let sides: Vec<[usize; 2]> =
        pairs.iter().map(|pair| [place(pair.premise.as_str()), place(pair.hypothesis.as_str())]).collect();
    let words = words.split(&distinct)?;
    let mut tags: Vec<Vec<String>> = Vec::new();
    match tagger {
        Some(tagger) => {
            reporter.stage("tags", "sentences", words.len());
            for chunk in words.chunks(CHUNK) {
                let sentences: Vec<&[String]> = chunk.iter().map(Vec::as_slice).collect();
                let found = tagger.tag_all(&sentences).into_iter();
                tags.extend(found.map(|tags| tags.into_iter().map(String::from).collect()));
                reporter.done(tags.len());
            }
            reporter.end();
        }
        None => tags.resize(words.len(), Vec::new()),
    }
    let sentence = |place: usize| Sentence { words: words[place].clone(), tags: tags[place].clone() };
    Ok(sides.into_iter().map(|[p, h]| SplitPair { premise: sentence(p), hypothesis: sentence(h) }).collect())
}
