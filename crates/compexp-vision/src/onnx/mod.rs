//! Networks in ONNX files, run by `rten`. Every tensor of the graph that has values for an image is a layer.
//!
//! An image, or as many as a graph of a fixed batch size takes, runs in a call of its own on one thread, and as many calls run
//! side by side as the current pool has threads: results do not depend on the number of threads.

mod graph;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use candle_core::{Device, Tensor};
use compexp_kernels::conv::channels_first;
use rten::{Dimension, ModelOptions, NodeId, RunErrorKind, RunOptions, ThreadPool, Value};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor as Array};

use crate::error::{Error, Result};
use crate::network::{LayerName, Output, Tokens};
use graph::Graph;

/// A network in an ONNX file.
#[derive(Debug, Clone)]
pub struct Onnx {
    path: PathBuf,
    graph: Graph,
    tokens: Tokens,
    /// With the operators fused that can be.
    fused: Arc<Runtime>,
    /// Operator by operator, loaded when a layer is within a fused operator.
    plain: Arc<OnceLock<Runtime>>,
    classes: usize,
}

struct Runtime(rten::Model);

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime")
    }
}

/// The values of some tensors for a call.
type Values = Vec<Array<f32>>;

impl Onnx {
    /// Reads a graph with one input, of images.
    ///
    /// # Errors
    /// [`Error::Onnx`] if the file is no such graph, or has operators that are not known; [`compexp_files::Error::Io`] if it
    /// cannot be read.
    pub fn open(path: &Path, tokens: Tokens) -> Result<Self> {
        let (graph, bytes) = Graph::read(path)?;
        let fused = Arc::new(Self::load(path, &graph, bytes, true)?);
        let output = fused.0.output_ids().first().and_then(|id| fused.0.node_info(*id)?.shape());
        let plain = Arc::new(OnceLock::new());
        let mut network = Self { path: path.to_owned(), graph, tokens, fused, plain, classes: 0 };
        match output.as_deref() {
            Some([_, Dimension::Fixed(classes)]) => network.classes = *classes,
            // Only a run tells how many there are.
            Some([_, _]) | None => {
                let (height, width) = network.graph.image_size().unwrap_or((224, 224));
                let image = Tensor::zeros((1, 3, height, width), candle_core::DType::F32, &Device::Cpu)?;
                network.classes = network.run(&image, &[])?.logits.dim(1)?;
            }
            // Not logits.
            Some(_) => {}
        }
        Ok(network)
    }

    fn load(path: &Path, graph: &Graph, bytes: Vec<u8>, fuse: bool) -> Result<Runtime> {
        let wrong = |e: rten::LoadError| Error::Onnx {
            path: path.to_owned(),
            problem: e.to_string(),
            hint:
                "export the activations of a layer from the framework that runs the network, and give them to `compexp \
                   explain`"
                    .to_owned(),
        };
        let mut options = ModelOptions::with_all_ops();
        options.enable_optimization(fuse).prepack_weights(true);
        for (name, bytes) in graph.external_files(path)? {
            options.external_data(&name, bytes);
        }
        Ok(Runtime(options.load(bytes).map_err(wrong)?))
    }

    /// The number of classes: the columns of the graph's first output, 0 if that has no `(n, classes)`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows and columns of the images, if only images of one size can be run.
    pub fn image_size(&self) -> Option<(usize, usize)> {
        self.graph.image_size()
    }

    /// The outputs of all operators.
    pub fn layers(&self) -> Vec<LayerName> {
        self.graph.layers()
    }

    /// The tensor of a layer's name: its own, or that of the operator that makes it.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`]
    pub(crate) fn tensor(&self, layer: &str) -> Result<String> {
        self.graph.tensor(layer).map(str::to_owned).ok_or_else(|| Error::UnknownLayer {
            name: layer.to_owned(),
            valid: self.graph.layers().into_iter().map(|layer| layer.name).collect(),
        })
    }

