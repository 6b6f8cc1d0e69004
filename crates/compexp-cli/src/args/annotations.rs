//! Annotated examples: a probe directory, or pictures annotated in one of several forms.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use compexp_core::probe::Grid;
use compexp_text::tokens::{Context, Family};
use compexp_vision::image::MAX_SIDE;

use super::numbers::{grid, part, whole};

/// The options that say what is used of annotated pictures, which a probe directory does not have.
pub(crate) const PICTURE_PARTS: [&str; 7] = ["index", "categories", "names", "images", "mask_size", "resize", "crop"];

/// The forms of annotated pictures, for the group of arguments of which a command needs one.
pub(crate) const PICTURES: [&str; 5] = ["broden", "coco", "panoptic", "ade20k", "mask_dir"];

/// The forms of annotations whose examples are no words.
pub(crate) const NO_WORDS: [&str; 6] = ["probe", "broden", "coco", "panoptic", "ade20k", "mask_dir"];

/// The options that say which concepts words have.
const WORD_PARTS: [&str; 8] =
    ["families", "context", "min_count", "lists", "regex", "sentence_labels", "tagger", "text_field"];

/// The same with a probe directory, and the words of sentences.
pub(crate) const ANNOTATED: [&str; 7] = ["probe", "broden", "coco", "panoptic", "ade20k", "mask_dir", "tokens"];

/// Where annotations come from. A command that needs one of them says so by a group of arguments.
#[derive(Debug, Args)]
// clap waives a required argument that conflicts with one that is there, so that `requires` alone would let these pass.
#[command(
    next_help_heading = "Annotations",
    group(ArgGroup::new("of_words").args(WORD_PARTS).multiple(true).conflicts_with_all(NO_WORDS))
)]
pub(crate) struct AnnotationArgs {
    /// A probe directory: probe.json and arrays of concepts; or the shards of saev, with labels.bin
    #[arg(long, value_name = "DIR", conflicts_with_all = PICTURES, conflicts_with_all = PICTURE_PARTS)]
    pub(crate) probe: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
    #[command(flatten)]
    pub(crate) words: WordArgs,
}

/// Annotated sentences, whose words are the examples.
#[derive(Debug, Args)]
#[command(next_help_heading = "Words of sentences")]
pub(crate) struct WordArgs {
    /// Sentences, whose words are the examples: a treebank in CoNLL-U, .feats, or with --tagger texts: .txt (a sentence a line),
    /// .jsonl, Parquet. All but Parquet may be compressed by gzip
    #[arg(long, value_name = "FILE", conflicts_with_all = NO_WORDS, conflicts_with_all = PICTURE_PARTS)]
    pub(crate) tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) concepts: WordConceptArgs,
}

/// The concepts of the words of annotated sentences.
#[derive(Debug, Args)]
#[command(next_help_heading = "Words of sentences")]
pub(crate) struct WordConceptArgs {
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// The families of concepts, of form, lemma, upos, xpos, feature, relation, position, prefix, suffix, shape [default: the
    /// first seven]
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "tokens")]
    pub(crate) families: Vec<Family>,
    /// Concepts of other words: prev, next, head, child or before-K of all families but form and lemma, or of one: head:lemma
    #[arg(long, value_name = "A,B", value_delimiter = ',', requires = "tokens")]
    pub(crate) context: Vec<Context>,
    /// Leave out concepts that fewer words have [default: 5]
    #[arg(long, value_name = "N", value_parser = whole(1, u32::MAX.into()), requires = "tokens")]
    pub(crate) min_count: Option<usize>,
    /// A folder of word lists, .txt files of one word a line: each is a concept
    #[arg(long, value_name = "DIR", requires = "tokens")]
    pub(crate) lists: Option<PathBuf>,
    /// Regular expressions, one a line after a name: each is a concept of the words in which it finds something
    #[arg(long, value_name = "FILE", requires = "tokens")]
    pub(crate) regex: Option<PathBuf>,
    /// The label of each sentence, one a line: each label is a concept of all words
    #[arg(long, value_name = "FILE", requires = "tokens")]
    pub(crate) sentence_labels: Option<PathBuf>,
}

/// How sentences that nobody annotated are read.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Words of sentences")]
pub(crate) struct TextArgs {
    /// A spaCy model folder, such as en_core_web_sm 3.8, which splits texts into words and tags them
    #[arg(long, value_name = "DIR", requires = "tokens")]
    pub(crate) tagger: Option<PathBuf>,
    /// The field of .jsonl, or the column of Parquet, that holds the texts [default: text]
    #[arg(long, value_name = "NAME", requires = "tokens")]
    pub(crate) text_field: Option<String>,
}

/// Annotated pictures, and what is used of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Annotations")]
pub(crate) struct PictureArgs {
    /// A folder in Broden's format
    #[arg(long, value_name = "DIR", conflicts_with_all = ["names", "images", "mask_size"])]
    pub(crate) broden: Option<PathBuf>,
    /// A JSON file of COCO's instances
    #[arg(long, value_name = "FILE", conflicts_with_all = ["names", "index"])]
    pub(crate) coco: Option<PathBuf>,
    /// A JSON file of COCO's panoptic segments; the PNGs are in the folder of its name without `.json`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["names", "index"])]
    pub(crate) panoptic: Option<PathBuf>,
    /// The folder of the whole ADE20K, ADE20K_2021_17_01
    #[arg(long, value_name = "DIR", conflicts_with_all = ["names", "index", "images"])]
    pub(crate) ade20k: Option<PathBuf>,
    /// A folder of PNGs whose pixels are numbers of classes, 255 for none, as of Pascal VOC and Cityscapes
    #[arg(long, value_name = "DIR", requires = "names", conflicts_with_all = ["index", "categories"])]
    pub(crate) mask_dir: Option<PathBuf>,
    /// The names of the classes of --mask-dir, one a line, from class 0
    #[arg(long, value_name = "FILE", requires = "mask_dir")]
    pub(crate) names: Option<PathBuf>,
    /// The folder of the pictures of --coco, --panoptic or --mask-dir [default: for the first two, `images` beside FILE]
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// The size that masks of pictures of any size are brought to [default: 112x112]
    #[arg(long, value_name = "HxW", value_parser = grid)]
    pub(crate) mask_size: Option<Grid>,
    /// Resize photographs, and their annotations with them, so that the short side has this length
    #[arg(long, value_name = "PIXELS", value_parser = whole(1, MAX_SIDE as u64))]
    pub(crate) resize: Option<usize>,
    /// Cut a square with sides of this length out of the middle of the photographs
    #[arg(long, value_name = "PIXELS", value_parser = whole(1, MAX_SIDE as u64))]
    pub(crate) crop: Option<usize>,
    /// The index within the Broden folder, or elsewhere [default: index_ade20k.csv, else index.csv]
    #[arg(long, value_name = "FILE")]
    pub(crate) index: Option<PathBuf>,
    /// The categories whose concepts are used [default: of Broden those of object,part,scene,texture,color that the folder has;
    /// of the others all but `supercategory`]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) categories: Option<Vec<String>>,
    /// Use only the concepts of these names
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) include: Vec<String>,
    /// Use no concepts of these names
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
    /// Use only concepts on at least this share of all positions
    #[arg(long, value_name = "SHARE", value_parser = part::<f64>, allow_negative_numbers = true)]
    pub(crate) min_area: Option<f64>,
}
