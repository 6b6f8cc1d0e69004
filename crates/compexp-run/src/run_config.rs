//! The configuration of a run, as `config.json` holds it: what it is made with, and where its inputs were found.

use compexp_trust::compare::{Difference, differences};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::provenance::Provenance;

/// The version of `config.json` and `exemplars.json`.
pub(crate) const FILE_VERSION: u32 = 1;

/// What `config.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// The version of the file.
    version: u32,
    /// A [`Provenance`] as the file has it: another version of compexp may have written it, and two runs are compared
    /// setting by setting.
    config: Value,
    /// Where inputs were found.
    pub paths: InputPaths,
}

/// Where the inputs of a run were found. A relative path is relative to the run folder, which may move. The fields stand in
/// the order of the file, which is that of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputPaths {
    /// The layer's activations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activations: Option<String>,
    /// The annotations of pictures, where these are neither a Broden folder nor a probe directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<String>,
    /// The Broden folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broden: Option<String>,
    /// The network's checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The list of the network's classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<String>,
    /// The regular expressions whose matches are concepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expressions: Option<String>,
    /// The gold labels of sentence pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gold: Option<String>,
    /// The folder that the images of examples are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_root: Option<String>,
    /// The index of the Broden folder, where it is not the folder's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The labels of sentences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// The folder of word lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lists: Option<String>,
    /// The units' masks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masks: Option<String>,
    /// The folder of the language model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The file of the names of classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// The file of sentence pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<String>,
    /// The probe directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The sparse autoencoder whose latents are the units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sae: Option<String>,
    /// The list of the images' scenes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenes: Option<String>,
    /// The tagger's symbols.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbols: Option<String>,
    /// The model folder of the tagger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tagger: Option<String>,
    /// The tags of sentence pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<String>,
    /// Where words are in a latent cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_map: Option<String>,
    /// Which tokens of texts are no padding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_mask: Option<String>,
    /// The tokenizer of the model whose tokens activations are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// The file of word vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<String>,
}

impl InputPaths {
    /// All paths that are there, to be changed.
    pub fn each(&mut self) -> impl Iterator<Item = &mut String> {
        // Named one by one, so that none is forgotten.
        let Self {
            activations,
            annotations,
            broden,
            checkpoint,
            classes,
            expressions,
            gold,
            image_root,
            index,
            labels,
            lists,
            masks,
            model,
            names,
            pairs,
            probe,
            sae,
            scenes,
            symbols,
            tagger,
            tags,
            token_map,
            token_mask,
            tokenizer,
            vectors,
        } = self;
        let all = [
            activations,
            annotations,
            broden,
            checkpoint,
            classes,
            expressions,
            gold,
            image_root,
            index,
            labels,
            lists,
            masks,
            model,
            names,
            pairs,
            probe,
            sae,
            scenes,
            symbols,
            tagger,
            tags,
            token_map,
            token_mask,
            tokenizer,
            vectors,
        ];
        all.into_iter().flatten()
    }
}

impl RunConfig {
    /// The configuration of a run.
    pub fn new(made: &Provenance, paths: InputPaths) -> Self {
        Self { version: FILE_VERSION, config: made.to_value(), paths }
    }

    /// What the run was made with.
    ///
    /// # Errors
    /// `Error::Core` if this version of compexp does not know the settings.
    pub fn provenance(&self) -> Result<Provenance> {
        let expected = "the settings of a run of this version of compexp";
        Provenance::parse(&self.config).map_err(|e| Error::mismatch("config of the run", e, expected))
    }

    /// The settings as the run's files hold them, to be shown and compared; [`Self::provenance`] is for whoever asks for one.
    pub fn settings(&self) -> &Value {
        &self.config
    }

    /// The command that the run is of.
    pub(crate) fn command(&self) -> String {
        /// What is read of settings that only another version knows.
        #[derive(Deserialize)]
        struct Of {
            command: String,
        }
        Of::deserialize(&self.config).map_or_else(|_| "explain".to_owned(), |of| of.command)
    }

    /// How the run of `asked` differs from this one.
    pub(crate) fn differences(&self, asked: &Self) -> Vec<Difference> {
        let mut differences = differences(&self.config, &asked.config);
        if self.version != asked.version {
            let [base, run] = [self.version, asked.version].map(|v| Some(v.to_string()));
            differences.insert(0, Difference { field: "version of config.json".to_owned(), base, run });
        }
        differences
    }

    /// A configuration of settings that no command writes.
    #[cfg(test)]
    pub(crate) fn of_settings(config: Value, paths: InputPaths) -> Self {
        Self { version: FILE_VERSION, config, paths }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_written_as_a_map_sorted_by_name_would_be() {
        let all = json!({
            "activations": "a", "annotations": "aa", "broden": "b", "checkpoint": "c", "classes": "d", "expressions": "dd", "gold": "e",
            "image_root": "f", "index": "g", "labels": "ga", "lists": "gb", "masks": "h", "model": "ha", "names": "hh", "pairs": "i", "probe": "j", "sae": "ja", "scenes": "k", "symbols": "l", "tagger": "m",
            "tags": "n", "token_map": "na", "token_mask": "nb", "tokenizer": "nc", "vectors": "o",
        });
        let read = InputPaths::deserialize(&all).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), all.to_string());
        assert_eq!(serde_json::to_string(&InputPaths::default()).unwrap(), "{}");
        let mut changed = read;
        changed.each().for_each(|path| *path = path.to_uppercase());
        assert_eq!(
            serde_json::to_string(&changed.each().collect::<Vec<_>>()).unwrap(),
            json!([
                "A", "AA", "B", "C", "D", "DD", "E", "F", "G", "GA", "GB", "H", "HA", "HH", "I", "J", "JA", "K", "L",
                "M", "N", "NA", "NB", "NC", "O"
            ])
            .to_string()
        );
    }

    #[test]
    fn settings_of_another_version_are_read_and_their_command_is_known() {
        let text = r#"{"version": 1, "config": {"command": "dance", "steps": 3}, "paths": {"floor": "here"}}"#;
        let read: RunConfig = serde_json::from_str(text).unwrap();
        assert_eq!((read.command().as_str(), &read.paths), ("dance", &InputPaths::default()));
        assert!(read.provenance().unwrap_err().to_string().contains("dance"));
        let none: RunConfig = serde_json::from_str(r#"{"version": 1, "config": 7, "paths": {}}"#).unwrap();
        assert_eq!(none.command(), "explain");
    }
}
