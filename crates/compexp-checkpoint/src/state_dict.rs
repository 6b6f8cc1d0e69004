//! The named tensors of a network, from any of the usual places in a checkpoint.

use crate::{Error, Tensor, Value};
use std::collections::BTreeMap;

/// The keys under which training scripts store the state dict.
const WRAPPERS: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// The prefixes that wrappers add to every name: `DataParallel`, `torch.compile`, Lightning.
const PREFIXES: [&str; 3] = ["module.", "_orig_mod.", "model."];
/// What `DataParallel` adds within a name, where it wraps a part of a network.
const WRAPPED: &str = "module.";
/// The entry that PyTorch's `AveragedModel` has beside its weights.
const COUNTER: &str = "n_averaged";

/// The named tensors of a network, without the prefixes that wrappers add.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// The entries left out because they hold no tensor or have no text as key, in the order of the file.
    pub skipped: Vec<String>,
}

/// The state dict of a checkpoint: its entry `state_dict`, `model_state_dict` or `model` if that is a dict of tensors,
/// otherwise the checkpoint itself. The prefixes `module.`, `_orig_mod.` and `model.`, in any order, are removed if all
/// tensors have them; `module.` is also removed behind a part of a name that it always follows. The counter `n_averaged` of an
/// average of weights is left out.
///
/// # Errors
/// [`Error::NoStateDict`] if none of them contains a tensor; [`Error::Value`] if two of the entries do.
pub fn state_dict(value: Value) -> Result<StateDict, Error> {
    state_dict_at(value, None)
}

/// [`state_dict`] of the entry of this name, such as `model_ema`.
///
/// # Errors
/// As [`state_dict`]; [`Error::Entry`] if there is no such entry.
pub fn state_dict_at(mut value: Value, entry: Option<&str>) -> Result<StateDict, Error> {
    if let Some(name) = entry {
        let dicts = value.as_dict().unwrap_or_default().iter().filter(|(_, value)| holds_tensors(value));
        let names: Vec<String> = dicts.filter_map(|(key, _)| key.as_str()).map(compexp_files::excerpt).collect();
        value = value.take(name).filter(|value| value.as_dict().is_some()).ok_or_else(|| Error::Entry {
            name: name.to_owned(),
            found: "no dict of that name".to_owned(),
            expected: match names.is_empty() {
                true => "a name of a dict of tensors, of which there is none: leave `#` and the name out".to_owned(),
                false => format!("one of {}", names.join(", ")),
            },
        })?;
    }
    let found = value.describe();
    let mut wrappers = WRAPPERS.into_iter().filter(|name| value.get(name).is_some_and(holds_tensors));
    let wrapper = wrappers.next();
    if let (Some(one), Some(other)) = (wrapper, wrappers.next()) {
        let what = format!("found tensors here and under `{other}`: choose with `FILE#{one}` or `FILE#{other}`");
        return Err(Error::Value { name: one.to_owned(), what });
    }
    if let Some(inner) = wrapper.and_then(|name| value.take(name)) {
        value = inner;
    }
    let Value::Dict(entries) = value else { return Err(Error::NoStateDict { found }) };

    let mut state = StateDict::default();
    for (key, value) in entries {
        match (key, value) {
            (Value::Str(name), Value::Tensor(tensor)) if name != COUNTER => {
                state.tensors.insert(name, tensor);
            }
            (Value::Str(name), _) => state.skipped.push(name),
            (key, _) => state.skipped.push(format!("{key:?}")),
        }
    }
    if state.tensors.is_empty() {
        return Err(Error::NoStateDict { found });
    }
    let shared = |names: &BTreeMap<String, Tensor>| {
        PREFIXES.into_iter().find(|prefix| names.keys().all(|name| name.starts_with(prefix)))
    };
    while let Some(prefix) = shared(&state.tensors) {
        let tensors = std::mem::take(&mut state.tensors);
        state.tensors = tensors.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_string(), tensor)).collect();
    }
    unwrap_parts(&mut state.tensors);
    Ok(state)
}

