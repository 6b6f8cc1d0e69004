//! `compexp vision train` and `compexp nli train`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::device::DeviceArg;
use super::numbers::{above_0, at_least_0, at_least_1, epochs, factor, share_below_1, whole};
use super::preprocess::PreprocessArg;
use super::sentences::WordArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
The network has a first convolution of 3 x 3 and no pooling; each stage after the first halves the maps. To \
continue a stopped training, give the same command again. The folder gets model.safetensors (for `vision probe` \
and `vision eval`), curves.csv and curves.json.

Examples:
  A narrow ResNet-18 on painted scenes, classified on others after each epoch:
    compexp vision paint --out learn --images 3000 --split train
    compexp vision paint --out probe
    compexp vision train learn/list.txt --val probe/list.txt --out models/scenes

  Then explain the units of its last layer:
    compexp vision probe --broden probe --checkpoint models/scenes/model.safetensors \\
      --classes probe/classes.txt --out runs/scenes")]
pub(crate) struct VisionTrainArgs {
    /// A list with an image's path and the number of its class per line; all images have one size
    pub(crate) list: PathBuf,
    /// The folder that its paths are relative to [default: the list's own]
    #[arg(help_heading = "Images", long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Images to classify after each epoch, as lines of path and class; they do not change the training
    #[arg(help_heading = "Images", long, value_name = "LIST")]
    pub(crate) val: Option<PathBuf>,
    /// The folder that the paths of --val are relative to [default: that list's own]
    #[arg(help_heading = "Images", long, value_name = "DIR", requires = "val")]
    pub(crate) val_root: Option<PathBuf>,
    /// How pixels are scaled: as the paper's code does, or as torchvision's models expect
    #[arg(help_heading = "Images", long, value_enum, default_value_t = PreprocessArg::Reference)]
    pub(crate) preprocess: PreprocessArg,
    /// The channels of each stage
    #[arg(help_heading = "Network", long, value_name = "A,B", value_delimiter = ',', default_value = "16,32,64,128", value_parser = whole(1, 4096))]
    pub(crate) widths: Vec<usize>,
    /// The blocks of each stage
    #[arg(help_heading = "Network", long, value_name = "N", default_value_t = 2, value_parser = whole(1, 100))]
    pub(crate) blocks: usize,
    /// The stride of the first convolution
    #[arg(help_heading = "Network", long, value_name = "N", default_value_t = 2, value_parser = whole(1, 2))]
    pub(crate) stride: usize,
    #[command(flatten, next_help_heading = "Network")]
    pub(crate) device: DeviceArg,
    /// Passes over the images
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 12, value_parser = epochs())]
    pub(crate) epochs: usize,
    /// Images per step
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 32, value_parser = whole(2, 4096))]
    pub(crate) batch: usize,
    /// The highest learning rate
    #[arg(help_heading = "Training", long, value_name = "RATE", default_value_t = 0.1, value_parser = above_0::<f32>, allow_negative_numbers = true)]
    pub(crate) lr: f32,
    /// Weight decay
    #[arg(help_heading = "Training", long, value_name = "X", default_value_t = 5e-4, value_parser = at_least_0::<f32>, allow_negative_numbers = true)]
    pub(crate) weight_decay: f32,
    /// The greatest shift of an image in a step, in pixels
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 6, value_parser = whole(0, 1024))]
    pub(crate) shift: usize,
    /// Do not mirror images
    #[arg(help_heading = "Training", long)]
    pub(crate) no_flip: bool,
    /// Seed of the first weights, of the order of the images, and of how they are shifted and mirrored
    #[arg(help_heading = "Training", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Steps between two saved states
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 100, value_parser = at_least_1())]
    pub(crate) save_every: usize,
    /// The folder for the results
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
To continue a stopped training, give the same command again. The folder gets model.safetensors (the \
best epoch's) with its words in tokenizer.json, training.json (settings and results), curves.csv and curves.svg. With \
--embeddings, words that occur only in the held-out pairs are known if they have a vector.

Examples:
  Ten passes with settings for some ten thousand pairs:
    compexp nli train --train train.tsv --dev dev.tsv --tokenizer en_core_web_sm-3.8.0 \\
      --bidirectional --embeddings glove.6B.50d.txt --out models/first

  The published classifier and procedure, for half a million pairs:
    compexp nli train --train train.tsv --dev dev.tsv --tokenizer en_core_web_sm-3.8.0 \\
      --hidden 512 --units 1024 --epochs 50 --patience 50 --lr 1e-3 --decay 1:1 --dropout 0.1 \\
      --embedding-dropout 0 --averaging 0 --out models/published")]
pub(crate) struct NliTrainArgs {
    /// Labelled pairs for training
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) train: PathBuf,
    /// Labelled pairs that decide which epoch is the best
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) dev: PathBuf,
    /// The labels of --dev, one per line [default: those in the file]
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) dev_gold: Option<PathBuf>,
    /// Labelled pairs on which the best epoch's classifier is tested at the end
    #[arg(help_heading = "Sentence pairs", long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) words: WordArgs,
    /// Word vectors (GloVe's text); words without one get random numbers
    #[arg(help_heading = "Classifier", long, value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// Train the vectors of --embeddings too, instead of keeping them as they are
    #[arg(help_heading = "Classifier", long, requires = "embeddings")]
    pub(crate) tune_embeddings: bool,
    /// The dimension of word vectors [default: 300, or that of --embeddings]
    #[arg(help_heading = "Classifier", long, value_name = "N", value_parser = size())]
    pub(crate) embedding_size: Option<usize>,
    /// The size of the LSTM's state
    #[arg(help_heading = "Classifier", long, value_name = "N", default_value_t = 128, value_parser = size())]
    pub(crate) hidden: usize,
    /// The number of units of the hidden layer
    #[arg(help_heading = "Classifier", long, value_name = "N", default_value_t = 256, value_parser = size())]
    pub(crate) units: usize,
    /// A second LSTM reads the sentences backwards
    #[arg(help_heading = "Classifier", long)]
    pub(crate) bidirectional: bool,
    /// Classify from the product of the sentences' vectors alone
    #[arg(help_heading = "Classifier", long)]
    pub(crate) minimal: bool,
    #[command(flatten, next_help_heading = "Classifier")]
    pub(crate) device: DeviceArg,
    /// Passes over the pairs
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 10, value_parser = epochs())]
    pub(crate) epochs: usize,
    /// Pairs per step
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 100, value_parser = whole(2, 1 << 16))]
    pub(crate) batch: usize,
    /// Adam's learning rate
    #[arg(help_heading = "Training", long, value_name = "RATE", default_value_t = 2e-3, value_parser = above_0::<f32>, allow_negative_numbers = true)]
    pub(crate) lr: f32,
    /// From epoch `FROM` on, the rate is multiplied by `FACTOR` in every epoch; 1:1 keeps it
    #[arg(help_heading = "Training", long, value_name = "FROM:FACTOR", default_value = "4:0.75", value_parser = decay)]
    pub(crate) decay: (usize, f32),
    /// The greatest norm of a step's gradients
    #[arg(help_heading = "Training", long, value_name = "NORM", value_parser = above_0::<f32>, allow_negative_numbers = true)]
    pub(crate) clip: Option<f32>,
    /// Share of values dropped before and after the hidden layer
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.2, value_parser = share_below_1::<f32>, allow_negative_numbers = true)]
    pub(crate) dropout: f32,
    /// Share of words read as unknown
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.0, value_parser = share_below_1::<f32>, allow_negative_numbers = true)]
    pub(crate) word_dropout: f32,
    /// Share of words read as unknown among those that occur once in the training pairs
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.0, value_parser = share_below_1::<f32>, allow_negative_numbers = true)]
    pub(crate) rare_word_dropout: f32,
    /// Share of the numbers of word vectors that are dropped
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.1, value_parser = share_below_1::<f32>, allow_negative_numbers = true)]
    pub(crate) embedding_dropout: f32,
    /// Share of itself that the running average of the weights keeps in a step; 0 uses the last weights instead
    #[arg(help_heading = "Training", long, value_name = "SHARE", default_value_t = 0.998, value_parser = share_below_1::<f32>, allow_negative_numbers = true)]
    pub(crate) averaging: f32,
    /// Stop after this many epochs without a better one
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 5, value_parser = at_least_1())]
    pub(crate) patience: usize,
    /// Steps between two saved states
    #[arg(help_heading = "Training", long, value_name = "N", default_value_t = 200, value_parser = at_least_1())]
    pub(crate) save_every: usize,
    /// Seed of the first weights, of the order of the pairs, and of what is dropped
    #[arg(help_heading = "Training", long, value_name = "S", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The folder for the results
    #[arg(help_heading = "Output", long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print the results as JSON
    #[arg(help_heading = "Output", long)]
    pub(crate) json: bool,
}

/// The number of values in a layer of a classifier.
fn size() -> RangedU64ValueParser<usize> {
    whole(1, 1 << 16)
}

/// An epoch, counted from 1, and a factor.
fn decay(text: &str) -> Result<(usize, f32), String> {
    let (from, by) = text.split_once(':').ok_or("expected an epoch, a colon and a factor: 4:0.5")?;
    let from =
        from.parse::<usize>().ok().filter(|from| *from > 0).ok_or(format!("`{from}` is no epoch, counted from 1"))?;
    Ok((from, factor(by)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decay_is_an_epoch_and_a_factor() {
        assert_eq!(decay("4:0.5"), Ok((4, 0.5)));
        for bad in ["4", "0:0.5", "4:0", "4:2", "4:nan", ":", "4:0.5:1"] {
            assert!(decay(bad).is_err(), "{bad}");
        }
    }
}
