//! Turns the graph of a pickle into the tree of values, within an allowance.
//!
//! In a graph, thirty lists that each contain the previous one twice are a billion values, and a list may contain
//! itself. So the number of values is limited when the tree is made: at most [`VALUE_FACTOR`] values and
//! [`COPY_FACTOR`] bytes of text for each byte of pickle (a reference takes two bytes at least, and a normal pickle
//! refers to texts and numbers), at most [`MAX_DEPTH`] deep.

use crate::pickle::{COPY_FACTOR, Global, Graph, MAX_INSTRUCTIONS, Object, SLACK, StorageRef, TensorRef};
use crate::storage::{Plan, Storages};
use crate::{Error, Tensor, Value};
use compexp_files::strided::reach;
use std::collections::HashSet;

/// Deepest nesting; a training checkpoint has 5.
const MAX_DEPTH: usize = 128;
/// Values allowed for each byte of pickle.
const VALUE_FACTOR: u64 = 4;

/// Turns the graph into a tree. The tensors of the value are still empty; the plans describe how to fill them, in the
/// order of [`Value::visit_tensors`].
pub(crate) fn unfold(graph: &Graph, storages: &Storages) -> Result<(Value, Vec<Plan>), Error> {
    let mut unfolding = Unfolding {
        graph,
        storages,
        plans: Vec::new(),
        open: Vec::new(),
        path: Vec::new(),
        n_values: 0,
        n_text_bytes: 0,
        n_tensor_bytes: 0,
    };
    let value = unfolding.value(graph.root)?;
    Ok((value, unfolding.plans))
}

struct Unfolding<'a> {
    graph: &'a Graph,
    storages: &'a Storages,
    plans: Vec<Plan>,
    /// The containers around the current value, as kind and index.
    open: Vec<(char, u32)>,
    /// The path to the current value: keys and positions.
    path: Vec<Object>,
    n_values: u64,
    n_text_bytes: u64,
    n_tensor_bytes: u64,
}

