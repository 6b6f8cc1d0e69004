//! Token probe sets: the words of annotated sentences as examples, with concepts of several families.
//!
//! Every word is an example of one position. Examples of one sentence are a group, sentences of one document are held out
//! together. A concept is a value of a family: `form:this`, `upos:NOUN`, `Number=Sing`. Concepts of context say what stands
//! elsewhere in the sentence: `(PREV upos:DET)` is true after a determiner, `(HEAD rel:root)` where the head is the root.

mod context;
mod family;
mod given;
mod source;
#[cfg(test)]
mod tests;

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::probe::{Example, Neighbors, ProbeSet, Variant};

pub use context::{Context, Operator};
pub use family::Family;
pub use given::{Given, Patterns, WordLists, read_labels};

use crate::conllu::Sentence;
use crate::error::{Error, Result};

/// Which concepts a token probe set has.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The families whose values are concepts.
    pub families: Vec<Family>,
    /// Concepts of context.
    pub contexts: Vec<Context>,
    /// Concepts that fewer words have are left out.
    pub min_count: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { families: Family::DEFAULT.to_vec(), contexts: Vec::new(), min_count: 5 }
    }
}

/// The words on each side of an example's own that its text shows.
const SHOWN: usize = 8;

/// The probe set of the words of `sentences`, in their order; `given` holds the concepts that a user adds.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if there are no words, or more than 2^32; if two sentences have one id; if a context
/// needs heads, and no word has one; if labels of sentences are
/// given and there are not as many; if no concept is left.
pub fn probe_set(sentences: &[Sentence], options: &Options, given: &Given) -> Result<ProbeSet> {
    let n: usize = sentences.iter().map(|s| s.words.len()).sum();
    if n == 0 || u32::try_from(n).is_err() {
        return Err(Error::mismatch("words of the sentences", n, "1 to 4,294,967,295"));
    }
    given.check(sentences.len())?;
    if let Some(context) = options.contexts.iter().find(|context| context.operator.is_syntactic())
        && sentences.iter().any(|s| s.words.len() > 1)
        && sentences.iter().all(|s| s.words.iter().all(|word| word.head.is_none()))
    {
        let expected = format!("some, since --context {context} asks for them: a treebank in CoNLL-U with syntax");
        return Err(Error::mismatch("heads of the words", "none", expected));
    }
    let mut concepts: Vec<Concept> = Vec::new();
    let mut lists = family::annotate(sentences, options, given, &mut concepts);
    let base = lists.clone();
    for context in &options.contexts {
        context.annotate(sentences, &base, options.min_count, &mut concepts, &mut lists);
    }
    if concepts.is_empty() {
        let expected = format!("at least one that {} words have: see --families and --min-count", options.min_count);
        return Err(Error::mismatch("concepts of the words", 0, expected));
    }
    let vocabulary = Vocabulary::new(concepts)?;
    let examples = examples(sentences)?;
    let source = Box::new(lists.finish());
    Ok(ProbeSet { vocabulary, examples, variant: Variant::Vision, neighbors: Neighbors::new(), source })
}

/// Adds a concept, and gives its id.
fn add(concepts: &mut Vec<Concept>, name: String, category: &str) -> u32 {
    let id = concepts.len() as u32;
    concepts.push(Concept { id: ConceptId(id), name, category: category.to_owned() });
    id
}

/// How outputs name the words, and the words around each.
fn examples(sentences: &[Sentence]) -> Result<Vec<Example>> {
    let mut ids = std::collections::HashSet::new();
    let mut examples = Vec::new();
    for sentence in sentences {
        if !ids.insert(&sentence.id) {
            let what = format!("sentences with the id {} (line {})", sentence.id, sentence.line);
            return Err(Error::mismatch(what, "two or more", "one"));
        }
        let forms: Vec<&str> = sentence.words.iter().map(|word| word.form.as_str()).collect();
        for (at, form) in forms.iter().enumerate() {
            let (first, end) = (at.saturating_sub(SHOWN), forms.len().min(at + 1 + SHOWN));
            let start = if first > 0 { "… " } else { "" };
            let rest = if end < forms.len() { " …" } else { "" };
            let mut shown: Vec<String> = forms[first..end].iter().map(|form| (*form).to_owned()).collect();
            shown[at - first] = format!("«{form}»");
            examples.push(Example {
                name: format!("{}:{}", sentence.id, at + 1),
                image: String::new(),
                text: format!("{start}{}{rest}", shown.join(" ")),
                group: sentence.id.clone(),
                document: sentence.document.clone(),
            });
        }
    }
    Ok(examples)
}
