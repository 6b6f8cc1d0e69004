//! The report in a real browser: sorting, filtering, opening a card, and names that would like to be scripts.

use std::fs;
use std::path::{Path, PathBuf};

use compexp_core::concept::{Concept, ConceptId};
use compexp_core::probe::Example;
use compexp_files::write_npy;
use compexp_run::{write_concepts, write_examples};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{ok, scene};

/// What the cards show, in order: the numbers of their units.
const SHOWN: &str = "[...document.querySelectorAll('#cards > li:not([hidden])')].map(c => +c.dataset.unit)";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example").canonicalize().unwrap()
}

/// A report of the example that comes with the project, with an accuracy for each unit: unit `u` is right on `u` of 10
/// examples.
fn report(dir: &Path) -> PathBuf {
    let data = example();
    let data = data.display();
    ok(dir, &format!("explain --probe {data} --activations {data}/activations.npy --quantile 0.1 --out run"));
    crate::as_earlier(&dir.join("run"));
    let rows: String = (0..6).map(|u| format!("{u},0.5,10,10,{u},0.{u}\n")).collect();
    fs::write(dir.join("run/weights.csv"), format!("unit,lake,active,known,correct,accuracy\n{rows}")).unwrap();
    ok(dir, "report run");
    dir.join("run/report")
}