impl Unfolding<'_> {
    fn value(&mut self, object: Object) -> Result<Value, Error> {
        self.charge_values(1)?;
        let graph = self.graph;
        let heap = &graph.heap;
        Ok(match object {
            Object::None => Value::None,
            Object::Bool(value) => Value::Bool(value),
            Object::Int(value) => Value::Int(value),
            Object::Float(value) => Value::Float(value),
            Object::BigInt(at) => Value::BigInt(self.text(&heap.texts[at as usize])?),
            Object::Text(at) => Value::Str(self.text(&heap.texts[at as usize])?),
            Object::Bytes(at) => {
                let bytes = &heap.bytes[at as usize];
                self.charge_text(bytes.len())?;
                Value::Bytes(bytes.clone())
            }
            Object::List(at) => Value::List(self.items(('l', at), &heap.lists[at as usize])?),
            Object::Tuple(at) => Value::Tuple(self.items(('t', at), &heap.tuples[at as usize])?),
            Object::Dict(at) => Value::Dict(self.dict(at)?),
            Object::Tensor(at) => Value::Tensor(self.tensor(&heap.tensors[at as usize])?),
            // A bare storage is the tensor of all its elements.
            Object::Storage(storage) => {
                let StorageRef { dtype, n_elements, view, .. } = heap.storages[storage as usize];
                let n = view.map_or(n_elements, |view| view.1);
                Value::Tensor(self.tensor(&TensorRef { storage, dtype, offset: 0, dims: [(n, 1)].into() })?)
            }
            Object::Global(Global::Dtype(dtype)) => Value::Str(dtype.torch_name().into()),
            Object::Global(global) => return Err(self.wrong(format!("found `{}` itself as a value", global.name()))),
            Object::NumpyDtype(_) => return Err(self.wrong("found a NumPy element type itself as a value".into())),
        })
    }

    fn items(&mut self, container: (char, u32), items: &[Object]) -> Result<Vec<Value>, Error> {
        self.enter(container)?;
        // Never more than the remaining allowance, for any length of the list.
        let mut values = Vec::with_capacity(items.len().min(SLACK as usize));
        for (i, &item) in items.iter().enumerate() {
            self.path.push(Object::Int(i as i64));
            values.push(self.value(item)?);
            self.path.pop();
        }
        self.open.pop();
        Ok(values)
    }

    fn dict(&mut self, at: u32) -> Result<Vec<(Value, Value)>, Error> {
        self.enter(('d', at))?;
        let graph = self.graph;
        let entries = &graph.heap.dicts[at as usize];
        let mut values = Vec::with_capacity(entries.len().min(SLACK as usize));
        for &(key, value) in entries {
            self.path.push(key);
            let key = self.value(key)?;
            if !is_hashable(&key) {
                return Err(self.wrong(format!("found {} as a key", key.describe())));
            }
            values.push((key, self.value(value)?));
            self.path.pop();
        }
        self.open.pop();
        if let Some(key) = duplicate(&values) {
            return Err(self.wrong(format!("found the key {key:?} twice")));
        }
        Ok(values)
    }

    fn enter(&mut self, container: (char, u32)) -> Result<(), Error> {
        if self.open.contains(&container) {
            return Err(Error::Cyclic { name: self.name() });
        }
        self.open.push(container);
        if self.open.len() > MAX_DEPTH {
            let (found, limit) = (self.open.len() as u64, MAX_DEPTH as u64);
            return Err(Error::Limit { what: "depth of nesting", found, limit });
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<String, Error> {
        self.charge_text(text.len())?;
        Ok(text.to_string())
    }

    fn charge_text(&mut self, n: usize) -> Result<(), Error> {
        self.n_text_bytes += n as u64;
        let limit = self.graph.n_bytes * COPY_FACTOR + SLACK;
        within("bytes of text in the checkpoint", self.n_text_bytes, limit)
    }

    fn charge_values(&mut self, n: u64) -> Result<(), Error> {
        self.n_values += n;
        let limit = (self.graph.n_bytes * VALUE_FACTOR + SLACK).min(MAX_INSTRUCTIONS);
        within("values in the checkpoint", self.n_values, limit)
    }

    /// Checks a tensor against its storage and records how to fill it.
    fn tensor(&mut self, tensor: &TensorRef) -> Result<Tensor, Error> {
        self.charge_values(tensor.dims.len() as u64)?;
        let storage = self.graph.heap.storages[tensor.storage as usize];
        let key = &self.graph.heap.texts[storage.key as usize];
        let wrong_storage = |what: String| Error::Storage { key: key.clone(), what };
        let extent = self.storages.get(key).ok_or_else(|| wrong_storage("not found in the file".into()))?;

        let stated = storage.n_elements.checked_mul(storage.dtype.size() as u64);
        if stated != Some(extent.len) {
            return Err(wrong_storage(format!(
                "found {} bytes, expected {} elements of {}",
                extent.len,
                storage.n_elements,
                storage.dtype.torch_name()
            )));
        }
        // The part of the storage that is used, in bytes.
        let (start, len) = match storage.view {
            None => (0, extent.len),
            Some((offset, n)) if offset.checked_add(n).is_some_and(|end| end <= storage.n_elements) => {
                (offset * storage.dtype.size() as u64, n * storage.dtype.size() as u64)
            }
            Some((offset, n)) => {
                let found = format!("found a view of {n} elements from {offset}");
                return Err(wrong_storage(format!("{found}, expected at most {}", storage.n_elements)));
            }
        };

        let size = tensor.dtype.size() as u64;
        let shape = || tensor.dims.iter().map(|dim| dim.0).collect::<Vec<_>>();
        let Some(n) = Plan::n_elements(&tensor.dims) else {
            return Err(self.wrong_tensor(format!("found shape {:?}, which no memory can hold", shape())));
        };
        let last = if n > 0 { reach(&tensor.dims).and_then(|reach| reach.checked_add(tensor.offset)) } else { None };
        if n > 0 && last.is_none_or(|last| last >= len / size) {
            return Err(self.wrong_tensor(format!(
                "found sizes and strides {:?} from element {}, which reach beyond the storage's {} elements",
                tensor.dims,
                tensor.offset,
                len / size
            )));
        }
        // No overflow: with elements, the offset lies in the storage; without, nothing is read.
        let first = if n > 0 { start + tensor.offset * size } else { 0 };
        self.n_tensor_bytes = self.n_tensor_bytes.saturating_add(n * size);
        within("bytes of all tensors", self.n_tensor_bytes, self.storages.tensor_limit())?;
        self.plans.push(Plan {
            storage: extent,
            first,
            dims: tensor.dims.clone(),
            dtype: tensor.dtype,
            n_bytes: n * size,
        });
        let shape = shape().into_iter().map(|d| d as usize).collect();
        Ok(Tensor { dtype: tensor.dtype, shape, data: Vec::new() })
    }

    fn wrong(&self, what: String) -> Error {
        Error::Value { name: self.name(), what }
    }

    fn wrong_tensor(&self, what: String) -> Error {
        Error::Tensor { name: self.name(), what }
    }

    /// The current path, as `state_dict/conv1.weight`.
    fn name(&self) -> String {
        let step = |&object: &Object| match object {
            Object::Int(i) => i.to_string(),
            Object::Text(at) => self.graph.heap.texts[at as usize].chars().take(80).collect(),
            _ => "?".into(),
        };
        self.path.iter().map(step).collect::<Vec<String>>().join("/")
    }
}

fn within(what: &'static str, found: u64, limit: u64) -> Result<(), Error> {
    if found > limit { Err(Error::Limit { what, found, limit }) } else { Ok(()) }
}

fn is_hashable(key: &Value) -> bool {
    match key {
        Value::List(_) | Value::Dict(_) | Value::Tensor(_) => false,
        Value::Tuple(items) => items.iter().all(is_hashable),
        _ => true,
    }
}

/// The first key that occurs twice in the dict. Python would keep the last value; PyTorch never writes such a dict.
fn duplicate(entries: &[(Value, Value)]) -> Option<&Value> {
    let mut texts = HashSet::new();
    let mut ints = HashSet::new();
    let mut others = HashSet::new();
    entries.iter().map(|(key, _)| key).find(|key| match key {
        Value::Str(text) => !texts.insert(text.as_str()),
        Value::Int(value) => !ints.insert(*value),
        other => !others.insert(format!("{other:?}")),
    })
}
