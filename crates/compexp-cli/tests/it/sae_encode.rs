//! `compexp sae encode` on the words of sentences, and the autoencoders of the data folder on all words of a treebank.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use compexp_tests::data;

use crate::text::{integers, tensor, tiny};
use crate::{compexp, fails, ok};

/// The sizes of a file of latents, and its values by row and latent.
fn latents(path: &Path) -> (Vec<usize>, HashMap<(usize, usize), f32>) {
    let of = |name: &str| format!("{}#{name}", path.display());
    let places = integers(&of("positions")).into_iter().zip(integers(&of("units")));
    (integers(&of("shape")), places.zip(tensor(&of("values")).1).collect())
}

#[test]
fn latents_on_words_are_those_on_the_activations_of_a_run() {
    let (_temp, dir, _) = tiny();
    ok(&dir, "text probe --model bert --tokens t.conllu --min-count 2 --quantile 0.2 --layer resid.0 --out layer");
    ok(&dir, "sae encode --sae sae --activations layer/activations.npy --out file.safetensors");
    let encode = "sae encode --sae sae --model bert --layer resid.0 --tokens t.conllu --out words.safetensors";
    let done = compexp(&dir, encode).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.contains("words behind a cut have rows without latents"), "{said}");
    let (file, words) = (latents(&dir.join("file.safetensors")), latents(&dir.join("words.safetensors")));
    // Two words are behind the cut.
    assert_eq!((file.0, words.0), (vec![23, 5], vec![25, 5]));
    assert_eq!(file.1, words.1);
    ok(&dir, "explain --tokens t.conllu --activations words.safetensors --min-count 2 --out run");

    for (code, args, message) in [
        (2, "--sae sae --model bert --layer resid.0", "--tokens"),
        (2, "--sae sae --model bert --tokens t.conllu", "--layer"),
        (2, "--sae sae", "--activations"),
        (2, "--sae sae --tokens t.conllu --activations layer/activations.npy", "--model"),
        (2, "--sae sae --model bert --layer resid.0 --tokens t.conllu --activations a.npy", "cannot be used with"),
        (2, "--sae sae --model bert --layer resid.9 --tokens t.conllu", "the layers are"),
        (1, "--sae wide --model bert --layer resid.0 --tokens t.conllu", "17"),
        (1, "--sae sae --model bert --layer resid.0 --tokens none.conllu", "none.conllu"),
        (2, "--sae sae --model bert --layer resid.0 --tokens t.conllu --tagger none", "whose words have tags"),
    ] {
        let e = fails(&dir, code, &format!("sae encode {args} --out other.safetensors"));
        assert!(e.contains(message), "{args}: {e}");
        assert!(!dir.join("other.safetensors").exists());
    }
}

#[test]
fn autoencoders_of_the_data_folder_encode_all_words_as_they_are_read() {
    let (Some(bank), Some(folder), Some(minilm)) = (data("ud-ewt/ewt.conllu.gz"), data("latents"), data("minilm"))
    else {
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let golden = folder.join("golden.safetensors");
    let word = integers(&format!("{}#word", golden.display()));
    for (name, sae, d_sae, active) in [
        ("topk", "sae", 768, 16.0),
        ("frozen", "sae-frozen", 768, 16.0),
        ("random", "sae-random", 768, 16.0),
        ("jumprelu", "sae-jumprelu", 64, 18.0),
        ("standard", "sae-standard", 64, 32.0),
    ] {
        let probe = format!(
            "text probe --model {} --layer resid.3 --sae {} --tokens {} --families upos --length 1 --units 0-3 --out {name}",
            minilm.display(),
            folder.join(sae).display(),
            bank.display()
        );
        ok(temp.path(), &probe);
        let (shape, found) = latents(&temp.path().join(name).join("latents.safetensors"));
        assert_eq!(shape, [59_936, d_sae], "{name}");
        let mean = found.len() as f64 / 59_936.0;
        assert!((mean - active).abs() < 2.0, "{name}: {mean} latents fire on a word");
        let (_, expected) = tensor(&format!("{}#{name}", golden.display()));
        for (row, expected) in word.iter().zip(expected.chunks(d_sae)) {
            for (latent, expected) in expected.iter().enumerate() {
                let found = found.get(&(*row, latent)).copied().unwrap_or(0.0);
                // Where a value is next to 0 or to a threshold, another order of sums may decide.
                assert!((found - expected).abs() < 1e-3 * expected.max(1.0), "{name}, word {row}: {found}, {expected}");
            }
        }
        fs::remove_dir_all(temp.path().join(name)).unwrap();
    }
}
