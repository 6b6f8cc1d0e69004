//! What a reader sees of units of language models: formulas in words, contexts of words, searches and exports.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use compexp_files::write_npy;
use serde_json::Value;

use crate::browser::Browser;
use crate::tokens::treebank;
use crate::{fails, feature_probe, json, ok};

/// A run in `run` on the treebank's words. Unit 0 fires after `the`, the more the later the sentence; unit 1 on nouns, but for
/// every fifth of them, and on some full stops; unit 2 never.
fn run(dir: &Path, options: &str) -> Vec<Vec<f32>> {
    let sentences = treebank(dir);
    let mut values = Vec::new();
    let mut nouns = 0;
    for (i, words) in sentences.iter().enumerate() {
        for (at, word) in words.iter().enumerate() {
            let after = at > 0 && words[at - 1] == "the";
            let noun = ["cat", "dog", "bird", "fish", "birds"].contains(word);
            nouns += usize::from(noun);
            let on = noun && nouns % 5 != 0 || *word == "." && i % 9 == 0;
            values.push(vec![if after { 1.0 + i as f32 } else { 0.0 }, if on { 2.0 } else { -1.0 }, 0.0]);
        }
    }
    write_npy(&dir.join("words.npy"), &[values.len(), 3], &values.concat()).unwrap();
    let explain =
        "explain --tokens bank.conllu --activations words.npy --positive --context prev --min-count 2 --out run";
    ok(dir, &format!("{explain} {options}"));
    values
}

fn page(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// The part of a page between a heading's id and the next section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}"));
    &page[start..start + page[start..].find("</section>").unwrap()]
}

#[test]
fn formulas_are_shown_in_words_where_they_are_asked_for() {
    let temp = tempfile::tempdir().unwrap();
    run(temp.path(), "--length 1");
    let plain = ok(temp.path(), "show run");
    let words = ok(temp.path(), "show run --words");
    assert!(!plain.contains("words") && words.lines().next().unwrap().contains("words"), "{plain}{words}");
    assert!(words.contains("a word after a determiner") || words.contains("a word after 'the'"), "{words}");
    assert!(ok(temp.path(), "show run --words --unit 1").contains("in words      a noun"));
    let all: Value = serde_json::from_str(&ok(temp.path(), "show run --json")).unwrap();
    assert_eq!((&all["units"][2]["words"], &all["units"][2]["status"]), (&Value::Null, &"silent".into()));
    let noun = all["units"].as_array().unwrap().iter().find(|u| u["unit"] == 1).unwrap();
    assert_eq!((&noun["formula"], &noun["words"]), (&"upos:NOUN".into(), &"a noun".into()));
    let one: Value = serde_json::from_str(&ok(temp.path(), "show run --json --unit 1")).unwrap();
    assert_eq!(one["unit"]["words"], "a noun");
}

