//! The settings in which two configurations differ.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A setting in which two configurations differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The setting: `search.length`.
    pub field: String,
    /// Its value in the configuration compared with, as JSON; none where it is not set.
    pub base: Option<String>,
    /// Its value in the one that is compared.
    pub run: Option<String>,
}

impl Difference {
    /// Whether the setting is `field`, or lies within it.
    pub fn is_within(&self, field: &str) -> bool {
        self.field.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// The settings in which two configurations differ, in alphabetical order.
pub fn differences(base: &Value, run: &Value) -> Vec<Difference> {
    let mut values: BTreeMap<String, [Option<String>; 2]> = BTreeMap::new();
    for (side, value) in [base, run].into_iter().enumerate() {
        flatten(value, String::new(), &mut |field, text| values.entry(field).or_default()[side] = Some(text));
    }
    let differing = values.into_iter().filter(|(_, [base, run])| base != run);
    differing.map(|(field, [base, run])| Difference { field, base, run }).collect()
}

/// Gives `each` every value that is no object, with the names that lead to it.
fn flatten(value: &Value, field: String, each: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                flatten(value, field, each);
            }
        }
        value => each(field, value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_lies_within_the_object_it_belongs_to_and_in_no_namesake() {
        let difference = Difference { field: "inputs.pairs.hash".into(), base: None, run: None };
        let within = ["inputs", "inputs.pairs", "inputs.pairs.hash", "inputs.pair", "pairs", "inputs.pairs.hash.x"];
        assert_eq!(within.map(|field| difference.is_within(field)), [true, true, true, false, false, false]);
    }
}