    /// The layers that have values for an image of `height x width`, with their shapes: all but the first axis.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) fn shapes(&self, height: usize, width: usize) -> Result<Vec<(LayerName, Vec<usize>)>> {
        let runtime = self.plain()?;
        let image = vec![0.0; 3 * height * width * self.graph.batch];
        let layers = self.graph.layers();
        let mut found = Vec::new();
        // In parts, so that not all values are in memory at once.
        for part in layers.chunks(32) {
            let ids: Vec<(usize, NodeId)> =
                part.iter().enumerate().filter_map(|(i, layer)| Some((i, runtime.0.find_node(&layer.name)?))).collect();
            let outputs: Vec<NodeId> = ids.iter().map(|(_, id)| *id).collect();
            let values = self.call(runtime, &image, (height, width), &outputs, None).map_err(|e| self.failed(&e))?;
            for ((i, _), value) in ids.into_iter().zip(values) {
                let Some(array) = value.into_tensor::<f32>() else { continue };
                if let [n, rest @ ..] = array.shape()
                    && *n == self.graph.batch
                    && (1..=3).contains(&rest.len())
                {
                    found.push((part[i].clone(), rest.to_vec()));
                }
            }
        }
        Ok(found)
    }

    fn plain(&self) -> Result<&Runtime> {
        if let Some(runtime) = self.plain.get() {
            return Ok(runtime);
        }
        let (graph, bytes) = Graph::read(&self.path)?;
        let runtime = Self::load(&self.path, &graph, bytes, false)?;
        Ok(self.plain.get_or_init(|| runtime))
    }

    fn failed(&self, e: &rten::RunError) -> Error {
        Error::Onnx {
            path: self.path.clone(),
            problem: e.to_string(),
            hint: "is the size of the images one that the network takes? --resize and --crop change it".to_owned(),
        }
    }

    /// Runs `images (n, 3, h, w)`, f32, and returns the maps of the `tensors` and the logits.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if images have another size than the graph takes, or a tensor has no values for
    /// the positions of an image; [`Error::Onnx`] if an operator fails.
    pub(crate) fn run(&self, images: &Tensor, tensors: &[String]) -> Result<Output> {
        let (n, channels, height, width) = images.dims4()?;
        if channels != 3 {
            return Err(Error::mismatch("channels of the images", channels, 3));
        }
        if let Some((rows, columns)) = self.graph.image_size()
            && (rows, columns) != (height, width)
        {
            return Err(crate::network::other_size((height, width), (rows, columns)));
        }
        let images = match self.graph.channels_last {
            false => channels_first(images)?.flatten_all()?.to_vec1::<f32>()?,
            true => images.permute((0, 2, 3, 1))?.contiguous()?.flatten_all()?.to_vec1::<f32>()?,
        };
        let values = match self.calls(&self.fused, &images, n, (height, width), tensors)? {
            Some(values) => values,
            None => self.calls(self.plain()?, &images, n, (height, width), tensors)?.ok_or_else(|| Error::Onnx {
                path: self.path.clone(),
                problem: format!("none of the graph's operators makes one of {tensors:?} from the image alone"),
                hint: "choose a tensor that `compexp vision layers` lists".to_owned(),
            })?,
        };
        let mut maps = Vec::new();
        for (i, tensor) in tensors.iter().enumerate() {
            maps.push(self.maps(tensor, &values, i, n)?);
        }
        let logits: Vec<&Array<f32>> = values.iter().filter_map(|call| call.get(tensors.len())).collect();
        let logits = match logits.first().map(|first| first.shape().to_vec()) {
            Some(shape) if shape.len() == 2 => {
                let all: Vec<f32> = logits.iter().flat_map(|values| values.to_vec()).take(n * shape[1]).collect();
                Tensor::from_vec(all, (n, shape[1]), &Device::Cpu)?
            }
            _ => Tensor::zeros((n, 0), candle_core::DType::F32, &Device::Cpu)?,
        };
        Ok(Output { maps, logits })
    }

    /// A tensor's values as `(n, units, h, w)`.
    fn maps(&self, tensor: &str, calls: &[Values], at: usize, n: usize) -> Result<Tensor> {
        let shape = calls.first().map_or(Vec::new(), |call| call[at].shape().to_vec());
        let batch = self.graph.batch;
        let wrong = |expected: &str| {
            Err(Error::mismatch(format!("shape of `{tensor}` for {batch} images"), format!("{shape:?}"), expected))
        };
        if shape.first() != Some(&batch) {
            return wrong("the images as the first axis");
        }
        let Tokens { grid, skip } = self.tokens;
        let units = match *shape.as_slice() {
            [_, units] | [_, units, _, _] => units,
            [_, tokens, units] => match grid {
                Some((h, w)) if h.checked_mul(w).and_then(|patches| patches.checked_add(skip)) == Some(tokens) => units,
                Some((h, w)) => return wrong(&format!("{skip} + {h} x {w} tokens, as --skip-tokens and --grid say")),
                None => {
                    let side = (tokens.saturating_sub(1)).isqrt();
                    let example = match side * side + 1 == tokens {
                        true => format!("--grid {side}x{side} --skip-tokens 1"),
                        false => "--grid 14x14".to_owned(),
                    };
                    return wrong(&format!("maps, or tokens with their places: give for instance {example}"));
                }
            },
            _ => return wrong("[n, units, h, w], [n, tokens, units] or [n, units]"),
        };
        let (h, w) = match *shape.as_slice() {
            [_, _, h, w] => (h, w),
            [_, _, _] => grid.unwrap_or((1, 1)),
            _ => (1, 1),
        };
        let mut all = Vec::with_capacity(n * units * h * w);
        for (call, first) in calls.iter().zip((0..n).step_by(batch)) {
            let (values, each) = (call[at].to_vec(), call[at].len() / batch);
            for image in values.chunks_exact(each.max(1)).take(n - first) {
                match shape.len() {
                    // (tokens, units) to (units, tokens)
                    3 => all.extend(
                        (0..units).flat_map(|unit| image.chunks_exact(units).skip(skip).map(move |token| token[unit])),
                    ),
                    _ => all.extend_from_slice(image),
                }
            }
        }
        Ok(Tensor::from_vec(all, (n, units, h, w), &Device::Cpu)?)
    }

    /// The values of `tensors` and of the first output for every call; none if the graph does not make one of them.
    fn calls(
        &self,
        runtime: &Runtime,
        images: &[f32],
        n: usize,
        size: (usize, usize),
        tensors: &[String],
    ) -> Result<Option<Vec<Values>>> {
        let mut outputs = Vec::new();
        for tensor in tensors {
            let Some(id) = runtime.0.find_node(tensor) else { return Ok(None) };
            outputs.push(id);
        }
        outputs.extend(runtime.0.output_ids().first());
        let each = images.len() / n.max(1);
        let n_calls = n.div_ceil(self.graph.batch);
        let next = Mutex::new(0..n_calls);
        let results: Vec<Mutex<Option<_>>> = (0..n_calls).map(|_| Mutex::new(None)).collect();
        let work = || {
            let pool = Arc::new(ThreadPool::with_num_threads(1));
            loop {
                let taken = next.lock().map(|mut next| next.next());
                let Ok(Some(call)) = taken else { return };
                let first = call * self.graph.batch;
                // A graph of a fixed batch size gets the last image again where there are not enough.
                let chosen = (first..first + self.graph.batch).map(|image| image.min(n - 1));
                let images: Vec<f32> = chosen.flat_map(|image| &images[image * each..][..each]).copied().collect();
                let found = self.call(runtime, &images, size, &outputs, Some(pool.clone()));
                if let Ok(mut result) = results[call].lock() {
                    *result = Some(found);
                }
            }
        };
        let workers = rayon::current_num_threads().min(n_calls).max(1);
        std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        let mut all = Vec::new();
        for result in results {
            let result = result.into_inner().ok().flatten();
            let values = match result {
                Some(Ok(values)) => values,
                Some(Err(e)) if e.kind() == RunErrorKind::PlanningError => return Ok(None),
                Some(Err(e)) => return Err(self.failed(&e)),
                None => return Err(Error::mismatch("results of an ONNX graph", "none", "those of every image")),
            };
            let floats = values.into_iter().zip(tensors.iter().map(String::as_str).chain(["the output"]));
            let floats = floats.map(|(value, name)| {
                value.into_tensor::<f32>().ok_or_else(|| {
                    Error::mismatch(format!("type of `{name}`"), "one that is not f32", "f32, as activations are")
                })
            });
            all.push(floats.collect::<Result<Values>>()?);
        }
        Ok(Some(all))
    }

    fn call(
        &self,
        runtime: &Runtime,
        images: &[f32],
        (height, width): (usize, usize),
        outputs: &[NodeId],
        pool: Option<Arc<ThreadPool>>,
    ) -> Result<Vec<Value>, rten::RunError> {
        let shape = match self.graph.channels_last {
            false => [self.graph.batch, 3, height, width],
            true => [self.graph.batch, height, width, 3],
        };
        let image: Value = NdTensor::from_data(shape, images.to_vec()).into();
        let inputs = runtime.0.input_ids().first().map(|id| (*id, image.into())).into_iter().collect();
        runtime.0.run(inputs, outputs, Some(RunOptions::default().with_thread_pool(pool)))
    }
}