#[test]
fn pages_of_units_list_contexts_by_what_formula_and_unit_do() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let values = run(dir, "--length 1");
    ok(dir, "report run");
    let of = |unit: usize| page(&dir.join(format!("run/report/units/{unit}.html")));
    let nouns = of(1);
    assert!(nouns.contains("<p class=\"in-words\">a noun</p>"), "{nouns}");
    // Counted from the words themselves.
    let sentences = treebank(dir);
    let words: Vec<&str> = sentences.into_iter().flatten().collect();
    let noun = |i: usize| ["cat", "dog", "bird", "fish", "birds"].contains(&words[i]);
    let fires = |i: usize| values[i][1] > 0.0;
    let count = |of: &dyn Fn(usize) -> bool| (0..words.len()).filter(|i| of(*i)).count();
    let n = count(&fires);
    let density = format!("It fires on {n} of {} words ({:.1}%)", words.len(), 100.0 * n as f64 / words.len() as f64);
    assert!(section(&nouns, "top").contains(&density), "{density}: {}", section(&nouns, "top"));
    for (id, n) in [
        ("both", count(&|i| noun(i) && fires(i))),
        ("misses", count(&|i| noun(i) && !fires(i))),
        ("alarms", count(&|i| !noun(i) && fires(i))),
    ] {
        let found = section(&nouns, id);
        assert!(n > 2 && found.contains(&format!("{n} words")), "{id}: {n}: {found}");
        assert_eq!(found.matches("<li>").count(), n.min(6), "{id}");
        // The word of each line is in bold, and underlined where the formula is true.
        let underlined = found.matches("true focus").count();
        assert_eq!(underlined, if id == "alarms" { 0 } else { n.min(6) }, "{id}: {found}");
    }
    // The highest values first, each of another sentence, the darkest at the greatest value.
    let first = of(0);
    let top = section(&first, "top");
    let shown: Vec<&str> =
        top.split("<span class=\"n\">").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    let mut expected: Vec<f32> = values.iter().map(|v| v[0]).filter(|v| *v > 0.0).collect();
    expected.sort_by(|a, b| b.total_cmp(a));
    let expected: Vec<String> = expected.iter().take(10).map(|v| format!("{v:.2}")).collect();
    assert_eq!(shown, expected);
    assert!(top.contains("w s8") && first.contains("<svg") && first.contains("id=\"activations\""), "{top}");
    assert!(!of(2).contains("id=\"both\"") && of(2).contains("It fires on 0 of"), "a silent unit");
    let index = page(&dir.join("run/report/cards/index.js"));
    assert!(index.contains("\"cat\""), "words are searched: {index}");
    assert!(page(&dir.join("run/report/index.html")).contains(&format!("were observed on {} words", words.len())));
    let Some(path) = compexp_tests::browser() else { return };
    let mut browser = Browser::start(&path);
    for width in [360, 1280] {
        browser.width(width);
        for name in ["units/0.html", "units/1.html", "units.html"] {
            browser.open(&dir.join("run/report").join(name), "");
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.eval(fits), true, "{name} at {width}");
        }
    }
    // A word leads to the units that fire on it.
    browser.open(&dir.join("run/report/units.html"), "#q=birds");
    let shown = "[...document.querySelectorAll('#cards > li:not([hidden])')].map(c => +c.dataset.unit)";
    assert_eq!(browser.eval(shown), serde_json::json!([1]));
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn pages_say_what_is_not_there_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    run(dir, "--length 1");
    fs::rename(dir.join("words.npy"), dir.join("moved.npy")).unwrap();
    ok(dir, "report run");
    let nouns = page(&dir.join("run/report/units/1.html"));
    assert!(section(&nouns, "top").contains("Activations are not shown: "), "{}", section(&nouns, "top"));
    assert!(section(&nouns, "misses").contains("true focus") && nouns.contains("w fires"), "sentences are there");
    assert!(!nouns.contains("id=\"activations\""));
    fs::rename(dir.join("moved.npy"), dir.join("words.npy")).unwrap();
    let text = page(&dir.join("bank.conllu"));
    fs::write(dir.join("bank.conllu"), text.replace("sees", "saw")).unwrap();
    ok(dir, "report run");
    let old = page(&dir.join("run/report/units/1.html"));
    assert!(!old.contains("id=\"misses\"") && old.contains("id=\"top\""), "the exemplars of the run are left");
}

#[test]
fn masks_and_held_out_words_have_contexts_too() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let values = run(dir, "--length 1 --holdout 0.4");
    ok(dir, "report run");
    let examples = page(&dir.join("run/examples.csv")).lines().count() - 1;
    assert!(examples < values.len());
    assert!(
        page(&dir.join("run/report/units/1.html")).contains(&format!("of {examples} words")),
        "only what was searched"
    );
    let masks: Vec<bool> = (0..3).flat_map(|unit| values.iter().map(move |v| v[unit] > 0.0)).collect();
    write_npy(&dir.join("masks.npy"), &[3, values.len(), 1, 1], &masks).unwrap();
    ok(dir, "explain --tokens bank.conllu --masks masks.npy --min-count 2 --length 1 --out masks");
    ok(dir, "report masks");
    let nouns = page(&dir.join("masks/report/units/1.html"));
    assert!(section(&nouns, "top").contains("the run was made from masks, which hold no values"));
    assert!(section(&nouns, "alarms").contains("w fires"));
}

/// A treebank and a run whose names and words would like to be scripts.
#[test]
fn words_that_would_be_markup_stay_words() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let evil = "</script><img/src=x/onerror=alert(1)>";
    let mut text = String::new();
    for i in 0..30 {
        text += &format!(
            "# sent_id = s{i}\n1\t{evil}\t\"'<b>\tNOUN\t_\tA='<i>&=1\t0\troot\t_\t_\n2\tb\tb\tVERB\t_\t_\t1\tdep\t_\t_\n\n"
        );
    }
    fs::write(dir.join("bank.conllu"), text).unwrap();
    let values: Vec<f32> = (0..60).map(|i| f32::from(u8::from(i % 2 == 0))).collect();
    write_npy(&dir.join("words.npy"), &[60, 1], &values).unwrap();
    for families in ["form", "lemma", "feature"] {
        let out = format!("run-{families}");
        let explain = "explain --tokens bank.conllu --activations words.npy --positive --min-count 2 --length 1";
        ok(dir, &format!("{explain} --families {families} --out {out}"));
        ok(dir, &format!("report {out}"));
        for name in ["units/0.html", "units.html", "index.html"] {
            let page = page(&dir.join(&out).join("report").join(name));
            assert!(!page.contains("<img/") && !page.contains("<b>\"") && !page.contains("'<i>"), "{families} {name}");
        }
        if let Some(path) = compexp_tests::browser() {
            let mut browser = Browser::start(&path);
            for name in ["units/0.html", "units.html", "index.html"] {
                browser.open(&dir.join(&out).join("report").join(name), "");
            }
            assert_eq!(browser.complaints, [""; 0], "{families}");
        }
    }
}

