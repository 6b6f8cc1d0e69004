//! The content of a checkpoint, as a plain tree.

use crate::Tensor;

/// One object of a checkpoint. Python's `OrderedDict` and `dict` are both [`Value::Dict`], `torch.Size` and `tuple` both
/// [`Value::Tuple`], a `Parameter` is its tensor, an element type its name (`torch.float32`).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A larger integer, in decimal.
    BigInt(String),
    /// A floating-point number, a NumPy scalar included.
    Float(f64),
    /// Text; also a Python 2 byte string that is UTF-8.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dict in the file's order; keys are unique and hold neither lists, dicts nor tensors.
    Dict(Vec<(Value, Value)>),
    /// A tensor, its bytes already copied out of the storage.
    Tensor(Tensor),
}

impl Value {
    /// The value under a text key; `None` if this is no dict or lacks the key. The search is linear: to read all
    /// entries of a large dict, iterate over [`Value::as_dict`].
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_dict()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// Removes and returns the value under a text key, so that it can be owned without a copy.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        let Value::Dict(entries) = self else { return None };
        let at = entries.iter().position(|(k, _)| k.as_str() == Some(key))?;
        Some(entries.remove(at).1)
    }

    /// The entries of a dict.
    pub fn as_dict(&self) -> Option<&[(Value, Value)]> {
        if let Value::Dict(entries) = self { Some(entries) } else { None }
    }

    /// The items of a list or tuple.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Value::List(items) | Value::Tuple(items) = self { Some(items) } else { None }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(text) = self { Some(text) } else { None }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self { Some(*value) } else { None }
    }

    /// An integer of at most 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(value) = self { Some(*value) } else { None }
    }

    /// A number: a float, an integer, or a tensor of one element (as old checkpoints keep their best accuracy).
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Float(value) => Some(*value),
            Value::Int(value) => Some(*value as f64),
            Value::Tensor(tensor) if tensor.n_elements() == 1 => tensor.to_f64().first().copied(),
            _ => None,
        }
    }

    /// A tensor.
    pub fn as_tensor(&self) -> Option<&Tensor> {
        if let Value::Tensor(tensor) = self { Some(tensor) } else { None }
    }

    /// The kind of the value, for messages: `a dict of 3 entries (epoch, arch, ...)`.
    pub fn describe(&self) -> String {
        match self {
            Value::None => "None".into(),
            Value::Bool(_) => "a truth value".into(),
            Value::Int(_) | Value::BigInt(_) => "an integer".into(),
            Value::Float(_) => "a number".into(),
            Value::Str(_) => "a string".into(),
            Value::Bytes(_) => "bytes".into(),
            Value::List(items) => format!("a list of {} items", items.len()),
            Value::Tuple(items) => format!("a tuple of {} items", items.len()),
            Value::Tensor(tensor) => format!("a tensor of shape {:?}", tensor.shape),
            Value::Dict(entries) => {
                let names: Vec<_> = entries.iter().filter_map(|(key, _)| key.as_str()).take(5).collect();
                format!("a dict of {} entries ({})", entries.len(), names.join(", "))
            }
        }
    }

    /// Calls `visit` on every tensor, in the order of the file. Dict keys contain no tensors.
    pub(crate) fn visit_tensors(&mut self, visit: &mut dyn FnMut(&mut Tensor)) {
        match self {
            Value::Tensor(tensor) => visit(tensor),
            Value::List(items) | Value::Tuple(items) => items.iter_mut().for_each(|v| v.visit_tensors(visit)),
            Value::Dict(entries) => entries.iter_mut().for_each(|(_, v)| v.visit_tensors(visit)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtype;

    #[test]
    fn a_tensor_of_one_element_is_a_number_without_rounding() {
        let tensor =
            |data: &[u8]| Value::Tensor(Tensor { dtype: Dtype::F64, shape: vec![data.len() / 8], data: data.into() });
        assert_eq!(tensor(&0.1f64.to_le_bytes()).as_float(), Some(0.1));
        assert_eq!(tensor(&[0; 16]).as_float(), None);
        assert_eq!(Value::Int(3).as_float(), Some(3.0));
        assert_eq!(Value::Str("3".into()).as_float(), None);
    }

    #[test]
    fn taken_entries_are_gone_and_the_others_keep_their_order() {
        let entry = |key: &str| (Value::Str(key.into()), Value::None);
        let mut dict = Value::Dict(vec![entry("a"), (Value::Str("b".into()), Value::Int(1)), entry("c")]);
        assert_eq!(dict.take("b"), Some(Value::Int(1)));
        assert_eq!(dict.take("b"), None);
        assert_eq!(dict, Value::Dict(vec![entry("a"), entry("c")]));
    }
}