#[test]
fn cards_are_sorted_filtered_and_opened() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let report = report(temp.path());
    let mut page = Browser::start(&path);
    page.open(&report.join("index.html"), "");
    assert_eq!(page.eval("document.querySelector('h1').textContent"), "run");

    page.open(&report.join("units.html"), "");
    assert_eq!(page.eval(SHOWN), json!([0, 2, 1, 3, 4, 5]), "by IoU");
    let set = |name: &str, value: &str| {
        format!(
            "(f => {{ f.value = '{value}'; f.dispatchEvent(new Event('input', {{ bubbles: true }})) }})(document.forms[0].elements['{name}'])"
        )
    };
    page.eval(&set("sort", "unit"));
    assert_eq!(page.eval(SHOWN), json!([0, 1, 2, 3, 4, 5]));
    page.eval(&set("dir", "up"));
    assert_eq!(page.eval(SHOWN), json!([5, 4, 3, 2, 1, 0]));
    page.eval(&set("iou", "0.5"));
    assert_eq!(page.eval(SHOWN), json!([2, 1, 0]));
    assert_eq!(page.eval("document.getElementById('live').textContent"), "3 of 6 units");
    assert_eq!(page.eval("location.hash"), "#iou=0.5&sort=unit&dir=up");

    // The address alone brings the state back.
    page.open(&report.join("units.html"), "#iou=0.5&sort=unit&dir=up");
    assert_eq!(page.eval(SHOWN), json!([2, 1, 0]));
    page.open(&report.join("units.html"), "#concept=house&sort=unit");
    assert_eq!(page.eval(SHOWN), json!([2, 4]));
    page.open(&report.join("units.html"), "#status=silent");
    assert_eq!(page.eval(SHOWN), json!([5]));
    page.open(&report.join("units.html"), "#q=no+such+thing");
    assert_eq!(page.eval(SHOWN), json!([]));
    assert_eq!(page.eval("document.getElementById('empty').hidden"), false);
    page.eval("document.querySelector('#empty button').click()");
    page.wait(&format!("{SHOWN}.length === 6"));

    page.open(&report.join("units.html"), "#cat=0&sort=unit");
    assert_eq!(page.eval(SHOWN), json!([0, 3]), "with colours");
    page.open(&report.join("units.html"), "#sort=acc&acc=0.2");
    assert_eq!(page.eval(SHOWN), json!([5, 4, 3, 2]));
    page.open(&report.join("units.html"), "");

    // With the keyboard alone: to the search, its text, on to the first card, and into it.
    page.press("/");
    assert_eq!(page.eval("document.activeElement.id"), "q");
    for letter in ["s", "k", "y"] {
        page.press(letter);
    }
    assert_eq!(page.eval(SHOWN), json!([3]));
    page.eval("document.querySelector('#cards li:not([hidden]) a').focus()");
    page.press("Enter");
    page.wait("location.pathname.endsWith('/units/3.html') && document.readyState === 'complete'");
    assert_eq!(page.eval("document.querySelector('h1').textContent"), "Unit 3");
    assert_eq!(page.eval("document.querySelector('.unit-head .formula').textContent"), "sky AND grey-c");
    assert_eq!(page.eval("document.querySelectorAll('#top .example').length > 5"), true);
    assert_eq!(page.eval("document.querySelectorAll('#top .masks path').length > 5"), true);
    page.eval("document.querySelector('[data-layer=mb]').click()");
    assert_eq!(page.eval("getComputedStyle(document.querySelector('.masks .mb')).visibility"), "hidden");
    page.press("ArrowRight");
    page.wait("location.pathname.endsWith('/units/4.html')");

    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn cards_are_sorted_and_filtered_by_chance_and_held_out_scores() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let data = example();
    let data = data.display();
    let trust = "--quantile 0.1 --null-draws 9 --holdout 0.3 --out run";
    ok(temp.path(), &format!("explain --probe {data} --activations {data}/activations.npy {trust}"));
    ok(temp.path(), "report run");
    let run: Value = serde_json::from_slice(&fs::read(temp.path().join("run/explanations.json")).unwrap()).unwrap();
    let of = |field: [&str; 2]| {
        let units = run["units"].as_array().unwrap();
        let value = |u: &Value| Some((u["unit"].as_u64()?, u[field[0]][field[1]].as_f64()?));
        units.iter().filter_map(value).collect::<Vec<_>>()
    };
    let (mut held, q) = (of(["holdout", "iou"]), of(["significance", "q"]));
    held.sort_by(|a, b| b.1.total_cmp(&a.1));
    assert!(held.len() > 2 && held.windows(2).all(|pair| pair[0].1 != pair[1].1), "{held:?}");
    let mut page = Browser::start(&path);
    let units = temp.path().join("run/report/units.html");
    page.open(&units, "#sort=held&held=0");
    assert_eq!(page.eval(SHOWN), json!(held.iter().map(|(unit, _)| unit).collect::<Vec<_>>()));
    page.open(&units, &format!("#sort=held&held={}", held[1].1));
    assert_eq!(page.eval(SHOWN), json!([held[0].0, held[1].0]));
    let least = q.iter().map(|(_, q)| *q).fold(1.0, f64::min);
    let mut least_q: Vec<u64> = q.iter().filter(|(_, q)| *q <= least).map(|(unit, _)| *unit).collect();
    least_q.sort_unstable();
    page.open(&units, &format!("#sort=unit&q_most={least}"));
    assert_eq!(page.eval(SHOWN), json!(least_q));
    assert_eq!(page.complaints, [""; 0]);
}

/// A run of 8 texts with 120 units, and its report: unit `u` has the value `u` on its first example.
fn many_units(dir: &Path) -> PathBuf {
    let texts = dir.join("texts");
    fs::create_dir(&texts).unwrap();
    let names = ["pre:tok:cat", "hyp:tag:nn", "hyp:tok:sleeping"];
    let concept = |(id, name): (u32, &str)| Concept { id: ConceptId(id), name: name.into(), category: String::new() };
    write_concepts(&texts, &(0..).zip(names).map(concept).collect::<Vec<_>>()).unwrap();
    let example = |i: usize| Example { name: i.to_string(), text: "A cat => sleeping".into(), ..Example::default() };
    write_examples(&texts, &(0..8).map(example).collect::<Vec<_>>()).unwrap();
    let features: Vec<bool> = (0..24).map(|i| i * i % 7 < 3).collect();
    write_npy(&texts.join("features.npy"), &[8, 3], &features).unwrap();
    let values: Vec<f32> = (0..8 * 120).map(|i| if (i * i + i / 120) % 11 < 5 { 1.0 } else { -1.0 }).collect();
    write_npy(&dir.join("values.npy"), &[8, 120], &values).unwrap();
    ok(dir, "explain --probe texts --activations values.npy --length 2 --out run");
    ok(dir, "report run");
    dir.join("run/report")
}

