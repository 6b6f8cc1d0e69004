//! The sizes and the family of a model, from its `config.json`.

use std::path::{Path, PathBuf};

use compexp_files::{parse_json, read_text};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The longest `config.json` that is read, in bytes.
const MAX_CONFIG: u64 = 1 << 24;

/// The families of models that can be run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Family {
    Bert,
    Gpt2,
    NeoX(Rotary),
}

/// Rotary positions: how many values of a head they turn, and the base of their wave lengths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rotary {
    pub(super) width: usize,
    pub(super) base: f64,
    pub(super) parallel: bool,
}

/// The function between the two layers of an MLP.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    Gelu,
    GeluTanh,
    Relu,
}

/// The sizes of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) family: Family,
    pub(super) vocabulary: usize,
    pub(super) positions: usize,
    /// Values of a token's state.
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    /// Neurons of an MLP.
    pub(super) inner: usize,
    /// Kinds of text segments (BERT).
    pub(super) token_types: usize,
    pub(super) activation: Activation,
    pub(super) epsilon: f32,
    /// Whether the attention's layers have biases.
    pub(super) attention_bias: bool,
}

#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

#[derive(Deserialize)]
struct Bert {
    vocab_size: usize,
    max_position_embeddings: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    hidden_act: String,
    #[serde(default = "small")]
    layer_norm_eps: f64,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

#[derive(Deserialize)]
struct Gpt2 {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    #[serde(default = "gelu_new")]
    activation_function: String,
    #[serde(default = "normal")]
    layer_norm_epsilon: f64,
    #[serde(default = "yes")]
    scale_attn_weights: bool,
    #[serde(default)]
    scale_attn_by_inverse_layer_idx: bool,
}

#[derive(Deserialize)]
struct NeoX {
    vocab_size: usize,
    max_position_embeddings: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    #[serde(default = "normal")]
    layer_norm_eps: f64,
    rotary_pct: Option<f64>,
    rotary_emb_base: Option<f64>,
    rope_scaling: Option<serde::de::IgnoredAny>,
    rope_parameters: Option<RopeParameters>,
    #[serde(default = "yes")]
    use_parallel_residual: bool,
    #[serde(default = "yes")]
    attention_bias: bool,
}

/// How newer versions of transformers write rotary positions.
#[derive(Deserialize)]
struct RopeParameters {
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

fn two() -> usize {
    2
}

fn yes() -> bool {
    true
}

/// The defaults of transformers: 1e-12 in BERT, 1e-5 in the others.
fn small() -> f64 {
    1e-12
}

fn normal() -> f64 {
    1e-5
}

fn gelu_new() -> String {
    "gelu_new".into()
}

/// The file of the configuration in a model folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("config.json")
}

/// A `config.json` that is being read.
struct Reader {
    path: PathBuf,
    text: String,
}

impl Config {
    /// Reads `config.json` of a folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = path(folder);
        let reader = Reader { text: read_text(&path, MAX_CONFIG)?, path };
        let Kind { model_type } = reader.parse()?;
        let config = match model_type.as_deref() {
            Some("bert") => reader.bert()?,
            Some("gpt2") => reader.gpt2()?,
            Some("gpt_neox") => reader.neox()?,
            other => {
                let found = other.map_or("nothing".to_owned(), compexp_files::excerpt);
                let expected = "`bert`, `gpt2` or `gpt_neox`: export the activations of other models as arrays";
                return Err(reader.error("model_type", found, expected));
            }
        };
        let sizes = [config.vocabulary, config.positions, config.width, config.layers, config.heads, config.inner];
        if sizes.contains(&0) || !config.width.is_multiple_of(config.heads) {
            let found = format!("vocabulary, positions, width, layers, heads and neurons of {sizes:?}",);
            return Err(reader.error("sizes", found, "sizes above 0, and a width that the heads divide"));
        }
        Ok(config)
    }
}

