//! The engine of compexp: for each unit of a neural network, the logical formula over human-named concepts whose mask
//! overlaps best with the unit's.
//!
//! In reading order, which is the order in which data flows:
//!
//! | module | holds |
//! |---|---|
//! | [`concept`], [`probe`] | concepts, and the examples that are annotated with them |
//! | [`activation`], [`sparse`] | a layer's raw values, or given masks; values most of which are 0 |
//! | [`formula`] | AND / OR / NOT / NEIGHBORS trees, their text, their order and their meaning |
//! | [`partition`] | the cells of a probe set: positions that carry the same concepts |
//! | [`threshold`], [`ranges`], [`profile`] | from activations to each unit's hits in every cell |
//! | [`score`], [`search`] | counts and scores; the searches for the best formula |
//! | [`explanation`], [`exemplar`], [`relation`] | the record of a search, the examples that show it, how its concepts occur together |
//! | [`explain`](mod@explain) | all of it in one call |
//! | [`swap`] | units as concepts, and concepts as units |
//! | [`resize`], [`random`], [`simd`] | internals that other crates of the workspace share |
//!
//! The crate contains no data format, no network and no framework, and opens no file. Annotations come through
//! [`AnnotationSource`], activations through [`ActivationSource`]. Every result is the same for any number of threads;
//! random numbers follow from a seed.
//!
//! # Example
//!
//! A unit that fires on water, unless it is night:
//!
//! ```
//! use compexp_core::profile::Band;
//! use compexp_core::search::search;
//! use compexp_core::{
//!     Annotation, AnnotationSource, Concept, ConceptId, Grid, MemoryPositions, PartitionBuilder, SearchConfig, Vocabulary,
//!     profile,
//! };
//!
//! /// Four images of 1 x 2 positions: water (1) on the left of all of them, night (2) in the last two.
//! struct Images;
//!
//! impl AnnotationSource for Images {
//!     fn n_examples(&self) -> usize {
//!         4
//!     }
//!     fn grid(&self) -> Grid {
//!         Grid { height: 1, width: 2 }
//!     }
//!     fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
//!         into.layers.extend([1, Annotation::NONE]);
//!         into.scalars.extend((example >= 2).then_some(2));
//!         Ok(())
//!     }
//! }
//!
//! let mut builder = PartitionBuilder::new(Images.grid(), Box::new(MemoryPositions::new(Images.grid())));
//! builder.add_all(&Images, &|_| ())?;
//! let (partition, map) = builder.finish(&Default::default())?;
//!
//! // One unit, one value a position: (examples, units, height, width).
//! let activations = ndarray::arr1(&[5.0, 0.1, 4.0, 0.2, 0.3, 0.0, 0.1, 0.2_f32]).into_shape_with_order((4, 1, 1, 2)).unwrap();
//! let profiles = profile::from_activations(&activations.view(), &[Band::above(0, 1.0)], &map, partition.n_cells(), 3, &|_| ())?;
//! let result = search(&partition, &profiles[0], &SearchConfig::default())?;
//!
//! let names = Vocabulary::new(vec![
//!     Concept { id: ConceptId(1), name: "water".into(), category: "object".into() },
//!     Concept { id: ConceptId(2), name: "night".into(), category: "scene".into() },
//! ])?;
//! let best = result.best().unwrap();
//! assert_eq!(best.formula.display(&names).to_string(), "(water AND (NOT night))");
//! assert_eq!(best.iou, 1.0);
//! # Ok::<(), compexp_core::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod activation;
pub mod concept;
pub mod error;
pub mod exemplar;
pub mod explain;
pub mod explanation;
pub mod formula;
pub mod partition;
pub mod probe;
pub mod profile;
pub mod random;
pub mod ranges;
pub mod relation;
pub mod resize;
pub mod score;
pub mod search;
pub mod simd;
pub mod sparse;
pub mod swap;
pub mod threshold;

pub use activation::ActivationSource;
pub use concept::{Concept, ConceptId, Vocabulary};
pub use error::{Error, Result};
pub use explanation::Explanations;
pub use formula::Formula;
pub use partition::{MemoryPositions, Partition, PartitionBuilder};
pub use probe::{Annotation, AnnotationSource, Grid, ProbeSet};
pub use profile::Profile;
pub use search::SearchConfig;
pub use sparse::SparseSource;
pub use threshold::ThresholdRule;