#[test]
fn cards_come_in_pages_and_every_unit_is_on_one() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let report = many_units(temp.path());
    let mut page = Browser::start(&path);
    page.open(&report.join("units.html"), "#sort=unit");
    page.wait(&format!("{SHOWN}.length === 48 && {SHOWN}[47] === 47"));
    assert_eq!(page.eval("document.getElementById('live').textContent"), "120 units, 1 to 48 shown");
    page.eval("document.querySelector('[data-turn=\"1\"]').click()");
    page.wait(&format!("{SHOWN}[0] === 48"));
    page.eval("document.querySelector('[data-turn=\"1\"]').click()");
    page.wait(&format!("{SHOWN}.length === 24 && {SHOWN}[23] === 119"));
    assert_eq!(page.eval("document.querySelector('[data-turn=\"1\"]').disabled"), true);
    assert_eq!(page.eval("location.hash"), "#sort=unit&page=3");
    page.open(&report.join("units.html"), "#sort=unit&page=2");
    page.wait(&format!("{SHOWN}[0] === 48 && {SHOWN}.length === 48"));
    page.open(&report.join("units.html"), "#q=unit+117");
    page.wait(&format!("{SHOWN}.length === 1 && {SHOWN}[0] === 117"));
    // A concept is found by its key and by its words.
    page.open(&report.join("units.html"), "#concept=hyp:tag:nn");
    let by_key = page.eval("document.getElementById('live').textContent");
    page.open(&report.join("units.html"), "#concept=hypothesis: noun (NN)");
    assert_eq!(page.eval("document.getElementById('live').textContent"), by_key);
    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn cards_are_sorted_and_filtered_by_every_score() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let data = example();
    let data = data.display();
    let trust = "--quantile 0.1 --null-draws 9 --holdout 0.3 --metric mcc --out run";
    ok(temp.path(), &format!("explain --probe {data} --activations {data}/activations.npy {trust}"));
    ok(temp.path(), "report run");
    let run: Value = serde_json::from_slice(&fs::read(temp.path().join("run/explanations.json")).unwrap()).unwrap();
    let units = temp.path().join("run/report/units.html");
    let mut page = Browser::start(&path);
    for (key, field) in
        [("mcc", "/mcc"), ("lift", "/lift"), ("corrected", "/chance_corrected"), ("held", "/holdout/mcc/value")]
    {
        let value = |u: &Value| Some((u["unit"].as_u64()?, u.pointer(field)?.as_f64()?));
        let mut found: Vec<(u64, f64)> = run["units"].as_array().unwrap().iter().filter_map(value).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        assert!(found.len() > 2, "{key}: {found:?}");
        page.open(&units, &format!("#sort={key}&{key}={}", found[1].1));
        assert_eq!(page.eval(SHOWN), json!([found[0].0, found[1].0]), "{key}: {found:?}");
        assert_eq!(page.eval("document.getElementById('limits').open"), true);
    }
    page.open(&units, "");
    assert_eq!(page.eval("document.forms[0].elements.sort.value"), "mcc");
    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn pictures_are_enlarged_formulas_copied_and_dots_followed() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let report = report(temp.path());
    let mut page = Browser::start(&path);
    page.open(&report.join("units/3.html"), "");
    page.eval("document.querySelector('.zoomable .zoom').click()");
    assert_eq!(
        page.eval("document.querySelector('dialog').open && !!document.querySelector('dialog .masks path')"),
        true
    );
    page.eval("document.querySelector('dialog button').click()");
    assert_eq!(page.eval("document.querySelector('dialog').open"), false);
    page.eval("document.querySelector('.copy').click()");
    page.wait("/Copied|Selected/.test(document.querySelector('.copy').textContent)");
    assert_eq!(page.eval("document.querySelector('.copy').dataset.copy"), "(sky AND grey-c)");
    page.open(&report.join("index.html"), "");
    page.eval("document.querySelector('#ceiling svg a').dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))");
    page.wait("location.pathname.includes('/units/') && document.readyState === 'complete'");
    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn narrow_pages_do_not_scroll_sideways() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let report = report(temp.path());
    let mut page = Browser::start(&path);
    page.width(400);
    for name in ["index.html", "units.html", "units/0.html", "classes.html", "classes/0.html"] {
        page.open(&report.join(name), "");
        assert_eq!(
            page.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
            0,
            "{name}"
        );
    }
    assert_eq!(page.complaints, [""; 0]);
}

