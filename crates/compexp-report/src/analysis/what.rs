//! What a run is, in a line.

use compexp_core::score::Metric;
use compexp_core::search::Mode;
use compexp_run::Provenance;
use compexp_run::wording::many;

use super::Records;

/// What was explained on what, and how it was searched: `512 units of layer4 on 3,873 images, formulas of at most 3 literals,
/// beam search by IoU`. Without the search for a run of another version, whose settings are not known.
pub fn what(records: &Records) -> String {
    let all = &records.explanations;
    let units = many(all.units.len(), "unit");
    let on = |what| many(all.universe.examples, what);
    let Ok(made) = Provenance::parse(&all.config) else { return format!("{units} on {}", on("example")) };
    let untrained = made.random_weights().map_or(String::new(), |seed| format!(" with random weights (seed {seed})"));
    let what = match &made {
        Provenance::VisionProbe(made) => {
            format!("{units} of {} of a network{untrained} on {}", made.inputs.layer, on("image"))
        }
        Provenance::NliProbe(made) => {
            format!("{units} of the {} of a classifier{untrained} on {}", made.inputs.layer, on("sentence pair"))
        }
        Provenance::TextProbe(made) => {
            let of = if made.inputs.sae.is_some() { "a sparse autoencoder on " } else { "" };
            format!("{units} of {of}{} of a language model on {}", made.inputs.layer, on("word"))
        }
        Provenance::Explain(made) => {
            let given = if made.inputs.masks.is_some() { "masks, as planted ones are," } else { "activations" };
            let examples = if made.inputs.annotations.kind == "broden" { "image" } else { "example" };
            format!("{units} given as {given} on {}", on(examples))
        }
    };
    let settings = made.settings();
    let search = &settings.search;
    let mode = match search.mode {
        Mode::Beam => "beam search",
        Mode::Compat => "search as the reference's",
        Mode::Exact => "exact search",
    };
    let metric = match search.metric {
        Metric::Iou => "IoU",
        Metric::Mcc => "MCC",
        other => other.name(),
    };
    let mut line = format!("{what}, formulas of at most {}, {mode} by {metric}", many(search.length, "literal"));
    if let Some(draws) = settings.trust.and_then(|t| t.null_draws) {
        line += &format!(", {} of each unit", many(draws, "null draw"));
    }
    if let Some(held_out) = &all.held_out {
        line += &format!(", {} more held out", many(held_out.examples, "example"));
    }
    line
}

#[cfg(test)]
mod tests {
    use compexp_core::explanation::HeldOutUniverse;
    use serde_json::json;

    use super::super::question::Answer;
    use super::super::tests::records;
    use super::*;

    fn config(command: &str, inputs: serde_json::Value) -> serde_json::Value {
        json!({
            "command": command, "inputs": inputs, "compexp": "0", "threshold": null, "units": "10", "keep_beams": false,
            "exemplars": 1, "search": compexp_core::search::SearchConfig::default(),
            "trust": { "null_draws": 20, "holdout": 0.5, "seed": 0 },
        })
    }

    #[test]
    fn a_line_says_what_a_run_is() {
        let mut run = records("a", &[("a", &[0.5], &[])], &[], &[("", "x")]);
        assert_eq!(what(&run), "1 unit on 1 example");
        let annotations = json!({ "kind": "broden", "hash": "0" });
        run.explanations.config =
            config("explain", json!({ "annotations": annotations, "masks": { "kind": "npy", "hash": "0" } }));
        run.explanations.held_out = Some(HeldOutUniverse { examples: 3, groups: 2 });
        let expected = "1 unit given as masks, as planted ones are, on 1 image, formulas of at most 3 literals, beam search by \
                        IoU, 20 null draws of each unit, 3 examples more held out";
        assert_eq!(what(&run), expected);
    }

    #[test]
    fn words_and_latents_are_called_so() {
        let mut run = records("a", &[("a", &[0.5], &[])], &[], &[("", "x")]);
        let mut inputs = json!({
            "annotations": { "kind": "tokens", "hash": "0" }, "model": "0", "tokenizer": "0", "layer": "mlp.3",
        });
        run.explanations.config = config("text probe", inputs.clone());
        assert!(what(&run).starts_with("1 unit of mlp.3 of a language model on 1 word, "), "{}", what(&run));
        assert_eq!(Answer::of(&run), None);
        inputs["sae"] = json!("0");
        run.explanations.config = config("text probe", inputs);
        assert!(what(&run).starts_with("1 unit of a sparse autoencoder on mlp.3 of a language model on 1 word, "));
    }

    #[test]
    fn a_network_on_random_weights_is_called_so_and_answers_nothing() {
        let mut run = records("a", &[("a", &[0.5], &[0])], &[], &[("x", "x")]);
        let inputs = json!({
            "annotations": { "kind": "broden", "hash": "0" }, "checkpoint": "0", "images": "0", "layer": "layer4",
            "preprocess": "imagenet",
        });
        run.explanations.config = config("vision probe", inputs.clone());
        assert!(what(&run).starts_with("1 unit of layer4 of a network on 1 image, "), "{}", what(&run));
        assert!(Answer::of(&run).is_some());
        let mut random = inputs;
        random["random_weights"] = json!(7);
        run.explanations.config = config("vision probe", random);
        assert!(what(&run).starts_with("1 unit of layer4 of a network with random weights (seed 7) on 1 image, "));
        assert_eq!(Answer::of(&run), None);
    }
}
