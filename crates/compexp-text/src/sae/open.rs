//! The files of sparse autoencoders: SAELens' folders and Gemma Scope's archives.

use std::path::{Path, PathBuf};

use compexp_files::{Dtype, Place, SourceFile, TensorFile, excerpt, is_there, read_json};
use serde::Deserialize;

use super::{Kind, Parts, Sae};
use crate::error::{Error, Result};

pub(super) const CONFIG: &str = "cfg.json";
pub(super) const WEIGHTS: &str = "sae_weights.safetensors";
const ARCHIVE: &str = "params.npz";

/// What `cfg.json` says that changes the arithmetic. Files of old versions lack some entries and have others.
#[derive(Deserialize)]
struct Config {
    architecture: Option<String>,
    d_in: usize,
    d_sae: usize,
    k: Option<usize>,
    activation_fn: Option<String>,
    activation_fn_str: Option<String>,
    activation_fn_kwargs: Option<Arguments>,
    apply_b_dec_to_input: Option<bool>,
    normalize_activations: Option<Normalisation>,
    reshape_activations: Option<String>,
    hook_name: Option<String>,
    hook_point: Option<String>,
    rescale_acts_by_decoder_norm: Option<bool>,
    finetuning_scaling_factor: Option<bool>,
}

#[derive(Deserialize)]
struct Arguments {
    k: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Normalisation {
    Old(bool),
    Named(String),
}

/// The files of an autoencoder.
enum Form {
    SaeLens { config: PathBuf, weights: PathBuf },
    GemmaScope(PathBuf),
}

impl Form {
    fn of(path: &Path) -> Result<Self> {
        if Place::required(path)? != Place::Folder {
            return Ok(Self::GemmaScope(path.to_owned()));
        }
        let (config, archive) = (path.join(CONFIG), path.join(ARCHIVE));
        if is_there(&config)? {
            Ok(Self::SaeLens { config, weights: path.join(WEIGHTS) })
        } else if is_there(&archive)? {
            Ok(Self::GemmaScope(archive))
        } else {
            let expected = "`cfg.json` and `sae_weights.safetensors` (SAELens), or `params.npz` (Gemma Scope)";
            Err(Error::format(path, "sparse autoencoder", "none of its files", expected))
        }
    }
}

/// Reads a folder with `cfg.json` and `sae_weights.safetensors`, or with `params.npz`, or that archive itself.
pub(super) fn open(path: &Path) -> Result<Sae> {
    match Form::of(path)? {
        Form::SaeLens { config, weights } => sae_lens(&config, &weights),
        Form::GemmaScope(archive) => gemma_scope(&archive),
    }
}

/// The files that [`open`] reads.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(match Form::of(path)? {
        Form::SaeLens { config, weights } => vec![config, weights],
        Form::GemmaScope(archive) => vec![archive],
    })
}

