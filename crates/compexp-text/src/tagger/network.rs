//! The tagger's network: mixed hash embeddings of each word, then layers that each see one word on either side.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use super::layer::{Maxout, Output, PIECES};
use super::lexeme::{Attribute, Lexicon};
use crate::error::{Error, Result};
use crate::msgpack::{self, Packed, Value};

/// Sentences whose distinct words are embedded together: bounds the memory, and most words repeat within them.
const BATCH: usize = 4096;

/// Sentences that one thread computes together.
const GROUP: usize = 16;

/// Distinct words that one thread computes together.
const WORDS: usize = 128;

/// The table of one attribute: four rows, chosen by a hash, are summed.
struct HashEmbedding {
    attribute: Attribute,
    seed: u32,
    rows: usize,
    /// `(rows, width)`.
    table: Vec<f32>,
}

pub(crate) struct Network {
    /// The number of values of a word, in and between all layers.
    width: usize,
    embeddings: Vec<HashEmbedding>,
    mix: Maxout,
    encoder: Vec<Maxout>,
    output: Output,
}

impl Network {
    /// Reads `tok2vec/model` and `tagger/model` of a model folder, for `n_labels` labels.
    pub(crate) fn load(folder: &Path, n_labels: usize) -> Result<Self> {
        let packed = Packed::open(&folder.join("tok2vec").join("model"))?;
        let model = packed.value()?;
        let nodes = Node::all(&packed, &model)?;
        let attributes = attributes(&packed, &nodes)?;
        let (embeddings, width) = embeddings(&packed, &nodes, &attributes)?;
        let mut layers = layers(&packed, &nodes, width)?.into_iter();
        let mix = layers.next().filter(|layer| layer.inputs() == embeddings.len() * width);
        let mix = mix.ok_or_else(|| {
            packed.missing("nodes", &format!("a first maxout layer of {} inputs", embeddings.len() * width))
        })?;
        let encoder: Vec<Maxout> = layers.collect();
        if encoder.iter().any(|layer| layer.inputs() != 3 * width) {
            return Err(packed.missing("nodes", &format!("further maxout layers of {} inputs: window 1", 3 * width)));
        }

        let packed = Packed::open(&folder.join("tagger").join("model"))?;
        let model = packed.value()?;
        let nodes = Node::all(&packed, &model)?;
        let softmax = nodes.iter().find(|node| node.name == "softmax");
        let softmax = softmax.ok_or_else(|| packed.missing("nodes", "a node named softmax"))?;
        let weights = softmax.floats(&packed, "W", &[n_labels, width])?;
        let output = Output::new(&weights, softmax.floats(&packed, "b", &[n_labels])?);
        Ok(Self { width, embeddings, mix, encoder, output })
    }

    /// The label of every word of every sentence; the same for any number of threads.
    pub(crate) fn label<S: AsRef<str> + Sync>(&self, lexicon: &Lexicon, sentences: &[&[S]]) -> Vec<Vec<usize>> {
        let mut labels = Vec::with_capacity(sentences.len());
        for batch in sentences.chunks(BATCH) {
            let mut numbers: HashMap<&str, usize> = HashMap::new();
            let mut words = Vec::new();
            for word in batch.iter().copied().flatten() {
                numbers.entry(word.as_ref()).or_insert_with(|| {
                    words.push(word.as_ref());
                    words.len() - 1
                });
            }
            let mut vectors = vec![0.0; words.len() * self.width]; // (n_words, width)
            let groups = words.par_chunks(WORDS).zip(vectors.par_chunks_mut(WORDS * self.width));
            groups.for_each(|(words, vectors)| self.embed(lexicon, words, vectors));
            let groups: Vec<Vec<Vec<usize>>> =
                batch.par_chunks(GROUP).map(|group| self.encode(group, &numbers, &vectors)).collect();
            labels.extend(groups.into_iter().flatten());
        }
        labels
    }

    /// The vectors of `words` on their own, `(n_words, width)`.
    fn embed(&self, lexicon: &Lexicon, words: &[&str], vectors: &mut [f32]) {
        let inputs = self.mix.inputs();
        let mut x = vec![0.0; words.len() * inputs]; // (n_words, n_embeddings * width)
        for (word, x) in words.iter().zip(x.chunks_exact_mut(inputs)) {
            for (embedding, x) in self.embeddings.iter().zip(x.chunks_exact_mut(self.width)) {
                let id = lexicon.attribute(word, embedding.attribute);
                for hash in super::hash::murmur128(id, embedding.seed) {
                    let row = hash as usize % embedding.rows * self.width;
                    for (x, e) in x.iter_mut().zip(&embedding.table[row..][..self.width]) {
                        *x += e;
                    }
                }
            }
        }
        let starts: Vec<usize> = (0..words.len()).map(|i| i * inputs).collect();
        self.mix.run(&x, &starts, vectors);
    }

