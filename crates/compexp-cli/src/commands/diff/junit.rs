//! A comparison as JUnit XML, which the pages of hosted CIs show: a test case for the probe sets, one for the accuracy,
//! and one for every unit; drift is a failure.

use std::io::{self, Write};

use compexp_core::explanation::Headline;
use compexp_trust::compare::{Comparison, Difference, Found, UnitChange, Verdict};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::wording::{formula, percent, words};

/// The name of the suite, and the class of its cases.
const SUITE: &str = "compexp.diff";

struct Case {
    name: String,
    /// The reason for the failure: a short and a full text.
    failure: Option<(String, String)>,
    /// The text for a case that passed.
    note: Option<String>,
}

pub(super) fn write(out: &mut impl Write, found: &Comparison) -> io::Result<()> {
    let mut cases = vec![probe_set(found)];
    cases.extend(found.base.accuracy.map(|_| accuracy(found)));
    cases.extend(found.units.iter().map(|change| unit(change, found.score)));
    let failures = cases.iter().filter(|c| c.failure.is_some()).count().to_string();
    let tests = cases.len().to_string();

    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.write_event(Event::Start(element("testsuites", &[("tests", &tests), ("failures", &failures)])))?;
    let suite = [("name", SUITE), ("tests", &tests), ("failures", &failures), ("errors", "0"), ("skipped", "0")];
    xml.write_event(Event::Start(element("testsuite", &suite)))?;
    for case in &cases {
        xml.write_event(Event::Start(element("testcase", &[("name", &case.name), ("classname", SUITE)])))?;
        if let Some((message, text)) = &case.failure {
            let start = element("failure", &[("message", message), ("type", "drift")]);
            text_element(&mut xml, start, text)?;
        }
        if let Some(note) = &case.note {
            text_element(&mut xml, element("system-out", &[]), note)?;
        }
        xml.write_event(Event::End(BytesEnd::new("testcase")))?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    xml.into_inner().write_all(b"\n")
}

fn probe_set(found: &Comparison) -> Case {
    let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "not set".into());
    let line = |d: &Difference| format!("{}: {} in the base, {} in the run", d.field, value(&d.base), value(&d.run));
    let lines = |list: &[Difference]| list.iter().map(line).collect::<Vec<_>>().join("\n");
    let failure = (!found.probe_set.is_empty()).then(|| ("the probe sets differ".to_owned(), lines(&found.probe_set)));
    let note = (!found.settings.is_empty()).then(|| lines(&found.settings));
    Case { name: "probe set".into(), failure, note }
}

fn accuracy(found: &Comparison) -> Case {
    let [base, run] = [&found.base, &found.run].map(|o| percent(o.accuracy));
    let text = format!("{base} in the base, {run} in the run");
    let failure = found.accuracy_moved.then(|| (format!("accuracy {text}"), text));
    Case { name: "accuracy".into(), failure, note: None }
}

fn unit(change: &UnitChange, headline: Headline) -> Case {
    let sides = [("base", &change.base), ("run", &change.run)];
    let line = |(side, found): (&str, &Option<Found>)| match found {
        Some(found) => format!("{side}: {} {:.4} {}", headline.name(), found.score(headline), formula(found)),
        None => format!("{side}: has no such unit"),
    };
    let text = sides.map(line).join("\n");
    let verdict = words(change.verdict, headline);
    let told = change.drift || change.verdict != Verdict::Same;
    let (failure, note) = match (change.drift, told) {
        (true, _) => (Some((verdict.to_owned(), text)), None),
        (false, true) => (None, Some(format!("{verdict}\n{text}"))),
        (false, false) => (None, None),
    };
    Case { name: format!("unit {}", change.name()), failure, note }
}

fn element<'a>(name: &'a str, attributes: &[(&'a str, &str)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute((*key, &*clean(value)));
    }
    start
}

fn text_element<W: Write>(xml: &mut Writer<W>, start: BytesStart<'_>, text: &str) -> io::Result<()> {
    let end = start.to_end().into_owned();
    xml.write_event(Event::Start(start))?;
    let lines: Vec<String> = text.lines().map(clean).collect();
    xml.write_event(Event::Text(BytesText::new(&lines.join("\n"))))?;
    xml.write_event(Event::End(end))
}

/// Text in which characters that XML does not allow are written as `\u{..}`, as in formulas.
fn clean(text: &str) -> String {
    crate::terminal::name(text).replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}
