//! Vision: probe sets of annotated images, preprocessing, networks and their activations.
//!
//! In reading order: [`broden`] and [`annotations`] read annotated images; [`framing`] brings photographs to one size; [`image`]
//! decodes files, [`photo`] says which are turned upright, [`unpack`] takes them out of Parquet files, and [`preprocess`] scales them; [`network`] has the families of networks, on the arithmetic of
//! `compexp_kernels::conv`, and [`model`] makes one from a checkpoint; [`extract`] runs it over many images, [`eval`] measures its
//! accuracy;
//! [`thumbnail`] makes the small pictures of a report. [`train`] makes such a network, for instance from [`scenes`], which
//! are painted. [`paste`] puts a part of one image into another, and [`counterfactual`] measures what that does to
//! predictions.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use candle_core::Device;
//! use compexp_vision::extract::Extract;
//! use compexp_vision::framing::Framing;
//! use compexp_vision::model::Model;
//! use compexp_vision::photo::Photo;
//! use compexp_vision::preprocess::{Preparation, Preprocess};
//!
//! let model = Model::load(Path::new("resnet18_places365.pth.tar"), &Device::Cpu)?;
//! let images = [Photo::upright("a.jpg"), Photo::upright("b.jpg")];
//! let framing = Framing { resize: Some(256), crop: Some(224) };
//! let preparation = Preparation { framing, preprocess: Preprocess::Reference };
//! let extract = Extract { layers: &["layer4"], preparation, batch: 8, start_at: 0 };
//! let mut all = Vec::new(); // (images, 512, 7, 7) for images of 224 x 224
//! let mut keep = |block: compexp_vision::extract::Block<'_>| {
//!     all.extend_from_slice(&block.maps[0].values);
//!     Ok(())
//! };
//! extract.run(&model, &images, &mut keep, &|done, total| println!("{done} of {total}"))?;
//! # Ok::<(), compexp_vision::Error>(())
//! ```
//!
//! # What it does not know
//! The crate has no code for sentences, masks, thresholds or formulas. It turns images and a checkpoint into the
//! activations and probe sets that `compexp-core` uses.
//!
//! # Invariants
//! - On the CPU, the result for an image is the same to the last bit in any batch and on any number of threads.
//! - Activations that are not finite are errors, never results.
//! - Bad images, lists and weights give an [`Error`] that names the file or the weight; sizes are checked before memory
//!   is allocated.
//!
//! # Features
//! `onnx` (on by default) reads networks from ONNX files; they run on the CPU, by `rten`. `cuda` and `metal` let a
//! [`model::Model`] run on such a device, with candle's own kernels.
#![forbid(unsafe_code)]

pub mod annotations;
pub mod broden;
pub mod classes;
pub mod counterfactual;
pub mod error;
pub mod eval;
pub mod extract;
pub mod framing;
pub mod image;
pub mod initial;
pub mod model;
pub mod network;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod paste;
pub mod photo;
mod png_file;
pub mod preprocess;
pub mod preprocessor;
mod random;
mod recognise;
pub mod resnet;
pub mod scenes;
pub mod thumbnail;
pub mod train;
pub mod unpack;

pub use error::{Error, Result};
