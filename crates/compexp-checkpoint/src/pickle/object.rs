//! The objects a pickle builds, before they become a tree.
//!
//! They live in arenas and refer to each other by index. Reference counting would need less code, but dropping ten
//! million nested lists of a hostile pickle overflows the stack.

use crate::Dtype;
use crate::pickle::global::Global;

/// An object, or where in its [`Heap`] arena it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A decimal number in `texts`.
    BigInt(u32),
    Text(u32),
    Bytes(u32),
    List(u32),
    Dict(u32),
    Tuple(u32),
    Storage(u32),
    Tensor(u32),
    NumpyDtype(u32),
    Global(Global),
}

/// All objects of one pickle.
#[derive(Default)]
pub(crate) struct Heap {
    pub(crate) texts: Vec<String>,
    pub(crate) bytes: Vec<Vec<u8>>,
    pub(crate) lists: Vec<Vec<Object>>,
    pub(crate) dicts: Vec<Vec<(Object, Object)>>,
    pub(crate) tuples: Vec<Box<[Object]>>,
    pub(crate) storages: Vec<StorageRef>,
    pub(crate) tensors: Vec<TensorRef>,
    pub(crate) numpy_dtypes: Vec<NumpyDtype>,
}

/// A storage as the pickle names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageRef {
    /// Index of the key in `texts`.
    pub(crate) key: u32,
    /// Element type; bytes if the storage has none.
    pub(crate) dtype: Dtype,
    /// Elements of the whole storage.
    pub(crate) n_elements: u64,
    /// In old files, offset and number of elements of the part that is used.
    pub(crate) view: Option<(u64, u64)>,
}

/// A tensor as the pickle describes it: nothing is checked against the storage yet.
#[derive(Clone, Debug)]
pub(crate) struct TensorRef {
    /// Index in `storages`.
    pub(crate) storage: u32,
    pub(crate) dtype: Dtype,
    /// First element, counted in elements of `dtype`.
    pub(crate) offset: u64,
    /// Size and stride of every dimension, in elements.
    pub(crate) dims: Box<[(u64, u64)]>,
}

/// The element type of a NumPy scalar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumpyDtype {
    /// `f`, `i`, `u` or `b`.
    pub(crate) kind: u8,
    /// Bytes: 1, 2, 4 or 8.
    pub(crate) size: u8,
    pub(crate) big_endian: bool,
}

impl Heap {
    pub(crate) fn text(&mut self, text: String) -> Object {
        Object::Text(push(&mut self.texts, text))
    }

    /// Python 2 did not distinguish text and bytes. UTF-8 is read as text, as in `torch.load`.
    pub(crate) fn text_or_bytes(&mut self, bytes: Vec<u8>) -> Object {
        match String::from_utf8(bytes) {
            Ok(text) => self.text(text),
            Err(error) => self.bytes(error.into_bytes()),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: Vec<u8>) -> Object {
        Object::Bytes(push(&mut self.bytes, bytes))
    }

    pub(crate) fn big_int(&mut self, decimal: String) -> Object {
        Object::BigInt(push(&mut self.texts, decimal))
    }

    pub(crate) fn list(&mut self, items: Vec<Object>) -> Object {
        Object::List(push(&mut self.lists, items))
    }

    pub(crate) fn dict(&mut self, entries: Vec<(Object, Object)>) -> Object {
        Object::Dict(push(&mut self.dicts, entries))
    }

    pub(crate) fn tuple(&mut self, items: Vec<Object>) -> Object {
        Object::Tuple(push(&mut self.tuples, items.into_boxed_slice()))
    }

    pub(crate) fn storage(&mut self, storage: StorageRef) -> Object {
        Object::Storage(push(&mut self.storages, storage))
    }

    pub(crate) fn tensor(&mut self, tensor: TensorRef) -> Object {
        Object::Tensor(push(&mut self.tensors, tensor))
    }

    pub(crate) fn numpy_dtype(&mut self, dtype: NumpyDtype) -> Object {
        Object::NumpyDtype(push(&mut self.numpy_dtypes, dtype))
    }

    pub(crate) fn str(&self, object: Object) -> Option<&str> {
        if let Object::Text(at) = object { Some(&self.texts[at as usize]) } else { None }
    }

    /// The items of a tuple or list.
    pub(crate) fn items(&self, object: Object) -> Option<&[Object]> {
        match object {
            Object::Tuple(at) => Some(&self.tuples[at as usize]),
            Object::List(at) => Some(&self.lists[at as usize]),
            _ => None,
        }
    }
}

/// The machine stops long before 2^32 objects: every one takes an instruction, and those are limited.
fn push<T>(arena: &mut Vec<T>, item: T) -> u32 {
    arena.push(item);
    (arena.len() - 1) as u32
}