    /// The labels of some sentences, from the vectors of their words.
    ///
    /// The sentences are rows of one matrix. Before and after each sentence there are as many empty rows as there are
    /// layers. Empty rows pass through the layers like words. Each layer computes one row less on either side than the
    /// layer before it, because the words of the sentence see no more.
    fn encode<S: AsRef<str>>(
        &self,
        sentences: &[&[S]],
        numbers: &HashMap<&str, usize>,
        vectors: &[f32],
    ) -> Vec<Vec<usize>> {
        let (width, depth) = (self.width, self.encoder.len());
        let mut firsts = Vec::with_capacity(sentences.len());
        let mut n_rows = 0;
        for sentence in sentences {
            firsts.push(n_rows + depth);
            n_rows += sentence.len() + 2 * depth;
        }
        let mut x = vec![0.0; n_rows * width]; // (n_rows, width)
        for (sentence, &first) in sentences.iter().zip(&firsts) {
            for (word, row) in sentence.iter().zip(x[first * width..].chunks_exact_mut(width)) {
                row.copy_from_slice(&vectors[numbers[word.as_ref()] * width..][..width]);
            }
        }
        let mut starts = Vec::with_capacity(n_rows);
        let mut out = Vec::new();
        for (done, layer) in self.encoder.iter().enumerate() {
            let margin = depth - 1 - done;
            starts.clear();
            for (sentence, &first) in sentences.iter().zip(&firsts).filter(|(sentence, _)| !sentence.is_empty()) {
                // The window of a row begins at the row before it.
                starts.extend((first - margin..first + sentence.len() + margin).map(|row| (row - 1) * width));
            }
            out.resize(starts.len() * width, 0.0);
            layer.run(&x, &starts, &mut out);
            for (&start, out) in starts.iter().zip(out.chunks_exact(width)) {
                for (x, out) in x[start + width..][..width].iter_mut().zip(out) {
                    *x += out;
                }
            }
        }
        let mut scores = Vec::new();
        let labels = sentences.iter().zip(&firsts).map(|(sentence, &first)| {
            let rows = x[first * width..].chunks_exact(width);
            rows.take(sentence.len()).map(|row| self.output.best(row, &mut scores)).collect()
        });
        labels.collect()
    }
}

/// One node of a saved network.
struct Node<'v, 'a> {
    index: usize,
    name: &'a str,
    attributes: &'v Value<'a>,
    parameters: &'v Value<'a>,
}

impl<'v, 'a> Node<'v, 'a> {
    fn all(packed: &Packed, model: &'v Value<'a>) -> Result<Vec<Self>> {
        let list = |name: &str| {
            let list = model.get(name).and_then(Value::list);
            list.ok_or_else(|| packed.missing(name, "a list: a model written by thinc 8"))
        };
        let (nodes, attributes, parameters) = (list("nodes")?, list("attrs")?, list("params")?);
        if attributes.len() != nodes.len() || parameters.len() != nodes.len() {
            let found = format!("{} and {} of them", attributes.len(), parameters.len());
            return Err(packed.error("attrs and params", found, &format!("{}, one a node", nodes.len())));
        }
        let node = |(index, ((node, attributes), parameters)): (usize, ((&'v Value<'a>, _), _))| {
            let name = node.get("name").and_then(Value::text);
            let name = name.ok_or_else(|| packed.missing(format!("node {index}"), "a node with a name"))?;
            Ok(Self { index, name, attributes, parameters })
        };
        nodes.iter().zip(attributes).zip(parameters).enumerate().map(node).collect()
    }

    fn field(&self, name: &str) -> String {
        format!("{name} of node {} ({})", self.index, super::excerpt(self.name))
    }

    /// An attribute. Its bytes are MessagePack themselves.
    fn attribute(&self, packed: &Packed, name: &str) -> Result<Value<'a>> {
        let value = self.attributes.get(name).and_then(Value::bytes).and_then(|bytes| msgpack::read(bytes).ok());
        value.ok_or_else(|| packed.missing(self.field(name), "a packed attribute"))
    }

    /// The shape of a parameter.
    fn shape(&self, packed: &Packed, name: &str) -> Result<Vec<usize>> {
        let shape = self.parameters.get(name).and_then(|p| p.get("shape")).and_then(Value::list);
        let shape = shape.and_then(|shape| shape.iter().map(Value::size).collect());
        shape.ok_or_else(|| packed.missing(self.field(name), "an array with a shape"))
    }

    /// A parameter of the given shape.
    fn floats(&self, packed: &Packed, name: &str, expected: &[usize]) -> Result<Vec<f32>> {
        let shape = self.shape(packed, name)?;
        if shape != expected {
            return Err(packed.error(self.field(name), format!("shape {shape:?}"), &format!("{expected:?}")));
        }
        let parameter = self.parameters.get(name);
        if parameter.and_then(|p| p.get("type")).and_then(Value::bytes) != Some(b"<f4") {
            return Err(packed.missing(self.field(name), "elements of type <f4"));
        }
        let data = parameter.and_then(|p| p.get("data")).and_then(Value::bytes).unwrap_or_default();
        let n = shape.iter().try_fold(4usize, |n, &size| n.checked_mul(size));
        if n != Some(data.len()) {
            let found = format!("{} bytes for shape {shape:?}", data.len());
            return Err(packed.error(self.field(name), found, "4 bytes an element"));
        }
        let floats: Vec<f32> = data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if floats.iter().any(|value| !value.is_finite()) {
            return Err(packed.error(self.field(name), "a value that is not finite", "finite weights"));
        }
        Ok(floats)
    }
}

