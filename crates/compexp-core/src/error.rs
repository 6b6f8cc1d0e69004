//! The errors of this crate: each names the operation, what was found and what was expected.

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two inputs do not belong together, or a value is out of its range.
    #[error("{what}: found {found}, expected {expected}")]
    Mismatch {
        /// The quantity: `examples in the activations`, ...
        what: String,
        /// The value found.
        found: String,
        /// The value expected, with a hint at the fix if there is one.
        expected: String,
    },
    /// Two concepts of a vocabulary share an id or a name.
    #[error("two concepts share {what}: {first} and {second}; ids and names must be unique")]
    DuplicateConcept {
        /// The shared id or name.
        what: String,
        /// The first of them.
        first: String,
        /// The second of them.
        second: String,
    },
    /// An activation is NaN or infinite.
    #[error(
        "activation of unit {unit} on example {example} is {value}: activations must be finite; \
         check the model's input, or export the layer again"
    )]
    NotFinite {
        /// The unit, counted from 0.
        unit: usize,
        /// The example, counted from 0.
        example: usize,
        /// The value found.
        value: f32,
    },
    /// The annotation of an example could not be read.
    #[error("cannot read the annotation of example {example}: {source}")]
    Annotation {
        /// The example, counted from 0.
        example: usize,
        /// The reader's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A source of annotations, activations, masks or positions failed, mostly because a file cannot be read.
    #[error(transparent)]
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// A search found a better formula than the proven optimum: a fault of this crate.
    #[error(
        "`{formula}` has an IoU of {found}, above the proven bound of {proven}: the proof is wrong, which is a fault of \
         compexp; please report it with the inputs"
    )]
    BeyondProof {
        /// The formula.
        formula: String,
        /// Its IoU.
        found: f64,
        /// The bound it exceeds.
        proven: f64,
    },
    /// A formula's text cannot be read.
    #[error("cannot read formula `{text}` at character {at}: found {found}, expected {expected}")]
    Formula {
        /// The text as given.
        text: String,
        /// The place where reading stopped, in characters from 0.
        at: usize,
        /// The text at that place.
        found: String,
        /// What was expected there.
        expected: String,
    },
}

impl Error {
    /// An [`Error::Source`]; use with `map_err`.
    pub fn source(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Source(Box::new(error))
    }

    /// An [`Error::Mismatch`] of `what`.
    pub fn mismatch(what: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Mismatch { what: what.into(), found: found.to_string(), expected: expected.to_string() }
    }
}