#[test]
fn very_many_units_are_listed_in_pages_and_found_by_concept() {
    let (temp, probe) = feature_probe();
    let dir = temp.path();
    const UNITS: usize = 10_001;
    let features: Vec<u8> = (0..16 * 6).map(|i| u8::from((i / 6 + 1) >> (i % 6) & 1 == 1)).collect();
    write_npy(&probe.join("features.npy"), &[16, 6], &features).unwrap();
    // Unit u is feature u % 5, and the last unit alone is feature 5, which is true of no example: it is silent.
    let values: Vec<f32> = (0..16 * UNITS)
        .map(|i| f32::from(features[i / UNITS * 6 + if i % UNITS == UNITS - 1 { 5 } else { i % UNITS % 5 }]))
        .collect();
    write_npy(&dir.join("acts.npy"), &[16, UNITS], &values).unwrap();
    ok(dir, "explain --probe probe --activations acts.npy --length 1 --out run");
    ok(dir, "report run");
    let report = dir.join("run/report");
    assert!(!report.join("cards").exists());
    // Every unit stands in one of the pages, in the order of the scores, and its page is there.
    let mut seen = Vec::new();
    for at in 1..=21 {
        let name = if at == 1 { "units.html".to_owned() } else { format!("units-{at}.html") };
        let text = page(&report.join(&name));
        assert!(text.len() < 400_000, "{name}: {} bytes", text.len());
        let rows = &text[text.find("id=\"rows\"").unwrap()..];
        seen.extend(
            rows.split("href=\"units/").skip(1).map(|rest| rest.split('.').next().unwrap().parse::<usize>().unwrap()),
        );
    }
    assert!(!report.join("units-22.html").exists());
    assert_eq!((seen.len(), seen[UNITS - 1]), (UNITS, UNITS - 1), "the silent one is last");
    seen.sort_unstable();
    assert_eq!(seen, (0..UNITS).collect::<Vec<_>>());
    // The index, read without the report's script: each concept has its units.
    let index = page(&report.join("find/index.js"));
    let value: Value =
        serde_json::from_str(index.split_once(" = ").unwrap().1.trim_end().trim_end_matches(';')).unwrap();
    let mut terms: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for k in 0..value["shards"].as_u64().unwrap() {
        let text = page(&report.join(format!("find/terms-{k}.js")));
        let body = text.split_once(", ").unwrap().1.trim_end().trim_end_matches(");");
        terms.extend(serde_json::from_str::<BTreeMap<String, Vec<usize>>>(body).unwrap());
    }
    let sizes: Vec<(&str, usize)> = terms.iter().map(|(term, places)| (term.as_str(), places.len())).collect();
    assert_eq!(sizes, [("c:f0", 2000), ("c:f1", 2000), ("c:f2", 2000), ("c:f3", 2000), ("c:f4", 2000)]);

    let Some(path) = compexp_tests::browser() else { return };
    let mut browser = Browser::start(&path);
    browser.open(&report.join("units.html"), "");
    assert_eq!(browser.eval("document.querySelectorAll('#rows tr').length"), 500);
    browser.open(&report.join("units.html"), "#concept=f3");
    browser.wait("document.getElementById('live').textContent === '2000 units found, 50 shown'");
    let shown = "[...document.querySelectorAll('#found-rows a')].map(a => +a.textContent % 5)";
    assert_eq!(browser.eval(&format!("new Set({shown}).size === 1 && {shown}[0]")), 3);
    browser.eval("document.getElementById('more').click()");
    browser.wait("document.querySelectorAll('#found-rows tr').length === 100");
    // Only what the search needed: the index, one script of terms, and the rows of one hundred units.
    let loaded = browser.eval("document.querySelectorAll('script[src*=\"find/\"]').length").as_u64().unwrap();
    assert!(loaded < 25, "{loaded}");
    browser.width(360);
    browser.open(&report.join("units.html"), "");
    assert_eq!(browser.eval("document.documentElement.scrollWidth <= innerWidth"), true);
    browser.open(&report.join("units.html"), "#concept=__proto__");
    browser.wait("document.getElementById('live').textContent === '0 units found, 0 shown'");
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn exports_say_what_the_run_says_in_the_forms_of_other_tools() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    run(dir, "--length 2 --holdout 0.4 --null-draws 9");
    ok(dir, "export run --format neuronpedia --model-id m --layer 3-res --out out.jsonl");
    let lines: Vec<Value> =
        page(&dir.join("out.jsonl")).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let units = json(&dir.join("run/explanations.json"))["units"].clone();
    let explained: Vec<&Value> = units.as_array().unwrap().iter().filter(|u| !u["formula"].is_null()).collect();
    assert_eq!((lines.len(), explained.len()), (2, 2));
    let shown: Value = serde_json::from_str(&ok(dir, "show run --json --sort unit")).unwrap();
    let keys = |record: &Value| record.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (line, unit) in lines.iter().zip(explained) {
        let number = unit["unit"].as_u64().unwrap();
        assert_eq!(
            (&line["modelId"], &line["layer"], &line["index"]),
            (&"m".into(), &"3-res".into(), &number.to_string().into())
        );
        assert_eq!(line["description"], shown["units"][number as usize]["words"]);
        assert_eq!(line["notes"], unit["formula"]);
        for (field, expected) in [
            ("iou", &unit["iou"]),
            ("mcc", &unit["mcc"]),
            ("lift", &unit["lift"]),
            ("firing_rate", &unit["firing_rate"]),
            ("held_out_iou", &unit["holdout"]["iou"]),
            ("held_out_mcc", &unit["holdout"]["mcc"]["value"]),
            ("p", &unit["significance"]["p"]),
            ("q", &unit["significance"]["q"]),
        ] {
            assert_eq!(&line[field], expected, "{field}");
            assert!(line[field].is_f64(), "{field}: {line}");
        }
        assert_eq!(keys(line), keys(&lines[0]), "an import takes the columns of the first line");
    }
    assert_ne!(lines[0]["id"], lines[1]["id"]);

    let said = ok(dir, "export run --format delphi --layer encoder.layer.3 --out explanations");
    assert!(said.contains("2 explanations in `explanations`; 1 have no formula"), "{said}");
    let names: Vec<String> = fs::read_dir(dir.join("explanations"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2);
    for unit in [0, 1] {
        let text = page(&dir.join(format!("explanations/encoder.layer.3_latent{unit}.txt")));
        let read: String = serde_json::from_str(&text).unwrap();
        assert_eq!(Value::from(read), shown["units"][unit]["words"]);
    }
    let again = fails(dir, 1, "export run --format delphi --layer encoder.layer.3 --out explanations");
    assert!(again.contains("expected a new or empty folder"), "{again}");
}

#[test]
fn exports_that_cannot_be_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    run(dir, "--length 1");
    for (code, options, message) in [
        (2, "--format neuronpedia --layer a --out x", "--model-id"),
        (2, "--format delphi --out x", "the run does not name one"),
        (2, "--format delphi --layer ../a --out x", "expected a name"),
        (2, "--format delphi --layer a --out -", "cannot go to standard output"),
        (2, "--format neuronpedia --model-id m --layer a --out -", "cannot go to standard output"),
        (2, "--format sae --out x", "invalid value"),
    ] {
        let said = fails(dir, code, &format!("export run {options}"));
        assert!(said.contains(message), "{options}: {said}");
    }
    assert!(fails(dir, 1, "export none --format delphi --layer a --out x").contains("no such run folder"));
    assert!(!dir.join("x").exists());
}