/// The attributes of words that are embedded, column by column.
fn attributes(packed: &Packed, nodes: &[Node<'_, '_>]) -> Result<Vec<Attribute>> {
    let node = nodes.iter().find(|node| node.name == "extract_features");
    let node = node.ok_or_else(|| packed.missing("nodes", "a node named extract_features"))?;
    let columns = node.attribute(packed, "columns")?;
    let columns = columns.list().ok_or_else(|| packed.missing(node.field("columns"), "a list"))?;
    let column = |column: &Value<'_>| {
        let attribute = column.text().and_then(Attribute::parse);
        let expected = "NORM, PREFIX, SUFFIX, SHAPE, SPACY, IS_SPACE, LOWER or ORTH";
        attribute.ok_or_else(|| packed.error(node.field("columns"), format!("{column:?}"), expected))
    };
    columns.iter().map(column).collect()
}

/// The embeddings, and their width.
fn embeddings(
    packed: &Packed,
    nodes: &[Node<'_, '_>],
    attributes: &[Attribute],
) -> Result<(Vec<HashEmbedding>, usize)> {
    let nodes: Vec<_> = nodes.iter().filter(|node| node.name == "hashembed").collect();
    if nodes.is_empty() || nodes.len() != attributes.len() {
        let expected = format!("{}, one for each attribute of a word", attributes.len().max(1));
        return Err(packed.error("nodes", format!("{} hash embeddings", nodes.len()), &expected));
    }
    let mut width = None;
    let mut embeddings = Vec::new();
    for node in nodes {
        let shape = node.shape(packed, "E")?;
        let &[rows, columns] = &shape[..] else {
            return Err(packed.error(node.field("E"), format!("shape {shape:?}"), "rows and columns"));
        };
        let width = *width.get_or_insert(columns);
        let integer = |name: &str| {
            let value = node.attribute(packed, name)?.size();
            value.ok_or_else(|| packed.missing(node.field(name), "a small integer"))
        };
        let column = integer("column")?;
        let attribute = attributes.get(column).copied();
        let attribute = attribute.ok_or_else(|| {
            packed.error(node.field("column"), column.to_string(), &format!("less than {}", attributes.len()))
        })?;
        let seed = integer("seed")?;
        let seed = u32::try_from(seed);
        let seed = seed.map_err(|_| packed.missing(node.field("seed"), "an integer of 32 bits"))?;
        let table = node.floats(packed, "E", &[rows, width])?;
        if table.is_empty() {
            return Err(packed.error(node.field("E"), format!("shape {shape:?}"), "at least one row and column"));
        }
        embeddings.push(HashEmbedding { attribute, seed, rows, table });
    }
    Ok((embeddings, width.unwrap_or_default()))
}

/// The maxout layers in order, each with the normalisation of the same place.
fn layers(packed: &Packed, nodes: &[Node<'_, '_>], width: usize) -> Result<Vec<Maxout>> {
    for node in nodes.iter().filter(|node| node.name == "expand_window") {
        if node.attribute(packed, "window_size")?.size() != Some(1) {
            return Err(packed.missing(node.field("window_size"), "1"));
        }
    }
    let named = |name: &'static str| nodes.iter().filter(move |node| node.name == name);
    let (maxouts, norms) = (named("maxout").count(), named("layernorm").count());
    if maxouts != norms {
        let found = format!("{maxouts} of maxout and {norms} of layernorm");
        return Err(packed.error("nodes", found, "as many of each"));
    }
    let layer = |(maxout, norm): (&Node<'_, '_>, &Node<'_, '_>)| {
        let shape = maxout.shape(packed, "W")?;
        let &[outputs, PIECES, inputs] = &shape[..] else {
            return Err(packed.error(maxout.field("W"), format!("shape {shape:?}"), "(outputs, 3 pieces, inputs)"));
        };
        if outputs != width {
            return Err(packed.error(maxout.field("W"), format!("{outputs} outputs"), &format!("{width}")));
        }
        let weights = maxout.floats(packed, "W", &shape)?;
        let bias = maxout.floats(packed, "b", &[outputs, PIECES])?;
        let (gain, shift) = (norm.floats(packed, "G", &[outputs])?, norm.floats(packed, "b", &[outputs])?);
        Ok(Maxout::new(inputs, &weights, &bias, gain, shift))
    };
    named("maxout").zip(named("layernorm")).map(layer).collect::<Result<_, Error>>()
}
