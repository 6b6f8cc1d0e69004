//! `cargo xtask train-toy`: trains the networks in `data/toy` again.
//!
//! The same machine type gives the same bytes. Another may have other vector instructions, which round differently: then
//! the weights differ a little, and the accuracies that the trainings print tell whether they are as good.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cargo::target_folder;
use crate::program::{Build, Compexp};
use crate::stage::{Runner, Stage, hash_tree};

/// The trainings, as arguments of `compexp`; `{}` stands for the folder of them all.
const STAGES: [(&str, &str); 5] = [
    ("learn", "vision paint --images 800 --split train --seed 0 --out {}/learn"),
    ("scenes", "vision paint --images 1200 --split val --seed 0 --out {}/scenes"),
    (
        "vision",
        "vision train {}/learn/list.txt --val {}/scenes/list.txt --epochs 10 --lr 0.05 --seed 0 --out {}/vision",
    ),
    ("pairs", "nli compose --pairs 15000 --held-out 2400 --seed 0 --out {}/pairs"),
    (
        "nli",
        "nli train --train {}/pairs/train.tsv --dev {}/pairs/dev.tok --dev-gold {}/pairs/dev_gold.txt --tokenized \
         --bidirectional --embedding-size 24 --hidden 32 --units 128 --epochs 6 --batch 50 --lr 0.002 --dropout 0.2 \
         --word-dropout 0 --rare-word-dropout 0 --embedding-dropout 0 --patience 6 --save-every 1000 --seed 0 \
         --out {}/nli",
    ),
];

/// What is committed of each training, within its folder and within `data/toy`.
const KEPT: [&str; 3] = ["vision/model.safetensors", "nli/model.safetensors", "nli/tokenizer.json"];

/// Trains, and compares with what is committed in the workspace at `root`; with `update` replaces that.
pub(crate) fn train_toy(root: &Path, update: bool) -> Result<()> {
    let folder = target_folder(root)?.join("train-toy");
    let runner = Runner::new(&Compexp::build(root, Build::Release)?, &folder.join("stages"))?;
    let mut done: Vec<PathBuf> = Vec::new();
    for (name, arguments) in STAGES {
        let place = folder.to_string_lossy();
        let stage = Stage {
            name: name.into(),
            arguments: arguments.split_whitespace().map(|word| word.replace("{}", &place).into()).collect(),
            inputs: done.clone(),
            output: folder.join(name),
            // The trainings go on where they were stopped.
            resumable: ["vision", "nli"].contains(&name),
        };
        println!("train-toy: {name}");
        runner.run(&stage)?;
        done.push(stage.output);
    }
    let mut different = Vec::new();
    for file in KEPT {
        let (new, old) = (folder.join(file), root.join("data/toy").join(file));
        if old.exists() && hash_tree(&new)? == hash_tree(&old)? {
            println!("train-toy: {file} is the same, byte for byte");
        } else if update {
            if let Some(folder) = old.parent() {
                fs::create_dir_all(folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
            }
            fs::copy(&new, &old).with_context(|| format!("cannot copy to `{}`", old.display()))?;
            println!("train-toy: {file} is replaced");
        } else {
            different.push(file);
        }
    }
    if !different.is_empty() {
        bail!("{} differ from data/toy; `--update` replaces what is there", different.join(", "));
    }
    Ok(())
}