impl Reader {
    fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(parse_json(&self.path, None, &self.text, "the config.json of a model of Hugging Face")?)
    }

    fn error(&self, field: &str, found: impl Into<String>, expected: &str) -> Error {
        Error::format(&self.path, field, found, expected)
    }

    /// Refuses a setting that changes the arithmetic.
    fn refuse(&self, field: &str, set: bool, found: &str, expected: &str) -> Result<()> {
        if set { Err(self.error(field, found, expected)) } else { Ok(()) }
    }

    fn activation(&self, field: &str, name: &str) -> Result<Activation> {
        match name {
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            other => {
                let expected = "`gelu`, `gelu_new`, `gelu_pytorch_tanh`, `gelu_fast` or `relu`";
                Err(self.error(field, compexp_files::excerpt(other), expected))
            }
        }
    }

    fn bert(&self) -> Result<Config> {
        let c: Bert = self.parse()?;
        let positions = c.position_embedding_type.as_deref().unwrap_or("absolute");
        let excerpt = compexp_files::excerpt(positions);
        self.refuse("position_embedding_type", positions != "absolute", &excerpt, "`absolute`")?;
        self.refuse("is_decoder", c.is_decoder, "true", "false: an encoder")?;
        Ok(Config {
            family: Family::Bert,
            vocabulary: c.vocab_size,
            positions: c.max_position_embeddings,
            width: c.hidden_size,
            layers: c.num_hidden_layers,
            heads: c.num_attention_heads,
            inner: c.intermediate_size,
            token_types: c.type_vocab_size,
            activation: self.activation("hidden_act", &c.hidden_act)?,
            epsilon: c.layer_norm_eps as f32,
            attention_bias: true,
        })
    }

    fn gpt2(&self) -> Result<Config> {
        let c: Gpt2 = self.parse()?;
        self.refuse("scale_attn_weights", !c.scale_attn_weights, "false", "true")?;
        self.refuse("scale_attn_by_inverse_layer_idx", c.scale_attn_by_inverse_layer_idx, "true", "false")?;
        Ok(Config {
            family: Family::Gpt2,
            vocabulary: c.vocab_size,
            positions: c.n_positions,
            width: c.n_embd,
            layers: c.n_layer,
            heads: c.n_head,
            inner: c.n_inner.unwrap_or(c.n_embd.saturating_mul(4)),
            token_types: 0,
            activation: self.activation("activation_function", &c.activation_function)?,
            epsilon: c.layer_norm_epsilon as f32,
            attention_bias: true,
        })
    }

    fn neox(&self) -> Result<Config> {
        let c: NeoX = self.parse()?;
        let rope = c.rope_parameters.as_ref();
        let kind = rope.and_then(|rope| rope.rope_type.as_deref()).unwrap_or("default");
        self.refuse("rope_parameters", kind != "default", &compexp_files::excerpt(kind), "rope_type `default`")?;
        self.refuse("rope_scaling", c.rope_scaling.is_some(), "a scaling", "null")?;
        let share = rope.and_then(|rope| rope.partial_rotary_factor).or(c.rotary_pct).unwrap_or(0.25);
        let base = rope.and_then(|rope| rope.rope_theta).or(c.rotary_emb_base).unwrap_or(10_000.0);
        let head = c.hidden_size / c.num_attention_heads.max(1);
        let width = (head as f64 * share) as usize;
        let fits = (0.0..=1.0).contains(&share) && width.is_multiple_of(2) && base.is_finite() && base > 0.0;
        if !fits {
            let found = format!("share {share} of a head of {head} values, base {base}");
            let expected = "a share from 0 to 1 that gives an even number of values, and a base above 0";
            return Err(self.error("rotary_pct, rotary_emb_base", found, expected));
        }
        Ok(Config {
            family: Family::NeoX(Rotary { width, base, parallel: c.use_parallel_residual }),
            vocabulary: c.vocab_size,
            positions: c.max_position_embeddings,
            width: c.hidden_size,
            layers: c.num_hidden_layers,
            heads: c.num_attention_heads,
            inner: c.intermediate_size,
            token_types: 0,
            activation: self.activation("hidden_act", &c.hidden_act)?,
            epsilon: c.layer_norm_eps as f32,
            attention_bias: c.attention_bias,
        })
    }
}
