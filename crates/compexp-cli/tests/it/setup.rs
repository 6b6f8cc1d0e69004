//! `doctor`, `completions` and `man`.

use std::fs;

use serde_json::Value;

use crate::{fails, ok};

#[test]
fn completions_and_man_pages_know_every_command() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    for (shell, sign) in
        [("bash", "complete -F _compexp"), ("zsh", "#compdef compexp"), ("fish", "complete -c compexp")]
    {
        let script = ok(dir, &format!("completions {shell}"));
        assert!(script.contains(sign) && script.contains("concepts-by-units"), "{shell}");
    }
    fails(dir, 2, "completions nosuchshell");
    let said = ok(dir, "man pages");
    let pages: Vec<String> =
        fs::read_dir(dir.join("pages")).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    assert!(said.starts_with(&format!("{} pages in `pages`", pages.len())), "{said}");
    let has = |page: &str| pages.iter().any(|found| found == page);
    assert!(has("compexp.1") && has("compexp-explain.1") && has("compexp-vision-probe.1"), "{pages:?}");
    let page = fs::read_to_string(dir.join("pages/compexp-explain.1")).unwrap();
    assert!(page.contains(".TH compexp\\-explain 1") || page.contains(".TH compexp-explain 1"), "{page}");
    assert!(page.contains("null\\-draws"), "{page}");
    fs::write(dir.join("file"), "").unwrap();
    let said = fails(dir, 1, "man file");
    assert!(said.contains("file"), "{said}");
}

#[test]
fn the_doctor_tells_threads_memory_and_features() {
    let temp = tempfile::tempdir().unwrap();
    let text = ok(temp.path(), "doctor --threads 2");
    for line in ["version  ", "features  ", "threads       2 on ", "memory  ", "disk  "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let value: Value = serde_json::from_str(&ok(temp.path(), "doctor --json --offline")).unwrap();
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    assert!(value["features"].as_array().unwrap().contains(&Value::from("parquet")));
    assert!(value["threads"].as_u64().unwrap() >= 1 && value["disk_here"].as_u64().is_some());
    if cfg!(target_os = "linux") {
        assert!(value["memory"].as_u64().unwrap() > 1 << 28, "{value}");
    }
    assert!(value["hub"].is_null() || value["hub"]["offline"] == true);
}