#[test]
fn every_control_has_a_name_and_every_page_one_heading() {
    let Some(path) = compexp_tests::browser() else { return };
    let temp = tempfile::tempdir().unwrap();
    let report = report(temp.path());
    let mut page = Browser::start(&path);
    for name in ["index.html", "units.html", "units/0.html", "units/5.html", "classes.html", "classes/0.html"] {
        page.open(&report.join(name), "");
        assert_eq!(page.eval("document.querySelectorAll('h1').length"), 1, "{name}");
        let nameless = "[...document.querySelectorAll('input,select,button,a')].filter(e => \
                        !(e.labels && e.labels.length) && !e.textContent.trim() && !e.ariaLabel).map(e => e.outerHTML)";
        assert_eq!(page.eval(nameless), json!([]), "{name}");
        // A drawing is named by its title and description.
        let mute = "[...document.querySelectorAll('img:not([alt]), [role=img]:not([aria-label])')].filter(e => \
                    !(e.getAttribute('aria-labelledby') || 'none').split(' ').every(id => document.getElementById(id))).length";
        assert_eq!(page.eval(mute), 0, "{name}");
        let dead =
            "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.querySelector(a.hash)).length";
        assert_eq!(page.eval(dead), 0, "{name}");
    }
    assert_eq!(page.complaints, [""; 0]);
}

/// Names that break out of text, attributes, styles, scripts and addresses where those are not escaped.
const ATTACKS: [&str; 8] = [
    "<script>window.hit=1</script>",
    "\"><img src=x onerror=window.hit=2>",
    "' onmouseover='window.hit=3' autofocus onfocus='window.hit=3",
    "</style></title></textarea><svg onload=window.hit=4>",
    "javascript:window.hit=5//",
    "&lt;b&gt; & &amp; ${window.hit=6} {{7}}",
    "\u{202e}gpj.exe\u{2066} \u{5e9}\u{5dc}\u{5d5}\u{5dd}",
    "two\nlines\r\t]]>--><!--",
];