/// Removes `module.` behind the first part of a name, where it follows that part in all names: `features.module.0.weight`.
fn unwrap_parts(tensors: &mut BTreeMap<String, Tensor>) {
    let split = |name: &str| name.find('.').map(|at| at + 1);
    let mut wrapped: BTreeMap<String, bool> = BTreeMap::new();
    for name in tensors.keys() {
        let Some(at) = split(name) else { continue };
        let all = wrapped.entry(name[..at].to_owned()).or_insert(true);
        *all &= name[at..].starts_with(WRAPPED);
    }
    if !wrapped.values().any(|all| *all) {
        return;
    }
    let without = |name: String| match split(&name) {
        Some(at) if wrapped.get(&name[..at]) == Some(&true) => {
            format!("{}{}", &name[..at], &name[at + WRAPPED.len()..])
        }
        _ => name,
    };
    *tensors = std::mem::take(tensors).into_iter().map(|(name, tensor)| (without(name), tensor)).collect();
}

impl StateDict {
    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The tensor of that name and shape.
    ///
    /// # Errors
    /// [`Error::Entry`] if it is missing or has another shape.
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<&Tensor, Error> {
        let entry = |found: String| Error::Entry {
            name: name.to_string(),
            found,
            expected: format!("a tensor of shape {shape:?}"),
        };
        let tensor = self.get(name).ok_or_else(|| entry(absent(self.tensors.keys())))?;
        if tensor.shape != shape {
            return Err(entry(format!("shape {:?}", tensor.shape)));
        }
        Ok(tensor)
    }
}

/// What a state dict with these names has where a name is missing, for errors.
pub fn absent<'a>(names: impl ExactSizeIterator<Item = &'a String> + Clone) -> String {
    const SHOWN: usize = 3;
    let first: Vec<String> = names.clone().take(SHOWN).map(|name| compexp_files::excerpt(name)).collect();
    if first.is_empty() {
        return "none among 0".into();
    }
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    let mut text = format!("none among {}: {}{more}", names.len(), first.join(", "));
    let prefix = |name: &str| name.split_inclusive('.').next().filter(|part| part.ends_with('.')).map(str::to_owned);
    let mut prefixes = names.clone().map(|name| prefix(name));
    if let Some(Some(shared)) = prefixes.next()
        && names.len() > 1
        && prefixes.all(|other| other.as_ref() == Some(&shared))
    {
        text += &format!("; every name begins with `{shared}`: drop that when saving");
    }
    text
}