/// delphi's own loader, where Python has it.
#[test]
fn the_loader_of_delphi_reads_the_export() {
    let Some(python) = compexp_tests::python("delphi.explainers.explainer") else { return };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    run(dir, "--length 1");
    ok(dir, "export run --format delphi --layer encoder.layer.3 --out explanations");
    let script = "import asyncio, types\n\
                  from delphi.explainers.explainer import explanation_loader\n\
                  record = types.SimpleNamespace(latent='encoder.layer.3_latent1')\n\
                  print(asyncio.run(explanation_loader(record, 'explanations')).explanation)";
    let done = std::process::Command::new(&python).current_dir(dir).args(["-c", script]).output().unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap().trim(), "a noun", "{}", String::from_utf8_lossy(&done.stderr));
}

#[cfg(feature = "parquet")]
#[test]
fn tables_of_runs_on_words_are_written_as_parquet_too() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    run(dir, "--length 1 --format parquet");
    let file = compexp_files::ParquetFile::open(&dir.join("run/explanations.parquet")).unwrap();
    let column = file.column(&["formula"]).unwrap();
    let mut found = Vec::new();
    file.for_each_row::<compexp_files::Error>(&[column], |_, cells| {
        found.push(match cells[0] {
            compexp_files::Cell::Bytes(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        });
        Ok(())
    })
    .unwrap();
    let units = json(&dir.join("run/explanations.json"))["units"].clone();
    let expected: Vec<Option<String>> =
        units.as_array().unwrap().iter().map(|u| u["formula"].as_str().map(str::to_owned)).collect();
    assert!(found == expected && found[0].as_ref().unwrap().starts_with("(PREV "), "{found:?}");
}