#[test]
fn no_name_becomes_markup_or_a_script() {
    let Some(path) = compexp_tests::browser() else { return };
    let (_temp, dir) = scene();
    let probe = dir.join("probe");
    let concept =
        |id: u32, at: usize| Concept { id: ConceptId(id), name: ATTACKS[at].into(), category: ATTACKS[at + 3].into() };
    write_concepts(&probe, &[concept(1, 0), concept(2, 1), concept(3, 2)]).unwrap();
    let example =
        |i: usize| Example { name: ATTACKS[i].into(), image: format!("{}.jpg", ATTACKS[i + 1]), ..Example::default() };
    write_examples(&probe, &(0..6).map(example).collect::<Vec<_>>()).unwrap();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --length 3 --out <b>run&amp;");
    attack(&dir, "<b>run&amp;", &path);

    // Sentences, with predictions and weights.
    let texts = dir.join("texts");
    fs::create_dir(&texts).unwrap();
    let named = |(id, name): (u32, String)| Concept { id: ConceptId(id), name, category: ATTACKS[1].into() };
    let names = [format!("pre:tok:{}", ATTACKS[0]), format!("hyp:tok:{}", ATTACKS[1]), ATTACKS[5].to_owned()];
    write_concepts(&texts, &(0..).zip(names).map(named).collect::<Vec<_>>()).unwrap();
    let text = |i: usize| Example {
        name: i.to_string(),
        text: format!("{} => {}", ATTACKS[i], ATTACKS[7 - i]),
        ..Example::default()
    };
    let examples: Vec<Example> = (0..8).map(text).collect();
    write_examples(&texts, &examples).unwrap();
    let features: Vec<bool> = (0..24).map(|i| [0b011, 0b101, 0b110, 0b001][i / 3 % 4] >> (i % 3) & 1 == 1).collect();
    write_npy(&texts.join("features.npy"), &[8, 3], &features).unwrap();
    let values: Vec<f32> = (0..16).map(|i| if i % 2 == 0 || i % 8 == 1 { 1.0 } else { -1.0 }).collect();
    write_npy(&dir.join("values.npy"), &[8, 2], &values).unwrap();
    ok(&dir, "explain --probe texts --activations values.npy --out pairs");
    let quoted = |t: &str| format!("\"{}\"", t.replace('"', "\"\""));
    let mut predictions = String::from("image,target,predicted,correct\n");
    (0..8).for_each(|i| {
        predictions += &format!("{i},{},{},{}\n", quoted(ATTACKS[i]), quoted(ATTACKS[7 - i]), i % 2 == 0)
    });
    crate::as_earlier(&dir.join("pairs"));
    fs::write(dir.join("pairs/predictions.csv"), predictions).unwrap();
    let weights = format!(
        "unit,{},{},active,known,correct,accuracy\n0,0.5,-1,4,4,2,0.5\n1,-2,1,4,4,2,0.5\n",
        quoted(ATTACKS[3]),
        quoted(ATTACKS[4])
    );
    fs::write(dir.join("pairs/weights.csv"), weights).unwrap();
    attack(&dir, "pairs", &path);
}

/// Opens every page of a report of the run, points at everything, and finds that nothing ran.
fn attack(dir: &Path, run: &str, browser: &Path) {
    let out = dir.join("out");
    ok(dir, &format!("report {run} --out out"));
    let mut page = Browser::start(browser);
    let mut pages =
        vec![out.join("index.html"), out.join("units.html"), out.join("units/0.html"), out.join("units/1.html")];
    pages.extend(
        ["classes.html", "classes/0.html", "classes/1.html"]
            .map(|name| out.join(name))
            .into_iter()
            .filter(|p| p.exists()),
    );
    for path in pages {
        page.open(&path, "#concept=%3Cscript%3E&q=%22%3E%3Cimg");
        let source = "document.documentElement.outerHTML.length > 500 && \
            document.querySelectorAll('main script, main img[src=x], main style, main svg[onload], [onerror], [onfocus], [onmouseover]').length";
        assert_eq!(page.eval(source), 0, "{}", path.display());
        assert_eq!(
            page.eval("[...document.links].filter(a => a.protocol !== 'file:').length"),
            0,
            "{}",
            path.display()
        );
        page.eval("document.querySelectorAll('main *').forEach(e => { e.dispatchEvent(new Event('mouseover', { bubbles: true })); e.focus && e.focus() })");
        assert_eq!(page.eval("window.hit === undefined"), Value::Bool(true), "{}", path.display());
        let marks = "/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.documentElement.outerHTML)";
        assert_eq!(page.eval(marks), false, "{}", path.display());
    }
    page.open(&out.join("units/0.html"), "");
    let text = page.eval("document.body.textContent");
    assert!(text.as_str().unwrap().contains("<script>window.hit=1</script>"), "names are shown as they are");
    assert_eq!(page.complaints, [""; 0]);
    fs::remove_dir_all(out).unwrap();
}