fn sae_lens(config: &Path, weights: &Path) -> Result<Sae> {
    let c: Config = read_json(config)?;
    let refuse = |field: &str, found: String, expected: &str| Err(Error::format(config, field, found, expected));
    let function = c.activation_fn.as_deref().or(c.activation_fn_str.as_deref());
    let old_k = c.activation_fn_kwargs.as_ref().and_then(|arguments| arguments.k);
    // Old files call a TopK autoencoder `standard`, with the function `topk`.
    let architecture = match (c.architecture.as_deref().unwrap_or("standard"), function) {
        ("standard", Some("topk")) => "topk",
        (architecture, _) => architecture,
    };
    if let ("standard" | "jumprelu", Some(other)) = (architecture, function)
        && other != "relu"
    {
        return refuse("activation_fn", excerpt(other), "`relu`, or `topk`");
    }
    let normalised = match &c.normalize_activations {
        None | Some(Normalisation::Old(false)) => None,
        Some(Normalisation::Old(true)) => Some("`true`".to_owned()),
        Some(Normalisation::Named(name)) => (name != "none").then(|| excerpt(name)),
    };
    if let Some(found) = normalised {
        return refuse("normalize_activations", found, "`none`: fold the scale into the weights with SAELens");
    }
    let hook_z = [&c.hook_name, &c.hook_point].into_iter().flatten().any(|hook| hook.contains("hook_z"));
    let reshaped = c.reshape_activations.as_deref().unwrap_or(if hook_z { "hook_z" } else { "none" });
    if reshaped != "none" {
        return refuse("reshape_activations", excerpt(reshaped), "`none`");
    }
    if c.rescale_acts_by_decoder_norm == Some(true) {
        let expected = "false: fold the norms into the weights with SAELens (`fold_W_dec_norm`)";
        return refuse("rescale_acts_by_decoder_norm", "true".into(), expected);
    }
    if c.finetuning_scaling_factor == Some(true) {
        return refuse("finetuning_scaling_factor", "true".into(), "false");
    }
    let (d_in, d_sae) = (c.d_in, c.d_sae);
    let reader = Reader { path: weights };
    let kind = match architecture {
        "standard" => Kind::Standard,
        "topk" => match c.k.or(old_k) {
            Some(k) if (1..=d_sae).contains(&k) => Kind::TopK(k),
            k => {
                let found = k.map_or("nothing".into(), |k| k.to_string());
                return refuse("k", found, &format!("a number from 1 to d_sae, {d_sae}"));
            }
        },
        "jumprelu" => Kind::JumpRelu(reader.read("threshold", &[d_sae])?),
        other => return refuse("architecture", excerpt(other), "`standard`, `topk` or `jumprelu`"),
    };
    reader.sae(d_in, d_sae, kind, c.apply_b_dec_to_input.unwrap_or(true))
}

/// Gemma Scope's archive (Lieberum et al., 2024): JumpReLU, with nothing subtracted from the input.
fn gemma_scope(path: &Path) -> Result<Sae> {
    let reader = Reader { path };
    let shape = reader.open("W_enc")?.shape().to_vec();
    let &[d_in, d_sae] = &shape[..] else {
        return Err(reader.error("W_enc", format!("shape {shape:?}"), "a matrix [d_in, d_sae]"));
    };
    reader.sae(d_in, d_sae, Kind::JumpRelu(reader.read("threshold", &[d_sae])?), false)
}

/// A file of weights.
struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn sae(&self, d_in: usize, d_sae: usize, kind: Kind, subtract: bool) -> Result<Sae> {
        if d_in == 0 || d_sae == 0 || u32::try_from(d_sae).is_err() {
            let expected = "a width above 0, and from 1 to 2^32 latents";
            return Err(self.error("W_enc", format!("shape [{d_in}, {d_sae}]"), expected));
        }
        Ok(Sae::new(Parts {
            encoder: &self.read("W_enc", &[d_in, d_sae])?,
            encoder_bias: self.read("b_enc", &[d_sae])?,
            decoder: self.read("W_dec", &[d_sae, d_in])?,
            decoder_bias: self.read("b_dec", &[d_in])?,
            kind,
            subtract,
        }))
    }

    fn open(&self, name: &str) -> Result<TensorFile> {
        const FLOATS: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::F64];
        let expected = "f32, f16, bf16 or f64";
        let tensor = TensorFile::open_in(SourceFile::open(self.path)?, Some(name), expected)?;
        Ok(tensor.of_type(&FLOATS, expected)?)
    }

    /// The values of a tensor of this shape; each must be finite.
    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.open(name)?;
        if tensor.shape() != shape {
            return Err(self.error(name, format!("shape {:?}", tensor.shape()), &format!("shape {shape:?}")));
        }
        let mut values = vec![0.0; tensor.elements()];
        tensor.read_f32(0, &mut values)?;
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.error(name, format!("{} at element {at}", values[at]), "finite values")),
            None => Ok(values),
        }
    }

    fn error(&self, name: &str, found: String, expected: &str) -> Error {
        Error::format(self.path, format!("tensor `{name}`"), found, expected)
    }
}
