//! Scene classes: the network's class for a scene name.
//!
//! Names of one scene are spelt differently: Places365 has `/a/apartment_building/outdoor`, Broden's labels have
//! `apartment_building-outdoor-s`, ADE20k's list has `apartment_building-outdoor`. They are compared after these rules:
//!
//! 1. a leading `/` and one letter with its `/` are dropped (`/a/abbey` is `abbey`);
//! 2. every other `/` becomes `-`;
//! 3. blanks become `_`, and letters become lower case;
//! 4. a name that is no class as it stands is looked up once more without its suffix `-s`.

use std::collections::HashMap;
use std::path::Path;

use compexp_files::{excerpt, parse_json};

use crate::broden::read_limited;
use crate::error::{Error, Result};

/// Lists of classes and of scenes have some kilobytes to a megabyte.
const MAX_BYTES: u64 = 64 << 20;

/// The class names of a scene classifier, in the order of its outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneClasses {
    names: Vec<String>,
    by_key: HashMap<String, usize>,
}

/// The scene of each image by the image's file name, as `ade20k_scenes.json` gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SceneNames(HashMap<String, String>);

impl SceneClasses {
    /// Reads a class list: either `name number` on every line, as in Places365's `categories_places365.txt`, with the
    /// numbers 0, 1, 2, ... in any order; or one name per line, numbered in order. Empty lines are skipped. A list whose
    /// lines all hold such a number in another form (`name,number`) is refused.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`], and [`compexp_files::Error::Format`] with the line, if only some lines have a
    /// number, a number leaves a gap or occurs twice, two names are the same scene, or the file is empty or not UTF-8.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_limited(path, "it is to list the network's classes", MAX_BYTES)?, path)
    }

    /// Reads the text of a class list; `path` is for errors.
    ///
    /// # Errors
    /// The errors of [`Self::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let lines: Vec<_> = text.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty()).collect();
        let at = |line: usize| format!("line {}", line + 1);
        let numbered = lines.first().is_some_and(|(_, l)| split_number(l).is_some());
        let mut names: Vec<Option<&str>> = vec![None; lines.len()];
        for (nth, (line, text)) in lines.iter().enumerate() {
            let (name, number) = match (split_number(text), numbered) {
                (Some(split), true) => split,
                (None, false) => (*text, nth as u64),
                (found, _) => {
                    let one = |number| if number { "a name and a number" } else { "a name alone" };
                    let expected = format!("{}, as in the lines before", one(numbered));
                    let found = format!("{} ({})", excerpt(text), one(found.is_some()));
                    return Err(Error::format(path, at(*line), found, expected));
                }
            };
            match usize::try_from(number).ok().and_then(|n| names.get_mut(n)) {
                Some(slot @ None) => *slot = Some(name),
                slot => {
                    let found =
                        if slot.is_some() { format!("class {number} again") } else { format!("class {number}") };
                    let expected = format!("each of the numbers 0 to {} once", lines.len() - 1);
                    return Err(Error::format(path, at(*line), found, expected));
                }
            }
        }
        if names.is_empty() {
            return Err(Error::format(path, "contents", "no line", "a class name a line"));
        }
        if !numbered && let Some(form) = hidden_numbers(&lines) {
            let (line, text) = lines[0];
            let found = format!("{}, and a number beside the name in every line ({form})", excerpt(text));
            let expected = "`name number`, with a blank between the two, or a name alone";
            return Err(Error::format(path, at(line), found, expected));
        }
        // As many distinct numbers below n as there are lines: none of the slots is empty.
        let names: Vec<String> = names.into_iter().flatten().map(str::to_owned).collect();
        let mut by_key = HashMap::with_capacity(names.len());
        for (class, name) in names.iter().enumerate() {
            if let Some(other) = by_key.insert(key(name), class) {
                let found = format!("{} and {}", excerpt(&names[other]), excerpt(name));
                return Err(Error::format(path, format!("classes {other} and {class}"), found, "different scenes"));
            }
        }
        Ok(Self { names, by_key })
    }

    /// The names as the file has them, by class number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of the class that a scene name stands for, by the rules of this module.
    pub fn target(&self, scene_name: &str) -> Option<usize> {
        let key = key(scene_name);
        let found = self.by_key.get(&key).or_else(|| self.by_key.get(key.strip_suffix("-s")?));
        found.copied()
    }
}

impl SceneNames {
    /// Reads a JSON object of image file names and scene names.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`]; [`compexp_files::Error::Format`] for anything but an object of strings.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_limited(path, "it is to give the scene of each image", MAX_BYTES)?;
        let form = r#"image file names and their scenes: `{"ADE_train_00001040.jpg": "airlock", ...}`"#;
        Ok(Self(parse_json(path, None, &text, form)?))
    }

    /// The scene of an image, by its path as the file has it or by its file name.
    pub fn get(&self, image: &str) -> Option<&str> {
        let file_name = image.rsplit('/').next().unwrap_or(image);
        self.0.get(image).or_else(|| self.0.get(file_name)).map(String::as_str)
    }

    /// The least of the images' names.
    pub fn first(&self) -> Option<&str> {
        self.0.keys().min().map(String::as_str)
    }

    /// The number of images that have a scene.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no image has a scene.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The form of a list whose lines hold the numbers from 0 or 1 on beside the names in another form than this module reads.
