//! What an ONNX file says of its graph: the input, and the names of what its operators make.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use compexp_files::{excerpt, read_bytes};
use rten_onnx::onnx::{DataLocation, GraphProto, ModelProto, ValueInfoProto};

use crate::error::{Error, Result};
use crate::network::LayerName;

/// Largest file that is read, in bytes: the format's own limit for one file.
const MAX_FILE: u64 = 1 << 31;

/// Largest file of weights beside it.
const MAX_EXTERNAL: u64 = 1 << 36;

/// The names and sizes of a graph.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    layers: Vec<LayerName>,
    /// The first output of each operator that has a name, by that name.
    operators: BTreeMap<String, String>,
    /// Images that a call takes.
    pub(super) batch: usize,
    /// Whether images are `(n, h, w, 3)`.
    pub(super) channels_last: bool,
    size: [Option<usize>; 2],
    /// Files with weights, beside the file.
    external: BTreeSet<String>,
}

impl Graph {
    /// Reads a file: what its graph has, and its bytes.
    ///
    /// # Errors
    /// [`Error::Onnx`] if it is no ONNX file, or its graph has not one input of images; [`compexp_files::Error::Io`] if it
    /// cannot be read.
    pub(super) fn read(path: &Path) -> Result<(Self, Vec<u8>)> {
        let bytes = read_bytes(path, MAX_FILE)?;
        let wrong =
            |problem: String, hint: &str| Err(Error::Onnx { path: path.to_owned(), problem, hint: hint.to_owned() });
        let graph = match ModelProto::parse_buf(&bytes) {
            Ok(ModelProto { graph: Some(graph), .. }) if !graph.node.is_empty() => graph,
            Ok(_) => return wrong("found no graph".into(), "export the network again, as ONNX"),
            Err(e) => return wrong(format!("{e}"), "the file is cut off, or no ONNX file"),
        };
        let weights: BTreeSet<&str> = graph.initializer.iter().filter_map(|weight| weight.name.as_deref()).collect();
        let is_input = |input: &&ValueInfoProto| !input.name.as_deref().is_some_and(|name| weights.contains(name));
        let inputs: Vec<&ValueInfoProto> = graph.input.iter().filter(is_input).collect();
        let [input] = inputs.as_slice() else {
            let names: Vec<String> = inputs.iter().map(|i| excerpt(i.name.as_deref().unwrap_or_default())).collect();
            let problem = format!("found {} inputs ({}), expected one, of images", inputs.len(), names.join(", "));
            return wrong(problem, "export the part of the network that takes images");
        };
        let Some([n, a, b, c]) = sizes(input) else {
            let name = excerpt(input.name.as_deref().unwrap_or_default());
            let problem = format!("input {name}: found no 4 axes, expected images [n, 3, height, width]");
            return wrong(problem, "export the part of the network that takes images");
        };
        let channels_last = a != Some(3) && c == Some(3);
        if !channels_last && a.is_some_and(|channels| channels != 3) {
            let problem = format!("input: found {} channels, expected 3", a.unwrap_or_default());
            return wrong(problem, "give a network of RGB images");
        }
        let size = if channels_last { [a, b] } else { [b, c] };
        let found = Self {
            layers: layers(&graph),
            operators: operators(&graph),
            batch: n.unwrap_or(1).max(1),
            channels_last,
            size,
            external: external(&graph),
        };
        Ok((found, bytes))
    }

    /// Rows and columns of the images, if the graph states both.
    pub(super) fn image_size(&self) -> Option<(usize, usize)> {
        Some((self.size[0]?, self.size[1]?))
    }

    pub(super) fn layers(&self) -> Vec<LayerName> {
        self.layers.clone()
    }

    /// The tensor of this name, or the one that the operator of this name makes.
    pub(super) fn tensor(&self, name: &str) -> Option<&str> {
        let own = self.layers.iter().find(|layer| layer.name == name).map(|layer| layer.name.as_str());
        own.or_else(|| self.operators.get(name).map(String::as_str))
    }

    /// The files of weights that lie beside the file, with their names in it.
    ///
    /// # Errors
    /// [`Error::Onnx`] if a name leads out of the folder; [`compexp_files::Error::Io`] if a file cannot be read.
    pub(super) fn external_files(&self, path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
        let read = |name: &String| {
            if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(Error::Onnx {
                    path: path.to_owned(),
                    problem: format!("weights in {}: found a path out of the folder", excerpt(name)),
                    hint: "put the file of weights beside the ONNX file".to_owned(),
                });
            }
            Ok((name.clone(), read_bytes(&path.parent().unwrap_or(Path::new("")).join(name), MAX_EXTERNAL)?))
        };
        self.external.iter().map(read).collect()
    }
}

/// The four sizes of an input, where they are stated.
fn sizes(input: &ValueInfoProto) -> Option<[Option<usize>; 4]> {
    let dims = &input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim;
    let sizes: Vec<Option<usize>> =
        dims.iter().map(|dim| dim.dim_value.and_then(|size| usize::try_from(size).ok()).filter(|n| *n > 0)).collect();
    sizes.try_into().ok()
}

/// What operators make, in the order in which they run. Constants are left out.
fn layers(graph: &GraphProto) -> Vec<LayerName> {
    let made = graph.node.iter().filter(|node| node.op_type.as_deref() != Some("Constant"));
    let outputs = made.flat_map(|node| {
        let kind = node.op_type.clone().unwrap_or_default();
        node.output
            .iter()
            .filter(|name| !name.is_empty())
            .map(move |name| LayerName { name: name.clone(), kind: kind.clone() })
    });
    outputs.collect()
}

fn operators(graph: &GraphProto) -> BTreeMap<String, String> {
    let first = |node: &rten_onnx::onnx::NodeProto| {
        let name = node.name.clone().filter(|name| !name.is_empty())?;
        Some((name, node.output.first()?.clone()))
    };
    graph.node.iter().filter_map(first).collect()
}

fn external(graph: &GraphProto) -> BTreeSet<String> {
    let outside = graph.initializer.iter().filter(|weight| weight.data_location == Some(DataLocation::EXTERNAL));
    let entries = outside.flat_map(|weight| &weight.external_data);
    let location = entries.filter(|entry| entry.key.as_deref() == Some("location"));
    location.filter_map(|entry| entry.value.clone()).collect()
}
