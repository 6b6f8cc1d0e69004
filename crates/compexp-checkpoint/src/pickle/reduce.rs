//! The effects of the allowed globals: the machine has its own code for each, which checks the arguments.

use crate::pickle::machine::Machine;
use crate::pickle::object::NumpyDtype;
use crate::pickle::{Global, Object, StorageRef, TensorRef};
use crate::{Dtype, Error};
use half::f16;
use std::io::BufRead;

/// Most dimensions of a tensor; PyTorch itself stops at 64.
const MAX_DIMS: usize = 64;

impl<R: BufRead> Machine<'_, R> {
    /// Calls an allowed global.
    pub(super) fn reduce(&mut self, function: Object, arguments: Object) -> Result<Object, Error> {
        let Object::Global(global) = function else {
            return Err(self.malformed("expected a known global to call"));
        };
        let Object::Tuple(at) = arguments else {
            return Err(self.malformed("expected a tuple of arguments"));
        };
        // The longest known list of arguments has 8 entries.
        let arguments: Vec<Object> = self.heap.tuples[at as usize].iter().copied().take(9).collect();
        match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => Ok(self.heap.dict(Vec::new())),
            (Global::Namespace, []) => Ok(self.heap.dict(Vec::new())),
            (Global::OrderedDict, &[pairs]) => self.ordered_dict(pairs),
            (Global::Size, &[size @ Object::Tuple(_)]) => Ok(size),
            (Global::RebuildTensor(1), &[storage, offset, size, stride])
            | (
                Global::RebuildTensor(2),
                &[storage, offset, size, stride, _, _] | &[storage, offset, size, stride, _, _, _],
            ) => self.tensor(storage, offset, size, stride, None),
            (
                Global::RebuildTensor(3),
                &[storage, offset, size, stride, _, _, dtype] | &[storage, offset, size, stride, _, _, dtype, _],
            ) => match dtype {
                Object::Global(Global::Dtype(dtype)) => self.tensor(storage, offset, size, stride, Some(dtype)),
                _ => Err(self.malformed("expected an element type as 7th argument of `_rebuild_tensor_v3`")),
            },
            (
                Global::RebuildParameter,
                &[tensor @ Object::Tensor(_), _, _] | &[tensor @ Object::Tensor(_), _, _, _],
            ) => Ok(tensor),
            (Global::Encode, &[text, encoding]) => self.encode(text, encoding),
            (Global::NumpyDtype, &[name, ..]) => self.numpy_dtype(name),
            (Global::NumpyScalar, &[Object::NumpyDtype(dtype), bytes]) => self.numpy_scalar(dtype, bytes),
            _ => Err(self.malformed(format!("unexpected arguments for `{}`", global.name()))),
        }
    }

    /// Sets an object's state: the byte order of a NumPy type, and nothing for an `OrderedDict` or a `Namespace`, whose
    /// attributes (`_metadata` of a state dict, options of a training) are no part of its content.
    pub(super) fn build(&mut self, object: Object, state: Object) -> Result<(), Error> {
        match object {
            Object::Dict(_) => Ok(()),
            Object::NumpyDtype(at) => {
                let order =
                    self.heap.items(state).and_then(|items| items.get(1)).and_then(|&order| self.heap.str(order));
                let big_endian = match order {
                    Some("<" | "|" | "=") => false,
                    Some(">") => true,
                    _ => return Err(self.malformed("expected a byte order in the state of a NumPy element type")),
                };
                self.heap.numpy_dtypes[at as usize].big_endian = big_endian;
                Ok(())
            }
            _ => Err(self.malformed("found BUILD on an object that takes no state")),
        }
    }

    /// A storage: `("storage", type, key, location, n_elements)`, in old files with a sixth entry that is `None` or
    /// `(view_key, offset, size)`.
    pub(super) fn persistent(&mut self, id: Object) -> Result<Object, Error> {
        let storage = match self.heap.items(id) {
            Some(&[tag, Object::Global(Global::Storage(dtype)), Object::Text(key), _, n]) => {
                Some((tag, dtype, key, n, None))
            }
            Some(&[tag, Object::Global(Global::Storage(dtype)), Object::Text(key), _, n, view]) => {
                Some((tag, dtype, key, n, Some(view)))
            }
            _ => None,
        };
        let Some((tag, dtype, key, n, view)) = storage else {
            return Err(self.malformed("expected a storage: (\"storage\", type, key, location, size)"));
        };
        if self.heap.str(tag) != Some("storage") {
            return Err(self.malformed("expected a storage, found another kind of persistent object (a whole module?)"));
        }
        let n_elements = self.natural(n, "the size of a storage")?;
        let view = match view {
            None | Some(Object::None) => None,
            Some(view) => match self.heap.items(view) {
                Some(&[_, offset, size]) => Some((
                    self.natural(offset, "the offset of a storage view")?,
                    self.natural(size, "the size of a storage view")?,
                )),
                _ => return Err(self.malformed("expected (key, offset, size) as the view of a storage")),
            },
        };
        Ok(self.heap.storage(StorageRef { key, dtype, n_elements, view }))
    }

    fn ordered_dict(&mut self, pairs: Object) -> Result<Object, Error> {
        let Some(items) = self.heap.items(pairs) else {
            return Err(self.malformed("expected a list of pairs for an OrderedDict"));
        };
        let n = items.len();
        self.charge(n)?;
        let items = self.heap.items(pairs).unwrap_or_default();
        let entries = items.iter().map(|&item| match self.heap.items(item) {
            Some(&[key, value]) => Ok((key, value)),
            _ => Err(self.malformed("expected a list of pairs for an OrderedDict")),
        });
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(self.heap.dict(entries))
    }

    fn tensor(
        &mut self,
        storage: Object,
        offset: Object,
        size: Object,
        stride: Object,
        dtype: Option<Dtype>,
    ) -> Result<Object, Error> {
        let Object::Storage(storage) = storage else {
            return Err(self.malformed("expected a storage as first argument of a tensor"));
        };
        let offset = self.natural(offset, "the offset of a tensor")?;
        let (Some(size), Some(stride)) = (self.heap.items(size), self.heap.items(stride)) else {
            return Err(self.malformed("expected tuples as size and stride of a tensor"));
        };
        if size.len() != stride.len() || size.len() > MAX_DIMS {
            let what = format!(
                "found a tensor of {} sizes and {} strides, expected as many of each and at most {MAX_DIMS}",
                size.len(),
                stride.len()
            );
            return Err(self.malformed(what));
        }
        let dims = size.iter().zip(stride).map(|(&size, &stride)| {
            Ok((self.natural(size, "the size of a tensor")?, self.natural(stride, "the stride of a tensor")?))
        });
        let dims = dims.collect::<Result<Box<[_]>, Error>>()?;
        self.charge(dims.len())?;
        let dtype = dtype.unwrap_or(self.heap.storages[storage as usize].dtype);
        Ok(self.heap.tensor(TensorRef { storage, dtype, offset, dims }))
    }

    fn natural(&self, object: Object, what: &str) -> Result<u64, Error> {
        match object {
            Object::Int(value) if value >= 0 => Ok(value as u64),
            other => Err(self.malformed(format!("found {other:?} as {what}, expected an integer from 0 up"))),
        }
    }

    /// `_codecs.encode(text, "latin1")`.
    fn encode(&mut self, text: Object, encoding: Object) -> Result<Object, Error> {
        let (Some(text), Some("latin1" | "latin-1")) = (self.heap.str(text), self.heap.str(encoding)) else {
            return Err(self.malformed("expected a text and `latin1` to encode"));
        };
        let n = text.len();
        let bytes = text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<Vec<u8>, _>>();
        let bytes = bytes.map_err(|_| self.malformed("found a text beyond latin1"))?;
        self.charge(n)?;
        Ok(self.heap.bytes(bytes))
    }

    fn numpy_dtype(&mut self, name: Object) -> Result<Object, Error> {
        let name = self.heap.str(name).unwrap_or_default();
        let (big_endian, code) = match name.strip_prefix('>') {
            Some(code) => (true, code),
            None => (false, name.trim_start_matches(['<', '|', '='])),
        };
        let (kind, size) = match code {
            "b1" => (b'b', 1),
            "f2" => (b'f', 2),
            "f4" => (b'f', 4),
            "f8" => (b'f', 8),
            "i1" => (b'i', 1),
            "i2" => (b'i', 2),
            "i4" => (b'i', 4),
            "i8" => (b'i', 8),
            "u1" => (b'u', 1),
            "u2" => (b'u', 2),
            "u4" => (b'u', 4),
            "u8" => (b'u', 8),
            _ => return Err(Error::Dtype { found: format!("numpy.dtype({name:?})") }),
        };
        Ok(self.heap.numpy_dtype(NumpyDtype { kind, size, big_endian }))
    }

    fn numpy_scalar(&mut self, dtype: u32, bytes: Object) -> Result<Object, Error> {
        let dtype = self.heap.numpy_dtypes[dtype as usize];
        // Python 2 wrote bytes as a string, which may look like text.
        let bytes = match bytes {
            Object::Bytes(at) => self.heap.bytes[at as usize].as_slice(),
            Object::Text(at) => self.heap.texts[at as usize].as_bytes(),
            _ => &[],
        };
        let size = usize::from(dtype.size);
        if bytes.len() != size {
            let what = format!("found {} bytes for a NumPy scalar, expected {size}", bytes.len());
            return Err(self.malformed(what));
        }
        let mut raw = [0u8; 8];
        raw[..size].copy_from_slice(bytes);
        if dtype.big_endian {
            raw[..size].reverse();
        }
        let bits = u64::from_le_bytes(raw);
        Ok(match (dtype.kind, dtype.size) {
            (b'b', _) => Object::Bool(bits != 0),
            (b'f', 2) => Object::Float(f64::from(f16::from_bits(bits as u16))),
            (b'f', 4) => Object::Float(f64::from(f32::from_bits(bits as u32))),
            (b'f', _) => Object::Float(f64::from_bits(bits)),
            (b'i', 1) => Object::Int(i64::from(bits as i8)),
            (b'i', 2) => Object::Int(i64::from(bits as i16)),
            (b'i', 4) => Object::Int(i64::from(bits as i32)),
            (b'i', _) => Object::Int(bits as i64),
            _ => match i64::try_from(bits) {
                Ok(value) => Object::Int(value),
                Err(_) => self.heap.big_int(bits.to_string()),
            },
        })
    }
}