fn hidden_numbers(lines: &[(usize, &str)]) -> Option<&'static str> {
    type Cut = fn(&str) -> Option<(&str, &str)>;
    let forms: [(&str, Cut); 7] = [
        ("name,number", |text| text.rsplit_once(',')),
        ("number,name", |text| text.split_once(',').map(|(a, b)| (b, a))),
        ("name;number", |text| text.rsplit_once(';')),
        ("number;name", |text| text.split_once(';').map(|(a, b)| (b, a))),
        ("name:number", |text| text.rsplit_once(':')),
        ("number:name", |text| text.split_once(':').map(|(a, b)| (b, a))),
        ("number name", |text| text.split_once(char::is_whitespace).map(|(a, b)| (b, a))),
    ];
    forms.into_iter().find_map(|(form, cut)| {
        let number = |(_, text): &(usize, &str)| cut(text)?.1.trim().parse::<usize>().ok();
        let mut numbers = lines.iter().map(number).collect::<Option<Vec<_>>>()?;
        numbers.sort_unstable();
        let first = *numbers.first()?;
        (first < 2 && numbers.iter().zip(first..).all(|(found, expected)| *found == expected)).then_some(form)
    })
}

/// `name number`, if that is what a line is.
fn split_number(line: &str) -> Option<(&str, u64)> {
    let (name, number) = line.rsplit_once(char::is_whitespace)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    // A number that is too large for any class is still a number, and is refused.
    digits.then(|| (name.trim_end(), number.parse().unwrap_or(u64::MAX)))
}

/// A name as it is compared: rules 1 to 3.
fn key(name: &str) -> String {
    let name = name.trim();
    let name = match name.strip_prefix('/') {
        Some(rest) => match rest.split_once('/') {
            Some((letter, scene)) if letter.chars().count() == 1 && !scene.is_empty() => scene,
            _ => rest,
        },
        None => name,
    };
    let spelt = |c: char| match c {
        '/' => '-',
        c if c.is_whitespace() => '_',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(spelt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SceneClasses> {
        SceneClasses::parse(text, "classes.txt".as_ref())
    }

    #[test]
    fn places_and_broden_spellings_meet() {
        let text =
            "/a/abbey 0\n/s/stage/indoor 2\n/a/apartment_building/outdoor 1\n/l/living_room 3\n/b/bus-s 4\n/b/bus 5\n";
        let classes = parse(text).unwrap();
        assert_eq!(classes.names()[1], "/a/apartment_building/outdoor", "names are in the order of numbers");
        let wanted = [
            ("abbey-s", Some(0)),
            ("abbey", Some(0)),
            ("/a/abbey", Some(0)),
            ("apartment_building-outdoor-s", Some(1)),
            ("apartment_building/outdoor", Some(1)),
            ("stage-indoor-s", Some(2)),
            ("stage-s", None),
            ("living room-s", Some(3)),
            ("Living_Room", Some(3)),
            ("bus-s", Some(4)),
            ("bus", Some(5)),
            ("bus-s-s", Some(4)),
            ("abbey-c", None),
            ("", None),
            ("-s", None),
        ];
        for (name, class) in wanted {
            assert_eq!(classes.target(name), class, "{name}");
        }
    }

    #[test]
    fn a_list_without_numbers_counts_its_lines() {
        let classes = parse("\u{feff}abbey\r\n\r\nliving room\r\nyard").unwrap();
        assert_eq!(classes.names(), ["abbey", "living room", "yard"]);
        assert_eq!(classes.target("yard-s"), Some(2));
    }

    #[test]
    fn numbers_in_another_form_are_not_taken_for_names() {
        for text in
            ["hall,0\nyard,1\n", "0,hall\n1,yard\n", "1:hall\n2:yard", "hall;0", "0 hall\n1 yard\n", "0\thall\n"]
        {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.starts_with("`classes.txt`: line 1: found `"), "{e}");
            assert!(e.contains("a number beside the name in every line"), "{e}");
        }
        for names in ["7 eleven\nroom,0", "a,1\nb,1\n", "hall,3\nyard,7\n"] {
            assert_eq!(parse(names).unwrap().names().len(), 2, "{names}");
        }
    }

    #[test]
    fn bad_class_lists_name_the_line() {
        let cases = [
            ("", "contents"),
            ("\n \n", "contents"),
            ("a 0\nb 2\n", "line 2"),
            ("a 0\n\nb 0\n", "line 3"),
            ("a 1\nb 2\n", "line 2"),
            ("a 99999999999999999999999\n", "line 1"),
            ("a 0\nb\n", "line 2"),
            ("a\nb 1\n", "line 2"),
            ("a 0\n/a/a 1\n", "classes 0 and 1"),
            ("x/y\nx-y\n", "classes 0 and 1"),
        ];
        for (text, wanted) in cases {
            match parse(text) {
                Err(Error::File(compexp_files::Error::Format { field, .. })) => assert_eq!(field, wanted, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn scene_names_go_by_the_file_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scenes.json");
        std::fs::write(&path, r#"{"a.jpg": "airlock", "x/b.jpg": "yard"}"#).unwrap();
        let scenes = SceneNames::read(&path).unwrap();
        assert_eq!(scenes.get("ade20k/a.jpg"), Some("airlock"));
        assert_eq!(scenes.get("x/b.jpg"), Some("yard"));
        assert_eq!(scenes.get("y/b.jpg"), None);
        for bad in ["", "[]", r#"{"a": 1}"#, r#"{"a": "b""#] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(SceneNames::read(&path), Err(Error::File(compexp_files::Error::Format { .. }))), "{bad}");
        }
        assert!(matches!(
            SceneNames::read(&dir.path().join("none.json")),
            Err(Error::File(compexp_files::Error::Io { .. }))
        ));
    }
}
