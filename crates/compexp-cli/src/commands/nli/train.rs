//! `compexp nli train`: from labelled sentence pairs to a classifier.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use compexp_files::{AtomicFile, excerpt, remove_tree};
use compexp_nli::Error;
use compexp_nli::features::for_each_vector;
use compexp_nli::model::{Config, Kind};
use compexp_nli::text::{Label, Pair, WordTable};
use compexp_nli::train::{BEST_FILE, EpochRow, Example, Progress, Schedule, Setup, TrainConfig, accuracy, train};
use serde_json::json;

use super::curves;
use super::sentences::{Words, is_tokenized, labelled};
use crate::args::training::NliTrainArgs;
use crate::failure::{Failure, refuse_standard_output};
use crate::progress::{Reporter, duration};
use crate::terminal::{self, count, name};
use crate::training_news::TrainingNews;

/// The best classifier of a completed training.
const MODEL: &str = "model.safetensors";

/// Settings and results of a completed training.
const RECORD: &str = "training.json";

pub(crate) fn run(args: &NliTrainArgs, reporter: &Reporter) -> Result<()> {
    refuse_standard_output(&args.out, "a training is")?;
    let train_pairs = Labelled::read(&args.train, None, args)?;
    let dev_pairs = Labelled::read(&args.dev, args.dev_gold.as_deref(), args)?;
    let test_pairs = args.test.as_deref().map(|path| Labelled::read(path, None, args)).transpose()?;
    let held_out: Vec<&Labelled> = std::iter::once(&dev_pairs).chain(&test_pairs).collect();

    let given = args.embeddings.as_deref().map(|path| vectors_of(path, &train_pairs, &held_out)).transpose()?;
    let model = model_config(args, given.as_ref().map(|(_, size)| *size))?;
    let config = train_config(args);
    let vectors = given.map(|(vectors, _)| vectors).unwrap_or_default();
    // Words that occur only in held-out pairs are known if they have a vector. The training does not use these words.
    let known =
        held_out.iter().flat_map(|pairs| pairs.tokens()).filter(|token| vectors.contains_key(&token.to_lowercase()));
    let words = WordTable::from_tokens(train_pairs.tokens().chain(known));
    let (train_examples, dev_examples) = (train_pairs.examples(&words), dev_pairs.examples(&words));
    if args.embeddings.is_some() {
        reporter.say(&format!("{} of {} words have vectors", count(vectors.len()), count(words.len())));
        if let (true, Some(path)) = (vectors.is_empty(), &args.embeddings) {
            let word = words.words().get(2).map_or("none".to_owned(), |word| excerpt(word));
            reporter.warn(&format!(
                "no word of the pairs has a vector in `{}`: a word of the pairs is {word}; all vectors are drawn at random",
                path.display()
            ));
        }
    }
    let (n, n_dev) = (count(train_examples.len()), count(dev_examples.len()));
    reporter.say(&format!("{n} pairs to learn from, {n_dev} held out, {} words", count(words.len())));

    let device = args.device.device.open()?;
    let setup = Setup {
        model: &model,
        config: &config,
        words: &words,
        vectors: Some(&vectors),
        train: &train_examples,
        dev: &dev_examples,
        device: &device,
    };
    let mut news = TrainingNews::new(reporter);
    let mut drawn = Ok(());
    let _lock = compexp_files::claim_folder(&args.out)?;
    let outcome = train(&setup, Some(&args.out), |progress| {
        match progress {
            Progress::Step { epoch, done, steps, .. } => news.step(epoch, done, steps),
            Progress::Epoch(rows) => {
                results(rows).into_iter().for_each(|(epoch, results)| news.epoch(epoch, &results));
                drawn = curves::draw(&args.out, rows);
            }
        }
        if drawn.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    drawn?;
    reporter.end();
    curves::draw(&args.out, &outcome.curves)?;
    outcome.model.save(&args.out.join(MODEL))?;
    // The state holds it too, in case the training continues.
    remove_tree(&args.out.join(BEST_FILE))?;
    let test = test_pairs.map(|pairs| pairs.examples(&words));
    let test = test
        .map(|examples| Ok::<_, Error>((accuracy(&outcome.model, &examples, &device)?, examples.len())))
        .transpose()?;
    let pairs = json!({ "train": train_examples.len(), "dev": dev_examples.len(), "test": test.map(|(_, n)| n) });
    let dev_accuracy = outcome.best_epoch.map(|best| outcome.curves[best - 1].dev_accuracy);
    let test_accuracy = test.map(|(accuracy, _)| accuracy);
    let record = json!({
        "version": 1,
        "classifier": model,
        "training": config,
        "words": words.len(),
        "with_vectors": vectors.len(),
        "pairs": pairs,
        "best_epoch": outcome.best_epoch,
        "dev_accuracy": dev_accuracy,
        "test_accuracy": test_accuracy,
        "epochs": outcome.curves,
    });
    let mut file = AtomicFile::create(&args.out.join(RECORD))?;
    terminal::write_json(&mut file, &record)?;
    file.commit()?;

    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let value = json!({
            "classifier": args.out.join(MODEL).display().to_string(), "epochs": outcome.curves.len(),
            "best_epoch": outcome.best_epoch, "dev_accuracy": dev_accuracy, "test_accuracy": test_accuracy, "pairs": pairs,
            "seconds": reporter.elapsed().as_secs_f64(),
        });
        terminal::write_json(&mut out, &value)?;
        return Ok(out.flush()?);
    }
    if let Some(best) = outcome.best_epoch {
        let row = &outcome.curves[best - 1];
        let (accuracy, n) = (100.0 * row.dev_accuracy, outcome.curves.len());
        writeln!(out, "best epoch {best} of {n}: {accuracy:.2}% of {n_dev} held-out pairs")?;
    }
    if let Some((accuracy, n)) = test {
        writeln!(out, "{:.2}% of {} test pairs", 100.0 * accuracy, count(n))?;
    }
    writeln!(out, "classifier in `{}`", name(&args.out.join(MODEL).display().to_string()))?;
    writeln!(out, "took {}", duration(reporter.elapsed()))?;
    out.flush()?;
    Ok(())
}

/// Pairs that have a label, split into words.
struct Labelled {
    labels: Vec<Label>,
    /// Premise and hypothesis in turn.
    words: Vec<Vec<String>>,
}

impl Labelled {
    fn read(path: &Path, gold: Option<&Path>, args: &NliTrainArgs) -> Result<Self> {
        let pairs = labelled(path, gold)?;
        let pairs: Vec<(Label, &Pair)> = pairs.iter().filter_map(|pair| Some((pair.label?, pair))).collect();
        if pairs.is_empty() {
            let message = format!("labels in `{}`: found none, expected at least one", path.display());
            return Err(Failure::new(message).hint("a .tok file has none; --dev-gold gives those of --dev").into());
        }
        let tokenized = is_tokenized(path, args.words.tokenized);
        let words = Words::new(tokenized, args.words.tokenizer.as_deref(), "give --tokenizer DIR")?;
        let texts: Vec<&str> =
            pairs.iter().flat_map(|(_, pair)| [pair.premise.as_str(), pair.hypothesis.as_str()]).collect();
        Ok(Self { labels: pairs.iter().map(|(label, _)| *label).collect(), words: words.split(&texts)? })
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.words.iter().flatten().map(String::as_str)
    }

    fn examples(&self, words: &WordTable) -> Vec<Example> {
        let example = |(label, pair): (&Label, &[Vec<String>])| Example {
            premise: words.encode(&pair[0]),
            hypothesis: words.encode(&pair[1]),
            label: label.index() as u8,
        };
        self.labels.iter().zip(self.words.chunks_exact(2)).map(example).collect()
    }
}

fn model_config(args: &NliTrainArgs, given: Option<usize>) -> Result<Config> {
    if let (Some(asked), Some(given)) = (args.embedding_size, given)
        && asked != given
    {
        let message = format!("--embedding-size: found {asked}, expected {given}, as --embeddings has it");
        return Err(Failure::usage(message).into());
    }
    let default = Config::default();
    Ok(Config {
        kind: if args.minimal { Kind::Minimal } else { Kind::Bowman },
        embedding: given.or(args.embedding_size).unwrap_or(default.embedding),
        hidden: args.hidden,
        bidirectional: args.bidirectional,
        features: args.units,
        classes: Label::ALL.len(),
    })
}

fn train_config(args: &NliTrainArgs) -> TrainConfig {
    TrainConfig {
        seed: args.seed,
        epochs: args.epochs,
        batch: args.batch,
        learning_rate: args.lr,
        // Epochs are printed from 1.
        schedule: Schedule::Decay { from: args.decay.0 - 1, factor: args.decay.1 },
        clip: args.clip,
        dropout: args.dropout,
        word_dropout: args.word_dropout,
        rare_word_dropout: args.rare_word_dropout,
        embedding_dropout: args.embedding_dropout,
        freeze_embedding: args.embeddings.is_some() && !args.tune_embeddings,
        averaging: args.averaging,
        patience: Some(args.patience),
        save_every: Some(args.save_every as u64),
        ..TrainConfig::default()
    }
}

/// What the last of these epochs came to.
fn results(rows: &[EpochRow]) -> Option<(usize, String)> {
    let (row, before) = rows.split_last()?;
    let is_best = before.iter().all(|before| row.dev_accuracy > before.dev_accuracy);
    let better = if is_best { ", the best so far" } else { "" };
    let [training, held_out] = [row.train_accuracy, row.dev_accuracy].map(|a| 100.0 * a);
    let loss = row.train_loss;
    Some((row.epoch, format!("loss {loss:.4}, accuracy {training:.2}%, held out {held_out:.2}%{better}")))
}

/// The vectors of the words of all pairs, and their dimension. If a word occurs twice, its first vector counts.
fn vectors_of(path: &Path, train: &Labelled, held_out: &[&Labelled]) -> Result<(HashMap<String, Vec<f32>>, usize)> {
    let all = std::iter::once(&train).chain(held_out);
    let words: HashSet<String> = all.flat_map(|pairs| pairs.tokens()).map(str::to_lowercase).collect();
    let mut vectors = HashMap::new();
    let dimension = for_each_vector(path, |word, vector| {
        if words.contains(word) && !vectors.contains_key(word) {
            vectors.insert(word.to_owned(), vector.to_vec());
        }
    })?;
    Ok((vectors, dimension))
}