fn holds_tensors(value: &Value) -> bool {
    value.as_dict().is_some_and(|entries| entries.iter().any(|(_, v)| matches!(v, Value::Tensor(_))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtype;

    fn tensor(byte: u8) -> Value {
        Value::Tensor(Tensor { dtype: Dtype::U8, shape: vec![1], data: vec![byte] })
    }

    fn dict<const N: usize>(entries: [(&str, Value); N]) -> Value {
        Value::Dict(entries.into_iter().map(|(k, v)| (Value::Str(k.into()), v)).collect())
    }

    fn names(state: &StateDict) -> Vec<&str> {
        state.tensors.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_dict_of_tensors_is_its_own_state_dict() {
        let state = state_dict(dict([("b", tensor(1)), ("a", tensor(2)), ("n", Value::Int(3))])).unwrap();
        assert_eq!(names(&state), ["a", "b"]);
        assert_eq!(state.skipped, ["n"]);
        assert_eq!(state.get("a").unwrap().data, [2]);
    }

    #[test]
    fn wrapped_state_dicts_are_found() {
        for wrapper in WRAPPERS {
            let state = state_dict(dict([("epoch", Value::Int(3)), (wrapper, dict([("w", tensor(1))]))])).unwrap();
            assert_eq!(names(&state), ["w"], "{wrapper}");
        }
    }

    #[test]
    fn a_choice_between_two_state_dicts_is_refused() {
        let both = dict([("model", dict([("w", tensor(1))])), ("state_dict", dict([("w", tensor(2))]))]);
        let e = state_dict(both).unwrap_err().to_string();
        assert_eq!(
            e,
            "`state_dict`: found tensors here and under `model`: choose with `FILE#state_dict` or `FILE#model`"
        );
    }

    #[test]
    fn an_entry_is_chosen_by_its_name() {
        let both = || {
            dict([
                ("model", dict([("w", tensor(1))])),
                ("model_ema", dict([("n_averaged", tensor(9)), ("module.w", tensor(2))])),
            ])
        };
        let state = state_dict_at(both(), Some("model_ema")).unwrap();
        assert_eq!((names(&state), state.get("w").unwrap().data.as_slice()), (vec!["w"], &[2][..]));
        assert_eq!(state_dict(both()).unwrap().get("w").unwrap().data, [1]);
        let e = state_dict_at(both(), Some("ema")).unwrap_err().to_string();
        assert!(e.contains("`ema`: found no dict of that name, expected one of `model`, `model_ema`"), "{e}");
        let e = state_dict_at(dict([("w", tensor(1))]), Some("w")).unwrap_err().to_string();
        assert!(e.contains("of which there is none"), "{e}");
    }

    #[test]
    fn a_part_that_was_wrapped_alone_is_unwrapped() {
        let some = state_dict(dict([("features.module.0.w", tensor(1)), ("classifier.1.w", tensor(2))])).unwrap();
        assert_eq!(names(&some), ["classifier.1.w", "features.0.w"]);
        let mixed = state_dict(dict([("features.module.0.w", tensor(1)), ("features.1.w", tensor(2))])).unwrap();
        assert_eq!(names(&mixed), ["features.1.w", "features.module.0.w"]);
    }

    #[test]
    fn the_module_prefix_goes_only_where_all_tensors_have_it() {
        let all = state_dict(dict([("module.a", tensor(1)), ("module.b", tensor(2))])).unwrap();
        assert_eq!(names(&all), ["a", "b"]);
        let some = state_dict(dict([("module.a", tensor(1)), ("b", tensor(2))])).unwrap();
        assert_eq!(names(&some), ["b", "module.a"]);
    }

    #[test]
    fn prefixes_of_wrappers_go_in_any_order() {
        for prefix in ["_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model.module."] {
            let [a, b] = ["a.w", "b.w"].map(|name| format!("{prefix}{name}"));
            let state = state_dict(dict([(&*a, tensor(1)), (&*b, tensor(2))])).unwrap();
            assert_eq!(names(&state), ["a.w", "b.w"], "{prefix}");
        }
    }

    #[test]
    fn what_is_there_instead_of_a_name_is_told() {
        let state = state_dict(dict([("net.a", tensor(1)), ("net.b", tensor(2))])).unwrap();
        let e = state.require("a", &[1]).unwrap_err().to_string();
        assert!(e.contains("none among 2: `net.a`, `net.b`; every name begins with `net.`: drop"), "{e}");
        let state = state_dict(dict([("b", tensor(1))])).unwrap();
        let e = state.require("a", &[1]).unwrap_err().to_string();
        assert!(e.contains("among 1: `b`, expected a tensor of shape [1]"), "{e}");
    }

    #[test]
    fn a_checkpoint_without_tensors_is_refused_with_what_it_holds() {
        let error = state_dict(dict([("epoch", Value::Int(3))])).unwrap_err();
        assert!(error.to_string().contains("a dict of 1 entries (epoch)"), "{error}");
        assert!(matches!(state_dict(Value::Int(1)), Err(Error::NoStateDict { .. })));
    }

    #[test]
    fn a_required_tensor_must_be_there_in_its_shape() {
        let state = state_dict(dict([("w", tensor(1))])).unwrap();
        assert!(state.require("w", &[1]).is_ok());
        let error = state.require("w", &[2]).unwrap_err().to_string();
        assert_eq!(error, "state dict entry `w`: found shape [1], expected a tensor of shape [2]");
        assert!(matches!(state.require("v", &[1]), Err(Error::Entry { .. })));
    }
}
