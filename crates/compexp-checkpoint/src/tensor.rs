//! A dense array of a checkpoint: element type, shape, bytes.

use crate::Error;
use half::{bf16, f16};
use std::fmt;

/// The element type of a [`Tensor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dtype {
    /// One byte, 0 or 1.
    Bool,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// IEEE half precision.
    F16,
    /// bfloat16, the upper half of an `f32`.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

/// An array: contiguous, row-major, little-endian, for any strides in the checkpoint.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    /// The element type.
    pub dtype: Dtype,
    /// The size of every dimension, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, `n_elements x dtype.size()` bytes.
    pub data: Vec<u8>,
}

impl Dtype {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
            Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::I32 | Dtype::F32 => 4,
            Dtype::I64 | Dtype::F64 => 8,
        }
    }

    /// PyTorch's name, as in `torch.float32`.
    pub const fn torch_name(self) -> &'static str {
        match self {
            Dtype::Bool => "torch.bool",
            Dtype::U8 => "torch.uint8",
            Dtype::I8 => "torch.int8",
            Dtype::I16 => "torch.int16",
            Dtype::I32 => "torch.int32",
            Dtype::I64 => "torch.int64",
            Dtype::F16 => "torch.float16",
            Dtype::Bf16 => "torch.bfloat16",
            Dtype::F32 => "torch.float32",
            Dtype::F64 => "torch.float64",
        }
    }

    /// The element type of a PyTorch name without its module, as in `float32`.
    pub(crate) fn from_torch(name: &str) -> Option<Self> {
        use Dtype::*;
        [Bool, U8, I8, I16, I32, I64, F16, Bf16, F32, F64]
            .into_iter()
            .find(|dtype| dtype.torch_name().strip_prefix("torch.") == Some(name))
    }
}

impl Tensor {
    /// An array of the given bytes; refused if their number does not fit `shape` and `dtype`.
    pub fn new(dtype: Dtype, shape: Vec<usize>, data: Vec<u8>) -> Result<Self, Error> {
        let expected = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d));
        if expected != Some(data.len()) {
            let what = format!("{} bytes do not fill shape {shape:?} of {}", data.len(), dtype.torch_name());
            return Err(Error::Tensor { name: "unnamed".into(), what });
        }
        Ok(Tensor { dtype, shape, data })
    }

    /// The number of elements: the product of the shape, 1 for a scalar.
    pub fn n_elements(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// All elements in row-major order as `f32`, rounded to the nearest if the type is wider.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::Bool => self.data.iter().map(|&b| f32::from(u8::from(b != 0))).collect(),
            Dtype::U8 => self.data.iter().map(|&b| f32::from(b)).collect(),
            Dtype::I8 => self.map(|b: [u8; 1]| f32::from(i8::from_le_bytes(b))),
            Dtype::I16 => self.map(|b| f32::from(i16::from_le_bytes(b))),
            Dtype::I32 => self.map(|b| i32::from_le_bytes(b) as f32),
            Dtype::I64 => self.map(|b| i64::from_le_bytes(b) as f32),
            Dtype::F16 => self.map(|b| f16::from_le_bytes(b).to_f32()),
            Dtype::Bf16 => self.map(|b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F32 => self.map(f32::from_le_bytes),
            Dtype::F64 => self.map(|b| f64::from_le_bytes(b) as f32),
        }
    }

    /// All elements in row-major order as `f64`; exact but for 64-bit integers beyond 2^53.
    pub fn to_f64(&self) -> Vec<f64> {
        match (self.dtype, self.to_i64()) {
            (Dtype::F64, _) => self.map(f64::from_le_bytes),
            (_, Some(integers)) => integers.into_iter().map(|x| x as f64).collect(),
            (_, None) => self.to_f32().into_iter().map(f64::from).collect(),
        }
    }

    /// All elements in row-major order as `i64`; `None` if they are floating-point numbers.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match self.dtype {
            Dtype::Bool => Some(self.data.iter().map(|&b| i64::from(b != 0)).collect()),
            Dtype::U8 => Some(self.data.iter().map(|&b| i64::from(b)).collect()),
            Dtype::I8 => Some(self.map(|b: [u8; 1]| i64::from(i8::from_le_bytes(b)))),
            Dtype::I16 => Some(self.map(|b| i64::from(i16::from_le_bytes(b)))),
            Dtype::I32 => Some(self.map(|b| i64::from(i32::from_le_bytes(b)))),
            Dtype::I64 => Some(self.map(i64::from_le_bytes)),
            Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => None,
        }
    }

    fn map<const N: usize, T>(&self, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        self.data.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
    }
}

/// Element type and shape only: the bytes of a tensor are too long for a message.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {:?})", self.dtype.torch_name(), self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: Dtype, data: &[u8]) -> Tensor {
        Tensor::new(dtype, vec![data.len() / dtype.size()], data.to_vec()).unwrap()
    }

    #[test]
    fn every_element_type_converts_to_f32() {
        let check = |dtype, data: &[u8], expected: &[f32]| {
            assert_eq!(tensor(dtype, data).to_f32(), expected, "{dtype:?}");
        };
        check(Dtype::Bool, &[0, 1, 2], &[0.0, 1.0, 1.0]);
        check(Dtype::U8, &[0, 255], &[0.0, 255.0]);
        check(Dtype::I8, &[0x80, 0x7f], &[-128.0, 127.0]);
        check(Dtype::I16, &[0xd4, 0xfe], &[-300.0]);
        check(Dtype::I32, &(-70_000i32).to_le_bytes(), &[-70_000.0]);
        check(Dtype::I64, &(1i64 << 40).to_le_bytes(), &[1_099_511_627_776.0]);
        check(Dtype::F16, &[0x00, 0x3c, 0x00, 0xc0], &[1.0, -2.0]);
        check(Dtype::Bf16, &[0x80, 0x3f, 0x00, 0xc0], &[1.0, -2.0]);
        check(Dtype::F32, &2.5f32.to_le_bytes(), &[2.5]);
        check(Dtype::F64, &(-0.1f64).to_le_bytes(), &[-0.1]);
    }

    #[test]
    fn integers_convert_to_i64_and_floats_do_not() {
        assert_eq!(tensor(Dtype::I16, &[0xd4, 0xfe]).to_i64(), Some(vec![-300]));
        assert_eq!(tensor(Dtype::F32, &[0; 4]).to_i64(), None);
    }

    #[test]
    fn wide_types_convert_to_f64_without_loss() {
        assert_eq!(tensor(Dtype::F64, &0.1f64.to_le_bytes()).to_f64(), [0.1]);
        assert_eq!(tensor(Dtype::I64, &((1i64 << 40) + 1).to_le_bytes()).to_f64(), [1_099_511_627_777.0]);
        assert_eq!(tensor(Dtype::F16, &[0x00, 0x3c]).to_f64(), [1.0]);
    }

    #[test]
    fn bytes_that_do_not_fill_the_shape_are_refused() {
        assert!(Tensor::new(Dtype::F32, vec![2, 2], vec![0; 15]).is_err());
        assert!(Tensor::new(Dtype::F32, vec![usize::MAX, 2], vec![0; 8]).is_err());
        assert_eq!(Tensor::new(Dtype::F32, vec![], vec![0; 4]).unwrap().n_elements(), 1);
    }
}
